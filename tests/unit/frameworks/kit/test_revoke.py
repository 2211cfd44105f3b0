"""A scheduler that is asked to give back does so in its own way, or loses what was named (M27)."""

from collections.abc import Sequence

from fairlead.common.resources import Resources
from fairlead.common.values import Reason, TaskState
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    Revoke,
    SchedulerAction,
    SchedulerBase,
    SchedulerEvent,
    Spared,
    accept,
    framework,
    order,
    resume,
    suspend,
    task,
    wanting,
)
from fairlead.frameworks.kit.testing import Harness

ONE = Resources.of(cpus=1, gpus=1)


class Yielding(SchedulerBase):
    """Suspends what is to be taken from it."""

    def __init__(self) -> None:
        self.framework = framework("yielding")
        self.demands = wanting(ONE, 1)
        self.revoked: list[Revoke] = []
        self.spared: list[Spared] = []

    def step(self, event: SchedulerEvent, now: float) -> Sequence[SchedulerAction]:
        del now
        match event:
            case OffersReceived(offers):
                return [accept(offers, task("t1", ["train"], ONE))]
            case Revoke(tasks):
                self.revoked.append(event)
                return [order(*(suspend(ref.task_id, free_cpus=True) for ref in tasks))]
            case Spared(tasks):
                self.spared.append(event)
                return [order(*(resume(ref.task_id) for ref in tasks))]
            case _:
                return []


def test_m27_a_scheduler_hears_which_tasks_what_resources_and_until_when() -> None:
    h = Harness(scheduler := Yielding())
    h.offer(cpus=1, gpus=1)
    h.status("t1", TaskState.RUNNING)
    h.revoke("t1", deadline_s=20)
    (revoke,) = scheduler.revoked
    assert [ref.task_id for ref in revoke.tasks] == ["t1"]
    assert revoke.tasks[0].agent_id == "agent-1"
    assert (revoke.resources, revoke.deadline_s) == (ONE, 20)
    assert h.state("t1") is TaskState.SUSPENDED


def test_m27_a_scheduler_hears_which_tasks_may_stay_after_all() -> None:
    h = Harness(scheduler := Yielding())
    h.offer(cpus=1, gpus=1)
    h.status("t1", TaskState.RUNNING)
    h.revoke("t1")
    h.spare("t1")
    assert [ref.task_id for (spared,) in [scheduler.spared] for ref in spared.tasks] == ["t1"]


def test_m27_what_is_not_given_back_ends() -> None:
    h = Harness(Yielding())
    h.offer(cpus=1, gpus=1)
    h.status("t1", TaskState.KILLED, reason=Reason.REVOKED)
    assert h.state("t1") is TaskState.KILLED
