"""Suspend, resume and resize on an agent: what tasks hold, what their accept has, what fails."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.agent_harness import F1, KILL, AgentHarness, launch

from fairlead.agent.events import ContainerSuspended
from fairlead.agent.limits import Limits
from fairlead.common.ids import AgentId, LaunchUuid, Role, TaskId
from fairlead.common.messages import AcceptEnded, AgentHeartbeat, AgentRegistered, TaskUpdated
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import AgentTask, Reason, Resize, Resume, Suspend, TaskState

A, B = TaskId("a"), TaskId("b")
ONE = Resources.of(cpus=1, mem=100, gpus={"gpu-1": 1})
AT_REST = Resources.of(cpus=1, mem=100)
SWAP = (Suspend(A), Resume(B))


def started(*names: str, gpus: float = 1) -> AgentHarness:
    """With a gpu; each task is started once the one before has given it up."""
    h = AgentHarness(cpus=4, gpus={"gpu-1": gpus}).registered()
    h.acknowledges = True
    for number, name in enumerate(names):
        before = [Suspend(TaskId(names[number - 1]))] if number else []
        h.run([*before, launch(name, resources=ONE)], offered=AT_REST if number else ONE)
    return h


def swapping() -> AgentHarness:
    """There is one gpu: a runs on it, b is suspended."""
    h = started("b", "a")
    assert (h.state("a"), h.state("b")) == (TaskState.RUNNING, TaskState.SUSPENDED)
    h.heard.clear()
    return h


def free(h: AgentHarness) -> Resources:
    ledger = h.agent._context.ledger
    return ledger.capacity - h.held("a") - h.held("b")


def test_who_is_suspended_gives_up_its_devices_and_keeps_its_memory() -> None:
    h = started("a").run([Suspend(A, signal=10, wait_s=2.0)])
    assert h.updates() == ["a RUNNING", "a SUSPENDING", "a SUSPENDED"]
    assert h.last("a").status.reason is Reason.TASK_SUSPENDED
    assert h.last("a").resources == AT_REST
    assert h.frozen() == ["a"]
    (order,) = h.suspends
    assert (order.signum, order.wait_s, order.gpu_ids) == (10, 2.0, ("gpu-1",))
    assert order.sandbox == "/srv/sandboxes/f1/a/u-a"
    h.run([launch("c", resources=Resources.of(gpus=1))])
    assert h.updates()[-1] == "c RUNNING", "the device is free again"


def test_its_cpus_as_well_if_it_is_asked_to() -> None:
    h = started("a").run([Suspend(A, free_cpus=True)])
    assert h.held("a") == Resources.of(mem=100)
    h.run([Resume(A)], offered=Resources.of(cpus=1, gpus={"gpu-1": 1}))
    assert h.held("a") == ONE


def test_two_tasks_change_places_on_one_device() -> None:
    h = swapping().run(SWAP)
    assert h.updates() == ["a SUSPENDING", "a SUSPENDED", "b RESUMING", "b RUNNING"]
    assert (h.held("a"), h.held("b")) == (AT_REST, ONE)
    assert h.frozen() == ["a"]
    (ended,) = h.ended_accepts()
    assert ended == AcceptEnded("accept-3", F1)
    assert isinstance(h.heard[-1], AcceptEnded), "behind what tells of the tasks' resources"


def test_a_device_is_nobodys_before_it_is_given_up() -> None:
    h = swapping()
    h.steps_answer = False
    h.run(SWAP)
    assert h.updates() == ["a SUSPENDING"]
    assert (h.held("a"), h.held("b")) == (ONE, AT_REST)
    h.answers()
    assert h.updates() == ["a SUSPENDING", "a SUSPENDED", "b RESUMING"]
    assert (h.held("a"), h.held("b")) == (AT_REST, ONE), "held as soon as it may be used"


@pytest.mark.parametrize("crashes", [False, True])
def test_what_was_given_up_belongs_to_the_accept_and_is_free_at_its_end(*, crashes: bool) -> None:
    """Over a crash as well: what an accept had left then is neither lost nor doubled."""
    h = started("a").launch("b")
    h.steps_answer = False
    h.run([Suspend(A), Resize(B, Resources.of(cpus=0.5))]).answers()
    if crashes:
        h.crash().registered()
        (progress,) = h.registrations()[-1].accepts
        assert (progress.next_operation, progress.resources) == (1, Resources.of(gpus={"gpu-1": 1}))
    assert h.held("a") == AT_REST
    h.run([launch("c", resources=Resources.of(gpus=1))])
    assert h.last("c").status.reason is Reason.AGENT_REFUSED, "not while the accept is under way"
    h.answers().run([launch("d", resources=Resources.of(gpus=1))])
    assert h.state("d") is TaskState.RUNNING


def test_a_task_of_the_same_accept_gets_it() -> None:
    h = started("a").run([Suspend(A), launch("b", resources=ONE)], offered=AT_REST)
    assert h.updates() == ["a RUNNING", "a SUSPENDING", "a SUSPENDED", "b RUNNING"]


def test_suspending_what_is_suspended_or_has_ended_succeeds() -> None:
    h = started("a").run([Suspend(A)]).run([Suspend(A), launch("b", resources=EMPTY)])
    assert h.ended_accepts()[-1].failed_operation == -1
    h.run([Suspend(A, free_cpus=True)])
    assert h.held("a") == Resources.of(mem=100), "the rest of what it was asked for"
    h.exits("a").run([Suspend(A), Resume(A), Resize(A, ONE)])
    assert h.ended_accepts()[-1].failed_operation == -1
    assert len(h.suspends) == 1


def test_resuming_what_runs_is_done_at_once() -> None:
    h = started("a").run([Resume(A)])
    assert h.updates() == ["a RUNNING"]
    assert h.ended_accepts()[-1].failed_operation == -1


# --- what fails


def test_who_does_not_give_its_device_back_goes_on_and_the_rest_is_not_done() -> None:
    h = swapping()
    h.suspends_fail = "gpu-1 still holds 4 GiB of it"
    h.run([*SWAP, launch("c", cpus=1)])
    assert h.updates() == ["a SUSPENDING", "a RUNNING", "b SUSPENDED", "c DROPPED"]
    message = "operation 0 of its accept failed: gpu-1 still holds 4 GiB of it"
    assert h.last("a").status.reason is Reason.GPU_NOT_RELEASED
    assert h.last("b").status.reason is Reason.OPERATION_FAILED
    assert h.last("c").status.reason is Reason.OPERATION_FAILED
    assert {h.last(name).status.message for name in "abc"} == {message}
    assert (h.held("a"), h.held("b")) == (ONE, AT_REST)
    assert h.ended_accepts()[-1].failed_operation == 0
    assert isinstance(h.heard[-1], AcceptEnded)


def test_who_cannot_be_resumed_stays_suspended_and_its_device_is_free() -> None:
    h = swapping()
    h.resumes_fail = "its freezer does not answer"
    h.run(SWAP)
    assert h.updates() == ["a SUSPENDING", "a SUSPENDED", "b RESUMING", "b SUSPENDED"]
    assert h.last("b").status.message.startswith("operation 1 of its accept failed: its freezer")
    assert (h.held("a"), h.held("b")) == (AT_REST, AT_REST)
    assert free(h).gpus == (("gpu-1", 1000),)


def test_who_may_have_been_resumed_after_all_keeps_its_device_until_it_stands_still() -> None:
    """An engine that hangs says that it failed, and does it later."""
    h = swapping().run([Suspend(A)])
    h.steps_answer = False
    h.resumes_fail = "no answer from its engine"
    h.run([Resume(B)], offered=Resources.of(gpus={"gpu-1": 1}))
    h.processes[LaunchUuid("u-b")].is_frozen = False
    h.tell(h._held_back.pop())
    assert h.ended_accepts()[-1].failed_operation == 0
    assert (h.state("b"), h.held("b")) == (TaskState.RESUMING, ONE)
    h.run([launch("c", resources=ONE)])
    assert h.state("c") is TaskState.DROPPED, "not while it may be in use"
    h.answers()
    assert (h.state("b"), h.held("b")) == (TaskState.SUSPENDED, AT_REST)
    assert "b" in h.frozen()


@pytest.mark.parametrize("crashes", [False, True])
def test_who_cannot_be_resumed_leaves_free_the_cpus_that_it_had_given_up(*, crashes: bool) -> None:
    h = started("a").run([Suspend(A, free_cpus=True)])
    h.steps_answer = False
    h.run([Resume(A)], offered=Resources.of(cpus=1, gpus={"gpu-1": 1})).passes(31)
    assert h.held("a") == ONE, "it may run on them"
    if crashes:
        h.crash().registered()
    h.answers()
    assert (h.state("a"), h.held("a")) == (TaskState.SUSPENDED, Resources.of(mem=100))
    assert h.last("a").resources == Resources.of(mem=100), "what the books follow"


def test_nobody_is_resumed_on_a_device_that_is_not_there() -> None:
    h = swapping().run([Resume(B)])
    assert h.updates() == ["b SUSPENDED"]
    assert h.last("b").status.message == (
        "operation 0 of its accept failed: b needs 1 gpu more; its accept has nothing left"
    )


def test_a_suspension_beyond_its_deadline_is_undone() -> None:
    h = swapping()
    h.steps_answer = False
    h.run([Suspend(A, deadline_s=3.0), Resume(B)]).passes(2.9)
    assert not h.ended_accepts()
    h.passes(0.2)
    assert h.ended_accepts()[-1].failed_operation == 0
    assert h.state("a") is TaskState.SUSPENDING, "until it is known to run"
    assert h.last("b").status.reason is Reason.OPERATION_FAILED
    h.answers()
    assert h.state("a") is TaskState.RUNNING
    assert h.last("a").status.reason is Reason.OPERATION_FAILED
    assert h.frozen() == ["b"]


def test_without_a_deadline_the_agents_own_holds() -> None:
    h = started("a")
    h.steps_answer = False
    h.run([Suspend(A)]).passes(29.9)
    assert not h.ended_accepts()[1:]
    h.passes(0.2)
    assert h.ended_accepts()[-1].message == "a: no answer until the deadline"


def test_an_undoing_that_is_not_answered_is_ordered_again() -> None:
    h = swapping()
    h.steps_answer = False
    h.run([Suspend(A, deadline_s=1.0)]).passes(2.0)
    h._held_back.clear()
    h.steps_answer = True
    h.passes(10.0)
    assert h.state("a") is TaskState.RUNNING


def test_a_resumption_beyond_its_deadline_is_undone() -> None:
    h = swapping()
    h.run([Suspend(A)])
    h.steps_answer = False
    offered = Resources.of(gpus={"gpu-1": 1})
    h.run([Resume(B, deadline_s=1.0)], offered=offered).passes(1.1)
    assert h.held("b") == ONE, "it may be using it"
    h.answers()
    assert (h.state("b"), h.held("b")) == (TaskState.SUSPENDED, AT_REST)
    assert "b" in h.frozen()


def test_who_cannot_be_suspended_again_runs() -> None:
    h = swapping()
    h.run([Suspend(A)])
    h.steps_answer = False
    h.suspends_fail = "gpu-1 still holds 4 GiB of it"
    h.run([Resume(B, deadline_s=1.0)], offered=Resources.of(gpus={"gpu-1": 1})).passes(1.1)
    h.answers()
    assert (h.state("b"), h.held("b")) == (TaskState.RUNNING, ONE)
    assert h.last("b").status.reason is Reason.TASK_RESUMED


def test_who_is_in_the_hands_of_another_accept_is_left_alone() -> None:
    h = started("a")
    h.steps_answer = False
    h.run([Suspend(A)]).run([Resume(A)])
    assert h.ended_accepts()[-1].message == "a is SUSPENDING for another accept"
    h.answers()
    assert h.state("a") is TaskState.SUSPENDED


# --- kills and ends


@pytest.mark.parametrize("state", [TaskState.SUSPENDING, TaskState.SUSPENDED, TaskState.RESUMING])
def test_who_is_suspended_is_killed_without_grace(state: TaskState) -> None:
    h = started("a")
    h.steps_answer = state is not TaskState.SUSPENDING
    h.run([Suspend(A)])
    if state is TaskState.RESUMING:
        h.steps_answer = False
        h.run([Resume(A)], offered=Resources.of(gpus={"gpu-1": 1}))
    assert h.state("a") is state
    h.kill("a", grace_s=60)
    assert h.updates()[-2:] == ["a KILLING", "a KILLED"]
    assert h.ended_accepts()[-1].failed_operation == -1
    h.run([launch("c", resources=Resources.of(gpus=1))])
    assert h.updates()[-1] == "c RUNNING"


def test_the_end_of_who_is_being_suspended_hands_its_device_on() -> None:
    h = swapping()
    h.steps_answer = False
    h.run(SWAP).exits("a", 3)
    assert h.updates() == ["a SUSPENDING", "a FAILED", "b RESUMING"]
    assert h.held("b") == ONE
    h.answers()
    assert h.state("b") is TaskState.RUNNING


def test_a_late_word_of_who_has_ended_means_nothing() -> None:
    h = started("a").exits("a").tell(ContainerSuspended(LaunchUuid("u-a")))
    assert h.state("a") is TaskState.FINISHED


def test_a_kill_with_grace_is_waited_for() -> None:
    h = swapping().kill("a", grace_s=5)
    h.run(SWAP)
    assert not h.ended_accepts()
    h.exits("a")
    assert h.state("b") is TaskState.RUNNING


def test_who_is_killed_before_its_turn_never_starts_however_long_that_takes() -> None:
    h = started("a")
    h.steps_answer = False
    offered = Resources.of(cpus=1, mem=100)
    h.run([Suspend(A, deadline_s=300.0), launch("c", resources=ONE)], offered=offered)
    h.kill("c").passes(100)
    assert h.state("c") is TaskState.KILLED
    h.answers()
    assert (h.state("a"), h.state("c")) == (TaskState.SUSPENDED, TaskState.KILLED)
    assert h.starts == ["u-a"]
    assert h.ended_accepts()[-1].failed_operation == -1


def test_a_framework_that_is_removed_takes_its_accepts_along() -> None:
    h = swapping()
    h.steps_answer = False
    h.run(SWAP).shut_down()
    assert {h.state("a"), h.state("b")} == {TaskState.KILLED}
    assert [key for key in h.records if key.startswith(("accept/", "progress/"))] == []


# --- resize


def test_a_task_grows_out_of_what_was_offered_and_shrinks() -> None:
    h = AgentHarness(cpus=4).registered().launch("a", cpus=1)
    h.acknowledge("a", 1)
    h.run([Resize(A, Resources.of(cpus=3, mem=50))], offered=Resources.of(cpus=2, mem=50))
    assert h.held("a") == Resources.of(cpus=3, mem=50)
    assert h.processes[LaunchUuid("u-a")].limits == Limits(3000, 3000, 50)
    assert h.last("a").status.state is TaskState.RUNNING
    assert h.last("a").resources == h.held("a")
    h.run([Resize(A, Resources.of(cpus=0.5)), launch("b", cpus=3.5)], offered=Resources.of(cpus=1))
    assert h.state("b") is TaskState.RUNNING


def test_a_task_that_cannot_be_held_to_less_keeps_what_it_has() -> None:
    h = AgentHarness(cpus=4).registered().launch("a", cpus=3)
    h.acknowledge("a", 1)
    h.updates_fail = "memory: more than that is in use"
    h.run([Resize(A, Resources.of(cpus=1)), launch("b", cpus=1)], offered=Resources.of(cpus=1))
    assert h.held("a") == Resources.of(cpus=3)
    assert h.last("a").status.reason is Reason.OPERATION_FAILED
    assert h.state("b") is TaskState.DROPPED


def test_a_late_resize_is_taken_back() -> None:
    h = AgentHarness(cpus=4).registered().launch("a", cpus=1)
    h.steps_answer = False
    h.run([Resize(A, Resources.of(cpus=3))], offered=Resources.of(cpus=2)).passes(31)
    assert h.held("a") == Resources.of(cpus=1)
    assert h.processes[LaunchUuid("u-a")].limits == Limits(1000, 1000, 0)


def test_a_limit_of_its_own_stays_until_the_request_is_above_it() -> None:
    h = AgentHarness(cpus=4).registered()
    task = launch("a", cpus=1)
    h.run([replace(task, task=replace(task.task, limits=Resources.of(cpus=2)))])
    for cpus, limit in ((1.5, 2000), (3, 3000)):
        h.run([Resize(A, Resources.of(cpus=cpus))], offered=Resources.of(cpus=2))
        assert h.processes[LaunchUuid("u-a")].limits == Limits(round(cpus * 1000), limit)


def test_a_resize_names_its_devices() -> None:
    """They are those that the task will have after a crash, too."""
    h = AgentHarness(cpus=4, gpus={"gpu-1": 1, "gpu-2": 1}).registered()
    h.run([launch("a", resources=Resources.of(gpus={"gpu-2": 1}))])
    offered = Resources.of(gpus={"gpu-1": 1})
    h.run([Resize(A, Resources.of(gpus=2))], offered=offered)
    assert h.ended_accepts()[-1].message == "a: the master names devices"
    h.run([Resize(A, Resources.of(gpus={"gpu-1": 1, "gpu-2": 1}))], offered=offered)
    assert h.held("a").gpus == (("gpu-1", 1000), ("gpu-2", 1000))
    assert h.resizes[-1].gpu_ids == ()


def test_a_device_that_is_resized_away_has_to_be_given_up_first() -> None:
    h = AgentHarness(cpus=4, gpus={"gpu-1": 1, "gpu-2": 1}).registered()
    h.run([launch("a", resources=Resources.of(gpus={"gpu-1": 1, "gpu-2": 1}))])
    h.updates_fail = "it still holds 2 GiB of gpu-2"
    fewer = Resources.of(gpus={"gpu-1": 1})
    h.run([Resize(A, fewer)])
    assert h.resizes[-1].gpu_ids == ("gpu-2",)
    assert h.held("a").gpu_millis == 2000
    h.updates_fail = ""
    h.run([Resize(A, fewer)])
    assert h.held("a") == fewer


def test_an_answer_that_comes_too_late_is_not_taken_for_another() -> None:
    h = AgentHarness(cpus=4).registered().launch("a", cpus=1)
    h.steps_answer = False
    h.run([Resize(A, Resources.of(cpus=2))], offered=Resources.of(cpus=1)).passes(31)
    late = [h._held_back.pop(0), h._held_back.pop(0)]  # of the resize, and of its undoing
    h.updates_fail = "memory: more than that is in use"
    h.run([Resize(A, Resources.of(cpus=0.5))])
    for event in late:
        h.tell(event)
    assert h.held("a") == Resources.of(cpus=1)
    h.answers()
    assert h.held("a") == Resources.of(cpus=1)
    assert h.last("a").latest.reason is Reason.OPERATION_FAILED


# --- a crash at any point

STORIES: dict[str, tuple[Callable[[AgentHarness], object], dict[str, TaskState]]] = {
    "swap": (
        lambda h: h.run(SWAP),
        {"a": TaskState.SUSPENDED, "b": TaskState.RUNNING},
    ),
    "there and back": (
        lambda h: h.run([*SWAP, Suspend(B), Resume(A)]),
        {"a": TaskState.RUNNING, "b": TaskState.SUSPENDED},
    ),
    "suspend and launch": (
        lambda h: h.run(
            [Suspend(A, free_cpus=True), launch("c", resources=ONE)],
            offered=Resources.of(mem=100),
        ),
        {"a": TaskState.SUSPENDED, "b": TaskState.SUSPENDED, "c": TaskState.RUNNING},
    ),
    "resize and launch": (
        lambda h: h.run(
            [Resize(A, Resources.of(cpus=2, mem=50)), launch("c", cpus=1)],
            offered=Resources.of(cpus=2),
        ),
        {"a": TaskState.RUNNING, "b": TaskState.SUSPENDED, "c": TaskState.RUNNING},
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_crash_at_any_point_loses_no_step(name: str) -> None:
    """Between any two actions; then all of it is done, once, and everything adds up."""
    tell, wanted = STORIES[name]
    passages: list[int] = []
    for number in itertools.count():
        h = swapping()
        before = {each: h.state(each) for each in ("a", "b")}
        h.crash_at = h.performed + number
        tell(h)
        is_over = h.crash_at != -1
        h.registered().passes(1)
        # Before the first action the accept is not on disk: nobody knows of it any more.
        judge(h, wanted if number else before, f"{name}, crash before action {number}")
        passages.append(sum(task.latest.sequence for task in h.agent._context.tasks.values()))
        if is_over:
            told_twice = 1  # with what is held: it is recorded behind what is said
            assert max(passages) <= passages[-1] + told_twice, f"{name}: done twice, {passages}"
            assert number > 10
            return


def judge(h: AgentHarness, wanted: dict[str, TaskState], story: str) -> None:
    assert {name: h.state(name) for name in wanted} == wanted, story
    assert h.agent._accepts.progress() == (), story
    running = [name for name in wanted if wanted[name] is TaskState.RUNNING]
    assert sorted(h.frozen()) == sorted(set(wanted) - set(running)), story
    assert len(h.starts) == len(set(h.starts)), story
    ledger = h.agent._context.ledger
    assert ledger._free is not None, f"{story}: something is held twice"
    held = total(h.held(name) for name in wanted)
    assert (ledger._free + held).vector == ledger.capacity.vector, f"{story}: something is lost"


def test_an_agent_tells_of_launches_to_come() -> None:
    h = swapping()
    h.steps_answer = False
    h.run([Suspend(A), launch("c", resources=ONE)], offered=AT_REST)
    h.hangs_up().registered()
    told = h.registrations()[-1]
    (progress,) = told.accepts
    assert (progress.next_operation, progress.resources) == (0, AT_REST)
    assert (progress.role, progress.task_ids) == (Role("default"), ("a", "c"))
    (coming,) = [task for task in told.tasks if task.task.task_id == "c"]
    assert isinstance(coming, AgentTask)
    assert (coming.latest.state, coming.resources) == (TaskState.STAGING, EMPTY)
    h.answers()
    assert isinstance(h.last("a"), TaskUpdated)
    assert h.held("c") == ONE
    assert KILL not in h.signals("a")


def test_an_accept_that_ends_before_the_master_has_answered_a_registration_is_told_after() -> None:
    h = swapping()
    h.steps_answer = False
    h.run([Suspend(A)]).hangs_up()
    h.answers_registrations = False
    h.registered().answers()
    assert h.state("a") is TaskState.SUSPENDED
    assert h.ended_accepts() == []
    assert h.session is not None
    h.says(AgentRegistered(AgentId("agent-1"), h.cluster_id, 2.0))
    assert [type(body) for body in h.heard[-3:]] == [TaskUpdated, AcceptEnded, AgentHeartbeat]
