"""How a wish for workers becomes demand, offers become workers, and what happens to each."""

from collections.abc import Sequence

from fairlead.common.ids import AgentId, LaunchUuid, TaskId
from fairlead.common.messages import (
    Accept,
    Decline,
    FrameworkBody,
    Kill,
    Revive,
    SetDemand,
    StatusUpdated,
    Subscribe,
)
from fairlead.common.resources import Resources
from fairlead.common.values import Command, TaskInfo, TaskState, TaskStatus
from fairlead.frameworks.batch.scheduler import (
    ABSENT_S,
    EXIT_S,
    FIRST_PAUSE_S,
    HOPELESS,
    LONGEST_PAUSE_S,
    SETTLE_S,
    STRANGER_S,
    BatchScheduler,
    WorkerAbsent,
    WorkerEnded,
    WorkerFrozen,
    WorkerPresent,
    WorkerReleased,
    WorkersFail,
    WorkersWanted,
)
from fairlead.frameworks.kit.testing import GIB, Harness

ONE = Resources.of(cpus=1, mem=GIB)
TWO = Resources.of(cpus=2, mem=GIB)
GPU = Resources.of(cpus=1, mem=GIB, gpus=1)


def worker_task(name: str, size: Resources) -> TaskInfo:
    return TaskInfo(TaskId(name), "batch worker", Command(("worker",)), size)


def begin(*, is_successor: bool = False, framework_id: str = "") -> Harness:
    scheduler = BatchScheduler("127.0.0.1:9", "p", worker_task, is_successor)
    return Harness(scheduler, framework_id=framework_id)


def want(h: Harness, count: int, size: Resources = ONE) -> list[FrameworkBody]:
    """What is said to the master because so many are wanted."""
    h.take_calls()
    h.happen(WorkersWanted(size, count))
    return h.take_calls()


def demanded(calls: Sequence[FrameworkBody]) -> list[tuple[Resources, int]]:
    """Of the last demand that was stated."""
    (wanted,) = [call for call in calls if isinstance(call, SetDemand)][-1].demands
    return [(demand.each, demand.count) for demand in wanted.demands]


def kinds(calls: Sequence[FrameworkBody]) -> list[type]:
    return [type(call) for call in calls]


def present(h: Harness, *names: str, size: Resources = ONE) -> None:
    for name in names:
        h.status(name, TaskState.RUNNING)
        h.happen(WorkerPresent(name, size))


def wanted_and_present(count: int) -> Harness:
    """So many workers, each on an agent of its own."""
    h = begin()
    want(h, count)
    for number in range(count):
        h.offer(agent=f"agent-{number}")
    present(h, *h.launched)
    h.take_calls()
    return h


def stray(name: str, state: TaskState, sequence: int = 1) -> TaskStatus:
    """What the master says of a task that an earlier life launched."""
    names = (TaskId(name), LaunchUuid(f"old-{name}"), AgentId("agent-1"))
    return TaskStatus(Harness(Nothing()).driver.framework_id, *names, state, sequence=sequence)


class Nothing(BatchScheduler):
    """Only to have a framework id."""

    def __init__(self) -> None:
        super().__init__("", "", worker_task)


# Demand


def test_nothing_is_wanted_at_first() -> None:
    (subscribe, *_) = begin().said
    assert isinstance(subscribe, Subscribe)
    assert subscribe.demands[0].demands == ()
    assert (subscribe.framework.name, subscribe.framework.address) == ("batch", "127.0.0.1:9")


def test_what_is_wanted_becomes_demand_and_voids_refusals() -> None:
    calls = want(begin(), 3)
    assert kinds(calls) == [Revive, SetDemand]
    assert demanded(calls) == [(ONE, 3)]


def test_wanting_less_is_no_reason_to_revive() -> None:
    h = begin()
    want(h, 3)
    calls = want(h, 1)
    assert kinds(calls) == [SetDemand]
    assert demanded(calls) == [(ONE, 1)]
    assert demanded(want(h, 0)) == []


def test_sizes_are_wanted_side_by_side() -> None:
    h = begin()
    want(h, 1)
    assert demanded(want(h, 2, TWO)) == [(ONE, 1), (TWO, 2)]


def test_workers_that_exist_are_not_asked_for_again() -> None:
    h = wanted_and_present(2)
    assert want(h, 1) == []
    assert want(h, 2) == []
    assert demanded(want(h, 3)) == [(ONE, 1)]


# Offers


def test_an_offer_becomes_as_many_workers_as_are_missing() -> None:
    h = begin()
    want(h, 2)
    h.offer(cpus=8, mem=8 * GIB)
    assert h.launched == ["worker-p-1", "worker-p-2"]
    assert [task.resources for task in h.tasks.values()] == [ONE, ONE]
    (accept, demand) = h.take_calls()
    assert isinstance(accept, Accept)
    assert demanded([demand]) == []


def test_an_offer_becomes_as_many_workers_as_fit() -> None:
    h = begin()
    want(h, 5)
    h.offer(cpus=8, mem=3 * GIB)
    assert len(h.launched) == 3
    assert demanded(h.take_calls()) == [(ONE, 2)]


def test_an_offer_is_shared_by_sizes() -> None:
    h = begin()
    want(h, 1, GPU)
    want(h, 5, TWO)
    h.offer(cpus=5.5, mem=9 * GIB, gpus=1)
    assert [task.resources.cpus for task in h.tasks.values()] == [1000, 2000, 2000]
    assert [task.resources.gpu_millis for task in h.tasks.values()] == [1000, 0, 0]


def test_an_offer_that_is_too_small_is_declined() -> None:
    h = begin()
    want(h, 1, TWO)
    h.offer(cpus=1)
    assert kinds(h.take_calls()) == [Decline]
    assert h.launched == []


def test_an_offer_that_comes_too_late_is_declined() -> None:
    h = wanted_and_present(1)
    h.offer()
    assert kinds(h.take_calls()) == [Decline]


def test_a_refused_accept_is_tried_again_after_a_pause() -> None:
    h = begin()
    want(h, 1)
    h.refuse_next(message="the offer has timed out")
    h.offer()
    assert h.launched == []
    h.take_calls()
    h.pass_time(FIRST_PAUSE_S)
    assert demanded(h.take_calls()) == [(ONE, 1)]
    h.offer()
    assert h.launched == ["worker-p-2"]  # a task id is used once


# Ends


def ended(h: Harness) -> list[str]:
    """The workers of whose end the service was told."""
    return [told.worker for told in h.performed if isinstance(told, WorkerEnded)]


def test_a_lost_worker_is_replaced_at_once() -> None:
    h = wanted_and_present(2)
    h.status("worker-p-1", TaskState.KILLED)
    assert ended(h) == ["worker-p-1"]
    calls = h.take_calls()
    assert kinds(calls) == [Revive, SetDemand]
    assert demanded(calls) == [(ONE, 1)]


def test_a_released_worker_is_not_replaced() -> None:
    h = wanted_and_present(2)
    want(h, 1)
    h.happen(WorkerReleased("worker-p-1"))
    h.status("worker-p-1", TaskState.FINISHED, exit_code=0)
    h.pass_time(2 * EXIT_S)
    assert h.take_calls() == []
    assert ended(h) == ["worker-p-1"]


def test_a_released_worker_does_not_count_while_it_leaves() -> None:
    h = wanted_and_present(1)
    want(h, 0)
    h.happen(WorkerReleased("worker-p-1"))
    assert demanded(want(h, 1)) == [(ONE, 1)]


def test_a_released_worker_that_stays_is_killed_once() -> None:
    h = wanted_and_present(1)
    want(h, 0)
    h.happen(WorkerReleased("worker-p-1"))
    h.pass_time(EXIT_S - 0.1)
    assert h.take_calls() == []
    h.pass_time(3 * EXIT_S)
    (kill,) = h.take_calls()
    assert isinstance(kill, Kill)
    assert kill.task_id == "worker-p-1"


def test_a_released_worker_is_killed_whatever_happens_at_that_moment() -> None:
    """An event that comes before the Tick must not make it forgotten."""
    scheduler = BatchScheduler("", "p", worker_task)
    scheduler.step(WorkersWanted(ONE, 1), 0.0)
    (name,) = [scheduler._next_worker(ONE).task_id]
    scheduler.step(WorkerReleased(name), 0.0)
    assert scheduler.next_deadline() == EXIT_S
    actions = scheduler.step(WorkersWanted(ONE, 0), EXIT_S + 0.1)
    assert kinds(actions) == [Kill]  # type: ignore[arg-type]


def test_a_frozen_worker_is_killed_and_replaced_at_once() -> None:
    h = wanted_and_present(1)
    h.happen(WorkerFrozen("worker-p-1"))
    kill, *others = h.take_calls()
    assert isinstance(kill, Kill)
    assert kill.task_id == "worker-p-1"
    assert others, "another one is asked for"
    h.pass_time(3 * EXIT_S)
    assert Kill not in kinds(h.take_calls())


def test_an_unreachable_worker_is_replaced_and_welcome_back() -> None:
    h = wanted_and_present(2)
    h.status("worker-p-1", TaskState.UNREACHABLE)
    assert demanded(h.take_calls()) == [(ONE, 1)]
    h.status("worker-p-1", TaskState.RUNNING)
    assert demanded(h.take_calls()) == []


def test_a_worker_that_hung_up_is_replaced_unless_it_dials_again() -> None:
    """Nobody says that its task has ended: its agent may be away."""
    h = wanted_and_present(2)
    h.happen(WorkerAbsent("worker-p-1"))
    h.happen(WorkerAbsent("worker-p-2"))
    h.pass_time(ABSENT_S / 2)
    h.happen(WorkerPresent("worker-p-1", ONE))
    assert h.take_calls() == []
    h.pass_time(ABSENT_S / 2)
    calls = h.take_calls()
    assert kinds(calls) == [Revive, SetDemand]
    assert demanded(calls) == [(ONE, 1)]
    h.happen(WorkerPresent("worker-p-2", ONE))
    assert demanded(h.take_calls()) == []


# Workers that end before they have dialled in


def fail(h: Harness, times: int) -> None:
    for _ in range(times):
        h.pass_time(LONGEST_PAUSE_S)
        h.offer()
        h.status(h.launched[-1], TaskState.FAILED, exit_code=1, message="exited with code 1")


def test_pauses_grow_while_workers_end_at_once() -> None:
    h = begin()
    want(h, 1)
    pauses = []
    for _ in range(9):
        h.offer()
        h.status(h.launched[-1], TaskState.FAILED, exit_code=1)
        deadline = h.scheduler.next_deadline()
        assert deadline is not None
        pauses.append(round(deadline - h.now, 3))
        h.pass_time(LONGEST_PAUSE_S)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]


def test_in_a_pause_no_offer_is_used() -> None:
    h = begin()
    want(h, 1)
    want(h, 1, TWO)
    h.offer(cpus=1)
    h.status("worker-p-1", TaskState.FAILED, exit_code=1)
    h.offer(cpus=8, mem=8 * GIB)
    assert [task.resources for task in h.tasks.values()] == [ONE, TWO]


def test_whoever_waits_is_told_when_no_worker_gets_as_far_as_dialling_in() -> None:
    h = begin()
    want(h, 1)
    fail(h, HOPELESS - 1)
    assert not any(isinstance(order, WorkersFail) for order in h.performed)
    fail(h, 1)
    told = h.performed[-1]
    assert isinstance(told, WorkersFail)
    assert told.size == ONE
    assert "the last one exited with code 1" in told.message
    assert f"fairlead tasks logs --stderr worker-p-{HOPELESS}" in told.message
    fail(h, 1)
    assert ended(h)[-1] == f"worker-p-{HOPELESS + 1}"


def test_a_worker_that_dials_in_ends_the_trouble() -> None:
    h = begin()
    want(h, 1)
    fail(h, HOPELESS - 1)
    h.pass_time(LONGEST_PAUSE_S)
    h.offer()
    present(h, h.launched[-1])
    h.status(h.launched[-1], TaskState.FAILED, exit_code=1)
    fail(h, 1)
    assert not any(isinstance(order, WorkersFail) for order in h.performed)


def test_workers_killed_early_are_nobodys_mistake() -> None:
    h = begin()
    want(h, 1)
    for _ in range(2 * HOPELESS):
        h.pass_time(LONGEST_PAUSE_S)
        h.offer()
        h.status(h.launched[-1], TaskState.KILLED)
    assert not any(isinstance(order, WorkersFail) for order in h.performed)


# Failovers


def test_the_demand_is_said_again_to_a_new_master() -> None:
    h = begin()
    want(h, 3)
    h.offer()
    h.fail_over()
    subscribes = [body for body in h.said if isinstance(body, Subscribe)]
    assert [(d.each, d.count) for d in subscribes[-1].demands[0].demands] == [(ONE, 2)]


def test_a_later_life_counts_workers_of_the_one_before() -> None:
    h = begin(is_successor=True, framework_id="f-1-1")
    assert want(h, 2) == []  # it does not know yet what there is
    h._hear(StatusUpdated(stray("worker-o-1", TaskState.RUNNING)))
    h.pass_time(SETTLE_S)
    assert h.take_calls() == []  # its size is not known before it dials in
    h.happen(WorkerPresent("worker-o-1", ONE))
    assert demanded(h.take_calls()) == [(ONE, 1)]
    h._hear(StatusUpdated(stray("worker-o-1", TaskState.GONE, 2)))
    assert demanded(h.take_calls()) == [(ONE, 2)]


def test_a_later_life_does_not_wait_for_ever() -> None:
    h = begin(is_successor=True, framework_id="f-1-1")
    want(h, 2)
    h._hear(StatusUpdated(stray("worker-o-1", TaskState.RUNNING)))
    h.pass_time(STRANGER_S)
    assert demanded(h.take_calls()) == [(ONE, 2)]


def test_a_later_life_without_heritage_hardly_waits() -> None:
    h = begin(is_successor=True, framework_id="f-1-1")
    want(h, 2)
    h.pass_time(SETTLE_S)
    assert demanded(h.take_calls()) == [(ONE, 2)]


def test_a_stranger_can_be_released_and_killed() -> None:
    h = begin(is_successor=True, framework_id="f-1-1")
    h._hear(StatusUpdated(stray("worker-o-1", TaskState.RUNNING)))
    h.happen(WorkerPresent("worker-o-1", ONE))
    h.happen(WorkerReleased("worker-o-1"))
    h.take_calls()
    h.pass_time(EXIT_S)
    assert kinds(h.take_calls()) == [Kill]


def test_a_worker_whose_end_was_heard_first_is_not_counted() -> None:
    h = wanted_and_present(1)
    h.status("worker-p-1", TaskState.KILLED)
    h.take_calls()
    h.happen(WorkerPresent("worker-p-1", ONE))
    assert demanded(want(h, 2)) == [(ONE, 2)]
