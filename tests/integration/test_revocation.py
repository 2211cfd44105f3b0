"""Whoever is asked to give back does it in its own way: real tasks on a real agent, over gRPC."""

import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.bag import Bag
from tests.support.leading import an_agent, leading, scheduling
from tests.support.sessions import run, until

from fairlead.common.resources import Resources
from fairlead.common.values import Demand, Offer, RoleDemand, TaskRef
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    Revoke,
    SchedulerEvent,
    order,
    resize,
    resume,
    suspend,
    task,
)
from fairlead.master.settings import MasterSettings

SETTINGS = MasterSettings(revoke_after_s=1.0, revoke_grace_s=600.0)
"""Who waits for the deadline fails."""
MEMORY = 10**7
DEVICE = Resources.of(cpus=1, gpus=1)


def sleeping(name: str, count: int, each: Resources) -> Bag:
    """A framework with a role of its own, whose tasks sleep."""
    tasks = [task(f"{name}-{number}", ("sleep", "1000"), each) for number in range(count)]
    return Bag(name, tasks, role=name)


class Yielding(Bag):
    """Makes smaller what is to be taken from it, if it has cpus to spare; else suspends it, and
    lets it go on when it is offered as much again.
    """

    def __init__(self, name: str, count: int, each: Resources) -> None:
        inner = sleeping(name, count, each)
        super().__init__(name, inner.waiting, role=name)
        self.sizes = {each.task_id: each.resources for each in self.waiting}
        self.asked: list[tuple[float, Revoke]] = []
        self.suspended: list[str] = []

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        match event:
            case Revoke(tasks):
                self.asked.append((time.monotonic(), event))
                return self._suspend(tasks) if event.resources.gpus else self._shrink(event)
            case OffersReceived(offers) if self.suspended:
                return [self._resume(offer) for offer in offers]
            case _:
                return super().step(event, now)

    def _shrink(self, asked: Revoke) -> list[object]:
        """A cpu of each task, whichever were named."""
        names = list(self.sizes)[: asked.resources.cpus // 1000]
        return [order(*(resize(name, Resources.of(cpus=1, mem=MEMORY)) for name in names))]

    def _suspend(self, refs: Sequence[TaskRef]) -> list[object]:
        self.suspended = [ref.task_id for ref in refs]
        self.demands = (RoleDemand(self._role, (Demand(DEVICE, len(refs)),)),)
        orders = (suspend(name, free_cpus=True) for name in self.suspended)
        return [order(*orders, refuse_s=0)]  # to have it again as soon as may be

    def _resume(self, offer: Offer) -> object:
        self.demands = (RoleDemand(self._role, ()),)
        return order(resume(self.suspended.pop()), offers=[offer])


def said(asked: Yielding, since: float, what: str) -> None:
    first = asked.asked[0][0] - since
    took = time.monotonic() - since
    print(f"asked to give back after {first:.2f} s, {what} after {took:.2f} s")  # noqa: T201


def test_m27_smaller_tasks_are_an_answer(fairlead_home: Path) -> None:
    """Four cpus become half and half, and nobody's task ends."""

    async def scenario() -> None:
        wide = Yielding("wide", 2, Resources.of(cpus=2, mem=MEMORY))
        poor = sleeping("poor", 2, Resources.of(cpus=1, mem=MEMORY))
        async with leading(fairlead_home, SETTINGS) as here, an_agent(here), scheduling(here, wide):
            await until(lambda: len(wide.running()) == 2, "all cpus are taken")
            since = time.monotonic()
            async with scheduling(here, poor):
                await until(lambda: len(poor.running()) == 2, "half of them", 40)
                said(wide, since, "two tasks are smaller and half of it runs")
            state = await here.state()
        assert [view.resources.cpus for view in state.tasks] == [1000] * 4
        assert len(wide.asked) == 1
        assert not wide.ended()

    run(scenario)


def test_m27_suspended_tasks_are_an_answer_and_go_on_later(
    fairlead_home: Path, tmp_path: Path
) -> None:
    """A device goes to another framework, and back when that has done."""

    async def scenario() -> None:
        deep = Yielding("deep", 2, DEVICE + Resources.of(mem=MEMORY))
        wait = f"while [ ! -e {tmp_path / 'done'} ]; do sleep 0.05; done"
        short = task("short", ("sh", "-c", wait), DEVICE + Resources.of(mem=MEMORY))
        poor = Bag("poor", [short], role="poor")
        async with leading(fairlead_home, SETTINGS) as here, an_agent(here), scheduling(here, deep):
            await until(lambda: len(deep.running()) == 2, "all devices are taken")
            since = time.monotonic()
            async with scheduling(here, poor):
                await until(lambda: len(poor.running()) == 1, "one of them", 40)
                said(deep, since, "one is suspended and the other runs")
                assert len(deep.running()) == 1
                (tmp_path / "done").touch()
                await until(lambda: len(deep.running()) == 2, "the suspended one goes on", 40)
                said(deep, since, "it goes on")
        states = [status.state.name for status in deep.told()[deep.asked[0][1].tasks[0].task_id]]
        assert states[-4:] == ["SUSPENDING", "SUSPENDED", "RESUMING", "RUNNING"]

    run(scenario)
