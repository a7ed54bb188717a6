"""The first code cell of every notebook that uses optlib: it installs optlib where it is missing.

downhill setup-cell            # write it into the chapters: after a change here, or of the address
downhill setup-cell --check    # only say which of them differ

One text for chapters and exercises. It calls the kernel's own pip, which reads the user's configuration, mirrors and
all. A wheel beside the notebook comes first, or two folders above, where a copy of the site has it: then no git is
needed, and no service but a package index.
"""

from __future__ import annotations

import argparse
import re

import nbformat

from downhill_course.notebook.address import CONFIG, ROOT, Address
from downhill_course.notebook.address import read as read_address
from downhill_course.notebook.cells import read, text_of, write

NAME = "install"  #: the cell's id, in every notebook
DISTRIBUTION, WHEEL = "downhill-course", "downhill_course-*.whl"
EXTRA = "chapters"  #: of pyproject.toml: what a notebook imports, and nothing of Jupyter itself
PAGE = "both/run.html"  #: of the site: where the wheel is offered
USES = re.compile(r"^\s*(?:import|from)\s+(?:optlib|downhill_course)\b", re.M)
#: Folded in Jupyter; not on the site, where nothing needs installing.
METADATA = {"jupyter": {"source_hidden": True}, "tags": ["remove-cell", "nbval-ignore-output"]}
#: What it ends with in a chapter, which holds both languages: buttons that hide one of them.
SWITCH = """

try:
    from downhill_course.notebook.switch import switch
except ImportError:  # an older course has none
    pass
else:
    switch()"""
TEXT = '''\
# Installs the course's packages where they are missing. · 缺少课程所用的包时安装。
import importlib.util
import re
import shutil
import site
import subprocess
import sys
import tempfile
from glob import glob
from importlib.metadata import distributions

if any(distributions(name="optlib")):
    raise ImportError("This `optlib` is another package (or from before 0.2). Run: pip uninstall -y optlib"
                      "\\n这里的 optlib 是另一个同名的包（或 0.2 之前的旧版）。请先运行：pip uninstall -y optlib")
if importlib.util.find_spec("downhill_course") is None:
    wheels = glob("{wheel}") + glob("../../{wheel}")
    what = f"./{{wheels[0]}}[{extra}]" if wheels else "{name}[{extra}] @ {pip}"
    print("Installing · 正在安装", what, flush=True)
    if wheels and "(" in wheels[0]:  # a browser's second copy, "… (1).whl", which pip does not take
        whole = re.sub(r".*/| ?\\(\\d+\\)", "", wheels[0])
        what = shutil.copy(wheels[0], tempfile.mkdtemp() + "/" + whole) + "[{extra}]"
    done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", what], capture_output=True, errors="replace")
    if site.ENABLE_USER_SITE:  # a folder of the user's own that pip has just made
        site.addsitedir(site.getusersitepackages())
    importlib.invalidate_caches()
    if done.returncode or importlib.util.find_spec("downhill_course") is None:
        raise ImportError(done.stderr + """
It needs Python 3.11+ and a network (Kaggle: switch Internet on). Without git, put the wheel beside the notebook.
需要 Python 3.11+ 和网络（Kaggle 须打开 Internet）。没有 git 时，把下面的文件放在这个笔记本旁边，再运行一次。
{wheel}: {page}""")'''


def source(here: Address | None = None) -> str:
    """The cell's text for a repository and its site; by default this one's."""
    here = here or read_address(CONFIG, {})
    page = here.site + PAGE if here.site else here.url
    return TEXT.format(name=DISTRIBUTION, wheel=WHEEL, extra=EXTRA, pip=here.pip, page=page)


def put(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with exactly one such cell, before its first other code cell; one without optlib stays as it is."""
    cells = [cell for cell in notebook.cells if cell.get("id") != NAME]
    if any(cell.cell_type == "code" and USES.search(text_of(cell)) for cell in cells):
        first = next(index for index, cell in enumerate(cells) if cell.cell_type == "code")
        cells.insert(first, nbformat.v4.new_code_cell(source() + SWITCH, id=NAME, metadata=METADATA))
    notebook.cells = cells
    return notebook


def main(arguments: list[str] | None = None) -> int:
    from downhill_course.notebook.running import all_notebooks, normalise

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a notebook differs")
    options = parser.parse_args(arguments)
    differs = 0
    for path in all_notebooks():
        old, new = read(path), normalise(put(read(path)), path.name)
        if old == new:
            continue
        differs += 1
        if not options.check:
            write(path, new)
        print(f"{path.relative_to(ROOT)}: {'differs: run `make notebooks`' if options.check else 'rewritten'}")
    if not differs:
        print("Every notebook begins with the cell that installs optlib.")
    return int(options.check and bool(differs))


if __name__ == "__main__":
    raise SystemExit(main())
