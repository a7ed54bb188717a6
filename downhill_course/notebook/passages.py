"""What an English passage and its Chinese translation must have in common, and what Chinese text must not have."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial

from downhill_course.notebook.cells import HAN, LABEL, parts
from downhill_course.notebook.views import from_yaml
from downhill_course.project import BOOK

GLOSSARY = BOOK / "glossary.yml"
GONE = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands in the prose for a formula, a code name or a citation

# --- what a passage contains ------------------------------------------------------------------------

TOKEN = re.compile(
    r"""
      \\[$\\`]                                                                      # escaped: no markup
    | <!--.*?-->
    | \{(?P<role>[\w:-]+)\}(?P<rolemark>`+)(?P<target>.+?)(?<!`)(?P=rolemark)(?!`)
    | (?<!`)(?P<tick>`+)(?!`)(?P<code>.+?)(?<!`)(?P=tick)(?!`)
    | \$\$(?P<display>.+?)\$\$(?:[ \t]*\([^()\s]+\))?
    | \\begin\{(?P<name>(?:align|alignat|equation|gather|multline|eqnarray)\*?)\}(?P<ams>.+?)\\end\{(?P=name)\}
    | \$(?!\s)(?P<inline>(?:\\.|[^$\n\\]|\n(?!\s*\n))+?)(?<!\s)\$(?!\d)
    | \[\^(?P<footnote>[^\]\s]+)\]:?
    | (?P<image>!?)\[(?P<shown>[^\]]*)\]\((?P<url>[^)\s]*)(?:\s+"[^"]*")?\)
    | <(?P<auto>https?://[^>\s]+)>
    | (?P<bare>https?://[A-Za-z0-9_./%\#?=&~:+-]*[A-Za-z0-9_/])
    | </?[a-z][^<>\n]*>
    """,
    re.S | re.X,
)
LIST_MARKER = re.compile(r"^[ \t>]*(?:[-*+]|\d+[.)])[ \t]+", re.M)
EMPHASIS = re.compile(r"\*+|(?<!\w)_+|_+(?!\w)")
REFERENCES = {"any", "doc", "eq", "numref", "ref"}


@dataclass
class Passage:
    """A Markdown passage taken apart; `prose` is what is left to read, without markup."""

    formulas: Counter = field(default_factory=Counter)
    citations: Counter = field(default_factory=Counter)
    references: Counter = field(default_factory=Counter)
    links: Counter = field(default_factory=Counter)
    images: Counter = field(default_factory=Counter)
    footnotes: Counter = field(default_factory=Counter)
    code: Counter = field(default_factory=Counter)
    directives: list[str] = field(default_factory=list)
    prose: str = ""


HTML_CODE = re.compile(r"<code>(.+?)</code>")
HTML_BLOCK = re.compile(r"</?(?:details|summary|p|br)\b[^>]*>")  # a folded hint: what it holds is a passage of its own


@cache
def take_apart(text: str) -> Passage:
    """The formulas, citations, references, links, code names, directives and the prose of a Markdown passage.

    >>> p = take_apart("With $x = 1$ and {cite:p}`polyak1964` see [below](momentum): 30 steps of `sgd`.")
    >>> list(p.formulas), list(p.citations), list(p.references), list(p.code)
    (['x=1'], ['polyak1964'], ['momentum'], ['sgd'])
    >>> p.prose.replace(GONE, "_")
    'With _ and _ see below: 30 steps of _.'
    """
    structure = parts(HTML_CODE.sub(r"`\1`", HTML_BLOCK.sub("\n", text)))
    passage = Passage(directives=structure.directives)
    for kind, content in structure.verbatim:
        if kind == "math":
            passage.formulas[plain_formula(content)] += 1
        elif content:
            passage.code[content] += 1
    prose = LABEL.sub("", TOKEN.sub(partial(note, passage), structure.prose))
    passage.prose = LIST_MARKER.sub("", EMPHASIS.sub("", prose))
    return passage


def note(passage: Passage, token: re.Match) -> str:
    """Enter a piece of markup into the passage; returns what a reader reads in its place."""
    if token["role"]:
        return note_role(passage, token["role"], token["target"])
    if token["code"]:
        passage.code[token["code"].strip()] += 1
        return GONE
    for kind in ("display", "ams", "inline"):
        if token[kind]:
            passage.formulas[plain_formula(token[kind])] += 1
            return GONE
    if token["footnote"]:
        passage.footnotes[token["footnote"]] += 1
        return ""
    if token["shown"] is not None:
        kinds = passage.images if token["image"] else passage.links if is_address(token["url"]) else passage.references
        kinds[token["url"].removeprefix("#")] += 1
        return TOKEN.sub(partial(note, passage), token["shown"]) or GONE
    if address := token["auto"] or token["bare"]:
        passage.links[address] += 1
        return GONE
    return ""


def note_role(passage: Passage, role: str, target: str) -> str:
    """Enter ``{role}`target` ``; returns the text it shows, as far as the passage itself says it."""
    shown, explicit, name = target.rpartition("<")
    name = name.removesuffix(">").strip() if explicit and target.endswith(">") else target.strip()
    if role.startswith("cite"):
        passage.citations.update(part.strip() for part in name.split(","))
    elif role in REFERENCES:
        passage.references[name] += 1
        return shown.strip() or GONE
    elif role == "math":
        passage.formulas[plain_formula(target)] += 1
    elif role.startswith("code"):
        passage.code[target.strip()] += 1
    else:
        return target
    return GONE


def is_address(target: str) -> bool:
    """Whether a link leads to a file or another site rather than to a label of the book."""
    return bool(re.match(r"[a-z]+:|/|\.", target)) or "/" in target


def plain_formula(formula: str) -> str:
    """A formula without spaces, closing punctuation and the words in it, which may be in either language.

    >>> plain_formula(r"a \\le b \\text{ for all } b,") == plain_formula(r"a\\le b \\text{对所有} b")
    True
    """
    formula = re.sub(r"\\(?:text|mbox|textrm|textit)\s*\{[^{}]*\}", r"\\text", formula)
    formula = re.sub(r"\\label\{[^{}]*\}|(?<!\\)\\[,;:! ]|\\q?quad\b|~|(?<!\\)%.*", " ", formula)
    return re.sub(r"\s+", "", formula).rstrip(",.;:?!，。；：？！、")


# --- numbers ----------------------------------------------------------------------------------------

NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.^])(?P<digits>\d{1,3}(?:[,\u2009\u202f\u00a0 ]\d{3})+(?!\d|,\d)|\d+)(?P<decimals>\.\d+)?"
    r"(?:[ \t-]?(?P<unit>thousand|million|billion|[千万亿]|百万))?"
)
UNITS = {"thousand": 3, "million": 6, "billion": 9, "千": 3, "万": 4, "百万": 6, "亿": 8}
UNDER_TWENTY = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ALSO = {
    0: "no none nothing", 1: "once single first a an", 2: "twice both second double pair half",
    3: "third thrice triple", 4: "fourth quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth",
    10: "tenth tenfold", 12: "dozen", 100: "hundred", 1000: "thousand", 10**6: "million", 10**9: "billion",
}  # fmt: skip
ALSO_CHINESE = {0: "没无", 1: "单首每", 2: "两双二倍半", 100: "百", 1000: "千", 10**4: "万", 10**8: "亿"}


def numbers(prose: str) -> set[str]:
    """The numbers written in digits, however their thousands are grouped.

    >>> sorted(numbers("1,000 of 2 000 in 3 million, 0.50")) == sorted(numbers("2000、1000、300 万、0.5"))
    True
    """
    found = set()
    for match in NUMBER.finditer(prose):
        value = Decimal(re.sub(r"\D", "", match["digits"]) + (match["decimals"] or ""))
        found.add(plain(value.scaleb(UNITS[match["unit"]]) if match["unit"] else value))
    return found


def plain(value: Decimal) -> str:
    """A number without a useless zero or exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_words(number: str, prose: str) -> bool:
    """Whether a passage says a number in words of either language instead of digits.

    >>> in_words("3", "a relief in three dimensions"), in_words("3", "三维曲面"), in_words("30", "三维曲面")
    (True, True, False)
    """
    if "." in number:
        return False
    value = int(number)
    words = set(ALSO.get(value, "").split())
    if value < 20:
        words.add(UNDER_TWENTY[value])
    elif value < 100:
        ten, one = divmod(value, 10)
        words.add(TENS[ten - 2] + (f"-{UNDER_TWENTY[one]}" if one else ""))
    numeral, characters = chinese_numeral(value), ALSO_CHINESE.get(value, "")
    return (
        any(re.search(rf"\b{word}s?\b", prose, re.I) for word in words)
        or bool(numeral and numeral in prose)
        or any(character in prose for character in characters)
    )


def chinese_numeral(value: int) -> str:
    """A number below a hundred in Chinese; empty for larger ones.

    >>> chinese_numeral(7), chinese_numeral(10), chinese_numeral(25)
    ('七', '十', '二十五')
    """
    digits = "零一二三四五六七八九"
    if value < 10:
        return digits[value]
    ten, one = divmod(value, 10)
    return "" if value >= 100 else (digits[ten] if ten > 1 else "") + "十" + (digits[one] if one else "")


# --- comparing the two ------------------------------------------------------------------------------

#: What is compared, its name, and whether it must occur equally often (naming a thing twice is no difference).
KINDS = (
    ("formulas", "formula", True),
    ("citations", "citation", False),
    ("references", "cross-reference", False),
    ("links", "link", False),
    ("images", "image", True),
    ("footnotes", "footnote", False),
    ("code", "code name", False),
)


def differences(english: str, chinese: str) -> Iterator[str]:
    """What one language has and the other lacks."""
    one, other = take_apart(english), take_apart(chinese)
    for kind, word, often in KINDS:
        a, b = getattr(one, kind), getattr(other, kind)
        if not often:
            a, b = Counter(set(a)), Counter(set(b))
        yield from missing(a - b, word, "Chinese", b)
        yield from missing(b - a, word, "English", a)
    if one.directives != other.directives:
        yield (
            f"the English has the directives {', '.join(one.directives) or 'none'}, the Chinese "
            f"{', '.join(other.directives) or 'none'}: both need the same in the same order"
        )
    mine, theirs = numbers(one.prose), numbers(other.prose)
    for number in sorted(mine - theirs):
        if not in_words(number, other.prose):
            yield f"the number {number} is not in the Chinese: say the same in both languages"
    for number in sorted(theirs - mine):
        if not in_words(number, one.prose):
            yield f"the number {number} is not in the English: say the same in both languages"


def missing(items: Counter, word: str, language: str, there: Counter) -> Iterator[str]:
    """One line for what a language lacks."""
    if not items:
        return
    listed = ", ".join(f"“{item}”" if len(item) < 60 else f"“{item[:57]}…”" for item in items)
    often = "" if not any(there[item] for item in items) else " as often as in the other language"
    yield f"the {word} {listed} is not in the {language}{often}: say the same in both languages"


# --- terms ------------------------------------------------------------------------------------------


@cache
def glossary() -> tuple[dict, ...]:
    """The rows of the glossary that the check uses."""
    rows = from_yaml(GLOSSARY.read_text(encoding="utf-8"))
    return tuple(row for row in rows if row.get("check", True))


@cache
def term(form: str, language: str = "en") -> re.Pattern:
    """How a term is found. English: in any case, singular or plural, with a hyphen, a space or neither."""
    if language == "zh":
        return re.compile(re.escape(form))
    words = r"[\s-]*".join(re.escape(word) for word in re.split(r"[\s-]+", form))
    return re.compile(rf"(?<!\w){words}(?:s|es)?(?!\w)", re.I)


def names(row: dict, language: str, *kinds: str) -> list[str]:
    """A term and its other forms of these kinds, which the head of the glossary explains."""
    return [row[language], *(form for kind in kinds for form in row.get(f"{kind}_{language}", []))]


def forms(rows: Iterable[dict], language: str, *kinds: str) -> list[tuple[str, re.Pattern, dict]]:
    """Every form of every term and how it is found, the longest first: "partial derivative" before "derivative"."""
    found = [(form, row) for row in rows for form in names(row, language, *kinds)]
    return [(form, term(form, language), row) for form, row in sorted(found, key=lambda pair: -len(pair[0]))]


def terms_not_translated(english: str, chinese: str, rows: Iterable[dict]) -> Iterator[str]:
    """Glossary terms that the English uses and the Chinese does not translate as the glossary says."""
    prose, translation = take_apart(english).prose, take_apart(chinese).prose.replace("\n", "")
    reported = set()
    for form, pattern, row in forms(rows, "en", "also", "loose"):
        prose, count = pattern.subn(GONE, prose)
        allowed = names(row, "zh", "also", "loose")
        if count and row["id"] not in reported and not any(word in translation for word in allowed):
            reported.add(row["id"])
            yield (
                f"the English says “{form}”, which the glossary translates {' or '.join(allowed)}, and the Chinese "
                "does not: use the term, or add the form it uses in book/glossary.yml, to also_zh if it is another "
                "name of the term, else to loose_zh"
            )


# --- Chinese ----------------------------------------------------------------------------------------

H = HAN.pattern
YEAR = r"(?:1[6-9]|20)\d\d(?!\d)"  # or a number that might be one
END = rf"(?:{H}|[）」”{GONE}])"  # what a Chinese clause ends with before its punctuation
TYPOGRAPHY = [
    (rf"{END}[ \t]*[,;:?!](?!\d)|(?<!wild)[,;:?!][ \t]*{H}", "half-width punctuation in Chinese text, use ，；：？！"),
    (rf"{END}\.(?!\d)|(?<!\bal)\.[ \t]*{H}", "a half-width full stop in Chinese text, use 。"),
    (rf"{H}[ \t]*\(|\)[ \t]*{H}|\({H}|{H}\)", "half-width brackets in Chinese text, use （ ）"),
    (rf"{H}[\"']|[\"']{H}", "half-width quotation marks in Chinese text, use “ ”"),
    (rf"{H}[A-Za-z0-9{GONE}]|[A-Za-z0-9%{GONE}]{H}", "no space between Chinese and Latin, digits, formulas or code"),
    (r"[ \t]+[，。；：？！、）」]", "a space before full-width punctuation"),
    (r"[，。；：？！、（「][ \t]+(?=[^\s|])", "a space after full-width punctuation (if * needs it, move * inwards)"),
    (r"\d[ \t]+%", "a space before %"),
    (rf"(?<![\d.,\w*/-])(?<!- )(?!{YEAR})\d{{4,}}(?![\w.,]| ?年)", "no commas between thousands, as in 1,000"),
    (r"[Ａ-Ｚａ-ｚ０-９]", "full-width letters or digits, use half-width ones"),
    (rf"进行{H}{{1,6}}的?操作|对{H}{{1,8}}进行", "「进行……操作」, use the verb itself"),
    (r"(?:\b[A-Za-z][A-Za-z'’-]*[ \t\n,]+){6,}[A-Za-z]", "an English passage left untranslated"),
]  # fmt: skip


def unseen_emphasis(text: str) -> Iterator[str]:
    """Emphasis that Markdown does not see, and prints as asterisks, since punctuation stands at the wrong side of it.

    >>> list(unseen_emphasis("**重点。**接着")), list(unseen_emphasis("**重点**。接着"))
    (['**重点。**'], [])
    """
    prose = LIST_MARKER.sub("", TOKEN.sub("$$", parts(text).prose))
    for match in re.finditer(r"(\*{1,3})([^\s*](?:[^*]*[^\s*])?)\1", prose):
        before, after = prose[: match.start()][-1:], prose[match.end() :][:1]
        opens = not is_letter(before) or is_letter(match[2][0])
        closes = not is_letter(after) or is_letter(match[2][-1])
        if not (opens and closes):
            yield match[0]


def is_letter(character: str) -> bool:
    """Whether Markdown counts a character as neither space nor punctuation."""
    return bool(character.strip()) and unicodedata.category(character)[0] not in "PS"


def typography(chinese: str) -> Iterator[str]:
    """What a Chinese reader would stumble over."""
    for emphasis in unseen_emphasis(chinese):
        yield f"Markdown does not see the emphasis {emphasis}: put punctuation, formulas and code outside the asterisks"
    prose = take_apart(chinese).prose
    for pattern, what in TYPOGRAPHY:
        if match := re.search(pattern, prose):
            around = prose[max(0, match.start() - 8) : match.end() + 8]
            yield f"{what} (in “{around.replace(chr(10), '⏎').replace(GONE, '…').strip()}”)"


def words_of(text: str) -> tuple[int, int]:
    """How many Latin words and how many Chinese characters a passage has."""
    prose = take_apart(text).prose
    return len(re.findall(r"[A-Za-z]{2,}", prose)), len(HAN.findall(prose))


def check_passages(english: str, chinese: str, rows: Iterable[dict]) -> Iterator[str]:
    """Every difference between a passage and its translation."""
    if not chinese.strip():
        yield "the Chinese is empty: translate the English"
        return
    latin, han = words_of(chinese)
    if latin and latin > han:
        yield "the Chinese is still English: translate it"
        return
    latin, han = words_of(english)
    if not english.strip() or han > latin:
        yield f"the English is {'Chinese' if english.strip() else 'empty'}: write it in English"
        return
    yield from differences(english, chinese)
    yield from terms_not_translated(english, chinese, rows)
    yield from typography(chinese)
