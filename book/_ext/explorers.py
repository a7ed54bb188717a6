"""Sphinx extension: explorers in chapters. A mount point beside the picture, and the module they are drawn by."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.osutil import ensuredir
from views import View

MIME = "application/vnd.downhill.explorer+json"


def place(app: Sphinx, docname: str, notebook: dict, view: View) -> None:
    """Before each picture that stands for an explorer, the element that the page's script mounts it on."""
    explorer = importlib.import_module("optlib.widget.explorer")
    for cell in notebook["cells"]:
        outputs = []
        for output in cell.get("outputs", []):
            bundle = output.get("data", {}).pop(MIME, None)
            if bundle is not None:
                bundle = json.loads("".join(bundle)) if isinstance(bundle, (str, list)) else bundle
                outputs.append(
                    {
                        "output_type": "display_data",
                        "metadata": {},
                        "data": {"text/html": explorer.mount_point(bundle), "text/plain": ""},
                    }
                )
            outputs.append(output)
        if "outputs" in cell:
            cell["outputs"] = outputs


def write(app: Sphinx, exception: Exception | None) -> None:
    """The module and its style, put together from optlib as it is now."""
    if exception is not None or app.builder.format != "html":
        return
    explorer = importlib.import_module("optlib.widget.explorer")
    folder = Path(app.outdir) / "_static"
    ensuredir(folder)
    for name, text in (("explorer.js", explorer.script()), ("explorer.css", explorer.style())):
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("downhill-notebook", place, priority=400)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
