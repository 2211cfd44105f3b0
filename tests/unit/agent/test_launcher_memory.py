"""The launcher's eye on tasks that run out of memory, where it cannot have one."""

import errno
import os
from pathlib import Path

import pytest

from fairlead.agent.launcher.memory import MemoryWatch
from fairlead.agent.launcher.server import Loop
from fairlead.agent.launcher.tasks import Task


def test_a_task_that_cannot_be_watched_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has been forked already, and nobody but the launcher would know of it."""

    def none_left(_value: int, _flags: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    loop = Loop()
    task = Task("u", os.getpid(), -1, {"memory": str(tmp_path)})
    watch = MemoryWatch(loop, lambda _task: None)
    try:
        watch.watch(task)  # there is no such group
        monkeypatch.setattr(os, "eventfd", none_left)
        watch.watch(task)
        assert not loop.handlers
        watch.unwatch(task)
    finally:
        loop.poll.close()
