"""The two languages are held together: the check of every chapter, and the check's own tests."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from downhill_course.notebook import twins
from downhill_course.notebook.cells import english_hash, read, write
from downhill_course.notebook.passages import check_passages, differences, numbers, terms_not_translated, typography

ROWS = (
    {"id": "learning-rate", "en": "learning rate", "zh": "学习率"},
    {"id": "derivative", "en": "derivative", "zh": "导数"},
    {"id": "partial-derivative", "en": "partial derivative", "zh": "偏微商", "also_zh": ["偏导"]},
    {"id": "mini-batch", "en": "mini-batch", "zh": "小批量"},
)


@pytest.mark.parametrize("path", twins.all_sources(), ids=lambda path: path.relative_to(twins.ROOT).as_posix())
def test_both_languages_of_the_book_say_the_same(path: Path) -> None:
    problems = twins.check(path)
    assert not problems, "\n".join(map(str, problems))


# --- a sound notebook, and what may go wrong with it ------------------------------------------------

ENGLISH = """A step of the *learning rate* $\\eta = 0.1$ follows {cite:t}`cauchy1847`, see [](slope) and
[the site](https://example.org/a): 1,000 steps of `sgd` in three rounds.

```{admonition} Careful!
:class: warning
It has two mini-batches.
```

$$\\theta \\leftarrow \\theta - \\eta g,$$

```{dropdown} Answer
30 of them[^n].
```

[^n]: Not more."""
CHINESE = """按 {cite:t}`cauchy1847` 的办法，*学习率* $\\eta = 0.1$ 走一步，参见 [](slope)
和[网站](https://example.org/a)：`sgd` 三轮共 1,000 步。

```{admonition} 小心！
:class: warning
这里有两个小批量。
```

$$\\theta \\leftarrow \\theta - \\eta g。$$

```{dropdown} 答案
一共 30 个[^n]。
```

[^n]: 不会更多。"""


def sound() -> nbformat.NotebookNode:
    """A notebook in which everything is as it should be."""
    figure = {
        "name": "fig-rings",
        "alt": {"en": "Three rings", "zh": "三个圆环"},
        "caption": {"en": "Contours of $f$.", "zh": "$f$ 的等高线。"},
    }
    picture = new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<rings>"})
    notebook = new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[
            new_markdown_cell("(slope)=\n# Slope · 坡度", id="slope-heading"),
            new_markdown_cell(ENGLISH, id="slope-en", metadata={"tags": ["lang-en"]}),
            new_markdown_cell(CHINESE, id="slope-zh", metadata={"tags": ["lang-zh"]}),
            new_code_cell("draw()", id="draw", outputs=[picture], metadata={"downhill": {"figure": figure}}),
            new_markdown_cell("$$x = 1$$ (one)", id="formula"),
            new_markdown_cell("```{bibliography}\n:filter: docname in docnames\n```", id="sources"),
        ],
    )
    for translation in twins.translations(notebook):
        translation.record()
    return notebook


def messages(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Where and what the check finds."""
    return list(twins.notebook_problems(notebook, ROWS))


def cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    return next(one for one in notebook.cells if one.id == name)


def test_a_sound_notebook_has_no_problem() -> None:
    assert messages(sound()) == []


def test_a_problem_names_notebook_cell_and_difference(tmp_path: Path) -> None:
    notebook = sound()
    cell(notebook, "slope-zh").source = CHINESE.replace("0.1", "0.2")
    write(tmp_path / "07-x.ipynb", notebook)
    lines = [str(problem) for problem in twins.check(tmp_path / "07-x.ipynb", ROWS)]
    assert lines == [
        "07-x.ipynb: cell 3 (slope-zh): the formula “\\eta=0.1” is not in the Chinese: say the same in both languages",
        "07-x.ipynb: cell 3 (slope-zh): the formula “\\eta=0.2” is not in the English: say the same in both languages",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("$\\eta = 0.1$", "", "formula “\\eta=0.1” is not in the Chinese"),
        ("\\leftarrow", "=", "the formula"),
        ("{cite:t}`cauchy1847`", "{cite:t}`robbins1951`", "citation “cauchy1847” is not in the Chinese"),
        ("{cite:t}`cauchy1847` 的办法", "Cauchy 的办法", "citation “cauchy1847” is not in the Chinese"),
        ("[](slope)", "[](other)", "cross-reference “slope” is not in the Chinese"),
        ("https://example.org/a", "https://example.org/b", "link “https://example.org/a” is not in the Chinese"),
        ("1,000 步", "100 步", "number 1000 is not in the Chinese"),
        ("一共 30 个", "一共 30 个或 31 个", "number 31 is not in the English"),
        ("`sgd`", "`adam`", "code name “sgd” is not in the Chinese"),
        ("[^n]: 不会更多。", "", None),
        ("{dropdown} 答案", "{tip} 答案", "admonition, dropdown, the Chinese admonition, tip"),
        ("*学习率*", "*步幅*", "which the glossary translates 学习率"),
        ("这里有两个小批量。", "这里有两个小批量,多。", "half-width punctuation"),
        ("这里有两个小批量。", "这里有两个小批量.", "half-width full stop"),
        ("$\\eta = 0.1$ 走一步，", "$\\eta = 0.1$, ", "half-width punctuation"),
        ("这里有两个小批量。", "这里有两个小批量（多）.", "half-width full stop"),
        ("这里有两个小批量。", "小批量用 SGD. 两个。", "half-width full stop"),
        ("这里有两个小批量。", "这里有两个小批量(多)。", "half-width brackets"),
        ("这里有两个小批量。", "这里有两个SGD小批量。", "no space between Chinese and Latin"),
        ("这里有两个小批量。", "这里有两个小批量 。", "a space before full-width punctuation"),
        ("这里有两个小批量。", "这里，有两个小批量。 多。", "a space after full-width punctuation"),
        ("这里有两个小批量。", "**这里有两个小批量。**多。", "Markdown does not see the emphasis"),
        ("这里有两个小批量。", "这里对数据进行小批量的操作。", "use the verb itself"),
        ("这里有两个小批量。", "小批量：this is how it was said in the paper.", "English passage left"),
        ("1,000 步", "1,000 步，省 5 % 的步子", "a space before %"),
        ("1,000 步", "1000 步", "no commas between thousands"),
        ("参见 [](slope)", "参见[](slope)", "no space between Chinese and Latin"),
    ],
)
def test_a_difference_between_the_languages_is_found(old: str, new: str, fragment: str | None) -> None:
    notebook = sound()
    assert CHINESE.count(old) == 1
    cell(notebook, "slope-zh").source = CHINESE.replace(old, new)
    found = messages(notebook)
    if fragment is None:  # a footnote named once less in one language is no difference
        assert found == []
    else:
        assert [place for place, _ in found] == ["cell 3 (slope-zh)"] * len(found)
        assert any(fragment in message for _, message in found), found


def edit(name: str, **changes) -> Callable[[nbformat.NotebookNode], None]:
    """A fault: other source or metadata for a cell."""

    def apply(notebook: nbformat.NotebookNode) -> None:
        cell(notebook, name).update(nbformat.from_dict(changes))

    return apply


def drop(name: str) -> Callable[[nbformat.NotebookNode], None]:
    return lambda notebook: notebook.cells.remove(cell(notebook, name))


def insert(*cells: nbformat.NotebookNode) -> Callable[[nbformat.NotebookNode], None]:
    return lambda notebook: notebook.cells.extend(cells)


def refigure(**changes) -> Callable[[nbformat.NotebookNode], None]:
    return lambda notebook: cell(notebook, "draw").metadata.downhill.figure.update(nbformat.from_dict(changes))


FAULTS = {
    "missing twin": (drop("slope-zh"), "cell 2 (slope-en)", "has no twin"),
    "missing English": (drop("slope-en"), "cell 2 (slope-zh)", "follows no English one"),
    "empty Chinese": (edit("slope-zh", source=" \n"), "cell 3 (slope-zh)", "empty"),
    "untranslated": (edit("slope-zh", source=ENGLISH), "cell 3 (slope-zh)", "still English"),
    "Chinese as English": (edit("slope-en", source=CHINESE), "cell 3 (slope-zh)", "the English is Chinese"),
    "changed English": (
        edit("slope-en", source=ENGLISH.replace("A step", "One step")),
        "cell 3 (slope-zh)",
        "was reviewed for another English text",
    ),
    "never reviewed": (
        edit("slope-zh", metadata={"tags": ["lang-zh"]}),
        "cell 3 (slope-zh)",
        "was never recorded as reviewed",
    ),
    "both tags": (edit("slope-en", metadata={"tags": ["lang-en", "lang-zh"]}), "cell 2 (slope-en)", "both languages"),
    "heading in one language": (
        edit("slope-heading", source="(slope)=\n# Slope"),
        "cell 1 (slope-heading)",
        "is not bilingual",
    ),
    "heading not translated": (
        edit("slope-heading", source="(slope)=\n# Slope · Hang"),
        "cell 1 (slope-heading)",
        "is not Chinese",
    ),
    "heading reversed": (
        edit("slope-heading", source="(slope)=\n# 坡度 · 坡度"),
        "cell 1 (slope-heading)",
        "English stands to the left",
    ),
    "heading without label": (
        edit("slope-heading", source="# Slope · 坡度"),
        "cell 1 (slope-heading)",
        "has no label",
    ),
    "second heading without label": (
        edit("slope-heading", source="(slope)=\n# Slope · 坡度\n\n## More · 更多"),
        "cell 1 (slope-heading)",
        "'More · 更多' has no label",
    ),
    "heading in a language cell": (
        edit("slope-en", source=ENGLISH + "\n\n## More · 更多"),
        "cell 2 (slope-en)",
        "stands in a language cell",
    ),
    "label twice": (
        insert(new_markdown_cell("(slope)=\n## Slope · 坡度", id="again")),
        "cell 7 (again)",
        "label 'slope' is given twice",
    ),
    "prose without language": (
        insert(new_markdown_cell("Nobody tagged this.", id="stray")),
        "cell 7 (stray)",
        "prose without a language (“Nobody tagged this.”)",
    ),
    "tagged code": (
        edit("draw", metadata={"tags": ["lang-en"], "downhill": sound().cells[3].metadata.downhill}),
        "cell 4 (draw)",
        "remove the tag lang-en",
    ),
    "random id": (insert(new_markdown_cell("$$x$$", id="3fa85f64")), "cell 7 (3fa85f64)", "id is random"),
    "picture without alt": (edit("draw", metadata={}), "cell 4 (draw)", "for those who cannot see it"),
    "alt in one language": (refigure(alt={"en": "Three rings"}), "cell 4 (draw)", "alt lacks zh"),
    "caption in one language": (refigure(caption={"zh": "$f$ 的等高线。"}), "cell 4 (draw)", "caption lacks en"),
    "caption untranslated": (
        refigure(caption={"en": "Contours of $f$.", "zh": "Contours of $f$."}),
        "cell 4 (draw)",
        "caption, the Chinese is still English",
    ),
    "caption differs": (
        refigure(caption={"en": "Contours of $f$.", "zh": "$g$ 的等高线。"}),
        "cell 4 (draw)",
        "caption, the formula “f” is not in the Chinese",
    ),
    "changed caption": (
        refigure(caption={"en": "Rings of $f$.", "zh": "$f$ 的等高线。"}),
        "cell 4 (draw), figure",
        "was reviewed for another English text",
    ),
    "long code": (
        edit("draw", source="\n".join(f"x{k} = {k}" for k in range(21))),
        "cell 4 (draw)",
        "21 lines of code, and 20 is the most",
    ),
    "three code cells": (
        insert(*(new_code_cell("pass", id=f"code-{letter}") for letter in "abc")),
        "cell 9 (code-c)",
        "more than 2 code cells in a row",
    ),
    "long code as a rule": (
        edit("draw", source="\n".join(f"x{k} = {k}" for k in range(10))),
        "the whole notebook",
        "the median of its code cells is 10 lines",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_where_it_is(name: str) -> None:
    fault, place, fragment = FAULTS[name]
    notebook = sound()
    fault(notebook)
    assert any(place == where and fragment in message for where, message in messages(notebook)), messages(notebook)


def test_a_block_that_never_ends_is_found() -> None:
    notebook = sound()
    for name, text in (("slope-en", ENGLISH), ("slope-zh", CHINESE)):
        assert text.count("\n```\n\n[^n]:") == 1
        cell(notebook, name).source = text.replace("\n```\n\n[^n]:", "```\n\n[^n]:")
    found = messages(notebook)
    for place in ("(slope-en)", "(slope-zh)"):
        assert any(place in where and "```{dropdown} is not closed" in message for where, message in found), found


def test_hidden_input_and_headings_do_not_count_as_code_in_a_row() -> None:
    notebook = sound()
    insert(
        new_code_cell("pass", id="code-a"),
        new_code_cell("view.listing(rules.sgd)", id="listing", metadata={"tags": ["remove-input"]}),
        new_code_cell("pass", id="code-b"),
        new_markdown_cell("(more)=\n## More · 更多", id="more"),
        new_code_cell("pass", id="code-c"),
    )(notebook)
    assert messages(notebook) == []


def test_a_name_may_be_the_same_in_both_halves() -> None:
    notebook = sound()
    edit("slope-heading", source="(slope)=\n# Adam · Adam")(notebook)
    assert messages(notebook) == []


# --- what is no difference --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("A relief in 3-D with 2 hills.", "三维曲面，上面有两座山。"),
        ("Three million, or 3,000,000 examples.", "三百万，即 300 万个样本。"),
        ("Sizes 16, 32, 128 and 10 000.", "大小为 16、32、128 和 1 万。"),
        ("It took 1 day.", "花了一天。"),
        ("Then $f(x) \\le L \\text{ for all } x$, and so on.", "于是 $f(x)\\le L\\text{，对所有 }x$，如此等等。"),
        ("Is it $x^2$?", "是 $x^2$ 吗？"),
        ("Use `a $b` here, at a price of \\$5.", "这里用 `a $b`，价格 \\$5。"),
        ("See {ref}`the slope <slope>` or [it](#slope).", "见 {ref}`坡度 <slope>` 或[这里](slope)。"),
        ("1. one\n1. two\n1. three", "1. 第一\n2. 第二\n3. 第三"),
        ("By {cite:p}`a,b`.", "出自 {cite:p}`a` 与 {cite:p}`b`。"),
        (
            "```{tip} Hint\nsee `x`\n```\n\n```python\n# a remark\n```",
            "```{tip} 提示\n见 `x`\n```\n\n```python\n# a remark\n```",
        ),
        ("$$\nx\n$$ (eq-x)\n\nsee {eq}`eq-x`", "```{math}\n:label: eq-x\nx\n```\n\n见 {eq}`eq-x`"),
    ],
)
def test_what_is_said_alike_is_no_difference(english: str, chinese: str) -> None:
    found = [message for message in check_passages(english, chinese, ()) if "directives" not in message]
    assert found == []


def test_a_block_behind_a_directive_is_still_read() -> None:
    """The bare fence that closes one directive must not open a code block that hides the next."""
    english = "```{tip} One\na\n```\n\nhidden $x$\n\n```{note} Two\nb\n```"
    chinese = "```{tip} 一\n甲\n```\n\n中间 $y$\n\n```{note} 二\n乙\n```"
    assert len(list(differences(english, chinese))) == 2


def test_formulas_are_compared_as_often_as_they_stand() -> None:
    found = list(differences("From $x$ to $x$.", "从 $x$ 开始。"))
    assert len(found) == 1
    assert "“x” is not in the Chinese as often as in the other language" in found[0]


def test_numbers_are_read_however_they_are_grouped() -> None:
    assert numbers("1,000; 2 000; 0.50; 1e5 x2 3.14") == {"1000", "2000", "0.5", "1", "3.14"}
    assert numbers("10 万、3 亿、1.5 million") == {"100000", "300000000", "1500000"}
    assert numbers("第3步") == {"3"}


@pytest.mark.parametrize(
    ("english", "chinese", "count"),
    [
        ("The partial derivatives fall.", "偏微商变小。", 0),
        ("The partial derivatives fall.", "偏导变小。", 0),
        ("The partial derivatives fall.", "导数变小。", 1),
        ("The derivative falls.", "斜率变小。", 1),
        ("Minibatches, mini batches and a mini-batch.", "小批\n量。", 0),
        ("The learning-rate is learned.", "步长。", 1),
        ("In `learning rate` or $\\text{learning rate}$.", "代码。", 0),
        ("Unlearning rates", "无关。", 0),
    ],
)
def test_terms_are_found_in_any_form_and_longest_first(english: str, chinese: str, count: int) -> None:
    assert len(list(terms_not_translated(english, chinese, ROWS))) == count


@pytest.mark.parametrize(
    "chinese",
    [
        "学习率 $\\eta$，见 `sgd`（随机梯度下降，SGD）：约 50%，即 1:2。",
        "- **重点**：先看，再走。\n\n**1.** 多远？\n\n- 见 {cite:t}`a`。\n\n| 学习率 | 步数 |\n|---|---|\n| 0.1 | 40 |",
        "```{admonition} 小心！\n:class: warning\n路径在平面上。\n```",
        "“怎么走？”她问。参见[前一节](slope)。",
        "Dauphin et al. 的结果：0.5、1.5 与 `a.b`。",
    ],
)
def test_good_chinese_is_left_in_peace(chinese: str) -> None:
    assert list(typography(chinese)) == []


# --- plain pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "fragment"),
    [
        ("(a)=\n# A · 甲\n\n:::{lang} en\nUp to 5.\n:::\n:::{lang} zh\n到 5 为止。\n:::\n", None, ""),
        ("(a)=\n# A · 甲\n\n:::{lang} en\nUp to 5.\n:::\n:::{lang} zh\n到 6 为止。\n:::\n", "line 7", "number 5"),
        ("(a)=\n# A · 甲\n\n:::{lang} en\nUp to 5.\n:::\n", "line 4", "has no twin"),
        (":::{lang} zh\n到 5 为止。\n:::\n", "line 1", "follows no English one"),
        ("# A\n", "outside the {lang} blocks", "is not bilingual"),
        ("![Two hills · 两座山](hills.png)\n", None, ""),
        ("![Two hills](hills.png)\n", "outside the {lang} blocks", "alt text 'Two hills' is not bilingual"),
        ("Stray words.\n", "outside the {lang} blocks", "prose without a language"),
        ("::::{lang} en\n:::{tip} A\nb\n:::\n::::\n::::{lang} zh\n:::{tip} 甲\n乙\n:::\n::::\n", None, ""),
    ],
)
def test_a_page_is_checked_like_a_notebook(tmp_path: Path, text: str, place: str | None, fragment: str) -> None:
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    problems = twins.check(tmp_path / "page.md", ROWS)
    assert [problem.cell for problem in problems][:1] == ([place] if place else []), problems
    assert all(problem.file == "page.md" for problem in problems)
    assert not problems or any(fragment in problem.message for problem in problems)


# --- the translator's commands ----------------------------------------------------------------------


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    """A chapter in a repository of its own, committed."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    path = tmp_path / "05-walk.ipynb"
    write(path, sound())
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "A walk")
    return path


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True)


def change(path: Path, name: str, source: str) -> None:
    notebook = read(path)
    cell(notebook, name).source = source
    write(path, notebook)


def test_diff_shows_what_changed_since_the_review(chapter: Path, capsys: pytest.CaptureFixture) -> None:
    assert twins.main(["--diff", str(chapter)]) == 0
    assert capsys.readouterr().out == "Nothing to review.\n"
    change(chapter, "slope-en", ENGLISH.replace("A step", "One long step"))
    git(chapter.parent, "commit", "--quiet", "--all", "--message", "Longer")  # the reviewed text is one commit back
    assert twins.main(["--diff", str(chapter)]) == 1
    out = capsys.readouterr().out
    assert "05-walk.ipynb: cell 3 (slope-zh)" in out
    assert "[-A-] {+One long+} step of" in out
    assert "按 {cite:t}`cauchy1847` 的办法" in out
    assert out.endswith("1 to review\n")


def test_diff_without_history_shows_the_whole_cell(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "05-walk.ipynb"
    write(path, sound())
    change(path, "slope-en", ENGLISH + " More.")
    assert twins.main(["--diff", str(path)]) == 1
    out = capsys.readouterr().out
    assert "English, whole, since the reviewed text is not in git:" in out
    assert "30 of them" in out


def test_record_notes_the_review_and_nothing_else(chapter: Path, capsys: pytest.CaptureFixture) -> None:
    before = json.loads(chapter.read_text(encoding="utf-8"))
    english = ENGLISH.replace("A step", "One step")
    change(chapter, "slope-en", english)
    assert twins.main(["--record", str(chapter), "slope"]) == 0
    assert "1 recorded, 0 refused, 0 to review" in capsys.readouterr().out
    after = json.loads(chapter.read_text(encoding="utf-8"))
    assert after["cells"][2]["metadata"]["downhill"]["en"] == english_hash(english)
    after["cells"][1] = before["cells"][1]
    after["cells"][2]["metadata"] = before["cells"][2]["metadata"]
    assert after == before
    assert chapter.read_text(encoding="utf-8").endswith("}\n")
    assert [path.name for path in chapter.parent.iterdir() if path.name != ".git"] == [chapter.name]


def test_record_refuses_a_pair_with_other_problems(chapter: Path, capsys: pytest.CaptureFixture) -> None:
    change(chapter, "slope-en", ENGLISH.replace("30", "40"))
    stored = chapter.read_bytes()
    assert twins.main(["--record", str(chapter)]) == 1
    assert "cell 3 (slope-zh): not recorded: the number 40 is not in the Chinese" in capsys.readouterr().err
    assert chapter.read_bytes() == stored
    assert twins.main(["--record", "--force", str(chapter)]) == 0
    assert twins.main(["--diff", str(chapter)]) == 0


def test_record_only_what_is_named(chapter: Path) -> None:
    notebook = read(chapter)
    cell(notebook, "slope-en").source = ENGLISH.replace("A step", "One step")
    cell(notebook, "draw").metadata.downhill.figure.alt.en = "3 rings"
    write(chapter, notebook)
    twins.main(["--record", str(chapter), "draw"])
    due = [translation.place for translation in twins.translations(read(chapter)) if translation.due]
    assert due == ["cell 3 (slope-zh)"]


def test_the_command_lists_problems(chapter: Path, capsys: pytest.CaptureFixture) -> None:
    assert twins.main([str(chapter)]) == 0
    assert capsys.readouterr().out == "0 problems in 1 file\n"
    change(chapter, "slope-zh", "")
    assert twins.main([str(chapter)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 problem in 1 file"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record"], "--record needs a notebook"),
        (["nowhere.ipynb"], "there is no file nowhere.ipynb"),
        (["--force"], "--force goes with --record"),
        (["--diff", "--record", "x"], "not allowed with"),
        ([__file__], "does not end in .ipynb or .md"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        twins.main(arguments)
    assert message in capsys.readouterr().err


def test_an_unknown_cell_is_named(chapter: Path) -> None:
    with pytest.raises(SystemExit, match="has no translation nothing-zh"):
        twins.main(["--record", str(chapter), "nothing-zh"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("", "cannot be read as a notebook"),
        ("[]", "4.5 or newer is needed"),
        ('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}', "4.5 or newer is needed"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "raw"}]}', "cell 1 has no id"),
        (
            '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"id": "a"}, {"id": "a"}]}',
            "cell 1 shares its id 'a'",
        ),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"id": "a"}]}', "not a valid notebook"),
    ],
)
def test_a_broken_notebook_is_one_clear_error(tmp_path: Path, raw: str, message: str) -> None:
    (tmp_path / "bad.ipynb").write_text(raw, encoding="utf-8")
    with pytest.raises(SystemExit, match=message) as error:
        twins.check(tmp_path / "bad.ipynb")
    assert "bad.ipynb" in str(error.value)
