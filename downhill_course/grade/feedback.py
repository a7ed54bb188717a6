"""What the student reads about their work: HTML and text, in their language, with nothing hidden let out."""

from __future__ import annotations

from html import escape
from typing import Any

from downhill_course.grade.marking import WHY

PAGE = """<!doctype html>
<html lang="{tag}"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --good: light-dark(#2e7d32, #81c784); --bad: light-dark(#b71c1c, #ef9a9a) }}
body {{ font: 1rem/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; max-width: 46rem;
  margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin-bottom: 0 }} h2 {{ font-size: 1.1rem; margin: 1.6rem 0 .2rem }}
.total {{ font-size: 1.3rem; margin: .3rem 0 }} ul {{ padding-left: 1.2rem; margin: .3rem 0; list-style: none }}
.good {{ color: var(--good) }} .bad {{ color: var(--bad) }} .more {{ opacity: .85 }}
aside {{ border-left: 3px solid; padding: .1rem .8rem; margin: .4rem 0 }}
</style>
<body>{body}</body></html>
"""
SAY = {
    "total": ("Points: {points:g} of {of:g}", "得分：{points:g} / {of:g}"),
    "late": ("Taken off for being late: {points:g}", "迟交扣分：{points:g}"),
    "by hand": ("Answered in words: graded by hand, not counted yet.", "文字作答：由老师批阅，尚未计入。"),
    "perhaps": ("What probably went wrong", "可能的原因"),
    "read": ("Read again", "请重读"),
    "note": ("Note", "说明"),
    "rest": (
        "The inputs of hidden cases are not shown; they differ from student to student.",
        "隐藏用例的输入不予公开，且每位同学各不相同。",
    ),
}


def pick(pair: Any, language: str) -> str:
    """One of a pair of texts, or both."""
    return {"en": pair[0], "zh": pair[1]}.get(language, " · ".join(dict.fromkeys(pair)))


def lines(result: dict) -> list[tuple[str, str]]:
    """The whole feedback as (kind, text): title, total, task, good, bad, more. Text and HTML are written from it."""
    language = result["language"]

    def say(key: str, **parts: Any) -> str:
        return pick([text.format(**parts) for text in SAY[key]], language)

    told = [("title", f"{result['assignment']} · {result['student']}")]
    told.append(("total", say("total", points=result.get("final", result["points"]), of=result["of"])))
    if result.get("penalty"):
        told.append(("more", say("late", points=result["penalty"])))
    for task in result["tasks"]:
        got = "…" if task["points"] is None else f"{task['points']:g}"
        told.append(("task", f"{_own(task['title'], language)} ({task['name']}): {got} / {task['of']:g}"))
        if task["points"] is None:
            told.append(("more", say("by hand")))
        if task.get("comment"):
            told.append(("more", task["comment"]))
        told += [_outcome(outcome, language) for outcome in task["outcomes"]]
        mistake = task.get("mistake")
        if mistake and mistake["en"]:
            told.append(("more", f"{say('perhaps')}: {pick([mistake['en'], mistake['zh']], language)}"))
        if mistake and mistake["read"]:
            told.append(("more", f"{say('read')}: {pick(mistake['read'], language)}"))
    told += [("more", f"{say('note')}: {_own(note, language)}") for note in result["notes"]]
    told.append(("more", say("rest")))
    return told


def _outcome(outcome: dict, language: str) -> tuple[str, str]:
    title = f"{pick([outcome['en'], outcome['zh']], language)}: {outcome['points']:g} / {outcome['of']:g}"
    if outcome["why"] is None:
        return "good", title
    why = WHY[outcome["why"]]
    kind = outcome["kind"]
    texts = [
        text.format(kind=kind) if kind else text.replace(" ({kind})", "").replace("（{kind}）", "") for text in why
    ]
    return "bad", f"{title}: {pick(texts, language)}"


def _own(text: str, language: str) -> str:
    """The half of a bilingual line that is in the reader's language."""
    english, separator, chinese = text.partition(" · ")
    return {"en": english, "zh": chinese}.get(language, text) if separator else text


def text(result: dict) -> str:
    """The feedback as plain text."""
    marks = {"good": "  ✓ ", "bad": "  ✗ ", "more": "    ", "task": "\n", "title": "", "total": ""}
    return "\n".join(marks[kind] + words for kind, words in lines(result)) + "\n"


def html(result: dict) -> str:
    """The feedback as a page that stands alone: no script, nothing loaded, every text escaped."""
    parts = []
    for kind, words in lines(result):
        safe = escape(words)
        parts.append(
            {
                "title": f"<h1>{safe}</h1>",
                "total": f'<p class="total">{safe}</p>',
                "task": f"<h2>{safe}</h2>",
                "good": f'<ul><li class="good">✓ {safe}</li></ul>',
                "bad": f'<ul><li class="bad">✗ {safe}</li></ul>',
                "more": f'<aside class="more">{safe}</aside>',
            }[kind]
        )
    tag = "zh-CN" if result["language"] == "zh" else "en"
    title = escape(f"{result['assignment']} · {result['student']}")
    return PAGE.format(tag=tag, title=title, body="\n".join(parts))
