"""The browser for tests: the system's Chromium or Chrome. Without one, tests are skipped; with CI=true they fail.

Debian's headless shell comes first: the same engine without the windows around it, and a page opens in half the time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

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
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def need(found: object, advice: str) -> None:
    """Skip the test with ``advice`` if something it needs was not found; in CI that is a failure."""
    if not found:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(advice, pytrace=False)
        pytest.skip(advice)


def find_chrome() -> str | None:
    """The browser's program: ``$CHROME``, else what is on the path, else where installers put it."""
    named = os.environ.get("CHROME")
    if named:
        return named if Path(named).exists() else shutil.which(named)
    on_path = (shutil.which(name) for name in NAMES)
    return next((found for found in on_path if found), None) or next((p for p in PLACES if Path(p).exists()), None)
