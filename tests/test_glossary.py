"""The glossary is whole, sorted and usable by the twin check."""

import re
from pathlib import Path

import pytest
import yaml

from downhill_course.notebook.cells import HAN
from downhill_course.notebook.passages import names, terms_not_translated, typography
from downhill_course.pages.terms import uses

ROWS = yaml.safe_load((Path(__file__).parents[1] / "book" / "glossary.yml").read_text(encoding="utf-8"))
NEEDED = {"id", "en", "zh", "def_en", "def_zh"}
KINDS = ("also", "loose", "unlike", "seek")


def test_it_has_the_terms_of_the_chapters() -> None:
    assert {row["id"] for row in ROWS} >= {
        "gradient-descent", "learning-rate", "contour-line", "partial-derivative", "tangent-plane", "mini-batch",
        "variance", "unbiased", "robbins-monro-conditions", "gradient-checking", "automatic-differentiation", "oracle",
        "convex", "stationary-point", "curvature", "with-replacement", "without-replacement", "shuffling",
        "online-learning", "noise-floor", "moment", "momentum", "ravine", "saddle-point", "plateau",
        "parameter-server", "staleness",
    }  # fmt: skip


def test_ids_are_unique_readable_and_sorted() -> None:
    ids = [row["id"] for row in ROWS]
    for name, before in zip(ids[1:], ids, strict=False):
        assert before < name, f"book/glossary.yml is sorted by id: {name} cannot stand behind {before}"
    assert [name for name in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []


def test_an_english_form_belongs_to_one_term() -> None:
    forms = [form.casefold() for row in ROWS for form in names(row, "en", "also", "loose")]
    assert sorted(form for form in set(forms) if forms.count(form) > 1) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_row_is_whole(row: dict) -> None:
    assert set(row) >= NEEDED
    assert set(row) <= NEEDED | {f"{kind}_{language}" for kind in KINDS for language in ("en", "zh")} | {
        "not_in",
        "check",
    }
    for language in ("en", "zh"):
        for word in row.get(f"unlike_{language}", []):
            hidden = [form for form in names(row, language, "also") if form != word and form in word]
            assert hidden, f"{word} hides nothing of {row['id']}"
    assert HAN.search(row["zh"])
    assert HAN.search(row["def_zh"])
    assert not HAN.search(row["en"])
    for field in ("def_en", "def_zh"):
        assert "\n" not in row[field]
        assert len(row[field]) < 120, f"{field} is one line of less than 120 characters"
    assert row["def_en"].endswith(".")
    assert row["def_zh"].endswith("。")
    assert list(typography(row["def_zh"])) == []
    assert row.get("check", True) in (True, False)
    assert all(isinstance(form, str) for key in set(row) - NEEDED - {"check"} for form in row[key])


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("check", True)], ids=lambda row: row["id"])
def test_a_checked_term_is_found_and_satisfied_by_its_translation(row: dict) -> None:
    for english in (f"Here {row['en']} matters.", f"{row['en'].capitalize()} first"):
        assert list(terms_not_translated(english, "什么也没有。", [row])), english
        assert list(terms_not_translated(english, f"这里用到{row['zh']}。", [row])) == []


def test_definitions_agree_with_the_glossary_itself() -> None:
    checked = [row for row in ROWS if row.get("check", True)]
    wrong = {
        row["id"]: list(terms_not_translated(row["def_en"], row["def_zh"], checked))
        for row in ROWS
    }  # fmt: skip
    assert {name: messages for name, messages in wrong.items() if messages} == {}


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("第二次更泛化，约十二次，再来一次。", {"泛化": "generalisation"}),
        ("二次函数有两个特征值。", {"二次": "quadratic", "特征值": "eigenvalue"}),
        ("正好是移动量的四倍。", {}),
        ("动量 0.9", {"动量": "momentum"}),
        ("只在线路上传，点落在线上，用在线性模型上。", {}),
        ("这叫在线学习。", {"在线学习": "online-learning"}),
        ("它的加速度等于速度之差。", {"速度": "velocity"}),
        ("学习率下降，损失减小，误差降低。", {"学习率": "learning-rate"}),
        ("平方、平方根与均方根。", {"均方根": "root-mean-square"}),
        ("下面这个循环整章通用，每个周期 100 步。", {}),
        ("永远在两点循环里。", {"两点循环": "two-cycle"}),
        ("按权重加权。", {"权重": "weight"}),
        ("带摩擦的小球。", {"摩擦": "friction"}),
        ("从小到大排列；换一个新排列。", {"排列": "permutation"}),
        ("协方差与方差。", {"方差": "variance"}),
        ("早早停下不是早停。", {"早停": "early-stopping"}),
        ("打印出来的调度器；换一种调度。", {"调度": "learning-rate-schedule"}),
        ("残差网络的残差。", {"残差": "residual"}),
        ("全批量梯度，批量加倍。", {"全批量梯度": "full-gradient"}),
        ("Three cycles share the budget; the gain grows.", {}),
        ("A cycle of two points, a two-cycle.", {"cycle of two points": "two-cycle", "two-cycle": "two-cycle"}),
        ("Power iteration on a residual network.", {}),
        ("It decays, and an iteration ends.", {"decays": "decay", "iteration": "iteration"}),
    ],
)
def test_links_lead_from_words_that_mean_the_term_and_from_no_others(text: str, linked: dict) -> None:
    language = "zh" if HAN.search(text) else "en"
    assert {text[start:end]: name for start, end, name in uses(text, language)} == linked


def test_a_word_that_means_something_else_in_a_chapter_is_not_linked_there() -> None:
    assert uses("相对一个核的速度。", "zh", "07") == []
    assert uses("小球的速度。", "zh", "03")
