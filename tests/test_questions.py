"""Questions: read and answered by the library, asked in the page, remembered in the browser, folded in Jupyter."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import axe
import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from pages import BOTH_NOW, PHONE, ROOT, SITE
from sample import CHOICE, DRAG, NUMBER, ORDER, ROWS, in_stored_form, notebook_with_explorer, written

from downhill_course.notebook import questions, twins
from downhill_course.notebook.cells import write
from downhill_course.notebook.measure import QUESTION, measure
from downhill_course.notebook.questions import Faults, load
from downhill_course.notebook.running import normalise
from downhill_course.notebook.views import TAGS, VIEWS
from downhill_course.pages.asking import drag_faults
from downhill_course.publish.build import main

BOOK = ROOT / "book"
ASKING = [path.stem for path in sorted((BOOK / questions.FOLDER).glob("*.yml"))]

# --- reading ------------------------------------------------------------------------------------------


@pytest.fixture
def chapter(tmp_path):
    return written(tmp_path, ROWS)


def test_answers_are_computed(chapter):
    number, choice, order, drag = questions.of(chapter)
    assert number.answer == pytest.approx(199)
    assert number.shown == "199"
    assert [wrong for wrong, _ in number.wrong] == [pytest.approx(100)]
    assert number.accepts(197)
    assert not number.accepts(100)
    assert choice.answer == 1
    assert order.answer == [0, 2, 1]
    assert order.start == [0, 1, 2]
    assert drag.until == (("arrival", "<", 60.0),)
    assert json.loads(json.dumps(number.data())) == {
        "answer": number.answer, "tolerance": 0.02, "wrong": [number.wrong[0][0]],
    }  # fmt: skip


def test_an_order_is_never_shown_solved(tmp_path):
    (question,) = load_rows(tmp_path, [{**ORDER, "answer": "[0, 1, 2]"}])
    assert sorted(question.start) == [0, 1, 2]
    assert question.start != question.answer


def load_rows(folder: Path, rows) -> list[questions.Question]:
    path = folder / "sample.yml"
    path.write_text(yaml.safe_dump(rows, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return load(path, notebook_with_explorer())


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**NUMBER, "answer": None}, "sample-share: answer: is missing"),
        ({**NUMBER, "why": None}, "sample-share: why: is missing"),
        ({**NUMBER, "kind": "guess"}, "sample-share: kind: 'guess' is none of number, choice, order, drag"),
        ({**NUMBER, "id": "Share"}, "Share: id: 'Share' is no name such as momentum-steady"),
        ({**NUMBER, "ask": {"en": "How much?"}}, "sample-share: ask: lacks zh"),
        ({**NUMBER, "ask": "How much?"}, "sample-share: ask: write {en: …, zh: …}, not 'How much?'"),
        ({**NUMBER, "hint": "x"}, "sample-share: hint: a number has no such field"),
        ({**NUMBER, "after": "nowhere"}, "sample-share: after: sample has no cell 'nowhere'"),
        ({**NUMBER, "answer": "199"}, "sample-share: answer: '199' is typed: write the expression that computes it"),
        ({**NUMBER, "answer": "gama"}, "sample-share: answer: 'gama' cannot be computed: NameError"),
        ({**NUMBER, "answer": "gamma / 0 * np.inf"}, "sample-share: answer: 'gamma / 0 * np.inf' cannot be computed"),
        ({**NUMBER, "answer": "np.float64(np.inf)"}, "and a finite number is needed"),
        ({**NUMBER, "setup": "gamma = 1 /"}, "sample-share: setup: SyntaxError"),
        ({**NUMBER, "confirm": "answer < 100"}, "sample-share: confirm: with the answer"),
        ({**NUMBER, "tolerance": 2}, "sample-share: tolerance: 2 is no share between 0 and 1"),
        ({**NUMBER, "exact": True}, "sample-share: exact: write `exact: true` without a tolerance"),
        ({**NUMBER, "digits": 1, "tolerance": 0.001}, "tolerance: the page writes 200, which is not within 0.001"),
        (
            {**NUMBER, "wrong": [{"is": "198", "say": {"en": "a", "zh": "一"}}]},
            "wrong[0]: 198 counts as the answer 199",
        ),
        ({**NUMBER, "wrong": [{"is": "10"}]}, "sample-share: wrong[0]: write `is:`"),
        ({**CHOICE, "answer": "2"}, "sample-limit: answer: 2 is no index of an option, 0 to 1"),
        ({**CHOICE, "answer": "0"}, "sample-limit: options[0].say: this option is the right one and needs no `say`"),
        (
            {**CHOICE, "options": ["$a$", "$b$"]},
            "sample-limit: options[0].say: this option is wrong and lacks its `say`",
        ),
        ({**CHOICE, "options": ["$a$"]}, "sample-limit: options: write two to 8"),
        ({**ORDER, "answer": "[0, 1, 1]"}, "sample-order: answer: [0, 1, 1] does not hold each of 0 to 2 once"),
        ({**ORDER, "answer": "3"}, "sample-order: answer: 3 is no order"),
        ({**ORDER, "items": ["SGD", "faster than that", "2"]}, "sample-order: items[1]: write {en: …, zh: …}"),
        ({**DRAG, "figure": "fig-still"}, "sample-drag: figure: sample has no explorer in a figure named 'fig-still'"),
        ({**DRAG, "until": {"arrival": "soon"}}, "sample-drag: until: 'soon' is no condition such as '< 60'"),
        ({**DRAG, "until": "arrival < 60"}, "sample-drag: until: write a reading and a condition"),
        ({**DRAG, "answer": "lr=1"}, "sample-drag: answer: write the explorer's settings"),
        ("?", "question 1: question: expected fields such as id and ask, found '?'"),
    ],
)
def test_a_fault_names_file_question_and_field(tmp_path, row, told):
    with pytest.raises(Faults, match=re.escape(told)) as caught:
        load_rows(tmp_path, [row])
    assert str(caught.value).startswith(f"{tmp_path.name}/sample.yml: ")


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(Faults) as caught:
        load_rows(tmp_path, [{**NUMBER, "kind": ""}, {**ORDER, "answer": ""}, CHOICE, CHOICE])
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "sample-share", "sample-order", "sample-limit",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), [("- id: [", "not YAML"), ("", "write a list"), ("id: x", "write a list")])
def test_a_file_that_is_no_list_of_questions(tmp_path, text, told):
    (tmp_path / "sample.yml").write_text(text, encoding="utf-8")
    with pytest.raises(Faults, match=told):
        load(tmp_path / "sample.yml")


def test_an_id_is_given_once_in_the_whole_course(chapter):
    (chapter.parent / questions.FOLDER / "other.yml").write_text("- id: x", encoding="utf-8")
    with pytest.raises(Faults, match=r"other\.yml: there is no chapter other\.ipynb"):
        questions.all_of(chapter.parent)
    (chapter.parent / "other.ipynb").write_bytes(chapter.read_bytes())
    rows = yaml.safe_dump([CHOICE], allow_unicode=True)
    (chapter.parent / questions.FOLDER / "other.yml").write_text(rows, encoding="utf-8")
    with pytest.raises(Faults, match="sample-limit: id: other has one of that name too"):
        questions.all_of(chapter.parent)


def test_the_course_asks_what_the_library_answers():
    assert list(questions.all_of(BOOK)) == ASKING


# --- both languages, and Jupyter ----------------------------------------------------------------------


def test_the_twins_check_reads_questions(tmp_path):
    path = tmp_path / "sample.yml"
    wrong = {**NUMBER, "why": {"en": "It is $2/L$ after 3 steps.", "zh": "三步之后是 $3/L$。"}}
    path.write_text(yaml.safe_dump([wrong], allow_unicode=True), encoding="utf-8")
    told = [str(problem) for problem in twins.check(path, ())]
    assert any(line.startswith("sample.yml: sample-share, why: ") and "2/L" in line for line in told)
    assert path not in twins.all_sources()
    assert {f"{name}.yml" for name in ASKING} <= {source.name for source in twins.all_sources()}


def test_in_jupyter_a_question_is_text_with_a_folded_answer(chapter):
    cells = {cell.id: cell for cell in nbformat.read(chapter, 4).cells}
    ids = list(cells)
    text = cells["question-sample-share-en"].source
    assert text.startswith(
        "**Check yourself.** How much more at $\\gamma = 0.99$?\n\n<details><summary>Answer</summary>\n\n"
    )
    assert "**199** It is 199: see" in text
    assert "- 100: That is agreement alone." in text
    assert text.endswith("</details>")
    assert "**自测**：" in cells["question-sample-share-zh"].source
    assert ids[ids.index("slope-text-zh") + 1] == "question-sample-share-en", "behind the pair, not inside it"
    assert "B. $1/L$" in cells["question-sample-limit-en"].source
    assert "SGD → 2 → 三步" in cells["question-sample-order-zh"].source
    assert "`lr = 0.019`, `gamma = 0.8`" in cells["question-sample-drag-en"].source


def test_question_cells_are_no_prose_of_the_chapter(chapter):
    asked = nbformat.read(chapter, 4)
    plain = notebook_with_explorer()
    assert measure(asked) == measure(plain)
    due = [translation.place for translation in twins.translations(asked) if translation.due]
    assert not [place for place in due if QUESTION in place]


def test_writing_them_again_changes_nothing_and_a_stale_one_is_noticed(chapter):
    notebook = nbformat.read(chapter, 4)
    assert questions.put(nbformat.read(chapter, 4), chapter) == notebook
    write(chapter, normalise(notebook, "sample"))
    assert in_stored_form(chapter)
    path = questions.file_of(chapter)
    path.write_text(path.read_text("utf-8").replace("By size.", "By their size."), encoding="utf-8")
    assert not in_stored_form(chapter)


# --- the page -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(sample_book):
    """The book that asks, built in all views."""
    return sample_book / "site"


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_holds_each_question_in_its_languages(site, view):
    page = BeautifulSoup((site / view / "sample.html").read_text("utf-8"), "html.parser")
    forms = page.select("form.question")
    assert [form["data-id"] for form in forms] == ["sample-limit", "sample-share", "sample-order", "sample-drag"]
    for form, kind in zip(forms, ("choice", "number", "order", "drag"), strict=True):
        assert form["data-kind"] == kind
        asked = form.select(".question-ask .passage")
        assert [passage["lang"] for passage in asked] == [TAGS[name] for name in VIEWS[view].languages]
    assert not page.find(string=re.compile(r"\*\*Check|<details>"))
    assert not page.select("[id^='p-question-']")
    assert forms[1].select_one(".question-solution").get_text() == "199"
    assert forms[1].select_one("a[href='#careful-label']"), "a text may lead into the page"
    assert page.select("script[src*='questions.js']")


def test_only_pages_that_ask_have_the_files(site):
    assert "questions.js" in (site / "en" / "index.html").read_text("utf-8")
    assert "questions.js" not in (site / "en" / "search.html").read_text("utf-8")
    forms = (site / "en" / "_static" / "questions" / "sample.js").read_text("utf-8")
    assert "sample.html#careful-label" in forms


def test_the_search_finds_no_answers(site):
    index = (site / "en" / "search-index.js").read_text("utf-8")
    assert "Where does the line end" in index
    assert "Which rate still arrives" not in index
    assert "agreement alone" not in index


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"answer": {"momentum.lr": 0.018, "gamma": 0.9}}, ["answer: then the figure says '"]),
        ({"answer": {"rate": 1}}, ["answer or until: "]),
        ({"until": {"arrived": "< 60"}}, ["answer or until: "]),
        ({"until": {"arrival": "> 60"}}, ["until: holds before anything is dragged", "answer: then"]),
    ],
)
def test_the_figure_itself_confirms_what_is_to_be_dragged(tmp_path, change, told):
    notebook = notebook_with_explorer()
    path = tmp_path / "sample.yml"
    path.write_text(yaml.safe_dump([{**DRAG, **change}], allow_unicode=True), encoding="utf-8")
    faults = drag_faults(tuple(load(path, notebook)), notebook)
    assert len(faults) == len(told)
    for start in told:
        assert any(fault.startswith(f"questions/sample.yml: sample-drag: {start}") for fault in faults), faults


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answer": ""}, "questions/sample.yml: sample-share: answer: is missing"),
        ({"ask": {"en": "x"}}, "questions/sample.yml: sample-share: ask: lacks zh"),
        ({"after": "nowhere"}, "questions/sample.yml: sample-share: after: sample has no cell 'nowhere'"),
    ],
)
def test_a_bad_file_fails_the_build_and_names_the_place(tmp_path, capsys, change, told):
    written(tmp_path, [{**NUMBER, **change}])
    where = {"source": "pages", "toc": "_toc.yml", "out": "site"}
    line = [word for option, name in where.items() for word in (f"--{option}", str(tmp_path / name))]
    assert main([*line, "--views", "en"]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


# --- answering ----------------------------------------------------------------------------------------


@pytest.fixture(params=["http", "file"])
def base(request, site, served):
    return served(site) if request.param == "http" else site.as_uri()


def kept(page) -> dict:
    return json.loads(page.evaluate("localStorage.getItem('downhill-questions')") or '{"cards": {}}')["cards"]


def verdict(form) -> str:
    return form.locator(".question-verdict").text_content()


def hear(form, words: str) -> None:
    """Wait until this is the verdict: a figure tells what it shows when it has drawn it."""
    form.page.wait_for_function(
        "([form, words]) => form.querySelector('.question-verdict').textContent === words",
        arg=[form.element_handle(), words],
    )


def test_a_number_is_answered_at_once(visit, site, served):
    page = visit("en/sample.html", base=served(site))
    for written_as, right, told, say in (
        ("199", True, "Right.", None),
        ("１９８．５", True, "Right.", None),
        ("398/2", True, "Right.", None),
        ("1.99e2", True, "Right.", None),
        ("100", False, "Not quite.", "That is agreement alone."),
        ("1,000", False, "Not quite: too large.", None),
        ("0,5", False, "Not quite: too small.", None),
        ("50%", False, "Not quite: too small.", None),
        ("alert(1)", None, "Write a number, such as 0.02, 1/3 or 2e-4.", None),
    ):
        page.evaluate("localStorage.clear()")
        page.reload()
        form = page.locator("form[data-kind=number]")
        assert form.locator(".question-answer").get_attribute("open") is None
        form.locator("input").fill(written_as)
        form.locator("input").press("Enter")
        assert verdict(form) == told, written_as
        assert form.locator(".question-say:visible").all_inner_texts() == ([say] if say else []), written_as
        assert (form.locator(".question-answer").get_attribute("open") is not None) == (right is not None), written_as
        assert [card["right"] for card in kept(page).values()] == ([] if right is None else [right]), written_as
    assert page.troubles == []


def test_every_kind_is_answered_by_keyboard_alone_also_from_disk(visit, base):
    page = visit("both/sample.html", base=base)
    choice = page.locator("form[data-kind=choice]")
    choice.locator("input").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert verdict(choice) == "Right. · 答对了。"
    order = page.locator("form[data-kind=order]")
    order.locator("li").nth(2).get_by_role("button").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.by") == "-1", "the focus stays with the item"
    assert verdict(order) == "Now number 2 of 3. · 现在排第 2，共 3 项。"
    order.get_by_role("button").last.focus()
    page.keyboard.press("Space")
    assert verdict(order) == "Right. · 答对了。"
    assert {name: card["right"] for name, card in kept(page).items()} == {"sample-limit": True, "sample-order": True}
    assert page.troubles == []


def test_dragging_answers_and_the_figure_shows_what_was_asked(visit, base):
    page = visit("both/sample.html", base=base)
    form = page.locator("form[data-kind=drag]")
    page.evaluate("async () => (await downhillFigure('fig-live')).set({ lr: 0.03 })")
    assert verdict(form) == ""
    page.evaluate("async () => (await downhillFigure('fig-live')).set({ lr: 0.019, gamma: 0.8 })")
    hear(form, "Right. · 答对了。")
    assert kept(page)["sample-drag"]["right"] is True
    page.evaluate("localStorage.clear()")
    page.reload()
    form.get_by_role("button", name="Show me").press("Enter")
    page.wait_for_function("downhillFigure('fig-live').then((figure) => figure.holds({ lr: 0.019, gamma: 0.8 }))")
    hear(form, "The figure shows it. · 图上已经演示。")
    assert kept(page)["sample-drag"]["right"] is False
    assert page.troubles == []


def test_who_looks_first_does_not_know_it_yet(visit, site, served):
    page = visit("zh/sample.html", base=served(site))
    form = page.locator("form[data-kind=number]")
    form.locator("summary").click()
    page.wait_for_function("localStorage.getItem('downhill-questions')")
    form.locator("input").fill("199")
    form.locator("input").press("Enter")
    assert verdict(form) == "答对了。"
    assert kept(page)["sample-share"]["right"] is False


def test_without_scripts_it_is_a_text_with_a_folded_answer(visit, site, served):
    page = visit("zh/sample.html", base=served(site), java_script_enabled=False)
    form = page.locator("form[data-kind=number]")
    assert form.locator("input").is_hidden()
    assert form.locator(".question-say").is_hidden()
    form.locator("summary").click()
    assert "是 199" in form.inner_text()


@pytest.mark.parametrize("view", BOTH_NOW)
def test_axe_finds_nothing(visit, site, served, view):
    page = visit(f"{view}/sample.html", PHONE, base=served(site))
    form = page.locator("form[data-kind=number]")
    form.locator("input").fill("100")
    form.locator("input").press("Enter")
    assert axe.light_and_dark(page, "form.question") == []


# --- day after day ------------------------------------------------------------------------------------

CLOCK = "{ const now = Date.now; window.daysLater = %d; Date.now = () => now() + window.daysLater * 864e5; }"


def answered(page, number: str, later: int) -> dict:
    """Answer the number that many days from now; what is remembered then."""
    page.evaluate(f"window.daysLater = {later}")
    page.evaluate("document.querySelector('form[data-kind=number] .question-answer').open = false")
    form = page.locator("form[data-kind=number]")
    form.locator("input").fill(number)
    form.locator("input").press("Enter")
    card = kept(page)["sample-share"]
    return {"right": card["right"], "in": card["due"] - page.evaluate(TODAY_IS)}


TODAY_IS = "Math.floor((Date.now() - new Date(Date.now()).getTimezoneOffset() * 6e4) / 864e5)"


def test_it_comes_back_after_1_3_7_16_and_35_days_and_after_1_if_it_was_wrong(visit, site, served):
    base, later, waits = served(site), 0, []
    page = visit("en/sample.html", base=base, before=CLOCK % 0)
    for _ in range(6):
        waits.append(answered(page, "199", later)["in"])
        assert answered(page, "199", later)["in"] == waits[-1], "one answer a visit is remembered"
        later += waits[-1]
        page.reload()
    assert waits == [1, 3, 7, 16, 35, 35]
    assert answered(page, "100", later) == {"right": False, "in": 1}
    page.reload()
    assert answered(page, "199", later) == {"right": True, "in": 1}, "early, it is known but comes back all the same"


def with_cards(**cards) -> str:
    """A memory, with days counted from today."""
    rows = {name.replace("_", "-"): card for name, card in cards.items()}
    return f"""if (!localStorage.getItem('downhill-questions')) {{
      const today = {TODAY_IS}, cards = {json.dumps(rows)};
      for (const card of Object.values(cards)) card.due += today;
      localStorage.setItem('downhill-questions', JSON.stringify({{ version: 1, cards }})); }}"""


def known(box: int, due: int, right: bool = True) -> dict:
    return {"box": box, "due": due, "right": right, "at": 1}


def test_today_asks_what_is_due_on_the_home_page(visit, base):
    memory = with_cards(sample_share=known(1, 0), sample_limit=known(0, -2, False), sample_order=known(0, 1))
    page = visit("en/index.html", base=base, before=memory)
    card = page.locator(".today")
    assert card.locator(".today-line").inner_text() == "2 questions come back today."
    card.get_by_role("button", name="Begin").click()
    form = card.locator("form.question")
    form.wait_for()
    assert form.get_attribute("data-id") == "sample-limit", "what has waited longest comes first"
    assert card.locator(".today-next a").get_attribute("href") == "sample.html#q-sample-limit"
    form.get_by_role("radio").last.check()
    form.get_by_role("button", name="Check").click()
    assert verdict(form) == "Right."
    card.get_by_role("button", name="Next").click()
    card.locator("form[data-id=sample-share] input").fill("5")
    card.locator("form[data-id=sample-share] input").press("Enter")
    assert "The limit is" not in card.inner_text()
    card.get_by_role("button", name="Next").click()
    assert card.locator("form").count() == 0
    assert card.locator(".today-line").inner_text() == "Nothing today. The next one comes back in 1 day."
    cards = kept(page)
    assert (cards["sample-limit"]["box"], cards["sample-share"]["box"]) == (1, 0)
    assert page.troubles == []


def test_who_comes_for_the_first_time_is_told_what_the_card_is_for(visit, site, served):
    page = visit("zh/index.html", base=served(site))
    assert "1、3、7、16、35 天" in page.locator(".today-line").inner_text()
    assert page.get_by_role("button", name="开始").count() == 0
    assert axe.light_and_dark(page, ".today") == []


def test_answers_travel_in_a_file(visit, site, served, tmp_path):
    base = served(site)
    page = visit("en/index.html", base=base, before=with_cards(sample_share=known(2, 4)))
    page.locator(".today-keep summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save to a file").click()
    file = tmp_path / "answers.json"
    download.value.save_as(file)
    cards = json.loads(file.read_text("utf-8"))
    assert cards["version"] == 1
    assert list(cards["cards"]) == ["sample-share"]

    newer = {**cards["cards"]["sample-share"], "at": 2, "right": False}
    file.write_text(json.dumps({"version": 1, "cards": {"sample-share": newer, "sample-limit": newer, "<b>": newer}}))
    page.locator(".today-keep input").set_input_files(file)
    page.get_by_text("2 answers read.").wait_for()
    assert sorted(kept(page)) == ["sample-limit", "sample-share"]
    assert kept(page)["sample-share"]["right"] is False
    before = kept(page)
    for text in ("no JSON", '{"version": 2, "cards": {}}', '{"version": 1, "cards": null}', "[]"):
        file.write_text(text)
        page.locator(".today-keep input").set_input_files(file)
        page.get_by_text("This file holds no answers saved here; nothing was changed.").wait_for()
        assert kept(page) == before


@pytest.mark.parametrize("memory", ["no JSON", '{"version":1,"cards":{"sample-share":{"box":99}}}', '{"cards":[]}'])
def test_a_memory_that_cannot_be_read_is_begun_anew(visit, site, served, memory):
    page = visit("en/index.html", base=served(site), before=f"localStorage.setItem('downhill-questions', {memory!r})")
    assert "come back here" in page.locator(".today-line").inner_text()
    assert page.troubles == []


# --- the course's own pages ---------------------------------------------------------------------------


def test_a_reader_sees_what_she_knows(visit):
    page = visit("both/06-choosing.html")
    form = page.locator("form[data-id=choosing-contest-runs]")
    form.locator("input").fill("805")
    form.locator("input").press("Enter")
    told = page.locator(".chapter-known")
    asked = len(questions.of(BOOK / "06-choosing.ipynb"))
    assert told.text_content() == (words := f"You know 1 of {asked} · {asked} 题已会 1 题")
    page.goto(page.url.replace("06-choosing", "index"))
    assert page.locator("[data-chapter='06-choosing'] .stop-known").text_content() == words
    assert page.locator(".stop-known").count() == 1
    assert page.troubles == []


@pytest.mark.parametrize("name", ASKING)
def test_a_chapter_grows_by_less_than_15_kb(name):
    """As it travels, in the double view, which holds the most; with the script and the style."""
    page = (SITE / "both" / f"{name}.html").read_text("utf-8")
    assert 'class="question"' in page
    without = re.sub(r'<form class="question".*?</form>', "", page, flags=re.S)
    files = [(BOOK / "_static" / file).read_bytes() for file in ("questions.js", "questions.css")]
    size = len(gzip.compress(page.encode())) - len(gzip.compress(without.encode()))
    assert size + sum(len(gzip.compress(file)) for file in files) < 15_000
