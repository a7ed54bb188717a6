"""The site's machinery on a sample book: what each view shows, and what a fault in a source says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sample import CHOICE, ENGLISH_ONLY, HIDDEN_PHRASE, build, figure, heading, prose, sample_notebook, write_book

from downhill_course.notebook import questions
from downhill_course.notebook.views import TAGS, VIEWS, cut_toc
from downhill_course.pages.bilingual import cut_headings, place_of, read_notebook, without_definitions
from downhill_course.pages.theme import interface
from downhill_course.publish.build import mirror, present

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def site(sample_book):
    """The sample book, built in all views: view -> the chapter's page."""
    return {
        view: BeautifulSoup((sample_book / "site" / view / "sample.html").read_text("utf-8"), "html.parser")
        for view in VIEWS
    } | {"folder": sample_book}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_its_languages_and_no_other(site, view):
    text = site[view].select_one("article").get_text()
    assert (ENGLISH_ONLY in text) == ("en" in VIEWS[view].languages)
    assert (HIDDEN_PHRASE in text) == ("zh" in VIEWS[view].languages)
    assert site[view].html["lang"] == VIEWS[view].tag
    assert {p["lang"] for p in site[view].select(".passage")} == {TAGS[name] for name in VIEWS[view].languages}


@pytest.mark.parametrize(
    ("view", "title", "part", "caption"),
    [
        ("en", "A walk in fog", "Start", "Figure 1"),
        ("zh", "雾中行走", "起步", "图 1"),
        ("both", "A walk in fog · 雾中行走", "Start · 起步", "Figure · 图 1"),
    ],
)
def test_headings_contents_and_figure_names_are_cut(site, view, title, part, caption):
    page = site[view]
    assert page.h1.get_text().removesuffix(page.h1.a.get_text()) == title
    assert page.title.get_text().startswith(title + " - ")
    assert page.select_one(".sidebar-tree .caption-text").get_text() == part
    assert page.select_one(".caption-number").get_text().strip() == caption


def test_every_view_has_the_same_places_and_labels(site):
    places = {view: [e["id"] for e in site[view].select(".place[id]")] for view in VIEWS}
    assert places["en"] == places["zh"] == places["both"]
    assert {"p-why", "c-still-code", "p-walk-5"} <= set(places["en"])
    for view in VIEWS:
        ids = [e["id"] for e in site[view].select("[id]")]
        assert len(ids) == len(set(ids))
        assert {"sample", "slope", "careful-label", "equation-update-rule", "fig-still"} <= set(ids)


def test_pairs_stand_side_by_side_only_in_the_double_view(site):
    assert not site["en"].select(".pair")
    assert not site["zh"].select(".pair")
    pairs = site["both"].select(".pair:not(form *)")
    assert len(pairs) == 15
    assert all([child["lang"] for child in pair.find_all(recursive=False)] == ["en", "zh-CN"] for pair in pairs)


def test_a_listing_of_both_languages_stands_once_across_the_double_view(site):
    for view in VIEWS:
        assert site[view].select_one("article").get_text().count("x -= g") == 1
    before = site["both"].select_one("#p-fence.pair")
    code = before.find_next_sibling()
    assert (before.get_text(" ", strip=True), code.get_text().strip()) == ("A step: 一步：", "x -= g")
    assert code.find_next_sibling().get_text(" ", strip=True) == "That is all. 没有了。"


def test_a_link_to_a_bilingual_heading_speaks_the_language_around_it(site):
    english, chinese = site["both"].select('#p-why a[href="#slope"]')
    assert (english.get_text(), chinese.get_text()) == ("The slope", "坡度")


def test_chinese_lines_join_without_a_space(site):
    text = site["zh"].select_one("#p-lines").get_text().strip()
    assert text == "一行，two lines\n又一行。第三行，第四行。"
    assert site["both"].select_one('#p-lines [lang="zh-CN"]').get_text().strip() == text


def test_footnotes_of_the_two_languages_do_not_meet(site):
    notes = [note.get_text() for note in site["both"].select("aside.footnote")]
    assert len(notes) == 2
    assert "A footnote" in notes[0]
    assert "一条脚注" in notes[1]
    assert len(site["zh"].select("aside.footnote")) == 1


@pytest.mark.parametrize(
    ("view", "alt", "captions"),
    [
        ("en", "Rings and a line, still", 1),
        ("zh", "几个圆环和一条线，still", 1),
        ("both", "Rings and a line, still / 几个圆环和一条线，still", 2),
    ],
)
def test_figures_have_alt_text_and_caption_in_the_view_s_language(site, view, alt, captions):
    shown = site[view].select_one("#fig-still")
    assert shown.img["alt"] == alt
    assert (shown.img["width"], shown.img["height"]) == ("640", "400")
    assert len(shown.select("figcaption .katex-html")) == captions
    assert bool(shown.select('figcaption .passage[lang="zh-CN"]')) == (view == "both")


def test_an_animation_stands_still_for_print_and_reduced_motion(site):
    source = site["en"].select_one("#fig-moving picture source")
    assert "prefers-reduced-motion" in source["media"]
    assert "print" in source["media"]
    still = site["folder"] / "site" / "en" / source["srcset"]
    assert b"acTL" not in still.read_bytes()
    assert not site["en"].select("#fig-still picture")


def test_formulas_are_rendered_and_nothing_is_fetched(site):
    for view in VIEWS:
        assert all(math.select(".katex") for math in site[view].select("article .math"))
        scripts = [tag.get("src") or tag.get("href") for tag in site[view].select("script[src], link[rel=stylesheet]")]
        assert len(scripts) == len(set(scripts))
        assert not [name for name in scripts if name.startswith("http") or "thebe" in name or "require" in name]


def test_a_listing_shows_its_code_and_no_call(site):
    assert "theta - lr * g" in site["en"].get_text()
    assert "view.listing" not in site["en"].get_text()


def test_folded_code_opens_and_says_what_it_is(site):
    words = {view: site[view].select_one("details.folded > summary").get_text() for view in VIEWS}
    assert words == {"en": "Code", "zh": "代码", "both": "Code · 代码"}
    assert "wider than a telephone" in site["zh"].select_one("details.folded").get_text()


@pytest.mark.parametrize("view", VIEWS)
def test_words_that_set_and_read_a_figure(site, view):
    """Buttons and live lines in every view, in the passage's language, of the figure with that name."""
    told = {"en": "swings; does not arrive within 100 updates", "zh": "来回摆；更新 100 次仍未到达"}
    buttons, lines = site[view].select("button.figure-set"), site[view].select("output.figure-now")
    assert [json.loads(b["data-values"]) for b in buttons] == [{"gamma": "0.8", "lr": "0.019"}] * len(buttons)
    assert all(button.select_one(".katex") for button in buttons)
    assert [line.get_text() for line in lines] == [told[language] for language in VIEWS[view].languages]
    assert len(buttons) == len(lines)
    figures = {point["data-figure"] for point in site[view].select("[data-downhill-explorer]")}
    assert {each["data-figure"] for each in (*buttons, *lines)} == {"fig-ravine"} < figures


def test_faults_of_a_notebook_are_errors_that_name_the_cell(tmp_path):
    bad_figure = figure("unseen", alt={"en": "Rings"})
    notebook = sample_notebook(
        *prose("lost", "See [](nowhere-at-all).", "见 [](nowhere-at-all)。"),
        heading("lonely", "Only English"),
        bad_figure,
        *prose("cites", "So says {cite:t}`nobody1900`.", "{cite:t}`nobody1900` 这样说。"),
        *prose(
            "driven-wrongly",
            "[a](set:fig-nowhere?lr=1) [b](set:fig-ravine?lx=1) [c](set:fig-ravine?lr=-1) [d](now:fig-ravine?arival)",
            "[到](now:fig-ravine?arrival) [a](set:fig-ravine?steps=many)",
        ),
        *prose("formula", "Here $\\frac{1}{$ ends.", "这里 $\\frac{1}{$ 结束。"),
    )
    asks = write_book(tmp_path, notebook) / questions.FOLDER / "sample.yml"
    asks.parent.mkdir()
    asks.write_text(yaml.safe_dump([CHOICE], allow_unicode=True), encoding="utf-8")
    result = build(tmp_path, "both")
    said = result.stdout + result.stderr
    assert result.returncode != 0
    for message in (
        "(lost-en), near line 1: WARNING: 'myst' cross-reference target not found: 'nowhere-at-all'",
        "(lonely-heading), near line 1: WARNING: the heading 'Only English' is not bilingual",
        "(unseen-code), near line 1: WARNING: the figure has no alt text for zh",
        "(cites-en), near line 1: WARNING: could not find bibtex key",
        "[a](set:fig-nowhere?lr=1): no explorer on this page is called 'fig-nowhere'; there are fig-ravine",
        '[b](set:fig-ravine?lx=1): this figure has no "lx"',
        "(driven-wrongly-en), near line 1: WARNING: [c](set:fig-ravine?lr=-1): momentum: lr = -1 is not allowed",
        '[d](now:fig-ravine?arival): this figure has no "arival"',
        "[到](now:fig-ravine?arrival): the figure says '更新 100 次仍未到达' here, the text '到'",
        "(driven-wrongly-zh), near line 1: WARNING: [a](set:fig-ravine?steps=many): steps = ",
        "(formula-en), near line 1: WARNING: a formula does not render: ParseError",
    ):
        assert message in said
    told = [line for line in said.splitlines() if "WARNING" in line]
    stale = "the questions in the notebook are not those of its file: run `downhill questions book/sample.ipynb`"
    assert sum(stale in line for line in told) == 1
    assert all("sample.ipynb: cell" in line for line in told if stale not in line)
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("environment.pickle")), "a second build must not forget the faults"


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    write_book(tmp_path, sample_notebook())
    (tmp_path / "pages" / "sample.ipynb").write_text("{ not json", encoding="utf-8")
    result = build(tmp_path, "en")
    assert result.returncode != 0
    assert "sample.ipynb" in result.stdout + result.stderr


def test_a_second_build_writes_nothing_new(site):
    def times():
        return {path: path.stat().st_mtime_ns for path in (site["folder"] / "site").rglob("*") if path.is_file()}

    before = times()
    again = build(site["folder"], "zh")
    assert again.returncode == 0, again.stdout + again.stderr
    assert times() == before


def test_headings_are_cut_but_not_the_comments_of_code():
    text = "# Down · 下山\n\n```bash\n# no heading · at all\n```\n\n## Alone\n"
    complaints: list[str] = []
    assert cut_headings(text, VIEWS["zh"], complaints.append) == (
        "# 下山\n\n```bash\n# no heading · at all\n```\n\n## Alone\n"
    )
    assert complaints == ["Alone"]


def test_the_second_language_defines_nothing_twice():
    text = "(here)=\n如下：\n\n$$ x $$ (eq-x)\n\n```{math}\n:label: eq-y\ny\n```\n脚注[^n]\n\n[^n]: 注。\n"
    assert without_definitions(text) == "如下：\n\n$$ x $$\n\n```{math}\ny\n```\n脚注[^n-zh]\n\n[^n-zh]: 注。\n"


def test_a_chinese_passage_alone_keeps_the_labels_of_its_twin():
    cells = [dict(cell) for cell in prose("a", "(spot)=\nHere.", "这里。")]
    read = read_notebook({"cells": cells}, VIEWS["zh"], lambda *fault: pytest.fail(str(fault)))
    assert read["cells"][0]["source"] == ""
    assert "(spot)=\n这里。" in read["cells"][1]["source"]


def test_reading_keeps_the_number_of_cells():
    cells = [heading("h", "A · 甲"), *prose("p", "text", "文字"), new_code_cell("1 + 1", id="sum")]
    for view in VIEWS.values():
        notebook = nbformat.from_dict(new_notebook(cells=[nbformat.from_dict(cell) for cell in cells]))
        assert len(read_notebook(notebook, view, None)["cells"]) == 4


def test_places_are_ids_without_the_language():
    assert [place_of(cell) for cell in prose("why", "a", "b")] == ["p-why", "p-why"]
    assert place_of(new_markdown_cell("x", id="rule")) == "p-rule"
    assert place_of(new_code_cell("x", id="why")) == "c-why"  # may stand beside why-en and why-zh


def test_the_contents_are_cut_and_lack_what_is_not_there(tmp_path, capsys):
    (tmp_path / "a.md").touch()
    toc = {
        "root": "a",
        "parts": [
            {"caption": "Start · 起步", "chapters": [{"file": "a"}, {"file": "b"}]},
            {"caption": "Later · 后来", "chapters": [{"file": "c"}]},
        ],
    }
    assert cut_toc(present(toc, tmp_path), VIEWS["zh"]) == {
        "root": "a",
        "parts": [{"caption": "起步", "chapters": [{"file": "a"}]}],
    }
    assert "b is in the table of contents" in capsys.readouterr().out


def test_mirror_copies_what_changed_and_removes_what_is_gone(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "new.txt").write_text("new")
    target.mkdir()
    (target / "old.txt").write_text("old")
    mirror(source, target)
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["new.txt"]
    (source / "sub" / "new.txt").write_text("NEW")
    os.utime(source / "sub" / "new.txt", (1, 1))
    mirror(source, target)
    assert (target / "sub" / "new.txt").read_text() == "NEW", "what counts is what a file says, not its time or size"


def test_a_changed_theme_is_noticed():
    with pytest.raises(SystemExit, match="Furo has changed"):
        interface("<body></body>", VIEWS["en"], "", False)
