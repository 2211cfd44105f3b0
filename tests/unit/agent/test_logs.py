"""Asking for a log: of which task, in which state, and what is said when there is none."""

import asyncio
from pathlib import Path

import pytest

from fairlead.agent import logs as module
from fairlead.agent.logs import Logs
from fairlead.common.errors import NotFoundError
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
