"""The words in a figure, which is drawn once for all views: `labels.yml` beside the chapters has their Chinese.

A notebook keeps of each picture the words it holds, where they stand and what lies under them (`optlib.view.words`).
The Chinese view lays the Chinese over the picture: an SVG that holds the PNG, without those words, and the new ones.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from html import escape

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath, text_to_path
from PIL import Image

from downhill_course.notebook.measure import EXPLORER
from optlib import rules
from optlib.view.pictures import DENSITY
from optlib.view.style import FORMULA, house, tall
from optlib.widget import still

FILE = "labels.yml"
WIDE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]+")
PIECES = re.compile(f"({WIDE.pattern}|{FORMULA.pattern})")
SIGNS = re.compile(r"[^A-Za-z]+")
#: What algorithms are called: names stay as they are.
NAMES = frozenset(
    SIGNS.sub(" ", text).strip().lower() for name, row in rules.ROWS.items() for text in (name, row.title)
)
FONT = "system-ui,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Noto Sans SC',sans-serif"
DRAWS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
LINE = 1.2  # from one line to the next, in letter sizes
RISE = 0.37  # how far a letter's middle lies above its line


def named(text: str) -> bool:
    """Whether a label says no more than an algorithm's name, numbers and formulas.

    >>> named("SGD, $x_{max}$ = 3"), named("loss of SGD")
    (True, False)
    """
    return SIGNS.sub(" ", FORMULA.sub("", text)).strip().lower() in NAMES


def own(output: dict) -> dict[str, str]:
    """The Chinese that an explorer brings itself: of its curves, or of its runs' names."""
    found = output.get("data", {}).get(EXPLORER) or {}
    bundle = json.loads("".join(found)) if isinstance(found, (str, list)) else found
    curves = bundle.get("curves")
    if curves:
        return {pair["en"]: pair["zh"] for pair in (*curves["curves"], *curves["axes"])}
    return dict(still.named(bundle.get("state", {}).get("runs", [])))


def shown(notebook: dict) -> Iterator[tuple[int, dict, dict]]:
    """Every output with words in its picture: the cell's index, the cell, the output."""
    for index, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("image/png", {}).get("words"):
                yield index, cell, output


def missing(notebook: dict, known: dict[str, str]) -> Iterator[tuple[int, dict, str]]:
    """Every label that a reader of the Chinese view would meet in English: the cell's index, the cell, the label."""
    for index, cell, output in shown(notebook):
        have = known | own(output)
        for word in output["metadata"]["image/png"]["words"]:
            if word["text"] not in have and not named(word["text"]):
                yield index, cell, word["text"]


def forget(notebook: dict) -> None:
    """A notebook to take away holds its pictures alone."""
    for _, _, output in shown(notebook):
        del output["metadata"]["image/png"]["words"]


def translate(notebook: dict, known: dict[str, str]) -> None:
    """Each picture with words that are known in Chinese becomes an SVG that says them in Chinese."""
    for _, _, output in shown(notebook):
        have = known | own(output)
        words = [(word, have.get(word["text"])) for word in output["metadata"]["image/png"]["words"]]
        said = [(word, text) for word, text in words if text not in (None, word["text"])]
        if said:
            png = "".join(output["data"].pop("image/png")).replace("\n", "")
            output["data"]["image/svg+xml"] = overlaid(png, said)
            output["metadata"]["image/svg+xml"] = output["metadata"].pop("image/png")  # the size


def overlaid(png: str, said: list[tuple[dict, str]]) -> str:
    """A picture, a PNG in base64, with these words replaced, as an SVG file of the same size."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        width, height = image.size
    holes = "".join("M{0} {1}H{2}V{3}H{0}Z".format(*word["box"]) for word, _ in said)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width // DENSITY}" height="{height // DENSITY}" '
        f'viewBox="0 0 {width} {height}"><mask id="m"><path fill="#fff" d="M0 0H{width}V{height}H0Z"/>'
        f'<path d="{holes}"/></mask><image width="{width}" height="{height}" mask="url(#m)" '
        f'href="data:image/png;base64,{png}"/>{"".join(lettered(word, text) for word, text in said)}</svg>'
    )


def lettered(word: dict, text: str) -> str:
    """The SVG elements that put a text where a picture had a word."""
    left, top, right, bottom = word["box"]
    x, y, size = (left + right) / 2, (top + bottom) / 2, word["size"]
    if word["align"] != "center" and not word["turn"]:
        x = left if word["align"] == "left" else right
    lines = text.split("\n")
    made = []
    for number, line in enumerate(lines):
        drawn, across = row(line, size)
        shift = begins(word, across) - x
        down = (number - (len(lines) - 1) / 2) * LINE * size + RISE * size
        made.append(f'<g transform="translate({shift:.1f} {down:.1f})">{drawn}</g>')
    under = word.get("under")
    patch = f'<image x="{left}" y="{top}" href="data:image/png;base64,{under}"/>' if under else ""
    turned = f" rotate({-word['turn']})" if word["turn"] else ""
    return f'{patch}<g fill="{word["colour"]}" transform="translate({x:g} {y:g}){turned}">{"".join(made)}</g>'


def begins(word: dict, across: float) -> float:
    """Where along its own direction a line of this width begins that stands for a word, in image pixels."""
    left, _, right, _ = word["box"]
    side = "center" if word["turn"] else word["align"]
    return {"left": left, "right": right - across}.get(side, (left + right - across) / 2)


def row(line: str, size: float) -> tuple[str, float]:
    """One line as SVG elements from (0, 0) on, and its width: Chinese as text, whose letters are as wide as they are
    high, everything else as the outlines that the picture itself has, formulas as much larger as it sets them alone."""
    x, made = 0.0, []
    for piece in PIECES.split(line):
        if WIDE.fullmatch(piece):
            wide = len(piece) * size
            made.append(
                f'<text x="{x:.1f}" font-family="{FONT}" font-size="{size:g}" textLength="{wide:.1f}" '
                f'xml:lang="zh-CN">{escape(piece)}</text>'
            )
        else:
            bare = piece.strip(" ")
            x += (len(piece) - len(piece.lstrip(" "))) * 0.25 * size
            if not bare:
                continue
            path, wide = outline(bare, size * tall(bare))
            made.append(f'<path transform="translate({x:.1f})" d="{path}"/>')
            wide += (len(piece) - len(piece.rstrip(" "))) * 0.25 * size
        x += wide
    return "".join(made), x


def outline(text: str, size: float) -> tuple[str, float]:
    """The letters and formulas of one line as an SVG path that begins at (0, 0), and its width, in pixels.

    >>> path, width = outline(r"SGD, $\\eta$", 20.0)
    >>> path[0], 50 < width < 100
    ('M', True)
    """
    with house():
        font = FontProperties(size=size)
        letters = TextPath((0, 0), text, prop=font)
        across = text_to_path.get_text_width_height_descent(text, font, ismath="$" in text)[0]
    drawn = []
    for points, code in letters.iter_segments(curves=True, simplify=False):
        if code == Path.CLOSEPOLY:
            drawn.append("Z")
            continue
        drawn.append(DRAWS[code] + " ".join(f"{(-1) ** k * v:.1f}" for k, v in enumerate(points)))
    return "".join(drawn), float(across)
