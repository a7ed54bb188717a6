# ruff: noqa: E501
"""Answers that the tests of exercises and grader hand in: wrong ones, honest ones; each is a whole cell."""

#: Wrong answers, and what `check` says to them: of a condition that the text states, or of a slip.
SAID = {
    "ignores the velocity": ("03-momentum", "step", "def step(theta, v, g, lr, mu):\n    return theta - lr * g, lr * g", "already moving: step("),
    "changes what it was given": ("03-momentum", "step", "def step(theta, v, g, lr, mu):\n    v *= mu\n    v += lr * g\n    theta -= v\n    return theta, v", "unchanged: step("),
    "two gradients a step": ("03-momentum", "nesterov", "def nesterov(grad, theta, lr, mu, steps):\n    theta, v = np.array(theta, float), np.zeros(len(theta))\n    path = [theta]\n    for _ in range(steps):\n        grad(theta)\n        v = mu * v + lr * grad(theta - mu * v)\n        theta = theta - v\n        path.append(theta)\n    return np.array(path)", "valley was called another number of times"),
    "nothing at test time": ("09-data-and-model", "dropout", "def dropout(x, mask, p, training):\n    return x * mask / (1 - p)", "testing: dropout("),
    "later of equals": ("09-data-and-model", "hardest", "def hardest(losses, keep):\n    w = np.zeros(len(losses))\n    w[np.argsort(losses, kind='stable')[::-1][:keep]] = 1 / keep\n    return w", "equal losses: hardest("),
    "equal is better": ("09-data-and-model", "stopped", "def stopped(losses, patience):\n    best = 0\n    for epoch, loss in enumerate(losses):\n        if loss <= losses[best]:\n            best = epoch\n        if epoch - best >= patience:\n            return best, epoch + 1\n    return best, len(losses)", "level from the start: stopped("),
    "never resets": ("09-data-and-model", "stopped", "def stopped(losses, patience):\n    best = waits = 0\n    for epoch, loss in enumerate(losses):\n        if loss < losses[best]:\n            best = epoch\n        elif epoch:\n            waits += 1\n        if waits >= patience:\n            return best, epoch + 1\n    return best, len(losses)", "bumpy curve: stopped("),
    "no return": ("03-momentum", "terminal", "def terminal(g, lr, mu):\n    print(lr * g / (1 - mu))", "is there a `return`, or does it only print?"),
    "complex": ("03-momentum", "rate", "def rate(lam, lr, mu):\n    return np.linalg.eigvals(np.array([[1 - lr * lam, -mu], [lr * lam, mu]]))[0]", "gave complex numbers"),
    "a list taken for an array": ("03-momentum", "nesterov", "def nesterov(grad, theta, lr, mu, steps):\n    theta = list(theta)\n    v = 0 * theta\n    return grad(theta) - v", "in line 4"),
    "a list": ("03-momentum", "terminal", "def terminal(g, lr, mu):\n    return [lr * g / (1 - mu)]", "came: list ["),
    "no end": ("03-momentum", "terminal", "def terminal(g, lr, mu):\n    while True:\n        try: g = g\n        except Exception: pass", "does its loop end?"),
    "raises": ("03-momentum", "terminal", "def terminal(g, lr, mu):\n    x = 1\n    return x / 0", "raised ZeroDivisionError in line 3"),
}  # fmt: skip

TOP = "import numpy as np\nimport pandas as pd\nimport scipy.special as sp, torch\nimport torch.nn.functional as F\nimport seaborn as sns\nimport matplotlib.pyplot as plt\nimport matplotlib.animation as animation\nfrom mpl_toolkits.mplot3d import Axes3D\nfrom google.colab import drive\nfrom tqdm.auto import tqdm, trange\nfrom optlib import surfaces, view\nimport optlib.rules as rules\nplt.rcParams['figure.figsize'] = (4, 3)\nplt.rcParams.update({'font.size': 9})\nsns.set_theme(style='dark')\nfig, ax = plt.subplots()\nax.plot([1], [2])[0].set_color('red')\ndrive.mount('/content')\ntorch.manual_seed(0)\npd.set_option('display.width', 100)\n"
STEP = "def step(theta, v, g, lr, mu):\n    v = mu * v + lr * g\n    return theta - v, v\n"
#: Right answers to `step` among what honest notebooks hold; none may lose a point.
HONEST = {
    "imports and settings": [TOP + STEP],
    "magics": ["%matplotlib inline\n!pip install \\\n    numpy\nfiles = !ls\nwhere = %pwd\n%time x = 1\nfor _ in range(2):\n    !echo hello\n" + STEP + "step?\n"],
    "a timed cell": ["%%time\n" + STEP],
    "display and input": ["from IPython.display import Markdown\ndisplay(Markdown('hello'))\nget_ipython().run_line_magic('matplotlib', 'inline')\nn = int(input('how many? '))\n" + STEP + "display(n)\n"],
    "await": ["import asyncio\nawait asyncio.sleep(0)\nasync with asyncio.Lock():\n    pass\n" + STEP],
    "a progress bar": ["from tqdm.notebook import tqdm\nfrom tqdm import trange\ndef step(theta, v, g, lr, mu):\n    for _ in tqdm(range(1), desc='x'):\n        v = mu * v + lr * g\n    for _ in trange(1):\n        theta = theta - v\n    return theta, v\n"],
    "single precision": ["def step(theta, v, g, lr, mu):\n    theta, v, g = (np.asarray(x, np.float32) for x in (theta, v, g))\n    v = np.float32(mu) * v + np.float32(lr) * g\n    return theta - v, v\n"],
    "a failing test of one's own": [STEP + "assert step(1, 2, 3, 4, 5) == 6\nplot = undefined\n"],
    "an old try below": [STEP, "def step(theta, v, g, lr, mu):\n    return theta - lr * g, v\n"],
    "a package beside another way": ["try:\n    import torch\nexcept ImportError:\n    torch = None\n" + STEP.replace("    v =", "    assert torch is None or torch\n    v =", 1)],
    "future": ["from __future__ import annotations\n" + STEP.replace("theta,", "theta: Undefined,", 1)],
}  # fmt: skip
#: Cells that stop, and why they are said to.
STOPPED = {
    "a missing package": (
        "from tensorflow import keras\ndef step(theta, v, g, lr, mu):\n    return keras.ops.add(theta, v), v\n",
        "package",
        "tensorflow",
    ),
    "all of it": ("from tensorflow import *\nstep = add\n", "package", "tensorflow"),
    "a class of it": (
        "import tensorflow as tf\nclass Net(tf.Module):\n    pass\nstep = Net()\n",
        "package",
        "tensorflow",
    ),
    "ours": ("from optlib.rules import momentum as step\n", "package", "optlib"),
    "cannot be read": ("x = 1\ndef step(theta, v, g, lr, mu)\n    return 1\n", "stopped", "2, SyntaxError"),
    "stops before": ("x = 1\nstep = make_step()\n", "stopped", "2, NameError"),
    "gives too much": (
        "import numpy as np\ndef step(*a):\n    return np.zeros(490000), np.zeros(490000)\n",
        "plain",
        "",
    ),
    "gives complex arrays": ("import numpy as np\ndef step(*a):\n    return a[0] * 1j, a[1]\n", "plain", ""),
    "asks": ("step = input('what?')\n", "input", ""),
}
#: Plausible wrong answers in other hands' code, and the mistake that each is told (none: it is not recognised).
WRONG = {
    "00 path without its last point": ("00-descent", "descend", "one row less", "def descend(grad, theta, lr, steps):\n    history = np.empty((steps + 1, len(theta)))\n    x = np.asarray(theta, float)\n    for k in range(steps):\n        history[k] = x\n        x = x - lr * grad(x)\n    return history[:steps]\n"),
    "00 one step too many": ("00-descent", "descend", "one row more", "def descend(grad, theta, lr, steps):\n    out = [np.asarray(theta, float)]\n    i = 0\n    while i <= steps:\n        out.append(out[-1] - lr * grad(out[-1]))\n        i += 1\n    return np.stack(out)\n"),
    "00 columns for rows": ("00-descent", "descend", "shape", "def descend(grad, theta, lr, steps):\n    p = np.zeros((len(theta), steps + 1))\n    p[:, 0] = theta\n    for t in range(1, steps + 1):\n        p[:, t] = p[:, t - 1] - lr * grad(p[:, t - 1])\n    return p\n"),
    "00 only the end": ("00-descent", "descend", "last only", "def descend(grad, theta, lr, steps):\n    w = np.array(theta, dtype=float)\n    for _ in range(steps):\n        w = w - lr * grad(w)\n    return w\n"),
    "00 the limit of Newton": ("00-descent", "largest", "one over", "def largest(curvatures):\n    L = max(curvatures)\n    return 1.0 / L\n"),
    "00 one side": ("00-descent", "numeric", "forward", "def numeric(f, theta, h=1e-5):\n    g = []\n    base = f(np.array(theta, float))\n    for i in range(len(theta)):\n        moved = np.array(theta, float)\n        moved[i] += h\n        g.append((f(moved) - base) / h)\n    return np.array(g)\n"),
    "01 last batch dropped": ("01-variants", "batches", "remainder lost", "def batches(order, batch_size):\n    n = len(order) // batch_size\n    return [np.array(order[k * batch_size:(k + 1) * batch_size]) for k in range(n)]\n"),
    "01 sums": ("01-variants", "batch_gradient", "sum", "def batch_gradient(theta, X, y, batch):\n    total = np.zeros_like(theta)\n    for i in batch:\n        total = total + (X[i] @ theta - y[i]) * X[i]\n    return total\n"),
    "01 residual the other way": ("01-variants", "batch_gradient", "sign", "def batch_gradient(theta, X, y, batch):\n    Xb, yb = X[batch], y[batch]\n    return np.mean((yb - Xb @ theta)[:, None] * Xb, axis=0)\n"),
    "01 deviation for variance": ("01-variants", "floor", "squared", "def floor(lr, lam, sigma):\n    V = lr**2 * sigma**2 / (1 - (1 - lr * lam)**2)\n    return V ** 0.5\n"),
    "02 counts signs of the diagonal": ("02-challenges", "kind", "diagonal only", "def kind(H):\n    d = [H[i][i] for i in range(len(H))]\n    if all(v > 1e-9 for v in d): return \"minimum\"\n    if all(v < -1e-9 for v in d): return \"maximum\"\n    if any(v > 1e-9 for v in d) and any(v < -1e-9 for v in d): return \"saddle\"\n    return \"flat\"\n"),
    "02 truncates": ("02-challenges", "escape", "rounds down", "def escape(lr, lam, delta):\n    import math\n    return int(math.log(1 / delta, 1 + lr * lam))\n"),
    "02 off by one loop": ("02-challenges", "escape", "one more", "def escape(lr, lam, delta):\n    n = 0\n    while delta < 1:\n        delta *= 1 + lr * lam\n        n += 1\n    return n + 1\n"),
    "02 each coordinate": ("02-challenges", "clip", "by value", "def clip(g, limit):\n    g = np.array(g, float)\n    if not np.all(np.isfinite(g)):\n        return 0 * np.ones(len(g))\n    return np.maximum(np.minimum(g, limit), -limit)\n"),
    "02 Newton": ("02-challenges", "saddle_free", "Newton", "def saddle_free(g, H, damping):\n    return -np.linalg.inv(H + damping * np.eye(len(g))) @ g\n"),
    "02 the slope before the unit": ("02-challenges", "through", "slope of the input", "def through(weights, h):\n    d = 1.0\n    for w in weights:\n        a = w * h\n        d = d * w * (1 - np.tanh(h) ** 2)\n        h = np.tanh(a)\n    return d\n"),
    "03 torch's form": ("03-momentum", "step", "rate outside", "def step(theta, v, g, lr, mu):\n    velocity = mu * v + g\n    new = theta - lr * velocity\n    return new, velocity\n"),
    "03 returns the other way round": ("03-momentum", "step", "order", "def step(theta, v, g, lr, mu):\n    nv = lr * g + v * mu\n    return nv, theta - nv\n"),
    "03 adds a signed velocity": ("03-momentum", "step", "velocity downhill", "def step(theta, v, g, lr, mu):\n    v = mu * v - lr * g\n    return theta + v, v\n"),
    "03 steps from the point looked at": ("03-momentum", "nesterov", "from the point looked at", "def nesterov(grad, theta, lr, mu, steps):\n    x = np.array(theta, float); v = 0 * x; out = [x.copy()]\n    for k in range(steps):\n        ahead = x - mu * v\n        g = grad(ahead)\n        v = mu * v + lr * g\n        x = ahead - v\n        out.append(x.copy())\n    return np.vstack(out)\n"),
    "03 plain momentum": ("03-momentum", "nesterov", "plain momentum", "def nesterov(grad, theta, lr, mu, steps):\n    x = np.array(theta, float); v = np.zeros(x.shape); out = np.zeros((steps + 1, x.size)); out[0] = x\n    for k in range(1, steps + 1):\n        v *= mu\n        v += lr * grad(x)\n        x = x - v\n        out[k] = x\n    return out\n"),
    "03 the smaller root": ("03-momentum", "rate", "the smaller", "def rate(lam, lr, mu):\n    A = np.array([[mu, lr * lam], [-mu, 1 - lr * lam]])\n    return min(abs(np.linalg.eigvals(A)))\n"),
    "04 epsilon outside": ("04-adaptive", "adagrad", "epsilon outside", "def adagrad(theta, G, g, lr, eps=1e-8):\n    acc = G + g * g\n    return theta - lr * g / (acc ** 0.5 + eps), acc\n"),
    "04 divides by the old sum": ("04-adaptive", "adagrad", "old sum", "def adagrad(theta, G, g, lr, eps=1e-8):\n    theta = theta - lr * g / np.sqrt(G + eps)\n    return theta, G + g ** 2\n"),
    "04 forgets bounds": ("04-adaptive", "rprop", "no bounds", "def rprop(theta, g, g_before, size, low=1e-6, high=50.0):\n    size = np.array(size, float)\n    s = g * g_before\n    size[s > 0] *= 1.2\n    size[s < 0] *= 0.5\n    return theta - size * np.sign(g), size\n"),
    "05 Adam's efficient form": ("05-adam", "adam", "efficient form", "def adam(theta, m, v, g, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):\n    m = beta1 * m + (1 - beta1) * g\n    v = beta2 * v + (1 - beta2) * g * g\n    alpha = lr * np.sqrt(1 - beta2 ** t) / (1 - beta1 ** t)\n    return theta - alpha * m / (np.sqrt(v) + eps), m, v\n"),
    "05 corrects one only": ("05-adam", "adam", "second moment uncorrected", "def adam(theta, m, v, g, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):\n    m = m + (1 - beta1) * (g - m)\n    v = v + (1 - beta2) * (g ** 2 - v)\n    return theta - lr * (m / (1 - beta1 ** t)) / (np.sqrt(v) + eps), m, v\n"),
    "05 L2": ("05-adam", "adamw", "L2", "def adamw(theta, m, v, g, t, lr=0.001, decay=0.01):\n    g = g + decay * theta\n    m = 0.9 * m + 0.1 * g\n    v = 0.999 * v + 0.001 * g * g\n    mh, vh = m / (1 - 0.9 ** t), v / (1 - 0.999 ** t)\n    return theta - lr * mh / (vh ** 0.5 + 1e-8), m, v\n"),
    "06 first time below": ("06-choosing", "arrival", "first dip", "def arrival(heights, level):\n    for i, h in enumerate(heights):\n        if h <= level:\n            return i\n    return -1\n"),
    "06 nan ignored": ("06-choosing", "summary", "", "def summary(ends, start):\n    e = np.array(ends, float)\n    good = e[np.isfinite(e) & (e <= start)]\n    return np.median(good), np.percentile(good, 25, method=\"lower\"), np.percentile(good, 75, method=\"lower\"), len(e) - len(good)\n"),
    "07 forgets h": ("07-parallel", "largest_rate", "curvature forgotten", "def largest_rate(h, delay):\n    angle = np.pi / (4 * delay + 2)\n    return 2 * np.sin(angle)\n"),
    "07 one step fresher": ("07-parallel", "stale_walk", "one too fresh", "def stale_walk(slope, x, lr, delay, steps):\n    xs = [x]\n    for t in range(1, steps + 1):\n        old = xs[max(0, t - delay)] if delay else xs[-1]\n        xs.append(xs[-1] - lr * slope(old))\n    return xs\n"),
    "08 floor": ("08-cluster", "shards", "rounded down", "def shards(workers, seconds, period, size, line):\n    need = workers * size / (seconds * period)\n    return int(need // line)\n"),
    "08 counts edges": ("08-cluster", "transfers", "cut edges", "def transfers(edges, device):\n    n = 0\n    for a, b in edges:\n        if device[a] != device[b]:\n            n += 1\n    return n\n"),
    "08 mean of pulls": ("08-cluster", "elastic", "the mean of the pulls", "def elastic(slope, xs, centre, lr, alpha):\n    xs = np.array(xs)\n    d = alpha * (xs - centre)\n    return list(xs - lr * slope(xs) - d), centre + d.mean()\n"),
    "09 sample variance": ("09-data-and-model", "forward", "unbiased", "def forward(x, gamma, beta, eps=1e-5):\n    mu = np.mean(x, 0)\n    var = ((x - mu) ** 2).sum(0) / (x.shape[0] - 1)\n    root = (var + eps) ** 0.5\n    xn = (x - mu) / root\n    return xn * gamma + beta, xn, root\n"),
    "09 constants": ("09-data-and-model", "backward", "as if constants", "def backward(dy, x_hat, root, gamma):\n    return dy * gamma / root, np.einsum(\"ij,ij->j\", dy, x_hat), np.sum(dy, 0)\n"),
    "09 no test time, by p": ("09-data-and-model", "dropout", "scaled by p", "def dropout(x, mask, p, training):\n    if training:\n        return np.where(mask, x, 0) / p\n    return x\n"),
    "09 waits one more": ("09-data-and-model", "stopped", "one too patient", "def stopped(losses, patience):\n    best_loss, best, since = float(\"inf\"), 0, 0\n    n = 0\n    for n, loss in enumerate(losses, 1):\n        if loss < best_loss:\n            best_loss, best, since = loss, n - 1, 0\n        else:\n            since += 1\n            if since > patience:\n                break\n    return best, n\n"),
    "10 starts at zero": ("10-schedules", "cosine", "starts at zero", "def cosine(high, steps, warm):\n    import math\n    def f(t):\n        if t < warm:\n            return high / warm * t\n        if t >= steps:\n            return 0.0\n        return 0.5 * high * (1 + math.cos(math.pi * (t - warm) / (steps - warm)))\n    return f\n"),
    "10 lengths": ("10-schedules", "restarts", "lengths, not ends", "def restarts(first, factor, count):\n    out, length = [], first\n    for _ in range(count):\n        out.append(length)\n        length *= factor\n    return out\n"),
    "10 begins with zero": ("10-schedules", "restarts", "the start counts", "def restarts(first, factor, count):\n    out, at, length = [], 0, first\n    for _ in range(count):\n        out.append(at)\n        at += length\n        length *= factor\n    return out\n"),
    "10 cuts at the patience": ("10-schedules", "Plateau", "at the patience", "class Plateau:\n    def __init__(self, rate, factor, patience):\n        self.rate = rate; self.f = factor; self.p = patience; self.best = None; self.n = 0\n    def tell(self, loss):\n        if self.best is None or loss < self.best:\n            self.best = loss; self.n = 0\n            return self.rate\n        self.n += 1\n        if self.n == self.p:\n            self.rate *= self.f\n            self.n = 0\n        return self.rate\n"),
    "10 every point": ("10-schedules", "averaged", "all points", "def averaged(points, cycle):\n    m = np.zeros(len(points[0]))\n    for i, p in enumerate(points):\n        m += (np.asarray(p) - m) / (i + 1)\n    return m\n"),
}  # fmt: skip
