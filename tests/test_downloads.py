"""A chapter that is taken away is the chapter as it was read, and needs no extension of Jupyter."""

import re
from pathlib import Path
from shutil import copy2

import nbformat
import pytest

from downhill_course.notebook import comments, outputs, plain, twins
from downhill_course.notebook.cells import HAN, dumps, language_of, read, text_of
from downhill_course.notebook.downloads import offer
from downhill_course.notebook.running import all_notebooks
from downhill_course.notebook.setup_cell import SWITCH
from downhill_course.notebook.switch import markup
from downhill_course.notebook.views import VIEWS, table

SITE = "https://hills.example/"
#: What a Jupyter without extensions would print as it stands.
RAW = re.compile(r"\{[\w:-]+\}`|^[`:]{3,}\{|^\([^()\s]+\)=|\]\((?:set|now):|\]\([\w-]*\)|\]\([^)]*\.md\b", re.M)


@pytest.fixture(scope="module", params=VIEWS)
def downloads(request, tmp_path_factory):
    """A view's downloads: its name, and every notebook by its name."""
    made = offer(VIEWS[request.param], all_notebooks()[0].parent, tmp_path_factory.mktemp("site"), SITE)
    return request.param, {path.name: nbformat.read(path, as_version=4) for path in made}


def prose(notebook):
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def test_a_download_has_the_views_languages_and_all_code(downloads):
    name, made = downloads
    assert made.keys() == {path.name for path in all_notebooks()}
    for path in all_notebooks():
        cells = made[path.name]["cells"]
        assert {language_of(cell) for cell in cells} - {None} == set(VIEWS[name].languages)
        whole = [text_of(cell) for cell in read(path)["cells"] if cell["cell_type"] == "code"]
        if name != "both":
            whole = [code.removesuffix(SWITCH) for code in whole]
        if name == "zh":
            whole = [comments.in_chinese(code, table(path.parent / comments.FILE)) for code in whole]
        assert [cell["source"] for cell in cells if cell["cell_type"] == "code"] == whole
        headings = [line for c in cells if c["cell_type"] == "markdown" and language_of(c) is None
                    for line in c["source"].splitlines() if line.startswith("#")]  # fmt: skip
        assert headings
        assert name != "en" or not any(HAN.search(line) for line in headings)


def test_a_download_reads_well_without_any_extension(downloads):
    _, made = downloads
    for name, notebook in made.items():
        for text in prose(notebook):
            assert not RAW.search(text), (name, RAW.search(text)[0], text[:200])
    chapter = "\n".join(prose(made["03-momentum.ipynb"]))
    assert '[Polyak 1964](https://doi.org/10.1016/0041-5553%2864%2990137-5 "polyak1964")' in chapter
    assert "- Polyak 1964. [Some Methods of Speeding up" in chapter
    assert chapter.count("<details><summary>") >= 5


def test_links_of_a_download_lead_somewhere(downloads):
    _, made = downloads
    places = {name: set(re.findall(r'<a id="([^"]+)">', "\n".join(prose(notebook)))) for name, notebook in made.items()}
    for name, notebook in made.items():
        for target in re.findall(r"\]\(([^)\s]+)", "\n".join(prose(notebook))):
            file, _, label = target.partition("#")
            if target.startswith("http"):
                assert not target.startswith(SITE) or re.fullmatch(rf"{SITE}\w+/[\w-]+\.html(#[\w-]+)?", target)
            else:
                assert label in places[file or name] if label else file in made, f"{name} links to {target}"


@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.name)
def test_a_notebook_of_the_repository_is_plain_as_well(path):
    """Written once more it is the same: names, addresses and works follow from the bibliography, files from labels."""
    assert path.read_text(encoding="utf-8") == dumps(read(path), path.name), "run `make notebooks`"
    raw = "\n".join(prose(nbformat.read(path, as_version=4)))
    assert not re.search(r"\{[\w:-]+\}`|^[`:]{3,}\{|^\([^()\s]+\)=|\]\([\w-]*\)", raw, re.M)


def test_plain_and_myst_say_the_same():
    for text in (
        "(momentum)=\n# A · 甲", "by {cite:t}`polyak1964` and {cite:p}`goh2017,kingma2015`",
        "[there](adam) or [here](momentum)",
        "{cite:t}`goh2017` and [there](adam) {cite:p}`polyak1964`",
        "`[a](momentum)`, `{cite:p}` and\n\n```python\nx[0](momentum)\n```\n\nend [b](momentum)",
        "{cite:p}`nobody1900`, [c](nowhere)", plain.BIBLIOGRAPHY,
    ):  # fmt: skip
        there = plain.plain(text, "03-momentum.ipynb", ["goh2017"])
        assert plain.myst(there) == text
        assert plain.plain(plain.myst(there), "03-momentum.ipynb", ["goh2017"]) == there
    assert plain.myst(plain.spoken("x", "zh-CN")) == "x"
    assert plain.homes()["momentum"] == "03-momentum.ipynb#momentum"


def test_the_chinese_of_every_comment_is_used():
    """That none is missing is what the twins' check asks."""
    said = {text for path in all_notebooks() for _, _, text in comments.visible(read(path))}
    known = table(all_notebooks()[0].parent / comments.FILE)
    assert known.keys() <= said, f"no code says {sorted(known.keys() - said)} any more: take them out"
    assert all(HAN.search(chinese) or chinese == english for english, chinese in known.items())


def test_every_printed_word_is_chinese_and_every_phrase_is_used():
    """No English word of four letters or more in an output of the Chinese view, the names in the table apart."""
    known = outputs.Phrases.read(all_notebooks()[0].parent)
    used: set[str] = set()
    for path in all_notebooks():
        found = outputs.left(read(path), known, used.add)
        assert [(path.name, cell["id"], word, line) for _, cell, word, line in found] == []
    assert known.chinese.keys() <= used, f"nothing prints {sorted(known.chinese.keys() - used)}: take them out"


@pytest.mark.parametrize(
    ("printed", "chinese"),
    [
        ("rate 0.5, 3 of 12 arrive: rate", "学习率 0.5, 12 个里有 3 个到达：学习率"),
        ("0.1 to 0.4, overrated", "0.1 至 0.4, overrated"),  # a word inside another is left
        ("rate    2\n0.25    2", "学习率  2\n0.25    2"),  # columns stay
        ("steps  1.0\nrate   2.0", "阶梯   1.0\n学习率 2.0"),  # by two columns a character
        ("a  steps\n1      2", "a   步数\n1      2"),  # a head ends where its numbers end
        ("problem · 问题 | 2", "问题 | 2"),
        ("steps 3, steps", "阶梯 3, 步数"),
        ("lr=1, rate=2", "lr=1, rate=2"),  # an argument keeps its name
        ("lr   0.5\nrate 0.5", "lr   0.5\n学习率 0.5"),  # the longest head of a column may need more
        ("ideal  0.5\nsteps: 0.5", "ideal  0.5\n阶梯： 0.5"),
        ("steps   : 3\nbest of : 5", "阶梯：    3\nbest of:  5"),  # a colon follows its word
        ("rate, a b     1.0\nideal         1.0", "学习率，a b   1.0\nideal         1.0"),  # also farther to the right
        ("every  5 steps\nevery 10 steps", "每  5 步\n每 10 步"),
    ],
)
def test_what_is_printed_is_said_in_chinese(printed, chinese):
    table = {"rate": "学习率", "# of # arrive": "{2} 个里有 {1} 个到达", "steps": "步数", "^steps": "阶梯"}
    table["every # steps"] = "每 # 步"
    assert outputs.in_chinese(printed, outputs.Phrases(table, frozenset(), frozenset())) == chinese


def test_an_english_word_that_is_left_is_named_with_its_line(tmp_path):
    cell = nbformat.v4.new_code_cell("run()", id="run", outputs=[nbformat.v4.new_output("stream", text="lost rate")])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (tmp_path / outputs.FILE).write_text("names: []\nphrases: {rate: 学习率}\n", encoding="utf-8")
    nbformat.write(notebook, path := tmp_path / "a.ipynb")
    messages = [problem.message for problem in twins.check(path, [])]
    assert any("it prints “lost” in “lost rate”" in message for message in messages)


def test_without_a_site_a_link_to_a_page_is_its_words(tmp_path):
    (tmp_path / "run.md").touch()
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# A · 甲\n\nSee [it](run.md#run).", id="a")]
    )
    Path(tmp_path / "a.ipynb").write_text(dumps(notebook, "a.ipynb"), encoding="utf-8")
    text = offer(VIEWS["en"], tmp_path, tmp_path / "out")[0].read_text(encoding="utf-8")
    assert "See it." in text
    assert "# A\\n" in text


def test_a_click_leaves_one_language_of_a_live_notebook(chrome):
    """In the notebook's own frame the buttons hide the other language; anywhere else they do not show."""
    cells = "".join(
        f"<div class='jp-MarkdownCell' id='{name}'>{text}</div>"
        for name, text in {"en": "<div lang='en'>A</div>", "zh": "<div lang='zh-CN'>甲</div>", "all": "A · 甲"}.items()
    )
    page = chrome.new_page()
    page.set_content(f"<div class='jp-Notebook'>{markup()}{cells}</div>")
    for wanted, shown in {"zh": ["zh", "all"], "en": ["en", "all"], "both": ["en", "zh", "all"]}.items():
        page.locator(f".downhill-{wanted}").check()
        assert [name for name in ("en", "zh", "all") if page.locator(f"#{name}").is_visible()] == shown
    page.set_content(f"<div class='somewhere'>{markup()}{cells}</div>")
    assert page.locator(".downhill-switch").is_hidden()
    page.close()


def test_downloads_are_written_once(tmp_path):
    copy2(all_notebooks()[0], tmp_path)
    first = offer(VIEWS["zh"], tmp_path, tmp_path)
    times = [path.stat().st_mtime_ns for path in first]
    assert [path.stat().st_mtime_ns for path in offer(VIEWS["zh"], tmp_path, tmp_path)] == times
