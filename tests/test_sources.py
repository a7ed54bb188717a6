"""What the source documents say wrongly: every row is complete, in order, and leads to where the course shows it.
And the works that the course cites: each can be found.
"""

import re
from pathlib import Path

import pytest
import yaml
from pages import BOTH_NOW, PAGES, SITE, ids, soup
from pybtex.database import parse_file

from downhill_course.notebook.cells import HAN, read, text_of
from downhill_course.notebook.passages import check_passages, glossary
from downhill_course.notebook.views import VIEWS
from downhill_course.pages.generated import correction

BOOK = Path(__file__).parents[1] / "book"
ROWS = [correction(row) for row in yaml.safe_load((BOOK / "sources.yml").read_text(encoding="utf-8"))]
NUMBER = re.compile(r"E[1-9]\d{0,2}")


def labels(page: str) -> set[str]:
    """Every label that a page defines."""
    path = BOOK / f"{page}.ipynb"
    texts = (
        [text_of(cell) for cell in read(path)["cells"]] if path.exists() else [(BOOK / f"{page}.md").read_text("utf-8")]
    )
    return {label for text in texts for label in re.findall(r"^\(([^()\s]+)\)=", text, re.M)}


def test_the_rows_stand_in_the_order_of_their_numbers_each_once():
    numbers = [int(row["e"][1:]) for row in ROWS if NUMBER.fullmatch(row["e"])]
    assert len(numbers) == len(ROWS)
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["e"])
def test_a_row_is_complete_and_leads_to_its_place(row):
    assert list(row) == ["e", "chapter", "at", "says", "true"]
    assert row["chapter"] in PAGES
    assert row["at"] in labels(row["chapter"]), f"{row['chapter']} has no label {row['at']}"
    for part in ("says", "true"):
        assert set(row[part]) == {"en", "zh"}
        assert HAN.search(row[part]["zh"])
        assert row[part]["en"].rstrip()[-1] in ".?!", "a full sentence"
        assert row[part]["zh"].rstrip()[-1] in "。？！", "a full sentence"
    assert list(check_passages(row["true"]["en"], row["true"]["zh"], glossary())) == []


@pytest.mark.parametrize("view", BOTH_NOW)
def test_the_page_has_every_row_with_a_link_that_arrives(view):
    page = soup(SITE / view / "sources.html")
    terms = page.select("dl.corrections dt")
    assert [term["id"] for term in terms] == [f"source-{row['e'].lower()}" for row in ROWS]
    for term in terms:
        file, _, place = term.select_one("a")["href"].partition("#")
        assert place in ids(SITE / view / (file or "sources.html"))
    for part in ("says", "true"):
        shown = page.select(f".correction-{part} .passage")
        assert len(shown) == len(ROWS) * len(VIEWS[view].languages)


def test_the_coverage_leads_to_it():
    assert "sources-corrected" in (BOOK / "coverage.md").read_text("utf-8")
    assert soup(SITE / "both" / "coverage.html").select("a[href^='sources.html']")


def test_every_work_has_an_address():
    works = parse_file(str(BOOK / "references.bib"), encoding="utf-8").entries
    assert [key for key, work in works.items() if not {"doi", "url", "eprint"} & set(work.fields)] == []
    for key, work in works.items():
        assert re.fullmatch(r"10\.\d{4,9}/\S+", work.fields.get("doi", "10.1000/1")), (
            f"{key}: a doi without https://doi.org/"
        )
        assert re.fullmatch(r"https?://\S+", work.fields.get("url", "https://a")), f"{key}: no address"
