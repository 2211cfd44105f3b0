"""Looks at the logs of running tasks, and gives the disk under their oldest parts back.

Used by `server`. A file system that cannot do that has its logs begun anew instead, which loses
more but bounds them as well; the agent says so among its warnings.
"""

import asyncio
import ctypes
import errno
import functools
import logging
import os
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .rotation import LONGEST_S, cut, pause_s
from .sandboxes import open_plain

_log = logging.getLogger(__name__)

STREAMS = ("stdout", "stderr")
NEW_S = 5.0
"""For so long after it was first seen a log is kept as if somebody read it: whoever started the
task, or lost this agent for a moment, is about to."""
_KEEP_SIZE = 1
_PUNCH_HOLE = 2
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS)

Position = Callable[[str, str], int | None]
"""Of whoever reads a task's stream and has come least far; None if nobody does."""


class CannotPunchError(Exception):
    """The file system has no such operation."""


@functools.cache
def _fallocate() -> Callable[..., int]:
    library: Any = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "fallocate64", None) or library.fallocate
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return function  # type: ignore[no-any-return]


def punch(descriptor: int, end: int) -> None:
    """Give back the disk under everything before `end`; the file keeps its length."""
    while _fallocate()(descriptor, _PUNCH_HOLE | _KEEP_SIZE, 0, end):
        number = ctypes.get_errno()
        if number in _UNSUPPORTED:
            raise CannotPunchError
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def weaknesses_of(root: Path) -> tuple[str, ...]:
    """What people should know about the file system there; tried once, when the agent starts."""
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(bytes(1 << 17))
            file.flush()
            punch(file.fileno(), 1 << 16)
    except CannotPunchError:
        why = f"the file system of {root} cannot free a part of a file"
        _log.warning("no-rotation: logs are begun anew at their limit, since %s", why)
        return (f"a log that reaches its limit is begun anew, all of it lost: {why}",)
    except OSError as error:  # a full disk says nothing about it
        _log.warning("rotation-not-tried root=%s: %s", root, error)
    return ()


@dataclass(slots=True)
class _Log:
    key: str
    stream: str
    seen_at: float
    size: int = 0
    looked_at: float = 0.0
    due_at: float = 0.0


class Rotation:
    """Over one root. `living` are the keys of the tasks that run."""

    def __init__(
        self, root: Path, limit: int, living: Callable[[], Collection[str]], position: Position
    ) -> None:
        self._root = root
        self._limit = limit
        self._living = living
        self._position = position
        self._logs: dict[tuple[str, str], _Log] = {}
        self._troubled: set[str] = set()

    async def run(self, ended: Collection[str]) -> None:
        """Until cancelled. Those that have ended may have grown while nobody looked."""
        self._watch(ended)
        while True:
            living = self._living()
            self._watch(living)
            now = time.monotonic()
            due = [log for log in self._logs.values() if log.due_at <= now]
            if due:
                await asyncio.to_thread(self._look, due)
            for log in due:
                if log.key not in living and not self._unread(log):  # it grows no more
                    del self._logs[log.key, log.stream]
                    self._troubled.discard(log.key)
            next_at = min((log.due_at for log in self._logs.values()), default=now + LONGEST_S)
            await asyncio.sleep(min(max(0.0, next_at - time.monotonic()), LONGEST_S))

    def _watch(self, keys: Collection[str]) -> None:
        now = time.monotonic()
        for key in keys:
            for stream in STREAMS:
                if (key, stream) not in self._logs:
                    self._logs[key, stream] = _Log(key, stream, now)

    def _unread(self, log: _Log) -> int:
        if time.monotonic() < log.seen_at + NEW_S:
            return log.size
        position = self._position(log.key, log.stream)
        return 0 if position is None else max(0, log.size - position)

    # --- in a thread

    def _look(self, logs: Collection[_Log]) -> None:
        for log in logs:
            now = time.monotonic()
            try:
                grown = self._rotate(log)
            except OSError as error:
                self._trouble(log, error)
                grown = 0
            log.due_at = now + pause_s(grown, now - log.looked_at, self._limit)
            log.looked_at = now

    def _rotate(self, log: _Log) -> int:
        """By how much it has grown since it was looked at last."""
        try:
            status = (self._root / log.key / log.stream).lstat()
        except OSError:
            return 0
        grown, log.size = status.st_size - log.size, status.st_size
        end = cut(status.st_size, 512 * status.st_blocks, self._limit, self._unread(log))
        if end:
            descriptor = open_plain(self._root, log.key, log.stream, os.O_WRONLY)
            try:
                _give_back(descriptor, end)
            finally:
                os.close(descriptor)
        return grown

    def _trouble(self, log: _Log, error: OSError) -> None:
        """Once for each task."""
        if log.key not in self._troubled:
            self._troubled.add(log.key)
            _log.warning("log-not-rotated key=%s stream=%s: %s", log.key, log.stream, error)


def _give_back(descriptor: int, end: int) -> None:
    try:
        punch(descriptor, end)
    except CannotPunchError:
        os.ftruncate(descriptor, 0)
