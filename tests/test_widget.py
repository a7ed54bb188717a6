"""Live controls: a picture always, sliders where a kernel answers, nothing of a session in what is saved."""

import base64
import io
import os
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from downhill_course import controls
from downhill_course.figures.scenes import EXAMPLES, SURFACES
from optlib import rules, surfaces, view
from optlib.widget import Explorer
from optlib.widget.explorer import STATIC

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def ravine(b=10.0, minima=True):
    return view.contour(surfaces.ravine.but(b=b), minima=minima, width=200)


@pytest.fixture
def sliders():
    return controls.Controls(ravine, b=controls.log_slider(1.0, 100.0, 10.0), minima=controls.switch(True))


# --- the controls -------------------------------------------------------------------------------


def test_sliders_give_floats_or_whole_numbers():
    assert type(controls.slider(0, 10, 3).widget("n")).__name__ == "IntSlider"
    assert type(controls.slider(0.0, 1.0, 0.5).widget("η")).__name__ == "FloatSlider"
    log = controls.log_slider(0.01, 10.0, 0.1).widget("η")
    assert type(log).__name__ == "FloatLogSlider"
    assert (log.min, log.max, log.value) == (-2.0, 1.0, 0.1)
    assert not log.continuous_update
    menu = controls.choice([rules.sgd, rules.adam], rules.adam).widget("rule")
    assert menu.value is rules.adam
    assert [name for name, _ in menu.options] == ["sgd", "adam"]
    assert controls.switch(True).widget("x").value is True


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: controls.slider(1, 0, 0), ValueError, "low=1 and high=0"),
        (lambda: controls.slider(0, 1, 2), ValueError, "value=2 lies outside the slider, from 0 to 1"),
        (lambda: controls.slider(0, 1, 0, step=0), ValueError, "step=0"),
        (lambda: controls.log_slider(0.0, 1.0, 0.5), ValueError, "low=0.0.*positive"),
        (lambda: controls.log_slider(0.1, 1.0, 0.5, step=-1), ValueError, "step=-1"),
        (lambda: controls.choice([]), ValueError, "options is empty"),
        (lambda: controls.choice(["a", "b"], "c"), ValueError, "'c' is none of the options 'a', 'b'"),
        (lambda: controls.switch(1), TypeError, "value=1: a switch is True or False"),
        (lambda: controls.Controls(ravine, b=10.0), TypeError, "b=10.0 is no control.*slider"),
        (lambda: controls.Controls(ravine, c=controls.switch()), TypeError, r"ravine\(b=10.0.*c.*unexpected.*'c'"),
        (lambda: controls.Controls(lambda lr: None), TypeError, "no controls.*missing.*'lr'"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


# --- the picture, without a kernel --------------------------------------------------------------


def test_without_a_kernel_there_is_the_picture_alone(sliders):
    data, metadata = sliders._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == repr(sliders) == "<controls b, minima: ravine>"
    assert base64.b64decode(data["image/png"]) == ravine().png
    assert metadata["image/png"]["width"] == 200


def test_a_moved_slider_changes_the_picture(sliders):
    row, message, image = sliders.box.children
    assert [c.description for c in row.children] == ["b", "minima"]
    assert image.value == ravine().png
    sliders.widgets["b"].value = 100.0
    assert image.value == ravine(b=100.0).png != ravine().png
    sliders.widgets["minima"].value = False
    assert image.value == ravine(b=100.0, minima=False).png
    assert image.layout.width == "200px"
    assert message.value == ""


def test_labels_are_the_letters_of_the_formulas():
    names = {"lr": "η", "gamma": "γ", "beta1": "β₁", "b": "b"}

    def draw(lr, gamma, beta1, b):
        return ravine(b)

    made = controls.Controls(draw, **{name: controls.slider(0.0, 1.0, 0.5) for name in names})
    assert {name: control.description for name, control in made.widgets.items()} == names


def test_an_error_is_shown_in_place_and_goes_away():
    def draw(n):
        if n == 2:
            raise ValueError("n is <2>")
        return ravine(b=n)

    made = controls.Controls(draw, n=controls.slider(1, 3, 1))
    assert made.box
    made.widgets["n"].value = 2
    assert made.message.value == "<strong>ValueError</strong>: n is &lt;2&gt;"
    assert made.image.layout.display == "none"
    made.widgets["n"].value = 3
    assert made.message.value == ""
    assert made.image.layout.display == ""
    assert made.image.value == ravine(b=3).png
    with pytest.raises(ValueError, match="n is <2>"):  # at the starting values the author must hear of it
        controls.Controls(draw, n=controls.slider(1, 3, 2))._repr_mimebundle_()


def test_the_room_opens_without_matplotlib_and_without_ipywidgets():
    code = "import sys, optlib.widget; sys.exit(bool({'matplotlib', 'ipywidgets'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()}, check=True)


# --- in a notebook ------------------------------------------------------------------------------

DEFINE = """
from downhill_course.controls import Controls, log_slider
from optlib import surfaces, view
def ravine(b):
    return view.contour(surfaces.ravine.but(b=b), width=200)
sliders = Controls(ravine, b=log_slider(1.0, 100.0, 10.0))
"""
MOVE = """
before = sliders.image.value
sliders.widgets['b'].value = 100.0
sliders.image.value != before, sliders.image.value == ravine(100.0).png, sliders.message.value
"""


def executed(monkeypatch, *cells, **environment):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.delenv(STATIC, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
class TestNotebook:
    def test_a_live_kernel_shows_controls_that_answer(self, monkeypatch):
        notebook = executed(monkeypatch, DEFINE, "sliders", MOVE)
        shown = notebook.cells[1].outputs[0].data
        assert set(shown) == {VIEW, "image/png", "text/plain"}
        assert shown["text/plain"] == "<controls b: ravine>"
        assert shown[VIEW]["model_id"] in notebook.metadata.widgets[STATE]["state"]
        assert notebook.cells[2].outputs[0].data["text/plain"] == "(True, True, '')"

    def test_without_ipywidgets_there_is_the_picture_alone(self, monkeypatch):
        hide = "import sys; sys.modules['ipywidgets'] = None"
        notebook = executed(monkeypatch, hide + DEFINE, "sliders")
        assert set(notebook.cells[1].outputs[0].data) == {"image/png", "text/plain"}

    def test_what_is_committed_holds_no_trace_of_the_session(self, monkeypatch):
        notebook = executed(monkeypatch, DEFINE, "sliders", OPTLIB_STATIC="1")
        (output,) = notebook.cells[1].outputs
        assert set(output.data) == {"image/png", "text/plain"}
        assert output.metadata["image/png"]["width"] == 200
        assert Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).size[0] == 400
        assert "widgets" not in notebook.metadata
        assert "model_id" not in nbformat.writes(notebook)
        assert nbformat.writes(notebook).count(output.data["image/png"].strip()) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_example_at_a_time_has_the_surfaces_gradient_on_average(name):
    gradient, examples = EXAMPLES[name]
    for theta in (SURFACES[name].start, *SURFACES[name].minima):  # one of them has no minimum
        mean = np.mean([gradient(*theta, *example) for example in examples], axis=0)
        np.testing.assert_allclose(mean, SURFACES[name].grad(np.array(theta)), atol=1e-12)


def test_a_walk_is_saved_as_an_animation_and_a_scene_as_it_stands(tmp_path):
    explorer = Explorer("ravine")
    explorer.save(tmp_path / "walk.gif", seconds=0.5)
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 5
        first = film.convert("RGB").tobytes()
        film.seek(4)
        assert film.convert("RGB").tobytes() != first
    explorer.save(tmp_path / "scene.png")
    before = (tmp_path / "scene.png").read_bytes()
    explorer.state = {"steps": 3}
    explorer.save(tmp_path / "scene.png")
    assert (tmp_path / "scene.png").read_bytes() != before, "as it stands, not as it began"
    with pytest.raises(ValueError, match=r"'walk.doc' ends in '.doc'"):
        explorer.save(tmp_path / "walk.doc")
    with pytest.raises(ValueError, match=r"seconds=61"):
        explorer.save(tmp_path / "walk.gif", seconds=61)
    with pytest.raises(ValueError, match=r"only walks on a surface"):
        Explorer("orders").save(tmp_path / "orders.gif")
