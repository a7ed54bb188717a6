"""A view kept on the reader's device: read and searched without a network, a newer one offered, all of it removed."""

import json
import os
import re
from contextlib import contextmanager

import pytest
from pages import PHONE, SITE
from serving import serve

from downhill_course.notebook.views import VIEWS
from downhill_course.publish import offline


def kept(view):
    return json.loads((SITE / view / offline.LIST).read_text(encoding="utf-8"))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_room_on_a_phone_with_all_its_pages(view):
    files = kept(view)["files"]
    folder = SITE / view
    shown = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in offline.READ}
    assert set(files) == shown - {offline.WORKER}, "a picture has no room: make pictures smaller"
    assert sum(size for _, size in files.values()) <= offline.MOST
    named = json.loads((folder / offline.MANIFEST).read_text(encoding="utf-8"))
    assert all((folder / icon["src"]).exists() for icon in named["icons"])
    assert named["lang"] == ("zh-CN" if view == "zh" else "en")


@pytest.fixture
def small(tmp_path):
    """A copy of the Chinese view by links, whose files may be replaced."""
    folder = tmp_path / "site" / "zh"
    for path in (SITE / "zh").rglob("*"):
        if path.suffix in (*offline.READ, ".json", ".webmanifest"):
            target = folder / path.relative_to(SITE / "zh")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    return folder


def change(folder, name, old, new):
    """The next build: one page says something else."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    path.unlink()  # the link, not the site's own file
    path.write_text(text.replace(old, new), encoding="utf-8")
    for name in (offline.LIST, offline.MANIFEST, offline.WORKER):
        (folder / name).unlink()
    offline.write(VIEWS["zh"], folder, SITE / "zh" / offline.WORKER, offline.files(folder))


@contextmanager
def tab(chrome, base):
    """A reader's browser, with the addresses that failed or led away."""
    context = chrome.new_context(viewport=PHONE, locale="zh-CN")
    page = context.new_page()
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("request", lambda request: request.url.startswith(base) or page.troubles.append(request.url))
    try:
        yield page
    finally:
        context.close()


KEEP = ".page-tools .keep"
USED = "navigator.storage.estimate().then(({ usage }) => usage)"


def test_a_phone_keeps_the_readers_language(chrome, small):
    with serve(small.parent, "/some/where/") as base, tab(chrome, base) as page:
        page.goto(f"{base}zh/index.html")
        button = page.locator(f"{KEEP} button")
        assert re.search(r"离线保存 \(\d+ MB\)", button.inner_text())
        assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0, (
            "not asked yet"
        )
        button.click()
        page.get_by_text("已存在本机").wait_for()
        assert 5e6 < page.evaluate(USED) <= offline.MOST
        page.context.set_offline(True)
        page.goto(f"{base}zh/03-momentum.html")
        figure = page.locator("figure:has([data-downhill-explorer])").first
        figure.scroll_into_view_if_needed()
        figure.locator(".dx").wait_for()
        page.wait_for_function(
            "[...document.images].filter((image) => image.complete).every((image) => image.naturalWidth)"
        )
        page.goto(f"{base}zh/search.html?q=动量")
        page.locator("article a[href*='03-momentum']").first.wait_for()
        page.goto(f"{base}zh/")
        assert page.locator(".home-figure").count() == 1
        assert page.goto(f"{base}zh/nowhere.html").status == 503
        assert page.get_by_role("link", name="回首页").get_attribute("href") == f"{base}zh/index.html"
        page.context.set_offline(False)

        # the next build is offered, the old one read until it is taken
        change(small, "news.html", "</h1>", "，第二版</h1>")
        page.goto(f"{base}zh/news.html")
        bar = page.locator(".offline-bar")
        bar.get_by_role("button", name="以后再说").click()
        page.reload()
        page.locator(KEEP).get_by_text("已存在本机").wait_for()
        assert bar.count() == 0
        page.evaluate("localStorage.clear()")
        page.reload()
        bar.wait_for()
        assert "第二版" not in page.locator("h1").inner_text()
        (small / "news.html").rename(small / "away.html")  # a host half way between two versions
        bar.get_by_role("button", name="更新").click()
        bar.get_by_text("网站正在更新").wait_for()
        (small / "away.html").rename(small / "news.html")
        bar.get_by_role("button", name="更新").click()
        bar.get_by_role("button", name="刷新页面").click()
        page.get_by_role("heading", level=1, name="第二版").wait_for()
        names = page.evaluate("caches.keys()")
        assert names == [f"downhill {base}zh/ {json.loads((small / offline.LIST).read_text('utf-8'))['version']}"]

        page.locator(f"{KEEP} button", has_text="从本机删除").click()
        page.locator(f"{KEEP} button", has_text="离线保存").wait_for()
        assert page.evaluate("caches.keys()") == []
        assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
        assert page.troubles == []
