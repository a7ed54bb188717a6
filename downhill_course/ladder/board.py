"""The board: entries as pages of HTML in both languages, complete in themselves, without a script or a server.

Rows may come from strangers, so every text is escaped, every number is read as one, and the page allows no script.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from downhill_course import files
from downhill_course.ladder import scoring
from downhill_course.ladder.families import FAMILIES, SCORED
from downhill_course.ladder.judge import TRACKS, infinite
from optlib import surfaces

LANGUAGES = ("en", "zh")
SHOWN = 6  # entries in the profiles' picture

TEXT = {
    "title": ("The ladder", "天梯"),
    "lead": (
        "Update rules, each one function, on problems drawn from a seed. What counts is the number of steps to the "
        "loss that a tuned NAdam reaches in 80 % of its steps: the median over three fresh problems of each family. "
        "The score is the area under the performance profile up to four times the steps of the best; 1 is the best "
        "everywhere.",
        "每条更新规则就是一个函数，题目由种子抽取。成绩看的是：要多少步才能降到调好的 NAdam 用八成步数所达到的损失，"
        "每类题目取三道新题的中位数。得分是性能曲线下的面积，步数最多算到最优者的四倍；处处最快则得 1 分。",
    ),
    "place": ("place", "名次"), "entry": ("entry", "参赛者"), "track": ("track", "组别"), "score": ("score", "得分"),
    "faster": ("× NAdam", "相对 NAdam"), "p": ("p", "p 值"), "micros": ("µs a step", "每步微秒"),
    "sure": ("significant", "显著"), "never": ("never", "未达到"), "other": ("中文", "English"),
    "profiles": ("Performance profiles", "性能曲线"),
    "within": ("share of problems solved within τ times the steps of the best", "在最优者 τ 倍步数内完成的题目比例"),
    "steps": ("Steps to the target", "达到目标的步数"), "rules": ("The rules", "各条规则"),
    "listing": ("Listing", "代码"),
    "curves": ("Loss, median of five runs (grey: NAdam)", "损失，五次运行的中位数（灰色：NAdam）"),
    "paths": ("Paths", "路径"), "chosen": ("setting", "所选参数"), "out": ("did not take part", "未能参赛"),
    "horizon": ("knows how many steps there are", "知道总步数"), "default": ("as written", "默认值"),
    "failed": ("failed", "失败"), "score_of": ("score {0}, place {1}", "得分 {0}，第 {1} 名"),
    "note": (
        "p: how likely five seeds would show such a lead over NAdam by luck; a lead is called significant below .01. "
        "Time is printed, and does not count.",
        "p 值：若并无优势，五个种子偶然显示出这样的领先的概率；小于 0.01 才称为显著。每步用时只列出，不计分。",
    ),
}  # fmt: skip

STYLE = """
:root{color-scheme:light dark;--ink:#1d1f23;--pale:#5c626b;--line:#c9ced6;--ground:#fff;--tint:#f2f4f7;--vivid:#a3123a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--pale:#a4abb6;--line:#444b55;--ground:#131416;--tint:#1e2126;
--vivid:#ff7a97}}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:66rem;margin:0 auto;
padding:1rem}
a{color:var(--vivid)}h1{margin:.2em 0}h2{margin-top:2em}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);
text-align:right;white-space:nowrap}th:nth-child(2),td:nth-child(2),.tracks :nth-child(3){text-align:left}
pre{background:var(--tint);padding:.8rem;overflow-x:auto;font-size:.85rem}
details{border-top:1px solid var(--line);padding:.4rem 0}summary{cursor:pointer;min-height:1.75rem}
figure{display:inline-block;margin:.4rem .8rem .4rem 0}figcaption{font-size:.8rem;color:var(--pale)}
svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:var(--pale)}
.axis{stroke:var(--line);fill:none}.mine{stroke:var(--vivid);fill:none;stroke-width:2}
.other{stroke:var(--pale);fill:none;stroke-width:1.2}.goal{stroke:var(--pale);stroke-dasharray:3 3}
.first{fill:var(--vivid)}.band{fill:var(--pale)}
"""
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4", "1 2")
#: Of the six lines of the profiles, on white and on black.
COLOURS = (
    ("#a3123a", "#0072b2", "#a05a00", "#007a5a", "#7a3fb0", "#66707c"),
    ("#ff7a97", "#56b4e9", "#f0a040", "#4fd0a8", "#c79bff", "#aab4c0"),
)
STYLE += "".join(f".line{i}{{stroke:{colour}}}" for i, colour in enumerate(COLOURS[0]))
STYLE += "@media(prefers-color-scheme:dark){"
STYLE += "".join(f".line{i}{{stroke:{colour}}}" for i, colour in enumerate(COLOURS[1])) + "}"


def write(folder: Path, rows: Sequence[dict], first: str = "", home: str = "") -> None:
    """index.html, which leads to en.html or zh.html by the browser's language; `first` is opened and drawn vivid, and
    `home` is the address that the title leads to."""
    for number, language in enumerate(LANGUAGES):
        files.replace(folder / f"{language}.html", Page(rows, number, first, home).html())
    files.replace(folder / "index.html", INDEX)


INDEX = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The ladder · 天梯</title>
<meta name="viewport" content="width=device-width"><script>
location.replace((navigator.language||"").startsWith("zh")?"zh.html":"en.html")</script>
<p><a href="en.html">English</a> · <a href="zh.html" lang="zh-CN">中文</a></p></html>
"""


class Page:
    """One language's page."""

    def __init__(self, rows: Sequence[dict], language: int, first: str, home: str) -> None:
        self.rows, self.language, self.first, self.home = list(rows), language, first, home
        self.by_name = {str(row["name"]): row for row in self.rows}
        self.times = {
            name: {f: scoring.counted(infinite(row["families"][f]["steps"])) for f in SCORED}
            for name, row in self.by_name.items()
        }

    def say(self, key: str, *values: Any) -> str:
        return escape(TEXT[key][self.language].format(*values))

    def html(self) -> str:
        other = LANGUAGES[1 - self.language]
        tag = ("en", "zh-CN")[self.language]
        title = f'<a href="{escape(self.home)}">{self.say("title")}</a>' if self.home else self.say("title")
        parts = [
            f'<!doctype html>\n<html lang="{tag}"><head><meta charset="utf-8"><title>{self.say("title")}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<style>{STYLE}</style></head><body>",
            f'<p><a href="{other}.html" lang="{("zh-CN", "en")[self.language]}">{self.say("other")}</a></p>',
            f"<main><h1>{title}</h1><p>{self.say('lead')}</p>",
            self._table(), f"<p>{self.say('note')}</p>",
            f"<h2>{self.say('profiles')}</h2>{self._profiles()}",
            f"<h2>{self.say('steps')}</h2>{self._steps()}",
            f"<h2>{self.say('rules')}</h2>{self._grounds()}", *(self._entry(row) for row in self.rows),
            "</main></body></html>\n",
        ]  # fmt: skip
        return "\n".join(parts)

    def _table(self) -> str:
        keys = ("place", "entry", "track", "score", "faster", "p", "micros")
        lines = [[f'<th scope="col">{self.say(key)}</th>' for key in keys]]
        for place, row in enumerate(self.rows, 1):
            sure = float(row["chance"]) < scoring.SURE and float(row["lead"]) > 1
            micros = "" if row["micros"] is None else f"{float(row['micros']):.0f}"
            p = f"{float(row['chance']):.2g}" + f" ({self.say('sure')})" * sure
            cells = [str(place), self._link(row), self._track(row), f"{float(row['score']):.3f}",
                     f"{float(row['lead']):.2f}", p, micros]  # fmt: skip
            if row["trouble"]:
                cells[3:] = ["0", "", "", self.say("out")]
            lines.append([f"<td>{cell}</td>" for cell in cells])
        return _rows(lines, "tracks")

    def _track(self, row: dict) -> str:
        track = str(row["track"])
        return escape(TRACKS.get(track, track) if self.language else track)

    def _link(self, row: dict) -> str:
        return f'<a href="#{_anchor(row)}">{escape(str(row["name"]))}</a>'

    def _steps(self) -> str:
        titles = [escape(FAMILIES[f].title[self.language]) for f in SCORED]
        names = ["place", "entry"]
        head = [f'<th scope="col">{text}</th>' for text in [*(self.say(n) for n in names), *titles]]
        lines = [head]
        for place, row in enumerate(self.rows, 1):
            told = [self._number(self.times[row["name"]][f]) for f in SCORED]
            lines.append([f"<td>{cell}</td>" for cell in [str(place), self._link(row), *told]])
        return _rows(lines)

    def _number(self, steps: float) -> str:
        return self.say("never") if math.isinf(steps) else f"{steps:.0f}"

    def _profiles(self) -> str:
        ratios = np.linspace(1, scoring.TAU, 301)
        curves = scoring.profile(self.times, ratios)
        names = [row["name"] for row in self.rows][:SHOWN]
        if self.first and self.first not in names:
            names = [*names[:-1], self.first]
        width, height = 560, 240
        lines = [_frame(width, height)]
        for i, name in enumerate(names):
            points = " ".join(
                f"{40 + (r - 1) / 3 * width:.1f},{10 + (1 - v) * height:.1f}"
                for r, v in zip(ratios, curves[name], strict=True)
            )
            style = f'class="line{i}" stroke-dasharray="{DASHES[i]}"'
            thick = 3 if name == self.first else 1.8
            y = 20 + 22 * i
            lines.append(f'<polyline points="{points}" fill="none" stroke-width="{thick}" {style}/>')
            lines.append(
                f'<line x1="{width + 56}" x2="{width + 86}" y1="{y}" y2="{y}" stroke-width="{thick}" {style}/>'
            )
            lines.append(f'<text x="{width + 94}" y="{y + 4}">{escape(name[:24])}</text>')
        for tau in (1, 2, 3, 4):
            lines.append(f'<text x="{36 + (tau - 1) / 3 * width:.0f}" y="{height + 26}">{tau}</text>')
        lines += [f'<text x="8" y="{14 + (1 - v) * height:.0f}">{v:g}</text>' for v in (0, 0.5, 1)]
        label = self.say("within")
        return (
            f'<figure><svg width="{width + 260}" height="{height + 34}" viewBox="0 0 {width + 260} {height + 34}" '
            f'role="img" aria-label="{label}">'
            f"{''.join(lines)}</svg><figcaption>{label}</figcaption></figure>"
        )

    def _grounds(self) -> str:
        symbols = "".join(
            f'<symbol id="ground-{name}" viewBox="0 0 200 150">{_ground(name)}</symbol>' for name in DRAWN
        )
        return f'<svg width="0" height="0" aria-hidden="true">{symbols}</svg>'

    def _entry(self, row: dict) -> str:
        place = 1 + self.rows.index(row)
        title = f"{escape(str(row['name']))}: {self.say('score_of', format(float(row['score']), '.3f'), place)}"
        opened = " open" * (row["name"] == self.first)
        told = [self._track(row), escape(str(row["rule"])), *[self.say("horizon")] * bool(row["horizon"])]
        body = [f"<p>{' · '.join(told)}</p>"]
        if row["trouble"]:
            body.append(f"<p><strong>{self.say('out')}</strong>: {escape(str(row['trouble']))}</p>")
        body.append(f"<h3>{self.say('listing')}</h3><pre><code>{escape(str(row['source']))}</code></pre>")
        if not row["trouble"]:
            body.append(f"<h3>{self.say('curves')}</h3>{''.join(self._curve(row, f) for f in SCORED)}")
            body.append(f"<h3>{self.say('paths')}</h3>{''.join(self._path(row, f) for f in DRAWN)}")
        return f'<details id="{_anchor(row)}"{opened}><summary>{title}</summary>{"".join(body)}</details>'

    def _curve(self, row: dict, family: str) -> str:
        width, height = 200, 110
        found = row["families"][family]
        mine = infinite(found["curve"])
        reference = infinite(self.by_name["nadam"]["families"][family]["curve"]) if "nadam" in self.by_name else []
        seen = [v for v in [*mine, *reference] if 0 < v < math.inf]
        if not seen:
            seen = [0.1, 1.0]
        top = min(max(seen), 10 * max(reference[:1] or mine[:1] or [1.0]))
        low, high = math.log10(max(min(seen), top * 1e-8)), math.log10(top)
        high += 1e-9 + 0.02 * (high - low)

        def line(curve: list[float], kind: str) -> str:
            points = []
            for i, value in enumerate(curve):
                if not math.isfinite(value):
                    break
                y = (high - math.log10(max(value, 10**low))) / (high - low)
                points.append(f"{width * i / max(1, len(curve) - 1):.1f},{height * min(1.0, max(0.0, y)):.1f}")
            return f'<polyline class="{kind}" points="{" ".join(points)}"/>'

        count = self._number(self.times[row["name"]][family])
        name = escape(FAMILIES[family].title[self.language])
        chosen = escape(setting(found["chosen"])) or self.say("default")
        why = f"<br>{self.say('failed')}: {escape(str(found['why']))}" if found["why"] else ""
        return (
            f'<figure><svg width="{width}" height="{height}" viewBox="-1 -1 {width + 2} {height + 2}" role="img" '
            f'aria-label="{name}: {count}"><rect class="axis" width="{width}" height="{height}"/>'
            f"{line(reference, 'other') if row['name'] != 'nadam' else ''}{line(mine, 'mine')}</svg>"
            f"<figcaption>{name}: {count}<br>{chosen}{why}</figcaption></figure>"
        )

    def _path(self, row: dict, family: str) -> str:
        (x0, x1), (y0, y1) = DRAWN[family].domain
        points = [
            f"{200 * (float(x) - x0) / (x1 - x0):.1f},{150 * (y1 - float(y)) / (y1 - y0):.1f}"
            for x, y in row["paths"].get(family, [])
        ]
        name = escape(FAMILIES[family].title[self.language])
        start = (
            f'<circle class="first" r="3" cx="{points[0].split(",")[0]}" cy="{points[0].split(",")[1]}"/>'
            if points
            else ""
        )
        return (
            f'<figure><svg width="200" height="150" viewBox="0 0 200 150" role="img" aria-label="{name}">'
            f'<use href="#ground-{family}"/><polyline class="mine" points="{" ".join(points)}"/>{start}</svg>'
            f"<figcaption>{name}</figcaption></figure>"
        )


#: The surfaces on which paths are drawn.
DRAWN: dict[str, surfaces.Surface] = {name: surfaces.TABLE[name] for name in FAMILIES if name not in SCORED}


def setting(chosen: Mapping[str, Any]) -> str:
    """A setting in one line.

    >>> setting({"lr": 0.0150, "scaling": "none"})
    'lr=0.015, scaling=none'
    """
    return ", ".join(f"{k}={v}" if isinstance(v, str) else f"{k}={float(v):g}" for k, v in chosen.items())


def _anchor(row: dict) -> str:
    """A name for links within the page, of the entry's own name: letters and digits of any script as numbers."""
    return "entry-" + "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}" for c in str(row["name"]))


def _rows(lines: list[list[str]], kind: str = "steps") -> str:
    rows = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f'<div class="scroll" tabindex="0"><table class="{kind}">{rows}</table></div>'


def _frame(width: int, height: int) -> str:
    return f'<rect class="axis" x="40" y="10" width="{width}" height="{height}"/>'


@cache
def _ground(name: str, columns: int = 80, rows: int = 60, levels: int = 8) -> str:
    """A surface as bands of its logarithm, for a box of 200 by 150: darker is higher."""
    surface = DRAWN[name]
    (x0, x1), (y0, y1) = surface.domain
    x = x0 + (x1 - x0) * (np.arange(columns) + 0.5) / columns
    y = y1 - (y1 - y0) * (np.arange(rows) + 0.5) / rows
    values = np.log(np.array([[float(surface([a, b])) for a in x] for b in y]) + 1e-3)
    low, high = float(values.min()), float(values.max())
    band = np.minimum(levels - 1, levels * (values - low) / (high - low)).astype(int)
    w, h = 200 / columns, 150 / rows
    found = []
    for i, row in enumerate(band):
        cuts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), columns]
        for a, b in pairwise(cuts):
            shade = 0.5 * row[a] / (levels - 1)
            found.append(
                f'<rect class="band" x="{w * a:g}" y="{h * i:g}" width="{w * (b - a):g}" height="{h + 0.2:g}" '
                f'opacity="{shade:.2g}"/>'
            )
    return "".join(found)
