"""How fast, accessible and tidy the built site is: Lighthouse on a phone, on the home page, whose figure plays
by itself, and on a chapter with formulas and an explorer; and the main thread's longest task while that figure plays.

    make bench-site                                            # builds the site, installs Lighthouse, prints the table
    python benchmarks/site/bench_site.py --runs 1 --views en   # quicker
    python benchmarks/site/bench_site.py --pages index --write

The scores are those of Lighthouse's phone profile, which slows the processor four times. Performance depends on the
processor that is slowed: Lighthouse means a mid-range phone, which by its own `benchmarkIndex` is about 437 (a desktop
of 1,750, slowed by 4). So performance is told a second time, slowed by what this machine measures over 437. The pages
are served as a host of static files serves them, text compressed. Of several runs the median is told.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import threading
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from downhill_course.publish.chrome import ADVICE, FLAGS, find_chrome

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIGHTHOUSE = HERE / "node_modules" / ".bin" / "lighthouse"
PROFILE = 4.0  # how much Lighthouse slows the processor, if nothing else is said
#: Lighthouse's index of the phone it has in mind: a desktop of 1,750, slowed so much.
PHONE = 1750 / PROFILE
BARS = {"performance": 95, "accessibility": 95, "best-practices": 95, "seo": 95}
MEGABYTE = 1.0
TEXT = (".html", ".js", ".css", ".svg", ".json")


@cache
def compressed(path: Path) -> bytes:
    """A file as a host sends it."""
    return gzip.compress(path.read_bytes(), 6)


class Static(SimpleHTTPRequestHandler):
    """Files, text compressed, to be kept for a day."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        zipped = path.suffix in TEXT and "gzip" in self.headers.get("Accept-Encoding", "")
        body = compressed(path) if zipped else path.read_bytes()
        self.send_response(200)
        charset = "; charset=utf-8" if path.suffix in TEXT else ""
        self.send_header("Content-Type", self.guess_type(str(path)) + charset)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=86400")
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def measure(address: str, slowdown: float = PROFILE) -> dict:
    """Lighthouse's report on a page, with the processor slowed so many times."""
    program = os.environ.get("CHROME_PATH") or find_chrome()
    if program is None:
        raise SystemExit(ADVICE)
    command = [
        str(LIGHTHOUSE), address, "--output=json", "--quiet", "--form-factor=mobile",
        f"--throttling.cpuSlowdownMultiplier={slowdown:.2f}",
        "--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-background-networking",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CHROME_PATH": program})
    if done.returncode:
        raise SystemExit(f"Lighthouse failed on {address}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


#: A page that draws 400 lines each frame for six seconds, rests as long as the home page's figure, and draws again.
RESTING = """<canvas id="all" width="600" height="600"></canvas><p id="says"></p><script>
  const all = document.querySelector("#all").getContext("2d");
  let frames = 0;
  function frame() {
    for (let i = 0; i < 400; i++) {
      all.strokeStyle = `hsl(${(7 * i + frames) % 360} 80% 50%)`;
      all.beginPath(); all.moveTo(300, 300); all.lineTo(300 + 300 * Math.cos(i + frames), 300 * Math.sin(i));
      all.stroke();
    }
    document.querySelector("#says").textContent = frames;
    if (++frames % 360) requestAnimationFrame(frame);
    else setTimeout(() => requestAnimationFrame(frame), 2500);
  }
  requestAnimationFrame(frame);
</script>"""


def longest_task(address: str | None) -> float:
    """The longest task of the main thread, in ms, in the ten seconds in which the home page's figure begins and plays.

    Browsers tell of tasks of 50 ms and more: 0 if there was none. Not slowed. Without an address, that of a page which
    does next to nothing but rests as long in between: what the machine itself takes to wake.
    """
    from playwright.sync_api import sync_playwright

    watch = """window.tasks = []; new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) window.tasks.push([startTime, duration]);
    }).observe({ type: "longtask", buffered: true });"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chrome(), args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.add_init_script(watch)
        if address is None:
            page.goto("data:text/html," + quote(RESTING))
            page.wait_for_timeout(500)
        else:
            page.goto(address)
            page.locator(".home-figure").scroll_into_view_if_needed()
            page.wait_for_function("document.querySelector('.home-figure .downhill-explorer')?.downhill?.playing")
        begun = page.evaluate("performance.now()")
        page.wait_for_timeout(10_000)
        tasks = page.evaluate("window.tasks")
        browser.close()
    return max((duration for start, duration in tasks if start >= begun), default=0.0)


def figures(report: dict) -> dict[str, float]:
    """Scores out of 100, and what they are made of."""
    scores = {name: 100 * (report["categories"][name]["score"] or 0) for name in BARS}
    audits = report["audits"]
    return {
        **scores,
        "MB": audits["total-byte-weight"]["numericValue"] / 1e6,
        "shift": audits["cumulative-layout-shift"]["numericValue"],
        "LCP s": audits["largest-contentful-paint"]["numericValue"] / 1e3,
        "blocked ms": audits["total-blocking-time"]["numericValue"],
    }


def complaints(report: dict) -> list[str]:
    """The audits that cost points, by name."""
    wanted = {ref["id"] for name in BARS for ref in report["categories"][name]["auditRefs"] if ref["weight"] > 0}
    audits = report["audits"]
    scores = {name: audits[name]["score"] for name in wanted}
    return sorted(f"{name} {score:.2f}" for name, score in scores.items() if score is not None and score < 0.9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "site", help="folder of the built site")
    parser.add_argument("--pages", nargs="+", default=["index", "03-momentum"], help="which pages (default: two)")
    parser.add_argument("--views", nargs="+", default=["en", "zh", "both"], help="which views (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, of which the median counts (default: 5)")
    parser.add_argument("--write", action="store_true", help="write the table into RESULTS.md beside this file")
    options = parser.parse_args()
    if not LIGHTHOUSE.exists():
        raise SystemExit(f"Lighthouse is missing: run `make bench-site`, or `npm ci` in {HERE.relative_to(ROOT)}")
    if not (options.site / "en" / "index.html").exists():
        raise SystemExit(f"there is no site in {options.site}: run `make book` first")
    site = options.site.resolve()
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Static(*a, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    index = measure(f"{address}/en/index.html", 1.0)["environment"]["benchmarkIndex"]
    slowdown = max(1.0, index / PHONE)
    lines = [
        f"The scores are those of Lighthouse's profile, which slows the processor {PROFILE:.0f} times. This machine's "
        f"benchmarkIndex is {index:.0f}, so a mid-range phone is {slowdown:.1f} times slower: last but one.",
        "",
        "| page | performance | accessibility | best practices | SEO | MB | shift | LCP s | blocked ms "
        f"| performance, slowed {slowdown:.1f} times | met |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    print("\n".join(lines), flush=True)
    all_met = True
    for page in options.pages:
        for view in options.views:
            path = f"{address}/{view}/{page}.html"
            reports = [measure(path) for _ in range(options.runs)]
            found = [figures(report) for report in reports]
            median = {name: statistics.median(each[name] for each in found) for name in found[0]}
            phone = statistics.median(figures(measure(path, slowdown))["performance"] for _ in range(options.runs))
            met = all(median[name] >= bar for name, bar in BARS.items()) and median["MB"] <= MEGABYTE
            all_met &= met
            scores = " | ".join(f"{median[name]:.0f}" for name in BARS)
            rest = f"{median['MB']:.2f} | {median['shift']:.3f} | {median['LCP s']:.1f} | {median['blocked ms']:.0f}"
            lines.append(f"| {view}/{page} | {scores} | {rest} | {phone:.0f} | {'yes' if met else 'no'} |")
            print(lines[-1], flush=True)
            if not met:
                print(f"  costs points: {', '.join(complaints(reports[-1]))}", file=sys.stderr)
    if "index" in options.pages:
        longest = max(longest_task(f"{address}/{view}/index.html") for view in options.views)
        resting = longest_task(None)
        told, woken = (f"{each:.0f} ms" if each else "under 50 ms" for each in (longest, resting))
        lines += [
            "",
            f"While the home page's figure plays, the longest task of the main thread: {told} (bar: 50 ms). "
            f"A page that only draws 400 lines, rests as long and draws again: {woken}.",
        ]
        print(lines[-1], flush=True)
        all_met &= longest <= max(50, resting)
    if options.write:
        head = "# Results of `make bench-site`\n\nLighthouse, phone profile, median of "
        text = f"{head}{options.runs} runs. Bars: 95 for each score, 1 MB.\n\n" + "\n".join(lines) + "\n"
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
    return 0 if all_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
