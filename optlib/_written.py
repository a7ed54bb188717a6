"""Files that are written whole or not at all.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     with draft(Path(folder) / "rates.txt") as new:
...         _ = new.write_text("0.1")
...     [path.name for path in Path(folder).iterdir()]
['rates.txt']
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place in the end: nobody ever reads half of a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
