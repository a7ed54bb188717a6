"""The peers that the library and the grader are compared with: large, so only `make test-peers` installs them."""

import importlib
import os
from types import ModuleType

import pytest

#: Set by `make test-peers`: there a missing peer is a failure.
WANTED = os.environ.get("DOWNHILL_PEERS") == "1"


def library(name: str) -> ModuleType:
    """The module, or a skipped test that says what installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if WANTED:
            pytest.fail(f"{name} cannot be imported ({error}), though `make test-peers` runs", pytrace=False)
        pytest.skip(f"{name} is a peer: `make test-peers` installs it", allow_module_level=True)
