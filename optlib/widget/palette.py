"""The explorer's colours: one palette on paper, one in the dark.

A search chose them: each stands out by 3 : 1 from its ground, bare or tinted as a lowland is, and any two of a column
are as far apart as could be had in CIELAB, as seen with full, deuteranope and protanope vision. They keep the hue that
`optlib.view` gives the algorithm.
"""

from .. import rules
from ..view import style

PAPER = {"light": "#fdfdfb", "dark": "#15181a"}  #: the pages that the figure stands on

#: algorithm -> colour on paper, in the dark
ALGORITHMS = {
    "sgd": ("#a00028", "#e65a3c"), "momentum": ("#1068f8", "#64befa"), "nag": ("#4810a0", "#7878fa"),
    "adagrad": ("#807800", "#f0dc32"), "adadelta": ("#404858", "#e6dce6"), "rmsprop": ("#288060", "#5af096"),
    "adam": ("#a058b8", "#d2648c"),
}  # fmt: skip

#: For runs that share an algorithm, and for curves that are no algorithm's.
SERIES = (
    ("#3c7878", "#1e9678"), ("#781e00", "#e65a32"), ("#501e64", "#6e78fa"), ("#aa6414", "#fab414"),
    ("#a050b4", "#be64b4"), ("#463232", "#d2d2be"), ("#287846", "#8cfa8c"), ("#3264f0", "#f0befa"),
)  # fmt: skip

#: The two sides that a network tells apart: of SERIES, a bluish and a reddish one.
SIDES = (SERIES[0], SERIES[3])

#: A time line's bars at their oldest, and the updates that came meanwhile.
LINE = (SERIES[1], SERIES[7])


def look(rule: str) -> dict[str, object]:
    """Colours and dashes of a rule; without colours where no algorithm of the palette is its kin.

    >>> look("heavy_ball")["light"] == look("momentum")["light"]
    True
    >>> look("heavy_ball")["dash"] != look("momentum")["dash"]
    True
    """
    line = style.LOOKS[rule].line
    dash = None if isinstance(line, str) else list(line[1])
    head = rule
    while head not in ALGORITHMS and rules.ROWS[head].kin:
        head = rules.ROWS[head].kin
    return {"dash": dash, **dict(zip(PAPER, ALGORITHMS.get(head, ()), strict=False))}
