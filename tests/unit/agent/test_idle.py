"""An agent lends what its tasks hold and do not use, and takes it back when they need it."""

from dataclasses import replace

from tests.support.agent_harness import AgentHarness, launch

from fairlead.agent.events import UsageMeasured
from fairlead.agent.idle import WINDOWS
from fairlead.common.ids import LaunchUuid
from fairlead.common.resources import Resources
from fairlead.common.values import HostUsage, Launch, Reason, TaskState, Usage

MEM = Resources.of(mem=2**20)


def loan(name: str, cpus: float, *, priority: int = 0) -> Launch:
    """As a master sends it: it holds no cpus, and may use so many."""
    order = launch(name, resources=MEM)
    limits = Resources.of(cpus=cpus)
    task = replace(order.task, limits=limits, revocable=True, priority=priority)
    return replace(order, task=task)


class Measured:
    """Tasks that use so many cpus, measured once a second."""

    def __init__(self, cpus: float = 4) -> None:
        self.h = AgentHarness(cpus=cpus)
        self.h.acknowledges = True
        self.h.registered()
        self.uses: dict[str, float] = {}
        self._cpu_s: dict[str, float] = {}

    def seconds(self, count: int) -> "Measured":
        for _ in range(count):
            self.h.passes(1.0)
            for name, cpus in self.uses.items():
                self._cpu_s[name] = self._cpu_s.get(name, 0.0) + cpus
            usage = tuple((LaunchUuid(f"u-{n}"), Usage(cpu_s=s)) for n, s in self._cpu_s.items())
            self.h.step(UsageMeasured(HostUsage(), usage))
            self.h.settle()
        return self

    def lends(self) -> float:
        """In cpus, by its next heartbeat."""
        self.h.passes(5.0)
        return self.h.heartbeats()[-1].revocable.cpus / 1000


def test_m26_what_is_held_and_not_used_is_lent_with_a_margin() -> None:
    m = Measured()
    m.h.launch("t1", cpus=4)
    m.uses = {"t1": 1.0}
    assert m.seconds(WINDOWS).lends() == 0, "nobody knows yet what it will use"
    assert m.seconds(2).lends() == 4 * 0.9 - 1.0


def test_m26_the_most_that_was_used_lately_counts() -> None:
    m = Measured()
    m.h.launch("t1", cpus=4)
    m.uses = {"t1": 0.0}
    m.seconds(10)
    m.uses = {"t1": 2.0}
    m.seconds(1)
    m.uses = {"t1": 0.0}
    assert m.seconds(2).lends() == 1.6
    assert m.seconds(WINDOWS).lends() == 3.6


def test_m26_when_its_owner_needs_it_the_lowest_priority_and_the_youngest_end() -> None:
    m = Measured()
    m.h.launch("t1", cpus=4)
    m.uses = {"t1": 0.0}
    m.seconds(7)
    loans = [loan("old", 1), loan("young", 1), loan("dear", 1, priority=5)]
    m.h.run(loans, offered=Resources.of(mem=3 * 2**20))
    m.uses = {"t1": 0.9, "old": 1.0, "young": 1.0, "dear": 1.0}
    m.seconds(3)
    assert [m.h.state(name) for name in ("old", "young", "dear")] == [TaskState.RUNNING] * 3
    m.uses["t1"] = 1.5
    m.seconds(1)
    said = m.h.last("young").latest
    assert (said.state, said.reason) == (TaskState.KILLING, Reason.REVOKED)
    assert said.message == "taken back: others need the 1 cpu that it was lent"
    assert m.h.state("old") is m.h.state("dear") is TaskState.RUNNING
    m.uses["t1"] = 4.0
    m.seconds(1)
    assert m.h.state("old") is m.h.state("dear") is TaskState.KILLING


def test_m26_a_task_that_comes_uses_all_that_it_holds_until_it_is_measured() -> None:
    m = Measured()
    m.h.launch("t1", cpus=2)
    m.uses = {"t1": 0.0}
    m.seconds(7)
    m.h.run([loan("b1", 1.5)], offered=MEM)
    m.h.launch("t2", cpus=2)
    m.seconds(1)
    assert m.h.state("b1") is TaskState.RUNNING, "there is room for both"
    m.h.exits("t2").launch("t3", cpus=2)
    m.uses["t1"] = 1.0
    m.seconds(1)
    assert m.h.state("b1") is TaskState.KILLING


def test_m26_revocable_tasks_hold_no_cpus() -> None:
    m = Measured(cpus=2)
    m.h.launch("t1", cpus=2).run([loan("b1", 1)], offered=MEM)
    assert m.h.held("b1") == MEM
    assert m.h.starts == ["u-t1", "u-b1"]


def test_m26_after_a_restart_nobody_ends_before_use_is_known() -> None:
    m = Measured()
    m.h.launch("t1", cpus=4)
    m.uses = {"t1": 0.0}
    m.seconds(7)
    m.h.run([loan("b1", 2)], offered=MEM)
    m.seconds(1)
    m.h.crash().registered()
    m.seconds(WINDOWS)
    assert m.h.state("b1") is TaskState.RUNNING
    m.uses["t1"] = 4.0
    m.seconds(2)
    assert m.h.state("b1") is TaskState.KILLING
