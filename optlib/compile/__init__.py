"""One rule, compiled: the source of `optlib.rules` and `optlib.surfaces`, turned into machine code and JavaScript.

Nothing is written twice. `source` reads a rule's syntax tree; `native` makes Numba kernels of it (Numba is imported on
first use, and everything else works without it); `network` puts a kernel behind the layers of a network, so that its
training is one loop; `js` makes ECMAScript.

>>> from optlib import rules
>>> from optlib.compile import javascript
>>> print(javascript(rules.sgd))
function sgd(theta, g, { lr }) {
  theta = theta - lr * g;
  return [theta, []];
}
"""

from .js import javascript, javascript_module
from .native import available, basin_map, drive, kernel, walk
from .network import train, trains
from .source import CannotCompile

__all__ = [
    "CannotCompile", "available", "basin_map", "drive", "javascript", "javascript_module", "kernel", "train", "trains",
    "walk",
]  # fmt: skip
