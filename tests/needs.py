"""What a test needs of the machine: without it, it is skipped; with CI=true it fails."""

from __future__ import annotations

import os

import pytest


def need(found: object, advice: str) -> None:
    """Skip the test with ``advice`` if something it needs was not found; in CI that is a failure."""
    if not found:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(advice, pytrace=False)
        pytest.skip(advice)
