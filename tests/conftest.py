"""What the tests share: the browser, and the site on a server."""

import gc
import os
from contextlib import ExitStack

import pytest
from needs import need
from pages import LAPTOP, SITE
from serving import serve

from downhill_course.publish.chrome import ADVICE, FLAGS, find_chrome


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Whatever opens a browser or reads the built site is marked, so that `make test-fast` can leave it out."""
    for item in items:
        module = vars(getattr(item, "module", None) or pytest)
        if {"chrome", "served", "address", "visit"} & set(getattr(item, "fixturenames", ())) or "SITE" in module:
            item.add_marker("site")
    places = order([item.nodeid.partition("::")[0] for item in items])
    items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])


def pytest_collection_finish():
    """What is collected stays: the garbage collector, which would look through ten thousand tests again and again, is
    told so."""
    gc.collect()
    gc.freeze()


#: The tests of a minute and more: whoever begins with one last lets the other workers wait.
LONG = {
    f"tests/test_{name}.py"
    for name in ("bilingual_ext", "exercises", "explorer", "grader_hostile", "parallel_cluster", "search", "site")
}


def order(files):
    """Which file starts when, under `--dist loadfile`: a notebook keeps a core busy, while a test with a browser, a
    limit or another process mostly waits. So they start in turn, the long ones and the last chapters first; the
    modules' doctests, which are short, fill what is left over in the end."""
    notebooks, tests, modules = [], [], []
    for file in dict.fromkeys(files):
        kind = notebooks if file.endswith(".ipynb") else tests if file.startswith("tests/") else modules
        kind.append(file)
    tests.sort(key=lambda file: (file not in LONG, file))
    places = {file: (1.0, i) for i, file in enumerate(modules)}
    for reach, kind in ((0.8, notebooks[::-1]), (1.0, tests)):
        places |= {file: (reach * i / len(kind), i) for i, file in enumerate(kind)}
    return places


@pytest.fixture(scope="session")
def chrome():
    """A running browser; see `needs.need` for what happens on a machine without one."""
    program = find_chrome()
    need(program, ADVICE)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served():
    """A function that serves a folder, as any static host would, and gives its address."""
    with ExitStack() as open_servers:
        yield lambda folder: open_servers.enter_context(serve(folder)).rstrip("/")


@pytest.fixture(scope="session")
def address(served):
    """The address of the site."""
    assert (SITE / "index.html").exists(), "the site is not built: run `make book`"
    return served(SITE)


@pytest.fixture
def visit(chrome, address):
    """Open a page of the site; errors and foreign requests are collected on the returned page. What `before` holds is
    run in each page before the page's own scripts."""
    contexts = []

    def open_page(path: str, size=LAPTOP, base=address, before="", **options):
        context = chrome.new_context(viewport=size, **options)
        context.add_init_script(before)
        contexts.append(context)
        page = context.new_page()
        page.troubles = []
        page.on("console", lambda message: message.type in ("error", "warning") and page.troubles.append(message.text))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on(  # a page that is left gives up what it had asked for
            "requestfailed",
            lambda request: (
                request.failure == "net::ERR_ABORTED"
                or page.troubles.append(f"failed: {request.url}: {request.failure}")
            ),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith((base, "data:", "blob:"))
                or page.troubles.append(f"asked another host: {request.url}")
            ),
        )
        page.goto(f"{base}/{path}", wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def sample_book(tmp_path_factory):
    """The folder of the sample book, built in all views, which the workers of a run share."""
    import sample  # which is long to import

    base = tmp_path_factory.getbasetemp()
    return sample.shared((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sample")
