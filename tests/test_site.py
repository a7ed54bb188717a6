"""The built site in a browser: every page, in every view, as readers meet it."""

from __future__ import annotations

import gzip
import re
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from pages import (
    BOTH_NOW,
    CHAPTERS,
    HAN,
    LAPTOP,
    PAGES,
    PAPER,
    PHONE,
    SAMPLE,
    SITE,
    every_page_once,
    ids,
    links,
    parse,
    sampled,
    soup,
)

from downhill_course.notebook.views import TAGS, VIEWS
from downhill_course.pages.formulas import without_formulas

# What a page must be at any width. Each returns what is wrong; an empty list is right.
FAULTS = """() => {
  const faults = [];
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  if (wide > 0) faults.push(`the page is ${wide} px wider than the window`);
  for (const math of document.querySelectorAll("article .math"))
    if (!math.querySelector(".katex")) faults.push(`a formula is not rendered: ${math.textContent}`);
  for (const image of document.querySelectorAll("article img"))
    if (!image.alt.trim()) faults.push(`an image without alt text: ${image.src}`);
  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.closest("pre, code, .sig, .katex, script") && /\\$[^$\\s][^$]*\\$/.test(node.data))
      faults.push(`a raw formula: ${node.data.trim().slice(0, 80)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].filter((e) => !e.closest("svg")).map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) < i))) faults.push(`the id ${id} stands twice`);
  for (const box of document.querySelectorAll("article .cell_output, article .cell_output pre"))
    if (innerWidth < 500 && box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible")
      faults.push(`a result is cut: ${box.innerText.slice(0, 80)}`);
  const switches = [...document.querySelectorAll(".view-switch")].filter((e) => e.checkVisibility());
  const inside = switches.map((e) => e.getBoundingClientRect()).filter((b) => b.left >= 0 && b.right <= innerWidth);
  if (inside.length !== 1) faults.push(`${inside.length} language switches to be seen instead of one`);
  return faults;
}"""


# A live figure that comes, or follows a new width, has some frames to do so.
SETTLED = f"""async () => {{
  const faults = {FAULTS};
  for (let tries = 0; tries < 50 && faults().length; tries++) await new Promise((go) => setTimeout(go, 100));
  return faults();
}}"""


@pytest.mark.parametrize(("view", "name"), every_page_once())
def test_a_page_loads_and_fits(visit, name, view):
    page = visit(f"{view}/{name}.html", PHONE)
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)") == []
    for size in (PHONE, LAPTOP):
        page.set_viewport_size(size)
        page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
        assert page.evaluate(SETTLED) == []
    page.evaluate("document.documentElement.classList.add('whole')")  # what is far below is laid out, too
    for width in (360, 768):
        page.set_viewport_size({"width": width, "height": 780})
        assert page.evaluate(SETTLED) == []
    assert page.troubles == []


MOST = 300 * 1024  # bytes of a first load
TEXT = re.compile(r"\.(html|css|js|svg|json|webmanifest)$")


@pytest.mark.parametrize(("view", "name"), [("zh", "03-momentum"), ("en", "06-choosing"), ("both", "08-cluster")])
def test_a_first_load_is_light(chrome, address, view, name):
    """What a phone asks for before its reader scrolls, as a static host sends it: text gzipped, the rest as it is."""
    context = chrome.new_context(viewport=PHONE)
    page, files = context.new_page(), {}
    page.on("response", lambda response: files.setdefault(urlsplit(response.url).path, response.status))
    page.goto(f"{address}/{view}/{name}.html", wait_until="networkidle")
    context.close()
    assert set(files.values()) == {200}
    bodies = {path: (SITE / unquote(path).lstrip("/")).read_bytes() for path in files}
    sent = {path: len(gzip.compress(body) if TEXT.search(path) else body) for path, body in bodies.items()}
    assert any(path.endswith(".woff2") for path in sent), "formulas have fonts: what a page asks for was not seen"
    heaviest = sorted(sent.items(), key=lambda item: -item[1])[:8]
    assert sum(sent.values()) < MOST, f"{sum(sent.values())} bytes; the heaviest: {heaviest}"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_the_head_names_language_title_and_the_other_views(name, view):
    head, _, _ = (SITE / view / f"{name}.html").read_text(encoding="utf-8").partition("</head>")
    page = parse(head)
    assert page.html["lang"] == VIEWS[view].tag
    links = {link["hreflang"]: link["href"] for link in page.select("link[rel=alternate][hreflang]")}
    assert set(links) == {"en", "zh-CN", "mul", "x-default"}
    for href in links.values():
        assert href.startswith("http") or (SITE / view / href).resolve().exists()
    title = page.title.get_text()
    assert bool(re.search(f"[{HAN}]", title)) == ("zh" in VIEWS[view].languages)
    if view == "zh":
        assert "Downhill" not in title


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_view_has_the_passages_of_its_languages(name):
    places = {}
    for view, about in VIEWS.items():
        passages = soup(SITE / view / f"{name}.html").select("article .passage")
        assert {p["lang"] for p in passages} == {TAGS[language] for language in about.languages}
        places[view] = [element["id"] for element in soup(SITE / view / f"{name}.html").select("article .place[id]")]
    assert places["en"] == places["zh"] == places["both"]


@pytest.mark.parametrize("name", sampled(CHAPTERS))
def test_side_by_side_on_a_laptop_and_in_turn_on_a_phone(visit, name):
    boxes = """[...document.querySelectorAll('.pair')].map(
      (pair) => [...pair.children].map((child) => child.getBoundingClientRect().toJSON()))"""
    page = visit(f"both/{name}.html#exercises", LAPTOP)  # with a place, the whole page is laid out at once
    for english, chinese in page.evaluate(boxes):
        assert chinese["left"] >= english["right"]
        assert chinese["top"] == pytest.approx(english["top"], abs=2)
    page.set_viewport_size(PHONE)
    for english, chinese in page.evaluate(boxes):
        assert chinese["top"] >= english["bottom"]


@pytest.mark.parametrize("name", ["index", *sampled(CHAPTERS)])
def test_scripts_that_a_page_begins_with_are_few_and_wait(name):
    page = soup(SITE / "both" / f"{name}.html")
    scripts = page.select("script[src]")
    assert all(script.has_attr("defer") for script in scripts)
    files = [script["src"].partition("?")[0] for script in scripts]
    assert not [file for file in files if "furo" in file or "explorer" in file]  # theme.js; explore.js loads the others
    assert sum((SITE / "both" / file).stat().st_size for file in files) < 90_000
    assert 'classList.remove("no-js")' in str(page.head)  # later it would have the whole page styled anew


def test_the_themes_own_things_work_without_its_script(visit):
    page = visit("en/03-momentum.html#jump-measure-correct-nesterov", LAPTOP)
    current = "document.querySelector('.toc-tree .scroll-current .scroll-current a')?.hash"
    page.wait_for_function(f"{current} === '#jump-measure-correct-nesterov'")
    down = "scrollTo(0, document.body.scrollHeight)"  # again, if figures that come have moved the end
    page.wait_for_function(f"() => {{ {down}; return {current} === '#sources-and-further-reading'; }}")
    back = page.locator(".back-to-top")
    assert not back.is_visible()
    page.wait_for_function(
        "() => { scrollBy(0, -200); return document.querySelector('.back-to-top').checkVisibility(); }"
    )
    back.click()
    page.wait_for_function("scrollY === 0")
    back.wait_for(state="hidden")
    for mode in ("dark", "light", "auto"):
        page.locator(".theme-toggle:visible").click()
        assert page.evaluate("[document.body.dataset.theme, localStorage.getItem('theme')]") == [mode, mode]
    assert page.troubles == []


def test_a_tap_shows_a_figure_at_its_own_size_or_larger(visit):
    page = visit("zh/03-momentum.html#fig-momentum-plain", {"width": 360, "height": 740}, has_touch=True)
    clear = "getComputedStyle(document.querySelector('figure:target')).backgroundColor"
    assert page.evaluate(clear) == "rgba(0, 0, 0, 0)"  # no colour shines through the picture
    link = page.locator("#fig-momentum-plain a.image-reference")
    link.tap()
    large = page.locator("dialog.enlarged img")
    assert large.bounding_box()["width"] >= int(large.get_attribute("width"))
    assert page.locator("dialog.enlarged button").get_attribute("aria-label") == "关闭大图"
    page.keyboard.press("Escape")
    page.locator("dialog.enlarged").wait_for(state="detached")  # its event comes a task after the key
    assert page.evaluate("document.activeElement.matches('#fig-momentum-plain a')")
    link.tap()
    large.tap()
    page.locator("dialog.enlarged").wait_for(state="detached")
    assert page.troubles == []


def test_the_sidebar_numbers_its_chapters(visit):
    for name in ("index", "03-momentum", "03-momentum-deeper"):
        page = visit(f"en/{name}.html")
        numbers = page.locator(".sidebar-tree .number").all_inner_texts()
        assert numbers == [chapter[:2] for chapter in CHAPTERS if not chapter.endswith("-deeper")]


LANDED = """(id) => {
  const place = document.getElementById(id);
  if (!place) return false; // a page that has not come yet
  const { top } = (place.querySelector("h1, h2, h3, h4") ?? place).getBoundingClientRect();
  const atTheEnd = scrollY + innerHeight > document.documentElement.scrollHeight - 3;
  return Math.abs(top) <= 100 || (atTheEnd && top > 0 && top < innerHeight);
}"""


#: Whose sections are all visited, here and in Firefox.
LANDINGS = [("en", "03-momentum"), ("zh", "01-variants"), ("both", "05-adam")]


@pytest.mark.parametrize(
    ("view", "name", "size"),
    [
        pytest.param(view, name, size, marks=() if (view == "en") == (size == LAPTOP) else pytest.mark.slow)
        for view, name in LANDINGS
        for size in (PHONE, LAPTOP)
    ],
)
def test_every_link_lands_where_it_says(visit, address, view, name, size):
    """First loads, links of the contents, and the way back, also while figures above come to life."""
    page = visit(f"{view}/{name}.html", size)
    places = page.evaluate("[...document.querySelectorAll('article section[id]')].map((section) => section.id)")
    assert len(places) > 8
    for place in places:  # the contents lie behind a button on a phone: their links are the same
        page.evaluate("(id) => document.querySelector(`.toc-tree a[href='#${id}'], a[href='#${id}']`).click()", place)
        page.wait_for_function(LANDED, arg=place)
    page.wait_for_timeout(500)
    assert page.evaluate(LANDED, places[-1]), "it landed, and was moved away"
    page.goto("about:blank")
    page.go_back(wait_until="load")
    page.wait_for_function(LANDED, arg=places[-1])
    for place in places[1::4]:
        page.goto("about:blank")
        page.goto(f"{address}/{view}/{name}.html#{place}", wait_until="load")
        page.wait_for_function(LANDED, arg=place)
        page.wait_for_timeout(300)
        assert page.evaluate(LANDED, place), f"{place} was landed on, and moved away"


TOP = """() => {
  const header = document.querySelector(".mobile-header");
  const line = (getComputedStyle(header).display === "none" ? 0 : header.offsetHeight) + 24;
  const places = [...document.querySelectorAll(".place, section > span[id]")];
  return places.find((place) => place.getBoundingClientRect().bottom > line).id;
}"""


#: The live figures in sight are there, and for ten frames nothing has changed the height of the page.
STEADY = """() => new Promise((done) => {
  const coming = () => [...document.querySelectorAll("[data-downhill-explorer]:not([data-mounted])")].some((figure) => {
    const { top, bottom } = figure.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  const look = (before, frames) => {
    const now = [scrollY, document.documentElement.scrollHeight].join();
    if (now === before && frames >= 10 && !coming()) done(true);
    else requestAnimationFrame(() => look(now, now === before ? frames + 1 : 0));
  };
  look("", 0);
})"""


SWITCHED = [("00-descent", PHONE), ("03-momentum", LAPTOP), ("08-cluster", PHONE)]


@pytest.mark.parametrize("scheme", ["http", pytest.param("file", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(name, size, marks=() if (name, size) in SWITCHED else pytest.mark.slow)
        for name in CHAPTERS
        for size in (PHONE, LAPTOP)
    ],
)
def test_the_switch_keeps_the_place(visit, address, name, size, scheme):
    page = visit(f"en/{name}.html", size, base=address if scheme == "http" else SITE.as_uri(), reduced_motion="reduce")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
    page.wait_for_function(STEADY)
    place = page.evaluate(TOP)
    for view in ("zh", "both", "en"):
        page.locator(f".view-switch:visible a[data-view={view}]").click()
        page.wait_for_url(re.compile(f"/{view}/"))
        page.wait_for_load_state("load")
        page.wait_for_function(STEADY)
        assert urlsplit(page.url).fragment == place
        top = page.evaluate("(id) => document.getElementById(id).getBoundingClientRect().top", place)
        assert -5 <= top <= 120, f"in {view} the passage {place} stands {top} px below the window's top"


PROSE = r"(?:\b[A-Za-z][a-z]+[,;:]? +){3,}[A-Za-z]?[a-z]+\b"  # four English words in a row
NAMES = ".sources, .bibtex-citation, .citation, .citation-list, .citation-reference, pre, code, .katex, script, style"


@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_no_english_prose_in_the_chinese_view(name):
    page = parse(without_formulas((SITE / "zh" / f"{name}.html").read_text(encoding="utf-8"), "katex"))
    for element in page.select(f"{NAMES}, [lang=en], .other-language"):
        element.decompose()
    assert re.findall(PROSE, page.body.get_text(" ")) == []
    labels = [
        element[key]
        for element in page.select("[aria-label], [title], [placeholder]")
        for key in ("aria-label", "title", "placeholder")
        if element.get(key)
    ]
    labels += [title.get_text() for title in page.select("svg title")]
    english = [
        label
        for label in labels
        if not re.search(f"[{HAN}]", label) and label != VIEWS["en"].tip and re.search(r"[a-z]{3}", label)
        if not re.fullmatch(r"optlib[\w.]*", label)  # a name of the library, where a link leads
    ]
    assert english == []


@pytest.mark.parametrize("name", [name for name in CHAPTERS if name in SAMPLE])
def test_punctuation_stays_beside_formulas_and_buttons(name):
    page = soup(SITE / "zh" / f"{name}.html")
    loose = []
    for box in page.select("article button.figure-set, article span.math"):
        if box.find_parent(class_=["together", "tip"]):  # a definition is shown by itself
            continue
        before, after = (str(beside or "") for beside in (box.previous_sibling, box.next_sibling))
        short = box.name == "button" or len(box.find("annotation").text) <= 20
        if re.match("[，。；：？！、）]", after) or (short and re.search("[（“]$", before)):
            loose.append(f"{before[-8:]}[{box.get_text()[-12:]}]{after[:8]}")
    assert loose == []
    assert len(page.select("article .together")) > 5


def test_a_double_heading_breaks_between_its_halves_and_no_line_begins_with_a_dot(visit):
    page = visit("both/03-momentum.html", {"width": 360, "height": 780})
    seen = page.evaluate("""() => [...document.querySelectorAll(":is(h1, h2, h3):has(> .half)")].map((heading) => {
      const [english, chinese] = [...heading.querySelectorAll(".half")].map((half) => half.getBoundingClientRect());
      return [chinese.top >= english.bottom - 2, heading.querySelector(".between").getBoundingClientRect().width];
    })""")
    assert len(seen) > 8
    assert any(apart for apart, _ in seen)
    assert {width for _, width in seen} == {0}


def test_a_long_formula_fits_a_phone(visit):
    """It breaks between its parts, at an operator, or is set smaller; a line of a table is not one letter wide."""
    page = visit("zh/07-parallel.html#exercises", {"width": 360, "height": 780})  # a place has all of it laid out
    page.wait_for_function("""() => {
      const boxes = [...document.querySelectorAll("article .math-wrapper")];
      const lines = (box) => new Set([...box.querySelectorAll(".part")].map((part) => part.offsetTop)).size;
      const next = boxes.find((box) => box.scrollWidth > box.clientWidth + 1 && !box.closest("details:not([open])"));
      next?.scrollIntoView({ block: "center", behavior: "instant" });
      return !next && boxes.some((box) => lines(box) > 1) && boxes.some((box) => box.matches(".broken"));
    }""")
    first = page.eval_on_selector_all("td:first-child > p:not(:empty)", "(all) => all.map((p) => p.offsetWidth)")
    assert min(first) > 40


def test_every_internal_link_leads_somewhere():
    lost = []
    for path in sorted(SITE.glob("**/*.html")):
        for target in links(path):
            url, fragment = urldefrag(target)
            parts = urlsplit(url)
            if parts.scheme or parts.netloc or (path.name == "404.html" and url.startswith("/")):
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not file.exists():
                lost.append(f"{path.relative_to(SITE)}: {target}")
            elif fragment and file.suffix == ".html" and unquote(fragment) not in ids(file):
                lost.append(f"{path.relative_to(SITE)}: no such place: {target}")
    assert lost == []


def test_no_file_of_the_site_names_a_host_to_load_from():
    tags = re.compile(r'<(?:script|link|img|iframe|source)\b(?:[^>"]|"[^"]*")*>')
    loads = re.compile(r"""(?:src|href)=["'](https?:)?//|url\(["']?(https?:)?//|@import\s+["']?(https?:)?//""")
    loading = [
        f"{path.relative_to(SITE)}: {tag}"
        for path in SITE.glob("**/*.html")
        for tag in tags.findall(path.read_text(encoding="utf-8"))
        if ("<link" not in tag or "stylesheet" in tag) and loads.search(tag.replace("&quot;", '"'))
    ]
    styles = [str(path.relative_to(SITE)) for path in SITE.glob("**/*.css") if loads.search(path.read_text("utf-8"))]
    assert loading + styles == []


PRINTED = """() => {
  const seen = (node) => node.checkVisibility() && node.getBoundingClientRect().height > 0;
  const all = (what) => [...document.querySelectorAll(what)];
  return {
    furniture: all("header, .skip-to-content, .view-switch, .sidebar-drawer, .toc-drawer, .copybtn")
      .filter(seen).map((node) => node.className),
    answers: all("details.sd-dropdown .sd-summary-content").map(seen),
    cut: all("article pre").filter((pre) => pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.innerText),
    background: getComputedStyle(document.body).backgroundColor,
  };
}"""


@pytest.mark.parametrize("view", BOTH_NOW)
@pytest.mark.parametrize("name", sampled(CHAPTERS))
def test_a_chapter_on_paper_is_all_text_and_no_furniture(visit, name, view):
    page = visit(f"{view}/{name}.html", size=PAPER, color_scheme="dark")
    dark = page.evaluate(PRINTED)["background"]
    page.emulate_media(media="print")
    printed = page.evaluate(PRINTED)
    assert not printed["furniture"]
    assert printed["answers"]
    assert all(printed["answers"]), "an answer that is closed on the screen is not printed"
    assert not printed["cut"], "lines that run off the paper"
    assert printed["background"] != dark, "paper is light, even for a reader of the dark page"


@pytest.mark.parametrize(("locale", "view"), [("zh-CN", "zh"), ("zh-TW", "zh"), ("en-GB", "en"), ("de-DE", "en")])
def test_the_root_leads_to_the_browsers_language(visit, locale, view):
    page = visit("index.html", locale=locale)
    page.wait_for_url(re.compile(f"/{view}/index.html$"))


def test_the_root_remembers_the_view_chosen_last(visit):
    page = visit("en/index.html", locale="en-GB")
    page.locator(".view-switch:visible a[data-view=both]").click()
    page.wait_for_url(re.compile("/both/"))
    page.goto(re.sub(r"/both/.*", "/index.html", page.url))
    page.wait_for_url(re.compile("/both/index.html$"))


def test_the_root_and_the_lost_page_work_without_scripts(visit):
    for path in ("index.html", "404.html"):
        page = visit(path, java_script_enabled=False)
        doors = page.locator(".doors a").all()
        assert [door.get_attribute("lang") or "en" for door in doors] == ["en", "zh-CN", "zh-CN"]


@pytest.mark.parametrize("view", BOTH_NOW)
def test_an_explorer_takes_its_pictures_place_and_answers(visit, view):
    page = visit(f"{view}/00-descent.html")
    assert page.locator(".dx").count() == 0  # nothing is loaded before the reader comes near
    figure = page.locator("figure:has([data-downhill-explorer])").first
    figure.scroll_into_view_if_needed()
    figure.locator(".dx").wait_for()
    assert figure.locator("img").is_hidden()
    assert figure.locator("figcaption").is_visible()  # one alone: a caption in a caption would have half a column
    assert figure.locator(".dx").get_attribute("lang") == TAGS["zh" if view == "zh" else "en"]
    summary = figure.locator(".dx-canvas").get_attribute("aria-label")
    figure.locator(".dx-handle").press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('.dx-canvas').ariaLabel !== old", arg=summary)
    assert page.troubles == []


def test_without_scripts_an_explorer_is_its_picture(visit):
    page = visit("en/00-descent.html", java_script_enabled=False)
    figure = page.locator("figure:has([data-downhill-explorer])").first
    figure.scroll_into_view_if_needed()
    assert figure.locator("img").is_visible()
    assert figure.locator("img").get_attribute("alt")
    assert figure.locator("figcaption").first.is_visible()
