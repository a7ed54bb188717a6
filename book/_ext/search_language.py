"""Sphinx search for a book in two languages: stemmed English words, and Han text by characters and pairs.

No word list is needed: a Chinese phrase is found wherever each pair of its neighbouring characters is found.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search import IndexBuilder, WordStore
from sphinx.search.en import SearchEnglish

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
RUN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+(?:_[^\W_{HAN}]+)*")


class SearchBilingual(SearchEnglish):
    """English and Chinese in one index.

    >>> SearchBilingual({}).split("SGD 的随机性")
    ['SGD', '的', '随', '机', '性', '的随', '随机', '机性']
    """

    lang = "bilingual"
    # What the reader types: only the pairs of a run, since the characters add nothing once each pair must be found.
    js_splitter_code = rf"""
function splitQuery(query) {{
  const runs = query.match(/[{HAN}]+|[\p{{Letter}}\p{{Number}}_]/gu) === null ? [] :
    query.match(/[{HAN}]+|(?:(?![{HAN}])[\p{{Letter}}\p{{Number}}_])+/gu);
  return runs.flatMap((run) => /^[{HAN}]{{2,}}$/u.test(run)
    ? Array.from({{ length: run.length - 1 }}, (_, i) => run.slice(i, i + 2))
    : [run]);
}}
"""

    def split(self, input: str) -> list[str]:
        words: list[str] = []
        for run in RUN.findall(input):
            han = re.match(rf"[{HAN}]", run)
            words += [*run, *(run[i : i + 2] for i in range(len(run) - 1))] if han else [run]
        return words


def across_marks(collect: Callable) -> Callable:
    """Sphinx reads a paragraph piece by piece: a phrase with a link or an emphasis in it would not be found."""

    @functools.wraps(collect)
    def _word_collector(self: IndexBuilder, doctree: nodes.document) -> WordStore:
        store = collect(self, doctree)
        for paragraph in doctree.findall(nodes.paragraph):
            for run in re.findall(rf"[{HAN}]{{2,}}", paragraph.astext()):
                store.words.extend(run[i : i + 2] for i in range(len(run) - 1))
        return store

    return _word_collector


def setup(app: Sphinx) -> dict:
    app.add_search_language(SearchBilingual)
    if not hasattr(IndexBuilder._word_collector, "__wrapped__"):
        IndexBuilder._word_collector = across_marks(IndexBuilder._word_collector)  # type: ignore[method-assign]
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
