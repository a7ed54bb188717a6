"""Sphinx search for a book in two languages: stemmed English words, and Han text by characters and pairs.

No word list is needed: a Chinese phrase is found wherever each pair of its neighbouring characters is found.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx
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


def setup(app: Sphinx) -> dict:
    app.add_search_language(SearchBilingual)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
