"""The glossary is whole, sorted and usable by the twin check."""

import re
from pathlib import Path

import pytest
import yaml

from downhill_course.notebook.cells import HAN
from downhill_course.notebook.passages import terms_not_translated, typography

ROWS = yaml.safe_load((Path(__file__).parents[1] / "book" / "glossary.yml").read_text(encoding="utf-8"))
NEEDED = {"id", "en", "zh", "def_en", "def_zh"}


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
    forms = [form.casefold() for row in ROWS for form in (row["en"], *row.get("also_en", []))]
    assert sorted(form for form in set(forms) if forms.count(form) > 1) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_row_is_whole(row: dict) -> None:
    assert set(row) >= NEEDED
    assert set(row) <= NEEDED | {"also_en", "also_zh", "seek_en", "seek_zh", "check"}
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
