"""Print pages of the built site as PDF: ``downhill print 03-momentum --view zh --out folder``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from downhill_course.notebook.views import VIEWS
from downhill_course.project import ROOT
from downhill_course.publish.chrome import ADVICE, FLAGS, find_chrome

SITE = ROOT / "_build" / "site"
SECONDS = 120  # for one page


def pdf(program: str, page: Path, target: Path) -> str:
    """Write one page as PDF, whole or not at all; returns what went wrong, or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        new = Path(scratch, "page.pdf")
        command = [program, "--headless", *FLAGS, f"--user-data-dir={scratch}/profile", "--no-pdf-header-footer"]
        try:
            done = subprocess.run(
                [*command, f"--print-to-pdf={new}", page.resolve().as_uri()],
                capture_output=True, text=True, errors="replace", timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"{page.name}: the browser took longer than {SECONDS} s"
        if not new.is_file():
            return f"{page.name} was not printed:\n{done.stderr.strip()[-500:]}"
        os.replace(new, target)
    return ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("downhill print", description=__doc__)
    parser.add_argument("pages", nargs="+", help="names of pages, such as 03-momentum")
    parser.add_argument("--view", choices=VIEWS, default="en", help="which languages (default: en)")
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where the PDFs go (default: here)")
    parser.add_argument(
        "--site", type=Path, default=SITE, metavar="FOLDER", help="the built site (default: _build/site)"
    )
    asked = parser.parse_args(arguments)
    folder, program = asked.site / asked.view, find_chrome()
    if not folder.is_dir():
        print(f"there is no site in {asked.site}: run `make book` first", file=sys.stderr)
        return 2
    missing = [name for name in asked.pages if not (folder / f"{name}.html").is_file()]
    if missing:
        known = ", ".join(sorted(path.stem for path in folder.glob("[0-9]*.html")))
        print(f"no page {', '.join(missing)}; the chapters are {known}", file=sys.stderr)
        return 2
    if program is None:
        print(ADVICE, file=sys.stderr)
        return 2
    for name in asked.pages:
        target = asked.out / f"{name}.{asked.view}.pdf"
        if wrong := pdf(program, folder / f"{name}.html", target):
            print(wrong, file=sys.stderr)
            return 1
        print(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
