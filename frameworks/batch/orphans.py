"""Processes of a lease: what user code forked and left behind comes to the worker, to be ended."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on, orphans among our descendants become our children."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_orphans() -> None:
    """Kill and reap every child, and theirs as they come to us, until there is none."""
    while _reap():
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.wait()


def is_stopped(pid: int) -> bool:
    """By SIGSTOP or its like."""
    return _stat(Path("/proc") / str(pid))[:1] == ["T"]


def _reap() -> bool:
    """Reap what has ended; whether a child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    me = os.getpid()
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _parent(path) == me]


def _parent(path: Path) -> int:
    return int((_stat(path) or ["", "0"])[1])


def _stat(path: Path) -> list[str]:
    """State, parent and so on; nothing if it has gone."""
    try:
        # The second field is the command's name in parentheses and may hold anything.
        return (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
