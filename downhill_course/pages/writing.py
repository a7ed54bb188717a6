"""Sphinx extension: the trained model that writes in a page (``<div class="downhill-writer" data-language="en">``).

``writer.js`` computes and draws; the weights, a byte each, go into a script beside it that is loaded when a reader
presses *Write*: nothing is asked of another host, and a page opened from disk writes too.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from sphinx.application import Sphinx
from sphinx.util.osutil import ensuredir

from downhill_course.figures.training import stored_bytes
from optlib import data
from optlib.transformer import Transformer

FILES = ("writer.js", "writer.css")  # only pages in which a model writes have them
BOX = re.compile(r'class="downhill-writer" data-language="(en|zh)"')


def bundle(language: str) -> dict[str, Any]:
    """What the page's module needs of a model: its alphabet, its sizes, and its weights in base 64."""
    alphabet = data.prose(language).alphabet  # type: ignore[arg-type]
    model, (numbers, scales) = Transformer(len(alphabet)), stored_bytes(language)
    sizes = {name: getattr(model, name) for name in ("context", "width", "heads", "layers")}
    return {
        "alphabet": alphabet,
        **sizes,
        "parts": [[name, *shape] for name, (_, shape, _) in model.parts().items()],
        "numbers": base64.b64encode(numbers.astype(np.int8).tobytes()).decode(),
        "scales": base64.b64encode(scales.astype("<f4").tobytes()).decode(),
    }


def script(language: str) -> str:
    """The same as a script that puts it where ``writer.js`` looks."""
    return f"(globalThis.downhillWriter ??= {{}}).{language} = {json.dumps(bundle(language), ensure_ascii=False)};\n"


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """The module on the pages that want it, and its weights beside it."""
    languages = BOX.findall(context.get("body", ""))
    folder = Path(app.outdir) / "_static" / "writer"
    for language in languages:
        ensuredir(folder)
        (folder / f"{language}.js").write_text(script(language), encoding="utf-8")
    if not languages:
        for kind in ("script_files", "css_files"):
            context[kind] = [item for item in context[kind] if not str(getattr(item, "filename", item)).endswith(FILES)]


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", page_context, priority=860)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
