"""The one stylesheet of a view: small, and without it nothing looks different."""

from __future__ import annotations

import gzip
import re

import pytest
import tinycss2
from pages import SITE

from downhill_course.notebook.views import VIEWS
from downhill_course.publish import styles

PAGE = '<html><head>{links}</head><body class="page"><p class="a b">x</p></body></html>'


def link(name, up=""):
    return f'<link rel="stylesheet" type="text/css" href="{up}_static/{name}?v=1" />\n'


@pytest.fixture
def view(tmp_path):
    """Two pages, one of them in a folder, that link to two stylesheets."""
    (tmp_path / "_static" / "deep").mkdir(parents=True)
    (tmp_path / "_static" / "one.css").write_text(".a { color: red } .gone { color: blue }")
    (tmp_path / "_static" / "deep" / "two.css").write_text('.b { background: url("x.svg") } .late { top: 0 }')
    (tmp_path / "_static" / "script.js").write_text('element.classList.add("late")')
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(PAGE.format(links=link("one.css") + link("deep/two.css")))
    (tmp_path / "sub" / "page.html").write_text(PAGE.format(links=link("one.css", "../") + link("deep/two.css", "../")))
    return tmp_path


def test_pages_link_to_one_stylesheet_wherever_they_stand(view):
    (path,) = styles.join(view)
    assert f'href="_static/{path.name}"' in (view / "index.html").read_text()
    assert f'href="../_static/{path.name}"' in (view / "sub" / "page.html").read_text()
    assert (view / "index.html").read_text().count("stylesheet") == 1
    text = path.read_text()
    assert text.index(".a") < text.index(".b"), "in their order"
    assert "gone" not in text
    assert ".late" in text, "a class that a script gives"
    assert "url(deep/x.svg)" in text


def test_a_missing_stylesheet_is_named(view):
    (view / "_static" / "one.css").unlink()
    with pytest.raises(SystemExit, match=r"one\.css is missing"):
        styles.join(view)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (".a.b{x:y}", True), (".a .gone{x:y}", False), (".a:not(.gone){x:y}", True), (":is(.gone, .a){x:y}", True),
        ("a[href='.gone']{x:y}", False), ("p{x:y}", True), ("@supports (a: b) { .gone { x: y } }", False),
        ("@keyframes k { from { top: 0 } }", True), ("@font-face { src: url(f.woff2) }", True),
    ],
)  # fmt: skip
def test_what_is_kept(text, kept):
    assert bool(styles.prune(text, {"a", "b"})) is kept


def test_an_import_is_an_error():
    with pytest.raises(SystemExit, match="@import"):
        styles.prune("@import 'other.css';", set())


@pytest.mark.parametrize("view_name", VIEWS)
def test_a_page_of_the_site_has_one_small_stylesheet(view_name):
    for page in (SITE / view_name).glob("*.html"):
        assert len(re.findall('rel="stylesheet"', page.read_text(encoding="utf-8"))) == 1, page
    sheets = list((SITE / view_name / "_static").glob("site-*.css"))
    assert len(sheets) == 4, "the first page has styles of its own, pages that ask questions, and the one that writes"
    assert all(len(gzip.compress(sheet.read_bytes())) < 24_000 for sheet in sheets)


def selectors(text):
    """Every selector of a stylesheet, inside conditions too."""
    for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            yield from (s.strip() for s in styles.SELECTORS.split(tinycss2.serialize(rule.prelude)))
        elif rule.type == "at-rule" and rule.lower_at_keyword in styles.GROUPS and rule.content is not None:
            yield from selectors(tinycss2.serialize(rule.content))


#: Stylesheets that no page links to from its head.
UNLINKED = {"basic.css", "debug.css", "skeleton.css", "explorer.css"}


@pytest.fixture(scope="module")
def left_out():
    """The selectors of the double view's stylesheets that its pages do without."""
    sheets = set((SITE / "both" / "_static").glob("site-*.css"))
    kept = {s for sheet in sheets for s in selectors(sheet.read_text(encoding="utf-8"))}
    sources = [p for p in (SITE / "both" / "_static").rglob("*.css") if p not in sheets and p.name not in UNLINKED]
    found = {s for p in sources for s in selectors(p.read_text(encoding="utf-8"))} - kept
    assert len(found) > 100
    return sorted(found)


@pytest.mark.parametrize("name", ["index", "03-momentum", "05-adam", "api-rules", "glossary", "students", "search"])
def test_no_rule_that_is_left_out_would_match(visit, left_out, name):
    page = visit(f"both/{name}.html")
    matching = page.evaluate(
        """(selectors) => selectors.filter((selector) => {
             const element = selector.replace(/::[\\w-]+(\\(.*\\))?$/, "");
             try { return document.querySelector(element); } catch { return false; }
           })""",
        left_out,
    )
    assert matching == []
