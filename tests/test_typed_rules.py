"""Rules that a reader types in the page: the page's translator agrees with NumPy, and names what it refuses."""

import ast
import gzip
import json
import random
import subprocess
import warnings

import numpy as np
import pytest

from downhill_course.pages import editor
from downhill_course.pages.formulas import NODE
from optlib import Optimizer
from optlib.compile.source import UFUNCS
from optlib.optimizer import specification
from optlib.widget import explorer, modules

DRIVER = """
globalThis.window = globalThis;
await import("./rule.js");
const { fault, translated } = window.downhillRule;
const [jobs] = [JSON.parse((await import("node:fs")).readFileSync(0, "utf8"))];
const begin = (rule, start, theta) => rule.memory.map((name) => {
  const value = start?.[name] ?? 0;
  return value === "theta" ? [...theta] : theta.map(() => (typeof value === "string" ? rule.defaults[value] : value));
});
process.stdout.write(JSON.stringify(jobs.map(({ source, theta, stream, losses, start, memory }) => {
  const begun = performance.now();
  try {
    const rule = translated(source), made = new Function(rule.text)();
    if (!stream) return { ms: performance.now() - begun };
    const kept = memory !== undefined ? rule.memory.map(() => theta.map(() => memory)) : begin(rule, start, theta);
    const path = [], traced = [];
    stream.forEach((g, t) => {
      const loss = theta.map(() => losses[t]), given = rule.given.map((name) => ({ t: t + 1, loss: losses[t] })[name]);
      traced.push(made.trace(theta[0], g[0], ...kept.map((m) => m[0]), ...given, rule.defaults));
      made.advance(theta, g, kept, t + 1, loss, rule.defaults);
      path.push([...theta, ...kept.flat()].map(String));
    });
    return { ms: performance.now() - begun, name: rule.name, lines: rule.lines, path, traced };
  } catch (error) {
    const said = ["en", "zh"].map((lang) => fault(error, source, lang));
    return { ms: performance.now() - begun, code: error.code ?? `crash: ${error.stack}`, said };
  }
})));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Runs jobs through the page's own script."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rule.js").write_text(editor.rule_script(), encoding="utf-8")
    (folder / "driver.mjs").write_text(DRIVER, encoding="utf-8")

    def run(jobs):
        done = subprocess.run(
            [str(NODE), str(folder / "driver.mjs")], input=json.dumps(jobs), capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return run


def numbers(row):
    return [float(x.replace("Infinity", "inf")) for x in row]


# --- what is right ----------------------------------------------------------------------------------


def test_every_rule_that_can_be_changed_is_optlibs(page):
    """200 steps of wild gradients; the lines of the close-up are the library's too."""
    draw = np.random.default_rng(0)
    stream = draw.standard_normal((200, 4)) * [1, 1e-3, 1e3, 1]
    stream[::3, 3] = 0
    losses = draw.random(200) * 5
    theta = [1.0, -2.0, 0.5, 3.0]
    jobs = [
        {"source": editor.source_of(rule), "theta": theta, "stream": stream.tolist(), "losses": losses.tolist(),
         "start": explorer.rules.START.get(rule, {})}
        for rule in explorer.RULES
    ]  # fmt: skip
    for rule, reply in zip(explorer.RULES, page(jobs), strict=True):
        assert "code" not in reply, (rule.__name__, reply)
        assert reply["name"] == rule.__name__
        optimizer, point = Optimizer(rule), np.array(theta)
        kept = optimizer.init(point)
        for t, row in enumerate(reply["path"]):
            with np.errstate(all="ignore"):
                more = {"loss": losses[t]} if "loss" in specification(rule)[1] else {}
                point, kept = optimizer.tell(point, stream[t], kept, **more)
            mine = np.concatenate([point, *(np.broadcast_to(kept[name], 4) for name in optimizer.memory)])
            np.testing.assert_allclose(numbers(row), mine, rtol=1e-12, atol=1e-12, err_msg=f"{rule.__name__}, {t}")


def test_what_the_page_calls_is_what_the_library_reads():
    script = editor.rule_script()
    tables, _ = json.JSONDecoder().raw_decode(script.split("const RULE = ")[1])
    assert [*tables["calls"]] == [*UFUNCS]
    assert all(name == "where" or call.startswith("Math.") for name, (call, _) in tables["calls"].items())
    assert tables["sources"].keys() == {rule.__name__ for rule in explorer.RULES}
    assert tables["ahead"].keys() == {rule.__name__ for rule in explorer.rules.LOOK_AHEAD}


def test_it_is_light_and_its_words_have_both_languages():
    assert len(gzip.compress(editor.rule_script().encode())) < 15_000
    for code, (english, chinese) in {**editor.RULE, **editor.LADDER}.items():
        gaps = [{gap for gap in ("{0}", "{1}", "{2}") if gap in words} for words in (english, chinese)]
        assert gaps[0] == gaps[1], code
        assert len(gaps[0]) == max([int(gap[1]) + 1 for gap in gaps[0]], default=0) or code == "colon", code
    long = {name for name, text in modules.texts(editor.HERE / "rule").items() if max(map(len, text.split("\n"))) > 120}
    assert not long


# --- what is wrong ----------------------------------------------------------------------------------

HEAD = "def r(theta, g, u, *, lr=0.01, gamma=0.9):\n"
END = "\n    return theta - lr * u, (u,)"
BOMB = "def h0(x):\n    return x * x\n" + "".join(
    f"def h{i + 1}(x):\n    return h{i}(x) + h{i}(x)\n" for i in range(40)
)

#: source -> code of the sentence, and a piece of it in English
WRONG = [
    ("def r(theta, g, u, *, lr=0.01)\n    u = g" + END, "colon", "ends with a colon; here stands the end of the line"),
    (HEAD + "    u = gamma * (u + g" + END, "closed", "the bracket ( has no partner"),
    (HEAD + "    u = gamma * u + g)" + END, "closed", "the bracket ) has no partner"),
    (HEAD + "u = gamma * u + g\nreturn theta - lr * u, (u,)", "indent", "four spaces"),
    (HEAD + "    u = gamma * u + g\n  return theta, (u,)", "indent", "all with as many"),
    (HEAD + "    u = g\n      u = u\n" + END, "indent", "Line 3"),
    (HEAD + "    u = g\n\treturn theta, (u,)", "indent", "Line 3"),
    (HEAD + " \tu = g" + END, "tabs", "tabs and spaces"),
    (HEAD + "    u = gamma u + g" + END, "between", "u cannot follow here: an operator"),
    (HEAD + "    u = 2 g" + END, "between", "g cannot follow"),
    (HEAD + "    u = 2g" + END, "number", "2g is no finite"),
    (HEAD + "    u = gamma * u +" + END, "expected", "a number, a name or ( was expected before the end of the line"),
    (HEAD + "    u = gamma * * u" + END, "expected", "was expected before *"),
    (HEAD + "    u = gamma * u) + g" + END, "closed", "Line 2"),
    (HEAD + "    u =" + END, "expected", "before the end of the line"),
    (HEAD + "    = g" + END, "expected", "before ="),
    (HEAD + "    u = g ^ 2" + END, "operator", "no operator ^"),
    (HEAD + "    u = g // 2" + END, "operator", "no operator //"),
    (HEAD + "    u = g % 2" + END, "operator", "no operator %"),
    (HEAD + "    u = g @ g" + END, "operator", "no operator @"),
    (HEAD + "    u = ~g" + END, "operator", "no operator ~"),
    (HEAD + "    u = g in u" + END, "operator", "no operator in"),
    (HEAD + "    for i in range(10):\n        u = u + g" + END, "loop", "no loops (for)"),
    (HEAD + "    while True:\n        u = u + g" + END, "loop", "no loops (while)"),
    (HEAD + "    u = sum(x for x in g)" + END, "loop", "no loops (for)"),
    (HEAD + "    if g > 0:\n        u = g" + END, "branch", "where(condition, a, b)"),
    (HEAD + "    u = g if g > 0 else 0" + END, "branch", "no if ... else"),
    (
        HEAD + "    u = gama * u + g" + END,
        "unknown",
        "gama is no argument and no earlier line; perhaps gamma is meant.",
    ),
    (HEAD + "    u = foo * u + g" + END, "unknown", "foo is no argument and no earlier line."),
    (HEAD + "    u = beta1 * u + g" + END, "unknown", "put it into the first line, behind the *: beta1=0.01"),
    (HEAD + "    u = v\n    v = g" + END, "unknown", "Line 2: v is no argument"),
    ("def r(theta, g, m, v, *, lr=0.1):\n    return theta - lr * g, (m,)", "returns", "return theta, (m, v)"),
    (HEAD + "    return theta - lr * g, (u, g)", "returns", "return theta, (u,)"),
    (HEAD + "    return theta - lr * g, (u)", "returns", "return theta, (u,)"),
    (HEAD + "    return theta - lr * g", "returns", "the new memory u"),
    (HEAD + "    return theta - lr * g, u", "returns", "as a tuple"),
    (HEAD + "    return", "noreturn", "the last line must be return theta, (u,)"),
    (HEAD + "    u = gamma * u + g", "noreturn", "the last line must be return"),
    (HEAD + "    return (theta, g), (u,)", "tuple", "not several with commas"),
    ("def r(theta, g, *, gamma=0.9):\n    return theta - lr * g, ()", "unknown", "behind the *: lr=0.01"),
    ("def r(theta, g, *, lr):\n    return theta - lr * g, ()", "nodefault", "lr needs a value: lr=0.01"),
    ("def r(theta, g, lr=0.1):\n    return theta - lr * g, ()", "default", "hyper-parameters stand behind the *"),
    ("def r(theta, g, *, lr=g):\n    return theta - lr * g, ()", "number", "g is no finite"),
    ("def r(theta, g, *, lr=1e999):\n    return theta - lr * g, ()", "number", "1e999 is no finite"),
    ("def r(theta, g, t, m):\n    return theta, (m,)", "order", "then loss and t: theta, g, m, t"),
    (HEAD + "    u = r(theta, g, u)" + END, "recursion", "r calls itself"),
    (HEAD + "    u = g / np.linalg.norm(g)" + END, "call", "there is no np.linalg.norm() here"),
    (HEAD + "    u = g.sum()" + END, "call", "there is no g.sum() here; there are sqrt, exp"),
    (HEAD + "    u = g.T" + END, "construct", "no g.T here"),
    (HEAD + "    u = sum([x])" + END, "construct", "no [ here"),
    (HEAD + "    u = [x for x in g]" + END, "construct", "no [ here"),
    (HEAD + "    u = {}" + END, "construct", "no { here"),
    (HEAD + "    u = gamma * u ＋ g" + END, "wide", "＋ is a full-width or typographic character: type +"),
    (HEAD + "    u = gamma * u − g" + END, "wide", "type -"),
    (HEAD + "    u = g²" + END, "wide", "type **2"),
    (HEAD + "    return theta - lr * u，(u,)", "wide", "， is a full-width"),
    (HEAD + "    u = g $ u" + END, "syntax", "$ has no place in a rule"),
    (HEAD + "    u = 'abc" + END, "syntax", "' has no place"),
    (HEAD + "    u = 1e999 * g" + END, "number", "1e999"),
    (HEAD + "    u = 0x1f * g" + END, "number", "0x1f"),
    (HEAD + "    u = 1j * g" + END, "number", "1j"),
    (HEAD + "    u = 01 * g" + END, "number", "01"),
    (HEAD + "    u = minimum(g, np.inf)" + END, "construct", "no np.inf here"),
    (HEAD + "    theta -= lr * g" + END, "update", "no -=: write name = name + ..."),
    (HEAD + "    u **= 2" + END, "update", "no **="),
    (HEAD + "    u = (g > 0 and u > 0) * g" + END, "logic", "no and: multiply"),
    (HEAD + "    u = (g > 0 or u > 0) * g" + END, "logic", "no or"),
    (HEAD + "    u = (not g > 0) * g" + END, "logic", "no not"),
    (HEAD + "    u = (0 < g < 1) * g" + END, "chain", "(a < b) * (b < c)"),
    (HEAD + "    u = (g > 0) + (u > 0)" + END, "add", "not joined by +"),
    (HEAD + "    u = sqrt(g > 0)" + END, "truth", "a number is needed here"),
    (HEAD + "    u = -(g > 0)" + END, "truth", "where(a > 0, 1, 0)"),
    (HEAD + "    u = g > 0" + END.replace("(u,)", "(g > 0,)"), "truth", "Line 3"),
    ("r = lambda theta, g, *, lr=0.1: (theta - lr * g, ())", "nodef", "a rule begins with def name(theta, g, ...):"),
    ("class R:\n    pass", "nodef", "a rule begins"),
    ("", "nodef", "a rule begins"),
    ("hello world", "nodef", "a rule begins"),
    ("import os\n" + HEAD + "    u = os.system(g)" + END, "call", "there is no os.system() here"),
    (HEAD + "    import os" + END, "construct", "no import here"),
    (HEAD + "    print(u)" + END, "construct", "no print(u) here"),
    (HEAD + "    pass" + END, "construct", "no pass here"),
    (HEAD + "    global u" + END, "construct", "no global here"),
    (HEAD + "    def f(x):\n        return x" + END, "construct", "no def here"),
    (HEAD + "    u = max(u, g)" + END, "instead", "instead of max() write maximum(a, b)"),
    (HEAD + "    u = np.clip(u, 0, 1)" + END, "instead", "instead of np.clip() write minimum"),
    (HEAD + "    u = pow(g, 2)" + END, "instead", "a**b"),
    (HEAD + "    u = where(g > 0, g)" + END, "count", "where takes 3 value(s), not 2"),
    (HEAD + "    u = sqrt()" + END, "count", "sqrt takes 1 value(s), not 0"),
    (HEAD + "    u = sqrt(x=g)" + END, "count", "sqrt takes 1"),
    (HEAD + "    u = sqrt(g, out=u)" + END, "keys", "sqrt takes by name: –; given: out"),
    (HEAD + "    u = maximum(out=u, g)" + END, "named", "a value without a name"),
    (HEAD + "    u = sqrt(*g)" + END, "construct", "no * here"),
    (HEAD + "    u = sqrt" + END, "construct", "no sqrt here"),
    (HEAD + "    u = (g)(u)" + END, "call", "there is no g() here"),
    (HEAD + "    u = 'abc'" + END, "construct", "no 'abc' here"),
    (HEAD + "    u = True" + END, "construct", "no True here"),
    (HEAD + "    u = lambda x: x" + END, "construct", "no lambda here"),
    (HEAD + "    u = g[0]" + END, "construct", "no [ ] here"),
    (HEAD + "    u, v = g, g" + END, "target", "one plain name stands left of ="),
    (HEAD + "    u = v = g" + END, "target", "one value right of it"),
    (HEAD + "    u = g, g" + END, "target", "one value"),
    (HEAD + "    g[0] = u" + END, "construct", "no [ ] here"),
    (HEAD + "    (u) = g" + END, "target", "one plain name"),
    (HEAD + "    u: float = g" + END, "between", ": cannot follow"),
    (HEAD + "    u = (z := g)" + END, "between", ":= cannot follow"),
    (HEAD + "    u = g; u = u" + END, "construct", "no ; here"),
    (HEAD + "    sqrt = g" + END, "taken", "sqrt is a function here"),
    (HEAD + "    _u = g" + END, "name", "_u cannot be a name"),
    (HEAD + "    constructor = g" + END, "name", "constructor cannot be a name"),
    (HEAD + "    u = constructor(g)" + END, "call", "there is no constructor() here"),
    (HEAD + "    u = toString" + END, "unknown", "toString is no argument"),
    ("def r(theta, g, *, __proto__=1):\n    return theta, ()", "name", "__proto__ cannot be a name"),
    ("def r(theta, g, *, valueOf=1):\n    return theta, ()", "name", "valueOf cannot be a name"),
    ("def r(w, grad, *, lr=0.1):\n    return w - lr * grad, ()", "first", "def r(theta, g, ...)"),
    ("def r(theta):\n    return theta, ()", "first", "a rule begins with theta and g"),
    ("def r(theta, g, *args):\n    return theta, ()", "signature", "no * in the first line"),
    ("def r(theta, g, **kw):\n    return theta, ()", "signature", "no ** in the first line"),
    ("def r(theta, g, /):\n    return theta, ()", "signature", "no / in the first line"),
    ("def r(theta, g, *):\n    return theta, ()", "signature", "no * in the first line"),
    ("def r(theta, g, *,):\n    return theta, ()", "signature", "no * in the first line"),
    ("def r(theta, g, g):\n    return theta, (g,)", "twice", "the argument g stands there twice"),
    ("def r(theta g):\n    return theta, ()", "expected", ", was expected before g"),
    ("def (theta, g):\n    return theta, ()", "expected", "a name was expected before ("),
    ("def r theta, g:\n    return theta, ()", "expected", "( was expected before theta"),
    ("def r(theta, 1):\n    return theta, ()", "expected", "a name was expected before 1"),
    (HEAD + "    u = " + "(" * 1000 + "g" + ")" * 1000 + END, "long", "too long for one step"),
    (HEAD + "    u = g" + " + g" * 700 + END, "long", "too long"),
    (BOMB + "def r(theta, g):\n    return h40(theta), ()", "long", "too long for one step"),
    (HEAD + "    u = g\n" * 600 + END, "long", "too long"),
    (HEAD + "    return theta, (u,)\n    u = g", "after", "nothing comes after return"),
    ("@njit\n" + HEAD + "    u = g" + END, "nodef", "a rule begins"),
    ("async " + HEAD + "    u = g" + END, "nodef", "a rule begins"),
    (HEAD + "    u = yield g" + END, "construct", "no yield here"),
    (HEAD + "    u = await g" + END, "construct", "no await here"),
    (HEAD + "    u = f'{g}'" + END, "construct", "no f'{g}' here"),
    ("def f(x):\n    return f(x)\n" + HEAD + "    u = f(g)" + END, "recursion", "f calls itself"),
    ("def f(x):\n    y = x\n" + HEAD + "    u = f(g)" + END, "noreturn", "the last line must be return ..."),
    ("def f(x, *, k):\n    return k * x\n" + HEAD + "    u = f(g)" + END, "keys", "f takes by name: k; given: –"),
    ("def f(x):\n    return x, x\n" + HEAD + "    u = f(g)" + END, "tuple", "not several with commas"),
]


def spoilt():
    """Each rule of the library with one thing wrong in it."""
    for rule in explorer.RULES:
        source = editor.source_of(rule)
        last = source.rindex("\n") + 1
        yield source[:last] + "    while True:\n        pass\n" + source[last:], "loop"
        yield source[:last] + "    unheard = unheard_of\n" + source[last:], "unknown"
        yield source[: source.rindex("return")] + "returned = theta", "noreturn"


def test_two_hundred_wrong_programs_are_named(page):
    """Each with its sentence in both languages, where it stands, at once; none crashes, none runs."""
    programs = [*WRONG, *((source, code, "") for source, code in spoilt())]
    assert len(programs) > 200
    replies = page([{"source": source} for source, _, _ in programs])
    for (source, code, words), reply in zip(programs, replies, strict=True):
        assert reply.get("code") == code, (source[-300:], reply)
        english, chinese = reply["said"]
        assert words in english, (source[-300:], english)
        assert english.startswith("Line ")
        assert chinese.startswith("第 ")
        assert chinese.endswith("。")
        assert not {"undefined", "null", "NaN", "{0}"} & {*(english + " " + chinese).split()}
    assert max(reply["ms"] for reply in replies) < 1000, "a freeze, not a measure"


def test_what_only_looks_wrong_is_taken(page):
    fine = [
        "def r(theta, g, *, η=0.1):\n    return theta - η * g, ()",
        "def r(theta: float, g: float, *, lr: float = 1e-2) -> tuple:\n    return theta - lr * g, ()",
        '"""A text."""\nimport numpy as np\nfrom numpy import sqrt\n' + HEAD + '    "Text."\n    u = np.sqrt(g)' + END,
        "def r(theta, g, *, lr=0.1):\n\treturn theta - lr * g, ()",
        "def r(theta, g, *, lr=0.1): return theta - lr * g, ()",
        "def r(theta, g,\n      *, lr=.5):  # a comment，\n\n    return (theta\n            - lr * g), ()",
        HEAD + "    new = g  # 新的\n    var = 1_000 * new\n    u = u + var * 1e-3" + END,
        HEAD + "    lr = lr * 2\n    u = where(g, -g**2, (+g))" + END,
        "def r(theta, g, *, lr=-0.5, a=1):\n    return theta + lr * g * a, ()",
        HEAD + "    return (theta, (u,))",
    ]  # fmt: skip
    for source, reply in zip(fine, page([{"source": source} for source in fine]), strict=True):
        compile(source, "rule", "exec")
        assert "code" not in reply, (source, reply)


# --- a second opinion: Python itself ------------------------------------------------------------------

PIECES = [
    " ", "(", ")", ",", "*", "**", "+", "-", "/", "<", ">", "==", "=", "\n", "\n    ", ":", "g", "theta", "t", "1",
    "0.5", "sqrt(", "np.", "if", "for", "else", "not ", "lambda", "[", "]", "{", "'", '"', "#", "@", "~", "//", "%",
    "and", "or", "in", "is", "return ", "def ", "yield ", "$", "`", "\\", ";", "...", "1_0", "0x1f", "1j", "**kw", "*a",
    "None", "True", "é", "，", "!=", "<=", "(g > 0)", "-", "where(",
]  # fmt: skip


def mutated(draw, source):
    """One or two small accidents."""
    for _ in range(draw.choice((1, 2))):
        at, kind = draw.randrange(len(source)), draw.randrange(3)
        if kind == 0:
            source = source[:at] + source[at + draw.randint(1, 3) :]
        elif kind == 1:
            source = source[:at] + draw.choice(PIECES) + source[at:]
        else:
            other = draw.randrange(len(source))
            source = source[:at] + source[other : other + 3] + source[at:]
    return source


def in_python(source):
    """The new point and memory as NumPy computes them; None where Python refuses or fails."""
    space = {"np": np, "numpy": np, **{name: getattr(np, name) for name in UFUNCS}}
    given = {"theta": np.array([0.7]), "g": np.array([0.9]), "loss": np.array([2.0]), "t": 1}
    exec(source, space)
    (*_, name) = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    code = space[name].__code__
    arguments = [given.get(each, np.array([0.3])) for each in code.co_varnames[: code.co_argcount]]
    theta, memory = space[name](*arguments)
    return [float(np.ravel(value)[0]) for value in (theta, *memory)]


def test_python_agrees_with_what_the_page_accepts(page):
    """Thousands of broken rules: what Python cannot parse is refused, what is accepted computes the same in NumPy."""
    draw = random.Random(20261130)
    sources = [editor.source_of(rule) for rule in explorer.RULES]
    programs = [mutated(draw, draw.choice(sources)) for _ in range(4000)]
    jobs = [{"source": s, "theta": [0.7], "stream": [[0.9]], "losses": [2.0], "memory": 0.3} for s in programs]
    accepted = differ = 0
    for source, reply in zip(programs, page(jobs), strict=True):
        if "code" in reply:
            assert reply["code"] in editor.RULE, (source, reply)
            continue
        accepted += 1
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            compile(source, "rule", "exec")  # a SyntaxError fails the test
            try:
                theirs = in_python(source)
            except (ZeroDivisionError, OverflowError, TypeError) as error:
                # Python's own numbers, such as 1 - beta1**t, know no infinity and become complex; the page's do not.
                differ += 1
                if not any(word in str(error) for word in ("division", "complex", "too large")):
                    raise AssertionError(source) from error
                continue
        if not np.allclose(numbers(reply["path"][0]), theirs, rtol=1e-12, atol=1e-15, equal_nan=True):
            raise AssertionError(f"{source}\n{reply['path']} is {theirs} in NumPy")
    assert accepted > 150
    assert differ < 0.02 * accepted
