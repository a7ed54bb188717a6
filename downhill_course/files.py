"""Files that are written whole or not at all, or only if they change."""

from __future__ import annotations

import os
from pathlib import Path


class Unwritable(Exception):
    """A file could not be written; nothing was left half written."""


def replace(path: Path, text: str, private: bool = False) -> None:
    """Write `text` beside `path`, then put it in its place; on a full disk the old file stays."""
    new = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise Unwritable(f"{path} cannot be written: {error.strerror}. What was there before is untouched.") from None


def write_if_new(path: Path, text: str) -> None:
    """Write a file only if it changes: its time is what incremental builds look at."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
