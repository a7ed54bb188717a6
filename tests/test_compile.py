"""Compiled rules give NumPy's numbers to the last bit, on every rule."""

import os
import subprocess
import sys

import numpy as np
import pytest

from optlib import NotFinite, Optimizer, compile, rules, schedules
from optlib.compile import CannotCompile

pytest.importorskip("numba", reason="the compiled engine needs Numba: pip install 'downhill-course[fast]'")

ELEMENTWISE = [rule for rule in rules.TABLE.values() if rule not in rules.WHOLE]
WITHOUT_LOSS = [rule for rule in ELEMENTWISE if rule is not rules.irprop_plus]
#: What these call, each in its own way, all others call: float32 of the same sources is a sample's matter.
SAMPLE = {
    rules.sgd, rules.nesterov_1983, rules.local_gains, rules.rprop_plus, rules.adagrad_sigma, rules.adam, rules.adamax,
    rules.nadam, rules.amsgrad,
}  # fmt: skip
TYPED = [
    pytest.param(rule, dtype, marks=pytest.mark.slow if dtype is np.float32 and rule not in SAMPLE else ())
    for dtype in (np.float64, np.float32)
    for rule in WITHOUT_LOSS
]


@pytest.fixture(scope="module", autouse=True)
def own_cache(pytestconfig):
    """Compiled code of the tests, apart from the user's. It is kept: what a rule's source says, names its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTLIB_CACHE", str(pytestconfig.cache.mkdir("compiled")))
        patch.setattr(compile.native, "_MODULES", {})
        yield


@pytest.mark.parametrize(("rule", "dtype"), TYPED, ids=lambda value: value.__name__)
def test_kernel_is_numpy_to_the_last_bit(rule, dtype):
    rng = np.random.default_rng(0)
    optimizer = Optimizer(rule)
    theta = rng.standard_normal(403).astype(dtype)
    state = optimizer.init(theta)
    ours, mine = theta.copy(), {name: array.copy() for name, array in state.items()}
    step = compile.kernel(optimizer, dtype=dtype)
    for _ in range(4):
        g = rng.standard_normal(403).astype(dtype)
        g[:100] = 0
        theta, state = optimizer.tell(theta, g, state)
        step(ours, g, mine)
    assert theta.dtype == dtype
    np.testing.assert_array_equal(ours, theta)
    assert mine.keys() == state.keys()
    for name in state:
        np.testing.assert_array_equal(mine[name], state[name], err_msg=name)


def test_kernel_with_a_schedule():
    optimizer = Optimizer(rules.adam, lr=schedules.warm_up(schedules.cosine(0.1, 10), 3))
    ours, g = np.ones(100), np.linspace(-1, 1, 100)
    theta, state, mine = ours.copy(), optimizer.init(ours), optimizer.init(ours)
    for _ in range(5):
        compile.kernel(optimizer)(ours, g, mine)
        theta, state = optimizer.tell(theta, g, state)
    np.testing.assert_array_equal(ours, theta)
    assert int(mine["t"]) == 5


def test_a_schedule_out_of_range_is_named_with_its_step():
    theta = np.ones(2)
    for lr in (lambda t: 0.25 - 0.1 * t, schedules.polynomial(0.25, 6, end=-0.35)):
        optimizer = Optimizer(rules.sgd, lr=lr)
        state = optimizer.init(theta) | {"t": np.asarray(3)}
        with pytest.raises(ValueError, match=r"lr=-0\.0\d+ at t=3 is out of range"):
            compile.kernel(optimizer)(theta, theta, state)


def test_kernel_refuses_what_does_not_fit():
    optimizer = Optimizer(rules.sgd)
    step = compile.kernel(optimizer)
    state = optimizer.init(np.zeros(4))
    theta = np.ones(4)
    with pytest.raises(ValueError, match="g is a float32 array"):
        step(theta, np.ones(4, np.float32), state)
    with pytest.raises(ValueError, match=r"g is a float64 array of shape \(3,\)"):
        step(theta, np.ones(3), state)
    with pytest.raises(ValueError, match=r"g is \[1\.0, 1\.0\]; this kernel needs"):
        step(theta, [1.0, 1.0], state)
    with pytest.raises(NotFinite, match="the gradient is not finite at step 1"):
        step(theta, np.array([1.0, 1.0, np.inf, 1.0]), state)
    with pytest.raises(ValueError, match="this state belongs to momentum"):
        step(theta, np.ones(4), Optimizer(rules.momentum).init(theta))
    with pytest.raises(ValueError, match="theta is not contiguous, or may not be written to"):
        step(np.ones(8)[::2], np.ones(4), state)
    np.testing.assert_array_equal(theta, 1.0)
    assert int(state["t"]) == 0
    with pytest.raises(CannotCompile, match="lr is an array"):
        compile.kernel(Optimizer(rules.sgd, lr=np.ones(4)))
    with pytest.raises(TypeError, match="float64 and float32"):
        compile.kernel(optimizer, dtype=np.int64)
    with pytest.raises(CannotCompile, match="sees whole vectors"):
        compile.kernel(Optimizer(rules.adagrad_full))
    with pytest.raises(CannotCompile, match="irprop_plus compares losses"):
        compile.kernel(Optimizer(rules.irprop_plus))


def _halved(x):
    return x / 2


SHARE = 0.25


def _own(theta, g, *, lr=0.1):
    theta = theta - lr * _halved(g) - SHARE
    return theta, ()


def test_a_rule_of_the_users_own_with_a_helper_and_a_constant(monkeypatch):
    """And when a notebook's cell defines the helper again, the kernel follows."""

    def step():
        theta = np.ones(2)
        compile.kernel(Optimizer(_own))(theta, np.ones(2), Optimizer(_own).init(theta))
        return theta.tolist()

    assert step() == [0.7, 0.7]

    def _halved(x):
        return x / 4

    monkeypatch.setitem(globals(), "_halved", _halved)
    assert step() == [1 - 0.1 * 0.25 - 0.25] * 2


def test_a_lambda_is_refused():
    with pytest.raises(CannotCompile, match="write it with def"):
        compile.kernel(Optimizer(lambda theta, g: (theta - g, ())))


def _loops(theta, g, *, lr=0.1):
    while lr > 1:
        lr = lr / 2
    return theta - lr * g, ()


def _calls(theta, g, *, lr=0.1):
    theta = theta - lr * np.tan(g)
    return theta, ()


@pytest.mark.parametrize(("rule", "named"), [(_loops, "while lr > 1"), (_calls, "np.tan")])
def test_what_cannot_be_compiled_is_named_with_its_place(rule, named):
    for attempt in (lambda: compile.javascript(rule), lambda: compile.kernel(Optimizer(rule))):
        with pytest.raises(CannotCompile, match=f"{rule.__name__}, line 2.*{named}"):
            attempt()


def test_machine_code_is_kept_between_processes(tmp_path):
    """The second process finds both the source and Numba's own cache, and adds nothing."""
    program = """if True:
        import numpy as np
        from optlib import Optimizer, compile, rules
        for rule in (rules.adagrad, rules.adam):
            theta = np.ones(9)
            compile.kernel(Optimizer(rule))(theta, theta.copy(), Optimizer(rule).init(theta))
            print(theta)
    """

    def run():
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"OPTLIB_CACHE": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, {p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*") if p.suffix in (".py", ".nbc")}

    first, files = run()
    again, same = run()
    assert first == again
    assert any(name.endswith(".nbc") for name in files)
    assert files == same


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_after_threads_goes_on():
    program = """if True:
        import os
        import numpy as np
        from optlib import Optimizer, compile, data, parallel, rules
        def work():
            theta, adam = np.ones(9), Optimizer(rules.adam)
            compile.kernel(adam)(theta, theta.copy(), adam.init(theta))
            parallel.hogwild(data.SparseRows.from_dense(np.eye(3)), [0, 1, 0], threads=2, epochs=1)
        work()
        child = os.fork()
        if not child:
            work()
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_without_numba_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(compile.native, "available", lambda: False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'downhill-course\[fast\]', or use tell"):
        compile.kernel(Optimizer(rules.sgd))


def test_without_a_home_the_temporary_folder_keeps_the_code(monkeypatch, tmp_path):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compile.native, "cache_folder", homeless)
    monkeypatch.setattr(compile.native.tempfile, "gettempdir", lambda: str(tmp_path))
    path = compile.native._kept("a.py", "x = 1\n")
    assert path.read_text(encoding="utf-8") == "x = 1\n"
    assert path.parent.parent == tmp_path


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_a_strangers_folder_is_not_trusted(monkeypatch, tmp_path):
    monkeypatch.setattr(compile.native, "cache_folder", lambda: tmp_path / "file" / "below")
    (tmp_path / "file").touch()
    monkeypatch.setattr(compile.native.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"optlib-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="set OPTLIB_CACHE"):
        compile.native._kept("a.py", "x = 1\n")
