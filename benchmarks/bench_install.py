"""What running the course costs before the first chapter: an environment's size, its installation, Jupyter's start.

    PYTHONPATH=tests python benchmarks/bench_install.py            # some minutes; asks the package index
    PYTHONPATH=tests python benchmarks/bench_install.py --quick    # one start instead of five
    PYTHONPATH=tests python benchmarks/bench_install.py --write    # also writes RESULTS-INSTALL.md

The peer is the least with which one could read notebooks with figures: JupyterLab, Matplotlib and NumPy in the same
versions. For size, the ratio is the peer's over ours as well. Both are installed without a cache, one after the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from fresh import CLEAN, copy, environment, run
from lab import Jupyter
from rows import Row, asked, report, row, seconds

ROOT = Path(__file__).resolve().parents[1]

PEER = "JupyterLab, Matplotlib, NumPy"
LEAST = ("jupyterlab", "matplotlib", "numpy")
SIZES = """
import json
from importlib.metadata import distributions
print(json.dumps({d.metadata["Name"]: sum(f.locate().stat().st_size for f in d.files or () if f.locate().is_file())
                  for d in distributions()}))
"""
IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
FIRST = {"first": "from optlib import Optimizer, rules, view\nview.contour"}
FIRST_OF_PEER = {"first": "import numpy as np\nimport matplotlib.pyplot as plt"}


def pip(python: Path, folder: Path, *words: str) -> None:
    run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", *words], folder)


def sizes(python: Path) -> dict[str, int]:
    """Bytes on disk of every package of an environment but pip, which Python brings."""
    found = json.loads(subprocess.run([python, "-c", SIZES], capture_output=True, check=True, env=CLEAN).stdout)
    return {name: size for name, size in found.items() if name not in ("pip", "setuptools")}


def imported(python: Path, what: str) -> float:
    done = subprocess.run([python, "-c", IMPORT.format(what)], capture_output=True, check=True, env=CLEAN)
    return float(done.stdout)


def starts(python: Path, folder: Path, cells: dict[str, str]) -> tuple[float, float]:
    """Seconds until JupyterLab's server answers, and until a new kernel has run a first cell."""
    with tempfile.TemporaryDirectory() as home:
        server = Jupyter(python, folder, Path(home))
        try:
            told: list = []
            spent = seconds(lambda: told.append(server.cells("book/00-descent.ipynb", cells)))
            errors = [out for out in told[0]["first"] if out["kind"] == "error"]
            assert not errors, errors
            return server.seconds, spent
        finally:
            server.close()


def main() -> int:
    options = asked(__doc__ or "", "RESULTS-INSTALL.md")
    repeats = 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy(Path(scratch, "course"))
        ours, peer = (environment(Path(scratch, name)) for name in ("ours", "peer"))
        print("... installing", file=sys.stderr, flush=True)
        spent = [
            seconds(lambda: pip(ours, folder, "-r", "requirements.txt")),
            seconds(lambda: pip(peer, folder, "-c", "requirements.txt", *LEAST)),
        ]
        pip(ours, folder, "--no-deps", "-e", ".")
        held = [sizes(python) for python in (ours, peer)]
        total = [sum(each.values()) for each in held]
        rows: list[Row] = [
            row("size on disk", PEER, np.array([total[1] / total[0]]), None, f"{total[0] / 1e6:,.0f} MB"),
            row("packages", PEER, np.array([len(held[1]) / len(held[0])]), None, f"{len(held[0])}"),
            row("time to install (network included)", PEER, np.array([spent[1] / spent[0]]), None, f"{spent[0]:.0f} s"),
        ]
        print("... starting", file=sys.stderr, flush=True)
        starts(ours, folder, FIRST), starts(peer, folder, FIRST_OF_PEER)  # compiles what Python keeps compiled
        turns = np.array(
            [[starts(ours, folder, FIRST), starts(peer, folder, FIRST_OF_PEER)] for _ in range(repeats)]
        )  # (repeat, who, what)
        for number, job in enumerate(("JupyterLab's server answers", "first kernel, first cell with figures")):
            pairs = turns[:, :, number]
            rows.append(row(job, PEER, pairs[:, 1] / pairs[:, 0], None, f"{np.median(pairs[:, 0]):.1f} s"))
        imports = np.array([(imported(ours, "import optlib"), imported(ours, "import numpy")) for _ in range(repeats)])
        ratios = imports[:, 1] / imports[:, 0]
        rows.append(row("import optlib", "import numpy", ratios, None, f"{np.median(imports[:, 0]) * 1e3:.0f} ms"))
        largest = sorted(held[0].items(), key=lambda item: -item[1])[:10]
        lines = [f"| {name} | {size / 1e6:,.1f} |" for name, size in largest]
        rest = total[0] - sum(size for _, size in largest)
        lines.append(f"| {len(held[0]) - len(largest)} others | {rest / 1e6:,.1f} |")
        notes = "The ten largest packages, in MB:\n\n| package | MB |\n|---|---:|\n" + "\n".join(lines) + "\n"
    report(rows, options, "bench_install.py", "RESULTS-INSTALL.md", notes)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
