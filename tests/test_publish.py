"""What is put around the three views: old addresses, search engines' files, version, cards, the zip."""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from serving import serve

import optlib
from downhill_course.notebook.address import Address
from downhill_course.notebook.views import VIEWS, pages_of
from downhill_course.pages.tools import Work
from downhill_course.publish import cards, offline
from downhill_course.publish.cards import CARD_SIZE, draw, find_chinese, lines, picture_of
from downhill_course.publish.site import ARCHIVE, FOLDER, Stamp, fill, publish, redirects, title_of

ROOT = Path(__file__).parents[1]
HERE = Address("https://github.com/ann/hills")
NAMES = ["index", "03-momentum"]
PAGE = (
    '<html><body><h2 id="nesterov">N</h2><p style="height: 3000px">.</p><h2 id="later">L</h2><!--online--><a '
    'href="../downhill-site.zip">zip<!--fill:size--><!--/fill--></a><!--/online--><p><!--fill:stamp--><!--/fill--></p>'
    "</body></html>"
)


class Site:
    """A small site as the three builds leave it, and its sources."""

    def __init__(self, folder):
        self.source, self.out = folder / "book", folder / "site"
        shutil.copytree(ROOT / "book" / "_root", self.source / "_root")
        (self.source / "index.md").write_text("# Hills · 山\n", encoding="utf-8")
        (self.source / "03-momentum.md").write_text("(momentum)=\n# Momentum · 动量法\n", encoding="utf-8")
        for view in VIEWS:
            (self.out / view / "_static").mkdir(parents=True)
            shutil.copy(ROOT / "book" / "_static" / "favicon.svg", self.out / view / "_static")
            for name in (*NAMES, "search"):
                (self.out / view / f"{name}.html").write_text(PAGE, encoding="utf-8")

    def publish(self, moved=None, address=HERE, zipped=True):
        if moved is not None:
            (self.source / "redirects.yml").write_text(moved, encoding="utf-8")
        table = redirects(self.source / "redirects.yml", NAMES)
        publish(self.source, self.out, list(VIEWS.values()), NAMES, table, address, zipped)
        return self

    def text(self, name):
        return (self.out / name).read_text(encoding="utf-8")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "draw", lambda *_: Image.new("RGB", (8, 8)))  # cards have tests of their own
    return Site(tmp_path)


def test_the_pages_of_a_table_of_contents():
    parts = {"root": "index", "parts": [{"caption": "A", "chapters": [{"file": "a", "sections": [{"file": "b"}]}]}]}
    assert pages_of(parts) == ["index", "a", "b"]


def test_a_title_is_read_from_a_page_or_a_notebook(site):
    assert title_of(site.source / "03-momentum.md") == "Momentum · 动量法"
    assert title_of(ROOT / "book" / "03-momentum.ipynb") == "Momentum and Nesterov · 动量与 Nesterov 加速"


# --- moved pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("old.html: gone.html", "leads to gone.html, which is no page; pages are 03-momentum.html, index.html"),
        ("03-momentum.html: index.html", "03-momentum.html is a page of the book"),
        ("a.html: b.html\nb.html: index.html", "a.html leads to b.html, which has moved too: write index.html"),
        ("../a.html: index.html", "'../a.html' is no old address"),
        ("/a.html: index.html", "'/a.html' is no old address"),
        ("3: index.html", "3 is no old address"),
        ("en/a.html: index.html", "en/a.html would overwrite a part of the site"),
        ("404.html: index.html", "404.html would overwrite a part of the site"),
        ("a.html: https://example.org/", "write a page's address such as new.html"),
        ("a.html: 'index.html#x\"y'", "write a page's address such as new.html"),
        ("a.html: [index.html]", "write a page's address such as new.html"),
        ("- a.html", "expected lines such as `old.html: new.html`, found list"),
    ],
)
def test_a_moved_page_that_would_not_work_is_an_error(site, table, message):
    with pytest.raises(SystemExit) as error:
        site.publish(table)
    assert message in str(error.value)
    assert "redirects.yml" in str(error.value)
    assert not (site.out / "index.html").exists(), "nothing is written"


def test_a_moved_page_that_leads_to_no_place_is_an_error(site):
    with pytest.raises(SystemExit, match=r"03-momentum\.html has no place nowhere"):
        site.publish("old.html: 03-momentum.html#nowhere")


def test_the_book_has_a_table_of_moved_pages_that_works():
    names = [path.stem for path in (ROOT / "book").iterdir() if path.suffix in (".md", ".ipynb")]
    redirects(ROOT / "book" / "redirects.yml", names)


def test_an_old_address_leads_on_without_scripts(site):
    site.publish("old.html: 03-momentum.html#nesterov\nold/er/x.html: index.html")
    page = BeautifulSoup(site.text("zh/old.html"), "html.parser")
    assert page.html["lang"] == "zh-CN"
    assert page.select_one("noscript meta[http-equiv=refresh]")["content"] == "0; url=03-momentum.html#nesterov"
    assert page.select_one("link[rel=canonical]")["href"] == "https://ann.github.io/hills/zh/03-momentum.html"
    assert page.select_one("main a")["href"] == "03-momentum.html#nesterov"
    assert (
        BeautifulSoup(site.text("en/old/er/x.html"), "html.parser").select_one("main a")["href"] == "../../index.html"
    )
    doors = BeautifulSoup(site.text("old/er/x.html"), "html.parser").select(".doors a")
    assert [door["href"] for door in doors] == [f"../../{view}/index.html" for view in ("en", "zh", "both")]


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("en/old.html", "en/03-momentum.html#nesterov"),
        ("en/old.html#later", "en/03-momentum.html#later"),
        ("both/old/er/x.html?q=1#later", "both/index.html?q=1#later"),
        ("old.html", "zh/03-momentum.html#nesterov"),
        ("03-momentum.html#later", "zh/03-momentum.html#later"),
        ("search.html?q=动量", "zh/search.html?q=%E5%8A%A8%E9%87%8F"),
        ("old/er/x.html", "zh/index.html"),
        ("", "zh/index.html"),
    ],
)
def test_old_addresses_and_addresses_without_a_view_lead_on(site, chrome, path, leads):
    site.publish("old.html: 03-momentum.html#nesterov\nold/er/x.html: index.html")
    with serve(site.out, "/some/where/") as base:
        page = chrome.new_page(locale="zh-CN")
        page.goto(base + path)
        page.wait_for_url(base + leads)
        page.close()


def test_a_page_that_is_no_more_leaves_no_address_behind(site):
    site.publish("old.html: index.html").publish("")
    assert not (site.out / "old.html").exists()


# --- the lost page ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["/", "/hills/", "/some/where/"])
@pytest.mark.parametrize(
    ("path", "view", "guess", "asked"),
    [
        ("zh/nope.html", "zh", None, "nope"),
        ("both/3-momentum", "both", "03-momentum", "momentum"),
        ("en/deep/er/momentum.ipynb", "en", "03-momentum", "momentum"),
        ("momentum/", "zh", "03-momentum", "momentum"),
        ("en/%E5%8A%A8%E9%87%8F.html", "en", None, "动量"),
    ],
)
def test_the_lost_page_finds_the_site_below_any_path(site, chrome, below, path, view, guess, asked):
    site.publish()
    with serve(site.out, below) as base:
        page = chrome.new_page(locale="zh-CN")
        page.goto(base + path)
        page.wait_for_function(f"document.querySelector('form').action.endsWith('{view}/search.html')")
        page.wait_for_function("document.getElementById('q').value")
        assert page.locator("form").evaluate("form => form.action") == f"{base}{view}/search.html"
        doors = [link.evaluate("link => link.href") for link in page.locator(".doors a").all()]
        assert doors == [f"{base}{name}/index.html" for name in ("en", "zh", "both")]
        offer = page.locator("#guess a")
        assert page.locator("#guess").is_visible() == bool(guess)
        assert not guess or offer.evaluate("link => link.href") == f"{base}{view}/{guess}.html"
        assert page.locator("#q").input_value() == asked
        page.locator("#q").press("Enter")
        page.wait_for_url(re.compile(re.escape(f"{base}{view}/search.html?q=")))
        page.close()


def test_without_scripts_the_lost_page_leads_to_where_pages_serve_the_site(site):
    page = BeautifulSoup(site.publish().text("404.html"), "html.parser")
    assert [link["href"] for link in page.select(".doors a")] == [f"/hills/{name}/index.html" for name in VIEWS]
    assert page.select_one("form")["action"] == "/hills/en/search.html"
    assert [link["href"] for link in page.select("details a")] == ["/hills/index.html", "/hills/03-momentum.html"]


# --- search engines -----------------------------------------------------------------------------------------


def test_the_sitemap_names_each_page_in_each_view_with_the_others(site):
    site.publish()
    tree = ET.fromstring(site.text("sitemap.xml"))
    spaces = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}
    places = [node.text for node in tree.findall("s:url/s:loc", spaces)]
    assert places == [f"https://ann.github.io/hills/{view}/{name}.html" for name in NAMES for view in VIEWS]
    for url in tree.findall("s:url", spaces):
        others = {link.get("hreflang"): link.get("href") for link in url.findall("x:link", spaces)}
        assert set(others) == {"en", "zh-CN", "mul"}
        assert url.find("s:loc", spaces).text in others.values()
    assert "Sitemap: https://ann.github.io/hills/sitemap.xml" in site.text("robots.txt")


def test_without_an_address_there_is_no_sitemap(site):
    site.publish().publish(address=Address(""))
    assert not (site.out / "sitemap.xml").exists()
    assert "Sitemap" not in site.text("robots.txt")
    assert 'rel="canonical"' not in site.text("index.html")


# --- version ------------------------------------------------------------------------------------------------


def git(folder, *words, **times):
    name = {f"GIT_{who}_{what}": "ann" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **name, **times})


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    shutil.copy(ROOT / "CITATION.cff", folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one", GIT_COMMITTER_DATE="2024-02-29T12:00:00+0000")
    return folder


def test_the_footer_names_version_commit_and_its_date(repository):
    stamp = Stamp.of(repository)
    assert (stamp.version, stamp.date, stamp.changed) == (Work.read().version, "2024-02-29", False)
    english, chinese, both = (stamp.html(VIEWS[name], HERE) for name in ("en", "zh", "both"))
    link = f'<a href="https://github.com/ann/hills/commit/{stamp.commit}">{stamp.commit[:9]}</a>'
    date = '<span class="together">2024-02-29</span>'
    assert english == f"Version {stamp.version}, commit {link}, {date}"
    assert chinese == f"版本 {stamp.version}，提交 {link}，{date}"
    assert both == f'{english}<br><span lang="zh-CN">{chinese}</span>'
    assert "<a" not in stamp.html(VIEWS["en"], Address(""))


def test_the_footer_says_that_there_are_changes(repository):
    (repository / "CITATION.cff").write_text((ROOT / "CITATION.cff").read_text("utf-8") + "\n", encoding="utf-8")
    stamp = Stamp.of(repository)
    assert stamp.changed
    assert "with changes" in stamp.html(VIEWS["en"], HERE)
    assert "另有改动" in stamp.html(VIEWS["zh"], HERE)


def test_without_git_the_footer_names_the_version(tmp_path, repository, monkeypatch):
    inside = repository / "downloads" / "downhill"  # a download without git that lies in someone's repository
    shutil.copytree(repository, inside, ignore=shutil.ignore_patterns(".git"))
    version = Work.read().version
    assert Stamp.of(inside) == Stamp(version)
    assert Stamp(version).html(VIEWS["en"], HERE) == f"Version {version}"
    monkeypatch.setenv("PATH", "")
    assert Stamp.of(repository) == Stamp(version)


def test_every_file_names_one_version():
    """It stands in optlib/__init__.py: packaging reads it there, `downhill address` writes it elsewhere."""
    from importlib.metadata import version

    assert Work.read().version == optlib.__version__ == version("downhill-course")


def test_filling_in_can_be_repeated(site):
    for size in (" (12 MB)", " (13 MB)"):
        fill(site.out / "en", {"size": size, "stamp": "Version 1"})
        assert f"zip<!--fill:size-->{size}<!--/fill-->" in site.text("en/index.html")
    assert site.text("en/index.html").count("Version 1") == 1


# --- the zip ------------------------------------------------------------------------------------------------


def test_the_zip_is_the_same_for_the_same_site(site):
    first = site.publish().out.joinpath(ARCHIVE).read_bytes()
    os.utime(site.out / "en" / "index.html", (1, 1))
    again = site.publish().out.joinpath(ARCHIVE).read_bytes()
    assert first == again, "neither its own size nor times nor the zip before change it"


def test_the_zip_holds_the_site_in_one_folder_and_no_link_to_itself(site, tmp_path):
    site.publish("old.html: index.html")
    with zipfile.ZipFile(site.out / ARCHIVE) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        pages = {name: archive.read(name).decode() for name in names if name.endswith(".html")}
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {FOLDER}
    inside = {name.removeprefix(f"{FOLDER}/") for name in names}
    assert {"index.html", "old.html", "en/03-momentum.html", "zh/old.html", "both/_static/favicon.svg"} <= inside
    assert not {ARCHIVE, "404.html", "robots.txt", "sitemap.xml", "cards/index.png"} & inside
    assert not {Path(name).name for name in inside} & {offline.WORKER, offline.LIST, offline.MANIFEST}
    assert all(ARCHIVE not in text for text in pages.values())
    assert ARCHIVE in site.text("en/index.html")
    assert " (1 MB)" in site.text("zh/index.html")


def test_the_zip_may_be_left_as_it_is(site):
    site.publish()
    before = site.out.joinpath(ARCHIVE).stat().st_mtime_ns
    site.publish(zipped=False)
    assert site.out.joinpath(ARCHIVE).stat().st_mtime_ns == before
    assert " (1 MB)" in site.text("en/index.html")


# --- what a device keeps ------------------------------------------------------------------------------------


def test_another_commit_is_no_newer_version_and_another_word_is(site):
    def version():
        site.publish()
        return json.loads(site.text(f"zh/{offline.LIST}"))["version"]

    page = site.out / "zh" / "index.html"
    first = version()
    page.write_text(site.text("zh/index.html").replace("<!--fill:stamp-->", "<!--fill:stamp-->Version 0"), "utf-8")
    assert version() == first
    page.write_text(site.text("zh/index.html").replace(">N<", ">M<"), "utf-8")
    assert version() != first


def test_pages_come_first_and_pictures_as_long_as_there_is_room(site, monkeypatch, capsys):
    for name in ("a", "b", "c"):
        (site.out / "en" / f"{name}.png").write_bytes(bytes(1000))
    site.publish()
    whole = offline.files(site.out / "en")
    assert {"a.png", "b.png", "c.png", "index.html", "search.html"} <= set(whole)
    monkeypatch.setattr(offline, "MOST", sum(whole.values()) - 1500)
    assert set(whole) - set(offline.files(site.out / "en")) == {"b.png", "c.png"}
    assert "2 pictures of en have no room" in capsys.readouterr().out


# --- cards --------------------------------------------------------------------------------------------------

LONG = "A title so long that it must be set in several lines, unforeseeably so · 一个长到必须分成好几行才放得下的标题"


@pytest.mark.parametrize("chinese", [find_chinese(), None], ids=["with-chinese", "without"])
@pytest.mark.parametrize("title", ["Adam", "Momentum · 动量法", LONG])
def test_a_card_is_drawn_with_and_without_a_chinese_font(title, chinese):
    card = draw(title, (ROOT / "book" / "_static" / "cover.png").read_bytes(), chinese)
    assert card.size == CARD_SIZE
    assert card.tobytes() == draw(title, (ROOT / "book" / "_static" / "cover.png").read_bytes(), chinese).tobytes()
    ink = card.crop((40, 60, 500, 480)).convert("L")
    assert ink.getextrema()[0] < 80, "the title is there"


def test_lines_break_at_spaces_and_between_chinese_characters():
    face = cards.font(40, None)
    assert lines("one two three", face, face.getlength("one two")) == ["one two", "three"]
    assert lines("山，水。", face, face.getlength("山，")) == ["山，", "水。"]


def test_cards_are_small_drawn_once_and_cleared_away(tmp_path, monkeypatch):
    source = ROOT / "book" / "00-descent.ipynb"
    (path,) = cards.write(tmp_path, {"00-descent": ("One step · 一步", source)})
    with Image.open(path) as card:
        assert card.size == CARD_SIZE
    assert path.stat().st_size < 150_000
    before = path.stat().st_mtime_ns
    cards.write(tmp_path, {"00-descent": ("One step · 一步", source)})
    assert path.stat().st_mtime_ns == before
    cards.write(tmp_path, {"00-descent": ("Two steps · 两步", source)})
    assert path.stat().st_mtime_ns != before
    monkeypatch.setattr(cards, "CHINESE", ())
    cards.write(tmp_path, {"other": ("One step · 一步", source)})
    assert [found.name for found in tmp_path.iterdir()] == ["other.png"]


def test_a_page_without_a_figure_has_the_cover(site):
    assert picture_of(site.source / "index.md") == (ROOT / "book" / "_static" / "cover.png").read_bytes()
    assert picture_of(ROOT / "book" / "03-momentum.ipynb") != (ROOT / "book" / "_static" / "cover.png").read_bytes()


def test_the_touch_icon_is_the_one_that_the_program_draws():
    with Image.open(ROOT / "book" / "_static" / "touch-icon.png") as kept:
        drawn = cards.touch_icon()
        assert kept.size == drawn.size == (180, 180)
        worst = max(abs(a - b) for a, b in zip(kept.convert("RGB").tobytes(), drawn.tobytes(), strict=True))
    assert worst <= 24, "downhill cover"  # another Pillow may smooth an edge otherwise
