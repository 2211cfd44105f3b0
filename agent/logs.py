"""Reading what a task wrote, while it runs and afterwards; never a file outside of its sandbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from fairlead.common.errors import InvalidFieldError, NotFoundError
from fairlead.common.ids import FrameworkId, LaunchUuid, TaskId
from fairlead.common.operators import LogChunk, LogQuery
from fairlead.common.values import AgentTask

from .context import task_key
from .log_reader import LogReader
from .rotation_files import STREAMS

LookUp = Callable[[FrameworkId, TaskId, LaunchUuid], AgentTask | None]

POLL_S = 0.05


class Logs:
    """Answers `ReadLog`."""

    def __init__(self, root: Path, look_up: LookUp) -> None:
        self._root = root
        self._look_up = look_up
        self._end = asyncio.Event()
        self._readers: dict[tuple[str, str], list[LogReader]] = {}

    def task_ended(self) -> None:
        """Whoever follows a log looks now, not a poll later."""
        self._end.set()
        self._end = asyncio.Event()

    def position(self, key: str, stream: str) -> int | None:
        """Of the reader that has come least far, if anybody reads that log."""
        readers = self._readers.get((key, stream), ())
        return min((each.offset for each in readers if each.is_open), default=None)

    async def read(self, query: LogQuery) -> AsyncIterator[LogChunk]:
        """From the offset on to the end; when following, to the end of the task."""
        task = self._find(query)
        key = task_key(task.framework_id, task.task.task_id, task.launch_uuid)
        reader = LogReader(self._root, key, query.stream, query.offset_bytes, query.tail_lines)
        readers = self._readers.setdefault((key, query.stream), [])
        readers.append(reader)
        try:
            async for chunk in self._chunks(reader, task, is_following=query.follow):
                yield chunk
            if not reader.is_open:
                self._explain(task, query.stream)
        finally:
            readers.remove(reader)
            if not readers:
                self._readers.pop((key, query.stream), None)
            reader.close()

    def _find(self, query: LogQuery) -> AgentTask:
        if query.stream not in STREAMS:
            raise InvalidFieldError("stream", f"{query.stream[:40]!r} is not one of {STREAMS}")
        if query.tail_lines < 0:
            raise InvalidFieldError("tail_lines", f"{query.tail_lines} is less than nothing")
        task = self._look_up(query.framework_id, query.task_id, query.launch_uuid)
        if task is None:
            raise NotFoundError(
                f"this agent does not know a task {query.task_id}, or has forgotten it by now",
                hint="see which there are: fairlead tasks list --all",
            )
        if task.sandbox_removed:
            raise NotFoundError(
                f"the logs of task {query.task_id} have been removed: {task.sandbox_removed}",
                hint="how long they are kept: fairlead agent --help",
            )
        return task

    async def _chunks(
        self, reader: LogReader, task: AgentTask, *, is_following: bool
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

    def _explain(self, task: AgentTask, stream: str) -> None:
        """Whoever ran and ended had a log: where is it?"""
        now = self._look_up(task.framework_id, task.task.task_id, task.launch_uuid)
        if now is not None and now.latest.state.is_terminal and now.latest.pid:
            why = now.sandbox_removed or f"there is no {stream} in {task.sandbox} any more"
            raise NotFoundError(f"the logs of task {task.task.task_id} have been removed: {why}")

    def _has_ended(self, task: AgentTask) -> bool:
        now = self._look_up(task.framework_id, task.task.task_id, task.launch_uuid)
        return now is None or now.latest.state.is_terminal
