"""Notebooks are run in a fresh kernel and stored in a form that does not change by chance."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from sample import in_stored_form

from downhill_course.notebook import running as notebooks
from downhill_course.notebook.cells import dumps, english_hash, halves, headings, language_of, pairs, parts, read, write
from downhill_course.notebook.running import Failed, alike, execute, main, normalise


@pytest.mark.parametrize("path", notebooks.all_notebooks(), ids=lambda path: path.name)
def test_every_notebook_is_stored_as_the_command_stores_it(path: Path) -> None:
    assert in_stored_form(path), f"{path.name} was saved by other means: run `downhill notebooks {path.name}`"


def stored(folder: Path, *cells: nbformat.NotebookNode, name: str = "chapter.ipynb") -> Path:
    """A notebook of these cells in a file."""
    path = folder / name
    write(path, new_notebook(cells=list(cells)))
    return path


def code(text: str, name: str = "code", **more) -> nbformat.NotebookNode:
    return new_code_cell(text, id=name, **more)


def png(*shades: int, dot: int | None = None) -> str:
    """A grey picture as a notebook stores it, one frame for each shade, perhaps with a dot of another shade."""
    images = []
    for shade in shades:
        pixels = np.full((20, 30), shade, np.uint8)
        if dot is not None:
            pixels[9:11, 14:16] = dot
        images.append(Image.fromarray(pixels).convert("RGBA"))
    buffer = io.BytesIO()
    images[0].save(buffer, "PNG", save_all=len(images) > 1, append_images=images[1:])
    return base64.b64encode(buffer.getvalue()).decode()


# --- running ----------------------------------------------------------------------------------------


def test_a_run_stores_what_does_not_change_by_chance(tmp_path: Path) -> None:
    widget = (
        "class Live:\n"
        "    def _repr_mimebundle_(self, **_):\n"
        "        view = {'model_id': hex(id(self))}\n"
        "        return {'application/vnd.jupyter.widget-view+json': view, 'text/plain': '<live>'}\n"
        "Live()"
    )
    path = stored(
        tmp_path,
        new_markdown_cell("Text", id="text"),
        code("import os\nprint('one', flush=True)\nprint('two', flush=True)", "print", execution_count=7),
        code(widget, "live"),
        code("os.environ['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED'], hash('a') == hash('a')", "environment"),
        code("os.path.exists('chapter.ipynb'), os.environ['OPTLIB_STATIC']", "folder"),
        code("raise ValueError('no such rate')", "error", metadata={"tags": ["raises-exception"]}),
    )
    assert main([str(path)]) == 0
    notebook = read(path)
    cells = {cell.id: cell for cell in notebook.cells}
    assert notebook.metadata == {"kernelspec": notebooks.KERNEL, "language_info": {"name": "python"}}
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3, 4, 5]
    assert cells["print"].outputs == [{"output_type": "stream", "name": "stdout", "text": "one\ntwo\n"}]
    assert cells["live"].outputs[0].data == {"text/plain": "<live>"}
    assert cells["live"].outputs[0].execution_count == 2
    assert cells["environment"].outputs[0].data["text/plain"] == "('1', '0', True)"
    assert cells["folder"].outputs[0].data["text/plain"] == "(True, '1')"
    assert cells["error"].outputs[0].traceback == ["ValueError: no such rate"]
    assert all(cell.metadata.keys() <= {"tags"} for cell in notebook.cells), "no timings"
    assert in_stored_form(path)


def test_a_second_run_leaves_the_file_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = stored(tmp_path, code("print(2 + 2)"))
    assert main([str(path)]) == 0
    assert "chapter.ipynb ... written" in capsys.readouterr().out
    before = path.stat()
    assert main([str(path)]) == 0
    assert "chapter.ipynb ... unchanged" in capsys.readouterr().out
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_says_what_would_change_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = stored(tmp_path, code("print(1)", "one"), code("print(2)", "two"))
    main([str(path)])
    path.write_text(path.read_text(encoding="utf-8").replace('"2\\n"', '"3\\n"'), encoding="utf-8")
    before = path.read_bytes()
    capsys.readouterr()
    assert main(["--check", str(path)]) == 1
    assert "would change: cell 2 (two)" in capsys.readouterr().out
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("x = 1\n1 / 0", ("cell 2 (culprit) raises", "ZeroDivisionError", "1 / 0")),
        ("import sys\nprint('psst', file=sys.stderr)", ("cell 2 (culprit) writes to stderr", "psst")),
        ("import warnings\nwarnings.warn('old')", ("cell 2 (culprit) writes to stderr", "old")),
        ("object()", ("cell 2 (culprit) shows a memory address (at 0x", "give the object a repr")),
        ("import os\nos.getcwd()", ("cell 2 (culprit) shows a path of this machine",)),
        ("import os\nos._exit(1)", ("cell 2 (culprit) kills its kernel",)),
    ],
)
def test_what_cannot_be_committed_is_an_error_that_names_the_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture, text: str, fragments: tuple[str, ...]
) -> None:
    path = stored(tmp_path, code("pass", "fine"), code(text, "culprit"))
    before = path.read_bytes()
    assert main([str(path)]) == 1
    message = capsys.readouterr().err
    assert "chapter.ipynb: " in message
    assert all(fragment in message for fragment in fragments), message
    assert "\x1b" not in message
    assert path.read_bytes() == before


def test_a_cell_that_takes_too_long_is_named(tmp_path: Path) -> None:
    path = stored(tmp_path, code("import time\ntime.sleep(30)", "slow"))
    with pytest.raises(Failed, match=r"cell 1 \(slow\) runs longer than 1 s"):
        execute(path, timeout=1)


def test_other_notebooks_are_run_though_one_fails(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bad = stored(tmp_path, code("1 / 0"), name="bad.ipynb")
    good = stored(tmp_path, code("1"), name="good.ipynb")
    assert main([str(bad), str(tmp_path / "none.ipynb"), str(good)]) == 1
    captured = capsys.readouterr()
    assert "bad.ipynb ... failed" in captured.out
    assert "good.ipynb ... written" in captured.out
    assert "none.ipynb: no such notebook" in captured.err


# --- the stored form --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"execution_count": 1', '"execution_count": null'),
        ('"execution_count": 1', '"execution_count": 4'),
        ('"name": "python"\n', '"name": "python",\n   "version": "3.11.2"\n'),
        ('"metadata": {},', '"metadata": {"ExecuteTime": {"start_time": "now"}},'),
    ],
)
def test_a_notebook_saved_by_other_means_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    path = stored(tmp_path, code("print(1)", outputs=[new_output("stream", name="stdout", text="1\n")]))
    write(path, normalise(read(path), path.name))
    assert in_stored_form(path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert not in_stored_form(path)


def test_an_error_in_a_stored_output_is_refused(tmp_path: Path) -> None:
    error = new_output("error", ename="E", evalue="bad", traceback=[])
    path = stored(tmp_path, code("fail()", outputs=[error]))
    with pytest.raises(Failed, match="raises-exception"):
        in_stored_form(path)


def test_an_output_that_was_only_a_widget_is_dropped() -> None:
    view = new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}})
    notebook = new_notebook(cells=[code("live", outputs=[view])], metadata={"widgets": {"state": {}}})
    normalise(notebook, "x.ipynb")
    assert notebook.cells[0].outputs == []
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (png(120), png(120), True),
        (png(120), png(130), True),
        (png(120), png(160), False),
        (png(120), png(120, dot=0), False),
        (png(120, 20), png(120), False),
        (png(120, 20), png(120, 25), True),
        (png(120, 20), png(120, 200), False),
    ],
    ids=["equal", "shaded", "darker", "dot", "frame gone", "frame shaded", "frame darker"],
)
def test_pictures_are_compared_as_they_look(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is same


def test_what_is_no_picture_is_the_same_only_if_equal() -> None:
    assert alike("iVBORw0KGgo=", "iVBORw0KGgo=")
    assert not alike("iVBORw0KGgo=", png(3))


@pytest.mark.parametrize(("shade", "kept"), [(125, True), (200, False)])
def test_a_picture_stays_unless_it_looks_different(tmp_path: Path, shade: int, kept: bool) -> None:
    draw = "class P:\n    def _repr_mimebundle_(self, **_):\n        return {'image/png': '%s', 'text/plain': 'P'}\nP()"
    path = stored(tmp_path, code(draw % png(shade)))
    main([str(path)])
    notebook = read(path)
    notebook.cells[0].outputs[0].data["image/png"] = png(120)
    write(path, notebook)
    before = path.read_bytes()
    main([str(path)])
    assert (path.read_bytes() == before) is kept
    main(["--pictures", str(path)])
    assert read(path).cells[0].outputs[0].data["image/png"] == png(shade)


# --- reading ----------------------------------------------------------------------------------------


def test_writing_is_whole_and_in_one_layout(tmp_path: Path) -> None:
    path = stored(tmp_path, new_markdown_cell("下山\n第二行", id="text"))
    text = path.read_text(encoding="utf-8")
    assert text == dumps(read(path), path.name)
    assert '    "下山\\n",\n    "第二行"\n' in text
    assert text.endswith("\n}\n")
    assert write(path, read(path)) is False
    assert [entry.name for entry in tmp_path.iterdir()] == ["chapter.ipynb"]


def test_pairs_languages_and_marks() -> None:
    cells = [
        new_markdown_cell("a", id="a-en", metadata={"tags": ["lang-en"]}),
        new_markdown_cell("甲", id="a-zh", metadata={"tags": ["lang-zh"]}),
        new_markdown_cell("b", id="b-en", metadata={"tags": ["lang-en", "other"]}),
        code("1"),
    ]
    found = list(pairs(new_notebook(cells=cells)))
    assert [(pair.index, pair.chinese and pair.chinese["id"]) for pair in found] == [(0, "a-zh"), (2, None)]
    assert [language_of(cell) for cell in cells] == ["en", "zh", "en", None]
    assert english_hash("One step.") == english_hash(" One step.\n") == "91fbb43c1143"
    assert english_hash("One  step.") != english_hash("One step.")


def test_headings_are_read_outside_code_only() -> None:
    text = "(a)=\n# A · 甲\n\n```python\n# no heading\n```\n\n```{tip} T\n## B · 乙\n```\n\n## C · 丙"
    assert headings(text) == ["A · 甲", "B · 乙", "C · 丙"]
    assert halves("A · 甲") == ("A", "甲")
    assert halves("A") is None


def test_markdown_is_taken_apart_by_its_fences() -> None:
    text = (
        "````{note} N\n:class: x\n```python\n:y:\n```\nin\n````\nbetween\n:::{container} box\n~~~\nraw\n~~~\n:::\nend"
    )
    found = parts(text)
    assert found.directives == ["note", "container"]
    assert found.prose == "N\nin\nbetween\nend"
    assert found.verbatim == [("", ":y:"), ("", "raw")]


# --- nbval ------------------------------------------------------------------------------------------


def test_nbval_compares_every_text_and_no_picture(tmp_path: Path) -> None:
    """What the comparison of the chapters relies on; see also `in_stored_form`."""
    show = "class P:\n    def _repr_mimebundle_(self, **_):\n        return %s\nP()"
    faults = {  # the cell's code, what its stored output says, what is put in its place
        "nothing": ("print('same')", "same", "same"),
        "picture": (show % "{'image/png': 'AAAA', 'text/plain': 'p'}", "AAAA", "BBBB"),
        "plain": (show % "{'text/plain': 'plainly'}", "plainly", "other"),
        "markdown": (show % "{'text/markdown': '*m*', 'text/plain': 'p'}", "*m*", "*n*"),
        "html": (show % "{'text/html': '<b>h</b>', 'text/plain': 'p'}", "<b>h</b>", "<b>i</b>"),
        "printed": ("print('said')", "said", "sad"),
        "error": ("raise ValueError('bad')", "bad", "good"),
    }
    raises = {"tags": ["raises-exception"]}
    cells = [code(fault[0], name, metadata=raises if name == "error" else {}) for name, fault in faults.items()]
    path = stored(tmp_path, *cells)
    assert main([str(path)]) == 0
    notebook = read(path)
    for cell in notebook.cells:
        _, old, new = faults[cell.id]
        assert old in str(cell.outputs)
        cell.outputs = [nbformat.from_dict(json.loads(json.dumps(one).replace(old, new))) for one in cell.outputs]
    write(path, notebook)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        path.name,
    ]
    done = subprocess.run([*command, f"--rootdir={tmp_path}"], cwd=tmp_path, capture_output=True, text=True)
    passed = {list(faults)[int(number)] for number in re.findall(r"Cell (\d+) PASSED", done.stdout)}
    assert passed == {"nothing", "picture"}, done.stdout + done.stderr
    assert len(re.findall(r"::Cell \d+ FAILED", done.stdout)) == len(faults) - 2
