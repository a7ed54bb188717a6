"""The grader as an instructor uses it: strange files, interruptions, policies, exports, and what students read."""

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from grading import USER, assignment, cell, sandbox, submission
from test_exercises import Only

from downhill_course.grade import exports, feedback, submissions
from downhill_course.grade.command import main
from downhill_course.grade.marking import mark
from downhill_course.grade.sandbox import Sandbox, Unavailable
from downhill_course.grade.source import Assignment
from downhill_course.grade.spec import Faulty

NAME = "03-momentum"
ROOT = Path(__file__).parents[1]
STEP = "def step(theta, v, g, lr, mu):\n    v = mu * v + lr * g\n    return theta - v, v\n"


def notebook(language="en", **answers):
    """A student's notebook with some tasks answered by the solution's code, others as given."""
    whole = assignment(NAME)
    made = json.loads(json.dumps(whole.student(language)))
    for cell_ in made["cells"]:
        name = cell_["metadata"].get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell_["source"] = whole.tasks[name].solved if answers[name] is True else answers[name]
    return made


def grade(tmp_path, *more, source=None):
    who = ["--user", USER] if USER else []
    place = str(source or tmp_path / "in")
    return main(
        [place, "--assignment", NAME, "--out", str(tmp_path / "out"), "--processes", "2", *who, *map(str, more)]
    )


@pytest.fixture
def inbox(tmp_path):
    sandbox()  # skips where there is none
    folder = tmp_path / "in"
    folder.mkdir()

    def put(name, made=None, raw=None):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw if raw is not None else json.dumps(made or notebook(step=True)).encode())
        return path

    return put


def report(tmp_path):
    return json.loads((tmp_path / "out" / "report.json").read_text())


def points(tmp_path):
    return {result["student"]: result["final"] for result in report(tmp_path)["results"]}


# --- honest accidents -------------------------------------------------------------------------------


def old_format(made):
    cells = [
        {**c, "input": c["source"], "language": "python"} if c["cell_type"] == "code" else c for c in made["cells"]
    ]
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}


def stripped(made):
    for c in made["cells"]:
        c["metadata"] = {}
        c.pop("id", None)
    return {**made, "metadata": {}}


def with_cells(made, *sources, first=True):
    extra = [
        {"cell_type": "code", "metadata": {}, "source": s, "outputs": [], "execution_count": None} for s in sources
    ]
    return {**made, "cells": [*extra, *made["cells"]] if first else [*made["cells"], *extra]}


HELPER = STEP.replace("mu * v + lr * g", "helper(mu, v, lr, g)")
ACCIDENTS = {
    "as lists of lines": lambda: {
        **notebook(step=True),
        "cells": [{**c, "source": c["source"].splitlines(keepends=True)} for c in notebook(step=True)["cells"]],
    },
    "old format": lambda: old_format(notebook(step=True)),
    "metadata stripped": lambda: stripped(notebook(step=True)),
    "reordered": lambda: {**notebook(step=True), "cells": notebook(step=True)["cells"][::-1]},
    "duplicated": lambda: {**notebook(step=True), "cells": notebook(step=True)["cells"] + notebook()["cells"]},
    "another kernel": lambda: {**notebook(step=True), "metadata": {"kernelspec": {"name": "ir", "language": "R"}}},
    "magics": lambda: notebook(step="%matplotlib inline\n!ls\n?step\n" + STEP),
    "cell magic": lambda: notebook(step="%%time\n" + STEP),
    "a scratch cell raises": lambda: with_cells(notebook(step=True), "1 / 0", "undefined"),
    "a scratch cell asks": lambda: with_cells(notebook(step=HELPER), "name = input('name? ')", HELPING),
    "a scratch cell plots": lambda: with_cells(notebook(step=HELPER), PLOT, HELPING),
    "a scratch cell never ends": lambda: with_cells(notebook(step=HELPER), "while True: pass", HELPING),
    "a scratch cell exits": lambda: with_cells(notebook(step=HELPER), "import sys; sys.exit()", HELPING),
    "a helper comes later": lambda: with_cells(notebook(step=HELPER), HELPING, first=False),
    "an answer that plots": lambda: notebook(step=PLOT + STEP + "plt.plot([1, 2])\nplt.show()\n"),
    "an import elsewhere": lambda: with_cells(
        notebook(step=STEP.replace("mu * v", "pi_free(mu) * v")), "pi_free = float"
    ),
    "the given cell changed": lambda: {
        **notebook(step=True),
        "cells": [
            {**c, "source": "valley = None"} if c.get("id") == "given" else c for c in notebook(step=True)["cells"]
        ],
    },
}
HELPING = "def helper(mu, v, lr, g):\n    return mu * v + lr * g\n"
PLOT = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])[0].set_color('r')\n"
BYTES = {
    "BOM": lambda raw: b"\xef\xbb\xbf" + raw,
    "CRLF": lambda raw: json.dumps(json.loads(raw), indent=1).replace("\n", "\r\n").encode(),
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
    "GB18030": lambda raw: json.dumps(json.loads(raw), ensure_ascii=False).encode("gb18030"),
}


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """What a class got in which every student had another accident, or another encoding."""
    sandbox()
    place = tmp_path_factory.mktemp("class")
    files = {name: json.dumps(make()).encode() for name, make in ACCIDENTS.items()}
    plain = json.dumps(notebook(language="zh", step=True)).encode()
    files |= {name: encode(plain) for name, encode in BYTES.items()}
    students = {name: f"student{number}" for number, name in enumerate(files)}
    (place / "in").mkdir()
    for name, raw in files.items():
        (place / "in" / f"{students[name]}.ipynb").write_bytes(raw)
    assert grade(place, "--seconds", "2") == 0
    graded = points(place)
    assert set(graded) == set(students.values())
    return {name: graded[student] for name, student in students.items()}


@pytest.mark.parametrize("name", [*ACCIDENTS, *BYTES])
def test_honest_accidents_and_encodings_are_graded(name, marks):
    assert marks[name] == 4


# --- malformed files --------------------------------------------------------------------------------

BAD = {
    "empty": b"",
    "truncated": json.dumps(notebook(step=True)).encode()[:2000],
    "binary": bytes(range(256)) * 40,
    "a list": b"[1, 2]",
    "no cells": b'{"nbformat": 4}',
    "cells that are none": b'{"cells": [1, null, "a", {"source": 3}], "nbformat": 4}',
    "nested deeply": b"[" * 200_000 + b"]" * 200_000,
    "endless number": b'{"cells": [' + b"9" * 100_000 + b"]}",
    "another notebook": b'{"cells": [{"cell_type": "code", "source": "1 + 1", "metadata": {}}], "nbformat": 4}',
    "too many cells": json.dumps({"cells": [{}] * 6000}).encode(),
}


def test_a_malformed_file_needs_attention_and_costs_no_one_else(inbox, tmp_path, capsys):
    for name, raw in BAD.items():
        inbox(f"{name}.ipynb", raw=raw)
    inbox("huge.ipynb", raw=b" " * (submissions.LARGEST + 1))
    inbox("ada.ipynb")
    os.symlink("/etc/passwd", tmp_path / "in" / "link.ipynb")
    os.mkfifo(tmp_path / "in" / "pipe.ipynb")
    (tmp_path / "in" / "essay.docx").write_bytes(b"x")
    assert grade(tmp_path) == 1
    assert points(tmp_path) == {"ada": 4}
    attention = dict(report(tmp_path)["attention"])
    assert set(attention) == {f"{name}.ipynb" for name in BAD} | {
        "huge.ipynb",
        "link.ipynb",
        "pipe.ipynb",
        "essay.docx",
    }
    assert "link" in attention["link.ipynb"]
    assert "Needs attention (14)" in capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "grades.csv").read_text(encoding="utf-8-sig"))))
    assert [row["points"] for row in rows if row["student"] != "ada"] == [""] * 14


def test_an_lms_zip_is_read_and_a_hostile_one_is_not_followed(inbox, tmp_path):
    made = json.dumps(notebook(step=True)).encode()
    path = tmp_path / "in" / "canvas.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lovelaceada_4711_99_03-momentum.ipynb", made)
        archive.writestr("Wang Wei_4712_assignsubmission_file_/03-momentum.ipynb", made)
        archive.writestr("../outside.ipynb", made)
        archive.writestr("/absolute.ipynb", made)
        archive.writestr("C:\\windows.ipynb", made)
        archive.writestr("__MACOSX/._x.ipynb", b"junk")
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.ipynb", b" " * (submissions.LARGEST + 1))
    assert grade(tmp_path, source=path) == 1
    assert points(tmp_path) == {"lovelaceada": 4, "Wang Wei": 4}
    assert len(report(tmp_path)["attention"]) == 5
    assert not (tmp_path / "outside.ipynb").exists()


def test_a_nested_tree_and_a_zip_within_it(inbox, tmp_path):
    inbox("ada/03-momentum/03-momentum.ipynb")
    inbox("ada/03-momentum/scratch.ipynb", notebook())
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("work/03-momentum.ipynb", json.dumps(notebook(step=True)))
    inbox("bob/work.zip", raw=made.getvalue())
    inbox("broken/work.zip", raw=made.getvalue()[:100])
    assert grade(tmp_path) == 1
    assert points(tmp_path) == {"ada": 4, "bob": 4}


def test_a_lying_size_in_a_zip_is_cut(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ada.ipynb", b" " * 60_000_000)
    raw = path.read_bytes().replace((60_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(raw)
    files, bad = submissions.find(path, NAME)
    with pytest.raises(submissions.Unreadable):
        submissions.read(files[0])
    assert not bad


# --- what students read -----------------------------------------------------------------------------


def result_of(*cells, student="ada"):
    whole = Only(assignment(NAME), "step")
    whole.tasks["defend"] = whole.whole.tasks["defend"]
    result = mark(submission(*cells, student=student), whole, sandbox(), b"secret").plain()
    return {**result, "final": result["points"], "penalty": 0}


def test_feedback_names_the_mistake_and_where_to_read(inbox):
    text = feedback.text({**result_of(cell(STEP.replace("theta - v", "theta + v"), "step")), "language": "zh"})
    assert "这是在上山" in text
    assert "03-momentum" in text
    assert "Perhaps" not in text


def test_feedback_lets_nothing_hidden_out(inbox):
    leak = "def step(theta, v, g, lr, mu):\n    raise ValueError(f'SECRET {theta} {lr}')\n"
    evil = "class Evil(Exception): pass\nEvil.__name__ = 'INPUT' + 'x'\n"
    kind = evil + "def step(theta, v, g, lr, mu):\n    raise Evil(str(theta))\n"
    words = "def step(theta, v, g, lr, mu):\n    return [str(theta), '<script>alert(1)</script>']\n"
    for code in (leak, kind, words):
        result = result_of(
            cell(code, "step"), cell("<img src=x onerror=alert(1)>", "defend", "markdown"), student="<b>ada"
        )
        for text in (feedback.html(result), feedback.text(result)):
            assert "SECRET" not in text
            assert "INPUT" not in text
        page = feedback.html(result)
        assert "<script" not in page
        assert "<b>ada" not in page
        assert "<img" not in page


def test_marks_do_not_depend_on_when_or_where(inbox):
    assert result_of(cell(STEP, "step")) == result_of(cell(STEP, "step"))


# --- the command ------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_with_the_same_marks(inbox, tmp_path):
    for number in range(8):
        inbox(f"student{number}.ipynb", notebook(step=True, terminal=number % 2 == 0 or "x = 1"))
    slow = "import time\ntime.sleep(1)\n" + STEP
    inbox("zz.ipynb", notebook(step=slow))
    who = ["--user", USER] if USER else []
    line = [
        sys.executable,
        "-m",
        "downhill_course.grade.command",
        str(tmp_path / "in"),
        "--assignment",
        NAME,
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(
        [*line, "--processes", "1", *who], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for _ in range(300):
        if len(list((tmp_path / "out" / "marks").glob("*.json"))) >= 3:
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    kept = {path: path.read_bytes() for path in (tmp_path / "out" / "marks").glob("*.json")}
    assert kept
    assert grade(tmp_path) == 0
    assert all(path.read_bytes() == raw for path, raw in kept.items())
    first = points(tmp_path)
    assert len(first) == 9
    assert first["zz"] == 4
    assert grade(tmp_path, "--again") == 0
    assert points(tmp_path) == first


def test_answers_in_words_are_graded_by_hand(inbox, tmp_path, capsys):
    inbox("ada.ipynb", notebook(step=True, defend="=Because the eigenvalues are complex."))
    assert grade(tmp_path) == 0
    assert "1 answers in words wait" in capsys.readouterr().out
    sheet = tmp_path / "out" / "by-hand.csv"
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    assert rows[0]["answer"].startswith("'=")
    sheet.write_text(f"student,task,points,of,comment,answer\nada,defend,2,3,Good: {'very ' * 2}clear.,\n")
    assert grade(tmp_path) == 0
    assert points(tmp_path) == {"ada": 6}
    assert "very very clear" in (tmp_path / "out" / "feedback" / "ada.txt").read_text()
    sheet.write_text("student,task,points,of,comment,answer\nada,defend,7,3,,\n")
    assert grade(tmp_path) == 2
    assert "7 points" in capsys.readouterr().err


def test_late_work_costs_what_the_policy_says(inbox, tmp_path):
    for name in ("ada", "bob"):
        path = inbox(f"{name}.ipynb")
        os.utime(path, (1_800_000_000, 1_800_000_000))
    late = tmp_path / "late.toml"
    late.write_text(
        'deadline = 2027-01-14T00:00:00Z\npenalty_per_day = 0.25\n[extensions]\n"bob" = 2027-02-01T00:00:00Z\n'
    )
    assert grade(tmp_path, "--policy", late) == 0
    assert points(tmp_path) == {"ada": 2, "bob": 4}


def test_keeping_the_best_of_two(inbox, tmp_path):
    best = tmp_path / "best.toml"
    best.write_text('keep = "best"\n')
    inbox("ada.ipynb", notebook(step=True))
    assert grade(tmp_path, "--policy", best) == 0
    inbox("ada.ipynb", notebook(step="def step(*a): pass"))
    assert grade(tmp_path, "--policy", best) == 0
    assert points(tmp_path) == {"ada": 4}


def test_canvas_and_moodle_get_their_own_files_back(inbox, tmp_path):
    inbox("lovelaceada_4711_99_03-momentum.ipynb")
    inbox("Wang Wei_4712_assignsubmission_file_/x.ipynb")
    canvas = tmp_path / "canvas.csv"
    canvas.write_text(
        "Student,ID,SIS Login ID,Section,03-momentum (77)\n    Points Possible,,,,24\n"
        '"Lovelace, Ada",4711,ada,A,\n"Wei, Wang",1,ww,A,\n'
    )
    moodle = tmp_path / "moodle.csv"
    moodle.write_text(
        "Identifier,Full name,Email address,Grade\n"
        "Participant 4712,Wang Wei,w@example.org,\nParticipant 1,Other,o@example.org,7\n"
    )
    assert grade(tmp_path, "--canvas", canvas, "--moodle", moodle) == 1
    rows = list(csv.reader(io.StringIO((tmp_path / "out" / "canvas.csv").read_text(encoding="utf-8-sig"))))
    assert [row[4] for row in rows] == ["03-momentum (77)", "24", "4", ""]
    rows = list(csv.reader(io.StringIO((tmp_path / "out" / "moodle.csv").read_text(encoding="utf-8-sig"))))
    assert [row[3] for row in rows] == ["Grade", "4", "7"]
    assert ["Wang Wei", "is not in canvas.csv"] in report(tmp_path)["attention"]


def test_names_that_are_formulas_stay_text(inbox, tmp_path):
    inbox("=cmd()|A1.ipynb", notebook(step=True))
    assert grade(tmp_path) == 0
    assert "\n'=cmd()_A1," in (tmp_path / "out" / "grades.csv").read_text(encoding="utf-8-sig").replace("\r", "")
    for name in ("=1", "+1", "-1", "@x", "\t=1", " =1"):
        assert str(exports.safe(name)).startswith("'")


ASKED_WRONGLY = {
    "unknown assignment": (["--assignment", "99-nothing"], "There are: "),
    "an empty folder": ([], "No notebook"),
    "no such folder": (["--source", "gone"], "does not exist"),
    "a wrong roster": (["--roster", "bad.csv"], "column `student`"),
    "a half-written policy": (["--policy", "half.toml"], "should look like this"),
    "a policy with a slip": (["--policy", "slip.toml"], "penalty_per_dya"),
    "a gradebook of another kind": (["--canvas", "bad.csv"], "no column 'Student'"),
    "no processes": (["--processes", "0"], "at least 1"),
    "no memory": (["--memory", "5"], "at least 100"),
    "no such user": (["--user", "nobody-at-all"], "no user"),
    "a program that is not there": (["--sandbox", "podman"], "podman is not installed"),
}


@pytest.mark.parametrize("name", ASKED_WRONGLY)
def test_a_wrong_request_is_told_what_to_do(name, inbox, tmp_path, capsys, monkeypatch):
    more, said = ASKED_WRONGLY[name]
    if name == "no such user" and not USER:
        pytest.skip("only root becomes another user")
    if name == "a program that is not there":
        monkeypatch.setattr(
            "downhill_course.grade.sandbox.shutil.which", lambda program: None if program == "podman" else program
        )
    (tmp_path / "bad.csv").write_text("name\nada\n")
    (tmp_path / "half.toml").write_text("deadline = 2026-")
    (tmp_path / "slip.toml").write_text("penalty_per_dya = 0.1\n")
    if name != "an empty folder":
        inbox("ada.ipynb")
    more = [str(tmp_path / word) if word.endswith((".csv", ".toml")) else word for word in more]
    source = tmp_path / more[1] if more[:1] == ["--source"] else None
    assert grade(tmp_path, *([] if source else more), source=source) == 2
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("marks/*")) if (tmp_path / "out").exists() else True


def test_a_full_disk_loses_nothing(inbox, tmp_path, monkeypatch, capsys):
    inbox("ada.ipynb")
    assert grade(tmp_path) == 0
    before = (tmp_path / "out" / "grades.csv").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("downhill_course.files.os.fsync", full)
    assert grade(tmp_path, "--again") == 2
    assert "No space left" in capsys.readouterr().err
    assert (tmp_path / "out" / "grades.csv").read_bytes() == before
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_the_roster_lists_who_handed_in_nothing(inbox, tmp_path):
    inbox("ada.ipynb")
    inbox("stranger.ipynb")
    roster = tmp_path / "roster.csv"
    roster.write_text("student\nada\nbob\n")
    assert grade(tmp_path, "--roster", roster) == 1
    assert ["bob", "nothing was handed in"] in report(tmp_path)["attention"]
    assert ["stranger", "is not on the roster"] in report(tmp_path)["attention"]


def test_root_is_refused_without_someone_to_become():
    if os.getuid() != 0:
        pytest.skip("only root can be refused")
    with pytest.raises(Unavailable, match="--user nobody"):
        Sandbox().test()
    with pytest.raises(Unavailable, match="root by another name"):
        Sandbox(user="root").test()


def test_an_interpreter_below_the_scratch_folder_is_not_hidden_by_it(monkeypatch):
    place = Path("/tmp/somewhere/python")
    monkeypatch.setattr("downhill_course.grade.sandbox._python", lambda: (place / "bin/python3", place, {}))
    line = Sandbox(user=USER).command()
    assert line.index("/tmp") < line.index(str(place / "lib"))
    assert line.index(str(place / "lib")) < max(i for i, word in enumerate(line) if word == "--remount-ro")


def test_docker_gets_the_same_walls(tmp_path):
    line = " ".join(Sandbox("docker").command())
    for word in (
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "no-new-privileges",
        "--pids-limit=",
        "--memory=",
        "65534",
    ):
        assert word in line
    assert "downhill_course/grade/plain.py:/site/plain.py:ro" in line


def test_help_tells_what_there_is(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    for word in ("grades.csv", "needs-attention", "--canvas", "--policy", "--unsafe", "exit status", NAME):
        assert word in told


# --- faulty sources ---------------------------------------------------------------------------------


def test_a_faulty_source_says_what_to_mend(tmp_path):
    text = json.loads((ROOT / "exercises" / NAME / "source.ipynb").read_text(encoding="utf-8"))

    def broken(change):
        made = json.loads(json.dumps(text))
        for c in made["cells"]:
            c["source"] = "".join(c["source"])
            change(c)
        path = tmp_path / NAME / "source.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made))
        return path

    def points_wrong(c):
        if c["id"] == "step-check":
            c["metadata"]["nbgrader"]["points"] = 9

    def no_public(c):
        c["source"] = c["source"].replace("public=True", "public=False")

    def syntax(c):
        c["source"] = c["source"].replace("@case(", "@case((")

    def no_rubric(c):
        c["metadata"]["tags"] = [tag for tag in c["metadata"].get("tags", []) if tag != "rubric"]

    wrong = [
        (points_wrong, "its cell says 9"),
        (no_public, "no case is public"),
        (syntax, "do not run"),
        (no_rubric, "rubric"),
    ]
    for change, said in wrong:
        with pytest.raises(Faulty, match=said):
            Assignment(broken(change))
