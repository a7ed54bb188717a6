"""One small stylesheet a view: what its pages link to, in one file, without the rules that no page can match.

A page that waits for nine stylesheets is drawn late on a phone, and most of their rules are for things this book has
not. A rule goes only if it needs a class that stands in no page and in no script of the view.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path

import tinycss2
from tinycss2.ast import AtRule, Node, QualifiedRule

LINK = re.compile(r'[ \t]*<link rel="stylesheet"[^>]*?href="(?P<up>(?:\.\./)*)(?P<path>_static/[^"?]+)[^"]*"[^>]*>\n?')
ADDRESS = re.compile(r"""url\((["']?)(?!data:|#)([^"')]+)\1\)""")
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
CHOICE = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)")  # what stands in it need not match
SELECTORS = re.compile(r",(?![^(]*\))")
GROUPS = {"media", "supports", "layer", "container"}


def join(folder: Path) -> list[Path]:
    """Replace the stylesheets of every page below a view's folder by one; returns what was written.

    Raises
    ------
    SystemExit : a stylesheet that a page links to is missing
    """
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(folder.rglob("*.html"))}
    classes = used(folder, pages.values())
    written: dict[tuple[str, ...], Path] = {}
    for page, html in pages.items():
        links = list(LINK.finditer(html))
        if not links:
            continue
        names = tuple(dict.fromkeys(link["path"] for link in links))
        if names not in written:
            written[names] = bundle(folder, names, classes)
        first, up = links[0].start(), links[0]["up"]
        link = f'<link rel="stylesheet" href="{up}_static/{written[names].name}">\n'
        page.write_text(html[:first] + link + LINK.sub("", html[first:]), encoding="utf-8")
    return list(written.values())


def used(folder: Path, pages) -> set[str]:
    """Every class that a page has, and every word of a script, which may give it to an element."""
    words: set[str] = set()
    for html in pages:
        for value in re.findall(r'\bclass="([^"]*)"', html):
            words.update(value.split())
        for script in re.findall(r"<script\b[^>]*>(.*?)</script>", html, re.S):
            words.update(re.findall(r"[\w-]+", script))
    for script in folder.rglob("*.js"):
        words.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    return words


def bundle(folder: Path, names: tuple[str, ...], classes: set[str]) -> Path:
    """The stylesheets in their order as one file in `_static`, named by its content."""
    parts = []
    for name in names:
        path = folder / name
        if not path.is_file():
            raise SystemExit(f"{path} is missing, and a page links to it: `make clean book` builds everything anew")
        parts.append(moved(prune(path.read_text(encoding="utf-8"), classes), posixpath.dirname(name)))
    text = "\n".join(parts)
    target = folder / "_static" / f"site-{hashlib.sha256(text.encode()).hexdigest()[:10]}.css"
    target.write_text(text, encoding="utf-8")
    return target


def moved(text: str, folder: str) -> str:
    """A stylesheet of another folder, as it reads from `_static`."""
    return ADDRESS.sub(lambda m: f"url({posixpath.relpath(posixpath.join(folder, m[2]), '_static')})", text)


def prune(text: str, classes: set[str]) -> str:
    """A stylesheet without comments and without rules for classes that nothing has.

    >>> prune("/* a */ .a, .b > p { x: y } .c:not(.d) { z: 1 } @media print { .b { x: 0 } .c { x: 2 } }", {"a", "c"})
    '.a { x: y }.c:not(.d) { z: 1 }@media print {.c { x: 2 }}'
    """
    return kept(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True), classes)


def kept(rules: list[Node], classes: set[str]) -> str:
    return "".join(written for rule in rules if (written := keep(rule, classes)))


def keep(rule: Node, classes: set[str]) -> str:
    """A rule as it is written, or nothing where it can match nothing."""
    if isinstance(rule, QualifiedRule):
        selectors = SELECTORS.split(tinycss2.serialize(rule.prelude))
        alive = [s.strip() for s in selectors if set(CLASS.findall(CHOICE.sub("", s))) <= classes]
        return f"{','.join(alive)} {{{compact(rule.content)}}}" if alive else ""
    if isinstance(rule, AtRule) and rule.lower_at_keyword in GROUPS and rule.content is not None:
        inside = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        text = kept(inside, classes)
        return f"@{rule.at_keyword} {tinycss2.serialize(rule.prelude).strip()} {{{text}}}" if text else ""
    if isinstance(rule, AtRule) and rule.lower_at_keyword in ("charset", "import"):
        raise SystemExit(f"a stylesheet has @{rule.at_keyword}, which cannot stand inside another: put it in the page")
    return rule.serialize()


def compact(content: list[Node]) -> str:
    """What stands between a rule's braces, without comments and with single spaces."""
    text = tinycss2.serialize([node for node in content if node.type != "comment"])
    return re.sub(r"\s+", " ", text) if '"' not in text and "'" not in text else text
