"""One rule, compiled: the source of `optlib.rules` and `optlib.surfaces`, turned into machine code and JavaScript.

Nothing is written twice. `source` reads a function's syntax tree; `native` makes Numba kernels of it (Numba is imported
on first use, and everything else works without it); `js` and `front` make ECMAScript, of schedules too.

>>> from optlib import rules
>>> from optlib.compile import javascript
>>> print(javascript(rules.sgd))
function sgd(theta, g, { lr }) {
  theta = theta - lr * g;
  return [theta, []];
}
"""

from .._inputs import guard
from .js import javascript
from .native import available, kernel
from .source import CannotCompile

__all__ = ["CannotCompile", "available", "javascript", "kernel"]

guard(globals(), "kernel", "javascript")
