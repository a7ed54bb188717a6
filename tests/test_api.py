"""The library's reference is complete: every room, every public name, and an example for what computes."""

import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import optlib
from downhill_course.notebook import reference, twins
from downhill_course.notebook.views import VIEWS
from downhill_course.pages import api
from optlib import oracles, rules, schedules

ROOT = Path(optlib.__file__).parent
BOOK = ROOT.parent / "book"
LISTED = re.findall(r"^```\{api\} (\S+)$", "".join(p.read_text(encoding="utf-8") for p in BOOK.glob("api*.md")), re.M)
FILES = [path for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
ROOMS = ["optlib", *sorted(f"optlib.{path.stem}" for path in FILES if not path.name.startswith("_"))]


def test_every_room_is_listed_once():
    rooms = [name for name in ROOMS if name not in ("optlib.optimizer", "optlib.parts")]  # names of optlib itself
    assert sorted(LISTED) == sorted(rooms), "a page book/api*.md needs a heading and ```{api} optlib.ROOM```"


@pytest.mark.parametrize("name", LISTED)
def test_every_public_name_is_documented(name):
    module = import_module(name)
    text = api.reference(module)
    for part in (module, *api.submodules(module)):
        assert api.public(part) or list(api.submodules(part))
        for public, value in api.public(part).items():
            assert re.search(rf"^\.\. py:\w+:: {public}(\(|$)", text, re.M), f"{part.__name__}.{public} is missing"
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), f"{part.__name__}.{public} has no docstring"


def test_what_is_imported_from_elsewhere_is_not_listed():
    assert "np" not in api.public(import_module("optlib.oracles"))
    assert "checked_data" not in api.public(import_module("optlib.oracles"))


def examples_of(value) -> list:
    return doctest.DocTestParser().get_examples(value.__doc__ or "")


#: They are shown in another's example; so are classes, in that of the function that their docstring says makes them.
SHOWN_BY = {"single": "minibatch", "Measured": "hard_examples", "Examples": "full_batch"}


@pytest.mark.parametrize("name", rules.TABLE)
def test_every_rule_has_an_example(name):
    assert examples_of(rules.TABLE[name]), f"rules.{name} has no doctest"


@pytest.mark.parametrize("module", [schedules, oracles], ids=lambda module: module.__name__)
def test_every_schedule_and_oracle_has_an_example(module):
    own = api.public(module)
    for name, value in own.items():
        if inspect.isfunction(value) or inspect.isclass(value):
            made_by = re.search(r"(?:Made by|outcome of) `(\w+)`", value.__doc__ or "")
            shown_by = made_by[1] if made_by and not examples_of(value) else SHOWN_BY.get(name, name)
            assert examples_of(own[shown_by]), f"{module.__name__}.{name} has no doctest"


def test_sections_become_lists_and_errors_are_taken_apart():
    text = api.restructured(
        "Do it with `x`s.\n\n.. math:: a &= b \\\\\n    c &= d\n\nParameters\n----------\nx, y : of shape (d,)\n"
        "    and more\n**kw : others\n\nRaises\n------\nValueError : a bad x;\nTypeError : no\nnumber.\n\n>>> 1\n1"
    )
    assert "Do it with ``x``\\ s." in text
    assert "    \\begin{aligned}\n    a &= b" in text
    assert "``x``, ``y``\n    of shape (d,)\n    and more\n``**kw``\n    others" in text
    assert "``ValueError``\n    a bad x\n``TypeError``\n    no number." in text
    assert text.endswith(">>> 1\n1")


def test_every_public_name_has_its_line_of_chinese():
    assert list(map(str, twins.check(BOOK / reference.FILE))) == []


def test_a_line_that_is_missing_stale_or_of_nothing_is_found_and_recorded(tmp_path, capsys):
    (tmp_path / "api.md").write_text("```{api} optlib.schedules\n```\n", encoding="utf-8")
    lines = {name: f"调度 {name}。" for name in reference.summaries(tmp_path)["optlib.schedules"]}
    path = tmp_path / reference.FILE

    def found(**rows):
        listed = "".join(f'  {name}: "{row}"\n' for name, row in {**lines, **rows}.items() if row)
        path.write_text(f"# 表头\noptlib.schedules:\n{listed}", encoding="utf-8")
        reference.record(path)
        return dict(reference.problems(path))

    assert found() == {}
    assert path.read_text(encoding="utf-8").startswith("# 表头\n")
    path.write_text(re.sub(r'(step: \[)"\w+"', r'\1"0"', path.read_text(encoding="utf-8")), encoding="utf-8")
    ((place, message),) = reference.problems(path)
    assert place == "optlib.schedules: step"
    assert "Stairs" in message
    assert "--record book/api.yml optlib.schedules.step" in message
    with pytest.raises(SystemExit, match=r"optlib\.schedules\.stairs"):
        reference.record(path, ["optlib.schedules.stairs"])
    assert reference.record(path, ["optlib.schedules.step"]) == 1
    assert "take the line out" in found(stairs="没有。")["optlib.schedules: stairs"]
    assert "no line of Chinese" in found(step="")["optlib.schedules: step"]
    with pytest.raises(SystemExit, match=r"optlib\.schedules: step"):
        reference.table(tmp_path)
    assert "opening mark" in found(step="阶梯 `s`（宽）。")["optlib.schedules: step"]
    assert "full-width" in found(step="阶梯 ，往下。")["optlib.schedules: step"]


def test_a_view_says_in_chinese_what_it_folds_or_says_beside():
    said = reference.table(BOOK)
    one, both, english = (api.reference(schedules, api.folding(VIEWS[view], said)) for view in ("zh", "both", "en"))
    names, methods = len(api.public(schedules)) + 1, 3  # the module itself; Plateau's, of one paragraph each
    assert one.count(".. dropdown:: 英文文档") == names
    assert one.count(".. lang:: zh") == both.count(".. lang:: zh") == names + methods
    assert "dropdown" not in both
    assert english == api.reference(schedules)
    assert said["optlib.schedules"]["cosine"] in one
    assert said["optlib.schedules"]["Plateau.update"] in one
