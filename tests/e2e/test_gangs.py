"""A group on a real agent that dies, and a gang over two whose master dies: each ends as one,
whoever is away when a member is lost.
"""

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
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    Resources,
    Scheduler,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    framework,
    launch_group,
    order,
    task,
    wanting,
)

EXAMPLE = Path(__file__).parents[2] / "examples/together.py"
AGENT = ("--cpus", "1", "--mem", "1GB", "--disk", "1GB", "--gpus", "none")
HALF, BOTH = Resources.of(cpus=0.5, mem=2**20), Resources.of(cpus=1, mem=2**21)
COPIES = 3
"""Of half a cpu each: one agent has no room for all."""


class Watched:
    """The example's scheduler; what it was told of each task. Nobody reads its lines here."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.latest: dict[str, TaskStatus] = {}

    def are(self, prefix: str, count: int, state: TaskState) -> bool:
        known = [status for name, status in self.latest.items() if name.startswith(prefix)]
        return len(known) == count and all(status.state is state for status in known)

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


class Pair(SchedulerBase):
    """A group of two, once."""

    def __init__(self) -> None:
        self.framework = framework("pair")
        self.demands = wanting(BOTH, 1)

    def step(self, event: SchedulerEvent, _now: float) -> list[object]:
        if not isinstance(event, OffersReceived) or not self.demands:
            return []
        self.demands = ()
        members = [task(name, ["sleep", "1000"], HALF) for name in ("p1", "p2")]
        return [order(launch_group(*members), offers=event.offers)]


def test_m8_a_group_ends_with_a_member_that_its_agent_did_not_see_end(daemons: Daemons) -> None:
    """The agent was dead by then, and the master knows nothing either."""
    pair = Watched(Pair())
    with living(pair, daemons.home):  # type: ignore[arg-type]
        until("both run", lambda: pair.are("p", 2, TaskState.RUNNING))
        lost, other = pair.latest["p1"], pair.latest["p2"]
        name = next(
            n for n, view in daemons.agents().items() if view.agent.agent_id == lost.agent_id
        )
        daemons.kill(name)
        os.kill(lost.pid, signal.SIGKILL)
        daemons.again(name)
        until("both have ended", lambda: all(s.state.is_terminal for s in pair.latest.values()))
    assert pair.latest["p1"].state is TaskState.FAILED
    end = pair.latest[other.task_id]
    assert (end.state, end.reason) == (TaskState.KILLED, Reason.GANG_BROKEN)


def test_m9_a_gang_over_two_agents_lives_and_ends_as_one(daemons: Daemons, tmp_path: Path) -> None:
    is_done = tmp_path / "done"
    scheduler = Watched(example("sh", "-c", f"test -e {is_done} || exec sleep 1000"))

    with living(scheduler, daemons.home):  # type: ignore[arg-type]
        until("all of it runs", lambda: scheduler.are("1-", COPIES, TaskState.RUNNING))
        members = list(scheduler.latest.values())
        assert len({status.agent_id for status in members}) == 2
        is_done.touch()
        daemons.kill("master")
        os.kill(members[0].pid, signal.SIGKILL)
        daemons.again("master")
        until("another has all finished", lambda: scheduler.are("2-", COPIES, TaskState.FINISHED))
    ends = {name: (s.state, s.reason) for name, s in scheduler.latest.items() if name[0] == "1"}
    lost = ends.pop(members[0].task_id)
    assert lost == (TaskState.FAILED, Reason.COMMAND_EXITED)
    assert set(ends.values()) == {(TaskState.KILLED, Reason.GANG_BROKEN)}
