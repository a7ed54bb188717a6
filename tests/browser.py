"""The browser for tests: the system's Chrome or Chromium. Without one, tests are skipped; with CI=true they fail."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
ADVICE = (
    "no browser: install Chrome or Chromium (Debian and Ubuntu: apt install chromium; macOS: brew install --cask "
    "chromium) or name one: CHROME=/path/to/chrome"
)
SITE = Path(__file__).parents[1] / "_build" / "site"
PHONE, LAPTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
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
