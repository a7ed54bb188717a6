"""Grade a folder, or an LMS's zip, of student notebooks, without any of their code touching this machine.

Each task of each notebook runs in a sandbox of its own; the marks are decided outside it. A run that was interrupted
goes on where it stopped, and gives the same marks. Files written to --out:

  grades.csv            one row for each student; who could not be graded is blank, not zero
  files.csv             one row for each file that lay there: graded, or why not
  report.json           everything, for programs
  feedback/NAME.html    for the student, in the language of their notebook; NAME.txt is the same as text
  needs-attention.txt   who and what could not be graded, or filled in, and why
  by-hand.csv           answers in words: fill in the points, then run the same command again
  secret.txt            seeds the hidden inputs: keep it to get the same marks again, and keep it private

给一个文件夹，或教学平台导出的 zip 里的学生笔记本评分：每道题在单独的沙箱里运行，
分数在沙箱之外评定。中断后重新运行会接着做，分数不变。
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace as with_changes
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from downhill_course import files
from downhill_course.grade import exports, feedback, policy, submissions
from downhill_course.grade.attempts import Attempts
from downhill_course.grade.byhand import ByHand
from downhill_course.grade.lifetime import end_children, tie
from downhill_course.grade.marking import mark
from downhill_course.grade.sandbox import Limits, Sandbox, Unavailable
from downhill_course.grade.source import Assignment, known
from downhill_course.grade.spec import Faulty
from downhill_course.grade.submissions import File, Line
from downhill_course.project import EXERCISES

EXAMPLES = """examples:
  downhill grade submissions/ --assignment 03-momentum --out grades/
  downhill grade canvas.zip --assignment 03-momentum --out grades/ --canvas gradebook.csv
  downhill grade submissions/ --assignment 03-momentum --out grades/ --policy late.toml --processes 4

exit status: 0 all graded, 1 some need attention, 2 nothing could be done (the message says why), 130 interrupted
"""


class Refused(Exception):
    """The instructor asked for something that cannot be done; the message says what can."""


def options(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("downhill grade", description=__doc__, epilog=EXAMPLES, formatter_class=shape)
    add = parser.add_argument
    add("submissions", type=Path, help="a folder of notebooks (flat, or one folder a student), or the LMS's zip")
    add("--assignment", required=True, metavar="NAME", help=f"which one: {', '.join(known()) or 'none yet'}")
    add(
        "--tasks",
        type=Path,
        default=EXERCISES,
        metavar="FOLDER",
        help="the assignments' folder (default: the course's own)",
    )
    add("--out", required=True, type=Path, metavar="FOLDER", help="where the marks go; made if it is not there")
    add(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="notebooks graded at once (default: one a core)",
    )
    add(
        "--roster",
        type=Path,
        metavar="CSV",
        help="who is in the class: a column `student`, or `id`; who handed in nothing is listed",
    )
    add("--policy", type=Path, metavar="TOML", help="deadline, late penalty, extensions, resubmission")
    add(
        "--times",
        type=Path,
        metavar="CSV",
        help="when work was handed in, by the LMS: columns `student` or `id`, and `time`; trusted before a file's date",
    )
    add(
        "--canvas",
        type=Path,
        metavar="CSV",
        help="Canvas's exported gradebook: a copy with marks is written to canvas.csv",
    )
    add(
        "--moodle",
        type=Path,
        metavar="CSV",
        help="Moodle's grading worksheet: a copy with marks is written to moodle.csv",
    )
    add("--sandbox", choices=["bubblewrap", "docker", "podman"], default="bubblewrap", help="where answers run")
    add("--image", default="downhill-grader", help="for docker and podman: an image with Python 3.11+ and NumPy")
    add("--user", metavar="NAME", help="when root grades: the unprivileged user that answers run as, such as nobody")
    add(
        "--seconds", type=float, default=10.0, metavar="S", help="time limit of one call; a task has four times as much"
    )
    add("--memory", type=int, default=1500, metavar="MB", help="memory limit of one task")
    add("--again", action="store_true", help="grade everything anew, also what has a mark already")
    add("--unsafe", action="store_true", help="NO SANDBOX: only for your own code, on your own machine")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Grade; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name may hold what the screen's encoding does not
            stream.reconfigure(errors="backslashreplace")
    asked = options(argv)
    try:
        return Run(asked).go()
    except (
        Refused,
        Faulty,
        Unavailable,
        submissions.Unreadable,
        exports.Mismatch,
        policy.Wrong,
        files.Unwritable,
    ) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        end_children()
        print("\nInterrupted. What is graded is kept: run the same command again to go on.", file=sys.stderr)
        return 130


class Run:
    """One run of the command."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        if not known(asked.tasks):
            raise Refused(
                f"{asked.tasks} holds no assignment. Run the command in a checkout of the course, or name their folder "
                "with --tasks."
            )
        self.assignment = Assignment.open(asked.assignment, asked.tasks.resolve())
        self.policy = policy.load(asked.policy)
        self.out: Path = asked.out
        self.roster = _people(asked.roster, "the roster: a CSV file with a column `student`, or `id`")
        self.books = [exports.canvas(asked.canvas, self.assignment.name)] if asked.canvas else []
        self.books += [exports.moodle(asked.moodle)] if asked.moodle else []
        self.times = self._times()
        if asked.processes < 1:
            raise Refused(f"--processes is {asked.processes}; it must be at least 1")
        if not asked.seconds > 0 or asked.memory < 100:
            raise Refused("--seconds must be more than 0, and --memory at least 100 (MB): NumPy itself needs some")
        if asked.out.resolve() == asked.submissions.resolve():
            raise Refused(f"--out is the folder of the submissions itself ({asked.out}): choose another for the marks")
        kind = "unsafe" if asked.unsafe else asked.sandbox
        limits = Limits(call=asked.seconds, total=4 * asked.seconds, memory=asked.memory * 1_000_000)
        self.sandbox = Sandbox(kind, asked.user, asked.image, limits)
        self.attention: list[tuple[str, str]] = []
        self.remarks: list[str] = []
        self.moments: dict[str, tuple[float | None, str, bool | None]] = {}

    def _times(self) -> dict[str, float]:
        """What the LMS says about when work was handed in, by `#number` and by name."""
        found: dict[str, float] = {}
        asked = self.asked
        rows = [(p, p["time"], asked.times) for p in _people(asked.times, "a CSV file with `student` or `id`", "time")]
        last = "Last modified (submission)"
        if asked.moodle and last in self.books[-1].sheet.head:
            records = self.books[-1].sheet.records()
            rows += [
                ({"student": r["Full name"], "id": exports.number_of(r["Identifier"])}, r[last], asked.moodle)
                for r in records
            ]
        elif asked.moodle and self.policy.deadline:
            self.remarks.append(f"{asked.moodle} has no column {last!r}: it says nothing of when work was handed in")
        for person, told, path in rows:
            when = policy.moment(told, self.policy.zone)
            if when is None and re.search(r"\d", told):
                raise Refused(f"{path}: {told!r} is no time that can be read. Write it as 2026-12-01 23:59")
            if when is not None:
                found[f"#{person['id']}" if person["id"] else submissions.folded(person["student"])] = when
        return found

    def go(self) -> int:
        """Everything in order; nothing is started before all that was given has been looked at."""
        asked = self.asked
        ours = [p for p in (asked.out, asked.policy, asked.roster, asked.canvas, asked.moodle, asked.times) if p]
        found, lines = submissions.find(asked.submissions, self.assignment.name, self.policy.zone, ours)
        if not found and not any(line.urgent for line in lines):
            raise Refused(f"No notebook (.ipynb) was found in {asked.submissions}. Is it the right folder?")
        self.worth = {task.name: task.points for task in self.assignment.tasks.values()}
        self.by_hand = ByHand.read(self.out, self.worth)
        self._extensions(found)
        self.moments = self._moments(found)
        if asked.unsafe:
            print(
                "UNSAFE: the answers run on this machine with your rights. Stop now unless every line is your own.",
                file=sys.stderr,
            )
        gaps = self.sandbox.test()
        print("\n".join([f"Limits: {self.sandbox.limits}", *gaps]), file=sys.stderr)
        self.secret = self._secret()
        attempts, failed = self._grade(found)
        return self._write(found, attempts, lines + failed)

    def _extensions(self, found: list[File]) -> None:
        """Who has more time: said where it helps nobody, and not given where it may be one of several people's."""
        same = Counter(submissions.folded(file.student) for file in found)
        sure = {name: until for name, until in self.policy.extensions.items() if same[submissions.folded(name)] < 2}
        for name in self.policy.extensions.keys() - sure.keys():
            self.attention.append((name, "has an extension, and several handed in under this name: write the number"))
        self.policy = with_changes(self.policy, extensions=sure)
        known = [name for file in found for name in (file.student, file.identity)]
        known += [name for person in self.roster for name in (person["student"], person["id"])]
        self.attention += self.policy.strangers(known)

    def _moments(self, found: list[File]) -> dict[str, tuple[float | None, str, bool | None]]:
        """When each work was handed in, by the most trusted source, and what that is."""
        marks_late = any(file.late for file in found)  # else no word of Canvas's is no word at all
        same = Counter(submissions.folded(file.student) for file in found)
        times: dict[str, tuple[float | None, str, bool | None]] = {}
        for file in found:
            name = submissions.folded(file.student)
            told = self.times.get(file.key, self.times.get(name) if same[name] == 1 else None)
            if told is None and self.asked.times:
                self.attention.append((file.student, f"has no time in {self.asked.times.name}: the file's date counts"))
            own = (file.when, file.clock, file.late if marks_late else None)
            times[file.key] = own if told is None else (told, "LMS", None)
        for clock in ("archive", "file"):
            dated = [file for file in found if times[file.key][1:] == (clock, None)]
            past = [f for f in dated if self.policy.penalty(f.student, f.when, 1.0, f.identity)]
            if len(past) < 2 or len(past) < len(dated):
                continue
            what = f"all {len(past)} submissions are late by the dates of their files"
            dates = [file.when or 0.0 for file in past]
            if len(past) >= 5 and max(dates) - min(dates) <= 600:
                times |= {file.key: (None, "", None) for file in past}
                what += ", which lie within ten minutes: they were copied or downloaded then, not handed in"
                self.attention.append((self.asked.submissions.name, f"{what}. Nothing is taken off: give --times"))
            else:
                what += ": if they were copied (cp -r makes new dates, cp -a keeps them), give --times"
                self.remarks.append(what[0].upper() + what[1:])
        return times

    def _secret(self) -> bytes:
        path = self.out / "secret.txt"
        if not path.exists():
            files.replace(path, secrets.token_hex(32) + "\n", private=True)
        try:
            told = path.read_bytes().strip()
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}. It must be a file of yours.") from None
        if len(told) < 16:
            raise Refused(
                f"{path} is damaged. Put the old one back, or remove it: "
                "then hidden inputs differ, and all is graded anew."
            )
        return told

    # --- the work -------------------------------------------------------------------------------

    def _grade(self, found: list[File]) -> tuple[dict[str, Attempts], list[Line]]:
        """What each student has handed in so far, with marks; and who could not be graded now."""
        kept: dict[str, Attempts] = {}
        failed: list[Line] = []
        todo = []
        for file in found:
            kept[file.key] = Attempts.read(self.out, file)
            try:
                known = not self.asked.again and kept[file.key].resume(stamp(file.read(), self.assignment, self.secret))
            except Exception:
                known = False  # what it is, is said when it is graded
            if known:
                kept[file.key].date(*self.moments[file.key])
            else:
                todo.append(file)
        bar = Bar(len(found), len(found) - len(todo))
        for file, result, why in self._all(todo):
            if result is None:
                failed.append(Line(file.name, why, file.student, file.identity))
            else:
                kept[file.key].add(result)
                kept[file.key].date(*self.moments[file.key])
                kept[file.key].write()
            bar.step(file.student)
        bar.end()
        return kept, failed

    def _all(self, todo: list) -> Any:
        """Each file with its result, as they come; a process that dies takes one file with it, not the run."""
        queue = list(reversed(todo))
        suspects: list = []
        while queue or suspects:
            alone = not queue
            batch = [suspects.pop()] if alone else queue
            count = 1 if alone else self.asked.processes
            pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=tie, initargs=(os.getpid(),))
            running: dict[Future, Any] = {}
            try:
                while batch or running:
                    while batch and len(running) < 2 * self.asked.processes:
                        file = batch.pop()
                        running[pool.submit(work, file.load, file, self._job())] = file
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        file = running[future]
                        result, why = _outcome(future)
                        del running[future]
                        yield file, result, why
            except BrokenProcessPool:
                if alone:
                    yield file, None, "the grader's own process died while it read this file: look at it by hand"
                else:
                    suspects += running.values()
            finally:
                pool.shutdown(wait=not running, cancel_futures=True)

    def _job(self) -> dict:
        return {"assignment": self.assignment.path, "sandbox": self.sandbox, "secret": self.secret}

    # --- what is written ------------------------------------------------------------------------

    def _write(self, found: list[File], attempts: dict[str, Attempts], lines: list[Line]) -> int:
        self.attention += [(line.name, line.why) for line in lines if line.urgent]
        self.attention += self.by_hand.give(attempts)
        final = []
        for file in found:
            own = attempts[file.key]
            own.write()
            if result := own.counted(self.policy, self.worth):
                final.append(result)
        missing: dict[tuple[str, str], str] = {}
        for line in lines:
            if line.urgent and line.student:
                missing.setdefault((line.student, line.identity), line.why)
        missing = {who: why for who, why in missing.items() if not any(_same(who, r) for r in final)}
        self._present(final, missing)
        for book in self.books:
            text, left = book.filled(final, self.assignment.points)
            files.replace(self.out / book.name, text)
            self.attention += left
        self._feedback(final)
        files.replace(self.out / "grades.csv", exports.table(final, missing))
        files.replace(self.out / "files.csv", _accounted(found, final, lines))
        report = {
            "assignment": self.assignment.name,
            "of": self.assignment.points,
            "results": final,
            "attention": self.attention,
            "remarks": self.remarks,
        }
        files.replace(self.out / "report.json", json.dumps(report, ensure_ascii=False, indent=1))
        told = "".join(f"{submissions.shown(f'{name}: {why}')}\n" for name, why in self.attention)
        files.replace(self.out / "needs-attention.txt", told)
        self.by_hand.write(attempts)
        self._summary(final, len(found) + len(lines))
        return 1 if self.attention else 0

    def _present(self, final: list[dict], missing: dict) -> None:
        """Who of the roster handed in nothing, and who is not on it."""
        there = [(r["student"], r["identity"]) for r in final] + list(missing)
        for person in self.roster:
            if not any(_is(person, *who) for who in there):
                name, number = person["student"] or person["id"], person["id"]
                missing[name, number] = "nothing was handed in"
                self.attention.append((name, "nothing was handed in"))
        if self.roster:
            strange = [who for who in there if not any(_is(person, *who) for person in self.roster)]
            self.attention += [(name, "is not on the roster") for name, _ in strange]

    def _feedback(self, final: list[dict]) -> None:
        """A page for each student, by name; by name and number where several have the name."""
        same = Counter(submissions.folded(result["student"]) for result in final)
        folder = self.out / "feedback"
        for name in {submissions.clean(r["student"]) for r in final if same[submissions.folded(r["student"])] > 1}:
            for ending in (".html", ".txt"):  # an earlier run's, which would now be anybody's
                with suppress(OSError):
                    (folder / os.fsdecode(f"{name}{ending}".encode())).unlink()
        for result in final:
            name, several = submissions.clean(result["student"]), same[submissions.folded(result["student"])] > 1
            if several and result["identity"]:
                name = f"{name}_{result['identity']}"
            for ending, page in ((".html", feedback.html(result)), (".txt", feedback.text(result))):
                # Encoded by hand: a locale may know ASCII alone.
                files.replace(folder / os.fsdecode(f"{name}{ending}".encode()), page)

    def _summary(self, results: list[dict], count: int) -> None:
        marks = sorted(result["final"] for result in results)
        print(f"\n{self.assignment.name}: {len(results)} graded, of {self.assignment.points:g} points")
        if marks:
            middle = marks[len(marks) // 2]
            print(f"lowest {marks[0]:g} · median {middle:g} · highest {marks[-1]:g}")
            print(_histogram(marks, self.assignment.points))
            for name in self.assignment.tasks:
                got = [
                    t["points"] for r in results for t in r["tasks"] if t["name"] == name and t["points"] is not None
                ]
                mean = sum(got) / len(got) if got else 0.0
                print(f"  {name:<28} mean {mean:5.2f} of {self.assignment.tasks[name].points:g}")
        waiting = sum(task["points"] is None for result in results for task in result["tasks"])
        if waiting:
            print(f"{waiting} answers in words wait for you in {self.out / 'by-hand.csv'}")
        for remark in self.remarks:
            print(remark)
        if self.attention:
            print(f"Needs attention ({len(self.attention)}):")
            for name, why in self.attention[:20]:
                print(f"  {submissions.shown(f'{name}: {why}')}")
            if len(self.attention) > 20:
                print(f"  and {len(self.attention) - 20} more in {self.out / 'needs-attention.txt'}")
        print(
            f"Written to {self.out}: grades.csv, report.json, feedback/; {count} files are accounted for in files.csv"
        )


def stamp(raw: bytes, assignment: Assignment, secret: bytes) -> str:
    """What a mark depends on; the first number changes with what a result holds."""
    parts = [b"2", hashlib.sha256(raw).digest(), assignment.digest.encode(), secret]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _outcome(future: Future) -> tuple[dict | None, str]:
    """What a process of the pool made of a file; whatever else goes wrong with it is that file's alone."""
    try:
        return future.result()
    except (BrokenProcessPool, Faulty):
        raise
    except Exception as error:
        return None, stumbled(error)


def stumbled(error: Exception) -> str:
    """An error that nobody foresaw, in one line; its text may hold anything."""
    said = submissions.shown(f"{type(error).__name__}: {error}"[:200])
    return f"the grader stumbled over it ({said}): look at it by hand"


_opened: dict[Path, Assignment] = {}


def work(load: Any, file: File, job: dict) -> tuple[dict | None, str]:
    """Grade one file, in a process of the pool: the result, or None and why not.

    Whatever happens here harms this submission alone.
    """
    try:
        raw = load()
        submission = submissions.read(with_changes(file, load=lambda: raw))
    except submissions.Unreadable as error:
        return None, str(error)
    except MemoryError:
        return None, "the file needs more memory than there is: look at it by hand"
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    except Exception as error:
        return None, stumbled(error)
    try:
        if job["assignment"] not in _opened:
            _opened[job["assignment"]] = Assignment(job["assignment"])
        assignment = _opened[job["assignment"]]
        result = mark(submission, assignment, job["sandbox"], job["secret"])
    except Faulty:
        raise
    except Exception as error:
        return None, stumbled(error)
    if all(outcome.why == "absent" for task in result.tasks for outcome in task.outcomes) and not result.by_hand:
        named = f" (it says it is {submissions.clean(submission.assignment)})" if submission.assignment else ""
        return None, f"it holds no answer to {assignment.name}{named}: is it another notebook?"
    return {**result.plain(), "identity": file.identity, "stamp": stamp(raw, assignment, job["secret"])}, ""


def _people(path: Path | None, what: str, *more: str) -> list[dict[str, str]]:
    """The lines of a table about people: `student`, `id`, and what else is asked for."""
    if path is None:
        return []
    try:
        sheet = exports.read_sheet(path, "student", what)
    except exports.Mismatch:
        sheet = exports.read_sheet(path, "id", what)
    for name in more:
        sheet.column(name)
    people = [{"student": "", "id": "", **record} for record in sheet.records()]
    for person in people:
        person["student"] = submissions.clean(person["student"]) if person["student"].strip() else ""
        person["id"] = person["id"].strip()
    people = [person for person in people if person["student"] or person["id"]]
    if not people:
        raise Refused(f"{path}: it names nobody; it needs at least one line with a `student` or an `id`.")
    return people


def _is(person: dict[str, str], student: str, identity: str) -> bool:
    """Whether a line of the roster is this student: by number where both have one, else by name."""
    if person["id"] and identity:
        return person["id"] == identity
    return submissions.folded(student) in {submissions.folded(person["student"]), person["id"]}


def _same(who: tuple[str, str], result: dict) -> bool:
    return who == (result["student"], result["identity"])


def _accounted(found: list[File], final: list[dict], lines: list[Line]) -> str:
    """Every file that lay there, with its owner and what became of it."""
    said = {line.name for line in lines}
    graded = {result["file"] for result in final}
    rows: list[list] = [["file", "student", "id", "what became of it"]]
    rows += [
        [file.name, file.student, file.identity, "graded" if file.name in graded else "an earlier hand-in counts"]
        for file in found
        if file.name not in said
    ]
    return exports.as_csv(rows + [[line.name, line.student, line.identity, line.why] for line in lines])


def _histogram(marks: list[float], of: float) -> str:
    counts = [0] * 10
    for value in marks:
        counts[min(9, max(0, int(10 * value / of))) if of else 0] += 1
    blocks = " ▁▂▃▄▅▆▇█"
    top = max(counts)
    return "0 % " + "".join(blocks[-(-8 * count // top)] for count in counts) + " 100 %"


class Bar:
    """Progress on the screen; lines instead of a moving bar where the output is no terminal."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.start, self.first = total, done, time.monotonic(), done
        self.live = sys.stderr.isatty()
        if done:
            print(f"{done} of {total} were graded before and have not changed", file=sys.stderr)

    def step(self, name: str) -> None:
        self.done += 1
        spent = time.monotonic() - self.start
        left = spent / max(1, self.done - self.first) * (self.total - self.done)
        text = f"{self.done}/{self.total} · {left:.0f} s left · {name[:40]}"
        if self.live:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif self.done % 50 == 0 or self.done == self.total:
            print(text, file=sys.stderr)

    def end(self) -> None:
        if self.live:
            print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
