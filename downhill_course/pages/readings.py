"""What explorers say without a page: their own module, run by Node.js while the book is built."""

from __future__ import annotations

import importlib
import json
import subprocess
import tempfile
from pathlib import Path

from downhill_course.pages.formulas import NODE

_RUN = """
import fs from "node:fs";
const jobs = JSON.parse(fs.readFileSync(0, "utf8")), told = [];
for (const job of jobs) told.push((await import(`./${job.part}.mjs`)).answers([job])[0]);
process.stdout.write(JSON.stringify(told));
"""


def answers(questions: list[dict]) -> list[list[dict]]:
    """For each question the answers of the figure to what it is asked, in order.

    Parameters
    ----------
    questions : of each figure its ``bundle`` (as figures of `optlib.widget` have it), the ``lang``
        to answer in ("en" or "zh"), and the list ``ask`` of ``{"set": {key: value}, "read": name}``; either may be
        left out

    Returns
    -------
    of each figure a list of ``{"value": ..., "text": ...}``, a value of None where a walk never arrives, or
    ``{"trouble": why}`` where a key, a value or a reading is not allowed

    Raises
    ------
    RuntimeError : the module itself fails.

    >>> from optlib.widget import Explorer
    >>> bowl = Explorer(surface="bowl", algorithms={"sgd": {"lr": 0.5}}, start=[4.0, -2.0], steps=30)
    >>> ask = [{"read": "arrival"}, {"set": {"lr": 0.1}, "read": "arrival"}, {"read": "arival"}]
    >>> for each in answers([{"bundle": bowl.bundle, "lang": "en", "ask": ask}])[0]:
    ...     print(each)
    {'value': 9, 'text': 'arrives after 9 updates'}
    {'value': None, 'text': 'does not arrive within 30 updates'}
    {'trouble': 'this figure has no "arival"'}
    """
    if not questions:
        return []
    explorer = importlib.import_module("optlib.widget.explorer")
    jobs = [{**each["bundle"], **each, "part": explorer.part_of(each["bundle"])} for each in questions]
    with tempfile.TemporaryDirectory() as folder:
        for part in {job["part"] for job in jobs}:
            (Path(folder) / f"{part}.mjs").write_text(explorer.module(part), encoding="utf-8")
        (Path(folder) / "ask.mjs").write_text(_RUN, encoding="utf-8")
        done = subprocess.run(
            [str(NODE), str(Path(folder) / "ask.mjs")], input=json.dumps(jobs), capture_output=True, encoding="utf-8"
        )
    if done.returncode:
        raise RuntimeError(f"the explorer's module fails: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
