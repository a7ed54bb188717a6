"""Build the site: three views with Jupyter Book, then the page that sends the reader to their language.

downhill build                    # all views into _build/site
downhill build --views zh         # one view
downhill build --source DIR --config FILE --toc FILE --out DIR
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import yaml

import downhill_course
from downhill_course import wheels
from downhill_course.files import write_if_new
from downhill_course.notebook import questions
from downhill_course.notebook.address import Address
from downhill_course.notebook.address import read as read_address
from downhill_course.notebook.downloads import offer
from downhill_course.notebook.views import VIEWS, View, cut_toc, load_yaml, pages_of
from downhill_course.project import ROOT
from downhill_course.publish.site import draw_cards, publish, redirects
from downhill_course.publish.styles import join

PACKAGE = Path(downhill_course.__file__).parent
#: The rooms whose code shapes a page.
READING = ("notebook", "pages")
KATEX = ROOT / "node_modules" / "katex" / "dist"
SHOWN = re.compile(r"WARNING|ERROR|^(?:reading sources|writing output)\.\.\. \[\s*\d+%\]")


def stage_katex(target: Path) -> None:
    """KaTeX's style and its woff2 fonts, the only format browsers of this decade ask for."""
    if not KATEX.is_dir():
        raise SystemExit(f"KaTeX is missing in {KATEX}: run `make book`, which installs it, or `npm ci`")
    style = (KATEX / "katex.min.css").read_text(encoding="utf-8")
    style = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)', "", style)
    write_if_new(target / "katex" / "katex.min.css", style)
    for font in (KATEX / "fonts").glob("*.woff2"):
        if not (target / "katex" / "fonts" / font.name).exists():
            (target / "katex" / "fonts").mkdir(exist_ok=True)
            shutil.copy2(font, target / "katex" / "fonts")


def machinery(source: Path) -> str:
    """A mark of the extensions' source, and of the styles and scripts whose versions stand in each page: pages made by
    another version of them are made again."""
    files = sorted(p for room in READING for p in (PACKAGE / room).rglob("*.py"))
    files += sorted(p for p in (source / "_static").rglob("*") if p.suffix in (".css", ".js"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def derive(view: View, source: Path, config: Path, contents: dict, work: Path, address: Address) -> tuple[Path, Path]:
    """The view's own configuration and table of contents, from the book's."""
    settings = load_yaml(config)
    settings.pop("repository", None)
    settings.setdefault("html", {})["baseurl"] = f"{address.site}{view.name}/" if address.site else ""
    here = config.parent.resolve()
    settings["title"] = view.cut(settings["title"])
    sphinx = settings["sphinx"]["config"]
    sphinx |= {
        "downhill_view": view.name,
        "downhill_machinery": machinery(source),
        "language": view.locale,
        "numfig_format": {"figure": view.figure},
        "katex_js_path": str(KATEX / "katex.min.js"),
        "katex_css_path": "katex/katex.min.css",
        "html_static_path": [str(work / "katex")],
        "downhill_repository": asdict(address),
        "downhill_site": address.site,
    }
    sphinx["templates_path"] = [str(here / path) for path in sphinx.get("templates_path", [])]
    for path in sphinx.get("locale_dirs", []):  # Sphinx compiles catalogues where they lie: not among the sources
        shutil.copytree(here / path, work / "locale", dirs_exist_ok=True)
    sphinx["locale_dirs"] = [str(work / "locale")]
    folder = work / "conf" / view.name
    write_if_new(folder / "_config.yml", yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))
    write_if_new(folder / "_toc.yml", yaml.safe_dump(cut_toc(contents, view), allow_unicode=True, sort_keys=False))
    return folder / "_config.yml", folder / "_toc.yml"


def present(node, source: Path):
    """The table of contents without the pages that do not exist (yet); each is named on the terminal."""
    if isinstance(node, dict):
        return {key: present(value, source) for key, value in node.items()}
    if isinstance(node, list):
        items = [present(item, source) for item in node if not missing(item, source)]
        return [item for item in items if not (isinstance(item, dict) and item.get("chapters") == [])]
    return node


def missing(item, source: Path) -> bool:
    """Whether an entry names a page that is not there."""
    name = item.get("file") if isinstance(item, dict) else None
    if name is None or any((source / f"{name}{suffix}").exists() for suffix in (".ipynb", ".md", "")):
        return False
    print(f"NOTE: {name} is in the table of contents but {source / name}.ipynb does not exist: left out", flush=True)
    return True


class Build:
    """One view's `jupyter-book build`, running beside the others."""

    def __init__(self, view: View, source: Path, config: Path, toc: Path, work: Path) -> None:
        self.view, self.output = view, work / "views" / view.name
        self.environment = self.output / "_build" / ".doctrees" / "environment.pickle"
        self.lines: list[str] = []
        command = [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "build",
            str(source),
            "--config",
            str(config),
            "--toc",
            str(toc),
            "--path-output",
            str(self.output),
            "--warningiserror",
            "--keep-going",
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"},
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Keep everything, show what tells the progress."""
        for raw in self.process.stdout or ():
            line = re.sub(r"\x1b\[[0-9;]*m", "", raw).rstrip()
            self.lines.append(line)
            if SHOWN.search(line):
                print(f"  [{self.view.name}] {line}", flush=True)

    def finish(self) -> bool:
        """Wait; a failed build forgets its environment, so that the next one meets the same warnings again."""
        self.process.wait()
        self.reader.join(timeout=10)  # a stray grandchild may hold the pipe open for ever
        if self.process.returncode == 0:
            return True
        self.environment.unlink(missing_ok=True)
        if not any("WARNING" in line or "ERROR" in line for line in self.lines):
            print("\n".join(self.lines[-20:]), file=sys.stderr)
        return False


def mirror(source: Path, target: Path) -> None:
    """Make `target` equal `source`, touching only what differs. Hidden files of the target are not ours."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.name != ".buildinfo"}
    for name in wanted:
        old, new = target / name, source / name
        if not old.exists() or not filecmp.cmp(old, new, shallow=False):
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(new, old)
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in wanted and not path.name.startswith("."):
            path.unlink()


def shed(folder: Path) -> None:
    """Leave out the pictures of earlier builds that no page of a view shows any more."""
    shown = "".join(page.read_text(encoding="utf-8") for page in folder.rglob("*.html"))
    for picture in folder.glob("_images/*"):
        if picture.name not in shown:
            picture.unlink()


def hand_out(view: View, folder: Path) -> None:
    """The students' notebooks of the graded exercises, in the language of the view."""
    from downhill_course.grade.release import text
    from downhill_course.grade.source import Assignment, known

    for name in known():
        write_if_new(folder / f"{name}.ipynb", text(Assignment.open(name).student(view.name)))


def complete(view: View, made: Path, folder: Path, source: Path, site: str) -> None:
    """A view as Sphinx made it becomes a folder of the site."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    shed(folder)
    join(folder)
    offer(view, source, folder, site)
    if (source / "students.md").exists():
        hand_out(view, folder / "exercises")


def build(source: Path, config: Path, toc: Path, out: Path, views: list[View], zipped: bool = True) -> int:
    """Build the views side by side, then put the site together; returns the exit status."""
    started = time.monotonic()
    work = out.parent / "work"
    address = read_address(config)
    stage_katex(work / "katex")
    try:
        questions.all_of(source)
    except questions.Faults as faults:
        print(f"The questions have faults, so nothing is built:\n{faults}", file=sys.stderr)
        return 1
    print(f"Building {', '.join(view.name for view in views)} with Jupyter Book", flush=True)
    contents = present(load_yaml(toc), source)
    names = pages_of(contents)
    moved = redirects(source / "redirects.yml", names)
    # The site is finished on the side and then laid over the old one: who reads it meets no half-made page, and a page
    # that says the same as before keeps its time.
    stage = work / "stage"
    if not stage.exists() and out.exists():
        shutil.copytree(out, stage)  # the views that are not built now
    with ProcessPoolExecutor(len(views)) as aside:
        drawing = aside.submit(draw_cards, source, stage, names)
        running = [Build(view, source, *derive(view, source, config, contents, work, address), work) for view in views]
        failed = [each.view.name for each in running if not each.finish()]
        if failed:
            print(f"The build failed in {', '.join(failed)}: the messages above name the place.", file=sys.stderr)
            return 1
        drawing.result()
        made = [(each.view, each.output / "_build" / "html", stage / each.view.name) for each in running]
        for finishing in [aside.submit(complete, *one, source, address.site) for one in made]:
            finishing.result()
    if (source / "run.md").exists():
        wheels.make(stage)
    publish(source, stage, views, names, moved, address, zipped)
    (stage / ".nojekyll").touch()
    mirror(stage, out)
    print(f"Built in {time.monotonic() - started:.0f} s.")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS), help="which views (default: all)")
    parser.add_argument("--source", type=Path, default=ROOT / "book", help="folder of the book's pages")
    parser.add_argument("--config", type=Path, default=ROOT / "_config.yml")
    parser.add_argument("--toc", type=Path, default=ROOT / "_toc.yml")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "site", help="folder of the site")
    parser.add_argument("--no-zip", action="store_true", help="leave the zip of the whole site as it is")
    options = parser.parse_args(arguments)
    source, config, toc, out = (path.resolve() for path in (options.source, options.config, options.toc, options.out))
    return build(source, config, toc, out, [VIEWS[name] for name in options.views], not options.no_zip)


if __name__ == "__main__":
    raise SystemExit(main())
