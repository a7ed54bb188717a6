"""Grade a folder, or an LMS's zip, of student notebooks, without any of their code touching this machine.

Each task of each notebook runs in a sandbox of its own; the marks are decided outside it. A run that was interrupted
goes on where it stopped, and gives the same marks. Files written to --out:

  grades.csv            one row for each student; who could not be graded is blank, not zero
  report.json           everything, for programs
  feedback/NAME.html    for the student, in the language of their notebook; NAME.txt is the same as text
  needs-attention.txt   files that could not be graded, and why
  by-hand.csv           answers in words: fill in the points, then run the same command again
  secret.txt            seeds the hidden inputs: keep it to get the same marks again, and keep it private

给一个文件夹，或教学平台导出的 zip 里的学生笔记本评分：每道题在单独的沙箱里运行，
分数在沙箱之外评定。中断后重新运行会接着做，分数不变。
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import secrets
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace as with_changes
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from downhill_course import files
from downhill_course.grade import exports, feedback, policy, submissions
from downhill_course.grade.marking import mark
from downhill_course.grade.sandbox import Limits, Sandbox, Unavailable
from downhill_course.grade.source import Assignment, known
from downhill_course.grade.spec import Faulty
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
        help="who is in the class: a column `student`; who handed in nothing is listed",
    )
    add("--policy", type=Path, metavar="TOML", help="deadline, late penalty, extensions, resubmission")
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
        print("\nInterrupted. What is graded is kept: run the same command again to go on.", file=sys.stderr)
        return 130


class Run:
    """One run of the command."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.assignment = Assignment.open(asked.assignment, asked.tasks.resolve())
        self.policy = policy.load(asked.policy)
        self.out: Path = asked.out
        self.roster = _roster(asked.roster)
        if asked.processes < 1:
            raise Refused(f"--processes is {asked.processes}; it must be at least 1")
        if asked.seconds <= 0 or asked.memory < 100:
            raise Refused("--seconds must be more than 0, and --memory at least 100 (MB): NumPy itself needs some")
        kind = "unsafe" if asked.unsafe else asked.sandbox
        limits = Limits(call=asked.seconds, total=4 * asked.seconds, memory=asked.memory * 1_000_000)
        self.sandbox = Sandbox(kind, asked.user, asked.image, limits)

    def go(self) -> int:
        """Everything in order; nothing is started before all that was given has been looked at."""
        found, bad = submissions.find(self.asked.submissions, self.assignment.name)
        if not found and not bad:
            raise Refused(f"No notebook (.ipynb) was found in {self.asked.submissions}. Is it the right folder?")
        for path, reader in ((self.asked.canvas, "Student"), (self.asked.moodle, "Identifier")):
            if path:
                exports.read_rows(path, reader, "the LMS")
        if self.asked.unsafe:
            print(
                "UNSAFE: the answers run on this machine with your rights. Stop now unless every line is your own.",
                file=sys.stderr,
            )
        self.sandbox.test()
        self.secret = self._secret()
        results, failed = self._grade(found)
        return self._write(found, results, bad + failed)

    def _secret(self) -> bytes:
        path = self.out / "secret.txt"
        if not path.exists():
            files.replace(path, secrets.token_hex(32) + "\n", private=True)
        told = path.read_text(encoding="utf-8").strip()
        if len(told) < 16:
            raise Refused(
                f"{path} is damaged. Put the old one back, or remove it: "
                "then hidden inputs differ, and all is graded anew."
            )
        return told.encode()

    # --- the work -------------------------------------------------------------------------------

    def _grade(self, found: list) -> tuple[dict[str, dict], list[tuple[str, str]]]:
        results: dict[str, dict] = {}
        failed: list[tuple[str, str]] = []
        todo = []
        for file in found:
            kept = None if self.asked.again else self._kept(file)
            if kept:
                results[file.student] = kept
            else:
                todo.append(file)
        bar = Bar(len(found), len(results))
        for file, result, why in self._all(todo):
            if result is None:
                failed.append((file.name, why))
            else:
                results[file.student] = result
                files.replace(self._place(file), json.dumps(result, ensure_ascii=False))
            bar.step(file.student)
        bar.end()
        return results, failed

    def _all(self, todo: list) -> Any:
        """Each file with its result, as they come; a process that dies takes one file with it, not the run."""
        queue = list(reversed(todo))
        suspects: list = []
        while queue or suspects:
            alone = not queue
            batch = [suspects.pop()] if alone else queue
            pool = ProcessPoolExecutor(1 if alone else self.asked.processes, mp_context=get_context("spawn"))
            running: dict[Future, Any] = {}
            try:
                while batch or running:
                    while batch and len(running) < 2 * self.asked.processes:
                        file = batch.pop()
                        running[pool.submit(work, file.load, file, self._job())] = file
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        file = running[future]
                        result, why = future.result()
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

    def _place(self, file: Any) -> Path:
        return self.out / "marks" / f"{hashlib.sha256(file.student.encode()).hexdigest()[:20]}.json"

    def _kept(self, file: Any) -> dict | None:
        """A result of an earlier run, if neither the work, the assignment nor the secret has changed since."""
        try:
            result = json.loads(self._place(file).read_text(encoding="utf-8"))
            same = (
                result["stamp"] == stamp(file.read(), self.assignment, self.secret)
                and result["student"] == file.student
            )
            better = self.policy.keep == "best" and result["student"] == file.student
        except (OSError, ValueError, KeyError, TypeError, submissions.Unreadable):
            return None
        self.earlier = getattr(self, "earlier", {})
        if better and not same:
            self.earlier[file.student] = result
        return result if same else None

    # --- what is written ------------------------------------------------------------------------

    def _write(self, found: list, results: dict[str, dict], attention: list[tuple[str, str]]) -> int:
        by_hand = self._by_hand(results)
        final = []
        for file in found:
            result = results.get(file.student)
            if result is None:
                continue
            before = getattr(self, "earlier", {}).get(file.student)
            if before and before["points"] > result["points"]:
                result = before
            result = self._counted(with_points(result, by_hand), file)
            final.append(result)
        missing = [name for name in self.roster if name not in results]
        attention = attention + [(name, "nothing was handed in") for name in missing]
        attention += [
            (r["student"], "is not on the roster") for r in final if self.roster and r["student"] not in self.roster
        ]
        self._export(final, attention)
        for result in final:
            place = self.out / "feedback" / submissions.clean(result["student"])
            files.replace(place.with_name(place.name + ".html"), feedback.html(result))
            files.replace(place.with_name(place.name + ".txt"), feedback.text(result))
        files.replace(
            self.out / "grades.csv", exports.table(final, [(n, w) for n, w in attention if not w.startswith("is not ")])
        )
        report = {
            "assignment": self.assignment.name,
            "of": self.assignment.points,
            "results": final,
            "attention": attention,
        }
        files.replace(self.out / "report.json", json.dumps(report, ensure_ascii=False, indent=1))
        files.replace(self.out / "needs-attention.txt", "".join(f"{name}: {why}\n" for name, why in attention))
        self._sheet(final)
        self._summary(final, attention)
        return 1 if attention else 0

    def _counted(self, result: dict, file: Any) -> dict:
        penalty = self.policy.penalty(result["student"], file.when, result["points"])
        return {**result, "penalty": penalty, "final": round(result["points"] - penalty, 6), "identity": file.identity}

    def _by_hand(self, results: dict[str, dict]) -> dict[tuple[str, str], tuple[float, str]]:
        """Points that a teacher wrote into by-hand.csv."""
        path = self.out / "by-hand.csv"
        if not path.exists():
            return {}
        told = {}
        try:
            rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
            for number, row in enumerate(rows, 2):
                if (row["points"] or "").strip():
                    value = float(row["points"])
                    if not 0 <= value <= float(row["of"]):
                        raise Refused(f"{path}, line {number}: {value:g} points, and the task is worth {row['of']}")
                    told[row["student"].removeprefix("'"), row["task"]] = (value, row["comment"] or "")
        except (KeyError, ValueError, UnicodeDecodeError, csv.Error) as error:
            raise Refused(
                f"{path} cannot be read ({error}). It needs the columns student, task, points, of, comment, answer."
            ) from None
        return told

    def _sheet(self, results: list[dict]) -> None:
        rows: list[list] = [["student", "task", "points", "of", "comment", "answer"]]
        for result in results:
            for task in result["tasks"]:
                if task.get("note"):
                    points = "" if task["points"] is None else task["points"]
                    rows.append(
                        [
                            result["student"],
                            task["name"],
                            points,
                            task["of"],
                            task.get("comment", ""),
                            task["note"][0][:20_000],
                        ]
                    )
        if len(rows) > 1:
            files.replace(self.out / "by-hand.csv", exports.as_csv(rows))

    def _export(self, results: list[dict], attention: list) -> None:
        for name, path in (("canvas", self.asked.canvas), ("moodle", self.asked.moodle)):
            if path is None:
                continue
            filled = (
                exports.canvas(path, results, self.assignment.name)
                if name == "canvas"
                else exports.moodle(path, results)
            )
            files.replace(self.out / f"{name}.csv", filled[0])
            attention += [(student, f"is not in {path.name}") for student in filled[1]]

    def _summary(self, results: list[dict], attention: list[tuple[str, str]]) -> None:
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
        if attention:
            print(f"Needs attention ({len(attention)}):")
            for name, why in attention[:20]:
                print(f"  {submissions.clean(name) if '/' not in name else name}: {why}")
            if len(attention) > 20:
                print(f"  and {len(attention) - 20} more in {self.out / 'needs-attention.txt'}")
        print(f"Written to {self.out}: grades.csv, report.json, feedback/")


def with_points(result: dict, by_hand: dict) -> dict:
    """A result with the points that were given by hand."""
    tasks = []
    for task in result["tasks"]:
        points, comment = by_hand.get((result["student"], task["name"]), (task["points"], ""))
        tasks.append({**task, "points": points, **({"comment": comment} if comment else {})})
    return {**result, "tasks": tasks, "points": round(sum(task["points"] or 0 for task in tasks), 6)}


def stamp(raw: bytes, assignment: Assignment, secret: bytes) -> str:
    """What a mark depends on."""
    return hashlib.sha256(b"\0".join([hashlib.sha256(raw).digest(), assignment.digest.encode(), secret])).hexdigest()


_opened: dict[Path, Assignment] = {}


def work(load: Any, file: Any, job: dict) -> tuple[dict | None, str]:
    """Grade one file, in a process of the pool: the result, or None and why not."""
    try:
        raw = load()
        submission = submissions.read(with_changes(file, load=lambda: raw))
        if job["assignment"] not in _opened:
            _opened[job["assignment"]] = Assignment(job["assignment"])
        assignment = _opened[job["assignment"]]
        result = mark(submission, assignment, job["sandbox"], job["secret"])
    except submissions.Unreadable as error:
        return None, str(error)
    except MemoryError:
        return None, "the file needs more memory than there is: look at it by hand"
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    if all(outcome.why == "absent" for task in result.tasks for outcome in task.outcomes) and not result.by_hand:
        named = f" (it says it is {submissions.clean(submission.assignment)})" if submission.assignment else ""
        return None, f"it holds no answer to {assignment.name}{named}: is it another notebook?"
    return {**result.plain(), "stamp": stamp(raw, assignment, job["secret"])}, ""


def _roster(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refused(
            f"{path}: the roster cannot be read ({error}). It is a CSV file in UTF-8 with a column `student`."
        ) from None
    if not rows or "student" not in rows[0]:
        raise Refused(f"{path}: the roster needs a first line with a column `student`, and at least one student.")
    return [submissions.clean(row["student"]) for row in rows if (row["student"] or "").strip()]


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
