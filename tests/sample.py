"""A one-chapter book that uses everything the notebook format allows, for the tests of the site's machinery."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from needs import need
from PIL import Image, ImageDraw

from downhill_course.files import replace
from downhill_course.notebook import questions
from downhill_course.notebook.cells import dumps
from downhill_course.notebook.questions import Faults
from downhill_course.notebook.running import as_sources_say, normalise
from downhill_course.notebook.views import VIEWS
from downhill_course.publish.build import KATEX
from optlib.widget import Explorer

HIDDEN_PHRASE = "山谷里积着昨夜的雾"  # stands in the middle of a Chinese paragraph
WIDE_FORMULA = "$$" + " + ".join(f"a_{{{k}}} x^{{{k}}}" for k in range(24)) + "$$"
LISTING = "```python\nx -= g\n```"
ENGLISH_ONLY = "Fog fills the valley"
WITHOUT_KATEX = "KaTeX is not installed: run `make book` once"


#: What the sample chapter asks, once of each kind.
NUMBER = {
    "id": "sample-share", "after": "slope-text-en", "kind": "number",
    "ask": {"en": "How much more at $\\gamma = 0.99$?", "zh": "$\\gamma = 0.99$ 时是多少倍？"},
    "setup": "gamma = 0.99", "answer": "(1 + gamma) / (1 - gamma)", "tolerance": 0.02,
    "confirm": "answer > 1 / (1 - gamma)",
    "wrong": [{"is": "1 / (1 - gamma)", "say": {"en": "That is agreement alone.", "zh": "这只是方向一致的部分。"}}],
    "why": {"en": "It is {answer}: see [it](careful-label).", "zh": "是 {answer}，见[前面的提醒](careful-label)。"},
}  # fmt: skip
CHOICE = {
    "id": "sample-limit", "after": "why-zh", "kind": "choice",
    "ask": {"en": "Which rate still arrives?", "zh": "哪个学习率还能到达？"},
    "options": [{"en": "twice the limit", "zh": "上限的两倍", "say": {"en": "It leaves.", "zh": "会跑掉。"}}, "$1/L$"],
    "answer": "1", "why": {"en": "The limit is $2/L$.", "zh": "上限是 $2/L$。"},
}  # fmt: skip
ORDER = {
    "id": "sample-order", "after": "numbers", "kind": "order",
    "ask": {"en": "The smallest first.", "zh": "从小到大。"},
    "items": ["SGD", {"en": "three steps", "zh": "三步"}, "2"], "answer": "np.argsort([1, 3, 2])",
    "why": {"en": "By size.", "zh": "按大小。"},
}  # fmt: skip
DRAG = {
    "id": "sample-drag", "after": "live-code", "kind": "drag", "figure": "fig-live",
    "ask": {"en": "Make it arrive.", "zh": "让它到达。"}, "until": {"arrival": "< 60"},
    "answer": {"lr": 0.019, "gamma": 0.8}, "why": {"en": "Both help.", "zh": "两者都有用。"},
}  # fmt: skip
ROWS = [NUMBER, CHOICE, ORDER, DRAG]


def picture(frames: int = 1) -> str:
    """A small PNG (an animated one if there are several frames), as a notebook stores it."""
    images = []
    for frame in range(frames):
        image = Image.new("RGBA", (640, 400), (0, 0, 0, 0))
        draw = ImageDraw.Draw(image)
        for radius in range(30, 200, 30):
            draw.ellipse((320 - 1.5 * radius, 200 - radius, 320 + 1.5 * radius, 200 + radius), outline=(128, 128, 128))
        draw.line((60, 40, 320 - 40 * frame, 200), fill=(0, 114, 178), width=4)
        images.append(image)
    buffer = io.BytesIO()
    extra = {"save_all": True, "append_images": images[1:], "duration": 200} if frames > 1 else {}
    images[0].save(buffer, "PNG", **extra)
    return base64.b64encode(buffer.getvalue()).decode()


def prose(name: str, english: str, chinese: str) -> list:
    """A pair of neighbouring cells in two languages."""
    return [
        new_markdown_cell(text, id=f"{name}-{language}", metadata={"tags": [f"lang-{language}"]})
        for language, text in (("en", english), ("zh", chinese))
    ]


def heading(name: str, text: str, level: int = 2):
    """A heading cell under its label."""
    return new_markdown_cell(f"({name})=\n{'#' * level} {text}", id=f"{name}-heading")


def figure(name: str, frames: int = 1, **changes):
    """A code cell with a picture, alt texts and captions; ``changes`` replace parts of the figure's metadata."""
    about = {
        "name": f"fig-{name}",
        "alt": {"en": f"Rings and a line, {name}", "zh": f"几个圆环和一条线，{name}"},
        "caption": {
            "en": f"Rings of height $f(\\theta)$, and the way down ({name}).",
            "zh": f"高度 $f(\\theta)$ 的等高线，以及下山的路（{name}）。",
        },
    } | changes
    output = new_output("display_data", {"image/png": picture(frames), "text/plain": "<Figure>"})
    return new_code_cell(
        f"draw('{name}')",
        id=f"{name}-code",
        outputs=[output],
        execution_count=1,
        metadata={"downhill": {"figure": about}},
    )


def explorer(name: str, preset: str):
    """A code cell with an explorer, as a notebook stores it."""
    cell = figure(name)
    cell.source = f'Explorer("{preset}")'
    cell.outputs[0].data |= {"application/vnd.downhill.explorer+json": Explorer(preset).bundle}
    return cell


def sample_notebook(*extra_cells) -> nbformat.NotebookNode:
    """The sample chapter, with ``extra_cells`` at its end."""
    listing = new_output(
        "execute_result",
        {
            "text/markdown": "```python\ndef sgd(theta, g, *, lr=0.01):\n    return theta - lr * g, ()\n```",
            "text/plain": "<listing>",
        },
        execution_count=2,
    )
    numbers = new_output("stream", name="stdout", text="0.1000  0.0100\n")
    filler = [
        cell
        for k in range(6)
        for cell in prose(
            f"walk-{k}",
            f"Step {k + 1}. A walker in fog keeps feeling the slope with one foot and moves a little way down it, "
            f"which is all the information there is: the sign and size of each partial derivative here, $g_{{{k}}}$.",
            f"第 {k + 1} 步。雾中的行人用脚试探坡度，顺着坡往下挪一小步。手里只有这一点信息："
            f"每个偏导数在这一点的符号和大小 $g_{{{k}}}$。",
        )
    ]
    return new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        },
        cells=[
            heading("sample", "A walk in fog · 雾中行走", 1),
            *prose(
                "why",
                f"Which way is down? {ENGLISH_ONLY}, see [](slope) and {{cite:t}}`robbins1951`.[^a]\n\n"
                "[^a]: A footnote, with $x^2$.",
                f"哪边是下坡？清晨出门，{HIDDEN_PHRASE}，参见 [](slope) 与 {{cite:t}}`robbins1951`。[^a]\n\n"
                "[^a]: 一条脚注，含 $x^2$。",
            ),
            heading("slope", "The slope · 坡度"),
            new_markdown_cell("$$\\theta_{t+1} = \\theta_t - \\eta \\nabla f(\\theta_t)$$ (update-rule)", id="rule"),
            *prose(
                "slope-text",
                "(careful-label)=\nThe rule {eq}`update-rule` uses `theta` and $\\eta > 0$.\n\n"
                "```{admonition} Careful!\n:class: warning\nThe path lies in the plane, not on the surface.\n```\n\n"
                "| rate | steps |\n|---|---|\n| 0.1 | 40 |",
                "规则 {eq}`update-rule` 用到 `theta` 和 $\\eta > 0$。\n\n"
                "```{admonition} 小心！\n:class: warning\n路径在平面上，不在曲面上。\n```\n\n"
                "| 学习率 | 步数 |\n|---|---|\n| 0.1 | 40 |",
            ),
            new_code_cell(
                "view.listing(rules.sgd)",
                id="listing",
                outputs=[listing],
                execution_count=2,
                metadata={"tags": ["remove-input"]},
            ),
            new_code_cell(
                "path = descend(Optimizer(rules.sgd, lr=0.1), f.grad, [2.0, 1.0], steps=3)  # a long line of code "
                "that is wider than a telephone\nprint(path)",
                id="numbers",
                outputs=[numbers],
                execution_count=3,
                metadata={"tags": ["hide-input"]},
            ),
            *prose("ask", "Where does the line end?", "这条线停在哪里？"),
            figure("still"),
            figure("moving", frames=3),
            *prose(
                "wide",
                f"A wide formula scrolls in its box:\n\n{WIDE_FORMULA}",
                f"很宽的公式在框里滚动：\n\n{WIDE_FORMULA}",
            ),
            *prose("lines", "One line,\ntwo lines.", "一行，\ntwo lines\n又一行。\n**第三**行，\n第四行。"),
            *prose("fence", f"A step:\n\n{LISTING}\n\nThat is all.", f"一步：\n\n{LISTING}\n\n没有了。"),
            explorer("ravine", "ravine"),
            *prose(
                "driven",
                "With [$\\gamma = 0.8$](set:fig-ravine?gamma=0.8&lr=0.019) it arrives. Now it "
                "[swings; does not arrive within 100 updates](now:fig-ravine?verdict).",
                "取 [$\\gamma = 0.8$](set:fig-ravine?gamma=0.8&lr=0.019) 时会到达。现在"
                "[来回摆；更新 100 次仍未到达](now:fig-ravine?verdict)。",
            ),
            heading("walk", "Walking · 行走"),
            *filler,
            *prose(
                "exercise",
                "1. How far?\n\n```{dropdown} Answer\nAs far as $2/L$, see [the warning](careful-label).\n```",
                "1. 走多远？\n\n```{dropdown} 答案\n不超过 $2/L$，见[前面的提醒](careful-label)。\n```",
            ),
            heading("sources", "Sources · 来源"),
            new_markdown_cell("```{bibliography}\n:filter: docname in docnames\n```", id="bibliography"),
            *extra_cells,
        ],
    )


def write_book(folder: Path, notebook: nbformat.NotebookNode) -> Path:
    """A whole book around one notebook; returns the folder of its pages."""
    pages = folder / "pages"
    for part in ("_static", "_root"):
        shutil.copytree(Path(__file__).parents[1] / "book" / part, pages / part)
    nbformat.write(notebook, pages / "sample.ipynb")
    (pages / "index.md").write_text(
        "(home)=\n# Sample · 样章\n\n:::{lang} en\nThe start.\n:::\n:::{lang} zh\n开头。\n:::\n", encoding="utf-8"
    )
    (pages / "references.bib").write_text(
        "@article{robbins1951, author={Robbins, Herbert and Monro, Sutton}, year={1951}, journal={Annals},\n"
        " title={A Stochastic Approximation Method}}\n",
        encoding="utf-8",
    )
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - caption: Start · 起步\n    chapters:\n      - file: sample\n",
        encoding="utf-8",
    )
    return pages


def notebook_with_explorer() -> nbformat.NotebookNode:
    live = figure("live")
    live.outputs[0].data[questions.EXPLORER] = Explorer("ravine").bundle
    return sample_notebook(live)


def written(folder: Path, rows: list[dict]) -> Path:
    """A book with a chapter that asks; returns the chapter."""
    pages = write_book(folder, notebook_with_explorer())
    (pages / questions.FOLDER).mkdir()
    text = yaml.safe_dump(rows, allow_unicode=True, sort_keys=False)
    (pages / questions.FOLDER / "sample.yml").write_text(text, encoding="utf-8")
    index = (pages / "index.md").read_text(encoding="utf-8")
    (pages / "index.md").write_text(index + "\n```{today}\n```\n", encoding="utf-8")
    notebook = pages / "sample.ipynb"
    with suppress(Faults):  # what the build says to them is what is tested
        nbformat.write(questions.put(nbformat.read(notebook, 4), notebook), notebook)
    return notebook


def build(folder: Path, *views: str) -> subprocess.CompletedProcess:
    """Build the book in ``folder`` as `make book` does."""
    need(KATEX.is_dir(), WITHOUT_KATEX)
    return subprocess.run(
        [
            sys.executable,
            Path(__file__).parents[1] / "downhill_course/publish/build.py",
            "--views",
            *views,
            "--source",
            folder / "pages",
            "--toc",
            folder / "_toc.yml",
            "--out",
            folder / "site",
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def shared(folder: Path) -> Path:
    """The asking book, built in all views once for all workers of a run, in ``folder``, which is returned."""
    need(KATEX.is_dir(), WITHOUT_KATEX)
    told = folder.with_suffix(".faults")
    try:
        folder.mkdir()
    except FileExistsError:
        while not told.exists():  # another worker builds it
            time.sleep(0.1)
    else:
        faults = "the sample book's build was interrupted"
        try:
            written(folder, ROWS)
            result = build(folder, *VIEWS)
            faults = (result.stdout + result.stderr) * bool(result.returncode)
        finally:
            replace(told, faults)
    faults = told.read_text("utf-8")
    assert not faults, faults
    return folder


def in_stored_form(path: Path) -> bool:
    """Whether a notebook is stored as `downhill notebooks` stores it, every cell run; nothing is executed.

    The first code cell, which installs optlib, is part of that form, and so are the questions of the chapter's file.
    nbval does not compare the outputs of a cell without an execution count, so this must hold for all of them.
    """
    return dumps(normalise(as_sources_say(path), path.name), path.name) == path.read_text(encoding="utf-8")
