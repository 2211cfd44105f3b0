"""The scheduler of `fairlead run`: one task, its exit code, and nothing left of it."""

from dataclasses import replace

import pytest

from fairlead.common.ids import AgentId
from fairlead.common.messages import Accept, Decline, Kill, SetDemand, Teardown
from fairlead.common.resources import Resources
from fairlead.common.values import Container, Reason, TaskState
from fairlead.frameworks.commands.offers import IN_DOCKER
from fairlead.frameworks.commands.run import (
    Interrupted,
    MasterAway,
    MasterBack,
    RunScheduler,
    StillWaiting,
    TaskEnded,
    TaskRunning,
)
from fairlead.frameworks.kit.scheduler import task, wanting
from fairlead.frameworks.kit.testing import Harness

HI = task("hi", ["echo", "hi"], Resources.of(cpus=1), name="hello")


def waiting() -> Harness:
    return Harness(RunScheduler(HI))


def running() -> Harness:
    h = waiting()
    h.offer()
    h.status("hi", TaskState.RUNNING)
    return h


def ended(h: Harness) -> TaskEnded:
    (last,) = (order for order in h.performed if isinstance(order, TaskEnded))
    return last


def test_the_first_offer_that_fits_is_used_and_no_other() -> None:
    h = waiting()
    small, large, late = h.offer(cpus=0.5), h.offer(cpus=4), h.offer()
    accepts = [call for call in h.calls if isinstance(call, Accept)]
    assert [call.offer_ids for call in accepts] == [(large.offer_id,)]
    assert [call.offer_ids for call in h.calls if isinstance(call, Decline)] == [
        (small.offer_id,),
        (late.offer_id,),
    ]
    assert h.tasks == {"hi": HI}
    (demand,) = (call for call in h.calls if isinstance(call, SetDemand))
    assert demand.demands[0].demands == (), "nothing more is wanted"


def test_an_image_is_for_agents_that_run_containers() -> None:
    boxed = replace(HI, container=Container("i"))
    h = Harness(RunScheduler(boxed))
    assert h.scheduler.demands == wanting(HI.resources, 1, constraints=IN_DOCKER)
    plain, able = h.offer(), h.offer(attributes={"docker": "true"})
    accepts = [call.offer_ids for call in h.calls if isinstance(call, Accept)]
    declines = [call.offer_ids for call in h.calls if isinstance(call, Decline)]
    assert (accepts, declines) == ([(able.offer_id,)], [(plain.offer_id,)])
    assert h.tasks == {"hi": boxed}


def test_the_terminal_hears_that_it_runs_and_where_its_logs_are() -> None:
    h = running()
    (started,) = h.performed
    assert isinstance(started, TaskRunning)
    assert started.agent_address == "agent-1:1"
    assert started.status.state is TaskState.RUNNING


def test_its_end_is_the_end_of_the_framework() -> None:
    h = running()
    h.status("hi", TaskState.FAILED, exit_code=7, reason=Reason.COMMAND_EXITED)
    assert (ended(h).exit_code, ended(h).message) == (7, "")
    assert h.calls[-1] == Teardown()
    assert h.stopped is not None
    assert h.stopped.exit_code == 7
    assert len(h.acknowledged) == 2


@pytest.mark.parametrize(
    ("state", "ends", "reason", "code", "said"),
    [
        (TaskState.FINISHED, (0, None), Reason.COMMAND_EXITED, 0, ""),
        (TaskState.FAILED, (None, 9), Reason.COMMAND_EXITED, 137, ""),
        (TaskState.FAILED, (None, None), Reason.COMMAND_NOT_STARTED, 127, "was not started"),
        (TaskState.FAILED, (None, 9), Reason.MEMORY_LIMIT, 137, "memory limit"),
        (TaskState.KILLED, (None, 15), Reason.KILL_REQUESTED, 143, "was killed"),
        (TaskState.KILLED, (0, None), Reason.KILL_REQUESTED, 143, "was killed"),
        (TaskState.KILLED, (None, 15), Reason.REVOKED, 143, "the task ended: revoked"),
        (TaskState.GONE, (None, None), Reason.EXIT_STATUS_UNKNOWN, 71, "exit status unknown"),
        (TaskState.ERROR, (None, None), Reason.INVALID_TASK, 76, "refused"),
    ],
)
def test_how_a_task_ended_as_a_shell_says_it(
    state: TaskState,
    ends: tuple[int | None, int | None],
    reason: Reason,
    code: int,
    said: str,
) -> None:
    h = running()
    h.status("hi", state, exit_code=ends[0], signal=ends[1], reason=reason)
    assert ended(h).exit_code == code
    assert said in ended(h).message
    assert bool(said) == bool(ended(h).message)


def test_a_launch_that_never_ran_is_tried_again_under_another_id() -> None:
    h = waiting()
    h.rescind(replace(h.offer(cpus=0.1)))
    h.offer()
    h.status("hi", TaskState.DROPPED, reason=Reason.AGENT_REFUSED)
    assert h.stopped is None
    h.offer()
    assert h.launched == ["hi", "hi.2"]
    h.happen(Interrupted(2))
    killed = h.master.tasks["hi.2"].info.task_id  # type: ignore[index]
    assert h.calls[-1] == Kill(killed, AgentId("agent-1"), signal=2)
    h.status("hi.2", TaskState.KILLED, signal=2, reason=Reason.KILL_REQUESTED)
    assert (ended(h).exit_code, ended(h).message) == (130, "")


def test_what_may_have_run_is_not_tried_again() -> None:
    h = waiting()
    h.offer()
    h.status("hi", TaskState.DROPPED, reason=Reason.RECONCILIATION)
    assert ended(h).exit_code == 71


def test_a_launch_that_is_dropped_for_ever_is_given_up() -> None:
    h = waiting()
    for n in range(1, 21):
        h.offer()
        assert h.stopped is None
        h.status("hi" if n == 1 else f"hi.{n}", TaskState.DROPPED, reason=Reason.AGENT_REFUSED)
    assert ended(h).exit_code == 71


def test_ctrl_c_ends_the_task_and_the_second_one_at_once() -> None:
    h = running()
    h.happen(Interrupted(2))
    h.happen(Interrupted(2, grace_s=0.0))
    assert [call for call in h.calls if isinstance(call, Kill)] == [
        Kill(HI.task_id, AgentId("agent-1"), signal=2),
        Kill(HI.task_id, AgentId("agent-1"), grace_s=0.0, signal=2),
    ]
    h.status("hi", TaskState.KILLED, signal=9, reason=Reason.KILL_REQUESTED)
    assert ended(h).exit_code == 137


@pytest.mark.parametrize(
    ("signum", "ends", "code"),
    [
        (2, (9, None), 9),
        (2, (0, None), 0),
        (2, (None, 2), 130),
        (1, (None, 15), 143),
        (15, (None, None), 143),
    ],
)
def test_an_interrupted_program_has_the_last_word(
    signum: int, ends: tuple[int | None, int | None], code: int
) -> None:
    h = running()
    h.happen(Interrupted(signum))
    reason = Reason.KILL_REQUESTED
    h.status("hi", TaskState.KILLED, exit_code=ends[0], signal=ends[1], reason=reason)
    assert (ended(h).exit_code, ended(h).message) == (code, "")


def test_a_broken_pipe_ends_it_though_no_kill_can_send_that() -> None:
    h = running()
    h.happen(Interrupted(13, grace_s=0.0))
    assert h.calls[-1] == Kill(HI.task_id, AgentId("agent-1"), grace_s=0.0)
    h.status("hi", TaskState.KILLED, signal=15, reason=Reason.KILL_REQUESTED)
    assert ended(h).exit_code == 128 + 13


def test_ctrl_c_while_it_waits_leaves_nothing() -> None:
    h = waiting()
    h.happen(Interrupted(2))
    assert h.calls[-1] == Teardown()
    assert h.stopped is not None
    assert h.stopped.exit_code == 130


def test_the_terminal_hears_once_that_it_waits() -> None:
    h = waiting()
    h.pass_time(2.9)
    assert h.performed == []
    h.pass_time(60)
    assert h.performed == [StillWaiting(HI)]


def test_it_does_not_wait_once_it_runs() -> None:
    h = running()
    h.pass_time(60)
    assert not any(isinstance(order, StillWaiting) for order in h.performed)


def test_a_master_that_goes_and_comes_is_told_and_the_task_runs_on() -> None:
    h = running()
    h.fail_over()
    assert h.performed[1:] == [MasterAway("the master is away"), MasterBack()]
    h.status("hi", TaskState.FINISHED, exit_code=0, reason=Reason.COMMAND_EXITED)
    assert ended(h).exit_code == 0


def test_a_vanished_terminal_is_waited_for_five_seconds_only() -> None:
    assert RunScheduler(HI).framework.failover_timeout_s == 5.0
