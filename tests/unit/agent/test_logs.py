"""Reading a log: a file that may come late, grow, shrink, or be something else altogether."""

import asyncio
from pathlib import Path

import pytest

from fairlead.agent import logs as module
from fairlead.agent.logs import LogReader, Logs
from fairlead.common.errors import NotFoundError, UnavailableError
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, TaskId
from fairlead.common.operators import LogChunk, LogQuery
from fairlead.common.resources import Resources
from fairlead.common.values import AgentTask, Command, TaskInfo, TaskState, TaskStatus


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandboxes" / "f" / "t" / "u"
    path.mkdir(parents=True)
    return path


def reader_of(sandbox: Path, offset: int = 0) -> LogReader:
    return LogReader(sandbox.parents[2], sandbox / "stdout", offset)


def test_it_may_come_late_and_grow(sandbox: Path) -> None:
    reader = reader_of(sandbox)
    assert reader.next() is None
    log = sandbox / "stdout"
    log.write_bytes(b"one")
    assert reader.next() == LogChunk(b"one", 0)
    assert reader.next() is None
    with log.open("ab") as file:
        file.write(b"two")
    assert reader.next() == LogChunk(b"two", 3)
    log.write_bytes(b"")
    assert reader.next() is None
    log.write_bytes(b"new")
    assert reader.next() == LogChunk(b"new", 0)
    reader.close()


@pytest.mark.parametrize(("offset", "expected"), [(2, b"cd"), (-1, b"d"), (-9, b"abcd"), (9, b"")])
def test_from_wherever_is_asked(sandbox: Path, offset: int, expected: bytes) -> None:
    (sandbox / "stdout").write_bytes(b"abcd")
    reader = reader_of(sandbox, offset)
    chunk = reader.next()
    assert (chunk.data if chunk else b"") == expected
    reader.close()


def test_only_plain_files_are_served(sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (sandbox / "stdout").symlink_to(tmp_path / "secret")
    with pytest.raises(UnavailableError):
        reader_of(sandbox).next()
    (sandbox / "stdout").unlink()
    (sandbox / "stdout").mkdir()
    with pytest.raises(UnavailableError, match="not a plain file"):
        reader_of(sandbox).next()


def test_a_sandbox_that_became_a_link_leads_nowhere(sandbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stdout").write_text("secret")
    sandbox.rmdir()
    sandbox.symlink_to(outside)
    with pytest.raises(UnavailableError, match="lies outside"):
        reader_of(sandbox).next()


def test_an_unknown_task(tmp_path: Path) -> None:
    async def ask() -> None:
        logs = Logs(tmp_path, lambda *_: None)
        with pytest.raises(NotFoundError):
            await anext(logs.read(LogQuery(FrameworkId("f"), TaskId("t"))))

    asyncio.run(ask())


def test_whoever_follows_is_told_of_the_end_at_once(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 3600.0)
    (sandbox / "stdout").write_bytes(b"all of it")
    states = [TaskState.RUNNING]

    def look_up(*_: object) -> AgentTask:
        framework_id, task_id, launch = FrameworkId("f"), TaskId("t"), LaunchUuid("u")
        info = TaskInfo(task_id, "t", Command(("true",)), Resources())
        latest = TaskStatus(framework_id, task_id, launch, AgentId("a"), states[-1])
        return AgentTask(framework_id, info, launch, latest, sandbox=str(sandbox))

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
