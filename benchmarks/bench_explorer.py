"""How fast the explorer answers: a redraw while dragging, and a map of starts, in headless Chromium.

python benchmarks/bench_explorer.py
"""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from downhill_course.publish.chrome import ADVICE, FLAGS, find_chrome
from optlib.widget import Explorer, explorer

TWELVE = [
    "sgd", "momentum", "nag", "heavy_ball", "adagrad", "adadelta", "rmsprop", "adam", "adamax", "nadam", "amsgrad",
    "adamw",
]  # fmt: skip
DRAG = """async () => {
  const f = document.querySelector(".downhill-explorer").downhill, times = [];
  const frame = () => new Promise(requestAnimationFrame);
  for (let k = 0; k < 80; k++) {
    f.state.start = [-0.5 + 2 * Math.cos(k / 13), -1 + 2 * Math.sin(k / 13)];
    const begun = performance.now();
    f.draw();
    times.push(performance.now() - begun);
    await frame();
  }
  return times.slice(20);
}"""
MAP = """async ([rule, mode]) => {
  const f = document.querySelector(".downhill-explorer").downhill;
  f.state.steps = 200; f.state.map = mode; f.state.mapOf = f.state.runs.findIndex((r) => r.rule === rule);
  f.mapKey = null; f.mapTook = 0;
  let longest = 0, last = performance.now();
  f.changed();
  while (!(f.mapTook > 0)) {
    await new Promise(requestAnimationFrame);
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }
  return [f.mapTook, longest];
}"""


def main() -> None:
    program = find_chrome()
    if program is None:
        raise SystemExit(ADVICE)
    figure = Explorer(surface="himmelblau", algorithms=TWELVE, steps=300)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        (place / "explorer.js").write_text(explorer.script(), encoding="utf-8")
        (place / "explorer.css").write_text(explorer.style(), encoding="utf-8")
        loader = Path(__file__).parents[1] / "book" / "_static" / "explore.js"
        (place / "explore.js").write_text(loader.read_text(encoding="utf-8"), encoding="utf-8")
        (place / "page.html").write_text(
            f'<!doctype html><html lang="en"><body><script src="explore.js"></script>{figure.html()}</body></html>',
            encoding="utf-8",
        )
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport={"width": 900, "height": 900})
        page.goto((place / "page.html").as_uri())
        page.locator(".dx").wait_for()
        times = page.evaluate(DRAG)
        print(
            f"redraw, 12 algorithms x 300 steps: median {statistics.median(times):.1f} ms, "
            f"slowest of {len(times)} {max(times):.1f} ms"
        )
        for rule in ("sgd", "momentum", "adam"):
            for mode in ("where", "fast"):
                took, longest = page.evaluate(MAP, [rule, mode])
                print(f"map, 256 x 256 x 200 {rule:8} {mode:5}: {took:5.0f} ms; longest frame {longest:.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
