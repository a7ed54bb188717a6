"""Who ends with whom: whatever the grader starts is gone when the grader is, however that ends."""

from __future__ import annotations

import os
import signal
import sys


def end_with_parent(parent: int) -> None:
    """This process is killed when the one that started it is gone (Linux); it ends at once if that is so already."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(1)


def tie(parent: int) -> None:
    """What each process of a pool begins with: it ends with the grader, and Ctrl-C is the grader's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def end_children() -> None:
    """Kill what this process has started, and with it all sandboxes, which die with who opened them."""
    import psutil

    for child in psutil.Process().children():
        try:
            child.kill()
        except psutil.Error:  # it went by itself
            continue
