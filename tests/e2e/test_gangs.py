"""A gang over two real agents: it starts as one, ends as one over a failover, and begins again."""

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.bag import living
from tests.support.command import until
from tests.support.daemons import Daemons, daemons_of

from fairlead.common.values import Reason, TaskState, TaskStatus
from fairlead.frameworks.kit.scheduler import Scheduler, SchedulerEvent, StatusReceived

EXAMPLE = Path(__file__).parents[2] / "examples/together.py"
AGENT = ("--cpus", "1", "--mem", "1GB", "--disk", "1GB", "--gpus", "none")
COPIES = 3
"""Of half a cpu each: one agent has no room for all."""


class Watched:
    """The example's scheduler; what it was told of each task. Nobody reads its lines here."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.latest: dict[str, TaskStatus] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._scheduler, name)

    def step(self, event: SchedulerEvent, now: float) -> list[object]:
        if isinstance(event, StatusReceived):
            self.latest[event.status.task_id] = event.status
        return [order for order in self._scheduler.step(event, now) if not isinstance(order, str)]


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        found.master()
        found.agent("a1", *AGENT)
        found.agent("a2", *AGENT)
        yield found


def example(*command: str) -> Scheduler:
    spec = importlib.util.spec_from_file_location("together", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scheduler: Scheduler = module.Together(COPIES, command)
    return scheduler


def test_m9_a_gang_over_two_agents_lives_and_ends_as_one(daemons: Daemons, tmp_path: Path) -> None:
    is_done = tmp_path / "done"
    scheduler = Watched(example("sh", "-c", f"test -e {is_done} || exec sleep 1000"))

    def are(attempt: int, state: TaskState) -> bool:
        known = [s for name, s in scheduler.latest.items() if name.startswith(f"{attempt}-")]
        return len(known) == COPIES and all(status.state is state for status in known)

    with living(scheduler, daemons.home):  # type: ignore[arg-type]
        until("all of it runs", lambda: are(1, TaskState.RUNNING))
        members = list(scheduler.latest.values())
        assert len({status.agent_id for status in members}) == 2
        is_done.touch()
        daemons.kill("master")
        os.kill(members[0].pid, signal.SIGKILL)
        daemons.again("master")
        until("another has all finished", lambda: are(2, TaskState.FINISHED))
    ends = {name: (s.state, s.reason) for name, s in scheduler.latest.items() if name[0] == "1"}
    lost = ends.pop(members[0].task_id)
    assert lost == (TaskState.FAILED, Reason.COMMAND_EXITED)
    assert set(ends.values()) == {(TaskState.KILLED, Reason.GANG_BROKEN)}
