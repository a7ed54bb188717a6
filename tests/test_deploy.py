"""What others read: Binder's files, the workflows, which call the README's commands, and the site where they put it."""

import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from needs import need
from serving import serve

from downhill_course.__main__ import main as downhill
from downhill_course.publish.chrome import ADVICE, find_chrome

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "site"
WORKFLOWS = [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / ".gitlab-ci.yml"]


def commands(path):
    """Every shell command of a workflow."""

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("run", "script"):
                    yield from [value] if isinstance(value, str) else value
                else:
                    yield from walk(value)
        elif isinstance(node, list):
            for item in node:
                yield from walk(item)

    return list(walk(yaml.safe_load(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_the_readmes_commands(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    found = commands(path)
    assert found
    for line in found:
        word, *rest = line.split()
        assert word in ("make", ".ci/run", ".ci/system", "mv"), line
        assert word != "make" or rest[0] in targets, line


def test_binder_reads_pythons_version_and_installs_optlib():
    version = (ROOT / "runtime.txt").read_text().strip()
    assert re.fullmatch(r"python-3\.\d+", version)
    least = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert tuple(map(int, version.removeprefix("python-").split("."))) >= tuple(
        map(int, least.removeprefix(">=").split("."))
    )
    script = ROOT / "postBuild"
    assert os.access(script, os.X_OK)
    assert "pip install --no-deps" in script.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    assert "==" in (ROOT / "requirements.txt").read_text(encoding="utf-8")


# --- workflows ----------------------------------------------------------------------------------------------


def workflow(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def steps(job, what):
    return [step for step in job["steps"] if what in step.get("uses", "") + step.get("run", "")]


def test_the_site_is_built_for_the_address_where_pages_serve_it():
    job = workflow(".github/workflows/site.yml")["jobs"]["build"]
    (pages,), (build,) = steps(job, "configure-pages"), steps(job, "make book")
    assert build["env"] == {"SITE_URL": f"${{{{ steps.{pages['id']}.outputs.base_url }}}}"}
    assert workflow(".gitlab-ci.yml")["pages"]["variables"]["SITE_URL"] == "$CI_PAGES_URL"


def test_a_workflow_may_do_no_more_than_it_must():
    site, tests = (workflow(f".github/workflows/{name}.yml") for name in ("site", "tests"))
    assert site["permissions"] == tests["permissions"] == {"contents": "read"}
    allowed = {name: job["permissions"] for name, job in site["jobs"].items()}
    assert allowed["build"] == {"contents": "read", "pages": "read"}
    assert allowed["deploy"] == {"pages": "write", "id-token": "write"}
    assert site["concurrency"]["cancel-in-progress"] is False
    for job in [*site["jobs"].values(), *tests["jobs"].values()]:
        assert job["timeout-minutes"] <= 120


def test_fonts_are_there_before_the_cards_are_drawn():
    for path in (".github/workflows/site.yml", ".gitlab-ci.yml"):
        found = commands(ROOT / path)
        assert found.index(".ci/system site") < found.index("make book"), path
    assert "fonts-noto-cjk" in (ROOT / ".ci" / "system").read_text(encoding="utf-8")


def test_the_newest_versions_are_tested_on_the_python_of_the_matrix():
    newest = workflow(".github/workflows/tests.yml")["jobs"]["newest"]
    versions = newest["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    (setup,) = steps(newest, "setup-python")
    assert setup["with"]["python-version"] == "${{ matrix.python }}"
    assert newest["env"] == {"PYTHON": "python${{ matrix.python }}"}
    assert [step["run"] for step in newest["steps"] if "run" in step] == ["make lock", ".ci/run"]
    ours = workflow(".gitlab-ci.yml")["newest"]
    assert ours["parallel"]["matrix"] == [{"VERSION": versions}]
    assert (ours["image"], ours["variables"]) == ("python:$VERSION", {"PYTHON": "python$VERSION"})
    assert ours["script"] == ["make lock", ".ci/run"]


def test_make_uses_the_python_that_the_environment_names(tmp_path):
    """`make lock` comes before the environment: it must need neither today's pins nor another Python."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    environment = {**os.environ, "PYTHON": "python3.99", "MAKEFLAGS": ""}
    told = subprocess.run(["make", "-n", "lock"], cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    assert "python3.99 -m venv .venv" in told
    assert "uv pip compile" in told
    assert "-r requirements" not in told, "the pins of today are not installed"


def test_scripts_are_sound():
    for script in (ROOT / ".ci").iterdir():
        assert os.access(script, os.X_OK), script
        assert subprocess.run(["bash", "-n", script]).returncode == 0


# --- the site, served below a path, and read from a disk -----------------------------------------------------


class Reader:
    """A browser tab that notes what goes wrong, and every request that leaves the site."""

    def __init__(self, chrome, base, **options):
        self.base, self.troubles = base, []
        self.context = chrome.new_context(locale="en-GB", reduced_motion="reduce", accept_downloads=True, **options)
        self.context.set_default_timeout(120_000)  # a busy machine is no error
        self.tab = self.context.new_page()
        self.tab.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.tab.on("console", lambda message: message.type == "error" and self.troubles.append(message.text))
        self.tab.on("requestfailed", self.failed)
        self.tab.on("request", self.asked)

    def failed(self, request):
        if request.failure != "net::ERR_ABORTED":  # as when a reader goes on before a page is whole
            self.troubles.append(f"failed: {request.url} ({request.failure})")

    def asked(self, request):
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.troubles.append(f"left the site: {request.url}")

    def open(self, path):
        self.tab.goto(self.base + path, wait_until="load")
        return self.tab

    def click_through(self):
        """As a reader does: choose, read, switch, play, search."""
        tab = self.open("index.html")
        tab.wait_for_url(f"{self.base}en/index.html")
        tab.locator("article a[href^='00-descent.html']").first.click()
        tab.wait_for_url(f"{self.base}en/00-descent.html")
        tab.locator(".view-switch:visible a[data-view=zh]").click()
        tab.wait_for_url(re.compile(f"^{re.escape(self.base)}zh/00-descent.html"))
        assert tab.locator("html").get_attribute("lang") == "zh-CN"
        self.formulas()
        self.explorer()
        assert self.troubles == []
        self.search("动量")

    def formulas(self):
        assert self.tab.locator("article .katex").count() > 10
        self.tab.evaluate("document.fonts.ready.then(() => true)")
        loaded = self.tab.evaluate("[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)")
        assert any("KaTeX" in family for family in loaded), "formulas are set in their own fonts"

    def explorer(self):
        figure = self.tab.locator("figure:has([data-downhill-explorer])").first
        figure.scroll_into_view_if_needed()
        figure.locator(".dx").wait_for()
        before = figure.locator(".dx-canvas").get_attribute("aria-label")
        figure.locator(".dx-handle").press("ArrowRight")
        self.tab.wait_for_function("(old) => document.querySelector('.dx-canvas').ariaLabel !== old", arg=before)

    def search(self, phrase):
        self.open(f"zh/search.html?q={phrase}")
        found = self.tab.locator("article a[href*='03-momentum']").first
        found.wait_for()
        found.click()
        self.tab.wait_for_url(re.compile(f"^{re.escape(self.base)}zh/03-momentum.html"))


@pytest.fixture(scope="module")
def below():
    """The built site as a host serves it below a path that the build knew nothing of."""
    assert (SITE / "index.html").exists(), "the site is not built: run `make book`"
    with serve(SITE, "/some/where/") as base:
        yield base


@pytest.fixture
def reader(chrome, below):
    reader = Reader(chrome, below)
    yield reader
    reader.context.close()


def test_below_any_path_a_reader_gets_through(reader):
    reader.click_through()


def test_below_any_path_everything_can_be_taken_away(reader, tmp_path):
    tab = reader.open("both/03-momentum.html")
    for link in tab.locator(".page-tools .take-away a").all():
        with tab.expect_download() as started:
            link.press("Enter")
        started.value.save_as(tmp_path / started.value.suggested_filename)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"03-momentum.ipynb", "03-momentum-zh.ipynb", "03-momentum-both.ipynb", "downhill-site.zip"}
    assert (tmp_path / "downhill-site.zip").read_bytes() == (SITE / "downhill-site.zip").read_bytes()
    assert reader.troubles == []


def test_below_any_path_an_address_without_a_view_finds_its_page(reader):
    tab = reader.open("03-momentum.html#momentum-ball")
    tab.wait_for_url(f"{reader.base}en/03-momentum.html#momentum-ball")
    assert tab.locator("[id=momentum-ball]").count() == 1
    assert reader.troubles == []


@pytest.mark.parametrize("lost", ["zh/03-momentun.html", "momentum", "a/b/c.html"])
def test_below_any_path_a_lost_reader_finds_back(reader, lost):
    tab = reader.open(lost)
    view = "zh" if lost.startswith("zh") else "en"
    tab.wait_for_function(f"document.querySelector('form').action === '{reader.base}{view}/search.html'")
    tab.locator("#q").fill("momentum")
    tab.locator("form button").click()
    tab.locator("article a[href*='03-momentum']").first.wait_for()
    tab.go_back()
    tab.wait_for_function("document.querySelector('[data-view=both]').href.includes('/some/where/')")
    tab.locator("[data-view=both]").click()
    tab.wait_for_url(f"{reader.base}both/index.html")


def test_unpacked_the_site_works_from_a_disk_without_a_network(chrome, tmp_path):
    folder = tmp_path / "下山 离线 copy"
    with zipfile.ZipFile(SITE / "downhill-site.zip") as archive:
        archive.extractall(folder)
    reader = Reader(chrome, (folder / "downhill-site").as_uri() + "/", offline=True)
    reader.click_through()
    reader.troubles.clear()  # the search has tests of its own
    tab = reader.open("both/03-momentum.html")
    assert tab.locator("a[href$='.zip'], .keep").count() == 0, "the copy does not offer itself"
    tab.locator(".cite summary").click()
    assert tab.locator(".cite pre").first.is_visible()
    last = f"{reader.base}zh/03-momentum.html#momentum-ball"  # in the view chosen last
    reader.open("03-momentum.html#momentum-ball").wait_for_url(last)
    assert reader.troubles == []
    reader.context.close()


def test_the_site_is_the_same_when_it_is_built_again():
    """Nothing on a page tells when or where it was built: no time but the commit's, no path of the machine."""
    home = str(Path.home())
    for path in SITE.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, path
        assert home == "/" or f"{home}/" not in text, path


# --- on paper -----------------------------------------------------------------------------------------------


def test_a_page_is_printed_with_one_command(tmp_path, capsys):
    need(find_chrome(), ADVICE)
    assert downhill(["print", "notation", "--view", "zh", "--out", str(tmp_path)]) == 0
    made = tmp_path / "notation.zh.pdf"
    assert made.read_bytes().startswith(b"%PDF-")
    assert list(tmp_path.iterdir()) == [made], "no scraps of the browser"


def test_what_cannot_be_printed_is_said(tmp_path, capsys):
    assert downhill(["print", "momentun", "--out", str(tmp_path)]) == 2
    assert "no page momentun; the chapters are" in capsys.readouterr().err
    assert downhill(["print", "03-momentum", "--site", str(tmp_path)]) == 2
    assert "run `make book` first" in capsys.readouterr().err


def test_the_command_says_what_it_knows(capsys):
    assert downhill(["prnt"]) == 2
    assert "there is no command 'prnt'; known are build, serve" in capsys.readouterr().err
    assert downhill([]) == 0
    assert "downhill twins" in capsys.readouterr().out
