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
    "a class of it": (
        "import tensorflow as tf\nclass Net(tf.Module):\n    pass\nstep = Net()\n",
        "package",
        "tensorflow",
    ),
    "ours": ("from optlib.rules import momentum as step\n", "package", "optlib"),
    "cannot be read": ("x = 1\ndef step(theta, v, g, lr, mu)\n    return 1\n", "stopped", "2, SyntaxError"),
    "stops before": ("x = 1\nstep = make_step()\n", "stopped", "2, NameError"),
    "asks": ("step = input('what?')\n", "input", ""),
}
