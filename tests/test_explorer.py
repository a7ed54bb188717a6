"""The explorer in a real browser, opened from disk as the site's pages may be: its numbers are optlib's."""

import base64
import builtins
import gzip
import inspect
import itertools
import json
import linecache
import os
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import axe
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from downhill_course.figures.scenes import LABELS, RACES, SCENES
from downhill_course.ladder import judge, plane
from downhill_course.pages import editor, readings
from optlib import Optimizer, compile, descend, parallel, rules, schedules, surfaces, tricks, view
from optlib.optimizer import specification
from optlib.view import contours, style
from optlib.widget import Curves, Explorer, Network, Timeline, explorer, labels, modules, noise, palette, scenes

LOADER = Path(__file__).parents[1] / "book" / "_static" / "explore.js"
PAGE = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Explorer</title>
<meta name="viewport" content="width=device-width"><script src="explore.js"></script></head>
<body><main><h1>Explorer</h1>{before}{points}</main></body></html>"""
TIMEOUT = 15_000
WORDS = {**labels.LABELS, **LABELS}  # the explorer's, and those of the course's scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("explorer")
    for name, text in editor.scripts().items():
        (place / name).write_text(text, encoding="utf-8")
    (place / "explore.js").write_text(LOADER.read_text(encoding="utf-8"), encoding="utf-8")
    return place


@pytest.fixture
def show(chrome, folder):
    """Opens a page with figures and waits for the first; whatever the page complains of fails the test."""
    contexts, problems, requests = [], [], []

    def opened(*figures, lang="en", link="", width=900, before="", wait=True, **options):
        name = f"page{len(list(folder.glob('*.html')))}.html"
        points = "".join(f"<div>{figure.html()}</div>" for figure in figures)
        (folder / name).write_text(PAGE.format(lang=lang, points=points, before=before), encoding="utf-8")
        options = {"viewport": {"width": width, "height": 900}, **options}
        context = chrome.new_context(**options)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: requests.append(r.url))
        page.goto((folder / name).as_uri() + link)
        if wait:
            page.locator(".dx").first.wait_for()  # seen when it is drawn
            settle(page)
        return page

    opened.requests = requests
    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def settle(page):
    """Two frames later all that was asked for is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def more(page):
    """Opens what waits behind More."""
    page.locator(".dx-more > summary").click()
    settle(page)


FIGURE = "document.querySelector('.downhill-explorer').downhill"


def state(page):
    return page.evaluate(f"{FIGURE}.state")


def paths(page):
    """What the page has walked, each of shape (n + 1, d)."""
    found = page.evaluate(f"{FIGURE}.walks.map((w) => [w.d, Array.from(w.path.subarray(0, (w.n + 1) * w.d))])")
    return [np.array(path).reshape(-1, d) for d, path in found]


def assert_walks(page, figure, tolerance=1e-12):
    for walked, (name, path) in zip(paths(page), figure.paths().items(), strict=True):
        assert walked.shape == path.shape, name
        np.testing.assert_allclose(walked, path, rtol=tolerance, atol=tolerance, err_msg=name)


def moved(page, **changes):
    page.evaluate(f"(changes) => {{ Object.assign({FIGURE}.state, changes); {FIGURE}.changed(true); }}", changes)
    settle(page)


# --- the mathematics ------------------------------------------------------------------------------


def test_every_rule_on_every_surface_is_optlibs(show):
    """200 steps at gentle rates, in the browser's own engine."""
    page = show(Explorer(surface="bowl", algorithms=["sgd"]))
    jobs, expected = [], []
    for surface in scenes.surfaces().values():
        for rule in explorer.RULES:
            optimizer = Optimizer(rule)
            if "lr" in optimizer.hyper:
                optimizer = Optimizer(rule, lr=min(1e-3, optimizer.hyper["lr"]))
            jobs.append({"surface": surface.name, "start": surface.start, "steps": 200,
                         "runs": [{"rule": rule.__name__, "hyper": dict(optimizer.hyper)}]})  # fmt: skip
            expected.append(descend(optimizer, surface.grad, surface.start, steps=200, loss=surface))
    walk = f"""(jobs) => {{ const f = {FIGURE}, walked = jobs.map((job, i) => {{  // controls and ground once for each
      if (i && f.state.surface === job.surface) f.state.runs = job.runs; else {{ f.replace(job); f.draw(); }}
      return Array.from(f.currentWalks()[0].path); }}); f.replace(jobs[0]); return walked; }}"""
    for job, path, walked in zip(jobs, expected, page.evaluate(walk, jobs), strict=True):
        np.testing.assert_allclose(np.reshape(walked, path.shape), path, rtol=1e-12, atol=1e-12, err_msg=str(job))


RECORDED = np.random.default_rng(0).standard_normal((200, 2)).round(6)
RECORDED[np.random.default_rng(1).random((200, 2)) < 0.3] = 0


def test_every_rule_at_full_rate_on_recorded_gradients(show):
    page = show(Explorer(surface="bowl", algorithms=["sgd"]))
    for rule in explorer.RULES:
        if "loss" in compile.source.read(rule).arguments:
            continue
        job = {"surface": "stream", "start": [1.0, -2.0], "steps": 200, "stream": RECORDED.tolist(), "series": "x",
               "runs": [{"rule": rule.__name__, "hyper": dict(Optimizer(rule).hyper)}]}  # fmt: skip
        walked = page.evaluate(f"(job) => {{ {FIGURE}.replace(job); {FIGURE}.draw(); return 0; }}", job)
        path = descend(Optimizer(rule), lambda theta, t: RECORDED[t], [1.0, -2.0], steps=200)
        (walked,) = paths(page)
        np.testing.assert_allclose(walked, path, rtol=1e-12, atol=1e-12, err_msg=rule.__name__)


POCKET = {"width": 390, "height": 844}


def quiet(page):
    """Picture, handle, play and the controls that the scene names; a phone's screen holds it all."""
    visible = page.locator(".dx :is(button, input, select, summary):visible").evaluate_all(
        "(all) => all.map((e) => e.dataset.key ?? e.textContent)"
    )
    numbers = [key for key in visible if key.endswith("-number")]
    assert len(numbers) <= 2, visible
    assert {"play", "scrub", "More"} <= set(visible)
    tabs = [key for key in visible if key.startswith("tab.")]
    assert len(visible) <= 4 + 2 * len(numbers) + ("series" in visible) + len(tabs), visible
    assert page.locator(".dx").bounding_box()["height"] < 780


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_is_quiet_and_walks_as_in_python(show, name):
    """Noise, examples, delays, schedules and given gradients included; closed loops that normalise amplify rounding."""
    figure = Explorer(name)
    page = show(figure, has_touch=True, is_mobile=True, viewport=POCKET)
    quiet(page)
    normalising = {"rmsprop", "adadelta", "adagrad", "adam", "adam_uncorrected", "amsgrad"}
    tolerance = 1e-6 if normalising & {each["rule"] for each in figure.state["runs"]} else 1e-9
    assert_walks(page, figure, tolerance)
    assert page.locator(".dx-notes p").all_inner_texts() == [
        words for words in page.locator(".dx-notes p").all_inner_texts() if "leaves the frame" in words
    ]
    assert figure.picture.png.startswith(b"\x89PNG")


def test_the_noise_is_the_same_in_python(show):
    page = show(Explorer("triangular"))
    drawn = page.evaluate(
        f"() => {{ const n = {FIGURE}.lib.functions.normal;"
        " return [1, 2].map((s) => Array.from({ length: 50 }, (_, t) => n(s, t, 1))); }"
    )
    ours = [[float(noise.normal(s, t, 1)) for t in range(50)] for s in (1, 2)]
    np.testing.assert_allclose(drawn, ours, rtol=1e-12, atol=1e-12)


def test_a_map_of_starts_is_that_of_optlib(show):
    page = show(Explorer(surface="himmelblau", algorithms={"sgd": {"lr": 0.01}}, steps=100, map="where"))
    page.wait_for_function(f"{FIGURE}.mapTook > 0")
    assert "Colours" in page.locator(".dx-note:visible").first.inner_text()
    n = 24
    chart = """(job) => new Promise((done) => { const out = []; const f = FIGURE;
      f.options.map = [job, job]; f.mapKey = null; f.mapTook = 0; f.refresh();
      const wait = () => f.mapTook > 0 ? done(f.mapCanvas.width) : setTimeout(wait, 30); wait(); })"""
    assert page.evaluate(chart.replace("FIGURE", FIGURE), n) == n
    pixels = page.evaluate(f"() => Array.from({FIGURE}.mapCanvas.getContext('2d').getImageData(0, 0, {n}, {n}).data)")
    image = np.array(pixels).reshape(n, n, 4)[::-1]
    at = -5 + (np.arange(n) + 0.5) / n * 10
    starts = np.stack(np.meshgrid(at, at), axis=-1)
    end = descend(Optimizer(rules.sgd, lr=0.01), surfaces.himmelblau.grad, starts, steps=100, strict=False)[-1]
    with np.errstate(all="ignore"):
        distance = np.linalg.norm(end[..., None, :] - np.array(surfaces.himmelblau.minima), axis=-1)
        nearest = np.where(distance.min(-1) < 0.1, distance.argmin(-1), -1)
    colours = {tuple(image[nearest == k][0][:3]) for k in range(4)}
    assert len(colours) == 4
    for k in range(-1, 4):
        shown = image[nearest == k]
        assert (shown[:, 3] == 0).all() if k < 0 else (np.ptp(shown, axis=0) == 0).all()


# --- what a reader does ---------------------------------------------------------------------------


def test_dragging_the_start_moves_the_paths(show):
    page = show(Explorer("ravine"))
    before = paths(page)
    hint = "getComputedStyle(document.querySelector('.dx-handle'), '::after').content"
    assert page.evaluate(hint) == '"start: drag it"'
    box = page.locator(".dx-handle").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=5)
    page.mouse.up()
    settle(page)
    assert page.evaluate(hint) == "none"  # who has done it knows
    now = state(page)
    assert now["start"][0] > before[0][0][0] + 0.5
    assert now["start"][1] < before[0][0][1] - 0.1
    runs = {each["rule"]: each["hyper"] for each in now["runs"]}
    assert_walks(page, Explorer(surface="ravine", algorithms=runs, start=now["start"], steps=100))


def test_a_slider_and_a_typed_number_change_a_hyper_parameter(show):
    page = show(Explorer("ravine"))
    slider = page.get_by_role("slider", name="SGD: η")
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert state(page)["runs"][0]["hyper"]["lr"] == pytest.approx(0.018 * 10**0.01, rel=3e-3)
    number = page.get_by_role("textbox", name="SGD: η")
    number.fill("0.005")
    number.press("Enter")
    settle(page)
    assert state(page)["runs"][0]["hyper"]["lr"] == 0.005
    number.fill("-3")  # out of range: the number before comes back
    number.press("Enter")
    settle(page)
    assert (state(page)["runs"][0]["hyper"]["lr"], number.input_value()) == (0.005, "0.005")


def test_play_pause_step_and_scrub(show):
    page = show(Explorer("ravine"))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{FIGURE}.state.at > 2")
    page.get_by_role("button", name="Pause").click()
    at = state(page)["at"]
    assert 2 < at < 100
    more(page)
    page.get_by_role("button", name="One step on").click()
    page.get_by_role("button", name="One step on").click()
    page.get_by_role("button", name="One step back").click()
    settle(page)
    assert page.locator(".dx-clock").inner_text() == f"t = {at + 1}"
    page.get_by_role("slider", name="Step", exact=True).fill("7")
    settle(page)
    assert state(page)["at"] == 7
    row = page.locator(".dx-scroll table tbody tr").first.inner_text()
    assert row.startswith("SGD\t7\t(")


def test_algorithms_come_and_go(show):
    page = show(Explorer("ravine"))
    more(page)
    page.locator(".dx-add").select_option("adam")
    settle(page)
    assert [each["rule"] for each in state(page)["runs"]] == ["sgd", "momentum", "adam"]
    assert len(paths(page)) == 3
    page.get_by_role("button", name="Remove SGD").click()
    settle(page)
    assert [each["rule"] for each in state(page)["runs"]] == ["momentum", "adam"]
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert [each["rule"] for each in state(page)["runs"]] == ["sgd", "momentum"]


def test_a_convention_tells_whether_it_changes_the_path(show):
    page = show(Explorer(surface="ravine", algorithms={"momentum": {"lr": 0.004}}))
    more(page)
    page.locator(".dx-run summary").click()
    page.locator('[data-key="runs.0.convention"]').select_option("heavy_ball")
    settle(page)
    assert page.locator(".dx-convention").inner_text() == "Same path as Momentum."
    page.locator('[data-key="runs.0.convention"]').select_option("momentum_ema")
    settle(page)
    assert page.locator(".dx-convention").inner_text().startswith("Another path than Heavy ball's:")


def test_a_schedule_can_be_chosen(show):
    page = show(Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, steps=40))
    more(page)
    page.locator(".dx-run summary").click()
    page.locator('[data-key="runs.0.schedule"]').select_option("triangular")
    settle(page)
    lr = state(page)["runs"][0]["hyper"]["lr"]
    assert lr == {"schedule": "triangular", "low": 0.05, "high": 0.5, "half": 5}
    rate = schedules.triangular(0.05, 0.5, half=5)
    path = descend(Optimizer(rules.sgd, lr=rate), surfaces.bowl.grad, surfaces.bowl.start, steps=40)
    np.testing.assert_allclose(paths(page)[0], path, rtol=1e-12, atol=1e-12)


def test_a_link_restores_exactly_this_state(show):
    figure = Explorer("race", tab="saddle")
    page = show(figure)
    moved(page, start=[0.5, -1.25], steps=33, noise=0.1, levels="log", at=12)
    address = page.evaluate(f"{FIGURE}.address()")
    again = show(figure, link="#" + address.split("#")[1])
    assert state(again) == state(page)
    assert [a.tolist() for a in paths(again)] == [a.tolist() for a in paths(page)]


def packed(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("#explorer=0.%%%", "cannot be read"),
        ("#explorer=0." + packed({"surface": "moon"}), 'unknown surface "moon"'),
        ("#explorer=0." + packed({"steps": 10**9}), "steps = 1000000000, allowed are 1 to 5000"),
        ("#explorer=0." + packed({"start": [1.0, "<img src=x>"]}), "start"),
        ("#explorer=0." + packed({"runs": [{"rule": "sgd", "hyper": {"lr": -1}}]}), "sgd: lr = -1"),
        ("#explorer=0." + packed({"extra": "alert(1)"}), 'unknown entry "extra"'),
        ("#explorer=0." + packed({"runs": [{"rule": "constructor", "hyper": {}}]}), 'unknown algorithm "constructor"'),
        ("#explorer=0." + packed({"runs": [{"rule": "__proto__"}]}), 'unknown algorithm "__proto__"'),
        ("#explorer=0." + packed({"runs": [{"rule": "sgd", "hyper": {"__proto__": 1}}]}), 'sgd has no "__proto__"'),
        ("#explorer=0." + packed({"surface": "toString"}), 'unknown surface "toString"'),
        ("#explorer=0." + packed({"__proto__": {"steps": 3}}), 'unknown entry "__proto__"'),
        ("#explorer=0." + packed({"constants": {"constructor": 1.0}}), "constructor = 1 is not allowed"),
        ("#explorer=0." + packed({"scene": "map"}), "axes = null is not allowed"),
        ("#explorer=0." + packed([1, 2]), "there is no state in it"),
        ("#explorer=0." + packed({"runs": "all"}), "runs"),
        (
            "#explorer=0." + packed({"runs": [{"rule": "sgd", "hyper": {"lr": {"schedule": "valueOf"}}}]}),
            'unknown schedule "valueOf"',
        ),
    ],
)
def test_a_bad_link_says_why_and_shows_the_default(show, link, why):
    page = show(Explorer("ravine"), link=link)
    (note,) = page.locator(".dx-notes p").all_inner_texts()
    assert why in note
    assert note.startswith("This link cannot be read")
    assert_walks(page, Explorer("ravine"))


def test_an_old_link_names_the_batch_size_as_it_was_called(show):
    page = show(Explorer("order-batches"), link="#explorer=0." + packed({"batch": 7, "show": ["batch"]}))
    assert state(page)["batch_size"] == 7
    assert page.locator('.dx-shown [data-key="batch_size"]').input_value() == "7"


def test_a_bad_link_is_told_in_the_pages_language(show):
    link = "#explorer=0." + packed({"runs": [{"rule": "constructor", "hyper": {}}]})
    page = show(Explorer("ravine"), link=link, lang="zh-CN")
    told = "这个链接读不出来（没有算法“constructor”），因此显示图的默认状态。"
    assert page.locator(".dx-notes p").all_inner_texts() == [told]


# --- the text and the figure ------------------------------------------------------------------------


TEXT = """<p lang="en">With
<button disabled class="figure-set" data-figure="bowl" data-values='{"lr": "0.25"}'>0.25</button> it
<output class="figure-now" data-figure="bowl" data-reading="arrival">arrives after 9 updates</output>.
<span lang="zh">现在
<output class="figure-now" data-figure="bowl" data-reading="arrival">更新 9 次后到达</output>。</span>
</p>"""


@pytest.fixture
def bowl(show):
    figure = Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=60)
    point = explorer.mount_point(figure.bundle, "bowl")
    return show(before=TEXT + f"<div>{point}</div>")


def test_a_text_sets_the_figure_and_undoes_it(bowl):
    button = bowl.locator("button.figure-set")
    assert button.get_attribute("aria-pressed") == "false"
    place = bowl.evaluate("scrollY")
    button.press("Enter")
    settle(bowl)
    assert state(bowl)["runs"][0]["hyper"]["lr"] == 0.25
    assert button.get_attribute("aria-pressed") == "true"
    assert bowl.locator("output.figure-now").all_inner_texts() == ["arrives after 21 updates", "更新 21 次后到达"]
    assert bowl.evaluate("scrollY") == place
    button.click()
    settle(bowl)
    assert state(bowl)["runs"][0]["hyper"]["lr"] == 0.5
    assert button.get_attribute("aria-pressed") == "false"
    assert bowl.locator("output.figure-now").first.inner_text() == "arrives after 9 updates"
    bowl.wait_for_function("!document.querySelector('output.figure-now').hasAttribute('aria-busy')")


def test_undoing_leaves_what_the_reader_changed_elsewhere(bowl):
    button = bowl.locator("button.figure-set")
    button.click()
    settle(bowl)
    bowl.evaluate(f"{FIGURE}.put(['steps'], 30)")
    settle(bowl)
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    settle(bowl)
    assert (state(bowl)["runs"][0]["hyper"]["lr"], state(bowl)["steps"]) == (0.5, 30)


def test_the_figure_is_asked_and_set_by_name(bowl):
    """What questions use."""
    ask = "async (name) => { const f = await window.downhillFigure('bowl'); return f.read(name).value; }"
    arrival = bowl.evaluate(ask, "arrival")
    figure = Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=60)
    (path,) = figure.paths().values()
    away = np.abs(path).max(axis=1) > 0.01
    assert arrival == away.nonzero()[0].max() + 1
    assert bowl.evaluate(ask, "loss") == pytest.approx(float(figure.surface()(path[-1])), rel=1e-12)
    assert bowl.evaluate(ask, "end") == pytest.approx(path[-1].tolist())
    told = bowl.evaluate("""async () => {
      const f = await window.downhillFigure("bowl");
      try { f.set({ lr: -1 }); return "set"; } catch (error) { return error.message; } }""")
    assert told == "sgd: lr = -1 is not allowed"
    assert state(bowl)["runs"][0]["hyper"]["lr"] == 0.5
    heard = bowl.evaluate("""async () => {
      const f = await window.downhillFigure("bowl");
      const told = new Promise((done) => addEventListener("downhill-change", (e) => done(e.target.dataset.figure)));
      f.set({ lr: 0.1, steps: "20" });
      return told; }""")
    assert heard == "bowl"
    assert state(bowl)["steps"] == 20


def test_a_text_asks_for_a_figure_that_is_not_there_yet(show):
    figure = Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=60)
    far = f'<div style="height: 5000px"></div><div>{explorer.mount_point(figure.bundle, "bowl")}</div>'
    page = show(before=TEXT + far, wait=False)
    button = page.locator("button.figure-set:enabled")
    assert page.locator(".dx").count() == 0
    button.click()
    page.wait_for_function("document.querySelector('output.figure-now').textContent === 'arrives after 21 updates'")
    assert page.evaluate("scrollY") == 0


def test_axe_finds_nothing_in_a_text_that_drives_a_figure(bowl):
    bowl.locator("button.figure-set").click()
    settle(bowl)
    assert axe.faults(bowl, "main", tags=axe.PRACTICE) == []


def test_a_figure_is_seen_when_it_is_drawn_and_what_waits_behind_more_is_made_when_asked_for(show):
    page = show(Explorer("ravine"))
    assert page.evaluate(f"{FIGURE}.timings.length") > 0
    assert page.locator(".dx-more *").count() == 1
    more(page)
    assert page.locator(".dx-more [data-key]").count() > 10
    assert page.evaluate(f"{FIGURE}.fill()") is None
    assert page.locator(".dx-more > summary").count() == 1


def test_the_copied_python_walks_the_same(show):
    for name in ("ravine", "triangular", "one-cycle", "reddi", "barrier"):
        figure = Explorer(name)
        page = show(figure)
        text = page.evaluate(f"{FIGURE}.pythonText()")
        assert len(text.strip().splitlines()) <= 5 + len(figure.state["runs"])
        space: dict = {}
        exec(text, space)
        for walked, path in zip(paths(page), space["paths"].values(), strict=True):
            np.testing.assert_allclose(walked, path, rtol=1e-6, atol=1e-9)


def test_the_picture_is_saved_as_svg(show):
    page = show(Explorer("ravine"))
    more(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download SVG").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert text.rstrip().endswith("</svg>")
    assert "NaN" not in text
    colours = page.evaluate(f"{FIGURE}.styles.map((s) => s.colour)")
    assert all(f'stroke="{colour}"' in text for colour in colours)


def test_the_language_is_the_pages(show):
    page = show(Explorer("ravine"), lang="zh-CN")
    assert page.locator(".dx").get_attribute("lang") == "zh-CN"
    more(page)
    assert page.get_by_role("button", name="复制链接").is_visible()
    assert re.findall(r"(?:\b[A-Za-z]{3,}\b[ ]){2}", page.locator(".dx").inner_text()) == []


def test_another_language_keeps_what_was_dragged(show, folder):
    switch = '<nav class="view-switch"><a href="../../zh/{0}">中文</a></nav>'
    pages = {}
    for lang in ("en", "zh"):
        name = f"{lang}/chapter/page.html"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for file in ("explore.js", "explorer.js", "explorer.css"):
            (folder / lang / "chapter" / file).write_bytes((folder / file).read_bytes())
        pages[lang] = folder / name
        pages[lang].write_text(
            PAGE.format(
                lang=lang, before=switch.format("chapter/page.html"), points=f"<div>{Explorer('ravine').html()}</div>"
            ),
            encoding="utf-8",
        )
    page = show(Explorer("ravine"))
    page.goto(pages["en"].as_uri())
    page.locator(".dx").wait_for()
    moved(page, start=[5.0, 1.0], steps=40)
    page.get_by_role("link", name="中文").click()
    page.locator(".dx[lang=zh-CN]").wait_for()
    assert (state(page)["start"], state(page)["steps"]) == ([5.0, 1.0], 40)
    page.reload()
    page.locator(".dx").wait_for()
    assert state(page)["start"] == Explorer("ravine").state["start"], "only a change of the language carries it"


def test_a_ravine_is_true_to_scale(show):
    for name in ("ravine", "nesterov", "bias-correction", "race"):
        page = show(Explorer(name))
        units = page.evaluate(f"[{FIGURE}.frame.X(1) - {FIGURE}.frame.X(0), {FIGURE}.frame.Y(0) - {FIGURE}.frame.Y(1)]")
        assert units[0] == pytest.approx(units[1], rel=0.02), name


def test_names_stand_at_the_ends_and_a_press_makes_a_run_stand_out(show):
    page = show(Explorer("race", tab="three_lowlands"))
    names = page.evaluate(f"{FIGURE}.names.map(({{ words, x, y, w, h }}) => [words, x, y, w, h])")
    assert {name for name, *_ in names} == {"SGD", "Momentum", "NAG", "Adagrad", "Adadelta", "RMSprop", "Adam"}
    for k, (_, x, y, w, h) in enumerate(names):
        for _, p, q, v, u in names[:k]:
            assert x + w <= p or p + v <= x or y + h <= q or q + u <= y
    vivid = f"{FIGURE}.styles.map((s) => s.vivid)"
    assert page.evaluate(vivid) == [True, False, False, False, False, False, True]
    _, x, y, w, h = next(each for each in names if each[0] == "NAG")
    box = page.locator(".dx-canvas").bounding_box()
    page.mouse.click(box["x"] + x + w / 2, box["y"] + y + h / 2)
    settle(page)
    assert page.evaluate(vivid) == [True, False, True, False, False, False, False]
    assert state(page)["start"] == Explorer("race", tab="three_lowlands").state["start"]
    more(page)
    button = page.get_by_role("button", name="Adam", exact=True)
    button.click()
    settle(page)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.evaluate(vivid)[6]


@pytest.mark.parametrize("width", [360, 700])
def test_no_name_lies_on_another_on_a_mark_or_outside(show, width):
    """Marks are the minima's crosses, the handle and what a figure writes; walks are bare where there is room."""
    page = show(Explorer("ravine"), width=width)
    bare = "stale", "turned", "reddi"
    for name in SCENES:
        page.evaluate(f"(given) => {FIGURE}.replace(given)", Explorer(name).state)
        settle(page)
        rooms, marks, hidden, across = page.evaluate(f"""(() => {{
            const {{ names, marks, lines, width }} = {FIGURE}, box = ({{ x, y, w, h }}) => [x, y, x + w, y + h];
            const under = ([x, y, r, b]) => lines.filter((xy) =>
                Array.from(xy).some((v, i) => i % 2 && xy[i - 1] > x && xy[i - 1] < r && v > y && v < b)).length;
            return [names.map(box), marks.map(box), names.map(box).map(under), width];
        }})()""")
        for k, (left, top, right, bottom) in enumerate(rooms):
            assert 0 <= left < right <= across, (name, rooms[k])
            for x, y, r, b in [*rooms[:k], *marks]:
                assert right <= x or r <= left or bottom <= y or b <= top, (name, rooms[k], [x, y, r, b])
        if name in bare:
            assert hidden == [0, 0], name


# --- tabs -----------------------------------------------------------------------------------------


RACE = {each["name"]: each for each in RACES}


def tab(page, name):
    return page.locator(f'[data-key="tab.{name}"]')


def test_each_tab_of_the_race_walks_as_in_python(show):
    page = show(Explorer("race"))
    for name in RACE:
        tab(page, name).click()
        settle(page)
        figure = Explorer("race", tab=name)
        assert figure.state == {**state(page), "runs": figure.state["runs"], "constants": {}}
        for walked, path in zip(paths(page), figure.paths().values(), strict=True):
            assert len(walked) == len(path), name
            lost = surfaces.TABLE[RACE[name]["surface"]]
            np.testing.assert_allclose(lost(walked[:30]), lost(path[:30]), rtol=1e-6, atol=1e-9)


def test_the_rates_that_are_drawn_are_those_of_a_descent(show):
    page = show(Explorer("two-words"))
    drawn = page.evaluate(f"{FIGURE}.cache.series.curves.map((each) => each.map((values) => [...values]))")
    figure = Explorer("two-words")
    for run, curves in zip(figure.state["runs"], drawn, strict=True):
        optimizer = Optimizer(rules.TABLE[run["rule"]], **run["hyper"])
        end = descend(optimizer, figure.surface().grad, figure.state["start"], figure.state["steps"], report=True)
        far = abs(end.path).min(axis=1)[:-1] > 1e-6  # nearer the goal rounding makes the quotient
        assert far.sum() > 20
        np.testing.assert_allclose(np.transpose(curves)[: len(far)][far], end.rates[far], rtol=1e-8)


def test_tabs_go_by_keyboard_and_say_which_is_chosen(show):
    page = show(Explorer("race"))
    names = list(RACE)
    assert page.get_by_role("tablist", name="Surface").is_visible()
    tab(page, names[0]).focus()
    for key, name in (("ArrowRight", names[1]), ("End", names[-1]), ("ArrowRight", names[0]), ("ArrowLeft", names[-1])):
        page.keyboard.press(key)
        settle(page)
        assert page.evaluate("document.activeElement.dataset.key") == f"tab.{name}"
        assert page.get_by_role("tab", selected=True).get_attribute("data-key") == f"tab.{name}"
        assert (state(page)["tab"], state(page)["surface"]) == (name, RACE[name]["surface"])
        label = page.get_by_role("tab", selected=True).inner_text()
        assert page.get_by_role("tabpanel", name=label).locator(".dx-canvas").count() == 1
        assert page.locator("[role=tab][tabindex='0']").count() == 1, "Tab leaves the row"


def test_algorithms_stay_when_the_tab_changes(show):
    page = show(Explorer("race"))
    more(page)
    page.get_by_role("button", name="Remove Adadelta").click()
    page.locator(".dx-add").select_option("adamw")
    tab(page, "beale").click()
    settle(page)
    runs = {each["rule"]: each["hyper"]["lr"] for each in state(page)["runs"]}
    rates = {rule: hyper["lr"] for rule, hyper in RACE["beale"]["rates"].items() if rule != "adadelta"}
    assert runs == {**rates, "adamw": explorer._RATES["adamw"]}
    page.locator('[data-key="surface"]').select_option("himmelblau")
    settle(page)
    assert state(page)["tab"] is None
    assert page.get_by_role("tab", selected=True).count() == 0
    page.locator('[data-key="surface"]').select_option("saddle")
    settle(page)
    assert state(page)["tab"] == "saddle"


def test_a_text_chooses_a_tab_by_its_surface_and_takes_it_back(show):
    text = """<p><button disabled class="figure-set" data-figure="r" data-values='{"surface": "rosenbrock"}'>R</button>
    <button disabled class="figure-set" data-figure="r" data-values='{"tab": "noisy"}'>N</button>
    <output class="figure-now" data-figure="r" data-reading="adam.arrival"></output></p>"""
    page = show(before=text + f"<div>{explorer.mount_point(Explorer('race').bundle, 'r')}</div>")
    first = state(page)
    told = [page.locator("output.figure-now").inner_text()]
    for press, name in (("R", "rosenbrock"), ("N", "noisy"), ("R", "rosenbrock")):
        page.get_by_role("button", name=press, exact=True).click()
        settle(page)
        assert state(page)["tab"] == name
        told.append(page.locator("output.figure-now").inner_text())
    assert len(set(told)) == 3
    assert told[1] == told[3]
    page.get_by_role("button", name="R", exact=True).click()  # back to what was there before
    settle(page)
    assert state(page)["tab"] == "noisy"
    more(page)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert state(page) == first


def test_a_link_carries_the_tab_and_a_bad_one_is_told(show):
    page = show(Explorer("race"))
    tab(page, "saddle").click()
    settle(page)
    again = show(Explorer("race"), link="#" + page.evaluate(f"{FIGURE}.address()").split("#")[1])
    assert state(again) == state(page)
    bad = {"tab": "constructor"}, {"tabs": [{"name": "x"}, {"name": "x"}]}
    for given, why in zip(bad, ("tab = constructor is not allowed", "tabs = "), strict=True):
        page = show(Explorer("race"), link="#explorer=0." + packed(given))
        assert why in page.locator(".dx-notes p").first.inner_text()
    broken = [{"name": "a", "surface": "moon"}]
    page = show(Explorer("race"), link="#explorer=0." + packed({"tabs": broken, "tab": None}))
    tab(page, "a").click()
    settle(page)
    assert page.locator(".dx-notes p").first.inner_text() == 'This state cannot be shown: unknown surface "moon"'


def test_a_tab_that_is_not_there_is_named_in_python():
    with pytest.raises(ValueError, match="no tab 'moon': there are ravine, noisy"):
        Explorer("race", tab="moon")
    figure = Explorer("race")
    figure.state = {"tab": "saddle"}
    assert (figure.state["surface"], figure.state["runs"][0]["hyper"]["lr"]) == ("saddle", 1.0)
    assert Explorer("race", surface="beale").state["tab"] is None


LADDER = [digit * 10.0**power for power in range(-5, 4) for digit in (1, 1.5, 2, 3, 5, 7)]


def judged(scene, rule, lr):
    """How nine walks from other starts do, best first: the median arrival, then the loss at the end."""
    random, surface = np.random.default_rng(7), surfaces.TABLE[scene["surface"]]
    size, frame = np.ptp(surface.domain, axis=1), np.array(scene.get("domain", surface.domain))
    starts = scene["start"] + random.uniform(-0.1, 0.1, (9, 2)) * size
    if surface.name == "saddle":
        starts[:, 1] = 10 ** random.uniform(-3, -1, 9) * random.choice([-1, 1], 9)
    blur = scene.get("noise", 0.0) * np.random.default_rng(3).standard_normal((scene["steps"] + 1, 9, 2))
    optimizer = Optimizer(rules.TABLE[rule], lr=lr)
    path = descend(optimizer, lambda theta, t: surface.grad(theta) + blur[t], starts, scene["steps"], strict=False)
    with np.errstate(all="ignore"):
        lost = surface(path) - min(surface(np.array(m)) for m in surface.minima)
        away = lost > scene["goal"].get("gap", np.inf)
        if "within" in scene["goal"]:
            apart = [np.abs(path - m).max(axis=-1) for m in np.array(surface.minima)]
            away = np.min(apart, axis=0) > scene["goal"]["within"]
        out = ~((path >= frame[:, 0]) & (path <= frame[:, 1])).all(axis=(0, 2))
    arrival = np.where(away.any(axis=0), len(path) - np.argmax(away[::-1], axis=0), 0.0)
    arrival[away[-1] | out] = np.inf
    lost = np.where(out, np.inf, np.nan_to_num(lost, nan=np.inf))
    if scene.get("noise"):
        return float(lost[-40:].mean()), 0.0
    return float(np.median(arrival)), float(np.median(lost[-1]))


@pytest.mark.parametrize("name", RACE)
def test_each_racer_has_the_rate_that_suits_it(name):
    for rule, hyper in RACE[name]["rates"].items():
        at = int(np.argmin(np.abs(np.log(np.divide(LADDER, hyper["lr"])))))
        assert LADDER[at] == pytest.approx(hyper["lr"])
        below, own, above = (judged(RACE[name], rule, LADDER[k]) for k in (at - 1, at, at + 1))
        assert own <= min(below, above), (rule, below, own, above)


# Complete deuteranopia and protanopia after Machado, Oliveira & Fernandes (2009), on linear sRGB.
EYES = {
    "full": np.eye(3),
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}


def linear(colour):
    """Linear sRGB of #rrggbb."""
    c = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear sRGB."""
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ np.clip(rgb, 0, 1)
    x = xyz / [0.9505, 1.0, 1.089]
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", palette.PAPER)
@pytest.mark.parametrize("colours", [[*palette.ALGORITHMS.values()], palette.SERIES], ids=["algorithms", "series"])
def test_each_palette_is_told_apart_by_every_eye_and_stands_out(theme, colours):
    column = [dict(zip(palette.PAPER, pair, strict=True))[theme] for pair in colours]
    for eye, matrix in EYES.items():
        seen = [lab(matrix @ linear(colour)) for colour in column]
        for (a, p), (b, q) in itertools.combinations(zip(column, seen, strict=True), 2):
            near = f"optlib/widget/palette.py: {a} and {b} look alike ({eye}, {theme})"
            assert np.linalg.norm(p - q) > 20, near  # 2.3 is just noticeable
    paper = linear(palette.PAPER[theme])
    tinted = np.array([int(hexed[k : k + 2], 16) for hexed in (palette.PAPER[theme], style.GROUND) for k in (1, 3, 5)])
    share = contours.DRAWING["tint"]
    lowland = "#" + "".join(f"{round(v):02x}" for v in (1 - share) * tinted[:3] + share * tinted[3:])
    for ground in (paper, linear(lowland)):
        for colour in column:
            y = sorted([[0.2126, 0.7152, 0.0722] @ ground, [0.2126, 0.7152, 0.0722] @ linear(colour)])
            assert (y[1] + 0.05) / (y[0] + 0.05) >= 3, colour


def test_the_palette_is_the_pages_and_swatches_show_dashes(show):
    algorithms = {"momentum": {}, "heavy_ball": {}}
    dark = ":root { --color-background-primary: #15181a; }"
    for before, theme in (("", "light"), (f"<style>{dark}</style>", "dark")):
        page = show(Explorer(surface="bowl", algorithms=algorithms), before=before)
        first, second = page.evaluate(f"{FIGURE}.styles.map((s) => s.colour)")
        assert first == palette.look("momentum")[theme]
        assert second != first, "one colour for one run"
        more(page)
        dashes = page.locator(".dx-run .dx-swatch line").evaluate_all(
            "(all) => all.map((e) => e.getAttribute('stroke-dasharray'))"
        )
        assert dashes[0] == "none"
        assert dashes[1] != "none"


def test_the_keyboard_is_enough(show):
    page = show(Explorer("ravine"))
    page.locator(".dx-handle").focus()
    start = state(page)["start"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    settle(page)
    now = state(page)["start"]
    np.testing.assert_allclose(now, [start[0] + 0.22, start[1] - 0.94], atol=1e-3)
    assert "(−9.78, 0.06)" in page.locator(".dx-handle").get_attribute("aria-label")
    page.locator(".dx-more > summary").focus()
    page.keyboard.press("Enter")
    page.locator(".dx-handle").focus()
    reached = set()
    for _ in range(70):
        reached.add(page.evaluate("document.activeElement.dataset.key"))
        page.keyboard.press("Tab")
    shown = {"handle", "play", "scrub", "runs.1.hyper.gamma", "runs.0.hyper.lr"}
    assert shown | {"surface", "vivid.0", "add", "link", "python", "svg", "reset"} <= reached


def test_the_summary_tells_what_the_picture_shows(show):
    page = show(Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=3))
    words = "Bowl, 3 steps from (4, −2). SGD is at (0.5, −0.25) after 3 steps, with a loss of 0.156."
    assert page.locator(".dx-canvas").get_attribute("aria-label") == words
    page.wait_for_function("document.querySelector('.dx-hidden').textContent.startsWith('Bowl')")


def test_reduced_motion_plays_in_stills(show):
    page = show(Explorer("ravine"), reduced_motion="reduce")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{FIGURE}.state.at > 0")
    assert state(page)["at"] % 10 == 0
    page.get_by_role("button", name="Pause").click()


def test_the_surface_turns_in_three_dimensions(show):
    page = show(Explorer("race", tab="saddle", view="relief"))
    ink = "(() => { const c = document.querySelector('.dx-canvas'); return c.toDataURL(); })()"
    before = page.evaluate(ink)
    canvas = page.locator(".dx-canvas").bounding_box()
    page.mouse.move(canvas["x"] + 100, canvas["y"] + 100)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 180, canvas["y"] + 120, steps=4)
    page.mouse.up()
    settle(page)
    now = state(page)
    assert now["turn"] == pytest.approx(35 + 40)
    assert now["tilt"] == pytest.approx(50 + 8)
    assert page.evaluate(ink) != before
    more(page)
    page.locator('[data-key="view"]').select_option("plane")
    settle(page)
    assert page.locator(".dx-handle").is_visible()


def test_hovering_reads_a_point(show):
    figure = Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=3)
    page = show(figure)
    x, y = page.evaluate(f"[{FIGURE}.frame.X(2), {FIGURE}.frame.Y(-1)]")
    box = page.locator(".dx-canvas").bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    lines = page.locator(".dx-tip span").all_inner_texts()
    assert lines == ["Step 1", "position (2, −1)", "loss 2.5", "gradient (2, −1)", "effective rate (0.5, 0.5)"]


@pytest.mark.parametrize("rule", ["momentum", "nag", "adam", "adagrad", "heavy_ball"])
def test_the_close_ups_numbers_are_optlibs(show, rule):
    lr = 0.05
    page = show(Explorer(surface="bowl", algorithms={rule: {"lr": lr}}, start=[3.0, 2.0], steps=20, at=4, cartoon=True))
    more(page)
    shown = page.locator(".dx-value").evaluate_all("(cells) => cells.map((c) => +c.dataset.value)")
    optimizer = Optimizer(rules.TABLE[rule], lr=lr)
    path = descend(optimizer, surfaces.bowl.grad, [3.0, 2.0], steps=20)
    rows = len(shown) // 2
    assert [shown[rows - 1], shown[-1]] == pytest.approx(path[5].tolist(), rel=1e-12)
    names = page.locator(".dx-lines").first.locator("th").all_inner_texts()
    theta, kept = np.array([3.0, 2.0]), optimizer.init([3.0, 2.0])
    for _ in range(5):
        g = surfaces.bowl.grad(optimizer.ask(theta, kept))
        theta, kept = optimizer.tell(theta, g, kept)
    for name in set(optimizer.memory) & set(names):
        assert shown[names.index(name)] == pytest.approx(kept[name][0], rel=1e-12)
    label = page.locator(".dx-lens").get_attribute("aria-label")
    assert "step 5: from (" in label
    assert ", t = 4 → 5, " in page.locator(".dx-lens-title").inner_text()  # the clock says 4


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_surface_without_numbers_is_said_so(show, tmp_path, monkeypatch):
    (tmp_path / "cliff.py").write_text(
        "from numpy import log, sqrt\n"
        "def value(x, y):\n    return x * x + log(y)\n"
        "def gradient(x, y):\n    return 2 * x, 1 / sqrt(y)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    import cliff

    surface = surfaces.Surface("cliff", cliff.value, cliff.gradient, ((-2.0, 2.0), (-1.0, 2.0)), (1.0, 0.5))
    page = show(Explorer(surface=surface, algorithms={"sgd": {"lr": 0.3}}, steps=10))
    (note,) = page.locator(".dx-notes p").all_inner_texts()
    assert note == "SGD stops at step 2: the gradient there is not a number."
    assert len(paths(page)[0]) == 3
    moved(page, start=[0.0, -0.5])
    assert page.locator(".dx-notes p").all_inner_texts() == ["SGD cannot start: the gradient there is not a number."]


def test_a_diverging_path_is_said_so(show):
    page = show(Explorer(surface="rosenbrock", algorithms={"sgd": {"lr": 0.01}}, steps=50))
    assert page.locator(".dx-notes p").all_inner_texts() == [
        f"SGD diverges: no finite number from step {len(paths(page)[0])} on."
    ]
    page = show(Explorer(surface="bowl", algorithms={"sgd": {"lr": 2.2}}, steps=10))
    assert page.locator(".dx-notes p").all_inner_texts() == ["SGD leaves the frame at step 2."]


def test_a_rule_that_cannot_be_compiled_is_named_with_why():
    with pytest.raises(compile.CannotCompile, match="adagrad_full sees whole vectors"):
        Explorer(surface="bowl", algorithms=["adagrad_full"])

    def listed(theta, g, *, lr=0.1):
        steps = [lr * g]
        return theta - steps[0], ()

    with pytest.raises(compile.CannotCompile, match=r"listed, line 2: '\[lr \* g\]'"):
        Explorer(surface="bowl", algorithms=[listed])


def test_a_rule_of_ones_own_needs_a_name_and_defaults_of_its_own():
    def sgd(theta, g, *, lr=0.1):
        return theta - 0.5 * lr * g, ()

    def mine(theta, g, *, lr):
        return theta - lr * g, ()

    with pytest.raises(ValueError, match="an algorithm 'sgd' exists already: give yours another name"):
        Explorer(surface="bowl", algorithms=[rules.sgd, sgd])
    with pytest.raises(ValueError, match=r"mine has no default for lr: write lr=0\.01, say, in its first line"):
        Explorer(surface="bowl", algorithms=[Optimizer(mine, lr=0.1)])


def half(theta, g, *, lr=0.1):
    theta = theta - 0.5 * lr * g
    return theta, ()


def test_a_rule_of_ones_own_walks(show):
    figure = Explorer(surface="bowl", algorithms=[half], steps=30)
    page = show(figure)
    assert_walks(page, figure)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "rvine"}, "no preset 'rvine': there are how-far"),
        ({"surface": "moon"}, "no surface 'moon': there are bowl"),
        ({"surface": "bowl", "start": [1.0]}, "wants 2 finite number"),
        ({"surface": "bowl", "steps": 0}, "steps=0: it must be a whole number, 1 to 5000"),
        ({"surface": "bowl", "algorithms": ["sdg"]}, "no algorithm 'sdg'"),
        ({"surface": "bowl", "nois": 1.0}, "nois: no entry of a state"),
        ({"surface": "bowl", "lang": "fr"}, "lang='fr'"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Explorer(**given)


# --- quality --------------------------------------------------------------------------------------


def test_it_works_on_a_phone_by_touch(show):
    page = show(Explorer("ravine"), width=360, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator(".dx-canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    settle(page)
    assert state(page)["start"] != [-10.0, 1.0]
    more(page)
    small = page.locator(".dx button:visible, .dx select:visible").evaluate_all(
        "(all) => all.map((b) => [b.getBoundingClientRect(), b.outerHTML])"
        ".filter(([r]) => r.height < 40 || r.width < 40).map(([, html]) => html)"
    )
    assert small == []


def test_nothing_is_asked_of_another_host_and_it_loads_when_seen(show):
    page = show(Explorer("ravine"), before='<div style="height: 4000px">far above</div>', wait=False)
    page.wait_for_timeout(300)
    assert not any("explorer.js" in url for url in show.requests)
    page.evaluate("scrollTo(0, 3800)")
    page.locator(".dx").wait_for()
    moved(page, map="where", surface="himmelblau", constants={}, start=[0.0, 0.0])
    page.wait_for_function(f"{FIGURE}.mapTook > 0")
    assert {url.split(":")[0] for url in show.requests} <= {"file", "blob", "data"}


def test_the_module_is_light():
    """With 43 rules and all schedules: a rule is a quarter of a kilobyte."""
    module, style = (len(gzip.compress(text.encode())) for text in (explorer.module(), explorer.style()))
    assert module < 60_000, f"the module alone, which may have 60 kB, has {module} bytes"
    assert module + style < 62_000, f"with the style sheet's {style} bytes it is more than 62 kB"


@pytest.mark.parametrize(
    ("preset", "lang", "values", "there", "gone"),
    [
        ("orders", "en", {}, ["arrives after 366 updates", "the truth: 30 minutes"], []),
        ("orders", "zh-CN", {"lr": 0.04}, ["更新 40 次后到达", "真值：30 分钟"], ["更新 366 次后到达"]),
        ("orders", "en", {"lr": 0.5}, ["the truth: 30 minutes"], ["arrives after"]),
        ("orders", "en", {"at": 300}, ["the truth: 30 minutes"], ["arrives after"]),
        ("three-words", "en", {"tab": "the"}, ["an e-mail’s gradient", "– – mean / rms of the gradients"], []),
        ("three-words", "zh-CN", {}, ["一封邮件的梯度", "– – 梯度的均值 / 均方根"], []),
    ],
)
def test_what_a_figure_is_about_is_written_in_it(show, preset, lang, values, there, gone):
    page = show(Explorer(preset), lang=lang)
    page.evaluate(f"(values) => {FIGURE}.set(values)", values)
    settle(page)
    drawn = page.evaluate(f"{FIGURE}.svg()")
    assert [text for text in there if text not in drawn] == []
    assert [text for text in gone if text in drawn] == []


def test_ten_figures_share_a_page(show):
    page = show(*[Explorer("ravine") for _ in range(10)])
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    for k in range(10):
        page.locator("[data-downhill-explorer]").nth(k).locator("xpath=..").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.dx').length === 10")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("lang", "scheme"),
    [
        ("en", "light"),
        ("zh-CN", "dark"),
        pytest.param("en", "dark", marks=pytest.mark.slow),
        pytest.param("zh-CN", "light", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", ["nesterov", "race"])
def test_axe_finds_nothing(show, lang, scheme, name):
    page = show(Explorer(name), lang=lang, color_scheme=scheme)
    more(page)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    settle(page)
    assert axe.faults(page, ".dx", tags=axe.PRACTICE) == []


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a": "const x = 1;\n", "b": 'import { x } from "./a.js";\n'}, "b.js imports x, which a.js does not export"),
        ({"a": "const x = 1;\n", "b": "function x() {}\n"}, "x is declared in a.js and in b.js"),
    ],
)
def test_modules_that_do_not_fit_together_are_named(files, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        modules.joined(files)


def test_the_modules_are_readable():
    lines = {
        f"{name}.js:{i}": line for name, text in modules.texts().items() for i, line in enumerate(text.split("\n"), 1)
    }
    assert {place: len(line) for place, line in lines.items() if len(line) > 120} == {}


def test_every_word_has_both_languages():
    for key, (english, chinese) in {**WORDS, **labels.NET, **labels.LINE}.items():
        assert english
        assert chinese
        holes = [sorted(set(re.findall(r"\{(\w+)\}", words))) for words in (english, chinese)]
        assert holes[0] == holes[1], key
    wanted = set(re.findall(r"""say\("([\w.]+)\"""", "".join(modules.texts().values())))
    wanted |= {f"schedule.{name}" for name in explorer.SCHEDULES} | set(scenes.surfaces())
    wanted |= {tab["name"] for state in SCENES.values() for tab in state.get("tabs", [])}
    missing = sorted(wanted - WORDS.keys())
    assert not missing, f"LABELS of optlib/widget/labels.py lacks a row for {', '.join(missing)}"
    assert not labels.LABELS.keys() & LABELS.keys()


def test_every_number_that_can_be_dragged_has_a_row():
    """The table gives the page a number's scale and letter (δ of a gain is no Δ), where they are not the usual."""
    made = {name for rule in explorer.RULES for name in specification(rule)[2]}
    made |= {name for make in explorer.SCHEDULES.values() for name in inspect.signature(make).parameters}
    assert made - explorer.HYPER.keys() == set()
    numbers = explorer._tables()["hyper"]
    assert numbers["delta"] == {"symbol": "δ", "scale": "linear", "shown": (0.0, 1.0)}
    usual = rules.Hyper()
    told = f'scale: "{usual.scale}", reach: {usual.reach:g}, usual: {usual.usual:g}, step: {usual.step:g}'
    assert told in modules.texts()["scale"]
    json.dumps(numbers, allow_nan=False)


def test_a_gains_delta_is_small_and_adadeltas_step_is_capital(show):
    for rule, mine, other in (("local_gains", "δ", "Δ"), ("adadelta", "Δ", "δ")):
        page = show(Explorer(surface="bowl", algorithms=[rule], cartoon=True, at=2))
        more(page)
        text = page.locator(".dx-formula").all_inner_texts() + page.locator(".dx-closeup th, th").all_inner_texts()
        assert any(mine in line for line in text)
        assert not any(other in line for line in text if "E[" not in line)


# --- a rule that the reader changes -----------------------------------------------------------------


def edit(page, i=0):
    """Opens the editor for a run; returns its box."""
    more(page)
    page.locator(f'[data-key="rule.{i}"]').click()
    box = page.locator(".dx-rule textarea")
    box.wait_for()
    settle(page)
    return box


HALF = """def half(theta, g, u, *, lr=0.01, gamma=0.5):
    u = gamma * u + lr * sqrt(abs(g)) * sign(g)
    theta = theta - u
    return theta, (u,)
"""


def test_a_rule_is_changed_and_drawn(show):
    page = show(Explorer(surface="bowl", algorithms={"momentum": {"lr": 0.1}}, start=[3.0, 2.0], steps=40))
    assert not any("explorer-rule" in url for url in show.requests), "nothing is loaded before the click"
    box = edit(page)
    assert box.input_value() == view.listing(rules.momentum).code
    assert [each["rule"] for each in state(page)["runs"]] == ["momentum", "my_momentum"]
    same, mine = paths(page)
    np.testing.assert_array_equal(same, mine)
    box.fill(HALF)
    settle(page)
    now = state(page)["runs"]
    assert [each["rule"] for each in now] == ["momentum", "half"]
    assert now[1]["hyper"] == {"lr": 0.1, "gamma": 0.5}, "a default that was changed counts, the reader's rate stays"
    space: dict = {}
    exec("from numpy import abs, sign, sqrt\n" + HALF, space)
    path = descend(Optimizer(space["half"], lr=0.1), surfaces.bowl.grad, [3.0, 2.0], steps=40)
    np.testing.assert_allclose(paths(page)[1], path, rtol=1e-12, atol=1e-12)
    assert page.locator(".dx-rule-told").inner_text() == "Drawn as half."
    page.get_by_role("button", name="As it was").click()
    settle(page)
    assert [each["rule"] for each in state(page)["runs"]] == ["momentum", "my_momentum"]
    page.get_by_role("button", name="Close").click()
    assert page.locator(".dx-rule").count() == 0
    more(page)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert [each["rule"] for each in state(page)["runs"]] == ["momentum"]


def test_a_wrong_rule_is_told_and_the_last_one_stays(show):
    page = show(Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.1}}, start=[3.0, 2.0], steps=40), lang="zh-CN")
    box = edit(page)
    before = state(page)
    box.fill("def sgd(theta, g, *, lr=0.01):\n    theta = theta − lr * g\n    return theta, ()")
    page.wait_for_function("document.querySelector('.dx-rule textarea').hasAttribute('aria-invalid')")
    told = page.locator(".dx-rule-told").inner_text()
    assert told == "第 2 行：− 是全角或排版字符，请换成 -。图中仍是上一条可用规则的路径。"
    assert page.locator(".dx-rule-mark").is_visible()
    assert state(page) == before
    assert axe.faults(page, ".dx-rule", tags=axe.PRACTICE) == []
    box.fill("def sgd(theta, g, *, lr=-1.0):\n    theta = theta - lr * g\n    return theta, ()")
    page.wait_for_function("document.querySelector('.dx-rule-told').textContent.includes('lr = -1')")
    assert state(page) == before
    box.fill("def sgd(theta, g, *, lr=0.01):\n    theta = theta - lr * 2 * g\n    return theta, ()")
    settle(page)
    assert not box.get_attribute("aria-invalid")
    assert page.locator(".dx-rule-told").inner_text() == "已画出 my_sgd。"


def test_a_rule_without_a_number_is_stopped_and_named(show):
    page = show(Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.1}}, start=[3.0, 2.0], steps=5000))
    box = edit(page)
    box.fill("def root(theta, g, *, lr=0.5):\n    return theta - lr * sqrt(g - 1), ()")
    page.wait_for_function("document.querySelector('.dx-notes').textContent.includes('root')")
    (note,) = page.locator(".dx-notes p").all_inner_texts()
    steps = len(paths(page)[1])
    assert note == f"root gives no number at step {steps}: a root, logarithm or quotient has no value there."
    assert page.evaluate(f"{FIGURE}.read('root.arrival').text") == "stops: the rule gives no number"


def to_the_ladder(page):
    page.get_by_role("button", name="To the ladder").click()

    page.locator(".dx-rule .dx-rungs").wait_for()
    link = page.locator(".dx-rule a[download]")
    return page.locator(".dx-rule").evaluate("(panel) => panel.climbed"), unquote(
        link.get_attribute("href").partition(",")[2]
    )


def test_a_changed_rule_climbs_the_ladder_in_the_page(show, tmp_path):
    """Score, steps and losses are those of the file that the page hands out, to a billionth."""
    page = show(Explorer(surface="bowl", algorithms={"nag": {"lr": 0.02}}, start=[3.0, 2.0], steps=40))
    box = edit(page)
    nag = box.input_value().replace("u = gamma * u + lr * g", "u = gamma * u + 1.1 * lr * g")
    wild = HALF.replace("lr=0.01", "lr=9.0").replace("sqrt(abs(g)) * sign(g)", "g**3")
    assert not any("explorer-ladder" in url for url in show.requests), "nothing is loaded before the click"
    adagrad = view.listing(rules.adagrad).code.replace("lr=0.01", "lr=0.5")
    scores = []
    for text in (nag, HALF, wild, adagrad):
        box.fill(text)
        settle(page)
        assert page.locator(".dx-rungs").count() == 0, "another rule's score has gone"
        told, source = to_the_ladder(page)
        entry = judge.examined("mine", source, None)
        assert not entry.trouble
        score, place, steps = plane.scored(entry)
        assert told["score"] == pytest.approx(score, rel=1e-9)
        assert (told["place"], told["of"]) == (place, len(plane.known()) + 1)
        said = page.locator(".dx-rule [role=status]").all_inner_texts()[-1]
        assert (f"Score {score:.3f}" if score else "No points yet") in said
        scores.append(score)
        for row in told["rows"]:
            setting, losses = plane.climb(entry, row["problem"]["surface"])
            assert row["chosen"] == setting
            np.testing.assert_allclose(row["losses"], losses, rtol=1e-9)
            assert row["steps"] == steps[row["problem"]["surface"]]
    assert min(scores) == 0 < max(scores), "both sentences have been said"
    box.fill("def deaf(theta, g, loss, *, lr=0.1):\n    theta = theta - lr * loss * g\n    return theta, ()")
    page.get_by_role("button", name="To the ladder").click()
    page.get_by_text("The ladder tells a rule no loss").wait_for()
    assert axe.faults(page, ".dx-rule", tags=axe.PRACTICE) == []


def test_a_link_carries_the_rule_and_python_draws_the_same(show):
    page = show(Explorer(surface="bowl", algorithms={"nag": {"lr": 0.05}}, start=[3.0, 2.0], steps=40))
    box = edit(page)
    box.fill(box.input_value().replace("u = gamma * u + lr * g", "u = gamma * u + 2 * lr * g"))
    settle(page)
    mine = paths(page)
    address = page.evaluate(f"{FIGURE}.address()")
    again = show(
        Explorer(surface="bowl", algorithms={"nag": {"lr": 0.05}}, start=[3.0, 2.0], steps=40),
        link="#" + address.split("#")[1],
    )
    assert [path.tolist() for path in paths(again)] == [path.tolist() for path in mine]
    assert not np.array_equal(mine[0], mine[1])
    text = page.evaluate(f"{FIGURE}.pythonText()")
    assert "def my_nag(theta, g, u, *, lr=0.01, gamma=0.9):" in text
    try:
        for noise in (0.0, 0.3):
            space: dict = {}
            late = [{**run, "delay": 2 if noise else 0} for run in state(page)["runs"]]
            moved(page, noise=noise, runs=late)
            exec(typed(page.evaluate(f"{FIGURE}.pythonText()")), space)
            for walked, path in zip(paths(page), space["paths"].values(), strict=True):
                np.testing.assert_allclose(walked, path, rtol=1e-9, atol=1e-9)
    finally:
        for table in (rules.LOOK_AHEAD, rules.START):
            for rule in [rule for rule in table if rule.__name__ == "my_nag"]:
                del table[rule]


def typed(text):
    """Python with a rule in it, as a file that its source can be read from."""
    name = f"<typed {len(linecache.cache)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return builtins.compile(text, name, "exec")


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"source": "def r(theta, g):\n    while True: pass", "like": "sgd"}, "Line 2: no loops (while)"),
        ({"source": "alert(1)", "like": None}, "a rule begins with def"),
        ({"source": HALF, "like": "constructor"}, "own"),
        ({"source": 5, "like": None}, "own"),
        ("alert(1)", "own"),
    ],
)
def test_a_bad_rule_in_a_link_is_told(show, own, why):
    runs = [{"rule": "half", "hyper": {}}]
    page = show(Explorer("ravine"), link="#explorer=0." + packed({"own": own, "runs": runs}))
    (note,) = page.locator(".dx-notes p").all_inner_texts()
    assert note.startswith("This link cannot be read")
    assert why in note
    assert_walks(page, Explorer("ravine"))


def test_typing_goes_on_where_it_was_and_a_map_knows_the_rule(show):
    page = show(Explorer(surface="himmelblau", algorithms={"sgd": {"lr": 0.01}}, steps=50))
    box = edit(page)
    box.focus()
    page.keyboard.press("Control+End")
    page.keyboard.type("\n")
    assert box.input_value().endswith("()\n    "), "a new line is indented"
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    moved(page, map="where", mapOf=1)
    page.wait_for_function(f"{FIGURE}.mapTook > 0")
    assert page.evaluate(f"{FIGURE}.mapProblem") is None
    took = page.evaluate(
        """() => { const box = document.querySelector(".dx-rule textarea"), times = [];
        for (let k = 0; k < 20; k++) { const begun = performance.now();
          box.value = box.value.replace(/lr \\* (\\d* ?\\*? ?)g/, `lr * ${k} * g`);
          box.dispatchEvent(new Event("input")); times.push(performance.now() - begun); }
        return times.sort((a, b) => a - b)[10]; }"""
    )
    assert took < 1000, "a freeze, not a measure"
    assert "lr * 19 * g" in page.evaluate(f"{FIGURE}.state.own.source")


def test_a_rule_that_the_page_lists_can_be_changed(show):
    listed = """<div class="highlight-python"><pre>import numpy as np

def signed(theta, g, *, lr=0.1):
    return theta - lr * np.sign(g), ()

signed(1.0, 2.0)</pre></div><div class="highlight-python"><pre>def plain(x):
    return x</pre></div>"""
    page = show(before=listed, wait=False)
    button = page.get_by_role("button", name="Change it")
    assert button.count() == 1, "only what looks like a rule"
    button.press("Enter")
    box = page.get_by_role("textbox", name="The rule, in Python")
    box.wait_for()
    assert box.input_value() == "def signed(theta, g, *, lr=0.1):\n    return theta - lr * np.sign(g), ()"
    settle(page)
    sgd, signed = paths(page)
    np.testing.assert_allclose(signed[1], surfaces.ravine.start - 0.1 * np.ones(2))
    assert len(sgd) == len(signed)
    assert button.get_attribute("aria-expanded") == "true"
    assert axe.faults(page, "main", tags=axe.PRACTICE) == []
    button.click()
    assert page.locator(".dx").count() == 0


# --- curves with a scrubber -------------------------------------------------------------------------

LOOKS = np.arange(0, 600, 10.0)
NAMES = {"train": ("training", "训练"), "test": ("test", "测试")}
AXES = (("update", "更新次数"), ("loss", "损失"))


def learning(patience=5, **more):
    """A loss that falls, and one that turns round and wobbles."""
    train, test = 2 * np.exp(-LOOKS / 100), 0.5 + np.exp(-LOOKS / 50) + 0.001 * LOOKS + 0.02 * np.sin(LOOKS)
    return Curves(
        {"train": train, "test": test}, x=LOOKS, watch="test", patience=patience, names=NAMES, axes=AXES, **more
    )


def springs():
    variants = {a: {"centre": np.linspace(0, a, 30), "school": np.linspace(1, 2 * a, 30)} for a in (0.1, 0.125, 0.5)}
    return Curves(variants, over="alpha", begin=0.125)


def modes():
    parts = {f"λ = {c}": 0.5 * c * (1 - 0.04 * c) ** (2 * np.arange(31)) for c in (1, 5, 20)}
    return Curves({0.04: parts, 0.05: parts}, over="lr", stacked=True)


def told(figure, *ask, lang="en"):
    """What the figure's module answers while the book is built."""
    (replies,) = readings.answers([{"bundle": figure.bundle, "lang": lang, "ask": [*ask]}])
    return replies


@pytest.mark.parametrize("seed", range(3))
def test_early_stopping_in_the_page_is_the_librarys(seed):
    random = np.random.default_rng(seed)
    test = random.normal(1, 0.3, 80)
    test[random.random(80) < 0.1] = np.nan
    figure = Curves({"test": test}, watch="test", patience=1)
    ask = [{"set": {"patience": n}, "read": read} for n in (1, 2, 5, 20) for read in ("stop", "kept", "kept.test")]
    replies = iter(told(figure, *ask))
    for n in (1, 2, 5, 20):
        progress = tricks.Patience(n).init()
        for value in test:
            progress = tricks.Patience(n).tell(progress, value)
            if progress.stop:
                break
        stop, kept, lowest = (next(replies)["value"] for _ in range(3))
        assert stop == (progress.evaluations - 1 if progress.stop else None)
        assert kept == progress.best_at - 1
        assert lowest == pytest.approx(progress.best, rel=1e-4)


def test_the_scatter_of_steps_is_numpys():
    figure = Explorer("three-words")
    answers = told(figure, *({"set": {"tab": name}, "read": "scatter"} for name in ("free", "the", "lottery")))
    for name, answer in zip(("free", "the", "lottery"), answers, strict=True):
        figure.state = {"tab": name}
        assert answer["value"] == pytest.approx(np.diff(figure.paths()["adam"][:, 0]).std(), rel=1e-12)


def test_what_curves_say_and_what_they_refuse():
    english = told(learning(), {"read": "says"}, {"set": {"at": "141"}, "read": "says"}, {"read": "end.train"})
    assert english[0]["text"].startswith("At update 590: training 0.00548, test 1.08. Patience 5 would have stopped")
    assert english[1]["text"].startswith("At update 140: training 0.493, test ")
    assert "Patience 5 goes on; the best so far is" in english[1]["text"]
    assert english[2]["value"] == pytest.approx(2 * np.exp(-5.9), rel=1e-4)
    assert told(learning(), {"read": "says"}, lang="zh")[0]["text"].startswith(
        "更新次数 590：训练 0.00548，测试 1.08。耐心值 5"
    )
    alpha = told(springs(), {"read": "alpha"}, {"set": {"alpha": "0.5"}, "read": "centre"}, {"read": "school"})
    assert [each["value"] for each in alpha] == [0.125, 0.5, 0.25]
    valleys = Curves({"adam": [3.0, 1.0], "sgd": [2.0, 5.0]}, x=[-4, -2], at=-4, whole=True, axes=("log₂ η", "loss"))
    assert [each["text"] for each in told(valleys, {"read": "says"}, {"set": {"at": -2}, "read": "says"})] == [
        "At log₂ η −4: SGD 2, Adam 3.", "At log₂ η −2: Adam 1, SGD 5.",
    ]  # fmt: skip
    parts = told(modes(), {"set": {"at": 0}, "read": "sum"}, {"set": {"at": 0}, "read": "says"})
    assert parts[0] == {"value": 13.0, "text": "13"}
    assert parts[1]["text"] == "At step 0: λ = 1 0.5, λ = 5 2.5, λ = 20 10, together 13."
    named = told(Curves({"momentum": [1.0, 2.0]}), {"read": "says"}, lang="zh")
    assert named[0]["text"] == "步数 1：动量法 2。"
    wrong = [
        {"set": {"alpha": 0.3}}, {"set": {"at": "x"}}, {"set": {"at": 30}}, {"set": {"patience": 3}},
        {"set": {"__proto__": 1}}, {"read": "constructor"}, {"read": "kept.centre"}, {"read": "stop"}, {"read": "sum"},
    ]  # fmt: skip
    assert [each["trouble"] for each in told(springs(), *wrong)] == [
        "alpha = 0.3 is not allowed", "at = x is not allowed", "at = 30 is not allowed",
        'this figure has no "patience"', 'this figure has no "__proto__"', 'this figure has no "constructor"',
        'this figure has no "kept.centre"', 'this figure has no "stop"', 'this figure has no "sum"',
    ]  # fmt: skip


def test_curves_by_keyboard_pointer_and_text(show):
    text = """<button disabled class="figure-set" data-figure="c"
    data-values='{"at": "140", "patience": "20"}'>B</button>
    <output class="figure-now" data-figure="c" data-reading="train"></output>"""
    page = show(before=text + f"<div>{explorer.mount_point(learning().bundle, 'c')}</div>")
    says = page.locator(".dx-says")
    assert says.inner_text().startswith("At update 590: training 0.00548")
    page.get_by_role("slider", name="update").press("ArrowLeft")
    settle(page)
    assert says.inner_text().startswith("At update 580:")
    page.get_by_role("slider", name="patience").fill("2")
    settle(page)
    assert "Patience 2 would have stopped at" in says.inner_text()
    box = page.locator(".dx-canvas").bounding_box()
    x = page.evaluate(f"{FIGURE}.frame.X(100)")
    page.mouse.move(box["x"] + x, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + page.evaluate(f"{FIGURE}.frame.X(203)"), box["y"] + 100, steps=4)
    page.mouse.up()
    settle(page)
    assert says.inner_text().startswith("At update 200:")
    assert page.locator(".dx-canvas").get_attribute("aria-label") == says.inner_text()
    button = page.locator("button.figure-set")
    button.click()
    settle(page)
    assert page.evaluate(f"{FIGURE}.state") == {"at": 14, "over": 0, "patience": 20}
    assert page.locator("output.figure-now").inner_text() == "0.493"
    button.click()
    settle(page)
    assert page.evaluate(f"{FIGURE}.state") == {"at": 20, "over": 0, "patience": 2}
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{FIGURE}.state.at > 25")
    page.get_by_role("button", name="Pause").click()
    assert axe.faults(page, ".dx", tags=axe.PRACTICE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_fit_a_phone_and_axe_finds_nothing(show, scheme):
    figures = [learning(), springs(), modes(), Curves({"sgd": [2.0, 1.0], "b": [1.0, 3.0]}, whole=True, log=True)]
    phone = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    for figure in figures:
        page = show(figure, lang="zh-CN", **phone)
        assert page.locator(".dx").bounding_box()["height"] < 780
        assert page.get_by_role("button").count() == (0 if figure.whole else 1)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert axe.faults(page, ".dx", tags=axe.PRACTICE) == []
        assert re.findall(r"[A-Za-z]{3,} [A-Za-z]{3,}", page.locator(".dx-says").inner_text()) == []
        page.context.close()


def test_a_bad_link_to_curves_is_told(show):
    page = show(learning(), link="#explorer=0." + packed({"at": 10**6}))
    assert "at = 1000000 is not allowed" in page.locator(".dx-notes").inner_text()
    assert page.evaluate(f"{FIGURE}.state.at") == len(LOOKS) - 1
    page = show(learning(), link="#explorer=0." + packed({"at": 3, "patience": 7}))
    assert page.evaluate(f"{FIGURE}.state") == {"at": 3, "over": 0, "patience": 7}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"curves": {}}, "curves is empty"),
        ({"curves": {"a": [1.0, 2.0]}, "x": [0, 1, 2]}, "curve 'a' has (2,) values, but there are 3 times"),
        ({"curves": {"a": [1.0, 2.0]}, "x": [1, 0]}, "x must ascend"),
        ({"curves": {"a": [1.0, 2.0]}, "watch": "b"}, "watch names 'b': the curves are a"),
        ({"curves": {"a": [1.0, 2.0]}, "names": {"b": "b"}}, "names names 'b'"),
        ({"curves": {"at": [1.0, 2.0]}}, "a curve cannot be called at"),
        ({"curves": {"a": [1.0, 2.0]}, "lang": "fr"}, "lang='fr'"),
        ({"curves": {"a": [1.0, 2.0]}, "at": 5}, "at=5 lies outside the times, from 0 to 1"),
        ({"curves": {"a": np.ones(50_000)}}, "more than 40000 numbers"),
        ({"curves": {"a": [np.nan, np.nan]}}, "no value that the picture could show"),
        ({"curves": {"a": [1.0, 2.0]}, "watch": "a", "patience": 9}, "patience=9: with 2 looks it is 1 to 1"),
        ({"curves": {"a": [1.0, 2.0]}, "stacked": True, "log": True}, "stacked parts have neither"),
        ({"curves": {"a": [1.0, 2.0]}, "watch": "a", "patience": 1, "whole": True}, "whole curves are neither"),
        ({"curves": {1: {"a": [1, 2]}, 2: {"b": [1, 2]}}, "over": "lr"}, "lr=2 has the curves b: all must have a"),
        ({"curves": {1: {"a": [1, 2]}}, "over": "lr", "begin": 3}, "begin=3: lr has the values 1"),
    ],
)
def test_curves_that_cannot_be_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Curves(**given)


def test_what_a_notebook_stores_of_curves(monkeypatch):
    monkeypatch.setenv("OPTLIB_STATIC", "1")
    figure = Curves({"a": [1.0, np.inf, 0.123456789]}, watch="a", patience=1)
    data, _ = figure._repr_mimebundle_()
    assert set(data) == {explorer.MIME, "image/png", "text/plain"}
    assert json.loads(json.dumps(data[explorer.MIME], allow_nan=False))["curves"]["curves"][0]["values"] == [
        [1.0, None, 0.12346]
    ]
    for drawn in (figure, springs(), modes(), learning(log=True)):
        assert drawn.picture.png.startswith(b"\x89PNG")


def test_on_paper_parts_have_a_panel_for_each_value():
    figure = modes()
    left, right = figure.picture.figure.axes
    assert [ax.get_title() for ax in (left, right)] == ["η = 0.04", "η = 0.05"]
    for name, bars in zip(figure.values, right.containers, strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in bars], figure.values[name][1], atol=1e-12)
    np.testing.assert_allclose([bar.get_y() for bar in right.containers[1]], figure.values["λ = 1"][1], atol=1e-12)


def test_curves_answer_in_a_kernel():
    pytest.importorskip("anywidget", reason="a live figure needs anywidget: pip install 'downhill-course[notebook]'")
    traits = learning().widget
    assert traits.state == {"at": 59, "over": 0, "patience": 5}
    assert [each["name"] for each in traits.curves["curves"]] == ["train", "test"]


# --- a network that is trained in the page ------------------------------------------------------------

TRIO = {"sgd": {"lr": 0.4}, "momentum": {"lr": 0.2}, "adam": {"lr": 0.02}}


def arrived(page, at):
    """Waits until all optimizers have made as many updates and the picture shows it."""
    page.wait_for_function(f"{FIGURE}.runs.every((r) => r.t === {at}) && !{FIGURE}.waiting")


@pytest.mark.parametrize(
    ("algorithms", "more"),
    [
        ({"sgd": {"lr": 0.1}, "momentum": {"lr": 0.1}, "nag": {"lr": 0.05, "gamma": 0.8}, "adam": {"lr": 0.02}}, {}),
        (
            {"adagrad": {"lr": 0.1}, "rmsprop": {"lr": 0.003, "eps": 0.01}, "adamw": {"lr": 0.01}},
            {"activation": "sigmoid"},
        ),
        ({"sgd": {"lr": 0.05}, "adadelta": {}}, {"activation": "relu", "hidden": (8,), "seed": 3}),
    ],
)
def test_a_network_trained_in_the_page_is_optlibs(show, algorithms, more):
    """To 1e-12 over 200 updates, where a rule does not enlarge what the order of a sum leaves in the last bit, as
    descent at the edge does, or a division by the root of next to nothing."""
    figure = Network(algorithms, at=200, **more)
    page = show(figure)
    arrived(page, 200)
    for i, (name, run) in enumerate(figure.trained().items()):
        there = page.evaluate(f"((r) => [[...r.theta], [...r.losses], [...r.curvatures], r.limit])({FIGURE}.runs[{i}])")
        theta, losses, curvatures = (np.array(values, dtype=float) for values in there[:3])
        np.testing.assert_allclose(theta, run.theta, rtol=1e-12, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(losses[:201], run.losses, rtol=1e-12, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(curvatures[:41], run.curvatures, rtol=1e-6, atol=1e-6, err_msg=name)
        assert there[3] == pytest.approx(figure.limit(name))


def test_descent_trains_to_the_edge_of_what_its_rate_can_bear():
    """Power iteration finds the Hessian's largest curvature, and descent lets that grow to 2/η and no further."""
    figure = Network({"sgd": {"lr": 0.4}}, at=400)
    run = figure.trained()["sgd"]
    assert figure.limit("sgd") == 5
    assert np.median(run.curvatures[-20:]) == pytest.approx(5, rel=0.05)
    eye, step = np.eye(len(run.theta)), 1e-5
    rows = [
        figure.model.grad(run.theta + step * e, figure.X, figure.y)
        - figure.model.grad(run.theta - step * e, figure.X, figure.y)
        for e in eye
    ]
    largest = np.linalg.eigvalsh(np.array(rows) / (2 * step))[-1]
    assert 0.95 * largest < run.curvatures[-1] < 1.001 * largest


def test_a_network_by_keyboard_touch_and_text(show):
    text = """<button disabled class="figure-set" data-figure="n"
    data-values='{"at": "120", "sgd.lr": "0.2"}'>B</button>
    <output class="figure-now" data-figure="n" data-reading="sgd.limit"></output>"""
    figure = Network(TRIO, at=60)
    page = show(before=text + f"<div>{explorer.mount_point(figure.bundle, 'n')}</div>", has_touch=True)
    arrived(page, 60)
    says = page.locator(".dx-says")
    assert says.inner_text().startswith("After 60 updates: SGD: loss ")
    assert page.locator("output.figure-now").inner_text() == "5"
    rate = page.get_by_role("slider", name="SGD η")
    rate.press("ArrowRight")
    page.wait_for_function(f"{FIGURE}.state.lr.sgd > 0.4")
    arrived(page, 60)
    button = page.locator("button.figure-set")
    button.click()
    arrived(page, 120)
    assert page.locator("output.figure-now").inner_text() == "10"
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    arrived(page, 60)
    assert page.evaluate(f"{FIGURE}.state.lr.sgd") > 0.4
    page.get_by_role("button", name="Play").tap()
    page.wait_for_function(f"{FIGURE}.runs.every((r) => r.t > 70)")
    page.get_by_role("button", name="Pause").tap()
    page.wait_for_function(f"!{FIGURE}.waiting")
    page.get_by_role("button", name="Other weights").tap()
    page.wait_for_function(f"{FIGURE}.state.seed === 1 && {FIGURE}.runs[0].t > 3")
    page.get_by_role("button", name="Pause").tap()
    page.wait_for_function(f"!{FIGURE}.waiting")
    assert page.locator("canvas").get_attribute("aria-label") == says.inner_text()
    page.wait_for_function("document.querySelector('.dx-hidden').textContent.startsWith('After')")
    assert not [url for url in show.requests[-6:] if url.endswith("explorer.js")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_network_fits_a_phone_rests_if_asked_and_axe_finds_nothing(show, scheme):
    phone = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    page = show(Network({**TRIO, "sgd": {"lr": 40.0}}, at=20), lang="zh-CN", reduced_motion="reduce", **phone)
    arrived(page, 20)
    assert page.locator(".dx").bounding_box()["height"] < 780
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert axe.faults(page, ".dx", tags=axe.PRACTICE) == []
    assert page.locator(".dx-says").inner_text().startswith("更新 20 次后，SGD：已发散；动量法：损失 ")
    shown = page.evaluate(
        f"""async () => {{
          const f = {FIGURE}, seen = new Set();
          f.again({{}});
          while (f.runs[0].t < 150) {{
            await new Promise(requestAnimationFrame);
            seen.add(f.words.textContent);
          }}
          f.pause();
          return seen.size;
        }}"""
    )
    assert shown <= 4


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ({"at": 10**6}, "at = 1000000 is not allowed"),
        ({"lr": {"sgd": 1e9}}, "sgd.lr = 1000000000 is not allowed"),
        ({"lr": {"constructor": 1}}, 'unknown algorithm "constructor"'),
        ({"__proto__": 1}, 'unknown entry "__proto__"'),
        ([1], "there is no state in it"),
    ],
)
def test_a_bad_link_to_a_network_is_told(show, link, why):
    page = show(Network(TRIO, at=0), link="#explorer=0." + packed(link))
    assert why in page.locator(".dx-notes").inner_text()
    assert page.evaluate(f"{FIGURE}.state") == Network(TRIO, at=0).state


def test_what_a_network_answers_while_the_book_is_built():
    replies = told(
        Network({"sgd": {"lr": 0.1}, "rmsprop": {"lr": 0.003}}, at=100),
        {"read": "sgd.loss"}, {"set": {"sgd.lr": "0.05"}, "read": "sgd.limit"}, {"read": "rmsprop.limit"},
        {"set": {"at": "x"}}, {"set": {"adam.lr": 1}}, {"read": "__proto__.loss"}, {"set": {"at": "0"}, "read": "at"},
    )  # fmt: skip
    run = Network({"sgd": {"lr": 0.1}}, at=100).trained()["sgd"]
    assert replies[0]["value"] == pytest.approx(run.losses[-1], rel=1e-9)
    assert [each["value"] for each in (replies[1], replies[6])] == [40, 0]
    assert [each["text"] for each in (replies[1], replies[2])] == ["40", "–"]
    assert [each["trouble"] for each in replies[3:6]] == [
        "at = x is not allowed", 'this figure has no "adam.lr"', 'this figure has no "__proto__.loss"',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"algorithms": {}}, "algorithms holds 0 rules"),
        ({"algorithms": {"sdg": {}}}, "no algorithm 'sdg'"),
        ({"algorithms": {"sgd": {"lr": "fast"}}}, "sgd.lr='fast'"),
        ({"algorithms": {"irprop_plus": {}}}, "wants the loss"),
        ({"at": 2000}, "at=2000: it must be a whole number, 0 to 1000"),
        ({"lang": "fr"}, "lang='fr'"),
        ({"data": (np.ones((3, 3)), [0, 1, 0])}, "data has shapes (3, 3) and (3,)"),
        ({"data": (np.ones((3, 2)), [0, 1, 2])}, "labels 0 and 1"),
        ({"activation": "swish"}, "activation='swish'"),
    ],
)
def test_networks_that_cannot_be_are_named(given, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        Network(**{"algorithms": TRIO, **given})


def test_a_network_is_light_and_a_notebook_stores_it(monkeypatch):
    assert len(gzip.compress(explorer.script("network").encode())) < 15_000
    monkeypatch.setenv("OPTLIB_STATIC", "1")
    figure = Network(TRIO, at=40)
    data, _ = figure._repr_mimebundle_()
    assert set(data) == {explorer.MIME, "image/png", "text/plain"}
    assert len(json.dumps(data[explorer.MIME], allow_nan=False)) < 20_000
    assert data["image/png"]
    if find_spec("anywidget"):
        assert figure.widget.state == {"at": 40, "seed": 0, "lr": {"sgd": 0.4, "momentum": 0.2, "adam": 0.02}}


# --- a time line --------------------------------------------------------------------------------------


def crowd(**more):
    """Three free workers, of whom the third is slow, by how slow it is."""
    sgd = parallel.async_sgd(Optimizer(rules.sgd, lr=0.1))
    slow = {k: parallel.Cluster(compute=parallel.lognormal(1.0), speeds={2: k}) for k in (1, 2, 5)}
    runs = {k: parallel.simulate(sgd, workers=3, steps=40, cluster=each) for k, each in slow.items()}
    label = ("core 3 slower by", "核 3 慢几倍")
    return Timeline(runs, over="slow", until=8, worker=3, who=("core", "核"), label=label, **more)


def test_a_time_line_in_the_page_is_the_picture_s(show):
    figure = crowd(begin=5)
    page = show(figure)
    rows = figure.rows[2]
    seen = rows[rows[:, 1] < 8]
    told = page.evaluate(f"{FIGURE}.data.runs[2].rows")
    np.testing.assert_allclose(np.array(told, dtype=float), seen, rtol=1e-3)
    drawn = figure.picture.figure.axes[0].patches
    assert len(drawn) == len(told)
    np.testing.assert_allclose([bar.get_x() for bar in drawn], seen[:, 1])


def test_what_a_time_line_says_and_what_it_refuses():
    figure = crowd()
    ask = [{"set": {"slow": k, "nth": 1}, "read": read} for k in figure.slider for read in ("version", "age", "mean")]
    replies = iter(told(figure, *ask))
    for k in figure.slider:
        ages = figure.rows[figure.slider.index(k)][:, 4]
        chosen = figure.bar(slow=k)
        expected = [chosen["version"], chosen["age"], pytest.approx(ages.mean(), rel=1e-3)]
        assert [next(replies)["value"] for _ in expected] == expected
    rows = [[0, 0, 1, 0, 0], [1, 0, 2.5, 0, 2], [0, 1, 2, 1, 0], [0, 2, 3, 2, 1], [1, 2.5, 4, 3, np.nan]]
    by_hand = Timeline(rows, worker=2)
    read = {"read": "says"}
    both = [told(by_hand, read, {"set": {"worker": 1, "nth": 3}, **read}, lang=lang) for lang in ("en", "zh")]
    mean = ["Mean age of all 4 gradients: 0.75.", "全部 4 个梯度的平均年龄：0.75。"]
    assert [each["text"] for each in both[0]] == [
        "Worker 2, from 0 to 2.5 s: reads version 0, writes version 3. 2 updates come in between: its gradient is 2 "
        f"versions old. {mean[0]}",
        "Worker 1, from 2 to 3 s: reads version 2, writes version 4. One update comes in between: its gradient is one "
        f"version old. {mean[0]}",
    ]
    chinese = "节点 2，0 到 2.5 秒：读到版本 0，写成版本 3；其间更新了 2 次，所以它的梯度旧 2 个版本。"
    assert both[1][0]["text"] == chinese + mean[1]
    second = {"nth": 2}
    more = told(by_hand, {"set": {"worker": 1}, **read}, {"set": second, **read}, {"set": second, "read": "age"})
    assert ["is fresh" in more[0]["text"], "not written by itself" in more[1]["text"]] == [True, True]
    assert more[2] == {"value": None, "text": "–"}
    wrong = [
        {"set": {"slow": 3}}, {"set": {"worker": 4}}, {"set": {"nth": 0}}, {"set": {"slow": 5, "nth": 7}},
        {"set": {"worker": "x"}}, {"set": {"__proto__": 1}}, {"read": "constructor"}, {"read": "mean.4"},
    ]  # fmt: skip
    assert [each["trouble"] for each in told(figure, *wrong)] == [
        "slow = 3 is not allowed", "worker = 4 is not allowed", "nth = 0 is not allowed", "nth = 7 is not allowed",
        "worker = NaN is not allowed", 'this figure has no "__proto__"', 'this figure has no "constructor"',
        'this figure has no "mean.4"',
    ]  # fmt: skip


def test_a_time_line_by_keyboard_pointer_and_text(show):
    text = """<button disabled class="figure-set" data-figure="t"
    data-values='{"slow": "5", "worker": "3", "nth": "1"}'>B</button>
    <output class="figure-now" data-figure="t" data-reading="age"></output>"""
    figure = crowd()
    page = show(before=text + f"<div>{explorer.mount_point(figure.bundle, 't')}</div>", has_touch=True)
    says, bars, button = page.locator(".dx-says"), page.locator("canvas"), page.locator("button.figure-set")

    def wait(**state):
        page.wait_for_function(f"(s) => JSON.stringify({FIGURE}.state) === s && !{FIGURE}.waiting",
                               arg=json.dumps(state, separators=(",", ":")))  # fmt: skip

    button.click()
    wait(over=2, worker=3, nth=1)
    age = figure.bar(slow=5)["age"]
    assert page.locator("output.figure-now").inner_text() == str(age)
    assert f"{age} updates come in between" in says.inner_text()
    button.click()
    wait(over=0, worker=3, nth=1)
    bars.press("ArrowRight")
    wait(over=0, worker=3, nth=2)
    bars.press("ArrowUp")
    page.wait_for_function(f"{FIGURE}.state.worker === 2 && !{FIGURE}.waiting")
    assert says.inner_text().startswith("Core 2, from ")
    assert bars.get_attribute("aria-valuetext") == says.inner_text()
    bars.press("End")
    page.wait_for_function(f"{FIGURE}.canvas.ariaValueNow === {FIGURE}.canvas.ariaValueMax")
    slider = page.get_by_role("slider", name="core 3 slower by")
    slider.press("ArrowRight")
    page.wait_for_function(f"{FIGURE}.state.over === 1 && !{FIGURE}.waiting")
    row, box = figure.rows[1][0], bars.bounding_box()
    x, y = box["x"] + page.evaluate(f"{FIGURE}.place.f.X({(row[1] + row[2]) / 2})"), box["y"] + 24
    page.mouse.move(x, y)
    page.locator(".dx-tip").wait_for()
    assert page.locator(".dx-tip").inner_text().startswith("Core 1, from 0 to ")
    page.touchscreen.tap(x, y)
    wait(over=1, worker=1, nth=1)
    page.wait_for_function("document.querySelector('.dx-hidden').textContent.startsWith('Core 1')")
    assert not [url for url in show.requests[-5:] if url.endswith(("explorer.js", "explorer-network.js"))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_time_line_fits_a_phone_and_axe_finds_nothing(show, scheme):
    phone = {"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 780}, "color_scheme": scheme}
    page = show(crowd(begin=5), lang="zh-CN", link="#explorer=0." + packed({"worker": 9}), **phone)
    assert "worker = 9" in page.locator(".dx-notes").inner_text()
    assert page.evaluate(f"{FIGURE}.state") == {"over": 2, "worker": 3, "nth": 1}
    assert page.locator(".dx").bounding_box()["height"] < 780
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert axe.faults(page, ".dx", tags=axe.PRACTICE) == []
    assert page.locator(".dx-says").inner_text().startswith("核 3，0 到 ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"runs": {}, "over": "k"}, "over='k' wants runs as a dict"),
        ({"over": "k"}, "over='k' wants runs as a dict"),
        ({"runs": {1: [[0, 0, 1, 0, 0]]}, "over": "age"}, "over='age': a text asks the figure for something else"),
        ({"runs": {1: [[0, 0, 1, 0]]}, "over": "k"}, "runs[1] has shape (1, 4)"),
        ({"runs": {1: [[0, 0, 1, 0, 0]]}, "over": "k", "begin": 2}, "begin=2: k has the values 1"),
        ({"runs": [[0, 0, 1, 0, 0], [2, 0, 1, 0, 0]]}, "runs has no bar of worker 2 before until=1"),
        ({"until": 0}, "until=0 is out of range"),
        ({"worker": 2}, "worker=2: it must be a whole number, 1 to 1"),
        ({"nth": 3}, "nth=3: it must be a whole number, 1 to 2"),
        ({"lang": "fr"}, "lang='fr'"),
        ({"runs": [[0, t, t + 1, t, 0] for t in range(1001)]}, "1001 bars before until=1001, more than 1000"),
    ],
)
def test_time_lines_that_cannot_be_are_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Timeline(**{"runs": [[0, 0, 1, 0, 0], [0, 1, 2, 1, 0]], **given})


def test_a_time_line_is_light_and_a_notebook_stores_it(monkeypatch):
    assert len(gzip.compress(explorer.script("timeline").encode())) < 12_000
    monkeypatch.setenv("OPTLIB_STATIC", "1")
    data, _ = crowd()._repr_mimebundle_()
    assert set(data) == {explorer.MIME, "image/png", "text/plain"}
    assert len(json.dumps(data[explorer.MIME], allow_nan=False)) < 15_000
    if find_spec("anywidget"):
        assert crowd().widget.state == {"over": 0, "worker": 3, "nth": 1}


# --- in a notebook --------------------------------------------------------------------------------


def test_what_a_notebook_stores(monkeypatch):
    monkeypatch.setenv("OPTLIB_STATIC", "1")
    data, metadata = Explorer("ravine")._repr_mimebundle_()
    assert set(data) == {explorer.MIME, "image/png", "text/plain"}
    assert data["text/plain"] == "<explorer ravine: ravine, sgd, momentum>"
    assert metadata["image/png"]["width"] == 480
    again, _ = Explorer("ravine")._repr_mimebundle_()
    assert json.dumps(data) == json.dumps(again)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("given", [{"OPTLIB_STATIC": "1"}, {}, {"JPY_SESSION_NAME": "own.ipynb"}])
def test_a_kernel_shows_the_live_figure_unless_told_otherwise(monkeypatch, given):
    pytest.importorskip("anywidget", reason="a live figure needs anywidget: pip install 'downhill-course[notebook]'")
    for name in ("OPTLIB_STATIC", "JPY_SESSION_NAME", "VSCODE_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PYTHONPATH": os.getcwd(), **given}.items():
        monkeypatch.setenv(name, value)
    cells = ["from optlib.widget import Explorer\nfigure = Explorer('ravine')", "figure"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    done = NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    picture, live = {explorer.MIME, "image/png", "text/plain"}, "application/vnd.jupyter.widget-view+json"
    expected = {
        "OPTLIB_STATIC": [picture],
        "": [picture | {live}],
        "JPY_SESSION_NAME": [picture, {"text/html", "text/plain"}, {live, "text/plain"}],  # it outlives the live view
    }["".join(given)]
    assert [set(output.data) for output in done.cells[1].outputs] == expected
    assert ("widgets" in done.metadata) == ("OPTLIB_STATIC" not in given)


def test_traits_move_the_picture_and_the_other_way_round():
    pytest.importorskip("anywidget", reason="a live figure needs anywidget: pip install 'downhill-course[notebook]'")
    figure = Explorer("ravine")
    assert figure.widget.state["start"] == [-10.0, 1.0]
    figure.state = {"start": [1.0, 0.5]}
    assert figure.widget.state["start"] == [1.0, 0.5]
    figure.widget.state = {**figure.widget.state, "steps": 7}  # what the page would send
    assert figure.state["steps"] == 7
    assert len(figure.paths()["sgd"]) == 8
    with pytest.raises(ValueError, match="wants 2 finite"):
        figure.state = {"start": [1.0]}
    assert figure.state["start"] == [1.0, 0.5]


def test_the_module_follows_anywidgets_specification(show, folder):
    """A model as anywidget has it: what it sets is drawn, what the reader changes is saved."""
    page = show(Explorer("ravine"))
    page.evaluate(
        """(state) => {
          const listeners = {}, traits = { state, lang: "en", extra: "" };
          window.saved = [];
          window.model = {
            get: (n) => traits[n], set: (n, v) => { traits[n] = v; listeners[`change:${n}`]?.forEach((f) => f()); },
            save_changes: () => window.saved.push(traits.state), on: (n, f) => (listeners[n] ??= []).push(f),
            off: (n, f) => { listeners[n] = listeners[n].filter((x) => x !== f); },
          };
          const el = document.createElement("div");
          document.body.append(el);
          window.model_el = el;
          return window.downhillExplorer.render({ model: window.model, el }).then((end) => { window.end = end; });
        }""",
        {"surface": "bowl", "steps": 5, "runs": [{"rule": "sgd", "hyper": {"lr": 0.5}}]},
    )
    settle(page)
    page.evaluate("model.set('state', { ...model.get('state'), start: [2.0, 2.0] })")
    settle(page)
    assert page.evaluate("Array.from(model_el.downhill.walks[0].path.slice(0, 4))") == [2.0, 2.0, 1.0, 1.0]
    page.evaluate("void model_el.downhill.set({ steps: 9 })")
    page.wait_for_function("window.saved.length > 0")
    assert page.evaluate("saved.at(-1).steps") == 9
    page.evaluate("window.end()")
    assert page.evaluate("model_el.childElementCount") == 0
