"""Asking for a log: of which task, in which state, and what is said when there is none."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from fairlead.agent import logs as module
from fairlead.agent.log_reader import CHUNK_BYTES
from fairlead.agent.logs import Logs
from fairlead.common.errors import InvalidFieldError, NotFoundError
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, TaskId
from fairlead.common.operators import LogChunk, LogQuery
from fairlead.common.resources import Resources
from fairlead.common.values import AgentTask, Command, TaskInfo, TaskState, TaskStatus


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandboxes" / "f" / "t" / "u"
    path.mkdir(parents=True)
    return path


def test_an_unknown_task(tmp_path: Path) -> None:
    async def ask() -> None:
        logs = Logs(tmp_path, lambda *_: None)
        with pytest.raises(NotFoundError):
            await anext(logs.read(LogQuery(FrameworkId("f"), TaskId("t"))))

    asyncio.run(ask())


def task_in(
    sandbox: Path, state: TaskState = TaskState.FINISHED, pid: int = 7, removed: str = ""
) -> AgentTask:
    framework_id, task_id, launch = FrameworkId("f"), TaskId("t"), LaunchUuid("u")
    info = TaskInfo(task_id, "t", Command(("true",)), Resources())
    latest = TaskStatus(framework_id, task_id, launch, AgentId("a"), state, pid=pid)
    return AgentTask(
        framework_id, info, launch, latest, sandbox=str(sandbox), sandbox_removed=removed
    )


def read(sandbox: Path, task: AgentTask, **query: object) -> bytes:
    """All of its stdout."""

    async def ask() -> bytes:
        logs = Logs(sandbox.parents[2], lambda *_: task)
        question = LogQuery(FrameworkId("f"), TaskId("t"), **query)  # type: ignore[arg-type]
        return b"".join([chunk.data async for chunk in logs.read(question)])

    return asyncio.run(asyncio.wait_for(ask(), 30))


def test_why_there_is_no_log_is_said(sandbox: Path) -> None:
    with pytest.raises(NotFoundError, match="of task t have been removed: it was old"):
        read(sandbox, task_in(sandbox, removed="it was old"))
    with pytest.raises(NotFoundError, match=r"removed: there is no stdout in .* any more"):
        read(sandbox, task_in(sandbox), follow=True)
    assert read(sandbox, task_in(sandbox, pid=0)) == b"", "it never ran"
    assert read(sandbox, task_in(sandbox, TaskState.RUNNING)) == b"", "it may still come"
    (sandbox / "stdout").write_bytes(b"a\nb\n")
    assert read(sandbox, task_in(sandbox), tail_lines=1, follow=True) == b"b\n"
    with pytest.raises(InvalidFieldError, match="tail_lines"):
        read(sandbox, task_in(sandbox), tail_lines=-1)


def test_who_has_come_least_far_is_known_while_somebody_reads(sandbox: Path) -> None:
    (sandbox / "stdout").write_bytes(b"x" * 3 * CHUNK_BYTES)

    async def ask() -> None:
        logs = Logs(sandbox.parents[2], lambda *_: task_in(sandbox))
        slow, quick = (logs.read(LogQuery(FrameworkId("f"), TaskId("t"))) for _ in range(2))
        assert logs.position("f/t/u", "stdout") is None
        await anext(slow)
        await anext(quick)
        await anext(quick)
        assert logs.position("f/t/u", "stdout") == CHUNK_BYTES
        assert logs.position("f/t/u", "stderr") is None
        for reader in (slow, quick):
            assert isinstance(reader, AsyncGenerator)
            await reader.aclose()
        assert logs.position("f/t/u", "stdout") is None

    asyncio.run(ask())


def test_whoever_follows_is_told_of_the_end_at_once(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 3600.0)
    (sandbox / "stdout").write_bytes(b"all of it")
    states = [TaskState.RUNNING]

    def look_up(*_: object) -> AgentTask:
        return task_in(sandbox, states[-1])

    async def follow() -> list[LogChunk]:
        logs = Logs(sandbox.parents[2], look_up)
        chunks = []
        query = LogQuery(FrameworkId("f"), TaskId("t"), LaunchUuid("u"), "stdout", follow=True)
        async for chunk in logs.read(query):
            chunks.append(chunk)
            states.append(TaskState.FINISHED)
            asyncio.get_running_loop().call_later(0.05, logs.task_ended)
        return chunks

    assert asyncio.run(asyncio.wait_for(follow(), 30)) == [LogChunk(b"all of it", 0)]
