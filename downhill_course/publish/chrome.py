"""The system's Chromium or Chrome: it prints pages and runs the browser tests.

Debian's headless shell comes first: the same engine without the windows around it, and a page opens in half the time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAMES = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "msedge",
)  # fmt: skip
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
ADVICE = (
    "no browser: install Chromium or Chrome (Debian: apt install chromium-headless-shell; Ubuntu: apt install "
    "chromium; macOS: brew install --cask chromium) or name one: CHROME=/path/to/chrome"
)
#: No sandbox of its own, since root may start it; no request that nobody asked for.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def find_chrome() -> str | None:
    """The browser's program: ``$CHROME``, else what is on the path, else where installers put it."""
    named = os.environ.get("CHROME")
    if named:
        return named if Path(named).exists() else shutil.which(named)
    on_path = (shutil.which(name) for name in NAMES)
    return next((found for found in on_path if found), None) or next((p for p in PLACES if Path(p).exists()), None)
