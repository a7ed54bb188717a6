"""What axe finds on a page, at WCAG 2.2 AA and by its own best practices."""

from __future__ import annotations

import os
from pathlib import Path

from needs import need

AXE = Path(os.environ.get("AXE", Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"))
LEVEL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PRACTICE = [*LEVEL, "best-practice"]
#: On whole pages: axe sees no text in a head of a table that is a formula.
EXCEPT = {"empty-table-header": {"enabled": False}}
#: What the browser lays out only when the reader comes near, and what our scripts do only then, is done now: the reader
#: walks down the page and comes back.
WALK = """async () => {
  document.documentElement.classList.add("whole");
  const frame = () => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(done));
    setTimeout(done, 500); // a busy machine may draw no frame
  });
  const from = scrollY;
  // Where a busy machine drew no frame in time, a box that scrolls has not been seen: the reader walks down once more.
  const unseen = () => [...document.querySelectorAll("article :is(pre, .math-wrapper, .table-wrapper, .cell_output)")]
    .some((box) => box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0);
  for (let walk = 0; walk === 0 || (walk < 5 && unseen()); walk++)
    for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
      scrollTo({ top: y, behavior: "instant" });
      await frame();
    }
  scrollTo({ top: from, behavior: "instant" });
  await frame();
}"""
RUN = """async ([part, options]) => (await axe.run(part ? { include: part.map((one) => [one]) } : document, options))
  .violations.flatMap((found) => found.nodes.map((node) => `${found.id}: ${node.target}: ${node.failureSummary}`))"""


def light_and_dark(page, *parts: str, tags: list[str] = LEVEL) -> list[str]:
    """What is wrong in a page that is light, and with the colours of it when it is dark."""
    light = faults(page, *parts, tags=tags)
    page.emulate_media(color_scheme="dark")
    return [*light, *(f"dark: {fault}" for fault in faults(page, *parts, rule="color-contrast"))]


def faults(page, *parts: str, tags: list[str] = LEVEL, rule: str = "") -> list[str]:
    """What is wrong in the parts of a page that selectors name, or in all of it; ``rule`` asks for that one alone."""
    need(AXE.exists(), f"axe-core is missing in {AXE.parent}: run `make book` once, which installs it")
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
        if not parts:
            page.evaluate(WALK)
    only = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": tags}
    options = {"preload": False, "resultTypes": ["violations"], "rules": {} if parts else EXCEPT, "runOnly": only}
    return page.evaluate(RUN, [list(parts), options])
