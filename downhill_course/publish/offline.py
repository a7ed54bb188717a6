"""What a view needs to be kept on a reader's device: the worker, the list of its files, the manifest of its name."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

from downhill_course.files import write_if_new
from downhill_course.notebook.views import TAGS, View

WORKER, LIST, MANIFEST = "offline-worker.js", "offline.json", "site.webmanifest"
TEXTS = (".html", ".js", ".css", ".svg")  # kept compressed
PICTURES = (".png", ".webp")
READ = (*TEXTS, ".woff2", *PICTURES)  # what pages show; notebooks and wheels are downloads
MOST = 12_000_000  # bytes that a reader's device gives for one language
STAMP = re.compile(rb"<!--fill:\w+-->.*?<!--/fill-->", re.S)  # a commit that changes no page is no news to a reader


def weight(path: Path) -> int:
    """The bytes that a file takes on a reader's device."""
    return len(gzip.compress(path.read_bytes(), 6)) if path.suffix in TEXTS else path.stat().st_size


def files(folder: Path) -> dict[str, int]:
    """What is kept of a view, by path in it, with the bytes it takes.

    All pages and what they run, then pictures as long as there is room; one left out is asked for when it is looked at.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.suffix in READ and path.name != WORKER]
    found.sort(key=lambda path: path.suffix in PICTURES)
    kept, room, left = {}, MOST, 0
    for path in found:
        size = weight(path)
        if size <= room or path.suffix not in PICTURES:
            kept[path.relative_to(folder).as_posix()] = size
            room -= size
        else:
            left += 1
    if left:
        print(f"NOTE: {left} pictures of {folder.name} have no room in what a reader keeps offline", flush=True)
    return kept


def manifest(view: View) -> str:
    """What a phone needs to put the view among its programs."""
    words = {
        "name": view.cut("Downhill · 下山"),
        "description": view.cut("A course on gradient descent that runs · 能运行的梯度下降课程"),
        "lang": TAGS[view.languages[0]],
        "start_url": "index.html",
        "scope": "./",
        "display": "minimal-ui",
        "icons": [
            {"src": "_static/favicon.svg", "type": "image/svg+xml", "sizes": "any"},
            {"src": "_static/touch-icon.png", "type": "image/png", "sizes": "180x180"},
        ],
    }
    return json.dumps(words, ensure_ascii=False, indent=1) + "\n"


def absent(view: View) -> str:
    """What is shown without a network where a page was not kept."""
    title = view.cut("Not on this device · 本机没有这一页")
    back = view.cut("To the first page · 回首页")
    return (
        f'<!doctype html><html lang="{TAGS[view.languages[0]]}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f'<title>{title}</title><body style="font-family:sans-serif;margin:2rem"><h1>{title}</h1>'
        f'<p><a href="HOMEindex.html">{back}</a></p></body></html>'
    )


def write(view: View, folder: Path, worker: Path, kept: dict[str, int]) -> None:
    """The worker beside the view's pages, with the list and the manifest; the pages are as readers get them.

    The version is that of the content: the same pages have the same one, whatever commit their footers name.
    """
    listed, version = {}, hashlib.sha256()
    for name, size in kept.items():
        data = (folder / name).read_bytes()
        listed[name] = [hashlib.sha256(data).hexdigest()[:16], size]
        version.update(name.encode() + hashlib.sha256(STAMP.sub(b"", data)).digest())
    shutil.copy2(worker, folder / WORKER)
    write_if_new(folder / MANIFEST, manifest(view))
    entry = {"version": version.hexdigest()[:12], "bytes": sum(kept.values()), "absent": absent(view), "files": listed}
    write_if_new(folder / LIST, json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
