"""Reading aids in a browser: times, what was read, definitions where a term stands, copy buttons, anchors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import axe
import pytest
import yaml
from bs4 import BeautifulSoup
from pages import BOTH_NOW, PAGES, PHONE, SAMPLE, SITE, soup

from downhill_course.notebook.cells import read, text_of
from downhill_course.notebook.passages import glossary, words_of
from downhill_course.notebook.views import TAGS, VIEWS
from downhill_course.pages.course import chapters
from downhill_course.pages.terms import uses

BOOK = Path(__file__).parents[1] / "book"
ROWS = chapters(BOOK)
CHAPTERS = [name for name in ROWS if (BOOK / f"{name}.ipynb").exists()]
GLOSSARY = {row["id"]: row for row in yaml.safe_load((BOOK / "glossary.yml").read_text(encoding="utf-8"))}
ALL = [
    pytest.param(view, name, marks=() if name in SAMPLE else pytest.mark.slow) for view in VIEWS for name in CHAPTERS
]


def page_of(view: str, name: str) -> BeautifulSoup:
    return soup(SITE / view / f"{name}.html")


def curly(text: str) -> str:
    """As pages write apostrophes."""
    return text.replace("'", "’")


def memory(page) -> dict:
    return json.loads(page.evaluate("localStorage.getItem('downhill-progress')") or "{}")


# --- reading times ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "name"), ALL)
def test_a_chapter_says_how_long_it_takes_as_the_course_does(view, name):
    (told,) = page_of(view, name).select("p.reading-time")
    assert told.find_previous_sibling(["h1", "p"]).name == "h1"
    assert set(re.findall(r"\d+", told.get_text())) == {str(ROWS[name]["minutes"])}
    assert ("minutes" in told.get_text(), "分钟" in told.get_text()) == tuple(n in VIEWS[view].languages for n in TAGS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_prose_tells_another_time(name):
    told = [
        line
        for cell in read(BOOK / f"{name}.ipynb").cells
        for line in text_of(cell).splitlines()
        if re.search(r"[Rr]eading time|About \d+ minutes|阅读时间|阅读约", line)
    ]
    assert told == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_time_is_one_in_which_it_can_be_read(name):
    """Between 60 and 220 words a minute, pictures, formulas and code included."""
    words = sum(
        words_of(text_of(cell))[0]
        for cell in read(BOOK / f"{name}.ipynb").cells
        if "lang-en" in cell.metadata.get("tags", [])
    )
    assert 60 < words / ROWS[name]["minutes"] < 220


# --- what was read ------------------------------------------------------------------------------------

WALK = """async ([from, to]) => {
  const places = [...document.querySelectorAll("article > section > section, .chapter-end")];
  const noticed = (k) => JSON.parse(localStorage.getItem("downhill-progress") ?? "{}")["00-descent"]?.seen?.includes(k);
  for (const place of places.slice(from, to ?? undefined)) {
    place.scrollIntoView();
    const k = places.indexOf(place), until = Date.now() + (place.matches(".chapter-end") ? 500 : 8000);
    while (Date.now() < until && !noticed(k)) await new Promise((done) => setTimeout(done, 500));
  }
}"""


def quick(page, sections: tuple[int, int | None]) -> None:
    page.evaluate(WALK, list(sections))


#: A second of looking is long for a test: here a page's second is a tenth.
HASTE = "const wait = window.setTimeout; window.setTimeout = (f, ms, ...more) => wait(f, ms / 10, ...more);"


@pytest.mark.parametrize("view", BOTH_NOW)
def test_reading_to_the_end_marks_a_chapter(visit, view):
    page = visit(f"{view}/00-descent.html", before=HASTE, reduced_motion="reduce")
    box = page.locator(".chapter-end input")
    quick(page, (0, 3))
    entry = memory(page)["00-descent"]
    assert set(entry["seen"]) >= {0, 1, 2}
    assert entry["of"] == page.locator("article > section > section").count()
    assert not box.is_checked()
    quick(page, (3, None))
    page.wait_for_function("document.querySelector('.chapter-end input').checked")
    assert memory(page)["00-descent"]["read"] is True
    for other in VIEWS:  # what one view has seen the others know
        page.goto(re.sub(r"/\w+/00-descent", f"/{other}/00-descent", page.url))
        assert page.locator(".chapter-end input").is_checked()
        assert page.locator(".sidebar-tree .read-mark").count() == 1
    assert page.troubles == []


def test_jumping_to_the_end_is_not_reading(visit):
    page = visit("en/00-descent.html", before=HASTE, reduced_motion="reduce")
    quick(page, (-1, None))
    page.wait_for_timeout(500)
    assert not page.locator(".chapter-end input").is_checked()


@pytest.mark.parametrize("view", BOTH_NOW)
def test_the_box_is_the_readers(visit, view):
    page = visit(f"{view}/00-descent.html", before=HASTE, reduced_motion="reduce")
    box = page.locator(".chapter-end input")
    assert page.get_by_role("checkbox", name=VIEWS[view].cut("I have read this chapter · 这一章读完了")).count() == 1
    box.check()
    assert memory(page)["00-descent"]["read"] is True
    assert page.locator(".sidebar-tree .read-mark").count() == 1
    box.uncheck()
    quick(page, (0, None))  # a cleared box is not ticked behind the reader's back
    page.wait_for_timeout(300)
    assert not box.is_checked()
    assert page.locator(".sidebar-tree .read-mark").count() == 0


FORBIDDEN = """Object.defineProperty(window, "localStorage", {
  configurable: true, get() { throw new DOMException("no", "SecurityError"); } });"""


def test_without_storage_the_page_remembers_for_itself_and_says_so(visit):
    page = visit("en/00-descent.html", before=FORBIDDEN)
    page.locator(".chapter-end input").check()
    assert page.locator(".sidebar-tree .read-mark").count() == 1
    assert "forbids storage" in page.locator(".chapter-end").inner_text()
    assert page.troubles == []


def test_two_windows_agree(visit):
    page = visit("en/00-descent.html")
    other = page.context.new_page()
    other.goto(page.url.replace("00-descent", "index"))
    page.locator(".chapter-end input").check()
    other.wait_for_selector('[data-chapter="00-descent"].read')


# --- terms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "name"), ALL)
def test_terms_stand_where_they_may_and_once_a_section(view, name):
    page = page_of(view, name)
    found = page.select("a.term")
    assert len(found) >= 10
    seen = set()
    for term in found:
        assert not term.find_parent(
            ["h1", "h2", "h3", "h4", "a", "code", "pre", "summary", "figcaption", "thead", "button"]
        )
        assert not term.find_parent(class_=["katex", "math"])
        name_of = term["aria-describedby"].removeprefix("tip-")
        language = "zh" if term.find_parent(class_="passage")["lang"] == "zh-CN" else "en"
        assert [term_id for *_, term_id in uses(term.get_text(), language, name[:2])] == [name_of]
        assert term["href"] == f"glossary.html#term-{name_of}"
        section = [parent for parent in term.parents if parent.name == "section"][-2:][0]
        key = (id(section), language, name_of)
        assert key not in seen, f"{term.get_text()} is marked twice in a section"
        seen.add(key)


@pytest.mark.parametrize(("view", "name"), ALL)
def test_definitions_are_the_glossarys_and_only_those_needed(view, name):
    page, book = page_of(view, name), page_of(view, "glossary")
    tips = page.select(".tips > .tip")
    used = {term["aria-describedby"] for term in page.select("a.term")}
    assert [tip["id"] for tip in tips if tip["id"] in used] == [tip["id"] for tip in tips]
    assert {tip["id"] for tip in tips} == used
    for tip in tips:
        row, entry = GLOSSARY[tip["id"].removeprefix("tip-")], book.find(id=tip["id"].replace("tip-", "term-"))
        title = tip.select_one(".tip-term").get_text(" ", strip=True)
        assert tip["role"] == "tooltip"
        assert tip.has_attr("hidden")
        if "$" not in row["en"]:
            assert curly(row["en"]) in title
        assert row["zh"] in title
        definition = [p.get_text() for p in entry.find_next_sibling("dd").select("p")]
        assert [p.get_text() for p in tip.select(".passage p")] == definition
        for language in VIEWS[view].languages:
            if not re.search(r"[$`*{]", row[f"def_{language}"]):
                assert curly(row[f"def_{language}"]) in definition


def test_only_checked_terms_are_marked():
    checked = {row["id"] for row in glossary()}
    marked = {
        t["aria-describedby"].removeprefix("tip-") for name in CHAPTERS for t in page_of("both", name).select("a.term")
    }
    assert marked <= checked
    assert len(marked) > 80


def test_pages_without_terms_do_not_ask_for_their_script():
    assert "terms.js" not in (SITE / "en" / "glossary.html").read_text("utf-8")
    assert "terms.js" in (SITE / "en" / "00-descent.html").read_text("utf-8")


@pytest.mark.parametrize("view", BOTH_NOW)
def test_a_definition_comes_to_the_mouse_can_be_reached_and_stays(visit, view):
    page = visit(f"{view}/00-descent.html")
    term = page.locator("a.term").nth(3)
    term.scroll_into_view_if_needed()
    height = page.evaluate("document.documentElement.scrollHeight")
    tip = page.locator(f"#{term.get_attribute('aria-describedby')}")
    assert tip.is_hidden()
    term.hover()
    tip.wait_for()
    assert page.evaluate("document.documentElement.scrollHeight") == height, "nothing moves"
    tip.hover()
    page.wait_for_timeout(600)
    assert tip.is_visible()
    row = GLOSSARY[term.get_attribute("aria-describedby").removeprefix("tip-")]
    assert row["zh"] in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.mouse.move(2, 2)
    term.hover()
    tip.wait_for()
    page.mouse.move(2, 2)
    tip.wait_for(state="hidden")
    assert page.troubles == []


@pytest.mark.parametrize("view", BOTH_NOW)
def test_a_definition_comes_to_the_keyboard(visit, view):
    page = visit(f"{view}/00-descent.html")
    first, second = (page.locator("a.term").nth(k) for k in (0, 1))
    tips = [page.locator(f"#{term.get_attribute('aria-describedby')}") for term in (first, second)]
    first.focus()
    assert tips[0].is_visible()
    assert page.evaluate("document.activeElement.classList.contains('term')")
    page.keyboard.press("Escape")
    assert tips[0].is_hidden()
    assert page.evaluate("document.activeElement.classList.contains('term')"), "the focus stays where it was"
    second.focus()
    assert tips[1].is_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/{view}/glossary.html#term-"))


@pytest.mark.parametrize("view", BOTH_NOW)
def test_a_definition_comes_to_a_tap_and_the_second_tap_follows(visit, view):
    page = visit(f"{view}/00-descent.html", PHONE, has_touch=True, is_mobile=True)
    term = page.locator("a.term").nth(2)
    tip = page.locator(f"#{term.get_attribute('aria-describedby')}")
    term.tap()
    tip.wait_for()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert "00-descent" in page.url
    page.locator("h1").first.tap()
    assert tip.is_hidden()
    term.tap()
    term.tap()
    page.wait_for_url(re.compile(rf"/{view}/glossary.html#term-"))


TIPS_BESIDE_THE_SCREEN = """async () => {
  const outside = [];
  for (const term of document.querySelectorAll("a.term")) {
    term.scrollIntoView({ block: "center", behavior: "instant" });
    term.focus();
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const tip = [...document.querySelectorAll(".tip")].find((tip) => tip.checkVisibility());
    const box = tip?.getBoundingClientRect();
    if (!(box?.left >= 0 && box.right <= innerWidth && document.documentElement.scrollWidth <= innerWidth))
      outside.push(`${term.textContent}: ${JSON.stringify(box)}`);
  }
  return outside;
}"""


@pytest.mark.parametrize("view", BOTH_NOW)
def test_every_definition_stays_on_the_screen(visit, view):
    page = visit(f"{view}/05-adam.html", PHONE)
    assert page.evaluate(TIPS_BESIDE_THE_SCREEN) == []


def test_without_scripts_a_term_leads_to_the_glossary(visit):
    page = visit("en/00-descent.html", java_script_enabled=False)
    assert page.locator(".tip:visible").count() == 0
    page.locator("a.term").first.click()
    assert "glossary.html#term-" in page.url


@pytest.mark.parametrize("view", BOTH_NOW)
@pytest.mark.parametrize("chapter", ["04-adaptive", "08-cluster"])
def test_a_printed_table_keeps_its_lines_on_a_phone(visit, view, chapter):
    page = visit(f"{view}/{chapter}.html", {"width": 360, "height": 740})
    rows = page.evaluate("""() => [...document.querySelectorAll(".output .line + .line")].map((line) => {
      const style = getComputedStyle(line.parentElement);
      return [line.parentElement.style.getPropertyValue("--columns"), line.textContent, parseFloat(style.fontSize),
              Math.round(line.getBoundingClientRect().height / parseFloat(style.lineHeight))];
    })""")
    assert len(rows) > 20
    assert min(size for _, _, size, _ in rows) >= 8.5
    assert [text for columns, text, _, high in rows if int(columns) <= 56 and high > 1] == []
    assert any(int(columns) > 50 for columns, *_ in rows), "no wide table: try another chapter"


@pytest.mark.parametrize("view", BOTH_NOW)
def test_on_paper_there_is_no_trace(visit, view):
    page = visit(f"{view}/00-descent.html")
    page.locator(".chapter-end input").check()
    page.locator("a.term").first.focus()
    page.emulate_media(media="print")
    assert page.locator(".chapter-end, .tip, .read-mark, .copybtn").locator("visible=true").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('a.term')).textDecorationLine") == "none"
    assert page.locator(".reading-time").is_visible()


# --- between pages, copying, anchors ------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_next_and_previous_speak_the_views_language(view):
    page = page_of(view, "08-cluster")
    words = [span.get_text() for span in page.select(".related-pages .context span") if span.parent.name == "div"]
    assert words == [VIEWS[view].cut("Next · 下一页"), VIEWS[view].cut("Previous · 上一页")]
    titles = [title.get_text() for title in page.select(".related-pages .title")]
    here = PAGES.index("08-cluster")
    assert titles == [page_of(view, PAGES[here + step]).h1.get_text().removesuffix("#") for step in (1, -1)]
    assert titles[0] == VIEWS[view].cut("A cluster that learns: deeper · 集群训练：深入")
    home = page_of(view, "00-descent").select_one(".prev-page .title").get_text()
    assert home == VIEWS[view].cut("Home · 首页")


@pytest.mark.parametrize("view", BOTH_NOW)
def test_a_copy_button_has_a_name_shows_its_focus_and_is_heard(visit, view):
    page = visit(f"{view}/00-descent.html", permissions=["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name=VIEWS[view].cut("Copy the code · 复制代码")).first
    button.scroll_into_view_if_needed()
    assert button.get_attribute("data-tooltip") == VIEWS[view].cut("Copy · 复制")
    button.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # by keyboard it is reached, and shown
    assert button.evaluate("(button) => button === document.activeElement")
    page.wait_for_function("getComputedStyle(document.activeElement).opacity === '1'")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(words) => [...document.querySelectorAll('[role=status]')].some((e) => e.textContent === words)",
        arg=VIEWS[view].cut("Copied · 已复制"),
    )
    code = button.evaluate("(button) => button.parentElement.querySelector('pre').innerText")
    assert page.evaluate("navigator.clipboard.readText()").strip() == code.strip()


@pytest.mark.parametrize(("view", "name"), ALL)
def test_headings_figures_and_equations_have_permanent_anchors(view, name):
    page = page_of(view, name)
    named = [
        *page.select("article h1, article h2, article h3"),
        *page.select("article figure figcaption .caption-number"),
    ]
    for element in named:
        link = (element.find_parent("figcaption") or element).select_one("a.headerlink")
        assert link, f"{element.get_text()} has no anchor"
        assert page.find(id=link["href"].removeprefix("#"))
    for number in page.select("article .eqno"):
        assert number.select_one("a.headerlink")
    exercises = page.select('article [id^="p-exercise-"]')
    assert len(exercises) >= 5
    for exercise in exercises:
        assert [link["href"] for link in exercise.select("p > a.headerlink")] == [f"#{exercise['id']}"]
    # What the authors have named has one name in every view, so a link can be handed on.
    named_in = page_of("en", name).select("article section > span[id], article .place[id], article figure[id]")
    assert {element["id"] for element in named_in} <= {element["id"] for element in page.select("article [id]")}


@pytest.mark.parametrize("view", BOTH_NOW)
def test_axe_finds_nothing_in_the_aids(visit, view):
    parts = [".chapter-end", ".tips", ".sidebar-tree", ".reading-time"]  # passages: see test_accessible
    page = visit(f"{view}/00-descent.html", color_scheme="light")
    page.locator(".chapter-end input").check()
    page.locator("a.term").first.focus()
    assert axe.light_and_dark(page, *parts) == []
