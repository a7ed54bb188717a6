"""Everything the sources contain has its place in the course."""

import re
from pathlib import Path

import pytest
import yaml

from downhill_course.notebook.cells import HAN, read, text_of

BOOK = Path(__file__).parents[1] / "book"
ITEMS = yaml.safe_load((BOOK / "coverage.yml").read_text(encoding="utf-8"))
WRITTEN = {path.stem for path in BOOK.glob("[0-9][0-9]-*.ipynb")}
CHAPTERS = WRITTEN | {row["file"] for row in yaml.safe_load((BOOK / "course.yml").read_text(encoding="utf-8"))}


def labels(chapter: str) -> set[str]:
    """Every label that a chapter defines."""
    cells = read(BOOK / f"{chapter}.ipynb")["cells"]
    return {label for cell in cells for label in re.findall(r"^\(([^()\s]+)\)=", text_of(cell), re.M)}


def test_every_item_is_there_once():
    assert [item["n"] for item in ITEMS] == list(range(1, 113))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item["n"]))
def test_an_item_is_described_and_placed(item):
    assert set(item) - {"at"} in (
        {"n", "kind", "source", "chapter", "en", "zh"},
        {"n", "kind", "source", "page", "en", "zh"},
        {"n", "kind", "source", "left_out", "en", "zh"},
    )
    assert item["kind"] in "ASTCFKP"
    assert item["source"] in ("S0", "S1", "S2", "S3", "S4")
    assert HAN.search(item["zh"]) or item["zh"] == item["en"]
    if "chapter" in item:
        assert item["chapter"] in CHAPTERS
        if item["chapter"] in WRITTEN:
            assert item.get("at") in labels(item["chapter"]), (
                f"item {item['n']} needs `at`, a label in {item['chapter']}"
            )
        else:
            assert "at" not in item, f"{item['chapter']} is not written, so item {item['n']} cannot point into it"
    if "left_out" in item:
        assert item["n"] == 19
