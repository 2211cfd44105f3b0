"""Start the launcher of a directory: a process of its own; this one waits until it is ready."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys

if not __package__:  # run as a folder, by a Python that knows of no Fairlead
    sys.path.append(os.path.dirname(sys.path.pop(0)))  # last: names beside us hide nothing
    __package__ = "launcher"  # what follows reads this up to Python 3.14, and then the other
    __spec__ = type(__spec__)("launcher.__main__", None)  # type: ignore[misc]

from . import ALREADY_RUNNING
from .records import log
from .server import Server
from .tasks import CHANGED_SIGNALS

PR_SET_CHILD_SUBREAPER = 36


def prepare_process() -> None:
    """Adopt orphans, and take signals as events."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        log(f"orphans of tasks will escape: {os.strerror(ctypes.get_errno())}")
    for signum in signal.valid_signals():
        if signal.getsignal(signum) == signal.SIG_IGN:  # or tasks would inherit that
            signal.signal(signum, signal.SIG_DFL)
    for signum in CHANGED_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    for signum in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(signum, lambda _signum, _frame: None)  # the wakeup descriptor tells


def serve(ready: int) -> int:
    lock = os.open("launcher.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ALREADY_RUNNING
    os.setsid()
    prepare_process()
    server = Server()
    os.write(ready, b"\0")
    os.close(ready)
    server.run()
    return 0


def main(arguments: list[str]) -> int:
    """Returns once the launcher, a child of its own, listens; or says why it does not."""
    if len(arguments) != 1:
        log("usage: launcher.py WORK_DIR")
        return 2
    os.chdir(arguments[0])
    os.umask(0o077)
    os.closerange(3, 4096)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        return serve(writer)
    os.close(writer)
    if os.read(reader, 1):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
