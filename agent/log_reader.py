"""A position in a log: a file that may come late, grow, be cut short, and lose its oldest part.

Used by `logs`, from threads. A part that was given back is a hole: reading goes on behind it.
"""

import errno
import os
from pathlib import Path

from fairlead.common.errors import UnavailableError
from fairlead.common.operators import LogChunk

from .sandboxes import open_plain

CHUNK_BYTES = 256 * 1024


class LogReader:
    """From an offset on, negative ones from the end, or from so many lines before the end."""

    def __init__(
        self, root: Path, key: str, stream: str, offset: int = 0, tail_lines: int = 0
    ) -> None:
        self._root = root
        self._key = key
        self._stream = stream
        self._offset = offset
        self._tail_lines = tail_lines
        self._until = -1
        self._descriptor = -1

    @property
    def is_open(self) -> bool:
        """Whether there was a log."""
        return self._descriptor >= 0

    @property
    def offset(self) -> int:
        """Of what comes next; negative as long as that depends on a log yet to come."""
        return -1 if self._tail_lines else self._offset

    def next(self) -> LogChunk | None:
        """What comes next; None at what was the end when the round began, and a new one begins."""
        if not self.is_open and not self._open():
            return None
        size = os.fstat(self._descriptor).st_size
        if size < self._offset:  # the task has cut it short, and most likely to nothing
            self._offset, self._until = 0, size
        if self._until < 0:
            self._until = size
        while self._offset < self._until:
            length = min(CHUNK_BYTES, self._until - self._offset)
            data = os.pread(self._descriptor, length, self._offset)
            if not data:
                break
            # Looked for afterwards: what is there now was there when it was read.
            kept_from = _next_data(self._descriptor, self._offset, self._until)
            if kept_from == self._offset:
                self._offset += len(data)
                return LogChunk(data, kept_from)
            self._offset = kept_from
        self._until = -1
        return None

    def close(self) -> None:
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> bool:
        """A task may put anything in the place of its log: only a plain file is served."""
        try:
            self._descriptor = open_plain(self._root, self._key, self._stream, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            path = self._root / self._key / self._stream
            raise UnavailableError(f"cannot read {path}: {error.strerror or error}") from None
        size = os.fstat(self._descriptor).st_size
        if self._tail_lines:
            self._offset = _start_of_lines(self._descriptor, size, self._tail_lines)
            self._tail_lines = 0
            self._until = size  # what comes meanwhile is not among them
        else:
            self._offset = min(size, self._offset if self._offset >= 0 else size + self._offset)
            self._offset = max(0, self._offset)
        return True


def _next_data(descriptor: int, offset: int, end: int) -> int:
    """The first offset from here on that is no hole."""
    try:
        return min(end, os.lseek(descriptor, offset, os.SEEK_DATA))
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole from here on
            return end
        raise


def _start_of_lines(descriptor: int, size: int, lines: int) -> int:
    """Where the last so many lines begin; a last one without its end counts."""
    first = _next_data(descriptor, 0, size)
    end, missing = size, lines
    while end > first:
        start = max(first, end - CHUNK_BYTES)
        data = os.pread(descriptor, end - start, start)
        at = len(data) - 1 if end == size and data.endswith(b"\n") else len(data)
        while (at := data.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if not missing:
                return start + at + 1
        end = start
    return first
