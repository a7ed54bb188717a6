"""Every page, in every view, on light and on dark: axe finds nothing at WCAG 2.2 AA."""

from __future__ import annotations

import axe
import pytest
from pages import LAPTOP, PAGES, PHONE, SAMPLE

from downhill_course.notebook.views import VIEWS

# What the single languages show stands in the double view too: of long pages every run looks at that one alone.
LONG = {"00-descent", "api", "glossary", "students"}
LOOKED_AT = SAMPLE - {"03-momentum", "08-cluster", "api-rules"} | LONG  # those three alone take a minute
EVERY = [
    pytest.param(name, view, marks=pytest.mark.slow)
    if name not in LOOKED_AT or (name in LONG and view != "both")
    else (name, view)
    for name in (*PAGES, "search")
    for view in VIEWS
]


@pytest.mark.parametrize(("name", "view"), EVERY)
def test_axe_finds_nothing(visit, name, view):
    page = visit(f"{view}/{name}.html", color_scheme="light", reduced_motion="reduce")
    assert axe.light_and_dark(page, tags=axe.PRACTICE) == []


REACHABLE = """() => [...document.querySelectorAll("article pre, article .math-wrapper, article .table-wrapper")]
  .filter((box) => box.checkVisibility({ contentVisibilityAuto: true }))
  .every((box) => (box.scrollWidth > box.clientWidth + 1) === (box.tabIndex === 0))"""


def test_a_box_that_scrolls_can_be_reached_by_keyboard(visit):
    page = visit("en/03-momentum.html", PHONE)
    wide = page.locator("article .cell_input pre:visible").first
    wide.scroll_into_view_if_needed()
    page.locator("article pre[tabindex='0']").first.wait_for()
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    page.set_viewport_size(LAPTOP)
    page.wait_for_function(REACHABLE)
    assert page.locator("article pre:not([tabindex])").count() > 0
