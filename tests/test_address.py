"""The repository's address stands in one place; every link follows from it, for every kind of host."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from downhill_course.notebook import address
from downhill_course.notebook.address import Address, read, stale
from downhill_course.notebook.running import all_notebooks

ROOT = Path(__file__).parents[1]
GITHUB = Address("https://github.com/Ann/hills", "main")
GITLAB = Address("https://gitlab.com/school/maths/hills", "main")
SELF_HOSTED = Address("https://gitlab.example.edu.cn/ann/hills", "dev/2")
GITEE = Address("https://gitee.com/ann/hills", "master")
UNKNOWN = Address("https://git.example.org/ann/hills", "main")
NOWHERE = Address("")
FILE = "book/03 动.ipynb"
QUOTED = "book/03%20%E5%8A%A8.ipynb"


def config(folder, text):
    path = folder / "_config.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("here", "view", "edit", "raw"),
    [
        (GITHUB, "/blob/main/", "/edit/main/", "/raw/main/"),
        (GITLAB, "/-/blob/main/", "/-/edit/main/", "/-/raw/main/"),
        (SELF_HOSTED, "/-/blob/dev/2/", "/-/edit/dev/2/", "/-/raw/dev/2/"),
        (GITEE, "/blob/master/", "/edit/master/", "/raw/master/"),
        (Address("https://codeberg.org/ann/hills"), "/src/branch/main/", "/_edit/main/", "/raw/branch/main/"),
    ],
)
def test_a_file_on_its_host(here, view, edit, raw):
    assert here.view(FILE) == here.url + view + QUOTED
    assert here.edit(FILE) == here.url + edit + QUOTED
    assert here.raw(FILE) == here.url + raw + QUOTED


def test_a_new_issue_comes_with_its_title_and_text():
    title, text = "A slip & more", "see #1\n错字"
    fields = "title=A%20slip%20%26%20more&body=see%20%231%0A%E9%94%99%E5%AD%97"
    assert GITHUB.issue(title, text) == f"https://github.com/Ann/hills/issues/new?{fields}"
    others = fields.replace("title=", "issue%5Btitle%5D=").replace("body=", "issue%5Bdescription%5D=")
    assert GITLAB.issue(title, text) == f"{GITLAB.url}/-/issues/new?{others}"
    assert GITEE.issue(title, text) == f"{GITEE.url}/issues/new?{others}"


@pytest.mark.parametrize(
    ("here", "place"),
    [
        (GITHUB, "gh/Ann/hills/main"),
        (GITLAB, "gl/school%2Fmaths%2Fhills/main"),
        (SELF_HOSTED, "git/https%3A%2F%2Fgitlab.example.edu.cn%2Fann%2Fhills/dev/2"),
        (GITEE, "git/https%3A%2F%2Fgitee.com%2Fann%2Fhills/master"),
        (UNKNOWN, "git/https%3A%2F%2Fgit.example.org%2Fann%2Fhills/main"),
    ],
)
def test_binder_opens_the_notebook_in_jupyterlab(here, place):
    assert here.launch(FILE) == f"https://mybinder.org/v2/{place}?urlpath=lab/tree/{QUOTED}"


def test_colab_takes_github_alone():
    assert GITHUB.colab("book/a.ipynb") == ("https://colab.research.google.com/github/Ann/hills/blob/main/book/a.ipynb")
    assert {here.colab("book/a.ipynb") for here in (GITLAB, SELF_HOSTED, GITEE, UNKNOWN, NOWHERE)} == {""}


@pytest.mark.parametrize(
    ("here", "site"),
    [
        (GITHUB, "https://ann.github.io/hills/"),
        (Address("https://github.com/Ann/ann.github.io"), "https://ann.github.io/"),
        (GITLAB, "https://school.gitlab.io/maths/hills/"),
        (SELF_HOSTED, ""),
        (GITEE, ""),
        (Address(GITEE.url, served="https://hills.example.cn/"), "https://hills.example.cn/"),
    ],
)
def test_the_site_is_where_pages_put_it_unless_told(here, site):
    assert here.site == site


def test_pip_installs_from_the_repository():
    assert GITLAB.pip == "git+https://gitlab.com/school/maths/hills@main"


def test_a_host_of_unknown_kind_gives_what_every_host_gives():
    assert UNKNOWN.view(FILE) == UNKNOWN.url
    assert (UNKNOWN.edit(FILE), UNKNOWN.raw(FILE), UNKNOWN.issue("a", "b"), UNKNOWN.commit("c0ffee")) == ("",) * 4
    named = Address(UNKNOWN.url, provider="gitlab")
    assert named.edit("a.md") == f"{UNKNOWN.url}/-/edit/main/a.md"


def test_without_a_repository_there_are_no_links():
    links = (NOWHERE.view(FILE), NOWHERE.edit(FILE), NOWHERE.raw(FILE), NOWHERE.issue("a", "b"))
    assert {*links, NOWHERE.launch(FILE), NOWHERE.pip, NOWHERE.site, NOWHERE.commit("c0ffee")} == {""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repository: {url: 'git@github.com:ann/hills.git'}", "such as https://github.com/OWNER/NAME"),
        ("repository: {url: github.com/ann/hills}", "repository.url is 'github.com/ann/hills'"),
        ("repository: {url: 'https://github.com/ann'}", "OWNER/NAME"),
        ("repository: {url: 'https://github.com/ann/hills/tree/main'}", "names more than OWNER/NAME"),
        ("repository: {url: 'https://github.com/ann/hills?tab=readme'}", "OWNER/NAME"),
        ("repository: {url: 'https://me:secret@github.com/ann/hills'}", "OWNER/NAME"),
        ("repository: {url: 'https://github.com/ann/hills', branch: a b}", "repository.branch is 'a b'"),
        ("repository: {url: 'https://github.com/ann/hills', provider: cvs}", "use one of github, gitlab"),
        ("repository: ann/hills", "write url and branch below it"),
        ("html: {baseurl: example.org}", "such as https://example.org/downhill/"),
    ],
)
def test_a_malformed_address_is_named_with_its_file(tmp_path, text, message):
    path = config(tmp_path, text)
    with pytest.raises(SystemExit) as error:
        read(path, {})
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))


def test_what_people_paste_is_understood(tmp_path):
    for pasted in (
        "https://github.com/ann/hills/",
        "https://github.com/ann/hills.git",
        " https://github.com/ann/hills",
    ):
        assert read(config(tmp_path, f"repository: {{url: '{pasted}'}}"), {}).url == "https://github.com/ann/hills"


def test_the_environment_says_where_this_build_is_served(tmp_path):
    path = config(tmp_path, "repository: {url: 'https://github.com/ann/hills'}\nhtml: {baseurl: 'https://hills.org/'}")
    assert read(path, {}).site == "https://hills.org/"
    assert read(path, {"SITE_URL": ""}).site == "https://hills.org/"
    assert read(path, {"SITE_URL": "https://pages.example/x"}).site == "https://pages.example/x/"


# --- one place -----------------------------------------------------------------------------------------------


def tracked():
    """Every file of the project: from git, or, in a download without git, from the folders."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    built = {"_build", "node_modules", ".venv"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]


def test_the_address_is_written_in_one_place():
    here = read(environment={})
    words = [form.encode() for form in (here.name, here.site) if form]
    holding = {p.relative_to(ROOT).as_posix() for p in tracked() if any(word in p.read_bytes() for word in words)}
    notebooks = {path.relative_to(ROOT).as_posix() for path in all_notebooks()}  # see setup_cell
    assert holding == {"_config.yml", *address.REPEATING, *notebooks}


def test_the_files_that_repeat_the_address_repeat_this_one():
    here = read(environment={})
    assert [path.name for path in stale()] == [], "run `make address`"
    assert here.launch("book/00-descent.ipynb") in (ROOT / "README.md").read_text("utf-8")
    assert here.launch("book/00-descent.ipynb") in (ROOT / "README.zh-CN.md").read_text("utf-8")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (citation["repository-code"], citation["url"]) == (here.url, here.site)
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert urls == {"Homepage": here.site, "Repository": here.url, "Changelog": here.view("CHANGELOG.md")}


@pytest.mark.parametrize(
    "new",
    [
        "{url: HERE2, branch: trunk}",
        "{url: HERE.io}",
        "{url: https://gitlab.com/school/maths/hills}",
        "{url: https://gitee.com/ann/hills, branch: master}",
    ],
)
def test_a_fork_changes_one_line_and_every_file_follows(tmp_path, new):
    for name in (*address.REPEATING, "_config.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    before = {name: (tmp_path / name).read_text("utf-8") for name in address.REPEATING}
    old = read(tmp_path / "_config.yml", {})
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    settings["repository"] = yaml.safe_load(new.replace("HERE", old.url))
    if "gitee" in new:
        settings["html"]["baseurl"] = "https://hills.example.cn/"
    config(tmp_path, yaml.safe_dump(settings))
    here = read(tmp_path / "_config.yml", {})
    found = stale(tmp_path)
    assert {path.name for path in found} == set(address.REPEATING)
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
        assert old.url + '"' not in text
        assert old.site not in text
        assert here.url in text or here.launch("book/00-descent.ipynb") in text
    assert stale(tmp_path) == {}
    # And back again: nothing else was touched.
    shutil.copy(ROOT / "_config.yml", tmp_path / "_config.yml")
    assert {path.name: text for path, text in stale(tmp_path).items()} == before
