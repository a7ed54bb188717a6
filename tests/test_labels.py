"""The words in figures: large enough for a phone, and Chinese in the Chinese view."""

import base64
import io
import json
import os
import re
from unittest import mock

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from downhill_course.notebook import labels
from downhill_course.notebook.cells import read
from downhill_course.notebook.downloads import as_shown
from downhill_course.notebook.running import all_notebooks
from downhill_course.notebook.twins import check
from downhill_course.notebook.views import VIEWS, table
from downhill_course.project import ROOT
from optlib import view
from optlib.view import pictures, style
from optlib.widget import Curves

NOTEBOOKS = {path.stem: path for path in all_notebooks()}
KNOWN = table(ROOT / "book" / labels.FILE)


@pytest.fixture
def drawn():
    """A figure with a formula, a name, a word on empty ground and one on a filled area, as a notebook stores it."""
    figure, ax = view.panels()
    with view.house():
        ax.fill_between([0, 100], 0, 1, color="#4a86b8", label="SGD")
        ax.plot([0, 100], [0.2, 0.3], label="the loss of SGD, $\\eta=0.1$")
        ax.text(50, 0.6, "here it stops", ha="center")
        view.label(ax, "updates", "$f$")
        view.legend(ax)
    with mock.patch.dict(os.environ, {"OPTLIB_STATIC": "1"}):
        data, metadata = view.picture(figure, "a figure")._repr_mimebundle_()
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def notebook_of(output: dict) -> dict:
    cell = {"cell_type": "code", "id": "draw", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def said(output: dict) -> dict[str, dict]:
    return {word["text"]: word for word in output["metadata"]["image/png"]["words"]}


def test_a_stored_picture_tells_its_words_where_they_stand_and_what_lies_under_them(drawn):
    words = said(drawn)
    assert set(words) == {"SGD", "the loss of SGD, $\\eta=0.1$", "here it stops", "updates"}
    assert [text for text, word in words.items() if "under" in word] == ["here it stops"]
    with Image.open(io.BytesIO(base64.b64decode(drawn["data"]["image/png"]))) as image:
        ink = np.asarray(image.convert("RGBA"))[..., 3]
    left, top, right, bottom = words["updates"]["box"]
    assert ink[top:bottom, left:right].any()
    edges = (ink[top, left:right], ink[bottom - 1, left:right], ink[top:bottom, left], ink[top:bottom, right - 1])
    assert not any(edge.any() for edge in edges), "the box holds the whole word"


def test_a_reader_s_own_jupyter_stores_no_words():
    with mock.patch.dict(os.environ, {"OPTLIB_STATIC": ""}):
        figure, ax = view.panels()
        ax.set_xlabel("updates")
        assert set(view.picture(figure, "a figure")._repr_mimebundle_()[1]["image/png"]) == {"width", "height"}


def test_the_chinese_view_says_the_words_in_chinese_and_keeps_the_rest(drawn):
    png = drawn["data"]["image/png"]
    made = notebook_of(drawn)
    labels.translate(made, {"here it stops": "在此\n停下", "the loss of SGD, $\\eta=0.1$": "SGD 的损失，$\\eta=0.1$"})
    svg = drawn["data"]["image/svg+xml"]
    assert "image/png" not in drawn["data"]
    assert drawn["metadata"]["image/svg+xml"]["width"] == 480
    for piece in (png, ">在此<", ">停下<", ">的损失，<", 'width="480"', 'viewBox="0 0 960 640"'):
        assert piece in svg
    assert svg.count("<image") == 2, "the picture, and what lies under the word on the area"
    assert "here" not in svg
    assert len(svg) < 1.5 * len(base64.b64decode(png)) + 12_000


def test_a_picture_whose_words_are_all_names_stays_a_png(drawn):
    before = json.dumps(drawn)
    labels.translate(notebook_of(drawn), {"SGD": "SGD"})
    assert json.dumps(drawn) == before


def test_a_notebook_to_take_away_holds_its_pictures_alone(drawn):
    shown = as_shown(notebook_of(drawn), VIEWS["zh"])["cells"][0]["outputs"][0]
    assert shown["metadata"]["image/png"] == {"width": 480, "height": 320}
    assert shown["data"]["image/png"] == drawn["data"]["image/png"]


def test_curves_bring_their_own_chinese():
    figure = Curves({"test": [3.0, 2.0, 1.0]}, names={"test": ("test loss", "测试损失")})
    with mock.patch.dict(os.environ, {"OPTLIB_STATIC": "1"}):
        data, metadata = figure._repr_mimebundle_()
    output = {"output_type": "display_data", "data": data, "metadata": metadata}
    assert [*said(output)] == ["test loss"]
    assert not [*labels.missing(notebook_of(output), {})]
    labels.translate(notebook_of(output), {})
    assert ">测试损失<" in output["data"]["image/svg+xml"]


def test_a_label_without_chinese_is_named_with_its_place(drawn, tmp_path):
    (tmp_path / "labels.yml").write_text('"updates": "更新"\n', encoding="utf-8")
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps(notebook_of(drawn)), encoding="utf-8")
    told = [str(problem) for problem in check(path, ()) if "labels.yml" in str(problem)]
    assert len(told) == 2
    assert all("draw" in line for line in told)
    assert any("'here it stops'" in line for line in told)


@pytest.mark.parametrize("width", [300, 480, 500, 640])
def test_no_letter_of_a_figure_is_too_small_on_a_phone(width):
    figure, ax = view.panels(size=(width, 400))
    with view.house():
        ax.plot([1, 1000], [0.1, 10], label="a")
        ax.set_yscale("log")
        ax.text(1, 1, "small", fontsize=5)
        view.label(ax, "$t$", r"$\|\theta\|$")
        view.legend(ax)
    pictures.pixels(figure)
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert len(texts) > 8
    shown = min(1, style.PHONE / width)
    assert min(text.get_fontsize() for text in texts) * 96 / 72 * shown > style.SMALL - 1e-9
    formulas = [text.get_fontsize() * 96 / 72 * shown for text in (ax.xaxis.label, ax.yaxis.label)]
    assert min(formulas) > 1.27 * style.SMALL - 1e-9


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_figures_of_a_chapter_are_read_on_a_phone_and_in_chinese(name):
    notebook = read(NOTEBOOKS[name])
    for _, cell, output in labels.shown(notebook):
        about = output["metadata"]["image/png"]
        with Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))) as image:
            drawn = np.asarray(image.convert("RGBA"))[..., 3] > 60
        assert not any(edge.any() for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1])), f"{cell['id']} is cut"
        for word in about["words"]:
            shown = word["size"] / pictures.DENSITY * min(1, style.PHONE / about["width"])
            if about["width"] < 2 * style.PHONE:
                assert shown > style.SMALL - 0.1, f"{cell['id']}: {word['text']!r} has {shown:.1f} pixels on a phone"
            for line in (KNOWN | labels.own(output)).get(word["text"], word["text"]).split("\n"):
                wide = labels.row(line, word["size"])[1]
                begin = sum(word["box"][1::2]) / 2 - wide / 2 if word["turn"] else labels.begins(word, wide)
                whole = about["height" if word["turn"] else "width"] * pictures.DENSITY
                assert 0 <= begin <= begin + wide <= whole, f"{cell['id']}: {line!r} is cut at the picture's edge"
    assert not [text for _, _, text in labels.missing(notebook, KNOWN)]
    labels.translate(notebook, KNOWN)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            svg = output.get("data", {}).get("image/svg+xml", "")
            drawn = re.sub('base64,[^"]*', "", svg)  # in which four letters may come about by chance
            assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
