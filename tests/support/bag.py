"""A scheduler with a bag of tasks that are launched as soon as they fit, and a thread to run it in.

What the framework was told is kept for the test to judge. `FromEnvironment` is the same for
`fairlead frameworks run`, in a process of its own.
"""

import asyncio
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.command import until

from fairlead.common.home import Home
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Demand,
    Offer,
    RoleDemand,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.identity import Identity
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    Role,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Stop,
    Subscribed,
    Teardown,
    accept,
    decline,
    fitting,
    framework,
    task,
)


@dataclass(frozen=True, slots=True)
class More:
    """Further tasks for the bag."""

    tasks: tuple[TaskInfo, ...]


@dataclass(frozen=True, slots=True)
class End:
    """Tear the framework down."""


class Bag(SchedulerBase):
    """Launches every task once; remembers each status, and each time that a master knew it."""

    def __init__(
        self,
        name: str,
        tasks: Sequence[TaskInfo] = (),
        role: str = "default",
        failover_timeout_s: float = 3600.0,
    ) -> None:
        self.framework = framework(name, role, failover_timeout_s=failover_timeout_s)
        self.waiting = tuple(tasks)
        self.launched: list[TaskInfo] = []
        self.statuses: list[TaskStatus] = []
        self.subscribed: list[Subscribed] = []
        self._role = Role(role)
        self._want()

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        match event:
            case Subscribed():
                self.subscribed.append(event)
            case StatusReceived(status):
                self.statuses.append(status)
            case OffersReceived(offers):
                return [self._use(offer) for offer in offers]
            case More(tasks):
                self.waiting += tasks
                self._want()
            case End():
                return [Teardown(), Stop()]
            case _:
                pass
        return []

    def _use(self, offer: Offer) -> object:
        chosen = fitting(offer.resources, self.waiting)
        self.waiting = tuple(each for each in self.waiting if each not in chosen)
        self.launched += chosen
        self._want()
        return accept([offer], *chosen) if chosen else decline([offer])

    def _want(self) -> None:
        counts: dict[Resources, int] = {}
        for each in self.waiting:
            counts[each.resources] = counts.get(each.resources, 0) + 1
        demands = tuple(Demand(each, count) for each, count in counts.items())
        self.demands = (RoleDemand(self._role, demands),)

    # --- what a test asks

    @property
    def framework_ids(self) -> set[str]:
        return {each.framework_id for each in self.subscribed}

    def told(self) -> Mapping[str, list[TaskStatus]]:
        """Everything that was said, by task."""
        found: dict[str, list[TaskStatus]] = {}
        for status in tuple(self.statuses):
            found.setdefault(status.task_id, []).append(status)
        return found

    def running(self) -> dict[str, TaskStatus]:
        """Tasks that run, as far as this framework was told."""
        latest = {status.task_id: status for status in tuple(self.statuses)}
        return {key: each for key, each in latest.items() if each.state is TaskState.RUNNING}

    def ended(self) -> dict[str, TaskStatus]:
        """Tasks that have ended, as far as this framework was told."""
        return {each.task_id: each for each in tuple(self.statuses) if each.state.is_terminal}


class Holder(SchedulerBase):
    """Keeps whatever it is offered, and uses nothing."""

    def __init__(self, name: str = "holder") -> None:
        self.framework = framework(name)

    def step(self, _event: SchedulerEvent, _now: float) -> Sequence[object]:
        return ()


class FromEnvironment(Bag):
    """What `BAG` says in JSON: name, role, failover_timeout_s, tasks as [id, argv, cpus, mem]."""

    def __init__(self) -> None:
        said: dict[str, Any] = json.loads(os.environ["BAG"])
        tasks = [
            task(task_id, argv, Resources.of(cpus=cpus, mem=mem))
            for task_id, argv, cpus, mem in said.pop("tasks")
        ]
        super().__init__(tasks=tasks, **said)


class Life:
    """One life of a framework, in a thread of this process."""

    def __init__(self, runner: FrameworkRunner) -> None:
        self.runner = runner
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, name="framework")

    def _run(self) -> None:
        self.code = asyncio.run(self.runner.run())

    def begin(self) -> None:
        self._thread.start()

    def feed(self, event: object) -> None:
        self.runner.feed(event)

    def ends(self) -> int:
        """Its exit code, when it ends by itself."""
        until("the framework has ended", lambda: not self._thread.is_alive())
        assert self.code is not None, "the framework failed"
        return self.code

    def stop(self) -> None:
        self.runner.stop()
        self._thread.join()


@contextmanager
def living(
    scheduler: Bag | Holder, home: Home, *, keep_id: bool = False, master: str = ""
) -> Iterator[Life]:
    """The scheduler with its driver, until the block is left."""
    identity = Identity.of(home, scheduler.framework.name) if keep_id else None
    life = Life(FrameworkRunner(scheduler, Whereabouts(home, master), identity=identity))
    life.begin()
    try:
        yield life
    finally:
        life.stop()
