"""The home page in a browser: a figure that runs, three doors, the path of the course and what was read on it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import axe
import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup
from pages import BOTH_NOW, LAPTOP, PHONE, SITE, soup
from serving import serve

from downhill_course.notebook.passages import check_passages, glossary
from downhill_course.notebook.running import frames
from downhill_course.notebook.views import TAGS, VIEWS
from downhill_course.pages.course import CURVATURE, chapters, ground, news, walk
from downhill_course.publish.cover import COVER, draw
from optlib import rules
from optlib.widget import Explorer

BOOK = Path(__file__).parents[1] / "book"
ROWS = chapters(BOOK)
WRITTEN = [name for name in ROWS if (BOOK / f"{name}.ipynb").exists()]
FIGURE = "document.querySelector('.home-figure .downhill-explorer').downhill"
RUNNING = f"() => document.querySelector('.home-figure .dx') && {FIGURE}.playing && {FIGURE}.state.at > 2"


def home(view: str) -> BeautifulSoup:
    return soup(SITE / view / "index.html")


def remember(**read) -> str:
    """A script that leaves a memory behind, as if the reader had been here before."""
    known = {name.replace("_", "-"): value for name, value in read.items()}
    return (
        f"localStorage.getItem('downhill-progress') ?? localStorage.setItem('downhill-progress', '{json.dumps(known)}')"
    )


PIECES = (b"</h1>", b'<div class="home-words', b"<figure", b'<div class="trail', b"<aside aria-label")
DONE, BEGUN = {"read": True}, {"seen": [0, 1, 2], "of": 12}


# --- the figure ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", BOTH_NOW)
def test_the_explorer_runs_by_itself_from_start_to_start(visit, view):
    page = visit(f"{view}/index.html")
    page.wait_for_function(RUNNING)
    first = page.evaluate(f"{FIGURE}.state.start")
    assert first == Explorer("four-valleys").state["start"]
    page.evaluate(f"() => {{ {FIGURE}.state.at = {FIGURE}.state.steps; {FIGURE}.pause(); }}")
    page.wait_for_function(f"(first) => {FIGURE}.playing && {FIGURE}.state.start[0] !== first", arg=first[0])
    assert page.evaluate(f"{FIGURE}.walks.every((walk) => walk.end === undefined || walk.end === null)")
    assert page.locator(".dx-notes").inner_text() == ""  # no start from which a walk leaves the frame
    assert page.troubles == []


def test_every_start_of_the_tour_stays_in_the_frame_and_ends_in_valleys():
    starts = json.loads(home("en").select_one("[data-downhill-explorer]")["data-downhill-explorer"])["starts"]
    assert len(starts) >= 3
    first: dict = {}
    for start in starts:
        paths = Explorer("four-valleys", start=start).paths()
        minima = np.array(Explorer("four-valleys").surface().minima)
        ends = {name: np.linalg.norm(minima - path[-1], axis=1) for name, path in paths.items()}
        assert all(distance.min() < 0.1 for distance in ends.values())
        valley = {name: distance.argmin() for name, distance in ends.items()}
        assert len(set(valley.values())) == len(minima) == 4, "one start, four valleys"
        assert [name for name in ("sgd", "adam") if valley[name] != first.setdefault(name, valley[name])] == [], (
            "the task is the same from each start"
        )
        assert all(np.abs(path).max() < 5 for path in paths.values())


def test_it_stops_out_of_sight_and_goes_on_in_sight(visit):
    page = visit("en/index.html")
    page.wait_for_function(RUNNING)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function(f"!{FIGURE}.playing")
    at = page.evaluate(f"{FIGURE}.state.at")
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_function(f"(at) => {FIGURE}.playing && {FIGURE}.state.at >= at", arg=at)


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_the_reader_takes_over(visit, way):
    page = visit("en/index.html")
    page.wait_for_function(RUNNING)
    assert page.locator(".dx-hidden[aria-live]").get_attribute("aria-live") == "off"
    pause = page.get_by_role("button", name="Pause")
    if way == "mouse":
        pause.click()
    else:
        pause.focus()
        page.keyboard.press("Enter")
    page.wait_for_function(f"!{FIGURE}.playing")
    at = page.evaluate(f"{FIGURE}.state.at")
    page.wait_for_timeout(3500)  # longer than it rests between two walks
    assert page.evaluate(f"[{FIGURE}.playing, {FIGURE}.state.at]") == [False, at]
    assert page.locator(".dx-hidden[aria-live]").get_attribute("aria-live") == "polite"
    x = page.evaluate(f"{FIGURE}.state.start[0]")
    page.locator(".dx-handle").press("ArrowRight")
    assert page.evaluate(f"{FIGURE}.state.start[0]") > x


SPOT = f"""([x, y]) => {{
  const {{ left, top }} = {FIGURE}.canvas.getBoundingClientRect(), {{ frame }} = {FIGURE};
  return [left + frame.X(x), top + frame.Y(y)];
}}"""


@pytest.mark.parametrize("way", ["keyboard", "touch"])
def test_a_reader_makes_two_algorithms_change_places(visit, way):
    page = visit("zh/index.html", PHONE, has_touch=way == "touch", reduced_motion="reduce")
    answer = page.locator(".home-answer")
    page.locator(".home-figure .dx-handle").scroll_into_view_if_needed()
    answer.get_by_text("SGD 停在右下角，Adam 停在右上角。").wait_for()
    if way == "touch":
        page.touchscreen.tap(*page.evaluate(SPOT, [-1, 1]))
        page.locator(".home-answer:not(.done)").get_by_text("SGD 停在左上角").wait_for()
        page.touchscreen.tap(*page.evaluate(SPOT, [4.8, 1]))
    else:
        page.evaluate(f"void {FIGURE}.set({{ 'start.0': 4.8, 'start.1': -0.5 }})")
        for _ in range(14):
            page.locator(".dx-handle").press("ArrowUp")
    page.locator(".home-answer.done").get_by_text("换成了：SGD 停在右上角，Adam 停在右下角。").wait_for()
    assert answer.get_attribute("role") == "status"
    assert page.troubles == []


def test_reduced_motion_sees_finished_walks(visit):
    page = visit("en/index.html", reduced_motion="reduce")
    page.locator(".home-figure .dx").wait_for()
    page.wait_for_timeout(1500)
    assert page.evaluate(f"[{FIGURE}.playing, {FIGURE}.state.at]") in ([False, None], [None, None])


@pytest.mark.parametrize(
    ("view", "size"),
    [("zh", PHONE), ("zh", LAPTOP), ("both", LAPTOP), pytest.param("en", PHONE, marks=pytest.mark.slow)],
    ids=["zh-390px", "zh-1440px", "both-1440px", "en-390px"],
)
def test_nothing_moves_when_it_comes(visit, view, size):
    """Layout shift, as browsers measure it, from the first piece of the page to the running figure."""
    count = """window.shift = 0; new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });"""
    with serve(SITE, halts=PIECES, late=("explorer.css",)) as base:
        page = visit(f"{view}/index.html", size, base.rstrip("/"), count + remember(**{"00_descent": DONE}))
        page.locator(".home-figure").scroll_into_view_if_needed()
        page.wait_for_function(RUNNING)
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(300)
        assert page.evaluate("window.shift") < 0.02


def test_the_explorer_is_asked_for_after_the_page(visit):
    page = visit("en/index.html")
    page.locator(".home-figure .dx").wait_for()
    asked, loaded = page.evaluate("""() => [
      performance.getEntriesByType("resource").find((entry) => entry.name.includes("explorer.js")).startTime,
      performance.getEntriesByType("navigation")[0].loadEventStart]""")
    assert asked >= loaded


@pytest.mark.parametrize("view", BOTH_NOW)
def test_without_scripts_and_on_paper_there_is_a_picture(visit, view):
    picture = visit(f"{view}/index.html", java_script_enabled=False).locator(".home-figure img")
    assert picture.is_visible()
    assert bool(re.search("山谷", picture.get_attribute("alt"))) == ("zh" in VIEWS[view].languages)
    page = visit(f"{view}/index.html")
    page.locator(".home-figure .dx").wait_for()
    assert page.locator(".home-figure img").is_hidden()
    page.emulate_media(media="print")
    assert page.locator(".home-figure img").is_visible()
    assert page.locator(".home-figure .dx").is_hidden()
    assert page.locator(".trail-reset, .trail-now, .stop-state, .new, .leg").locator("visible=true").count() == 0


def test_the_cover_is_the_picture_of_the_preset():
    import base64

    stored, drawn = (base64.b64encode(data).decode() for data in (COVER.read_bytes(), draw().png))
    one, other = frames(stored), frames(drawn)
    assert one.shape == other.shape
    assert np.abs(one - other).max() <= 24, "downhill cover draws it again"


# --- doors and numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("view", BOTH_NOW)
def test_the_doors_lead_where_they_say(visit, view):
    page = visit(f"{view}/index.html")
    leads = [("00-descent", 0), ("students", 1), ("instructors", 2)]
    for name, number in leads:
        page.locator(".door").nth(number).click(position={"x": 20, "y": 70})  # anywhere on it
        page.wait_for_url(re.compile(f"/{view}/{name}.html$"))
        page.go_back()
    page.locator(".start a").click()
    page.wait_for_url(re.compile(f"/{view}/00-descent.html$"))


@pytest.mark.parametrize("view", VIEWS)
def test_the_numbers_are_counted(view):
    numbers = [int(item.b.get_text()) for item in home(view).select(".glance li")]
    texts = [(SITE / view / f"{name}.html").read_text("utf-8") for name in WRITTEN]
    explorers = sum(len(re.findall(r"<\w[^>]*\sdata-downhill-explorer=", text)) for text in texts)
    rows = soup(SITE / view / "students.html").select("table.assignment tbody tr")
    assert numbers == [len(rules.TABLE), explorers, len(rows), len(TAGS)]


# --- the path -----------------------------------------------------------------------------------------


def test_the_path_walks_down_all_the_way():
    path = walk(13)
    height = CURVATURE / 2 * path[:, 0] ** 2 - path[:, 1]
    assert (np.diff(height) < 0).all()
    assert (np.sign(path[:, 0]) == np.tile([-1, 1], 7)[:13]).all()
    assert np.abs(path[:, 0]).min() > 0.3, "far enough from the middle for the words beside it"


def test_the_ground_is_made_of_level_curves():
    for left, top, control, right in re.findall(r"M(\S+) (\S+)Q0 (\S+) (\S+) ", ground(13)):
        x, top, control = float(right), float(top), float(control)
        assert float(left) == -x
        middle = (top + control) / 2  # where the curve crosses the middle
        height = [CURVATURE / 2 * x**2 - top, -middle]
        assert height[0] == pytest.approx(height[1], abs=2e-3)


@pytest.mark.parametrize("view", VIEWS)
def test_the_path_has_every_chapter_with_its_question_and_time(view):
    stops = home(view).select(".trail > li")
    assert [stop["data-chapter"] for stop in stops] == list(ROWS)
    for stop, row in zip(stops, ROWS.values(), strict=True):
        text = stop.get_text(" ", strip=True)
        assert stop.select_one(".stop-name").get_text() == VIEWS[view].cut(row["title"])
        assert stop.select_one(".dot").get_text() == row["file"][:2]
        for language in ("en", "zh"):
            assert (row[language] in text) == (language in VIEWS[view].languages)
        link = stop.select_one(".stop-title a")
        if row["file"] in WRITTEN:
            assert link["href"] == f"{row['file']}.html"
            assert int(stop["data-minutes"]) == row["minutes"]
            assert f"{row['minutes']} " in stop.select_one(".stop-about").get_text()
        else:
            assert link is None
            assert stop.select_one(".to-come")


@pytest.mark.parametrize("view", BOTH_NOW)
def test_stations_lead_to_their_chapters(visit, view):
    page = visit(f"{view}/index.html")
    for selector in (".stop-title a", "a.dot"):
        page.locator(f'[data-chapter="03-momentum"] {selector}').click()
        page.wait_for_url(re.compile(f"/{view}/03-momentum.html$"))
        page.go_back()


BOXES = """() => {
  const box = (e) => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const text = (e) => { const range = document.createRange(); range.selectNodeContents(e); return box(range); };
  return [...document.querySelectorAll(".stop")].map((stop) => [box(stop.querySelector(".dot")),
    ...[...stop.querySelectorAll(".stop-words > *")].map(text)]);
}"""


@pytest.mark.parametrize("width", [360, 390, 768, 1100, 1440])
@pytest.mark.parametrize("view", BOTH_NOW)
def test_no_station_lies_on_another(visit, view, width):
    page = visit(f"{view}/index.html", {"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    stops = page.evaluate(BOXES)
    tops = [dot[1] for dot, *_ in stops]
    assert tops == sorted(tops)
    sides = [words[0][0] < dot[0] for dot, *words in stops]
    assert len(set(sides)) == (2 if page.evaluate("matchMedia('(min-width: 62em)').matches") and width >= 1100 else 1)
    boxes = [(i, box) for i, stop in enumerate(stops) for box in stop]
    for i, (left, top, right, bottom) in boxes:
        assert left >= 0
        assert right <= width
        for j, other in boxes:
            apart = right <= other[0] + 1 or other[2] <= left + 1 or bottom <= other[1] + 1 or other[3] <= top + 1
            assert i == j or apart, f"stations {i} and {j} lie on each other at {width} px"


@pytest.mark.parametrize("view", VIEWS)
def test_the_path_shows_what_was_read_in_every_view(visit, view):
    page = visit(
        f"{view}/index.html", before=remember(**{"00_descent": DONE, "01_variants": DONE, "02_challenges": BEGUN})
    )
    states = page.locator(".stop-state:visible").all_inner_texts()
    assert [re.sub(r"\s", "", state) for state in states] == [
        re.sub(r"\s", "", VIEWS[view].cut(words)) for words in ("✓ read · ✓ 已读", "✓ read · ✓ 已读", "begun · 在读")
    ]
    assert page.locator(".stop.read").count() == 2
    left = {"00-descent": 0, "01-variants": 0, "02-challenges": 9 / 12}
    total = sum(ROWS[name]["minutes"] * left.get(name, 1) for name in WRITTEN)
    hours = f"{round(total / 30) / 2:g}"
    told = page.locator(".trail-sum").inner_text()
    assert ("You have read 2" in told, "已读 2 章" in told) == tuple(name in VIEWS[view].languages for name in TAGS)
    assert hours in told
    assert page.locator(".start a").get_attribute("href") == "02-challenges.html"
    assert page.locator(".start a").inner_text() == VIEWS[view].cut("Go on with chapter 02 · 接着读第 02 章")
    marked = page.locator(".sidebar-tree a:has(.read-mark)")
    assert [link.get_attribute("href") for link in marked.all()] == ["00-descent.html", "01-variants.html"]
    assert page.locator(".read-mark").first.get_attribute("aria-label") == VIEWS[view].cut("read · 已读")


def test_who_has_begun_a_later_chapter_goes_on_there(visit):
    page = visit("en/index.html", before=remember(**{"02_challenges": BEGUN}))
    assert page.locator(".start a").get_attribute("href") == "02-challenges.html"


def test_a_reader_starts_over_and_thinks_better_of_it(visit):
    page = visit("en/index.html", before=remember(**{"00_descent": DONE}))
    before = page.locator(".start a").inner_text()
    button = page.locator(".trail-reset")
    assert button.inner_text() == "Start over"
    button.click()
    assert page.locator(".stop.read").count() == 0
    assert page.evaluate("localStorage.getItem('downhill-progress')") == "{}"
    assert page.locator(".start a").inner_text() == "Start with one step"
    assert button.inner_text() == "Undo"
    button.click()
    assert page.locator(".stop.read").count() == 1
    assert page.locator(".start a").inner_text() == before


def test_who_has_read_all_is_told_so(visit):
    page = visit("en/index.html", before=remember(**{name.replace("-", "_"): DONE for name in WRITTEN}))
    assert "You have read all of them." in page.locator(".trail-sum").inner_text()
    assert page.locator(".start a").inner_text() == "Start with one step"


@pytest.mark.parametrize("memory", ["[]", "null", "{", '{"00-descent": 7}', '{"00-descent": {"seen": "x", "read": 1}}'])
def test_a_memory_that_makes_no_sense_is_no_trouble(visit, memory):
    page = visit("en/index.html", before=f"localStorage.setItem('downhill-progress', {json.dumps(memory)})")
    assert page.troubles == []
    assert page.locator(".stop.read").count() == 0


FORBIDDEN = """Object.defineProperty(window, "localStorage", {
  configurable: true, get() { throw new DOMException("no", "SecurityError"); } });"""


@pytest.mark.parametrize("view", BOTH_NOW)
def test_storage_may_be_forbidden(visit, view):
    page = visit(f"{view}/index.html", before=FORBIDDEN)
    page.wait_for_function(RUNNING)
    assert page.troubles == []


# --- for everyone -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["390px", "1440px"])
@pytest.mark.parametrize("view", BOTH_NOW)
def test_axe_finds_nothing(visit, view, size):
    read = remember(**{"00_descent": DONE, "01_variants": BEGUN})
    page = visit(f"{view}/index.html", size, color_scheme="light", before=read)
    page.locator(".home-figure").scroll_into_view_if_needed()
    page.locator(".home-figure .dx").wait_for()
    assert axe.light_and_dark(page, "article", tags=axe.PRACTICE) == []


def test_the_home_page_asks_for_its_own_files_only_where_they_are_used():
    def styles(name):
        link = re.search(r'href="(_static/site-[^"]+)"', (SITE / "en" / name).read_text("utf-8"))[1]
        return (SITE / "en" / link).read_text("utf-8")

    assert ".doors" in styles("index.html")
    assert ".doors" not in styles("00-descent.html")
    assert home("en").select('[src*="home.js"]')
    assert "home.js" not in (SITE / "en" / "00-descent.html").read_text("utf-8")


# --- what is new --------------------------------------------------------------------------------------


def test_news_is_whole_dated_and_in_two_languages():
    rows = yaml.safe_load((BOOK / "news.yml").read_text(encoding="utf-8"))
    dates = [row["date"] for row in rows]
    assert all(type(day) is date for day in dates)
    assert dates == sorted(set(dates), reverse=True), "newest first, one entry a day"
    for row in rows:
        assert set(row) <= {"date", "title", "en", "zh", "chapters"}
        english, chinese = row["title"].split(" · ")
        assert list(check_passages(english, chinese, glossary())) == []
        assert list(check_passages(row["en"], row["zh"], glossary())) == []
        assert set(row.get("chapters", [])) <= set(WRITTEN)


@pytest.mark.parametrize("view", BOTH_NOW)
def test_news_has_a_page_and_the_home_page_leads_to_the_newest(visit, view):
    page = visit(f"{view}/index.html")
    link = page.locator(".latest a")
    newest = news(BOOK)[0]
    assert str(newest["date"]) in page.locator(".latest").inner_text()
    link.click()
    page.wait_for_url(re.compile(f"/{view}/news.html#news-{newest['date']}$"))
    assert page.locator("h2").count() == len(news(BOOK))
    assert VIEWS[view].cut(newest["title"]) in page.locator("h2").first.inner_text()


@pytest.mark.parametrize(("days", "shown"), [(3, True), (40, False)])
def test_new_chapters_are_marked_for_a_month(visit, days, shown):
    entry = next(row for row in news(BOOK) if row.get("chapters"))
    now = f"Date.now = () => Date.parse('{entry['date']}') + {days} * 864e5;"
    page = visit("en/index.html", before=now + remember(**{entry["chapters"][0].replace("-", "_"): DONE}))
    marked = [name for name in WRITTEN if page.locator(f'[data-chapter="{name}"] .new').locator("visible=true").count()]
    assert marked == (entry["chapters"][1:] if shown else [])  # who has read it knows
