"""One language at a time in a live notebook that holds both: a row of three buttons, and no extension.

The first code cell shows it. It is a style alone: each passage says in which language it is (`plain.spoken`), and the
style hides the cells of the language that is not wanted. Where a notebook's outputs stand apart from its text (Colab,
VS Code) it could not work, so it does not show; there, and for good, the site offers each chapter in one language.
"""

from __future__ import annotations

import os

from downhill_course.notebook.views import TAGS

HIDES = ":is(.jp-MarkdownCell, .text_cell):has([lang='{tag}'])"
BOOKS = ":is(.jp-Notebook, #notebook-container)"  # JupyterLab and Notebook 7; nbclassic
BUTTONS = (("both", "Both · 双语"), ("en", "English"), ("zh", "中文"))


def markup() -> str:
    """The buttons and their style.

    >>> markup().count("<input type='radio'")
    3
    """
    other = {"en": "zh", "zh": "en"}
    style = "".join(
        f"{BOOKS}:has(.downhill-{wanted}:checked) {HIDES.format(tag=TAGS[hidden])} {{ display: none }}\n"
        for wanted, hidden in other.items()
    )
    buttons = "".join(
        f"<label><input type='radio' name='language' class='downhill-{name}'{' checked' * (name == 'both')}> "
        f"{text}</label>\n"
        for name, text in BUTTONS
    )
    return (
        f"<style>{style}.downhill-switch {{ display: none; gap: 1.2em; padding: .4em 0 }}\n"
        f"{BOOKS} .downhill-switch {{ display: flex }}\n"
        ".downhill-switch label { cursor: pointer }</style>\n"
        f"<form class='downhill-switch' role='radiogroup' aria-label='Language · 语言'>\n{buttons}</form>"
    )


def switch() -> None:
    """Show the buttons; nothing while notebooks are run to be stored."""
    if not os.environ.get("OPTLIB_STATIC"):
        from IPython.display import HTML, display

        display(HTML(markup()))
