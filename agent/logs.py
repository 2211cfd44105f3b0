"""Reading what a task wrote, while it runs and afterwards; never a file outside of its sandbox."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from fairlead.common.errors import (
    ContainerError,
    InvalidFieldError,
    NotFoundError,
    UnavailableError,
)
from fairlead.common.ids import FrameworkId, LaunchUuid, TaskId
from fairlead.common.operators import LogChunk, LogQuery
from fairlead.common.values import AgentTask

from .sandboxes import check_inside

LookUp = Callable[[FrameworkId, TaskId, LaunchUuid], AgentTask | None]

CHUNK_BYTES = 64 * 1024
POLL_S = 0.05
STREAMS = ("stdout", "stderr")


class Logs:
    """Answers `ReadLog`."""

    def __init__(self, root: Path, look_up: LookUp) -> None:
        self._root = root
        self._look_up = look_up
        self._end = asyncio.Event()

    def task_ended(self) -> None:
        """Whoever follows a log looks now, not a poll later."""
        self._end.set()
        self._end = asyncio.Event()

    async def read(self, query: LogQuery) -> AsyncIterator[LogChunk]:
        """From the offset on to the end; when following, to the end of the task."""
        if query.stream not in STREAMS:
            raise InvalidFieldError("stream", f"{query.stream[:40]!r} is not one of {STREAMS}")
        task = self._look_up(query.framework_id, query.task_id, query.launch_uuid)
        if task is None:
            raise NotFoundError(
                f"this agent does not know a task {query.task_id}",
                hint="see which there are: fairlead tasks list --all",
            )
        reader = LogReader(self._root, Path(task.sandbox) / query.stream, query.offset_bytes)
        try:
            async for chunk in self._chunks(reader, task, is_following=query.follow):
                yield chunk
        finally:
            reader.close()

    async def _chunks(
        self, reader: "LogReader", task: AgentTask, *, is_following: bool
    ) -> AsyncIterator[LogChunk]:
        while True:
            end = self._end
            # Looked at before reading: what an ended task wrote is all there.
            is_last = not is_following or self._has_ended(task)
            while chunk := await asyncio.to_thread(reader.next):
                yield chunk
            if is_last:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), POLL_S)

    def _has_ended(self, task: AgentTask) -> bool:
        now = self._look_up(task.framework_id, task.task.task_id, task.launch_uuid)
        return now is None or now.latest.state.is_terminal


class LogReader:
    """A position in a file that may not be there yet, and may grow. Used from threads."""

    def __init__(self, root: Path, path: Path, offset: int) -> None:
        self._root = root
        self._path = path
        self._offset = offset
        self._descriptor = -1

    def next(self) -> LogChunk | None:
        """What comes next, or None if there is nothing now."""
        if self._descriptor < 0 and not self._open():
            return None
        # A log that was cut short is read on from its new end.
        self._offset = min(self._offset, os.fstat(self._descriptor).st_size)
        data = os.pread(self._descriptor, CHUNK_BYTES, self._offset)
        if not data:
            return None
        chunk = LogChunk(data, self._offset)
        self._offset += len(data)
        return chunk

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> bool:
        """A task may put anything in the place of its log: only a plain file is served."""
        try:
            check_inside(self._root, self._path.parent)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._path, flags)
        except FileNotFoundError:
            return False
        except (OSError, ContainerError) as error:
            raise UnavailableError(f"cannot read {self._path}: {error}") from None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise UnavailableError(f"cannot read {self._path}: it is not a plain file")
        self._descriptor = descriptor
        if self._offset < 0:
            self._offset = max(0, status.st_size + self._offset)
        return True
