"""Pictures: what they show, how they look on light and dark pages, and what they weigh."""

import base64
import dis
import inspect
import io
import itertools
import json
import os
import subprocess
import sys
import time

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from optlib import Optimizer, descend, rules, surfaces, view
from optlib.view import pictures, style
from optlib.view.contours import heights_of, within

PAPER, DARK = "#ffffff", "#131416"  # the site's two grounds
CORE = ("sgd", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam")


def walk(rule, surface, lr, steps=60):
    return descend(Optimizer(rule, lr=lr), surface.grad, surface.start, steps=steps, strict=False)


def pixels(picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA")).astype(int)


def shows(image: np.ndarray, colour: str) -> int:
    """How many opaque pixels have that colour, nearly."""
    target = np.array(to_rgb(colour)) * 255
    return int(((np.abs(image[..., :3] - target).max(axis=-1) < 6) & (image[..., 3] > 240)).sum())


# --- colours ------------------------------------------------------------------------------------


def linear(colour: str) -> np.ndarray:
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """Of the Web Content Accessibility Guidelines, from 1 to 21."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.clip(to_xyz @ rgb, 0, None) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Complete deuteranopia and protanopia after Machado, Oliveira & Fernandes (2009), on linear sRGB.
EYES = {
    "full": np.eye(3),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("a", "b"), [*itertools.combinations(CORE, 2)])
def test_core_rules_are_told_apart_by_every_eye(a, b, eye):
    seen = [lab(np.clip(EYES[eye] @ linear(view.colour(name)), 0, 1)) for name in (a, b)]
    assert np.linalg.norm(seen[0] - seen[1]) > 20  # 2.3 is just noticeable


@pytest.mark.parametrize("ground", [PAPER, DARK])
def test_colours_stand_out_from_both_grounds(ground):
    for name in style.LOOKS:
        assert contrast(view.colour(name), ground) >= 3, name
    for i in range(8):
        assert contrast(view.series(i), ground) >= 3, i
    # 4.5 on both is out of reach of any colour: white and #131416 are 18.4 apart, and the root of that is 4.29.
    assert contrast(style.GREY, ground) > 4.28


def test_the_core_rules_have_markers_of_their_own():
    assert len({style.LOOKS[name].marker for name in CORE}) == len(CORE), "the second cue"


def test_two_rows_that_look_the_same_are_named(monkeypatch):
    twin = rules.Row(rules.adam, "Adam again", 0.1, "solid", "#c030a8", "X")
    monkeypatch.setitem(rules.ROWS, "twin", twin)
    with pytest.raises(ValueError, match="the rows of adam and twin look the same: give one another line"):
        style._looks()


def test_colour_takes_names_and_functions_and_says_what_it_does_not_know():
    assert view.colour("Adam") == view.colour(rules.adam) == view.colour("adam")
    with pytest.raises(KeyError, match=r"'adan'.*did you mean 'adam'.*series"):
        view.colour("adan")
    assert len({view.series(i) for i in range(8)}) == 8


# --- the file -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ravine_picture():
    f = surfaces.ravine
    return view.contour(f, {"sgd": walk(rules.sgd, f, 0.018), "momentum": walk(rules.momentum, f, 0.006)})


def test_a_picture_is_transparent_and_in_colour(ravine_picture):
    image = pixels(ravine_picture)
    assert (image[0, :, 3] == 0).mean() > 0.9
    assert (image[-1, :, 3] == 0).all()
    assert shows(image, view.colour("sgd")) > 300
    assert shows(image, view.colour("momentum")) > 300
    assert shows(image, view.colour("adam")) == 0
    assert shows(image, style.GREY) > 300


def test_a_picture_has_double_density_and_says_its_size(ravine_picture):
    data, metadata = ravine_picture._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert png == ravine_picture.png
    size = metadata["image/png"]
    assert Image.open(io.BytesIO(png)).size == (2 * size["width"], 2 * size["height"])
    assert size["width"] == 480
    assert data["text/plain"] == repr(ravine_picture) == "<contour of ravine: sgd, momentum>"
    json.dumps([data, metadata])


def test_the_file_is_small_plain_and_the_same_every_time(ravine_picture):
    f = surfaces.ravine
    again = view.contour(f, {"sgd": walk(rules.sgd, f, 0.018), "momentum": walk(rules.momentum, f, 0.006)})
    assert again.png == ravine_picture.png == view.picture(ravine_picture.figure, "drawn twice").png
    assert len(again.png) < 60_000
    image = Image.open(io.BytesIO(again.png))
    assert image.mode == "P"
    assert set(image.info) == {"transparency"}, "no date, no version"


def test_contours_are_light_and_fast():
    assert view.contour(surfaces.bowl).png  # what is done once is not counted
    for surface in surfaces.TABLE.values():
        if surface.dim == 2:
            begin = time.process_time()
            size = len(view.contour(surface).png)
            assert size < 65_000, surface.name
            assert time.process_time() - begin < 1.5, surface.name  # 0.15 s on an idle machine


def test_few_colours_are_not_seen():
    def error(figure):
        drawn = pictures.pixels(figure)
        stored = Image.open(io.BytesIO(pictures.encode(drawn))).convert("RGBA")
        on_paper = [np.asarray(image, float) for image in (stored, drawn)]
        on_paper = [image[..., :3] * image[..., 3:] / 255 + 255 - image[..., 3:] for image in on_paper]
        return np.sqrt(np.square(on_paper[0] - on_paper[1]).mean())

    noise, ax = view.panels()
    ax.imshow(np.random.default_rng(0).random((40, 60, 3)))
    assert error(noise) < 15, "the worst case: 2,400 colours at random"
    line, ax = view.panels()
    ax.plot([0, 1], color=view.colour("nag"))
    assert error(line) < 1.5


def test_save_by_ending(tmp_path, ravine_picture):
    ravine_picture.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == ravine_picture.png
    ravine_picture.save(tmp_path / "a.svg")
    ravine_picture.save(str(tmp_path / "b.svg"))
    svg = (tmp_path / "a.svg").read_text()
    assert svg == (tmp_path / "b.svg").read_text()
    assert "dc:date" not in svg
    assert "Matplotlib v" not in svg
    with pytest.raises(ValueError, match=r"'a.jpg' ends in '.jpg'.*\.png, \.svg or \.pdf"):
        ravine_picture.save(tmp_path / "a.jpg")


def test_nothing_global_is_touched():
    before = dict(mpl.rcParams)
    assert view.contour(surfaces.bowl).png
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "text.color": "yellow"}):
        loud = view.contour(surfaces.bowl).png
    assert loud == view.contour(surfaces.bowl).png, "a reader's own settings do not change the book's pictures"
    code = "import sys, optlib.view; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()}, check=True)


# --- walks on the map ---------------------------------------------------------------------------

BOX = np.array([[0.0, 1.0], [0.0, 1.0]])


def test_a_walk_is_cut_at_the_frame():
    points, exit_ = within(np.array([[0.5, 0.5], [0.5, 1.5], [0.75, 1.5], [0.75, 0.5]]), BOX)
    nan = np.array([np.nan, np.nan])
    np.testing.assert_allclose(points, [[0.5, 0.5], [0.5, 1.0], nan, [0.75, 1.0], [0.75, 0.5]])
    assert exit_ is None


@pytest.mark.parametrize("end", [2.5, 1e300])
def test_a_diverging_walk_ends_at_the_frame(end):
    points, exit_ = within(np.array([[0.5, 0.5], [end, 0.5]]), BOX)
    np.testing.assert_allclose(points, [[0.5, 0.5], [1.0, 0.5]])
    np.testing.assert_allclose(exit_, [[0.5, 0.5], [1.0, 0.5]])


def test_a_walk_into_infinity_and_one_that_is_never_seen():
    path = np.array([[0.5, 0.5], [0.9, 0.5], [7.0, 0.5], [np.inf, 0.5], [np.nan, np.nan]])
    points, exit_ = within(path, BOX)
    np.testing.assert_allclose(points, [[0.5, 0.5], [0.9, 0.5], [1.0, 0.5]])
    assert exit_ is not None
    points, exit_ = within(path + 10, BOX)
    assert points.shape == (0, 2)
    assert exit_ is None


def test_every_drawn_segment_lies_in_the_frame():
    path = np.random.default_rng(0).normal(0.5, 1.0, (200, 2))
    points, _ = within(path, BOX)
    finite = points[np.isfinite(points).all(axis=1)]
    assert len(finite) > 100
    assert finite.min() >= -1e-12
    assert finite.max() <= 1 + 1e-12


def test_a_diverging_run_is_drawn_with_an_arrow_and_no_warning():
    f = surfaces.ravine
    figure, (left, right) = view.panels(2)
    view.contour(f, {"sgd": walk(rules.sgd, f, 0.03, steps=2000)}, ax=left)  # overflows to infinity
    view.contour(f, {"sgd": walk(rules.sgd, f, 0.015)}, ax=right)
    assert [len(left.texts), len(right.texts)] == [1, 0], "the arrow is an annotation"
    assert view.picture(figure, "both").png
    np.testing.assert_allclose(left.get_xlim(), f.domain[0])


def test_start_minima_legend_and_arrows_can_be_chosen():
    f = surfaces.himmelblau
    path = walk(rules.sgd, f, 0.01, steps=5)

    def marks(ax):
        return [line.get_marker() for line in ax.lines]

    _, axes = view.panels((2, 2))
    view.contour(f, {"adam": path}, ax=axes[0, 0])
    view.contour(f, {"adam": path}, ax=axes[0, 1], minima=False, start=False)
    view.contour(f, path, ax=axes[1, 0], arrows=True)
    crosses = next(line for line in axes[0, 0].lines if line.get_marker() == "+")
    assert len(crosses.get_xdata()) == len(f.minima) == 4
    assert "+" not in marks(axes[0, 1])
    assert len(marks(axes[0, 0])) - len(marks(axes[0, 1])) == 2
    assert [t.get_text() for t in axes[0, 0].get_legend().get_texts()] == ["adam"]
    assert axes[1, 0].get_legend() is None
    assert len(axes[1, 0].texts) == 5, "one arrow a step"


@pytest.mark.parametrize("surface", [s for s in surfaces.TABLE.values() if s.dim == 2], ids=lambda s: s.name)
@pytest.mark.parametrize("levels", ["auto", "log", "linear"])
def test_levels_rise_from_the_lowest_to_the_highest(surface, levels):
    z = np.asarray(surface(np.stack(np.meshgrid(*(np.linspace(*d, 50) for d in surface.domain)), axis=-1)))
    heights = heights_of(z, levels)
    assert (np.diff(heights) > 0).all()
    np.testing.assert_allclose([heights[0], heights[-1]], [z.min(), z.max()])
    if levels == "auto":  # the middle line halves the picture, unless it is nearly flat in the half
        assert 0.1 < (z < heights[len(heights) // 2]).mean() < 0.9


def test_a_constant_surface_is_drawn():
    flat = surfaces.ravine.but(a=0.0, b=0.0)
    assert view.contour(flat).png


@pytest.mark.parametrize("draw", [view.contour, view.surface])
def test_bad_input_is_named(draw):
    with pytest.raises(ValueError, match=r"path 'adam' has shape \(4,\).*\(steps \+ 1, 2\)"):
        draw(surfaces.bowl, {"adam": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(ValueError, match=r"'waves' has 1 coordinate.*view.curve"):
        draw(surfaces.waves)


def test_bad_levels_and_the_wrong_dimension_are_named():
    with pytest.raises(ValueError, match=r"levels is 'cubic'.*'auto', 'log' or 'linear'"):
        view.contour(surfaces.bowl, levels="cubic")
    with pytest.raises(ValueError, match=r"'bowl' has 2 coordinates.*view.contour"):
        view.curve(surfaces.bowl)
    with pytest.raises(ValueError, match=r"'bowl' has 2 coordinate.*|axes are flat"):
        view.surface(surfaces.bowl, ax=view.panels()[1])


# --- the other pictures -------------------------------------------------------------------------


def test_the_landscape_has_the_walk_above_and_its_shadow_below():
    f = surfaces.three_lowlands
    path = walk(rules.adam, f, 0.1)
    figure, ax = view.panels(subplot_kw={"projection": "3d"})
    view.surface(f, {"adam": path}, ax=ax)
    shadow, _, above = ax.lines[:3]
    np.testing.assert_allclose(np.asarray(shadow.get_data_3d()[:2]).T, path)
    assert np.ptp(shadow.get_data_3d()[2]) == 0
    assert max(shadow.get_data_3d()[2]) < f(path).min()
    np.testing.assert_allclose(above.get_data_3d()[2], f(path))
    assert shows(pixels(view.picture(figure, "relief")), view.colour("adam")) > 200
    assert len(view.surface(f, floor=False).png) < 90_000


def test_a_landscape_is_cut_at_the_top():
    _, ax = view.panels(subplot_kw={"projection": "3d"})
    view.surface(surfaces.rosenbrock, ax=ax, top=400.0)
    assert ax.get_zlim()[1] == 400.0


def test_the_curve_shows_the_steps_on_the_graph():
    f = surfaces.waves
    path = walk(rules.sgd, f, 0.3, steps=8)
    _, ax = view.panels()
    view.curve(f, {"sgd": path}, ax=ax)
    points = next(line for line in ax.lines if line.get_label() == "sgd")
    np.testing.assert_allclose(points.get_xydata(), np.column_stack([path[:, 0], f(path)]))


def test_loss_curves_show_the_median_and_the_spread():
    runs = np.exp(np.random.default_rng(0).normal(size=(50, 30)))
    _, ax = view.panels()
    picture = view.loss_curves({"adam": runs, "sgd": runs[0]}, ax=ax, x="epoch")
    assert repr(picture) == "<losses: adam, sgd>"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(runs, axis=0))
    band = ax.collections[0].get_paths()[0].vertices
    low, high = np.quantile(runs, [0.1, 0.9], axis=0)
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [low.min(), high.max()])
    assert len(ax.collections) == 1, "one seed has no spread"
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "epoch"


def test_a_loss_that_overflows_ends_its_curve():
    _, ax = view.panels()
    assert view.loss_curves({"sgd": [1.0, 10.0, np.inf, np.nan]}, ax=ax).png
    assert ax.lines[0].get_ydata().tolist() == [1.0, 10.0]
    with pytest.raises(ValueError, match=r"'sgd' have 2 values, but there are 3 times"):
        view.loss_curves({"sgd": [1.0, 2.0]}, x=[1, 2, 3])


def test_long_legends_break_instead_of_squeezing_the_picture():
    picture = view.loss_curves({name: [1.0, 0.5] for name in CORE})
    assert picture.png, "laid out"
    (ax,) = picture.figure.axes
    assert ax.get_position().width > 0.75
    legend = picture.figure.legends[0].get_window_extent()
    assert legend.x1 <= picture.figure.bbox.x1


def test_panels():
    figure, axes = view.panels((2, 3), size=(600, 400))
    assert axes.shape == (2, 3)
    assert pixels(view.picture(figure, "six")).shape == (800, 1200, 4)


# --- listings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [*rules.TABLE.values()], ids=lambda rule: rule.__name__)
def test_a_listing_is_the_rule_itself(rule):
    code = view.listing(rule).code
    assert "->" not in code
    assert '"""' not in code
    assert "fmt:" not in code
    assert "Array" not in code
    space = dict(vars(inspect.getmodule(rule)))
    # What the reader sees runs, with the rule's defaults. (Python compiles calls of an imported name otherwise.)
    exec(f"import numpy as np\n{code}", space)
    again = space[rule.__name__]
    steps, own = ([(i.opname, i.argrepr) for i in dis.get_instructions(f)] for f in (again, rule))
    assert steps == own
    assert again.__kwdefaults__ == rule.__kwdefaults__
    assert [*inspect.signature(again).parameters] == [*inspect.signature(rule).parameters]


def annotated(a: int, b: float = 1e-8, *rest: int, c: "str" = "x,y") -> float:
    # said first
    b = b + a  # fmt: skip

    return b  # what stays


def test_a_listing_keeps_comments_and_the_way_numbers_are_written():
    data = view.listing(annotated)._repr_mimebundle_()
    assert data["text/plain"] == (
        'def annotated(a, b=1e-8, *rest, c="x,y"):\n    # said first\n    b = b + a\n\n    return b  # what stays'
    )
    assert data["text/markdown"] == f"```python\n{data['text/plain']}\n```"


@pytest.mark.parametrize("thing", [len, dict, 3])
def test_only_functions_are_listed(thing):
    with pytest.raises(TypeError, match="function="):
        view.listing(thing)


def test_one_legend_stands_above_all_panels():
    figure, axes = view.panels(2)
    for ax in axes:
        view.loss_curves({"sgd": [1.0, 0.5], "adam": [1.0, 0.1]}, ax=ax, key=False)
    assert axes[0].get_legend() is None
    view.legend(figure)
    view.legend(view.panels()[0])  # nothing to name: nothing happens
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["sgd", "adam"]
    assert view.picture(figure, "two").png
    assert key.get_window_extent().y0 > axes[0].get_window_extent().y1
