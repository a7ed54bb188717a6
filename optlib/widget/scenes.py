"""What a scene of the explorer may say, and where scenes come from: any package may bring some.

A scene is the state that a figure begins with, in plain JSON. What it does not say has the value of :data:`DEFAULTS`.
Of its entries, ``show`` names the one or two controls that stand in the open, all others wait behind *More*: a number
of the state by its path ("noise", "constants.b", "runs.1.hyper.gamma"), a hyper-parameter of all algorithms by its bare
name ("gamma"), or a part of the figure ("curve", "closeup", "map", "view", "surface", "levels"). ``vivid`` lists the
algorithms that stand out. ``goal`` says when a walk has arrived: from when on each coordinate is ``within`` some
distance of a minimum's, or the loss exceeds the lowest by a ``gap`` at most. ``tabs`` is a row of scenes to choose
from, by ``name``: each has its surface, what else differs from :data:`DEFAULTS`, and the ``rates`` of each algorithm;
``tab`` is the chosen one. ``names`` are what the picture calls its axes and the goal, each a word's code in `LABELS` or
a text; ``ideal`` is a height that a curve should come to, where no minimum says it.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ..rules import Hyper
from ..surfaces import TABLE, Surface

State = dict[str, Any]

#: Entry points whose modules bring scenes: `SCENES`, states by name; `SURFACES`, more surfaces by name; `EXAMPLES`, for
#: a surface that is a mean over examples (gradient of one example, the examples); and `LABELS`, more words by code.
GROUP = "optlib.scenes"

DEFAULTS: State = {
    "scene": "plane", "surface": "ravine", "constants": {}, "start": None, "steps": 100, "domain": None,
    "runs": [{"rule": "sgd", "hyper": {}}], "noise": 0.0, "seed": 1, "batch_size": 0, "stream": None, "project": False,
    "levels": "auto", "view": "plane", "turn": 35.0, "tilt": 50.0, "map": "off", "mapOf": 0, "axes": None,
    "series": "loss", "at": None, "cartoon": False, "follow": 0, "limit": False,
    "show": [], "vivid": None, "goal": {"within": 0.01}, "ideal": None, "names": [], "tabs": [], "tab": None,
    "own": None,
}  # fmt: skip

#: What a tab sets, beside the surface and the rates: to its own value, or to the usual one.
TABBED = (
    "constants", "start", "domain", "noise", "batch_size", "stream", "project", "steps", "levels", "view", "map",
    "limit", "goal", "ideal", "axes", "at",
)  # fmt: skip

#: The numbers of a scene and the constants of its schedules, beside `rules.HYPER`: how sliders run through them.
NUMBERS: dict[str, Hyper] = {
    **dict.fromkeys(("every", "half", "first", "warm"), Hyper(low=1.0, whole=True, shown=(1.0, 2000.0))),
    "steps": Hyper(low=1.0, high=5000.0, closed=True, whole=True, shown=(1.0, 2000.0)),
    "factor": Hyper(low=1.0, scale="linear", shown=(1.0, 4.0), whole=True, step=1.0),
    "power": Hyper(scale="linear", shown=(1.0, 4.0), step=0.1),
    "rise": Hyper(high=1.0, scale="linear", shown=(0.05, 0.95)),
    **dict.fromkeys(("start", "end", "k", "c", "a", "tau", "start_ratio", "end_ratio"), Hyper()),
    "noise": Hyper(usual=0.3), "seed": Hyper(low=1.0, scale="linear", shown=(1.0, 50.0), whole=True, step=1.0),
    **dict.fromkeys(("delay", "batch_size"), Hyper(scale="linear", shown=(0.0, 20.0), whole=True, step=1.0)),
    "turn": Hyper(low=-180.0, scale="linear", shown=(-180.0, 180.0), step=1.0),
    "tilt": Hyper(low=10.0, scale="linear", shown=(10.0, 90.0), step=1.0),
    "ridge": Hyper("δ", shown=(1e-16, 1e-2)),  # how far beside a saddle's ridge a walk starts
}  # fmt: skip

#: Hyper-parameters that play one part: the number is kept when a reader takes the other rule.
ALIKE = {"gamma": "beta", "beta": "gamma"}


@cache
def brought(what: str) -> dict[str, Any]:
    """The `SCENES`, `SURFACES`, `EXAMPLES` or `LABELS` of every installed package, by name."""
    modules = [point.load() for point in entry_points(group=GROUP)]
    return {name: each for module in modules for name, each in getattr(module, what, {}).items()}


def surfaces() -> dict[str, Surface]:
    """All surfaces of the explorer by name, those of `optlib.surfaces` first."""
    return {**TABLE, **brought("SURFACES")}


def scene(name: str | None) -> State:
    """A scene by its name, the empty one for None; ValueError if no installed package brings it."""
    known = brought("SCENES")
    if name is not None and name not in known:
        there = ", ".join(known) or "none: the course's come with pip install -e . in its folder"
        raise ValueError(f"no preset {name!r}: there are {there}")
    return known[name] if name is not None else {}


def tabbed(state: State, name: str) -> State:
    """The state with another of its tabs chosen; algorithms stay, and take the tab's rates.

    Raises
    ------
    ValueError : no tab of that name.

    >>> scene = {"runs": [{"rule": "sgd"}], "tabs": [{"name": "low", "surface": "bowl", "rates": {"sgd": {"lr": 0.1}}}]}
    >>> tabbed(scene, "low")["runs"]
    [{'rule': 'sgd', 'hyper': {'lr': 0.1}}]
    """
    tabs = {each["name"]: each for each in state.get("tabs", [])}
    if name not in tabs:
        raise ValueError(f"no tab {name!r}: there are {', '.join(tabs) or 'none'}")
    own = {key: value for key, value in tabs[name].items() if key not in ("name", "rates")}
    rates = tabs[name].get("rates", {})
    runs = [{**each, "hyper": {**each.get("hyper", {}), **rates.get(each["rule"], {})}} for each in state["runs"]]
    return {**state, **{key: DEFAULTS[key] for key in TABBED}, **own, "tab": name, "runs": runs}
