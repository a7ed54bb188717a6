"""The picture that stands for an explorer on paper, in a saved notebook and before the page's script has run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import explorer, labels

if TYPE_CHECKING:
    from .chart import Curves
    from .explorer import Explorer
    from .network import Network


FRAMES_A_SECOND = 10


def animation(figure: "Explorer", path: Path, seconds: float) -> None:
    """The walks, walked, as a GIF on white paper; a pause at the end."""
    from ..view.pictures import film

    if figure.state["scene"] != "plane" or figure.surface() is None:
        raise ValueError(f"{path.name!r}: only walks on a surface can be animated; save this scene as .png, .svg, .pdf")
    walks = figure.paths()
    longest = max(len(walk) for walk in walks.values())
    shown = np.unique(np.linspace(1, longest, max(2, round(seconds * FRAMES_A_SECOND))).astype(int))
    film([picture(figure, {name: walk[:n] for name, walk in walks.items()}).figure for n in shown], path, seconds)


def picture(figure: "Explorer", paths: dict[str, np.ndarray] | None = None) -> Any:
    """The scene at its beginning, drawn by `optlib.view`, or with these paths in place of the whole ones."""
    from .. import view

    state, surface = figure.state, figure.surface()
    paths = figure.paths() if paths is None else paths
    if state["scene"] == "time" or surface is None:
        return _against_time(figure)
    if state["scene"] == "map":
        return _stability(figure)
    domain = state["domain"]
    if surface.dim == 1:
        drawn = view.curve(surface, paths, domain=domain[0] if domain else None, key=False)
    else:
        drawn = view.contour(surface, paths, levels=state["levels"], domain=domain, key=False)
    (ax,) = drawn.figure.axes
    told = {label: english for label, (english, _) in zip(paths, named(state["runs"]), strict=True)}
    for line in ax.lines:
        line.set_label(told.get(str(line.get_label()), line.get_label()))
    view.legend(ax)
    return drawn


def _against_time(figure: "Explorer") -> Any:
    """What the algorithms remember, where they are, or how they move, against the step."""
    from .. import view
    from ..view import style

    state = figure.state
    drawn, ax = view.panels()
    with view.house():
        if state["series"] in ("memory", "move"):
            pushes = [-figure.gradient(np.zeros(1), t)[0] for t in range(state["steps"])]
            dots = np.array(pushes) if state["series"] == "move" else np.array(state["stream"])[:, 0]
            ax.plot(np.arange(1, len(dots) + 1), dots, ".", color=style.GREY, markersize=3, alpha=0.6)
        names = named(state["runs"])
        for i, (label, each) in enumerate(zip(figure.paths(), state["runs"], strict=True)):
            values = _memory(figure, each) if state["series"] == "memory" else figure.paths()[label][:, 0]
            values = np.diff(values) if state["series"] == "move" else values
            ax.plot(values, color=view.series(i) if " " in label else view.colour(label), label=names[i][0])
        for goal in _goals(figure):
            within = 0.0 if state["ideal"] is not None else state["goal"].get("within", 0.0)
            ax.axhspan(goal - within, goal + within, color=style.GREY, alpha=0.12, linewidth=0)
            ax.axhline(goal, color=style.GREY, linestyle="--", linewidth=1)
        view.label(ax, "$t$", {"memory": "$m$", "move": r"$\Delta x$"}.get(state["series"], "$x$"))
        view.legend(ax)
    return view.picture(drawn, f"{state['series']} against the step")


def _goals(figure: "Explorer") -> list[float]:
    """Where the curve should come to."""
    if figure.state["ideal"] is not None:
        return [figure.state["ideal"]]
    surface = figure.surface()
    return [x for x, *_ in surface.minima] if surface is not None and figure.state["series"] == "x" else []


def named(runs: list[dict]) -> list[tuple[str, str]]:
    """What each run is called, (English, Chinese), as `shortName` of figure.js says it: its algorithm, what tells it
    from others of that, or this alone where all are of one algorithm.

    >>> named([{"rule": "sgd", "hyper": {"lr": 0.1}}, {"rule": "adam", "hyper": {}}])
    [('SGD', 'SGD'), ('Adam', 'Adam')]
    >>> named([{"rule": "sgd", "hyper": {}, "delay": late} for late in (0, 3)])
    [('0 steps late', '迟 0 步'), ('3 steps late', '迟 3 步')]
    """
    return [(_told(each, runs, 0), _told(each, runs, 1)) for each in runs]


def _told(each: dict, runs: list[dict], language: int) -> str:
    rule, kin = each["rule"], [other for other in runs if other["rule"] == each["rule"]]
    base = labels.ALGORITHMS.get(rule, (rule, rule))[language]
    if len(kin) == 1:
        return base
    told = f" {1 + next(i for i, other in enumerate(kin) if other is each)}"
    if any(other.get("delay") for other in kin):
        told = f", {labels.LABELS['late'][language].format(n=each.get('delay', 0))}"
    for name, value in each["hyper"].items():
        others = [other["hyper"].get(name) for other in kin]
        if len({str(other) for other in others}) == 1:
            continue
        told = f" {explorer.SYMBOLS.get(name, name)}={value}"
        if any(isinstance(other, Mapping) for other in others):
            kind = value["schedule"] if isinstance(value, Mapping) else "none"
            told = f", {labels.LABELS[f'schedule.{kind}'][language]}" + f" {value}" * (kind == "none")
        break
    return told.lstrip(" ,") if len(kin) == len(runs) else base + told


def _memory(figure: "Explorer", each: dict) -> np.ndarray:
    state, optimizer = figure.state, figure.optimizer(each)
    theta = np.array(state["start"])
    kept = optimizer.init(theta)
    values = [kept[optimizer.memory[0]][0]]
    for t in range(state["steps"]):
        theta, kept = optimizer.tell(theta, figure.gradient(theta, t), kept)
        values.append(kept[optimizer.memory[0]][0])
    return np.array(values)


def curves(figure: "Curves") -> Any:
    """The curves at the beginning, what early stopping keeps, and where it stops."""
    from .. import rules, view
    from ..tricks import Patience
    from ..view import style

    if figure.stacked:
        return _parts(figure)
    drawn, ax = view.panels()
    rows = {name: values[figure.state["over"]] for name, values in figure.values.items()}
    with view.house():
        for i, (name, values) in enumerate(rows.items()):
            colour, told = view.colour(name) if name in rules.TABLE else view.series(i), figure.names[name]["en"]
            ax.plot(figure.x, np.where(np.isfinite(values), values, np.nan), color=colour, label=told)
        if figure.whole:
            ax.axvline(figure.x[figure.state["at"]], color=style.GREY, linewidth=1)
        if figure.watch:
            criterion, progress = Patience(figure.state["patience"]), Patience().init()
            for value in rows[figure.watch]:
                progress = criterion.tell(progress, value)
                if progress.stop:
                    ax.axvline(figure.x[progress.evaluations - 1], color=style.GREY, linestyle="--", linewidth=1)
                    break
            if progress.best_at:
                kept = progress.best_at - 1
                ring = {
                    "markerfacecolor": "none",
                    "color": style.GREY,
                    "markersize": 10,
                    "markeredgewidth": 1.6,
                    "zorder": 5,
                }
                ax.plot(figure.x[kept], rows[figure.watch][kept], "o", **ring)
        if figure.log:
            ax.set_yscale("log")
        ax.set_ylim(*figure.limits)
        view.label(ax, _across(figure), "")
        view.legend(ax)
    return view.picture(drawn, f"curves {', '.join(rows)}")


def _across(figure: "Curves") -> str:
    """What runs along the axis: words have no place in a picture, a symbol has."""
    across = figure.axes[0]
    return across["en"] if across["en"] == across["zh"] else "$t$"


def _parts(figure: "Curves") -> Any:
    """Bars of parts that stand on one another: a panel for each value of the slider, since none can be turned here."""
    from .. import view
    from . import chart

    shape = -(-len(figure.slider) // 2), min(len(figure.slider), 2)
    drawn, axes = view.panels(shape, size=(500.0, 40 + 150 * shape[0]), sharex=True, sharey=True)
    wide = 0.8 * (figure.x[-1] - figure.x[0]) / (figure.x.size - 1)
    with view.house():
        for k, (ax, value) in enumerate(zip(np.ravel(axes), figure.slider, strict=False)):
            foot = np.zeros(figure.x.size)
            for i, (name, values) in enumerate(figure.values.items()):
                height = np.where(np.isfinite(values[k]), values[k], 0)
                hue = view.series(chart.PARTS[0][i % len(chart.PARTS[0])])
                ax.bar(figure.x, height, wide, foot, color=hue, label=figure.names[name]["en"])
                foot = foot + height
            ax.set_ylim(*figure.limits)
            if figure.over:
                ax.set_title(f"{explorer.SYMBOLS.get(figure.over, figure.over)} = {value:g}", fontsize=11)
            if k >= len(figure.slider) - shape[1]:
                view.label(ax, _across(figure), "")
    view.legend(drawn)
    return view.picture(drawn, f"parts {', '.join(figure.values)}")


def trained(figure: "Network") -> Any:
    """The map that each optimizer has drawn, the losses, and the largest curvatures under what each can bear."""
    from .. import view
    from . import network, palette

    runs = figure.trained()
    drawn, axes = view.panels((2, 6), size=(640.0, 440.0), gridspec_kw={"height_ratios": [1.05, 1.0]})
    with view.house():
        for ax in axes.ravel():
            ax.remove()
        grid = axes[0, 0].get_gridspec()
        colours = [light for light, _ in palette.SIDES]
        tints = np.array([[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in colours])
        (low, high), _ = figure.box
        side = np.linspace(low, high, 61)
        places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        wide = 6 // len(runs)
        for i, (name, each) in enumerate(runs.items()):
            ax = drawn.add_subplot(grid[0, wide * i : wide * (i + 1)])
            values = figure.model.predict(each.theta, places).reshape(61, 61)
            opaque = 0.65 * np.clip(np.abs(values), 0, 1)[..., None]
            shades = np.concatenate([tints[(values > 0).astype(int)], opaque], axis=-1)
            ax.imshow(shades, extent=(low, high, low, high), origin="lower")
            for sign, colour in zip((-1, 1), colours, strict=True):
                kind: dict[str, Any] = {"markerfacecolor": colour if sign > 0 else "none", "markeredgecolor": colour}
                ax.plot(*figure.X[figure.y == sign].T, "o", markersize=3, markeredgewidth=1, **kind)
            ax.set_title(name, color=view.colour(name))
            ax.set_xticks([])
            ax.set_yticks([])
        losses, bends = drawn.add_subplot(grid[1, :3]), drawn.add_subplot(grid[1, 3:])
        for name, each in runs.items():
            line: dict[str, Any] = {"color": view.colour(name), "linestyle": view.look(name).line}
            losses.plot(each.losses, **line)
            bends.plot(network.EVERY * np.arange(len(each.curvatures)), each.curvatures, **line)
            if limit := figure.limit(name):
                bends.axhline(limit, color=view.colour(name), linestyle=":", linewidth=1.2)
        losses.set_yscale("log")
        view.label(losses, "$t$", "$f$")
        view.label(bends, "$t$", r"$\lambda$")
    return view.picture(drawn, f"network {', '.join(runs)} at update {figure.state['at']}")


def _stability(figure: "Explorer", n: int = 60) -> Any:
    """Where, in the plane of two hyper-parameters, the loss falls."""
    from .. import view
    from ..optimizer import descend
    from ..view import contours, style

    state, surface, (each, *_) = figure.state, figure.surface(), figure.state["runs"]
    assert surface is not None
    (x, *xs), (y, *ys) = state["axes"]
    a, b = np.meshgrid(*(low + (np.arange(n) + 0.5) / n * (high - low) for low, high in (xs, ys)))
    starts = np.tile(np.array(state["start"]), (n * n, 1))
    hyper = {x: a.reshape(-1, 1), y: b.reshape(-1, 1)}
    optimizer = figure.optimizer({**each, "hyper": {**each["hyper"], **hyper}})
    with np.errstate(all="ignore"):
        end = descend(optimizer, surface.grad, starts, steps=state["steps"], strict=False)[-1]
        fall = np.log10(np.maximum(surface(end), 1e-300) / surface(starts[0])) / state["steps"]
    fall = np.where(np.isfinite(fall), fall, 1.0).reshape(n, n)
    image = np.zeros((n, n, 4))
    image[..., :3] = [int(style.GROUND[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    faint, full, quick = (contours.DRAWING[name] for name in ("faint", "full", "quick"))
    image[..., 3] = np.where(fall < 0, faint + full * (1 - np.exp(quick * np.minimum(fall, 0))), 0.0)
    drawn, ax = view.panels()
    with view.house():
        ax.imshow(image, extent=(*xs, *ys), origin="lower", aspect="auto")
        ax.plot([each["hyper"][x]], [each["hyper"][y]], "o", color=view.colour(each["rule"]), markersize=8)
        names = {"lr": r"$\eta$", "gamma": r"$\gamma$"}
        view.label(ax, names.get(x, x), names.get(y, y))
    return view.picture(drawn, f"stability of {each['rule']}")
