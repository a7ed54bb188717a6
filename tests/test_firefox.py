"""The site in Firefox: a figure lives, the search finds, the switch keeps its place, home answers, pages are kept."""

import json

import firefox
import pytest
from needs import need
from pages import LAPTOP, SITE
from test_site import LANDED

pytestmark = pytest.mark.slow
RIGHT = "\ue014"  # WebDriver's arrow key


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
    tab.until(f"({LANDED})(decodeURIComponent(location.hash.slice(1)))")


def test_the_search_finds(tab, address):
    tab.goto(f"{address}/zh/search.html?q=动量")
    tab.until("document.querySelector('article a[href*=\"03-momentum\"]')")


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
