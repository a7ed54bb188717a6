"""The comments in a chapter's code, which stands once for all views: `comments.yml` beside it has their Chinese."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator

from downhill_course.notebook.cells import tags_of, text_of

FILE = "comments.yml"


def comments(code: str) -> Iterator[tokenize.TokenInfo]:
    """The comments of a cell; none where it is no Python."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return
    yield from (token for token in tokens if token.type == tokenize.COMMENT)


def said(token: tokenize.TokenInfo) -> str:
    """A comment without its mark."""
    return token.string.lstrip("# ").rstrip()


def in_chinese(code: str, known: dict[str, str]) -> str:
    """A cell whose comments are Chinese where that is known.

    >>> in_chinese("s = 'a # b'  # the gradient", {"the gradient": "梯度"})
    "s = 'a # b'  # 梯度"
    """
    lines = code.splitlines(keepends=True)
    for token in comments(code):
        if said(token) in known:
            row, start = token.start
            lines[row - 1] = f"{lines[row - 1][:start]}# {known[said(token)]}{lines[row - 1][token.end[1] :]}"
    return "".join(lines)


def translate(notebook: dict, known: dict[str, str]) -> None:
    """The same for every cell of a notebook."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = in_chinese(text_of(cell), known)


def visible(notebook: dict) -> Iterator[tuple[int, dict, str]]:
    """Every comment that a reader of the site sees: the cell's index, the cell, what it says."""
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and not {"remove-cell", "remove-input"} & set(tags_of(cell)):
            for token in comments(text_of(cell)):
                yield index, cell, said(token)
