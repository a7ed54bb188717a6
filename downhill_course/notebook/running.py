"""Run notebooks from top to bottom in a fresh kernel and store their outputs in a form that does not change by chance.

downhill notebooks                    # every notebook of the book and the exercises
downhill notebooks book/00-descent.ipynb
downhill notebooks --check            # say what would change, write nothing
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np

from downhill_course.notebook.cells import dumps, read, tags_of, write
from downhill_course.notebook.questions import Faults
from downhill_course.notebook.questions import put as ask
from downhill_course.notebook.setup_cell import put
from downhill_course.project import ROOT

#: What a kernel is started with, so that sums are added in one order. Whoever re-runs a notebook needs the same.
REPEATABLE = {
    "MKL_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONHASHSEED": "0",
}  # fmt: skip
STATIC = {"OPTLIB_STATIC": "1"}  # live controls leave only their picture, since widget ids differ from run to run
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
#: Where files lie on the machine of whoever runs this, and on other people's.
HERE = sorted({str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/"}, key=len, reverse=True)
ANYWHERE = "|".join([*(re.escape(folder) + r"(?![\w-])" for folder in HERE), "/home/", "/Users/", r"[A-Z]:\\Users\\"])
MACHINE = re.compile(rf"(?:{ANYWHERE})[^\s'\"]*")


class Failed(Exception):
    """A notebook that did not run, or whose outputs cannot be committed."""


def all_notebooks() -> list[Path]:
    """Every notebook of the book. The sources of exercises run nowhere as they are: their own tests check them."""
    return sorted((ROOT / "book").glob("*.ipynb"))


def execute(path: Path, timeout: int = 300) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; an error names the cell and shows its traceback."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = as_sources_say(path)
    running = "none yet"

    def starts(cell: nbformat.NotebookNode, cell_index: int) -> None:
        nonlocal running
        running = where(cell_index, cell)

    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"], on_cell_start=starts,
    )  # fmt: skip
    try:
        client.execute(env={**os.environ, **REPEATABLE, **STATIC})
    except CellExecutionError as error:
        raise Failed(f"{path.name}: {running} raises\n{strip_colours(str(error.traceback))}") from None
    except CellTimeoutError:
        raise Failed(f"{path.name}: {running} runs longer than {timeout} s: give it less to do") from None
    except DeadKernelError:
        raise Failed(f"{path.name}: {running} kills its kernel: does it need more memory than there is?") from None
    return notebook


def as_sources_say(path: Path) -> nbformat.NotebookNode:
    """A notebook with the cells that are written from elsewhere: the one that installs optlib, and the questions."""
    try:
        return ask(put(read(path)), path)
    except Faults as faults:
        raise Failed(str(faults)) from None


def where(index: int, cell: dict) -> str:
    """How a message names a cell: its number, from 1 as readers count, and its id.

    >>> where(0, {"id": "imports"})
    'cell 1 (imports)'
    """
    return f"cell {index + 1} ({cell['id']})"


def strip_colours(text: str) -> str:
    """Text without terminal escapes.

    >>> strip_colours("\\x1b[31mred\\x1b[0m")
    'red'
    """
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def normalise(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Outputs without what differs from run to run; what cannot be left out is an error that names the cell."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for index, cell in enumerate(notebook.cells):
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime", "trusted"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        try:
            cell.outputs = [clean(output, cell) for output in merged(cell.outputs) if shows_anything(output)]
        except Failed as error:
            raise Failed(f"{name}: {where(index, cell)} {error}") from None
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return notebook


def merged(outputs: list) -> list:
    """Neighbouring pieces of one stream as one output, since where a kernel cuts them is chance."""
    result: list = []
    for output in outputs:
        if result and output.output_type == "stream" == result[-1].output_type and output.name == result[-1].name:
            result[-1].text += output.text
        else:
            result.append(output)
    return result


def shows_anything(output: nbformat.NotebookNode) -> bool:
    """Whether an output is more than a live widget, which only a kernel can show."""
    for kind in [kind for kind in output.get("data", {}) if "widget" in kind]:
        del output.data[kind]
    return "data" not in output or bool(output.data)


def clean(output: nbformat.NotebookNode, cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An output that may be committed: no warnings, no addresses, no paths of this machine."""
    if output.output_type == "stream" and output.name == "stderr":
        raise Failed(f"writes to stderr, mend what it complains of:\n{output.text.strip()[:800]}")
    if output.output_type == "error":
        if "raises-exception" not in tags_of(cell):
            raise Failed("raises an error: mend it, or tag the cell raises-exception if the error is the lesson")
        output.traceback = [f"{output.ename}: {output.evalue}"]  # the frames hold paths of this machine
    data = output.get("data", {})
    texts = [data[kind] for kind in data if kind.startswith("text/")]
    for text in (output.get("text", ""), output.get("evalue", ""), *texts):
        if match := ADDRESS.search(text):
            raise Failed(f"shows a memory address ({match[0]}): give the object a repr, or do not print it")
        if match := MACHINE.search(text):
            raise Failed(f"shows a path of this machine ({match[0]}): print less of it")
    return output


def keep_pictures(old: nbformat.NotebookNode, new: nbformat.NotebookNode) -> None:
    """Put the committed pictures back in `new` where the fresh ones look the same, so that history does not swell."""
    before = {cell.id: cell for cell in old.cells}
    for cell in new.cells:
        stored = before[cell.id].get("outputs", []) if cell.id in before else []
        for old_output, output in zip(stored, cell.get("outputs", []), strict=False):
            data, old_data = output.get("data", {}), old_output.get("data", {})
            if "image/png" in data and "image/png" in old_data and alike(old_data["image/png"], data["image/png"]):
                data["image/png"] = old_data["image/png"]


def alike(one: str, other: str, tolerance: int = 24) -> bool:
    """Whether two PNGs, as notebooks store them, look the same: no colour of no pixel differs visibly.

    Another processor rounds differently and shades an edge or a palette a little; what is drawn elsewhere differs much.
    """
    if one == other:
        return True
    try:
        first, second = frames(one), frames(other)
    except OSError:  # not a picture Pillow can read: then only equal bytes are the same
        return False
    return first.shape == second.shape and bool(np.abs(first - second).max(initial=0) <= tolerance)


def frames(png: str) -> np.ndarray:
    """The pixels of every frame of a PNG, of shape (frames, height, width, 4), colours scaled by opacity."""
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        scaled = [frame.convert("RGBA").convert("RGBa") for frame in ImageSequence.Iterator(image)]
        return np.stack([np.asarray(frame, np.int16) for frame in scaled])


def refresh(path: Path, *, check: bool, pictures: bool) -> str:
    """Execute and normalise one notebook; returns what happened in a word."""
    old = read(path)
    new = normalise(execute(path), path.name)
    if not pictures:
        keep_pictures(old, new)
    if not check:
        return "written" if write(path, new) else "unchanged"
    if dumps(new, path.name) == path.read_text(encoding="utf-8"):
        return "unchanged"
    before = {cell.id: cell for cell in old.cells}
    stale = [where(k, cell) for k, cell in enumerate(new.cells) if cell != before.get(cell.id)]
    return f"would change: {', '.join(stale) or 'its layout'}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Run notebooks in a fresh kernel and store their outputs without what differs from run to run."
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="which (default: every one in book/ and exercises/)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a notebook would change")
    parser.add_argument(
        "--pictures", action="store_true", help="store every picture anew, even one that looks the same as before"
    )
    options = parser.parse_args(arguments)
    status = 0
    for path in options.notebooks or all_notebooks():
        if not path.exists():
            print(f"{path}: no such notebook", file=sys.stderr)
            status = 1
            continue
        started = time.monotonic()
        print(f"{path.name} ... ", end="", flush=True)
        try:
            word = refresh(path.resolve(), check=options.check, pictures=options.pictures)
        except Failed as error:
            print("failed")
            print(error, file=sys.stderr)
            status = 1
            continue
        print(f"{word} ({time.monotonic() - started:.0f} s)")
        status = status or int(word.startswith("would change"))
    return status


if __name__ == "__main__":
    raise SystemExit(main())
