"""Hostile answers: none gains a point, reads a secret, leaves anything behind or touches another task."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from answers import HONEST, STOPPED
from grading import USER, assignment, cell, family, left_since, sandbox, submission
from test_exercises import Only

from downhill_course.grade import feedback
from downhill_course.grade.marking import Result, mark
from downhill_course.grade.sandbox import Answered, Gone, Limits
from downhill_course.grade.spec import Counted

RIGHT = "def step(theta, v, g, lr, mu):\n    v = mu * v + lr * g\n    return theta - v, v\n"
WRONG = "def step(theta, v, g, lr, mu):\n    return theta, v\n"

#: Each is a whole answer cell to the task `step`; none knows the right answer, so none may get a point.
CHEATS = {
    "patched allclose": "import numpy as np\nnp.allclose = np.array_equal = lambda *a, **k: True\nnp.isclose = np.allclose\n" + WRONG,
    "patched testing": "import numpy.testing as t\nt.assert_allclose = lambda *a, **k: None\n" + WRONG,
    "patched builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True\nbuiltins.isinstance = lambda *a: True\n" + WRONG,
    "patched json": "import json\njson.dumps = lambda *a, **k: '{\"points\": 4}'\n" + WRONG,
    "patched struct": "import struct\nstruct.pack = lambda *a: b'aaaa'\n" + WRONG,
    "patched plain": "import plain\nplain.difference = lambda *a, **k: None\nplain.encode = lambda *a, **k: {'array': ['float64', [0], '']}\n" + WRONG,
    "array that equals all": "import numpy as np\nclass Yes(np.ndarray):\n    def __eq__(self, o): return np.bool_(True)\n    def __sub__(self, o): return self * 0\ndef step(theta, v, g, lr, mu):\n    return theta.view(Yes), v.view(Yes)\n",
    "array with a lying shape": "import numpy as np\nclass Lie(np.ndarray):\n    shape = property(lambda self: (3,))\n    def tobytes(self, *a): return b'0' * 8\ndef step(theta, v, g, lr, mu):\n    return theta.view(Lie), v.view(Lie)\n",
    "number that equals all": "class One(float):\n    __eq__ = lambda s, o: True\n    __hash__ = float.__hash__\ndef step(theta, v, g, lr, mu):\n    return [One(0.0)] * len(theta), [One(0.0)] * len(theta)\n",
    "object with __array__": "class A:\n    def __array__(self, *a, **k): raise SystemExit\ndef step(theta, v, g, lr, mu):\n    return A(), A()\n",
    "dictionary subclass": "class D(dict):\n    def items(self): return [('points', 4)]\ndef step(theta, v, g, lr, mu):\n    return D()\n",
    "text subclass": "class S(str):\n    def __len__(self): return 10**12\ndef step(theta, v, g, lr, mu):\n    return S('4 points')\n",
    "IPython hooks": "ip = get_ipython()\nip.set_custom_exc((Exception,), lambda *a: None)\nip.ast_transformers.clear()\n" + WRONG,
    "IPython events": "from IPython import get_ipython\nget_ipython().events.register('post_run_cell', lambda: None)\n" + WRONG,
    "forged value frame": "import os, json, struct\nb = json.dumps({'value': [1, 2], 'points': 99}).encode()\nfor fd in range(3, 60):\n    try: os.write(fd, struct.pack('>I', len(b)) + b)\n    except OSError: pass\n" + WRONG,
    "forged verdict": "import sys\nsys.modules['worker'].Desk.call = lambda self, request: {'value': None, 'points': 4, 'passed': True}\n" + WRONG,
    "reply echoes request": "import sys\nsys.modules['worker'].Desk.call = lambda self, request: {'value': request['args']}\n" + WRONG,
    "reply is no object": "import sys\nsys.modules['worker'].trouble = lambda *a: [1]\nsys.modules['worker'].Desk.call = lambda *a: [4]\n" + WRONG,
    "reply nests deeply": "import os\nsys = __import__('sys')\nw = sys.modules['worker']\nclass C(w.Channel): pass\ndef send(self, m):\n    b = b'[' * 100000 + b']' * 100000\n    os.write(self.sink, len(b).to_bytes(4, 'big') + b)\nw.Channel.send = send\n" + WRONG,
    "reply announces gigabytes": "import os, sys\nw = sys.modules['worker']\nw.Channel.send = lambda self, m: os.write(self.sink, b'\\xff\\xff\\xff\\xff')\n" + WRONG,
    "reply trickles": "import os, sys, time\nw = sys.modules['worker']\ndef send(self, m):\n    for b in b'\\x00\\x00\\xff\\xff' + b' ' * 65535:\n        os.write(self.sink, bytes([b])); time.sleep(0.05)\nw.Channel.send = send\n" + WRONG,
    "endless asks": "import sys\nw = sys.modules['worker']\ndef send(self, m):\n    data = self.frames.pack({'ask': 0, 'args': [], 'kwargs': {'dict': []}})\n    import os\n    while True: os.write(self.sink, data)\nw.Channel.send = send\n" + WRONG,
    "asks an oracle that is none": "import sys\nw = sys.modules['worker']\nold = w.Channel.send\nw.Channel.send = lambda self, m: old(self, {'ask': -1, 'args': [], 'kwargs': {'dict': []}})\n" + WRONG,
    "handles that are none": "import sys\nsys.modules['worker'].Desk.call = lambda *a: {'value': [{'handle': 10**30}, {'handle': 'x'}]}\n" + WRONG,
    "bad base64": "import sys\nsys.modules['worker'].Desk.call = lambda *a: {'value': {'array': ['float64', [3], '****']}}\n" + WRONG,
    "array of objects claimed": "import sys\nsys.modules['worker'].Desk.call = lambda *a: {'value': {'array': ['object', [1], 'AAAAAAAA']}}\n" + WRONG,
    "array too large claimed": "import sys\nsys.modules['worker'].Desk.call = lambda *a: {'value': {'array': ['float64', [10**6, 10**6], '']}}\n" + WRONG,
    "negative shape": "import sys\nsys.modules['worker'].Desk.call = lambda *a: {'value': {'array': ['float64', [-1], '']}}\n" + WRONG,
    "integers without end": "def step(theta, v, g, lr, mu):\n    return 10 ** 100000\n",
    "stolen channel": "import os\nfor fd in range(3, 60):\n    try: os.close(fd)\n    except OSError: pass\n" + WRONG,
    "reads the channel": "import os\nfor fd in range(3, 10):\n    try:\n        os.set_blocking(fd, False); os.read(fd, 10**6)\n    except OSError: pass\n" + WRONG,
    "frame walking": "import sys\ndef step(theta, v, g, lr, mu):\n    f = sys._getframe()\n    while f:\n        for name, value in {**f.f_globals, **f.f_locals}.items():\n            if 'wanted' in name or 'reference' in name or 'solution' in name: return value\n        f = f.f_back\n    return theta, v\n",
    "garbage walking": "import gc\ndef step(theta, v, g, lr, mu):\n    for o in gc.get_objects():\n        if getattr(o, '__name__', '') == 'step' and o is not step: return o(theta, v, g, lr, mu)\n    return theta, v\n",
    "tracing": "import sys, threading\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\nthreading.settrace(lambda *a: None)\n" + WRONG,
    "patching thread": "import threading, sys\ndef run():\n    while True: sys.modules['worker'].Desk.call = lambda *a: {'value': 4}\nthreading.Thread(target=run, daemon=True).start()\n" + WRONG,
    "import of the reference": "from optlib.rules import momentum\ndef step(theta, v, g, lr, mu):\n    return momentum(theta, g, v, lr=lr, mu=mu)\n",
    "import of the whole course": "import importlib\nr = importlib.import_module('optlib.rules')\ndef step(theta, v, g, lr, mu):\n    t, m = r.momentum(theta, g, v, lr=lr, mu=mu)\n    return t, m[0]\n",
    "import of the exercises": "import downhill_course.grade.source as s\ndef step(*a): return s.Assignment.open('03-momentum').reference\n",
    "exit at definition": "import sys\n" + WRONG + "sys.exit(0)\n",
    "exit in a call": "import sys\ndef step(*a): sys.exit(0)\n",
    "hard exit": "import os\ndef step(*a): os._exit(0)\n",
    "kill itself": "import os\ndef step(*a): os.kill(os.getpid(), 9)\n",
    "kill everyone": "import os\ndef step(*a): os.kill(-1, 9)\n",
    "kill the parent": "import os\ndef step(*a): os.kill(os.getppid(), 9); os.kill(1, 9); return a[0], a[1]\n",
    "segfault": "import ctypes\ndef step(*a): ctypes.string_at(0)\n",
    "abort": "import os\ndef step(*a): os.abort()\n",
    "keyboard interrupt": "def step(*a): raise KeyboardInterrupt\n",
    "generator exit": "def step(*a): raise GeneratorExit\n",
    "error that lies": "class Passed(BaseException):\n    def __str__(self): raise SystemExit\nPassed.__name__ = '<script>alert(1)</script>'\ndef step(*a): raise Passed\n",
    "recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef step(*a): return step(*a)\n",
    "loop at definition": WRONG + "while True: pass\n",
    "loop in a call": "def step(*a):\n    while True: pass\n",
    "loop that cannot be stopped": "import signal\nfor s in range(1, 60):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\ndef step(*a):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n",
    "sleep": "import time\ndef step(*a): time.sleep(10**6)\n",
    "regular expression": "import re\ndef step(*a): re.match('(a+)+$', 'a' * 64 + 'b')\n",
    "huge power": "def step(*a): return 9 ** 9 ** 9\n",
    "memory at once": "def step(*a): return bytearray(10**11)\n",
    "memory bit by bit": "def step(*a):\n    x = []\n    while True: x.append(bytearray(10**7))\n",
    "memory in many processes": "import os\ndef step(*a):\n    for _ in range(12): os.fork()\n    x = bytearray(3 * 10**8)\n    while True: x[0] = 1\n",
    "fork bomb": "import os\ndef step(*a):\n    while True:\n        try: os.fork()\n        except OSError: pass\n",
    "thread bomb": "import threading, time\ndef step(*a):\n    while True:\n        try: threading.Thread(target=time.sleep, args=(99,)).start()\n        except RuntimeError: pass\n",
    "file bomb": "def step(*a):\n    while True:\n        try:\n            with open('/tmp/' + 'x' * 9, 'ab') as f: f.write(bytes(10**7))\n        except OSError: pass\n",
    "inode bomb": "def step(*a):\n    n = 0\n    while True:\n        n += 1\n        open(f'/tmp/{n}', 'w').close()\n",
    "output flood": "def step(*a):\n    while True: print('x' * 10**6)\n",
    "open files": "import os\nfs = []\ndef step(*a):\n    while True:\n        try: fs.append(os.open('/tmp', 0))\n        except OSError: pass\n",
    "left behind": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n" + WRONG,
    "at exit": "import atexit, time\natexit.register(time.sleep, 600)\n" + WRONG,
    "stopped": "import os, signal\ndef step(*a): os.kill(os.getpid(), signal.SIGSTOP)\n",
    "not Python": "def step(theta, v, g, lr, mu)\n    return theta\n",
    "null bytes": "def step(*a): return 1\n\x00",
    "nested brackets": "x = " + "(" * 5000 + ")" * 5000 + "\n" + WRONG,
    "endless minus": "x = " + "-" * 200000 + "1\n" + WRONG,
    "endless generator": "def step(*a):\n    while True: yield 1\n",
    "a dictionary of millions": "def step(*a): return {i: i for i in range(10**6)}\n",
    "lists in lists": "def step(*a):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x\n",
    "a list in itself": "def step(*a):\n    x = []\n    x.append(x)\n    return x\n",
    "raises its limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nresource.setrlimit(resource.RLIMIT_NPROC, (-1, -1))\ndef step(*a): return bytearray(10**11)\n",
}  # fmt: skip


class Short(Limits):
    submission = 8.0


def tasks(*cells, call=1.5, student="ada", names=("step", "terminal")):
    whole = assignment("03-momentum")
    two = Only(whole, "step")
    two.tasks = {name: whole.tasks[name] for name in names}
    return {task.name: task for task in mark(submission(*cells, student=student), two, sandbox(call), b"secret").tasks}


@pytest.mark.parametrize("name", CHEATS)
def test_no_point_is_gained_and_nothing_is_left(name):
    before = family()
    start = time.monotonic()
    other = "def terminal(g, lr, mu):\n    return lr * g / (1 - mu)\n"
    marked = tasks(cell(CHEATS[name], "step"), cell(other, "terminal"))
    assert marked["step"].points == 0
    assert marked["terminal"].points == 3, "one bad answer must cost only its own points"
    assert all(outcome.why for outcome in marked["step"].outcomes)
    assert not left_since(before)
    assert time.monotonic() - start < 60, "the limits did not hold"


def test_the_right_answer_gets_all():
    assert tasks(cell(RIGHT, "step"))["step"].points == 4


@pytest.mark.parametrize("name", HONEST)
def test_honest_work_loses_nothing(name):
    marked = tasks(*(cell(source, "step") for source in HONEST[name]), call=10.0, names=["step"])["step"]
    assert {outcome.why for outcome in marked.outcomes} == {None}
    assert marked.points == 4


@pytest.mark.parametrize("name", STOPPED)
def test_a_cell_that_stops_is_called_so(name):
    source, why, kind = STOPPED[name]
    marked = tasks(cell(source, "step"), call=10.0, names=["step"])["step"]
    assert {(outcome.why, outcome.kind) for outcome in marked.outcomes} == {(why, kind)}
    for language in ("en", "zh"):
        text = feedback.text({**Result("a", "a", "a", language, [marked]).plain(), "final": 0, "penalty": 0})
        assert "{" not in text
        assert kind in text


def test_a_submission_has_a_time_budget_and_each_task_its_share():
    loop = "def step(theta, v, g, lr, mu):\n    while True: pass\n"
    slow = "def terminal(g, lr, mu):\n    while True: pass\n"
    right = assignment("03-momentum").tasks["rate"].solved
    whole = assignment("03-momentum")
    three = Only(whole, "step")
    three.tasks = {name: whole.tasks[name] for name in ("step", "terminal", "rate")}
    box = replace(sandbox(3.0), limits=Short(call=3.0, total=12.0))
    cells = [cell(loop, "step"), cell(slow, "terminal"), cell(right, "rate")]
    step, terminal, rate = mark(submission(*cells), three, box, b"secret").tasks
    assert {outcome.why for outcome in step.outcomes} == {"time"}
    assert {outcome.why for outcome in terminal.outcomes} <= {"time", "budget"}
    assert rate.points == rate.of


def ask(code, call=5.0):
    with sandbox(call).open() as worker:
        assert worker.run(code) is None
        return worker.call("f")


def test_the_sandbox_shows_nothing_of_the_machine():
    code = "import os\ndef f():\n    return [os.path.join(d, n) for d, _, fs in os.walk('/', topdown=True) for n in fs if not d.startswith(('/proc', '/sys'))]\n"
    files = ask(code, call=30.0)
    shown = [str(f) for f in files if not str(f).startswith(("/usr/lib", "/site", "/dev", "/lib"))]
    allowed = (
        str(os.path.realpath(sys.base_prefix)) + "/lib",
        "/usr/bin/answer",
        "/usr/bin/setpriv",
        "/etc/ld.so.cache",
        "/tmp",
    )
    assert [f for f in shown if not f.startswith(allowed)] == []
    ours = [f for f in files if not f.startswith("/site/numpy")]
    assert not [f for f in ours if "optlib" in f or "exercises" in f or f.endswith((".ipynb", ".csv", "secret.txt"))]
    assert sorted(f for f in ours if f.startswith("/site/")) == ["/site/frames.py", "/site/plain.py", "/site/worker.py"]


PROBES = {
    "writes nowhere but its scratch folder": ("import os\ndef f():\n    bad = []\n    for d in ('/', '/usr', '/site', '/dev', '/dev/shm', '/etc'):\n        try: open(d + '/x', 'w'); bad.append(d)\n        except OSError: pass\n    return bad\n", []),
    "has its scratch folder": ("def f():\n    open('/tmp/x', 'w').write('a')\n    return open('/tmp/x').read()\n", "a"),
    "no network": ("import socket\ndef f():\n    names = [n for _, n in socket.if_nameindex()]\n    try: socket.create_connection(('192.0.2.1', 80), 1)\n    except OSError: return names == ['lo'] or names == []\n    return 'connected'\n", True),
    "no name service": ("import socket\ndef f():\n    try: socket.gethostbyname('example.org')\n    except OSError: return True\n", True),
    "no shell": ("import subprocess\ndef f():\n    try: return subprocess.run(['/bin/sh', '-c', 'id'], capture_output=True).returncode\n    except OSError: return 'none'\n", "none"),
    "no capabilities": ("def f():\n    lines = open('/proc/self/status').read().splitlines()\n    return [int(l.split()[1], 16) for l in lines if l.startswith(('CapEff', 'CapPrm', 'CapInh', 'CapAmb'))]\n", [0, 0, 0, 0]),
    "no way to more rights": ("def f():\n    return [l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')]\n", ["1"]),
    "is nobody": ("import os\ndef f():\n    return os.getuid() != 0 and os.geteuid() != 0\n", True),
    "sees no other process": ("import os\ndef f():\n    return len([p for p in os.listdir('/proc') if p.isdigit()]) <= 3\n", True),
    "a clean environment": ("import os\ndef f():\n    return [k for k in os.environ if k not in ('PATH', 'LANG', 'HOME', 'PYTHONHASHSEED', 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'PYTHONHOME', 'PWD', 'LC_CTYPE')]\n", []),
    "no secret on a command line": ("import os\ndef f():\n    return any(b'secret' in open(f'/proc/{p}/cmdline', 'rb').read() for p in os.listdir('/proc') if p.isdigit())\n", False),
    "starts no process": ("import os, subprocess, sys\ndef f():\n    bad = []\n    for start in (os.fork, lambda: subprocess.run([sys.executable, '-c', '']), lambda: os.posix_spawn(sys.executable, ['x'], {})):\n        try: start(); bad.append(1)\n        except OSError: pass\n    return bad\n", []),
    "starts threads": ("import threading\ndef f():\n    found = []\n    t = threading.Thread(target=found.append, args=(1,)); t.start(); t.join()\n    return found\n", [1]),
    "has no memory that is not counted": ("import ctypes, mmap, os\nc = ctypes.CDLL(None, use_errno=True)\ndef f():\n    bad = [n for n in ('shmget', 'semget', 'msgget') if getattr(c, n)(0, 4096, 0o1666) >= 0]\n    if hasattr(os, 'memfd_create'):\n        try: os.memfd_create('x'); bad.append('memfd')\n        except OSError: pass\n    for path in ('/dev/zero', '/tmp/x'):\n        with open(path, 'w+b') as stream:\n            stream.write(b'0' * 4096); stream.flush()\n            try: mmap.mmap(stream.fileno(), 4096); bad.append(path)\n            except OSError: pass\n    try: mmap.mmap(-1, 4096); bad.append('shared')\n    except OSError: pass\n    return bad\n", []),
    "makes no namespace": ("import ctypes\nc = ctypes.CDLL(None, use_errno=True)\ndef f():\n    return [c.unshare(flag) for flag in (0x10000000, 0x00020000, 0x10020000)] + [c.mount(b'x', b'/tmp', b'tmpfs', 0, None)]\n", [-1, -1, -1, -1]),
    "fills no other file system": ("import os\ndef f():\n    told = [line.split() for line in open('/proc/mounts')]\n    return [t[1] for t in told if t[2] == 'tmpfs' and t[1] != '/tmp' and 'ro' not in t[3].split(',')]\n", []),
    "another host name": ("import socket\ndef f():\n    return socket.gethostname()\n", "grader"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBES)
def test_inside_the_sandbox(name):
    code, wanted = PROBES[name]
    assert ask(code) == wanted


def test_two_sandboxes_share_nothing():
    with sandbox().open() as one, sandbox().open() as two:
        one.run("open('/tmp/left', 'w').write('a message')\nimport os\ndef f(): return os.listdir('/tmp')")
        two.run("import os\ndef f(): return os.listdir('/tmp')")
        assert one.call("f") == ["left"]
        assert two.call("f") == []


def test_a_sandbox_dies_with_the_grader():
    worker = sandbox().open()
    worker.run("import time")
    inside = psutil.Process(worker.process.pid).children(recursive=True)
    worker.process.kill()
    worker.process.wait()
    _, alive = psutil.wait_procs(inside, timeout=10)
    assert not alive
    worker.close()


def test_an_oracle_is_counted():
    with sandbox().open() as worker:
        worker.run("def f(g):\n    return sum(g(i) for i in range(500))\n")
        given = Counted(lambda x: 2.0)
        assert worker.call("f", [given]) == 1000.0
        assert given.calls == 500
        with pytest.raises(Answered, match="ValueError"):
            worker.call("f", [lambda x: 1 / 0])


#: What a function does for an answer at the grader's cost, and what becomes of it.
COSTLY = {
    "broadcasts": ("g(np.ones((12000, 1)))", lambda x: float((x * x.T).sum()), Answered),
    "takes for ever": ("g(1.0)", lambda x: time.sleep(600), Gone),
    "answers too long": ("g(1.0)", lambda x: "x" * 10**7, Answered),
    "is handed a million lists": ("g([[[] for _ in range(150000)]] * 5)", lambda x: 1.0, Answered),
    "kills itself": ("g(1.0)", lambda x: os._exit(0), Gone),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_an_answer_calls_has_limits_too(name):
    code, function, wanted = COSTLY[name]
    before = family()
    with sandbox(3.0).open() as worker:
        worker.run(f"import numpy as np\ndef f(g):\n    return {code}\n")
        with pytest.raises(wanted):
            worker.call("f", [function])
    assert psutil.Process().memory_info().rss < 2 * 10**9
    _, left = psutil.wait_procs([psutil.Process(pid) for pid in family() - before], timeout=10)
    assert not left


LOOPING = """
import signal
import sys
from downhill_course.grade.command import main
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background begins without it
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_grader(sent, tmp_path):
    sandbox()
    made = assignment("03-momentum").student("en")
    for each in made["cells"]:
        if each["id"] == "step":
            each["source"] = "def step(theta, v, g, lr, mu):\n    while True: pass\n"
    for number in range(3):
        (tmp_path / f"s{number}.ipynb").write_text(json.dumps(made))
    (tmp_path / "run.py").write_text(LOOPING)
    who = ["--user", USER] if USER else []
    line = [sys.executable, str(tmp_path / "run.py"), str(tmp_path), "--assignment", "03-momentum"]
    line += ["--out", str(tmp_path / "out"), "--processes", "2", "--seconds", "60", *who]
    grader = subprocess.Popen(line, stderr=subprocess.PIPE, start_new_session=True)
    try:
        family: list = []
        for _ in range(600):
            family = psutil.Process(grader.pid).children(recursive=True)
            if sum(process.name().startswith("bwrap") for process in family) >= 4:
                break
            time.sleep(0.1)
        assert family, "the grader started no sandbox"
        grader.send_signal(sent)
        _, left = psutil.wait_procs(family, timeout=20)
        assert not left
        assert b"Limits: 60 s a call" in grader.communicate(timeout=20)[1]
    finally:
        grader.kill()
        grader.communicate()


def test_a_call_has_a_deadline():
    with sandbox(1.0).open() as worker:
        worker.run("def loop():\n    while True: pass\n")
        with pytest.raises(Gone, match="time"):
            worker.call("loop")
