"""The site in Firefox: links land, a figure lives, the switch keeps its place, home answers, pages are kept."""

import json

import firefox
import pytest
from needs import need
from pages import LAPTOP, PHONE, SITE
from serving import serve
from test_site import LANDED, LANDINGS

pytestmark = pytest.mark.slow
RIGHT = "\ue014"  # WebDriver's arrow key
#: Whether the page stands where its address says.
HERE = f"({LANDED})(decodeURIComponent(location.hash.slice(1)))"
#: From the end of a page's text on, once it has landed: the frames in which it was elsewhere, as in the frame before.
FOLLOW = f"""() => {{
  let landed = false, before = false;
  window.strayed = 0;
  const look = () => {{
    if (document.readyState !== "loading" && location.hash) {{
      const here = {HERE};
      if (landed && !here && !before) window.strayed++;
      landed ||= here;
      before = here;
    }}
    requestAnimationFrame(look);
  }};
  look();
}}"""


@pytest.fixture(scope="module")
def tab():
    """One Firefox for all of them."""
    need(program := firefox.find(), firefox.ADVICE)
    assert (SITE / "index.html").exists(), "the site is not built: run `make book`"
    with firefox.opened(program) as opened:
        yield opened


def test_a_figure_lives_and_the_switch_keeps_the_place(tab, address):
    tab.size(**LAPTOP)
    tab.goto(f"{address}/en/03-momentum.html#momentum-ball")
    tab.value("document.querySelector('figure:has([data-downhill-explorer])').scrollIntoView()")
    tab.until("document.querySelector('.dx-canvas')?.getAttribute('aria-label')")
    before = tab.value("document.querySelector('.dx-canvas').getAttribute('aria-label')")
    tab.press(".dx-handle", RIGHT)
    tab.until(f"document.querySelector('.dx-canvas').getAttribute('aria-label') !== {json.dumps(before)}")
    tab.value("document.getElementById('momentum-ball').scrollIntoView()")
    tab.value("document.querySelector('.sidebar-drawer .view-switch a[data-view=zh]').click()")
    tab.until("location.pathname.includes('/zh/') && document.readyState === 'complete' && location.hash")
    tab.until(HERE)


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["390px", "1440px"])
@pytest.mark.parametrize(("view", "name"), LANDINGS)
def test_every_link_lands_where_it_says(tab, view, name, size):
    """Links of the contents, the way back, and first loads, to which the fonts and the live figures come late."""
    tab.size(**size)
    with serve(SITE, late=(".woff2", "explorer.js")) as site:
        page = f"{site}{view}/{name}.html"
        tab.goto(page)
        places = tab.value("[...document.querySelectorAll('article section[id]')].map((section) => section.id)")
        assert len(places) > 8
        for place in places:
            tab.value(f'void document.querySelector(\'.toc-tree a[href="#{place}"], a[href="#{place}"]\').click()')
            tab.until(f"location.hash === '#{place}' && {HERE}")
        tab.goto("about:blank")
        tab.back()
        tab.until(f"location.hash === '#{places[-1]}' && {HERE}")
        with tab.cold(FOLLOW):
            for place in places:
                tab.goto("about:blank")
                tab.goto(f"{page}#{place}")
                tab.until("document.fonts.status === 'loaded'")
                assert tab.value(f"[{HERE}, strayed]") == [True, 0], f"{place} was not landed on, or moved away"


def test_the_search_finds_and_lands(tab, address):
    found = "document.querySelectorAll('article a[href*=\".html#\"]')"
    for number, page in enumerate(["03-momentum", "03-momentum", "03-momentum-deeper"]):
        tab.goto(f"{address}/zh/search.html?q=动量")
        tab.until(f"{found}.length > {number}")
        tab.value(f"void {found}[{number}].click()")
        tab.until(f"location.pathname.endsWith('/{page}.html') && document.readyState === 'complete' && {HERE}")


def test_the_home_page_changes_places(tab, address):
    tab.goto(f"{address}/en/index.html")
    figure = "document.querySelector('.home-figure .downhill-explorer').downhill"
    tab.value("document.querySelector('.home-figure').scrollIntoView()")
    tab.until("document.querySelector('.home-figure .dx-handle')")
    tab.press(".dx-handle", RIGHT)  # takes over
    tab.value(f"void {figure}.set({{ 'start.0': 4.8, 'start.1': 1 }})")
    tab.until("document.querySelector('.home-answer.done')")


def test_a_language_is_kept(tab, address):
    tab.goto(f"{address}/en/00-descent.html")
    tab.until("!document.querySelector('.page-tools .keep').hidden")
    tab.value("void document.querySelector('.page-tools .keep button').click()")
    tab.until("document.querySelector('.page-tools .keep').innerText.includes('Kept on this device')")
    tab.goto(f"{address}/en/03-momentum.html")
    assert tab.value("Boolean(navigator.serviceWorker.controller)")
    assert "Momentum" in tab.value("document.querySelector('h1').innerText")
    tab.value("void document.querySelector('.page-tools .keep button').click()")
    tab.until("caches.keys().then((names) => names.length === 0)")
