"""The trained model writes in a page: from disk, by keyboard, without motion where none is wanted."""

import json
import shutil

import axe
import pytest
from pages import PHONE, ROOT, SITE

from downhill_course.pages import writing

PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>写</title>
<link rel="stylesheet" href="writer.css"></head><body><main><h1>写</h1>
<div class="downhill-writer" data-language="zh">（模型会在这里写字。）</div></main>
<script src="writer.js"></script></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page opened from disk, with the model's script and weights beside it."""
    made = tmp_path_factory.mktemp("writer")
    for name in writing.FILES:
        shutil.copy(ROOT / "book" / "_static" / name, made)
    (made / "index.html").write_text(PAGE, encoding="utf-8")
    (made / "writer").mkdir()
    (made / "writer" / "zh.js").write_text(writing.script("zh"), encoding="utf-8")
    return made


@pytest.fixture
def opened(chrome, folder):
    """Open the page; what goes wrong is collected on it."""
    contexts = []

    def open_page(**options):
        contexts.append(chrome.new_context(viewport=PHONE, **options))
        page = contexts[-1].new_page()
        page.troubles = []
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or page.troubles.append(request.url))
        page.goto((folder / "index.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_the_model_writes_by_keyboard_alone(opened):
    page = opened()
    box = page.locator(".downhill-writer")
    text = box.locator(".writer-text")
    assert text.inner_text() == "学习率"
    box.get_by_role("button", name="写", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.writer-text').textContent.length > 12")
    page.keyboard.press("Enter")  # the same button now pauses
    written = text.inner_text()
    page.wait_for_timeout(200)
    assert text.inner_text() == written
    assert written.startswith("学习率")
    box.locator("input").focus()
    page.keyboard.press("ArrowRight")
    assert box.locator("output").inner_text() == "0.8"
    assert axe.light_and_dark(page, ".downhill-writer") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.troubles == []


def test_without_motion_it_writes_at_once(opened):
    page = opened(reduced_motion="reduce")
    box = page.locator(".downhill-writer")
    box.get_by_role("button", name="写", exact=True).click()
    page.wait_for_function("document.querySelector('.writer-text').textContent.length > 200")
    box.get_by_role("button", name="重写").click()
    assert box.locator(".writer-text").inner_text() == "学习率"
    assert page.troubles == []


def test_weights_that_are_not_there_are_told(opened, folder):
    (folder / "writer" / "zh.js").rename(folder / "away.js")
    try:
        page = opened()
        page.get_by_role("button", name="写", exact=True).click()
        page.get_by_role("status").get_by_text("权重没有载入").wait_for()
    finally:
        (folder / "away.js").rename(folder / "writer" / "zh.js")


@pytest.mark.parametrize(("view", "languages"), [("en", ["en"]), ("zh", ["zh"]), ("both", ["en", "zh"])])
def test_only_the_chapter_has_it(view, languages):
    page = (SITE / view / "12-train.html").read_text("utf-8")
    assert writing.BOX.findall(page) == languages
    for language in languages:
        stored = (SITE / view / "_static" / "writer" / f"{language}.js").read_text("utf-8")
        assert json.loads(stored.partition(" = ")[2].rstrip(";\n")) == writing.bundle(language)
    assert "writer.js" in page
    assert "writer.js" not in (SITE / view / "10-schedules.html").read_text("utf-8")
