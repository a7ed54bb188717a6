"""What a page loads when a reader changes a rule, or sends the changed rule up the ladder: two scripts and their words.

The parser, the translator and the editor stand in ``js/rule``, the climb in ``js/ladder``.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from downhill_course.ladder import plane
from optlib import rules
from optlib.compile import js
from optlib.compile.source import UFUNCS, read
from optlib.view import listing
from optlib.widget import explorer, modules

HERE = Path(__file__).parent / "js"
_ARGUMENTS = {"maximum": 2, "minimum": 2, "where": 3}  #: of the functions that rules may call; the others take one

#: What a climb of the ladder says: loaded at the click on it, into the words of the editor.
LADDER: dict[str, tuple[str, str]] = {
    "score": (
        "Score {0} on two problems in the plane, with the best of the file's settings: place {1} of {2}.",
        "平面上的两道题，取文件中最好的一组参数，得 {0} 分，在 {2} 条规则中排第 {1}。",
    ),
    "zero": (
        "No points yet on the two problems in the plane: they are for at most four times the fewest steps.",
        "平面上的两道题还没得分：步数不超过最少步数的四倍才得分。",
    ),
    "problem": ("problem", "题目"),
    "yours": ("your steps", "你的步数"),
    "nadam": ("NAdam", "NAdam"),
    "fewest": ("fewest", "最少"),
    "never": ("never", "未达到"),
    "file": ("Download my_rule.py", "下载 my_rule.py"),
    "rest": (
        "What counts are eight other problems, in many dimensions and with noise: downhill ladder run my_rule.py.",
        "真正计分的是另外八类题目，维数高，还带噪声：downhill ladder run my_rule.py。",
    ),
    "rungs": ("How the ladder works", "天梯怎样计分"),
    "blind": (
        "The ladder tells a rule no loss, only theta, g, its memory and t.",
        "天梯不告诉规则损失是多少，只给 theta、g、记忆量和 t。",
    ),
}

#: What the editor of rules says; {0} is what the reader wrote. Loaded with it, not with the figure.
RULE: dict[str, tuple[str, str]] = {
    "edit": ("The rule, in Python", "更新规则（Python）"),
    "hint": (
        "What you type is drawn at once. There are + - * / **, comparisons and {0}. Tab leaves the box.",
        "输入后立即画出。可用 + - * / **、比较，以及 {0}。按 Tab 键离开。",
    ),
    "drawn": ("Drawn as {0}.", "已画出 {0}。"),
    "last": (" The path is that of the last rule that worked.", "图中仍是上一条可用规则的路径。"),
    "reset": ("As it was", "恢复原样"),
    "close": ("Close", "关闭"),
    "line": ("Line {0}: {1}.", "第 {0} 行：{1}。"),
    # the ladder
    "ladder": ("To the ladder", "上天梯"),
    "away": ("The ladder's numbers could not be loaded.", "天梯的数据没能加载。"),
    # what is wrong
    "syntax": ("{0} has no place in a rule", "规则里不能有 {0}"),
    "wide": ("{0} is a full-width or typographic character: type {1}", "{0} 是全角或排版字符，请换成 {1}"),
    "tabs": ("tabs and spaces are mixed: indent by four spaces", "制表符和空格混用了，请用四个空格缩进"),
    "closed": ("the bracket {0} has no partner", "括号 {0} 没有配对"),
    "indent": ("the lines of the body begin with four spaces, all with as many", "函数体各行应同样缩进四个空格"),
    "colon": ("the line with def ends with a colon; here stands {1}", "def 一行末尾要有冒号，这里却是 {1}"),
    "expected": ("{0} was expected before {1}", "{1} 之前应有 {0}"),
    "between": (
        "{0} cannot follow here: an operator such as * or a comma is missing",
        "这里不能接 {0}：缺少 * 之类的运算符或逗号",
    ),
    "lineend": ("the end of the line", "行末"),
    "indentation": ("another indentation", "缩进的变化"),
    "aname": ("a name", "名字"),
    "avalue": ("a number, a name or (", "数、名字或 ("),
    "unknown": ("{0} is no argument and no earlier line{1}", "{0} 不是参数，也不是前面算出的量{1}"),
    "meant": ("; perhaps {0} is meant", "；也许想写 {0}"),
    "hyper": ("; put it into the first line, behind the *: {0}=0.01", "；请写进第一行 * 之后：{0}=0.01"),
    "call": ("there is no {0}() here; there are {1}", "这里没有 {0}()，可用的有 {1}"),
    "instead": ("instead of {0} write {1}", "{0} 请写成 {1}"),
    "count": ("{0} takes {1} value(s), not {2}", "{0} 要 {1} 个值，这里有 {2} 个"),
    "keys": ("{0} takes by name: {1}; given: {2}", "{0} 按名字要的是 {1}，这里给了 {2}"),
    "named": ("a value without a name cannot follow one with a name", "带名字的值之后不能再有不带名字的值"),
    "recursion": (
        "{0} calls itself: a rule is one step, the figure repeats it",
        "{0} 调用了自己：规则只写一步，重复由图来做",
    ),
    "loop": ("no loops ({0}): a rule is one step of one coordinate", "不能用循环（{0}）：规则只写一个坐标的一步"),
    "branch": ("no {0}: write where(condition, a, b)", "不能用 {0}：请写 where(条件, a, b)"),
    "logic": ("no {0}: multiply comparisons, (a > 0) * (b > 0)", "不能用 {0}：比较可以相乘，(a > 0) * (b > 0)"),
    "chain": ("compare two values at a time: (a < b) * (b < c)", "一次只比较两个量：(a < b) * (b < c)"),
    "truth": (
        "a number is needed here, not a comparison: where(a > 0, 1, 0)",
        "这里要数，不能是比较：where(a > 0, 1, 0)",
    ),
    "add": ("two comparisons can be multiplied, but not joined by {0}", "两个比较可以相乘，但不能用 {0} 连接"),
    "operator": ("no operator {0}: there are + - * / ** and comparisons", "不能用运算符 {0}，可用 + - * / ** 和比较"),
    "update": ("no {0}: write name = name + ...", "不能用 {0}：请写 name = name + ..."),
    "construct": (
        "no {0} here: a rule has assignments, arithmetic, comparisons and calls",
        "这里不能用 {0}：规则里只有赋值、算术、比较和函数调用",
    ),
    "target": ("{0}: one plain name stands left of =, one value right of it", "{0}：= 左边是一个名字，右边是一个值"),
    "tuple": ("a value is needed here, not several with commas", "这里要一个值，不能是逗号隔开的几个"),
    "number": ("{0} is no finite decimal number", "{0} 不是有限的十进制数"),
    "name": (
        "{0} cannot be a name: letters, digits and _, a letter first",
        "{0} 不能作名字：字母开头，由字母、数字、下划线组成",
    ),
    "taken": ("{0} is a function here: take another name", "{0} 在这里是函数，请换个名字"),
    "twice": ("the argument {0} stands there twice", "参数 {0} 出现了两次"),
    "first": (
        "a rule begins with theta and g: def {0}(theta, g, ...)",
        "规则的头两个参数是 theta 和 g：def {0}(theta, g, ...)",
    ),
    "order": ("memory comes behind g, then loss and t: {0}", "g 之后先写记忆量，再写 loss 和 t：{0}"),
    "default": (
        "memory such as {0} has no default: hyper-parameters stand behind the *",
        "{0} 这样的记忆量没有默认值：超参数写在 * 之后",
    ),
    "nodefault": ("the hyper-parameter {0} needs a value: {0}=0.01", "超参数 {0} 要有默认值：{0}=0.01"),
    "signature": ("no {0} in the first line", "第一行里不能有 {0}"),
    "nodef": ("a rule begins with def name(theta, g, ...):", "规则以 def name(theta, g, ...): 开头"),
    "noreturn": ("the last line must be return {0}", "最后一行应为 return {0}"),
    "returns": (
        "return the new point and, as a tuple, the new memory {1}: return {0}",
        "应返回新的点和新的记忆量 {1}：return {0}",
    ),
    "after": ("nothing comes after return", "return 之后不能再有内容"),
    "long": ("this is too long for one step", "一步之内写不下这么多"),
}


def scripts() -> dict[str, str]:
    """All that a page may load, by the file's name."""
    return {**explorer.scripts(), "explorer-rule.js": rule_script(), "explorer-ladder.js": ladder_script()}


@cache
def rule_script() -> str:
    """Parser, translator, editor, their words and the rules' texts."""
    tables = {
        "words": _both(RULE),
        "calls": {name: [js.CALLS.get(name, ""), _ARGUMENTS.get(name, 1)] for name in UFUNCS},
        "ranges": {
            name: [known.low, None if known.high == inf else known.high, known.closed]
            for name, known in explorer.HYPER.items()
            if name in rules.HYPER
        },
        "sources": {rule.__name__: source_of(rule) for rule in explorer.RULES},
        "ahead": {
            rule.__name__: {"name": look.__name__, "needs": read(look).constants, "source": source_of(look)}
            for rule, look in rules.LOOK_AHEAD.items()
        },
    }
    return _joined("rule", "RULE", tables, "downhillRule", "compiled, fault, open, translated")


def ladder_script() -> str:
    """The climb, its words, the course's numbers."""
    tables = {"words": _both(LADDER), **plane.for_the_page()}
    return _joined("ladder", "LADDER", tables, "downhillLadder", "climbed, ...LADDER")


def _joined(folder: str, name: str, tables: Mapping[str, Any], sets: str, given: str) -> str:
    body = modules.joined({"data": modules.constant(name, tables), **modules.texts(HERE / folder)})
    return modules.classic(sets, body, given)


def _both(words: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    return {code: {"en": en, "zh": zh} for code, (en, zh) in words.items()}


def source_of(rule: Callable) -> str:
    """A rule as the editor shows it, behind the functions that it calls.

    >>> print(source_of(rules.sgd))
    def sgd(theta, g, *, lr=0.01):
        theta = theta - lr * g
        return theta, ()
    """
    return "\n\n".join([*(source_of(helper) for helper in read(rule).helpers), listing(rule).code])
