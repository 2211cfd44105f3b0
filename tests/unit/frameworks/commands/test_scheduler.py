"""The shared framework of `fairlead run -d`: runs what was submitted, once, restarts or not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fairlead.common.events import Record
from fairlead.common.ids import AgentId, LaunchUuid, TaskId
from fairlead.common.messages import Accept, Kill, Reconcile, Revive, SetDemand, Suppress
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    SubmitCommand,
    SubmittedCommand,
    WithdrawCommand,
)
from fairlead.common.resources import Resources
from fairlead.common.values import Container, Demand, Reason, TaskInfo, TaskState
from fairlead.frameworks.commands.offers import IN_DOCKER
from fairlead.frameworks.commands.scheduler import Answered, Asked, CommandsScheduler
from fairlead.frameworks.kit.scheduler import task
from fairlead.frameworks.kit.testing import Harness

ONE = Resources.of(cpus=1)


def a_task(task_id: str, cpus: float = 1) -> TaskInfo:
    return task(task_id, ["true"], Resources.of(cpus=cpus))


def begin(*task_ids: str, is_reachable: bool = True) -> Harness:
    h = Harness(CommandsScheduler("life-1", "127.0.0.1:9"), is_reachable=is_reachable)
    for number, task_id in enumerate(task_ids, 1):
        h.happen(Asked(number, SubmitCommand(a_task(task_id))))
    return h


def durable(h: Harness) -> dict[str, SubmittedCommand]:
    """What the store holds after all that was ordered."""
    store: dict[str, SubmittedCommand] = {}
    for order in h.performed:
        if isinstance(order, Record):
            if order.value is None:
                del store[order.key]
            else:
                assert isinstance(order.value, SubmittedCommand)
                store[order.key] = order.value
    return store


def again(h: Harness, *, knows: Sequence[str] = ()) -> Harness:
    """The next life, from what the first left on disk; the master knows only these tasks."""
    scheduler = CommandsScheduler.restore("life-2", "127.0.0.1:10", dict(durable(h)))
    next_life = Harness(scheduler, framework_id="f-1-1", is_reachable=False)
    next_life.master.tasks = {TaskId(name): h.master.tasks[TaskId(name)] for name in knows}
    next_life.reconnect()
    return next_life


def answers(h: Harness) -> list[Answered]:
    return [order for order in h.performed if isinstance(order, Answered)]


def test_an_idle_framework_asks_for_nothing() -> None:
    h = begin()
    (subscribe, _) = h.said
    assert subscribe.wishes[0].suppressed  # type: ignore[union-attr]
    assert subscribe.demands[0].demands == ()  # type: ignore[union-attr]
    assert subscribe.framework.address == "127.0.0.1:9"  # type: ignore[union-attr]


def test_a_submission_is_durable_before_it_is_answered_and_becomes_demand() -> None:
    h = begin("a")
    record, answer = h.performed
    assert record == Record("command/a", SubmittedCommand(a_task("a"), number=1))
    assert answer == Answered(1, CommandSubmitted(h.driver.framework_id, TaskId("a")))
    revive, demand = h.calls
    assert isinstance(revive, Revive)
    assert isinstance(demand, SetDemand)
    assert demand.demands[0].demands == (Demand(ONE, 1),)


def test_m34_what_is_of_higher_priority_is_launched_first() -> None:
    h = begin("a", "b")
    h.happen(Asked(3, SubmitCommand(replace(a_task("urgent", cpus=2), priority=5))))
    h.happen(Asked(4, SubmitCommand(replace(a_task("idle"), priority=-1))))
    h.offer(cpus=3)
    h.offer(cpus=2)
    assert h.launched == ["urgent", "a", "b", "idle"]


def test_m34_a_priority_without_sense_is_refused() -> None:
    h = begin()
    h.happen(Asked(1, SubmitCommand(replace(a_task("a"), priority=1001))))
    assert answers(h)[-1].field == "task.priority"


def test_commands_that_fit_are_launched_in_their_order_and_the_rest_waits() -> None:
    h = begin("a", "b", "c")
    h.take_calls()
    h.offer(cpus=2)
    assert h.launched == ["a", "b"]
    accept, demand = h.take_calls()
    assert isinstance(accept, Accept)
    assert isinstance(demand, SetDemand)
    assert demand.demands[0].demands == (Demand(ONE, 1),)
    h.offer(cpus=2)
    assert h.launched == ["a", "b", "c"]
    assert isinstance(h.take_calls()[1], Suppress), "nothing waits, nothing is wanted"


def test_commands_with_an_image_wait_for_agents_that_run_containers() -> None:
    h = begin("plain")
    boxed = replace(a_task("boxed"), container=Container("i"))
    h.happen(Asked(2, SubmitCommand(boxed)))
    wanted = [call for call in h.calls if isinstance(call, SetDemand)][-1]
    assert set(wanted.demands[0].demands) == {Demand(ONE, 1), Demand(ONE, 1, IN_DOCKER)}
    h.offer(cpus=4)
    assert list(h.tasks) == ["plain"]
    h.offer(cpus=4, attributes={"docker": "true"})
    assert list(h.tasks) == ["plain", "boxed"]


def test_a_launch_is_recorded_before_it_is_said() -> None:
    h = begin("a")
    h.offer()
    kept = durable(h)["command/a"]
    assert kept.launch_uuid == h.master.tasks[TaskId("a")].launch.launch_uuid == "life-1-c1"
    assert kept.agent_id == "agent-1"


def test_what_has_ended_is_forgotten_and_then_acknowledged() -> None:
    h = begin("a")
    h.offer()
    h.status("a", TaskState.RUNNING)
    assert "command/a" in durable(h)
    h.status("a", TaskState.FAILED, exit_code=3)
    assert durable(h) == {}
    assert len(h.acknowledged) == 2


def test_a_submission_may_be_made_again_and_is_run_once() -> None:
    h = begin("a", "a")
    assert [answer.refusal for answer in answers(h)] == ["", ""]
    h.offer(cpus=4)
    assert h.launched == ["a"]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (a_task(""), "task.task_id"),
        (task("x", [], ONE), "task.command.argv"),
        (task("x", ["true"], Resources()), "task.resources"),
        (a_task("a", cpus=2), "task.task_id"),
    ],
)
def test_a_bad_submission_is_refused_by_the_name_of_its_field(bad: TaskInfo, field: str) -> None:
    h = begin("a")
    h.happen(Asked(9, SubmitCommand(bad)))
    answer = answers(h)[-1]
    assert (answer.number, answer.reply, answer.field) == (9, None, field)
    assert answer.refusal
    assert list(durable(h)) == ["command/a"]


def test_before_there_is_a_master_a_submission_is_kept_and_answered_later() -> None:
    h = begin("a", is_reachable=False)
    assert answers(h) == []
    assert "command/a" in durable(h)
    h.reconnect()
    assert answers(h) == [Answered(1, CommandSubmitted(h.driver.framework_id, TaskId("a")))]


def test_a_waiting_command_is_taken_back_and_a_running_one_is_killed() -> None:
    h = begin("a", "b")
    h.offer(cpus=1)
    h.happen(Asked(3, WithdrawCommand(TaskId("b"))))
    h.happen(Asked(4, WithdrawCommand(TaskId("a"))))
    h.happen(Asked(5, WithdrawCommand(TaskId("z"))))
    taken_back, killed, unknown = answers(h)[2:]
    assert taken_back.reply == CommandWithdrawn(was_waiting=True)
    assert killed.reply == CommandWithdrawn()
    assert "no command 'z'" in unknown.refusal
    assert [call for call in h.calls if isinstance(call, Kill)] == [
        Kill(TaskId("a"), AgentId("agent-1"))
    ]
    assert list(durable(h)) == ["command/a"]


def test_a_launch_that_never_ran_waits_again() -> None:
    h = begin("a")
    h.offer()
    h.status("a", TaskState.DROPPED, reason=Reason.AGENT_REFUSED)
    assert durable(h)["command/a"].launch_uuid == ""
    h.offer()
    assert h.launched == ["a", "a.2"], "task ids are used once"
    h.happen(Asked(2, WithdrawCommand(TaskId("a"))))
    assert h.calls[-1] == Kill(TaskId("a.2"), AgentId("agent-1"))
    h.status("a.2", TaskState.KILLED)
    assert durable(h) == {}


def test_what_may_have_run_is_not_run_again() -> None:
    h = begin("a")
    h.offer()
    h.status("a", TaskState.DROPPED, reason=Reason.RECONCILIATION)
    assert durable(h) == {}


def test_a_late_word_about_an_earlier_launch_changes_nothing() -> None:
    h = begin("a")
    h.offer()
    dropped = h.status("a", TaskState.DROPPED, reason=Reason.AGENT_REFUSED)
    h.offer()
    h.driver._ledger._ended.clear()
    h.repeat(dropped)
    assert durable(h)["command/a"].launch_uuid == "life-1-c2"


def test_after_a_restart_the_queue_is_the_same_and_in_order() -> None:
    h = again(begin("b", "a", "c"))
    h.offer(cpus=3)
    assert h.launched == ["b", "a", "c"]


def test_after_a_restart_running_commands_are_followed_and_not_run_again() -> None:
    first = begin("a")
    first.offer()
    first.status("a", TaskState.RUNNING)
    h = again(first, knows=["a"])
    h.offer()
    assert not any(isinstance(call, Accept) for call in h.calls)
    h.status("a", TaskState.FINISHED, exit_code=0)
    forgotten = [order for order in h.performed if isinstance(order, Record)]
    assert forgotten == [Record("command/a", None)]


def test_after_a_restart_a_launch_that_never_arrived_is_asked_for_and_made_again() -> None:
    """It was recorded, then everything was killed before a word of it left."""
    first = begin("a")
    first.offer()
    h = again(first)
    asked = [call for call in h.said if isinstance(call, Reconcile) and call.tasks]
    assert asked[0].tasks[0].launch_uuid == LaunchUuid("life-1-c1")
    h.offer()
    assert h.master.tasks[TaskId("a.2")].launch.launch_uuid == "life-2-c1"


NEVER_RAN = [
    Reason.INVALID_OFFERS,
    Reason.AGENT_REFUSED,
    Reason.AGENT_DISCONNECTED,
    Reason.LAUNCH_UNKNOWN,
    Reason.OPERATION_FAILED,
]


@pytest.mark.parametrize("reason", NEVER_RAN)
def test_a_withdrawn_command_whose_launch_never_ran_is_not_launched_again(reason: Reason) -> None:
    h = begin("a")
    h.offer()
    h.happen(Asked(2, WithdrawCommand(TaskId("a"))))
    record, answer = h.performed[-2:]
    assert isinstance(record, Record), "it is durable before the client is told"
    assert answer == Answered(2, CommandWithdrawn())
    h.status("a", TaskState.DROPPED, reason=reason)
    assert durable(h) == {}
    h.offer()
    assert h.launched == ["a"]


def test_after_a_restart_a_withdrawn_command_is_not_launched_again() -> None:
    first = begin("a")
    first.offer()
    first.happen(Asked(2, WithdrawCommand(TaskId("a"))))
    h = again(first)
    assert [order for order in h.performed if isinstance(order, Record)] == [
        Record("command/a", None)
    ]
    h.offer()
    assert not any(isinstance(call, Accept) for call in h.calls)


def test_after_a_restart_a_withdrawn_command_that_runs_is_killed() -> None:
    """The kill may have been lost with the life that recorded it."""
    first = begin("a")
    first.offer()
    first.happen(Asked(2, WithdrawCommand(TaskId("a"))))
    h = again(first, knows=["a"])
    assert [call for call in h.said if isinstance(call, Kill)] == [
        Kill(TaskId("a"), AgentId("agent-1"))
    ]
    h.status("a", TaskState.KILLED, reason=Reason.KILL_REQUESTED)
    assert [order for order in h.performed if isinstance(order, Record)] == [
        Record("command/a", None)
    ]
