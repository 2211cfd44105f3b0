"""Between `fairlead up` and the supervisor that it forks: a socket on which each tells the other.

When `up` goes away, for whatever reason, its end closes and the supervisor ends the cluster, unless
it was told to stay.
"""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from .cluster import sign_lock
from .supervisor import Plan, Supervisor


class Tether:
    """The end that `up` holds."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self._channel = channel
        self._pid = pid
        self._unread = b""
        self._is_open = True

    @property
    def descriptor(self) -> int:
        """Readable when the supervisor has said something, or ended."""
        return self._channel.fileno()

    def started(self) -> None:
        """The cluster answers: from now on what dies is started again."""
        self._say(b"started\n")

    def detach(self) -> None:
        """The same, and the cluster outlives this process."""
        self._say(b"detach\n")

    def end(self) -> None:
        """The supervisor shall end the cluster; it says when it has."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def heard(self, patience_s: float) -> list[Mapping[str, Any]]:
        """What the supervisor says within that time; `{"event": "gone"}` when it has ended."""
        if not self._is_open or not select.select([self._channel], [], [], patience_s)[0]:
            return []
        try:
            data = self._channel.recv(1 << 16)
        except OSError:
            data = b""
        *lines, self._unread = (self._unread + data).split(b"\n")
        words: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
        if not data:
            self._is_open = False
            words.append({"event": "gone"})
        return words

    def words(self) -> Iterator[Mapping[str, Any]]:
        """All that the supervisor has to say, until it has ended."""
        while self._is_open:
            yield from self.heard(3600.0)

    def close(self) -> None:
        """Let go of the socket, and of the process if it has ended."""
        self._channel.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # it has ended, which it says itself
            self._channel.sendall(word)


def fork_supervisor(plan: Plan, lock: int) -> Tether:
    """The supervisor runs in a session of its own, so that Ctrl-C reaches `up` alone.

    `lock` goes to it: the home is held for as long as it lives.
    """
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become(plan, theirs, lock)
    theirs.close()
    os.close(lock)
    return Tether(ours, pid)


def _become(plan: Plan, channel: socket.socket, lock: int) -> NoReturn:
    """Never returns into what the parent was doing."""
    code = 1
    try:
        os.setsid()
        sign_lock(lock)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        null = os.open(os.devnull, os.O_RDWR)
        log = os.open(
            plan.home.log("supervisor"),
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
            0o600,
        )
        for descriptor, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, target)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        Supervisor(plan, channel).run()
        code = 0
    except BaseException:
        logging.getLogger(__name__).exception("the supervisor failed")
    finally:
        logging.shutdown()
        os._exit(code)
