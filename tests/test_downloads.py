"""A chapter that is taken away is the chapter as it was read."""

import nbformat
import pytest

from downhill_course.notebook.cells import HAN, language_of, read
from downhill_course.notebook.downloads import as_shown, offer
from downhill_course.notebook.running import all_notebooks
from downhill_course.notebook.views import VIEWS


@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.name)
@pytest.mark.parametrize("name", VIEWS)
def test_a_download_has_the_views_languages_and_all_code(path, name):
    whole, made = read(path), as_shown(read(path), VIEWS[name])
    nbformat.validate(nbformat.from_dict(made))
    kept = {language_of(cell) for cell in made["cells"]} - {None}
    assert kept == set(VIEWS[name].languages)
    code = [cell["source"] for cell in whole["cells"] if cell["cell_type"] == "code"]
    assert [cell["source"] for cell in made["cells"] if cell["cell_type"] == "code"] == code
    headings = [line for c in made["cells"] if c["cell_type"] == "markdown" and language_of(c) is None
                for line in c["source"].splitlines() if line.startswith("#")]  # fmt: skip
    assert headings
    assert not any(
        line.startswith("(") and line.endswith(")=") for c in made["cells"] for line in c["source"].splitlines()
    )
    if name == "en":
        assert not any(HAN.search(line) for line in headings)


def test_downloads_are_written_once(tmp_path):
    source = all_notebooks()[0].parent
    first = offer(VIEWS["zh"], source, tmp_path)
    times = [path.stat().st_mtime_ns for path in first]
    assert [path.stat().st_mtime_ns for path in offer(VIEWS["zh"], source, tmp_path)] == times
    assert {path.name for path in first} == {path.name for path in all_notebooks()}
