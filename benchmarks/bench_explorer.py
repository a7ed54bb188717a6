"""How fast the explorer answers, in headless Chromium: a redraw while dragging, a map of starts, a keystroke in a rule,
and the frames of a network in training.

python benchmarks/bench_explorer.py
"""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from downhill_course.pages import editor
from downhill_course.publish.chrome import ADVICE, FLAGS, find_chrome
from optlib.widget import Explorer, Network

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

# From a keystroke in the editor to the frame that shows its path.
KEYS = """async () => {
  const el = document.querySelector(".downhill-explorer"), f = el.downhill, times = [];
  await f.edit(0);
  const box = el.querySelector(".dx-rule textarea"), text = box.value;
  for (let k = 0; k < 60; k++) {
    let drawn;
    const shown = new Promise((done) => { drawn = done; });
    el.addEventListener("downhill-change", drawn, { once: true });
    const begun = performance.now();
    box.value = text.replace("lr * ", `lr * ${1 + (k % 9) / 10} * `);
    box.dispatchEvent(new Event("input", { bubbles: true }));
    await shown;
    times.push(performance.now() - begun);
    await new Promise(requestAnimationFrame);
  }
  return times.slice(10);
}"""
# Time between frames while three rules train, and the work within each.
TRAIN = """async () => {
  const f = document.querySelector(".downhill-explorer").downhill, frames = [];
  f.again({});
  let last = await new Promise(requestAnimationFrame);
  while (f.playing) {
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames.slice(10);
}"""
TRIO = {"sgd": {"lr": 0.4}, "momentum": {"lr": 0.2}, "adam": {"lr": 0.02}}


def told(what: str, times: list[float]) -> None:
    """One line: median and 95th percentile, in milliseconds."""
    median, high = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"{what}: median {median:.1f} ms, 95th percentile {high:.1f} ms of {len(times)}")


def main() -> None:
    program = find_chrome()
    if program is None:
        raise SystemExit(ADVICE)
    figure = Explorer(surface="himmelblau", algorithms=TWELVE, steps=300)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        place = Path(folder)
        for name, text in editor.scripts().items():
            (place / name).write_text(text, encoding="utf-8")
        loader = Path(__file__).parents[1] / "book" / "_static" / "explore.js"
        (place / "explore.js").write_text(loader.read_text(encoding="utf-8"), encoding="utf-8")
        scenes = {"page": figure, "rule": Explorer("ravine"), "network": Network(TRIO, at=0)}
        for name, each in scenes.items():
            text = f'<body><script src="explore.js"></script>{each.html()}</body>'
            (place / f"{name}.html").write_text(f'<!doctype html><html lang="en">{text}</html>', encoding="utf-8")
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
        for name, code, what in (
            ("rule", KEYS, "a keystroke in a rule, drawn"),
            ("network", TRAIN, "a network, three rules: from frame to frame"),
        ):
            page.goto((place / f"{name}.html").as_uri())
            page.locator(".dx").wait_for()
            told(what, page.evaluate(code))
        browser.close()


if __name__ == "__main__":
    main()
