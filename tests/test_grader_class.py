"""A class as it comes: who handed in what, and when, and what became of it; tables that went through a spreadsheet."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from grading import USER, assignment, sandbox
from packaging.requirements import Requirement

from downhill_course.grade import command, exports, policy, submissions
from downhill_course.grade.attempts import Attempts
from downhill_course.grade.byhand import ByHand
from downhill_course.grade.submissions import File

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes, which other systems do not have")

NAME = "03-momentum"
ROOT = Path(__file__).parents[1]
FILE = f"{NAME}.ipynb"
WHO = ["--user", USER] if USER else []


def notebook(**answers):
    """A student's notebook with some tasks answered, by the solution where the answer is True."""
    whole = assignment(NAME)
    made = json.loads(json.dumps(whole.student("zh")))
    for cell in made["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell["source"] = whole.tasks[name].solved if answers[name] is True else answers[name]
    return json.dumps(made).encode()


def packed(files, modern=True):
    """A zip archive of these names and bytes, in the order given; `modern` marks names as UTF-8."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, raw in files:
            info = zipfile.ZipInfo(name, (2026, 11, 30, 12, 0, 0))
            if raw == "link":
                info.external_attr = 0o120777 << 16
            archive.writestr(info, raw)
    return stream.getvalue()


def lay(folder, files):
    """Files in a folder: bytes, None for an empty folder, a Path for a link to it; names may be bytes."""
    folder.mkdir(exist_ok=True)
    for name, raw in files.items():
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if raw is None:
            os.makedirs(path)
        elif isinstance(raw, Path):
            os.symlink(os.fsencode(raw), path)
        else:
            Path(os.fsdecode(path)).write_bytes(raw)
    return folder


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


# --- who is who ---------------------------------------------------------------------------------------

ZIP = packed([(FILE, b"{}")])
VICTIMS = packed([("bob.ipynb", b"{}"), ("bob_1_2_03-momentum.ipynb", b"{}"), ("submitted/bob/a.ipynb", b"{}")])
GBK = "王伟.ipynb".encode("gbk")
WORK = b"{}"
#: What lies there -> who is graded, by number or name, and who needs attention.
CLASSES = {
    "namesakes with Canvas's numbers": (
        {"wangwei_4711_1_a.ipynb": WORK, "wangwei_4712_2_a.ipynb": WORK},
        ["#4711", "#4712"],
        [],
    ),
    "namesakes with Moodle's numbers": (
        {"Wang Wei_1_assignsubmission_file_/a.ipynb": WORK, "Wang Wei_2_assignsubmission_file_a.ipynb": WORK},
        ["#1", "#2"],
        [],
    ),
    "namesakes without numbers": ({"wangwei.ipynb": WORK, "wangwei/a.ipynb": WORK}, [], ["wangwei", "wangwei"]),
    "one name in two spellings": ({"Ada.ipynb": WORK, "ada/x.ipynb": WORK}, [], ["Ada", "ada"]),
    "one name in two encodings": ({"王伟.ipynb": WORK, GBK: WORK}, [], ["王伟", "王伟"]),
    "one number, two names": ({"ada_7_1_a.ipynb": WORK, "bob_7_2_a.ipynb": WORK}, [], ["ada", "bob"]),
    "no number at all": ({"hw_3_1_ada.ipynb": WORK, "hw_3_1_bob.ipynb": WORK}, [], ["hw", "hw"]),
    "a name within a name": ({"alice/bob_1_2_a.ipynb": WORK, "bob_1_3_a.ipynb": WORK}, ["alice", "#1"], []),
    "a zip of victims": ({"alice.zip": VICTIMS, "bob.ipynb": WORK}, ["alice", "bob"], []),
    "a zip in Canvas's folder": ({"alice_9_8_w.zip": VICTIMS, "bob_1_1_a.ipynb": WORK}, ["#9", "#1"], []),
    "a zip in a zip": ({"alice.zip": packed([("w.zip", ZIP)]), "bob.ipynb": WORK}, ["alice", "bob"], []),
    "nbgrader's folder": (
        {"submitted/ada/03-momentum/a.ipynb": WORK, "submitted/bob/a.ipynb": WORK},
        ["ada", "bob"],
        [],
    ),
    "a class below one name": ({"class/ada.ipynb": WORK, "class/bob.ipynb": WORK}, ["class"], ["class"]),
    "two exports in one folder": (
        {
            "a.zip": packed([(f"s_{n}_{n}_a.ipynb", WORK) for n in (1, 2, 3)]),
            **{f"b/W_{n}_assignsubmission_file_/a.ipynb": WORK for n in (4, 5, 6)},
        },
        [],
        ["a"] * 3 + ["b"] * 3,
    ),
    "a class in each folder": (
        {**{f"one/{n}/a.ipynb": WORK for n in range(9)}, "ada/a.ipynb": WORK, "ada/b.ipynb": WORK},
        ["ada", "one"],
        ["one"],
    ),
    "a name like a number": ({"ada_7_1_a.ipynb": WORK, "#7/03-momentum.ipynb": WORK}, ["_7", "#7"], []),
    "several uploads": ({"ada_7_1_a.ipynb": WORK, "ada_7_2_a.ipynb": WORK}, ["#7"], []),
    "words beside a notebook": (
        {"W_1_assignsubmission_onlinetext_/o.html": b"", "W_1_assignsubmission_file_/a.ipynb": WORK},
        ["#1"],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
def test_who_handed_in_is_decided_once_by_the_outermost_name(name, as_zip, tmp_path):
    files, graded, attention = CLASSES[name]
    place = tmp_path / "in"
    if as_zip:
        files = {n.decode("gbk") if isinstance(n, bytes) else n: raw for n, raw in files.items()}
        if len(files) < 2:
            pytest.skip("an archive holds bytes of one encoding each")
        place.write_bytes(packed(files.items()))
    else:
        lay(place, files)
    found, lines = submissions.find(place, NAME)
    assert [file.key for file in found] == graded
    assert sorted(line.student for line in lines if line.urgent) == attention


def test_the_last_upload_counts_and_a_second_notebook_is_no_trouble(tmp_path):
    names = ("ada_7_9_b.ipynb", "ada_7_10_a.ipynb", "bob/scratch.ipynb", f"bob/{FILE}", f"bob/{NAME}-solution.ipynb")
    lay(tmp_path / "in", dict.fromkeys(names, WORK))
    os.utime(tmp_path / "in" / f"bob/{FILE}", (0, 0))
    found, lines = submissions.find(tmp_path / "in", NAME)
    assert [file.name for file in found] == ["ada_7_10_a.ipynb", f"bob/{FILE}"]
    assert not any(line.urgent for line in lines)
    assert "another notebook" in lines[-1].why


# --- every file is accounted for ----------------------------------------------------------------------

#: A file that is no notebook in a place where it is found -> a word of its line.
STRANGE = {
    "a.tar.gz": (b"x", "archive"),
    "b.doc": (b"x", "not a notebook"),
    "c": (b"x", "not a notebook"),
    "d/.hidden/a.ipynb": (WORK, "hidden"),
    "e": (None, "empty folder"),
    "f.ipynb": (Path("/etc/passwd"), "a link"),
    "g": (Path("/etc"), "a link"),
    "h.zip": (packed([("w.zip", packed([("w.zip", packed([("w.zip", ZIP)]))]))]), "archives"),
    "i.zip": (b"PK\x03\x04 no archive", "damaged"),
    "j.zip": (packed([]), "empty archive"),
    "k.zip": (packed([("../a.ipynb", WORK)]), "leads out"),
    "l.zip": (packed([("a.ipynb", "link")]), "a link"),
    ".m.ipynb": (WORK, "hidden"),
    "w": (Path("w"), "a link"),
    "n.rar": (b"x", "archive"),
    "o.ipynb": (b" " * (submissions.LARGEST + 1), "larger"),
    "p.zip": (packed([(f"{n}.txt", b"") for n in range(20_000)]), "too many"),
    "q/r/s/t.pdf": (b"x", "not a notebook"),
    "u.zip": (packed([(".x/a.ipynb", WORK)]), "hidden"),
}


def test_what_is_no_notebook_has_a_line_that_says_why(tmp_path):
    lay(tmp_path / "in", {name: raw for name, (raw, _) in STRANGE.items()})
    os.mkfifo(tmp_path / "in" / "v.ipynb")
    found, lines = submissions.find(tmp_path / "in", NAME)
    assert found == []
    told = {line.name.split("/")[0].split(":")[0]: line for line in lines}
    assert len(told) == len(lines) == len(STRANGE) + 1
    for name, (_, why) in STRANGE.items():
        assert why in told[name.split("/")[0]].why, name
        assert told[name.split("/")[0]].urgent


def test_a_flood_from_one_student_is_cut_and_does_not_drown_the_others(tmp_path):
    flood = packed([(f"{n}.txt", b"") for n in range(submissions.MANY + 5)])
    lay(tmp_path / "in", {"mallory.zip": flood, "bob.docx": b"", **{f"eve/{n}.txt": b"" for n in range(50)}})
    _, lines = submissions.find(tmp_path / "in", NAME)
    urgent = [line.student for line in lines if line.urgent]
    assert {who: urgent.count(who) for who in urgent} == {"mallory": 5, "bob": 1, "eve": 5}
    assert sum(line.student == "eve" for line in lines) == 50


def test_names_are_shown_as_they_are_meant_and_are_never_paths(tmp_path):
    raw = "王伟.ipynb".encode("gbk")
    old = packed([("XXXX.ipynb", WORK)]).replace(b"XXXX", "王伟".encode("gbk"))
    for number, files in enumerate(
        ({raw: WORK}, {"a\nb.ipynb": WORK}, {"😀" * 60 + ".ipynb": WORK}, {b"\xff\xfe\n": WORK})
    ):
        lay(tmp_path / f"in{number}", files)
    (tmp_path / "old.zip").write_bytes(old)
    found = [submissions.find(tmp_path / f"in{number}", NAME) for number in range(4)]
    assert found[0][0][0].student == "王伟"
    assert found[1][0][0].name == "a\\nb.ipynb"
    assert len(found[2][0][0].student.encode()) < 130
    assert found[3][1][0].name == "\\udcff\\udcfe\\n"
    assert submissions.find(tmp_path / "old.zip", NAME)[0][0].student == "王伟"
    for name in ("../../etc", "a/../b", "C:\\x", "nul", ".", "..", "\u202eipynb", "\ud83d", "x" * 999):
        safe = submissions.clean(name)
        assert "/" not in safe
        assert safe.isprintable()
        assert safe.strip(".")
        (tmp_path / f"{safe}.html").write_text("")


# --- when -----------------------------------------------------------------------------------------------

CHINA = timezone(timedelta(hours=8))
DUE = datetime(2026, 12, 1, 23, 59, tzinfo=CHINA)
RULES = {"deadline": DUE, "penalty_per_day": 0.1, "largest_penalty": 0.5}
DAY = 86_400
#: rules, seconds after the deadline (None: unknown), the LMS's word -> the part of the points that is left.
LATENESS = [
    (RULES, -1, None, 1.0),
    (RULES, 0, None, 1.0),
    (RULES, 1, None, 0.9),
    (RULES, DAY, None, 0.9),
    (RULES, DAY + 1, None, 0.8),
    (RULES, 400 * DAY, None, 0.5),
    (RULES, None, None, 1.0),
    (RULES, 5, False, 1.0),
    (RULES, -5, True, 0.9),
    (RULES, 5 * DAY, True, 0.9),
    ({**RULES, "grace_minutes": 10}, 600, None, 1.0),
    ({**RULES, "grace_minutes": 10}, 601, None, 0.9),
    ({**RULES, "penalty_per_day": 1.0, "largest_penalty": 1.0}, 9 * DAY, None, 0.0),
    ({**RULES, "extensions": {"Ada": DUE + timedelta(days=2)}}, DAY, None, 1.0),
    ({**RULES, "extensions": {"ada": DUE + timedelta(days=2)}}, 2 * DAY + 1, None, 0.9),
    ({**RULES, "extensions": {"4711": DUE + timedelta(days=2)}}, DAY, None, 1.0),
    ({**RULES, "extensions": {"ada": DUE + timedelta(days=2)}}, DAY, True, 1.0),
    ({**RULES, "extensions": {"ada": DUE - timedelta(days=9)}}, -1, None, 1.0),  # the deadline was moved behind it
    ({**RULES, "extensions": {"bob": DUE + timedelta(days=2)}}, DAY, None, 0.9),
    ({"penalty_per_day": 0.1}, 9 * DAY, None, 1.0),
    ({"penalty_per_day": 0.1, "extensions": {"ada": DUE}}, 1, None, 0.9),
]


@pytest.mark.parametrize(("rules", "after", "late", "left"), LATENESS)
@pytest.mark.parametrize("points", [20.0, 0.0])
def test_what_lateness_costs(rules, after, late, left, points):
    when = None if after is None else DUE.timestamp() + after
    penalty = policy.Policy(**rules).penalty("ada", when, points, "4711", late)
    assert points - penalty == pytest.approx(left * points)


REFUSED = {
    "penalty_per_day = 10": "0.1",
    "penalty_per_day = nan": "from 0 to 1",
    "penalty_per_day = '10%'": "from 0 to 1",
    "largest_penalty = 50": "from 0 to 1",
    "largest_penalty = inf": "from 0 to 1",
    "grace_minutes = nan": "0 or more",
    "grace_minutes = inf": "0 or more",
    "grace_minutes = -1": "0 or more",
    "extensions = 3": "a table",
    "extensions = [1]": "a table",
    "[extensions]\nada = 3": "a zone",
    "[extensions]\nada = 2026-12-01": "a zone",
    "[extensions]\nada = 2026-12-01T10:00:00": "a zone",
    "[extensions]\nada = 2026-12-01T10:00:00Z\nAda = 2026-12-02T10:00:00Z": "twice",
    "deadline = 'tomorrow'": "a zone",
    "zone = 'Middle/Earth'": "Asia/Shanghai",
    "zone = 8": "Asia/Shanghai",
    "grace_minutes = '王伟'".encode("gbk"): "'王伟'",
    "keep = ['best']": "best",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_slip_in_the_policy_is_named(text, tmp_path):
    (tmp_path / "p.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(policy.Wrong, match=REFUSED[text]):
        policy.load(tmp_path / "p.toml")


def test_an_extension_for_nobody_is_said():
    rules = policy.Policy(deadline=DUE, extensions={"wangwie": DUE, "ada": DUE - timedelta(days=1)})
    told = dict(rules.strangers(["wangwei", "", "ada"]))
    assert "'wangwei' meant" in told["wangwie"]
    assert "before the deadline" in told["ada"]
    assert policy.Policy(extensions={"4711": DUE}).strangers(["ada", "4711"]) == []


def test_an_archives_times_are_in_the_policys_zone_and_a_students_own_count_for_nothing(tmp_path, monkeypatch):
    inner = packed([("1999.ipynb", WORK)])
    (tmp_path / "class.zip").write_bytes(packed([("ada.ipynb", WORK), ("bob.zip", inner)]))
    noon = datetime(2026, 11, 30, 12, tzinfo=CHINA).timestamp()
    for zone in ("UTC", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        found, _ = submissions.find(tmp_path / "class.zip", NAME, CHINA)
        assert [(file.when, file.clock) for file in found] == [(noon, "archive")] * 2
    lay(tmp_path / "in", {"bob.zip": inner})
    os.utime(tmp_path / "in" / "bob.zip", (noon + 60, noon + 60))
    (file,), _ = submissions.find(tmp_path / "in", NAME, CHINA)
    assert (file.when, file.clock) == (noon + 60, "file")


# --- work handed in again -------------------------------------------------------------------------------

ADA = File("ada", FILE, None, None)
BEST = policy.Policy(deadline=DUE, penalty_per_day=0.5, keep="best")
LAST = policy.Policy(deadline=DUE, penalty_per_day=0.5)
TASKS = {"step": 4.0, "defend": 3.0}


def result(stamp, points, words="because"):
    """A result as a process of the pool gives it: one automatic task, one in words."""
    tasks = [
        {"name": "step", "title": "", "of": 4.0, "points": points, "note": None, "outcomes": [], "mistake": None},
        {"name": "defend", "title": "", "of": 3.0, "points": None if words else 0.0, "note": [words], "outcomes": [],
         "mistake": None},
    ]  # fmt: skip
    of = {"file": FILE, "of": 7.0, "notes": [], "language": "en", "assignment": NAME}
    return {**of, "student": "ada", "tasks": tasks, "stamp": stamp}


class Desk:
    """The grader's memory of one student, run after run, without a sandbox."""

    def __init__(self, out):
        self.out = out

    def run(self, rules, stamp, points, when=-1.0, words="", again=False, sheet=None, clock="file", late=None):
        own = Attempts.read(self.out, ADA)
        if again or not own.resume(stamp):
            own.add(result(stamp, points, words))
        own.date(DUE.timestamp() + when, clock, late)
        own.write()
        if sheet is not None:
            (self.out / "by-hand.csv").write_bytes(sheet if isinstance(sheet, bytes) else sheet.encode())
        by_hand = ByHand.read(self.out, TASKS)
        self.said = by_hand.give({ADA.key: own})
        by_hand.write({ADA.key: own})
        own.write()
        self.result = own.counted(rules, TASKS)
        return self.result["final"]

    def sheet(self):
        return rows_of(self.out / "by-hand.csv")

    def fill(self, points):
        rows = self.sheet()
        return exports.as_csv([[*rows[0]], *([*{**row, "points": points}.values()] for row in rows)])


def test_the_best_counts_however_often_the_command_runs(tmp_path):
    desk = Desk(tmp_path)
    assert desk.run(BEST, "a", 3.0) == 3
    for _ in range(3):
        assert desk.run(BEST, "b", 0.0) == 3
    assert "before counts" in " ".join(desk.result["notes"])
    assert desk.run(BEST, "b", 0.0, again=True) == 3
    assert desk.run(BEST, "c", 4.0, when=1) == 3  # 4 less a half: the earlier one is still the best
    assert desk.run(BEST, "d", 4.0) == 4
    assert desk.run(LAST, "b", 0.0) == 0


def test_the_same_work_again_keeps_its_time(tmp_path):
    desk = Desk(tmp_path)
    for rules in (BEST, LAST):
        assert desk.run(rules, "a", 3.0) == 3
        assert desk.run(rules, "a", 3.0, when=5 * DAY) == 3
        assert desk.run(rules, "a", 3.0, when=5 * DAY, late=True) == 3
        assert desk.run(rules, "a", 3.0, when=5 * DAY, again=True) == 3
    assert desk.run(LAST, "b", 3.0, when=5) == 1.5
    assert desk.run(LAST, "b", 3.0, when=-1) == 3  # an earlier date of the same kind
    assert desk.run(LAST, "b", 3.0, when=5, clock="LMS") == 1.5  # the LMS is believed, both ways
    assert desk.run(LAST, "b", 3.0, when=-1, clock="LMS") == 3
    assert desk.run(LAST, "b", 3.0, when=5) == 3


def test_a_moved_deadline_counts_anew_without_grading(tmp_path):
    desk = Desk(tmp_path)
    assert desk.run(LAST, "a", 4.0, when=10) == 2
    moved = policy.Policy(deadline=DUE + timedelta(days=1), penalty_per_day=0.5)
    assert desk.run(moved, "a", 4.0, when=10) == 4
    assert desk.run(LAST, "a", 4.0, when=10) == 2


def test_points_by_hand_belong_to_the_answer_that_was_read(tmp_path):
    desk = Desk(tmp_path)
    assert desk.run(LAST, "a", 4.0, words="because") == 4
    assert desk.result["waiting"] == ["defend"]
    assert desk.run(LAST, "a", 4.0, words="because", sheet=desk.fill("2")) == 6
    assert desk.run(LAST, "b", 3.0, words="because ") == 5  # other code, the same words
    assert desk.said == []
    monday = desk.fill("2")
    assert desk.run(LAST, "c", 4.0, words="I copied it") == 4
    assert desk.result["waiting"] == ["defend"]
    assert "another than the one that got 2 points" in desk.said[0][1]
    assert desk.run(LAST, "c", 4.0, words="I copied it", sheet=monday) == 4  # an old copy is saved over the new one
    assert "read it again" in desk.said[0][1]
    bare = "student,task,points\nada,defend,1\n"
    assert desk.run(LAST, "c", 4.0, words="I copied it", sheet=bare) == 5
    assert desk.run(LAST, "d", 4.0, words="other words", sheet=bare) == 4  # asked about the words before
    assert desk.run(BEST, "d", 4.0, words="other words") == 6  # the first answer's points are not lost
    assert desk.result["waiting"] == ["defend"]


SHEETS = {
    "semicolons": ("student;task;points\nada;defend;1,5\n", "utf-8"),
    "decimal comma": ('student,task,points\nada,defend,"1,5"\n', "utf-8"),
    "tabs": ("student\ttask\tpoints\nada\tdefend\t1.5\n", "utf-8"),
    "GBK": ("student,task,points,comment\nada,defend,1.5,很好\n", "gbk"),
    "GBK, semicolons": ("student;task;points;comment\nada;defend;1,5;很好\n", "gbk"),
    "Latin": ("student;task;points;comment\nada;defend;1,5;très bien, né à Ä\n", "cp1252"),
    "BOM": ("student,task,points\nada,defend,1.5\n", "utf-8-sig"),
    "UTF-16": ("student\ttask\tpoints\nada\tdefend\t1.5\n", "utf-16"),
    "sep": ("sep=;\nstudent;task;points\nada;defend;1,5\n", "utf-8"),
    "old line ends": ("student,task,points\rada,defend,1.5\r", "utf-8"),
    "blank lines": ("student,task,points\n\n,,\nada,defend,1.5\n,,\n", "utf-8"),
    "wide digits": ("student,task,points\nada,defend,１．５\n", "utf-8"),
    "spaces": (" student , task , points \n Ada ,defend, 1.5 \n", "utf-8"),
    "other columns": ("points,x,task,student\n1.5,,defend,ada\n", "utf-8"),
}


@pytest.mark.parametrize("name", SHEETS)
def test_by_hand_as_a_spreadsheet_saved_it(name, tmp_path):
    desk = Desk(tmp_path)
    text, encoding = SHEETS[name]
    assert desk.run(LAST, "a", 4.0, words="because", sheet=text.encode(encoding)) == 5.5
    separator = next(mark for mark in ";\t," if mark in text)
    kept = (tmp_path / "by-hand.csv").read_text("utf-8-sig")
    assert f"defend{separator}1{',' if separator == ';' else '.'}5" in kept
    assert desk.run(LAST, "a", 4.0, words="because") == 5.5


SLIPS = {
    "student,task,points\nada,defend,7\n": "line 2: 7 points, and defend is worth 3",
    "student,task,points\n\nada,defend,-1\n": "line 3: -1 points",
    "student,task,points\nada,defend,nan\n": "nan points",
    "student,task,points\nada,defend,2/3\n": "such as 1.5",
    "student,task,points\nada,defned,1\n": "no task 'defned'",
    "student,task,points\nada,defend,1\nada,defend,2\n": "lines 2 and 3: ada has",
    "name,task,points\nada,defend,1\n": "no column 'student'",
    "student,task\nada,defend\n": "no column 'points'",
    "PK\x03\x04": "Save it as CSV",
    "": "no column 'student'",
}


@pytest.mark.parametrize("text", SLIPS)
def test_a_slip_in_by_hand_is_named_and_nothing_is_lost(text, tmp_path):
    (tmp_path / "by-hand.csv").write_text(text)
    with pytest.raises(exports.Mismatch, match=SLIPS[text]):
        ByHand.read(tmp_path, TASKS)
    assert (tmp_path / "by-hand.csv").read_text() == text


def test_lines_that_fit_nobody_are_kept(tmp_path):
    desk = Desk(tmp_path)
    sheet = "student,task,points,comment\nadda,defend,1,good\nada,step,2,looked at it\nzoe,defend,,\n"
    assert desk.run(LAST, "a", 4.0, words="because", sheet=sheet) == 2
    assert "line 2 (adda, defend): no answer" in desk.said[0][1]
    assert {(row["student"], row["points"], row["comment"]) for row in desk.sheet()} == {
        ("ada", "", ""),
        ("ada", "2", "looked at it"),
        ("adda", "1", "good"),
    }
    assert desk.run(LAST, "a", 4.0, words="because") == 2
    sheet = "student,task,points,comment\nada,defend,1,'=looks like a formula\n"
    for _ in range(2):
        desk.run(LAST, "a", 4.0, words="because", sheet=sheet)
        assert desk.result["tasks"][1]["comment"] == "=looks like a formula"
        sheet = None


# --- into the LMS ---------------------------------------------------------------------------------------


def mark_of(student, identity="", final=4.0, waiting=()):
    return {"student": student, "identity": identity, "final": final, "waiting": list(waiting)}


CANVAS = (
    f"Student,ID,SIS User ID,SIS Login ID,{NAME} (7)\n Points Possible,,,,7\n"
    '"Wang, Wei",1,u1,wwang,\n"Wang, Wei",2,u2,wwang2,\n"Lovelace, Ada",4711,20231234,ada,\n"Ng, Bo",5,4711,bo,9\n'
    '"Li, Na",6,20235555,lina,\n'
)
MOODLE = (
    "Identifier;Full name;Email address;ID number;Grade;Maximum Grade\nParticipant 4711;Ada Lovelace;a@x.org;;;7\n"
    "参与者 5;Bo Ng;bo@x.org;;3;7\nParticipant 6;李娜;l@x.org;20235555;;7\n"
)
#: results -> what the column of marks holds for those who have one, and who is left.
FILLED = [
    ([mark_of("lovelaceada", "4711")], {"4711": "4"}, set()),
    ([mark_of("anybody", "4711")], {"4711": "4"}, set()),
    ([mark_of("Ada Lovelace")], {"4711": "4"}, set()),
    ([mark_of("ADA")], {"4711": "4"}, set()),
    ([mark_of("wangwei", "1"), mark_of("wangwei", "2", 0.0)], {"1": "4", "2": "0"}, set()),
    ([mark_of("wangwei", "1")], {"1": "4"}, set()),
    ([mark_of("wangwei", "99")], {}, {"wangwei"}),
    ([mark_of("wangwei")], {}, {"wangwei"}),
    ([mark_of("4711")], {}, {"4711"}),  # one line's number, another's own ID
    ([mark_of("ada"), mark_of("Ada Lovelace")], {}, {"ada", "Ada Lovelace"}),
    ([mark_of("ada"), mark_of("lovelaceada", "4711", 2.0)], {"4711": "2"}, {"ada"}),
    ([mark_of("20231234")], {"4711": "4"}, set()),
    ([mark_of("20231234-AdaLovelace")], {"4711": "4"}, set()),
    ([mark_of("20231234-BoNg")], {}, {"20231234-BoNg"}),
    ([mark_of("bo", "5", 4.0, ["defend"])], {}, {"canvas.csv"}),
    ([mark_of("lovelaceada", "4711", 1.25)], {"4711": "1.25"}, set()),
]


@pytest.mark.parametrize(("results", "marks", "left"), FILLED)
def test_a_gradebook_gets_what_is_certain(results, marks, left, tmp_path):
    (tmp_path / "g.csv").write_text(CANVAS)
    text, said = exports.canvas(tmp_path / "g.csv", NAME).filled(results, 7.0)
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert {row[1]: row[4] for row in rows[2:] if row[4]} == {"5": "9", **marks}
    assert {name for name, _ in said} == left


def test_moodles_worksheet_keeps_its_separator_and_other_scales_are_said(tmp_path):
    (tmp_path / "w.csv").write_text(MOODLE, encoding="gbk")
    book = exports.moodle(tmp_path / "w.csv")
    text, said = book.filled([mark_of("x", "4711", 1.5), mark_of("李娜"), mark_of("bo", "", 3.5, ["defend"])], 24.0)
    assert [row.split(";")[4] for row in text.splitlines()] == ["Grade", "1.5", "3", "4"]
    assert said[0] == ("moodle.csv", "counts this assignment out of 7, the marks are out of 24")
    assert said[1][1].endswith("by hand: bo")


def test_a_worksheet_of_a_moodle_that_speaks_another_language_is_known_by_its_form(tmp_path):
    heads = "标识符;全名;电子邮件地址;学号;状态;成绩;最高分;可以更改成绩"
    lines = "参与者4711;王伟;w@x.org;20231;没有提交;;7,00;是\n参与者5;李娜;l@x.org;20232;没有提交;3;7,00;是\n"
    (tmp_path / "w.csv").write_text(f"{heads}\n{lines}", encoding="gbk")
    text, said = exports.moodle(tmp_path / "w.csv").filled([mark_of("x", "4711", 1.5), mark_of("20232")], 7.0)
    assert [row.split(";")[5] for row in text.splitlines()] == ["成绩", "1.5", "4"]
    assert not said
    (tmp_path / "w.csv").write_text(f"{heads}\n\n{lines}")  # an empty line below the heads
    assert exports.moodle(tmp_path / "w.csv").of == "7,00"
    (tmp_path / "w.csv").write_text("标识符;全名;成绩\n参与者4711;王伟;\n")  # without the maximum: no guess
    with pytest.raises(exports.Mismatch, match="Identifier"):
        exports.moodle(tmp_path / "w.csv")


def test_a_gradebook_with_two_such_columns_is_refused(tmp_path):
    (tmp_path / "g.csv").write_text(f"Student,ID,{NAME} (7),{NAME} (8)\n")
    with pytest.raises(exports.Mismatch, match="2 columns"):
        exports.canvas(tmp_path / "g.csv", NAME)


# --- one submission harms only itself -------------------------------------------------------------------


@pytest.mark.parametrize("error", [RecursionError("x"), KeyError("a\nb"), UnicodeError("\ud83d"), OSError(12, "no")])
def test_whatever_happens_while_one_is_marked_is_its_own_line(error, monkeypatch):
    def stumble(*_):
        raise error

    monkeypatch.setattr(command, "mark", stumble)
    job = {"assignment": assignment(NAME).path, "sandbox": None, "secret": b""}
    file = File("ada", FILE, None, lambda: notebook())
    told, why = command.work(file.load, file, job)
    assert told is None
    assert type(error).__name__ in why
    assert why.isprintable()
    monkeypatch.setattr(submissions, "read", stumble)
    assert command.work(file.load, file, job)[0] is None


WORDS = "半个字符 \ud83d 与 NUL \x00。"
STRANGERS = {
    "ada.ipynb": notebook(step=True),
    "bob.ipynb.txt": notebook(step=True),
    "heinz.ipynb": notebook(defend=WORDS),
    "wangwei_4711_1_a.ipynb": notebook(defend="一"),
    "wangwei_4712_2_a.ipynb": notebook(defend="二"),
    GBK: notebook(),
    "😀" * 60 + ".ipynb": notebook(),
    "x" * 249 + ".ipynb": notebook(),
    "line\nada: 24 of 24.ipynb": notebook(),
    "screen\x1b[2J.zip": packed([("a\x1b[31m.ipynb", notebook())]),
    "long.ipynb": notebook(step="#" * (submissions.CELL + 1), defend="长" * (submissions.CELL + 1)),
    "broken\nada.ipynb": b"\xff\xfe\x00",
    "essay.doc": b"x",
    ".DS_Store": b"x",
}


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """A class of strangers, graded on a machine that knows ASCII alone."""
    sandbox()
    place = tmp_path_factory.mktemp("strange")
    lay(place / "in", STRANGERS)
    (place / "roster.csv").write_bytes(
        "student;id\nada;\n王伟;\nwangwei;4711\nwangwei;4712\nwangwei;4713\n".encode("gbk")
    )
    line = ["grade", "in", "--assignment", NAME, "--out", "out", "--roster", "roster.csv", "--processes", "1", *WHO]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONIOENCODING"] = "cp1252"
    words = [sys.executable, "-m", "downhill_course", *line]
    environment["PYTHONPATH"] = str(ROOT)
    return place, subprocess.run(words, cwd=place, env=environment, capture_output=True)


def test_no_stranger_keeps_the_others_from_their_marks(strange):
    place, done = strange
    assert done.returncode == 1, done.stderr.decode("cp1252")
    report = json.loads((place / "out" / "report.json").read_text(encoding="utf-8"))
    marks = {(r["student"], r["identity"]): r["final"] for r in report["results"]}
    assert marks["ada", ""] == marks["bob", ""] == 4
    assert {("王伟", ""), ("wangwei", "4711"), ("wangwei", "4712"), ("heinz", ""), ("long", "")} <= set(marks)
    assert len(marks) == 11
    told = (place / "out" / "needs-attention.txt").read_text(encoding="utf-8")
    assert "broken\\nada.ipynb: not a notebook" in told
    assert [line for line in told.splitlines() if line.startswith("ada")] == []
    assert "wangwei: nothing was handed in" in told
    assert b"\x1b" not in done.stdout + done.stderr + told.encode()


def test_every_file_of_the_strangers_is_accounted_for(strange):
    place, _ = strange
    files = rows_of(place / "out" / "files.csv")
    assert len(files) == len(STRANGERS)
    assert sum(row["what became of it"] == "graded" for row in files) == 11
    grades = rows_of(place / "out" / "grades.csv")
    assert len(grades) == 11 + 2 + 1  # two that cannot be graded, one that handed in nothing
    assert {row["id"] for row in grades if row["student"] == "wangwei"} == {"4711", "4712", "4713"}
    pages = {path.name for path in (place / "out" / "feedback").glob("*.html")}
    assert {"ada.html", "王伟.html", "wangwei_4711.html", "wangwei_4712.html"} <= pages
    assert len(pages) == 11
    long = (place / "out" / "feedback" / "long.txt").read_text(encoding="utf-8")
    assert "答案过长" in long
    assert "有单元格超过" in long
    assert "was not read" not in long


def test_answers_in_words_of_namesakes_and_of_strangers_wait(strange):
    place, _ = strange
    sheet = {(row["student"], row["id"]): row["answer"] for row in rows_of(place / "out" / "by-hand.csv")}
    assert sheet["wangwei", "4711"] == "一"
    assert sheet["wangwei", "4712"] == "二"
    assert sheet["heinz", ""] == "半个字符 \ufffd 与 NUL \ufffd。"
    assert "the rest is in long.ipynb" in sheet["long", ""]


# --- an instructor's own mistakes -----------------------------------------------------------------------


def grade(tmp_path, *more, place="in"):
    line = [str(tmp_path / place), "--assignment", NAME, "--out", str(tmp_path / "out"), "--processes", "1", *WHO]
    return command.main([*line, *map(str, more)])


def test_what_the_instructor_laid_beside_the_work_is_nobodys(tmp_path, monkeypatch):
    sandbox()
    monkeypatch.setattr(command.Run, "_all", lambda self, todo: [(f, None, "not tried") for f in todo])
    lay(tmp_path / "in", {"ada.ipynb": WORK, "late.toml": b"", "roster.csv": b"student\nada\n", "marks": None})
    rules, roster, out = (tmp_path / "in" / name for name in ("late.toml", "roster.csv", "marks"))
    assert grade(tmp_path, "--policy", rules, "--roster", roster, "--out", out) == 1
    files = {row["file"]: row["what became of it"] for row in rows_of(out / "files.csv")}
    assert files["ada.ipynb"] == "not tried"
    assert {files[name] for name in ("late.toml", "roster.csv", "marks")} == {
        "given to this command, no student's work"
    }
    assert rows_of(out / "grades.csv")[0]["note"] == "needs attention: not tried"
    assert "nothing was handed in" not in (out / "needs-attention.txt").read_text()


def test_the_submissions_own_folder_is_no_place_for_marks(tmp_path, capsys):
    lay(tmp_path / "in", {"ada.ipynb": WORK})
    assert grade(tmp_path, "--out", tmp_path / "in") == 2
    assert "choose another" in capsys.readouterr().err


def test_outside_a_checkout_the_grader_asks_for_the_tasks(tmp_path, capsys):
    lay(tmp_path / "in", {"ada.ipynb": WORK})
    assert grade(tmp_path, "--tasks", tmp_path) == 2
    assert "in a checkout of the course, or name their folder" in capsys.readouterr().err


def test_the_extra_that_graders_install_brings_what_is_imported():
    """`downhill grade` loads where only `pip install downhill-course[grade]` was run: all else is hidden here."""
    wanted = map(Requirement, requires("downhill-course"))
    brought, todo = set(), [r.name for r in wanted if r.marker is None or r.marker.evaluate({"extra": "grade"})]
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name not in brought:
            brought.add(name)
            needed = map(Requirement, requires(name) or [])
            todo += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    hidden = {
        module: None
        for module, owners in packages_distributions().items()
        if not {name.lower().replace("_", "-") for name in owners} & {*brought, "downhill-course"}
    }
    code = f"import sys; sys.modules.update({hidden}); import psutil, downhill_course.grade.command as c; c.options()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "matplotlib" in hidden


def test_an_extension_of_one_of_several_namesakes_is_given_to_none(tmp_path):
    lay(tmp_path / "in", {"wei_1_1_a.ipynb": WORK, "wei_2_2_a.ipynb": WORK, "ada.ipynb": WORK})
    late = LATE + '[extensions]\n"Wei" = 2027-01-01T00:00:00Z\n"2" = 2027-01-01T00:00:00Z\nzoe = 2027-01-01T00:00:00Z\n'
    _, run = moments(tmp_path, late)
    assert [name for name, _ in run.attention] == ["Wei", "zoe"]
    assert run.policy.extension("wei", "1") is None
    assert run.policy.extension("wei", "2")


def moments(tmp_path, text, *more):
    (tmp_path / "late.toml").write_text(text)
    asked = command.options([str(tmp_path / "in"), "--assignment", NAME, "--out", str(tmp_path / "out"),
                             "--policy", str(tmp_path / "late.toml"), *map(str, more)])  # fmt: skip
    run = command.Run(asked)
    found, _ = submissions.find(asked.submissions, NAME, run.policy.zone)
    run._extensions(found)
    return run._moments(found), run


LATE = "deadline = 2026-12-01T23:59:00+08:00\npenalty_per_day = 0.1\n"


def test_copied_files_do_not_make_a_class_late_in_silence(tmp_path):
    place = lay(tmp_path / "in", {f"s{n}.ipynb": WORK for n in range(6)})
    for n in range(6):
        os.utime(place / f"s{n}.ipynb", (DUE.timestamp() + 500 + n,) * 2)
    times, run = moments(tmp_path, LATE)
    assert {when for when, _, _ in times.values()} == {None}
    assert "copied" in run.attention[0][1]
    os.utime(place / "s0.ipynb", (DUE.timestamp() + 5 * DAY,) * 2)  # they came one by one, so the dates may be true
    times, run = moments(tmp_path, LATE)
    assert None not in {when for when, _, _ in times.values()}
    assert "cp -a" in run.remarks[0]
    os.utime(place / "s0.ipynb", (DUE.timestamp() - 5,) * 2)
    assert moments(tmp_path, LATE)[1].remarks == []


def test_the_lms_is_believed_first(tmp_path):
    place = lay(
        tmp_path / "in", {f"{name}.ipynb": WORK for name in ("ada_LATE_1_1_a", "bob_2_2_a", "eva_3_3_a", "wei")}
    )
    for path in place.iterdir():
        os.utime(path, (DUE.timestamp() + 5 * DAY,) * 2)
    (tmp_path / "times.csv").write_text("id,student,time\n3,,2026-12-01 23:58\n,Wei,2026-12-01T16:00:00Z\n")
    times, run = moments(tmp_path, LATE, "--times", tmp_path / "times.csv")
    left = {key: 1 - run.policy.penalty("", when, 1.0, "", late) for key, (when, _, late) in times.items()}
    assert left == {"#1": 0.9, "#2": 1.0, "#3": 1.0, "wei": 0.9}
    assert [name for name, why in run.attention if "no time in times.csv" in why] == ["ada", "bob"]
    (tmp_path / "w.csv").write_text(
        "Identifier,Full name,Grade,Last modified (submission)\n"
        'Participant 2,Bob,,"Thursday, 3 December 2026, 10:00 AM"\nParticipant 3,Eva,,2026年12月1日 星期二 23:00\n'
        "Participant 4,Zoe,,-\n"
    )
    times, run = moments(tmp_path, LATE, "--moodle", tmp_path / "w.csv")
    assert times["#2"] == (datetime(2026, 12, 3, 10, tzinfo=CHINA).timestamp(), "LMS", None)
    assert times["#3"][0] == datetime(2026, 12, 1, 15, tzinfo=UTC).timestamp()
    (tmp_path / "times.csv").write_text("id,time\n3,1/12/26\n")
    with pytest.raises(command.Refused, match="2026-12-01 23:59"):
        moments(tmp_path, LATE, "--times", tmp_path / "times.csv")


# --- a class of five hundred ----------------------------------------------------------------------------

STEP = "def step(theta, v, g, lr, mu):\n    v = mu * v + lr * g\n    return theta - v, v\n"
CALL = STEP.replace("    v =", "    {}\n    v =", 1)
#: Fifty strange submissions: a name and what lies there -> the points it gets, or a word of its line.
ODD = {
    "odd01.ipynb.txt": (notebook(step=True), 4),
    "odd02.ipynb.json": (notebook(step=True), 4),
    "odd03.IPYNB": (notebook(step=True), 4),
    "王五.ipynb".encode("gbk"): (notebook(step=True), 4),
    "😀" * 60 + ".ipynb": (notebook(step=True), 4),
    "y" * 249 + ".ipynb": (notebook(step=True), 4),
    "odd07\n.ipynb": (notebook(step=True), 4),
    "odd08\x1b[2J.ipynb": (notebook(step=True), 4),
    "odd09.zip": (packed([("work/a.ipynb", notebook(step=True))]), 4),
    "odd10.zip": (packed([("w.zip", packed([("student0001.ipynb", notebook(step=True))]))]), 4),
    "odd11/student0002_1_2_a.ipynb": (notebook(step=True), 4),
    "odd12/a.ipynb": (notebook(step=True), 4),
    "odd13.ipynb": (notebook(step=True, defend=WORDS), 4),
    "odd14.ipynb": (notebook(step="#" * (submissions.CELL + 1)), 0),
    "wangwei_4711_1_a.ipynb": (notebook(step=True), 4),
    "wangwei_4712_2_a.ipynb": (notebook(step="def step(*a): return 1"), 0),
    "Wang Wei_4713_assignsubmission_file_/a.ipynb": (notebook(step=True), 4),
    "odd18.ipynb": (b"\xef\xbb\xbf" + notebook(step=True), 4),
    "odd19.ipynb": (notebook(step=True).decode().encode("utf-16"), 4),
    "odd20.ipynb": (json.dumps(json.loads(notebook(step=True)), ensure_ascii=False).encode("gb18030"), 4),
    "odd21.ipynb": (notebook(step=CALL.format("import os; os._exit(0)")), 0),
    "odd22.ipynb": (notebook(step=CALL.format("raise SystemExit")), 0),
    "odd23.ipynb": (notebook(step=CALL.format("while True: pass")), 0),
    "odd24.ipynb": (notebook(step=CALL.format("return 'x' * 10**8, v")), 0),
    "odd25.ipynb": (notebook(step=CALL.format("return bytearray(10**11), v")), 0),
    "odd26.ipynb": (notebook(step="é = '\ud83d'\n" + STEP), 4),
    "odd27.ipynb": (notebook(step="def step(theta"), 0),
    "odd28.ipynb": (notebook(), 0),
    "=cmd()|A1.ipynb": (notebook(step=True), 4),
    "CON.ipynb": (notebook(step=True), 4),
    "odd31.tar.gz": (b"x", "archive"),
    "odd32.doc": (b"x", "not a notebook"),
    "odd33.html": (b"x", "not a notebook"),
    "odd34/.work/a.ipynb": (notebook(step=True), "hidden"),
    "odd35": (None, "empty folder"),
    "odd36": (Path("/etc"), "a link"),
    "odd37.ipynb": (Path("/etc/passwd"), "a link"),
    "odd38.zip": (b"PK\x03\x04", "damaged"),
    "odd39.zip": (packed([("../student0003.ipynb", notebook(step=True))]), "leads out"),
    "odd40.ipynb": (notebook(step=True)[:999], "only a part"),
    "odd41.ipynb": (bytes(range(256)) * 40, "not a notebook"),
    "odd42.ipynb": (b"[1, 2]", "not a notebook"),
    "odd43.ipynb": (b"", "not a notebook"),
    "odd44.ipynb": (b"[" * 200_000, "nested too deeply"),
    "odd45.ipynb": (json.dumps({"cells": [{"cell_type": "code", "source": "1"}]}).encode(), "another notebook"),
    "odd46.ipynb": (b" " * (submissions.LARGEST + 1), "larger"),
    "lihua.ipynb": (notebook(step=True), "no number"),
    "LiHua/a.ipynb": (notebook(step=True), "no number"),
    "zoe_9_1_a.ipynb": (notebook(step=True), "several names"),
    "tom_9_2_a.ipynb": (notebook(step=True), "several names"),
}


@pytest.mark.slow
def test_of_five_hundred_students_each_is_accounted_for(tmp_path, capsys):
    """450 honest ones and fifty strange ones; with `-s` the table is shown."""
    sandbox()
    assert len(ODD) == 50
    right, wrong = notebook(step=True), notebook(step=STEP.replace("theta - v", "theta + v"))
    honest = {f"student{n:04d}.ipynb": wrong if n % 3 == 0 else right for n in range(450)}
    lay(tmp_path / "in", {**honest, **{name: raw for name, (raw, _) in ODD.items()}})
    assert grade(tmp_path, "--processes", "2") == 1
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    files = {exports.told(r["file"]): r["what became of it"] for r in rows_of(tmp_path / "out" / "files.csv")}
    grades = rows_of(tmp_path / "out" / "grades.csv")
    points = {result["file"]: result["final"] for result in report["results"]}
    assert len(grades) == 500
    assert [points[name] for name in honest] == [1 if n % 3 == 0 else 4 for n in range(450)]
    wrongly = []
    for name, (_, wanted) in ODD.items():
        shown = submissions.shown(submissions.decoded(os.fsdecode(os.fsencode(name))))
        (found,) = [
            f for f in files if f == shown or shown.startswith(f"{f}/") or re.match(f"{re.escape(shown)}[/:]", f)
        ]
        got = files[found] if isinstance(wanted, str) else points.get(found)
        wrongly += [] if got == wanted or (isinstance(wanted, str) and wanted in got) else [(shown, got, wanted)]
    assert wrongly == []
    kinds = {}
    for row in grades:
        kind = row["note"].split(": ", 1)[1].split(" (")[0] if row["note"].startswith("needs") else "graded"
        kinds[kind] = kinds.get(kind, 0) + 1
    with capsys.disabled():
        print("\n" + "\n".join(f"{count:5d}  {kind}" for kind, count in kinds.items()), said, sep="\n")
    assert kinds["graded"] == 480
    assert sum(kinds.values()) == 500
