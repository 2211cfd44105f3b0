"""A scheduler for tests of the kit: does what the test tells it, remembers what it heard."""

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.common.ids import FrameworkId
from fairlead.common.resources import Resources
from fairlead.common.values import FrameworkInfo, RoleDemand, RoleWish, TaskInfo, TaskStatus
from fairlead.frameworks.kit.scheduler import SchedulerEvent, StatusReceived, task

Answer = Callable[[Any], Sequence[object]]


def one_cpu(task_id: str) -> TaskInfo:
    return task(task_id, ["true"], Resources.of(cpus=1))


class Scripted:
    """Answers each kind of event as told, else with nothing."""

    def __init__(self) -> None:
        self.framework = FrameworkInfo(FrameworkId(""), "scripted")
        self.wishes: tuple[RoleWish, ...] = ()
        self.demands: tuple[RoleDemand, ...] | None = None
        self.deadline: float | None = None
        self.heard: list[SchedulerEvent] = []
        self._answers: dict[type, Answer] = {}

    def on(self, kind: type, answer: Answer) -> None:
        """From now on, what to do about such an event."""
        self._answers[kind] = answer

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        del now
        self.heard.append(event)
        answer = self._answers.get(type(event))
        return answer(event) if answer else ()

    def next_deadline(self) -> float | None:
        return self.deadline

    @property
    def names(self) -> list[str]:
        """The kinds of what was heard, in order."""
        return [type(event).__name__ for event in self.heard]

    @property
    def statuses(self) -> list[TaskStatus]:
        return [event.status for event in self.heard if isinstance(event, StatusReceived)]

    @property
    def states(self) -> list[str]:
        return [status.state.name for status in self.statuses]


class Failing(Scripted):
    """As the first draft of anybody's scheduler."""

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        raise LookupError(f"no idea what to do about a {type(event).__name__} at {now:g}")
