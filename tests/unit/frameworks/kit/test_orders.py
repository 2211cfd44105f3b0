"""Accepts that suspend, resume and resize own tasks (M10): helpers, driver, and the fake master."""

from fairlead.common.ids import TaskId
from fairlead.common.messages import Accept, Code, Reconcile, SetDemand
from fairlead.common.resources import Resources
from fairlead.common.values import Operation, Reason, Resize, Resume, Suspend, TaskState
from fairlead.frameworks.kit.scheduler import (
    CallRefused,
    Offer,
    OffersReceived,
    SchedulerAction,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    accept,
    framework,
    launch,
    order,
    resize,
    resume,
    suspend,
    task,
    wanting,
)
from fairlead.frameworks.kit.testing import Harness

ONE = Resources.of(cpus=1, gpus=1)


class Orderly(SchedulerBase):
    """Launches t1, then does what it is told."""

    def __init__(self) -> None:
        self.framework = framework("orderly")
        self.demands = wanting(ONE, 1)
        self.offers: tuple[Offer, ...] = ()
        self.heard: list[str] = []
        self.reasons: list[Reason] = []
        self.refusals: list[CallRefused] = []
        self.is_new = True

    def step(self, event: SchedulerEvent, now: float) -> list[SchedulerAction]:
        del now
        match event:
            case OffersReceived(offers) if self.is_new:
                self.is_new = False
                return [accept(offers, task("t1", ["train"], ONE))]
            case OffersReceived(offers):
                self.offers = offers
            case StatusReceived(status):
                self.heard.append(f"{status.task_id} {status.state.name}")
                self.reasons.append(status.reason)
            case CallRefused():
                self.refusals.append(event)
            case Accept():
                return [event]
            case _:
                pass
        return []


def running() -> tuple[Harness, Orderly]:
    scheduler = Orderly()
    h = Harness(scheduler)
    h.offer(cpus=2, gpus=1)
    h.status("t1", TaskState.RUNNING)
    scheduler.heard.clear()
    h.take_calls()
    return h, scheduler


def say(h: Harness, *operations: Operation, offers: tuple[Offer, ...] = ()) -> None:
    h.happen(order(*operations, offers=offers))


def test_an_order_names_the_tasks_that_it_is_about() -> None:
    call = order(suspend("a"), resume("b"), *launch(task("c", ["x"], ONE)), resize("b", ONE))
    assert call.task_ids == ("a", "b")
    assert call.offer_ids == ()
    assert [type(each).__name__ for each in call.operations] == [
        "Suspend",
        "Resume",
        "Launch",
        "Resize",
    ]


def test_the_helpers_say_what_the_wire_says() -> None:
    said = suspend("a", free_cpus=True, signal=10, wait_s=2, deadline_s=30)
    assert said == Suspend(TaskId("a"), free_cpus=True, deadline_s=30, signal=10, wait_s=2)
    assert resume("a", deadline_s=3) == Resume(TaskId("a"), 3)
    assert resize("a", ONE) == Resize(TaskId("a"), ONE)


def test_a_task_is_suspended_and_goes_on() -> None:
    h, scheduler = running()
    say(h, suspend("t1"))
    assert h.state("t1") is TaskState.SUSPENDED
    say(h, resume("t1"))
    assert scheduler.heard == ["t1 SUSPENDED", "t1 RUNNING"]


def test_a_task_is_suspended_when_the_test_says_so() -> None:
    h, scheduler = running()
    h.master.is_prompt = False
    say(h, suspend("t1"))
    assert scheduler.heard == []
    h.status("t1", TaskState.SUSPENDING)
    h.status("t1", TaskState.RUNNING, reason=Reason.GPU_NOT_RELEASED)
    assert scheduler.heard == ["t1 SUSPENDING", "t1 RUNNING"]


def test_a_resized_task_runs_with_what_it_was_given() -> None:
    h, scheduler = running()
    say(h, resize("t1", Resources.of(cpus=2)))
    assert h.tasks["t1"].resources.cpus == 2000
    assert scheduler.heard == ["t1 RUNNING"]


def test_a_launch_takes_the_place_of_a_suspended_task_without_an_offer() -> None:
    h, scheduler = running()
    say(h, suspend("t1"), *launch(task("t2", ["train"], ONE)))
    h.status("t2", TaskState.RUNNING)
    assert scheduler.heard == ["t1 SUSPENDED", "t2 RUNNING"]
    assert h.master.tasks[TaskId("t2")].latest.agent_id == "agent-1"


def test_what_cannot_be_is_refused_as_the_master_does() -> None:
    h, scheduler = running()
    say(h, resume("t1"), *launch(task("t2", ["train"], ONE)))
    (refused,) = scheduler.refusals
    assert (refused.result.code, refused.result.field) == (Code.REFUSED, "operations[0]")
    assert scheduler.heard == ["t2 DROPPED"]
    assert h.state("t1") is TaskState.RUNNING


def test_a_malformed_order_without_offers_gives_nothing_back() -> None:
    h, scheduler = running()
    h.master.refusals.append((Code.INVALID, "no", "operations[0]"))
    say(h, suspend("t1"))
    assert len(scheduler.refusals) == 1
    assert [type(call).__name__ for call in h.take_calls()] == ["Accept"]


def test_an_order_without_a_master_is_refused_at_once() -> None:
    h, scheduler = running()
    h.disconnect()
    say(h, suspend("t1"))
    (refused,) = scheduler.refusals
    assert (refused.result.code, refused.result.field) == (Code.REFUSED, "task_ids")


def test_a_demand_is_told_anew_behind_an_order_that_uses_offers() -> None:
    h, scheduler = running()
    say(h, suspend("t1"))
    assert [type(call).__name__ for call in h.take_calls()] == ["Accept"]
    h.offer(cpus=1, gpus=1)
    say(h, resume("t1"), offers=scheduler.offers)
    assert isinstance(h.take_calls()[-1], SetDemand)


def test_whoever_waits_for_an_order_that_was_lost_hears_where_its_task_is() -> None:
    """The answer to the driver's own question is news after an order, even if nothing changed."""
    h, scheduler = running()
    h.master.is_prompt = False
    say(h, suspend("t1"))
    h.fail_over()
    assert any(isinstance(body, Reconcile) for body in h.said)
    assert scheduler.heard == ["t1 RUNNING"]
    h.fail_over()
    assert scheduler.heard == ["t1 RUNNING"], "once"


def test_an_ended_task_is_suspended_in_vain() -> None:
    h, scheduler = running()
    h.status("t1", TaskState.FINISHED, exit_code=0)
    say(h, suspend("t1"))
    assert not scheduler.refusals
    assert h.state("t1") is TaskState.FINISHED
