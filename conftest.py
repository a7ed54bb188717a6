"""What every test shares: the browser, and kernels that re-run notebooks as they were stored."""

import os

import pytest
from browser import ADVICE, FLAGS, find_chrome, need
from notebooks import REPEATABLE

os.environ.update(REPEATABLE)  # inherited by the kernels that nbval starts


@pytest.fixture(scope="session")
def chrome():
    """A running browser; see `browser.need` for what happens on a machine without one."""
    program = find_chrome()
    need(program, ADVICE)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
