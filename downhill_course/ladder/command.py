"""The ladder: hand in one function, an update rule, and see how it does on problems that it has never met.

  run        your rule on the public problems, in under a minute, on your own machine
  grade      a class's rules on hidden problems, in a sandbox, ranked
  board      a page of entries as HTML, in both languages, which needs no server
  reference  the course's own rules: their scores anew, or their files to start from

天梯：提交一个函数（一条更新规则），看它在没见过的问题上表现如何。
run 在自己的电脑上跑公开问题；grade 在沙箱里用隐藏问题给全班排名；board 生成静态网页；reference 重新计算参考成绩。
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from downhill_course import files
from downhill_course.grade import submissions
from downhill_course.grade.command import Bar
from downhill_course.grade.exports import as_csv
from downhill_course.grade.sandbox import Sandbox, Unavailable
from downhill_course.grade.submissions import File, Line, folded
from downhill_course.ladder import board, judge, plane, reference, scoring
from downhill_course.ladder.families import FAMILIES, PUBLIC, SCORED
from downhill_course.ladder.judge import Crew, Entry
from downhill_course.ladder.race import LIMITS, cleaned

EXAMPLES = """examples:
  downhill ladder reference --files examples/
  downhill ladder run my_rule.py
  downhill ladder grade submissions/ --out ranking/
  downhill ladder board ranking/entries.json --out page/

exit status: 0 done, 1 an entry could not take part, 2 nothing could be done (the message says why), 130 interrupted
"""


MOST = 10 * judge.LONGEST  # bytes that are read of a file


class Refused(Exception):
    """What was asked for cannot be done; the message says what can."""


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("downhill ladder", description=__doc__, epilog=EXAMPLES, formatter_class=shape)
    which = parser.add_subparsers(dest="what", required=True, metavar="run|grade|board|reference")
    many = argparse.ArgumentParser(add_help=False)
    many.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="at once (default: one a core)"
    )
    many.add_argument("--client", metavar="ADDRESS", help="the scheduler of a Dask cluster that does the work instead")

    run = which.add_parser("run", parents=[many], help="your rule on the public problems")
    run.add_argument("file", type=Path, help="a Python file with one rule")
    run.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where the page goes (default: FILE's name and -ladder)"
    )

    grade = which.add_parser("grade", parents=[many], help="a class on hidden problems")
    grade.add_argument(
        "submissions", type=Path, help="a folder of .py files, flat or one folder a student, or the LMS's zip"
    )
    grade.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the ranking goes")
    grade.add_argument("--sandbox", choices=["bubblewrap", "docker", "podman"], default="bubblewrap")
    grade.add_argument("--image", default="downhill-grader", help="for docker and podman: with Python 3.11+ and NumPy")
    grade.add_argument("--user", metavar="NAME", help="when root grades: the unprivileged user that rules run as")
    grade.add_argument("--unsafe", action="store_true", help="NO SANDBOX: only for your own rules")

    page = which.add_parser("board", help="a page of entries")
    page.add_argument("entries", type=Path, help="entries.json, as run, grade and reference write it")
    page.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the page goes")

    ours = which.add_parser("reference", parents=[many], help="the course's own rules")
    ours.add_argument("--files", type=Path, metavar="FOLDER", help="write them as files to start from, and do no more")
    ours.add_argument("--out", type=Path, metavar="FILE", help="another file than the course's own for the scores")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Do it; returns the exit status."""
    asked = options(argv)
    try:
        if getattr(asked, "processes", 1) < 1:
            raise Refused(f"--processes is {asked.processes}; it must be at least 1")
        return {"run": run, "grade": grade, "board": page, "reference": ours}[asked.what](asked)
    except (Refused, Unavailable, files.Unwritable) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing was written.", file=sys.stderr)
        return 130


# --- the work ---------------------------------------------------------------------------------------


class Steps:
    """Progress of many jobs, on one line where that can be."""

    def __init__(self, total: int, what: str) -> None:
        self.bar, self.what = Bar(total, 0), what

    def __call__(self) -> None:
        self.bar.step(self.what)
        if self.bar.done == self.bar.total:
            self.bar.end()


def contested(
    crew: Crew, entries: Sequence[Entry], seed: str, targets: dict, sandbox: Sandbox | None, bar: Callable[[], None]
) -> list[dict]:
    """A row for each entry: all its families, each a job of its own."""
    sound = [entry for entry in entries if not entry.trouble]
    jobs = [
        (judge.judged, (entry, family, seed, targets.get(family), sandbox)) for entry in sound for family in FAMILIES
    ]
    results = iter(crew.all(jobs, bar))
    found = {entry.name: {family: next(results) for family in FAMILIES} for entry in sound}
    return [judge.row(entry, found.get(entry.name, {})) for entry in entries]


def pacemakers(crew: Crew, seed: str, bar: Callable[[], None]) -> tuple[dict, list[dict]]:
    """The targets of a seed, and the rows of the reference entries."""
    entries = reference.entries()
    first = entries[reference.TARGET]
    jobs = [(judge.judged, (first, family, seed, None, None)) for family in FAMILIES]
    found = dict(zip(FAMILIES, crew.all(jobs, bar), strict=True))
    targets = judge.targets_of(found)
    others = [entry for entry in entries.values() if entry is not first]
    rows = contested(crew, others, seed, targets, None, bar)
    rows.append(judge.row(first, judge.with_steps(found, targets)))
    order = list(entries)
    return targets, sorted(rows, key=lambda row: order.index(row["name"]))


def ours(asked: argparse.Namespace) -> int:
    """The reference entries: their files, or their scores anew."""
    if asked.files:
        for name, entry in reference.entries().items():
            files.replace(asked.files / f"{name}.py", entry.source)
        print(f"{len(reference.entries())} rules are in {asked.files}: copy one, change it, and try it with\n"
              f"  downhill ladder run {asked.files / 'adam.py'}")  # fmt: skip
        return 0
    with Crew(asked.processes, asked.client) as crew:
        bar = Steps(len(FAMILIES) * len(reference.entries()), "reference entries")
        targets, rows = pacemakers(crew, PUBLIC, bar)
    place = asked.out or reference.SCORES
    rows = [{**row, "source": "", "micros": None} for row in rows]  # listings are made anew, times differ each time
    files.replace(place, told(judge.ranked(rows), targets, plane=plane.measured()))
    for row in judge.ranked(rows):
        print(f"{row['score']:.3f}  {row['name']}")
    print(f"Written to {place}")
    return 0


def told(rows: Sequence[dict], targets: dict, **more: dict) -> str:
    """entries.json: rows, the targets they were measured by, and more of what is known."""
    known = {"targets": targets, **more, "entries": rows}
    text = json.dumps(known, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace(',{"name":', ',\n{"name":') + "\n"


def source_in(path: Path) -> str:
    try:
        if path.stat().st_size > MOST:
            raise Refused(f"{path}: {too_long(path.stat().st_size)}")
        return text_of(path.read_bytes())
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Refused(f"{path}: {error}") from None


def too_long(size: int) -> str:
    return f"the file has {size:,} bytes; a rule has at most {judge.LONGEST:,} characters: hand in the rule alone"


def text_of(raw: bytes) -> str:
    """A rule's file as text; a ValueError says what it is instead, and what to do."""
    if len(raw) > MOST:
        raise ValueError(too_long(len(raw)))
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("the file is saved as UTF-16: save it as UTF-8")
    if b"\0" in raw:
        raise ValueError("the file is binary, no Python text: hand in the .py file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        raw.decode("gb18030")
    except UnicodeDecodeError:
        raise ValueError("the file is binary, no Python text: hand in the .py file") from None
    raise ValueError("the file is not saved as UTF-8 but, it seems, as GBK: save it as UTF-8")


def run(asked: argparse.Namespace) -> int:
    """One's own rule on the public problems, beside the published scores of the reference entries."""
    entry = judge.examined(asked.file.stem, source_in(asked.file), None)
    if entry.trouble:
        raise Refused(f"{asked.file}: {entry.trouble}")
    known = reference.published()
    if entry.name in {row["name"] for row in known["entries"]}:
        entry = judge.examined(f"my {entry.name}", entry.source, None)
    with Crew(min(asked.processes, len(FAMILIES)), asked.client) as crew:
        (mine,) = contested(crew, [entry], PUBLIC, known["targets"], None, Steps(len(FAMILIES), entry.name))
    if mine["trouble"]:
        raise Refused(f"{asked.file}: {mine['trouble']}")
    rows = judge.ranked([*known["entries"], mine])
    print(report(mine["name"], rows))
    score, place, _ = plane.scored(entry)
    of = len(known["entries"]) + 1
    where = f", place {place} of {of}" if score else ""  # all that have no points share a place
    print(f"\nin the plane, as in the page: score {score:.3f}{where}; it does not count")
    out = asked.out or asked.file.with_name(f"{asked.file.stem}-ladder")
    files.replace(out / "entries.json", told(rows, known["targets"]))
    board.write(out, rows, first=mine["name"])
    print(f"\nThe same with pictures, 图文版: {out / 'index.html'}")
    return 0


@dataclass(frozen=True)
class Person:
    """Who handed in an entry: the student's name and the LMS's number, the entry's name on the board."""

    student: str
    identity: str
    label: str


def labelled(found: Sequence[Any], taken: Container[str]) -> list[Person]:
    """The name of each student's entry: the student's own, told apart where two people or a reference have it."""
    same = Counter(folded(each.student) for each in found)
    people: list[Person] = []
    for each in found:
        mark = each.identity if same[folded(each.student)] > 1 else ""
        mark = mark or ("student" if each.student in taken else "")
        label = f"{each.student} ({mark})" if mark else each.student
        while label in {person.label for person in people}:  # someone is called so
            label += "'"
        people.append(Person(each.student, each.identity, label))
    return people


def handed_in(place: Path, out: Path, taken: Container[str]) -> tuple[dict[Person, File | str], list[Line]]:
    """Whose rule is in which file, found as the grader finds notebooks, or why there is none; a line for other files.

    Raises
    ------
    Refused : there is nothing to rank.
    """
    try:
        found, lines = submissions.find(place, "ladder", ours=[out], kind=submissions.RULE)
    except submissions.Unreadable as error:
        raise Refused(str(error)) from None
    ranked = {file.key for file in found}
    without: dict[str, Line] = {}  # who handed in something, and no rule
    for line in lines:
        key = submissions.key_of(line.student, line.identity)
        if line.student and line.urgent and key not in ranked:
            without.setdefault(key, line)
    if not found and not without:
        raise Refused(f"No rule (a .py file) was found in {place}. Is it the right folder?")
    reasons = [f"{line.name}: {line.why}" for line in without.values()]
    people = labelled([*found, *without.values()], taken)
    return dict(zip(people, [*found, *reasons], strict=True)), lines


def grade(asked: argparse.Namespace) -> int:
    """A class's rules on hidden problems, ranked."""
    names = reference.entries()
    found, lines = handed_in(asked.submissions, asked.out, names)
    sandbox = Sandbox("unsafe" if asked.unsafe else asked.sandbox, asked.user, asked.image, LIMITS)
    if asked.unsafe:
        print("UNSAFE: the rules run on this machine with your rights. Stop now unless every line is your own.",
              file=sys.stderr)  # fmt: skip
    sandbox.test()
    place = asked.out / "secret.txt"
    if not place.exists():
        files.replace(place, secrets.token_hex(32) + "\n", private=True)
    seed = place.read_text(encoding="utf-8").strip()
    if len(seed) < 16:
        raise Refused(f"{place} is damaged. Put the old one back, or remove it: then other problems are drawn.")
    entries, sources = [], {}
    for person, file in found.items():
        try:
            if isinstance(file, str):
                raise ValueError(file)
            sources[person.label] = text_of(file.read())
        except (OSError, ValueError, submissions.Unreadable) as error:
            entries.append(Entry(person.label, "", trouble=cleaned(error)))
    with Crew(asked.processes, asked.client) as crew:
        looked = crew.all([(judge.examined, (n, s, sandbox)) for n, s in sources.items()], lambda: None)
        entries = sorted([*entries, *looked], key=lambda entry: entry.name)
        sound = sum(not entry.trouble for entry in entries)
        bar = Steps(len(FAMILIES) * (sound + len(names)), "rules")
        targets, rows = pacemakers(crew, seed, bar)
        rows += contested(crew, entries, seed, targets, sandbox, bar)
    rows = judge.ranked(rows)
    files.replace(asked.out / "entries.json", told(rows, targets))
    files.replace(asked.out / "ranking.csv", table(rows, list(found)))
    files.replace(asked.out / "files.csv", accounted(found, lines))
    board.write(asked.out, rows)
    for place_, row in enumerate(rows, 1):
        print(f"{place_:>4}  {row['score']:.3f}  {row['name']}{': ' * bool(row['trouble'])}{row['trouble']}")
    for line in lines:
        if line.urgent:
            print(f"  {line.name}: {line.why}", file=sys.stderr)
    print(f"Written to {asked.out}: ranking.csv, files.csv (what became of every file), entries.json, index.html.\n"
          "Keep secret.txt: it draws the same problems.")  # fmt: skip
    return 1 if any(row["trouble"] for row in rows) or any(line.urgent for line in lines) else 0


def accounted(found: Mapping[Person, File | str], lines: Sequence[Line]) -> str:
    """Every file as CSV: whose it is, and what became of it."""
    rows = [[f.name, p.student, p.identity, "; ".join(["ranked", *f.notes])] for p, f in found.items()
            if not isinstance(f, str)]  # fmt: skip
    rows += [[line.name, line.student, line.identity, line.why] for line in lines]
    return as_csv([["file", "student", "id", "what became of it"], *rows])


def beats(rows: Sequence[dict], name: str, other: str) -> bool:
    """Whether one entry has the higher score."""
    score = {row["name"]: row["score"] for row in rows}
    return score[name] > score[other]


def table(rows: Sequence[dict], people: Sequence[Person]) -> str:
    """The ranking as CSV: a line for each student."""
    who = {person.label: person for person in people}
    head = ["place", "student", "id", "rule", "track", "score", "beats momentum", "beats nadam",
            "times faster than nadam", "p", "microseconds an update", "trouble", *SCORED]  # fmt: skip
    lines: list[list[Any]] = [head]
    for place, row in enumerate((row for row in rows if row["name"] in who), 1):
        person = who[row["name"]]
        steps = [scoring.counted(judge.infinite(row["families"][family]["steps"])) for family in SCORED]
        marks = ["yes" if beats(rows, row["name"], other) else "no" for other in (reference.PASS, reference.EXCEL)]
        lines.append([
            place, person.student, person.identity, row["rule"], row["track"], row["score"], *marks, row["lead"],
            row["chance"],
            "" if row["micros"] is None else row["micros"], row["trouble"],
            *("never" if math.isinf(n) else int(n) for n in steps),
        ])  # fmt: skip
    return as_csv(lines)


def page(asked: argparse.Namespace) -> int:
    """The page of a file of entries."""
    try:
        given = json.loads(asked.entries.read_text(encoding="utf-8"))
        rows = given["entries"]
        board.write(asked.out, rows)
    except OSError as error:
        raise Refused(f"{asked.entries} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{asked.entries} holds no entries of the ladder ({type(error).__name__}: {error}): "
            "give the entries.json that `downhill ladder run`, `grade` or `reference` has written"
        ) from None
    print(f"{len(rows)} entries are on {asked.out / 'index.html'} · 共 {len(rows)} 条规则")
    return 0


# --- what is printed --------------------------------------------------------------------------------


def report(name: str, rows: Sequence[dict]) -> str:
    """An entry's table, its place, its profile, and what to try next."""
    mine = next(row for row in rows if row["name"] == name)
    known = {row["name"]: row for row in rows}
    lines = [
        f"{name}: {mine['rule']}, track {mine['track']}" + ", knows how many steps there are" * mine["horizon"],
        "",
    ]
    lines.append(f"{'steps to the target':<24}{'yours':>8}{'momentum':>10}{'nadam':>8}{'best':>8}  setting chosen")
    for family in SCORED:
        each = {
            other: scoring.counted(judge.infinite(row["families"][family]["steps"])) for other, row in known.items()
        }
        best = min(each, key=lambda other: each[other])
        chosen = board.setting(mine["families"][family]["chosen"]) or "as written"
        lines.append(
            f"{FAMILIES[family].title[0]:<24}{steps(each[name]):>8}{steps(each['momentum']):>10}"
            f"{steps(each['nadam']):>8}{steps(each[best]):>8}  {chosen}"
        )
    place = 1 + [row["name"] for row in rows].index(name)
    lines += ["", f"score {mine['score']:.3f} (area under the profile), place {place} of {len(rows)}"]
    lines.append(
        f"against NAdam: {mine['lead']:.2f} times as fast on average, p = {mine['chance']:.2g} over five seeds"
        + (": significant" if mine["chance"] < scoring.SURE and mine["lead"] > 1 else ": not significant")
    )
    if mine["micros"] is not None:
        lines.append(f"time for one update: {mine['micros']} microseconds, which do not count")
    lines += ["", *picture(mine, known["nadam"], rows), "", "What to try next:"]
    lines += [f"- {hint}" for hint in hints(mine, rows)]
    return "\n".join(lines)


def steps(number: float) -> str:
    return "never" if math.isinf(number) else f"{number:.0f}"


def picture(mine: dict, other: dict, rows: Sequence[dict]) -> list[str]:
    """The profiles of two entries in block characters: the share of problems solved within tau times the best steps."""
    times = {r["name"]: {f: scoring.counted(judge.infinite(r["families"][f]["steps"])) for f in SCORED} for r in rows}
    width = 49
    ratios = [1 + 3 * i / (width - 1) for i in range(width)]
    curves = scoring.profile(times, ratios)
    blocks = " ▁▂▃▄▅▆▇█"
    wide = max(len(row["name"]) for row in (mine, other))
    lines = ["share of problems solved within tau times the steps of the best"]
    for row in (mine, other):
        line = "".join(blocks[round(8 * float(v))] for v in curves[row["name"]])
        lines.append(f"  {row['name']:<{wide}} {line} {curves[row['name']][-1]:.0%}")
    lines.append(f"  {'':<{wide}} tau = 1{'4':>{width - 7}}")
    return lines


def named(families: Sequence[str]) -> str:
    """Families by name, or their number where they are many."""
    if len(families) > 2:
        return f"{len(families)} of {len(SCORED)} problems"
    return ", ".join(FAMILIES[family].title[0] for family in families)


def hints(mine: dict, rows: Sequence[dict]) -> list[str]:
    """What to try next, by what went wrong; at most four."""
    found = []
    families = mine["families"]
    failed = [f for f in SCORED if families[f]["why"]]
    if failed:
        found.append(
            f"{named(failed)}: {families[failed[0]]['why']}. Try a smaller rate, or see how the rule can blow up."
        )
    for edge, where in (("first", "front"), ("last", "end")):
        at = [f for f in SCORED if families[f]["edge"] == edge]
        if at:
            found.append(
                f"{named(at)}: the {edge} of your settings was the best: add one at the {where} of the list, "
                "or move the list."
            )
    if mine["track"] == "self-tuning":
        found.append("You have given no list of settings. With up to five, the best is chosen for each problem.")
    if not mine["schedule"]:
        found.append(
            "A schedule, a function of t and steps that the rate is multiplied by, lets the last steps be small: "
            "def schedule(t, steps): return 1 - t / steps"
        )
    each = {row["name"]: row for row in rows}
    slow = {
        f: scoring.counted(judge.infinite(families[f]["steps"]))
        / min(scoring.counted(judge.infinite(row["families"][f]["steps"])) for row in rows)
        for f in SCORED
    }
    worst = max(slow, key=lambda f: slow[f])
    if slow[worst] > 1.5:
        leader = min(each, key=lambda n: scoring.counted(judge.infinite(each[n]["families"][worst]["steps"])))
        found.append(f"{FAMILIES[worst].title[0]} costs you most: read how {leader} does it there.")
    if mine["score"] >= each["nadam"]["score"]:
        found.insert(0, "You are above NAdam here. On hidden problems your settings must hold as well.")
    return found[:4]
