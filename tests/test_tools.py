"""What a page offers: to run it, to take it away, to cite it, to suggest a change; and what it says of itself."""

import functools
import json
import re
from urllib.parse import parse_qs, unquote, urlsplit

import axe
import pytest
from bs4 import BeautifulSoup
from pages import BOTH_NOW, PAGES, ROOT, SITE

from downhill_course.notebook.address import Address, read
from downhill_course.notebook.views import TAGS, VIEWS
from downhill_course.pages.bilingual import say
from downhill_course.pages.head import LENGTH, shortened
from downhill_course.pages.tools import Work, bibtex, citations, reference, suggestion

NOTEBOOKS = [page for page in PAGES if (ROOT / "book" / f"{page}.ipynb").exists()]
WORK = Work("The Downhill authors", "Downhill · 下山: descent & more", "1.2.0", "2027-01-31")
HERE = Address("https://github.com/ann/hills")
PLACE = "https://ann.github.io/hills/en/03-momentum.html"


@functools.cache
def page(view, name):
    """A page without its text, which is long: its head, its headings with what follows the first, and its end."""
    path = SITE / view / f"{name}.html"
    assert path.exists(), "the site is not built: run `make book`"
    text = path.read_text(encoding="utf-8")
    head, _, body = text.partition("</head>")
    titles = re.findall(r"<h1.*?</h1>(?:\s*<ul class=.launch.*?</ul>)?|<h2.*?</h2>", body, re.S)
    _, mark, end = body.rpartition('<aside class="page-tools"')
    parts = [head, "</head><body>", *titles, mark, end]
    return BeautifulSoup("".join(parts), "html.parser")


# --- citations ----------------------------------------------------------------------------------------------


def test_a_page_is_cited_in_words():
    assert reference(WORK, "Momentum", WORK.title, PLACE, "en") == (
        f"The Downhill authors (2027). Momentum. In Downhill · 下山: descent & more (version 1.2.0). {PLACE}"
    )
    assert reference(WORK, "动量法", "下山", PLACE, "zh") == (
        f"The Downhill authors. 动量法[EB/OL]//下山. 1.2.0 版. (2027-01-31). {PLACE}"
    )


def test_the_whole_course_is_cited_without_a_page():
    assert reference(WORK, "", WORK.title, "", "en") == (
        "The Downhill authors (2027). Downhill · 下山: descent & more (version 1.2.0)."
    )
    assert reference(WORK, "", "下山", "", "zh") == "The Downhill authors. 下山[EB/OL]. 1.2.0 版. (2027-01-31)."


def test_bibtex_is_what_bibtex_reads():
    from pybtex.database import parse_string

    titles = ["Rates & 50 % of $x_1$, #2", "动量法", r"a\b{c}~^"]
    text = "\n".join(bibtex(WORK, f"key-{k}", title, WORK.title, PLACE) for k, title in enumerate(titles))
    found = parse_string(text, "bibtex").entries
    assert list(found) == ["key-0", "key-1", "key-2"]
    assert found["key-0"].fields["title"] == r"{Rates \& 50 \% of \$x\_1\$, \#2}"
    assert found["key-1"].fields["title"] == "{动量法}"
    assert found["key-1"].fields["booktitle"] == r"{Downhill · 下山: descent \& more}"
    assert found["key-1"].fields["url"] == PLACE
    assert [str(person) for person in found["key-1"].persons["author"]] == ["{The Downhill authors}"]
    whole = parse_string(bibtex(WORK, "downhill", "", WORK.title, ""), "bibtex").entries["downhill"]
    assert (whole.type, whole.fields["title"]) == ("misc", r"{Downhill · 下山: descent \& more}")
    assert "url" not in whole.fields


def test_each_view_cites_in_its_languages():
    for view, about in VIEWS.items():
        found = citations(WORK, about, "Momentum · 动量法", "downhill-03", PLACE)
        assert [one["lang"] for one in found] == [TAGS[name] for name in about.languages], view
    english, chinese = found
    assert "Momentum. In" in english["words"]
    assert "动量法[EB/OL]//下山." in chinese["words"]
    assert len({one["bibtex"].split(",")[0] for one in found}) == 2, "two entries, two keys"


def test_the_work_is_read_from_citation_cff(tmp_path):
    path = tmp_path / "CITATION.cff"
    path.write_text(
        "title: T\nversion: 1.0\ndate-released: 2026-01-02\n"
        "authors: [{family-names: Lin, given-names: Ann}, {name: The others}]\n",
        encoding="utf-8",
    )
    work = Work.read(path)
    assert (work.author, work.date, work.year) == ("Ann Lin and The others", "2026-01-02", "2026")


# --- suggestions and words ----------------------------------------------------------------------------------


def test_a_suggestion_says_what_it_is_about():
    link = suggestion(HERE, WORK, "Momentum · 动量法", "book/03.ipynb", PLACE, "A ball · 小球")
    fields = parse_qs(urlsplit(link).query)
    assert fields["title"] == ["Momentum · 动量法: A ball · 小球"]
    body = fields["body"][0]
    for part in ("book/03.ipynb", "A ball · 小球", PLACE, WORK.version):
        assert part in body
    assert "Section" not in unquote(suggestion(HERE, WORK, "Momentum", "book/03.ipynb", PLACE))
    assert suggestion(Address(""), WORK, "Momentum", "book/03.ipynb", "") == ""


def test_words_say_their_language_and_are_escaped():
    assert say("A < B · 甲", VIEWS["both"]) == 'A &lt; B · <span lang="zh-CN">甲</span>'
    assert (say("A · 甲", VIEWS["zh"]), say("Adam", VIEWS["both"])) == ("甲", "Adam")


@pytest.mark.parametrize(
    ("text", "length", "short"),
    [
        ("Whole.", 10, "Whole."),
        ("Two lines\nof text", 40, "Two lines of text"),
        ("Why? Because it is so.", 12, "Why?"),
        ("about 0.9 of it, and so on", 12, "about 0.9…"),
        ("走一步。再走一步。", 6, "走一步。"),
        ("一步接着一步接着一步", 6, "一步接着一…"),
    ],
)
def test_a_description_ends_with_a_sentence_or_between_words(text, length, short):
    assert shortened(text, length) == short
    assert len(shortened(text, length)) <= length


# --- the built site -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_chapter_can_be_run_and_taken_away(name, view):
    here, found = read(), page(view, name)
    row = found.select_one("h1 + .launch")
    links = [link["href"] for link in row.select("a")]
    wanted = [here.launch(f"book/{name}.ipynb"), here.colab(f"book/{name}.ipynb")]
    assert links == [*filter(None, wanted), f"../{view}/notebooks/{name}.ipynb"]
    offered = [link for link in found.select(".page-tools .take-away a") if link["href"].endswith(".ipynb")]
    assert [link["href"] for link in offered] == [f"../{each}/notebooks/{name}.ipynb" for each in VIEWS]
    assert len({link["download"] for link in offered}) == 3, "three downloads do not overwrite each other"
    for link in offered:
        assert json.loads((SITE / view / link["href"]).read_text(encoding="utf-8"))["nbformat"] == 4


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_each_page_offers_the_site_a_reference_and_a_change(name, view):
    here, found = read(), page(view, name)
    tools = found.select_one(".page-tools")
    archive = tools.select_one("a[href$='.zip']")
    assert archive["href"] == "../downhill-site.zip"
    size = (SITE / "downhill-site.zip").stat().st_size / 1e6
    assert f"({round(size)} MB)" in archive.get_text()
    texts = tools.select(".cite > div")
    assert [text["lang"] for text in texts] == [TAGS[language] for language in VIEWS[view].languages]
    for text in texts:
        for part in (text.select_one(".reference-text"), text.select_one("pre")):
            assert f"{here.site}{view}/{name}.html" in part.get_text()
            assert Work.read().version in part.get_text()
    suffix = "ipynb" if name in NOTEBOOKS else "md"
    links = [link["href"] for link in tools.select(".suggest a")]
    assert links[0] == here.edit(f"book/{name}.{suffix}")
    assert len(links) >= 2
    titles = {heading.get_text().rstrip("#").strip() for heading in found.select("h2")}
    about = {li.get_text().strip() for li in tools.select(".suggest ul ul li")}
    assert name in ("index",) or about <= titles or any("katex" in str(h) for h in found.select("h2"))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_a_page_describes_itself_in_its_language(name, view):
    found, here = page(view, name), read()
    descriptions = found.select("head meta[name=description]")
    assert len(descriptions) == 1
    text = descriptions[0]["content"]
    chinese = bool(re.search(r"[\u4e00-\u9fff]", text))
    assert chinese == ("zh" in VIEWS[view].languages)
    assert 4 <= len(text) <= max(LENGTH.values()) + 3
    assert "\\" not in text, "a formula has no place in a description"
    assert found.select_one("link[rel=apple-touch-icon]")["href"] == "_static/touch-icon.png"
    assert len(found.select("meta[name=theme-color][media]")) == 2
    assert "not set" not in text
    if name == "search":
        return
    about = {tag["property"]: tag["content"] for tag in found.select("meta[property^='og:']")}
    assert about["og:title"] == found.select_one("h1").get_text().rstrip("#").strip()
    assert about["og:description"] == text
    assert about["og:site_name"] == VIEWS[view].cut("Downhill · 下山")
    if here.site:
        assert found.select_one("link[rel=canonical]")["href"] == about["og:url"] == f"{here.site}{view}/{name}.html"
        assert (SITE / about["og:image"].removeprefix(here.site)).exists()
        alternates = {link["href"] for link in found.select("link[rel=alternate][hreflang]")}
        assert about["og:url"] in alternates, "the canonical address is among the alternates"


def test_descriptions_differ():
    for view in VIEWS:
        texts = [page(view, name).select_one("meta[name=description]")["content"] for name in PAGES]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("view", VIEWS)
def test_the_footer_names_version_and_language(view):
    words = page(view, "03-momentum").select_one("footer .site-stamp").get_text(" ")
    assert Work.read().version in words
    assert ("Version" in words, "版本" in words) == tuple(name in VIEWS[view].languages for name in ("en", "zh"))


COPIED = "() => window.copied"


def patient(chrome, **options):
    """A browser's context that waits as long as a busy machine needs."""
    context = chrome.new_context(**options)
    context.set_default_timeout(120_000)
    return context


@pytest.mark.parametrize(("view", "words"), [("en", "Copied"), ("zh", "已复制")])
def test_a_reference_is_copied_by_keyboard(chrome, view, words):
    context = patient(chrome)
    tab = context.new_page()
    tab.add_init_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    tab.goto((SITE / view / "03-momentum.html").as_uri())
    cite = tab.locator(".page-tools .cite")
    cite.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert cite.locator("pre").is_visible()
    for selector, number in ((".reference-text", 0), ("pre", 1)):
        cite.locator("button.copy").nth(number).focus()
        tab.keyboard.press("Enter")
        tab.wait_for_function(COPIED)
        assert tab.evaluate(COPIED) == cite.locator(selector).text_content()
        assert cite.locator("[role=status]").text_content() == words
    context.close()


def test_where_nothing_may_be_copied_the_text_is_selected(chrome):
    context = patient(chrome)
    tab = context.new_page()
    tab.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    tab.goto((SITE / "en" / "03-momentum.html").as_uri())
    tab.locator(".cite summary").click()
    tab.locator(".cite button.copy").nth(1).click()
    tab.wait_for_function("document.querySelector('.cite [role=status]').textContent.includes('Ctrl-C')")
    assert tab.evaluate("getSelection().toString().trim()").startswith("@incollection{downhill-03-momentum,")
    context.close()


@pytest.mark.parametrize("view", VIEWS)
def test_without_scripts_the_tools_are_whole(chrome, view):
    context = patient(chrome, java_script_enabled=False)
    tab = context.new_page()
    tab.goto((SITE / view / "03-momentum.html").as_uri())
    for part, inside in ((".cite", "pre"), (".suggest", "ul ul a")):
        assert tab.locator(f"{part} {inside}").first.is_hidden()
        tab.locator(f"{part} summary").click()
        assert tab.locator(f"{part} {inside}").first.is_visible()
    assert tab.locator("button.copy").count() == 0
    context.close()


@pytest.mark.parametrize("view", BOTH_NOW)
def test_axe_finds_nothing_in_the_tools(chrome, view):
    context = patient(chrome, color_scheme="light", reduced_motion="reduce")
    places = {f"{view}/00-descent.html": [".launch", ".page-tools", ".site-stamp"], "404.html": ["body"]}
    for path, parts in places.items():
        tab = context.new_page()
        tab.goto((SITE / path).as_uri())
        tab.evaluate("document.documentElement.classList.add('whole')")  # laid out at once: nothing moves meanwhile
        tab.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert axe.light_and_dark(tab, *parts, tags=axe.PRACTICE) == [], path
    context.close()


def test_on_paper_a_page_tells_how_to_cite_it_and_no_more(chrome):
    context = patient(chrome)
    tab = context.new_page()
    tab.goto((SITE / "en" / "03-momentum.html").as_uri())
    tab.emulate_media(media="print")
    seen = "(nodes) => nodes.filter((node) => node.checkVisibility({contentVisibilityAuto: true})).length"
    assert tab.eval_on_selector_all(".launch, .take-away, .suggest, .site-stamp, .cite pre, .cite button", seen) == 0
    assert tab.eval_on_selector_all(".cite .reference-text", seen) == 1
    context.close()
