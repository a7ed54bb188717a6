"""Every page, in every view, on light and on dark: axe finds nothing at WCAG 2.2 AA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser import need
from pages import LAPTOP, PAGES, PHONE, sampled
from views import VIEWS

AXE = Path(os.environ.get("AXE", Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"))
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: axe sees no text in a head of a table that is a formula.
EXCEPT = {"empty-table-header": {"enabled": False}}
#: What the browser lays out only when the reader comes near is laid out now, so that axe looks at it too.
ALL = "article > section > section { content-visibility: visible !important; }"
RUN = """async (options) => (await axe.run(document, options)).violations.flatMap(
  (found) => found.nodes.map((node) => `${found.id}: ${node.target}: ${node.failureSummary}`))"""


def faults(page, **only) -> list[str]:
    options = {"preload": False, "resultTypes": ["violations"], "rules": EXCEPT, **only}
    return page.evaluate(RUN, options)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", sampled([*PAGES, "search"]))
def test_axe_finds_nothing(visit, name, view):
    need(AXE.exists(), "axe-core is missing: npm ci")
    page = visit(f"{view}/{name}.html", color_scheme="light", reduced_motion="reduce")
    page.add_style_tag(content=ALL)
    page.add_script_tag(path=str(AXE))
    page.wait_for_timeout(200)  # boxes that scroll are made reachable when they have their size
    light = faults(page, runOnly={"type": "tag", "values": TAGS})
    page.emulate_media(color_scheme="dark")
    dark = faults(page, runOnly={"type": "rule", "values": ["color-contrast"]})
    assert [*light, *(f"dark: {fault}" for fault in dark)] == []


REACHABLE = """() => [...document.querySelectorAll("article pre, article .math-wrapper, article .table-wrapper")]
  .filter((box) => box.checkVisibility({ contentVisibilityAuto: true }))
  .every((box) => (box.scrollWidth > box.clientWidth + 1) === (box.tabIndex === 0))"""


def test_a_box_that_scrolls_can_be_reached_by_keyboard(visit):
    page = visit("en/03-momentum.html", PHONE)
    wide = page.locator("article pre[tabindex='0']").first
    wide.scroll_into_view_if_needed()
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.set_viewport_size(LAPTOP)
    page.wait_for_function(REACHABLE)
    assert page.locator("article pre:not([tabindex])").count() > 0
