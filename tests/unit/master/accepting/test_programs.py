"""Accepts as programs (M10): suspend, resume, resize and launch in order, on what is brought."""

from dataclasses import replace

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task
from tests.support.master_peers import GIB

from fairlead.common.ids import LaunchUuid, OfferId, TaskId
from fairlead.common.messages import Accept, Code, Reconcile, RunAccept, Teardown
from fairlead.common.operators import AgentState
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    Demand,
    Launch,
    Offer,
    Operation,
    Reason,
    Resize,
    Resume,
    Suspend,
    TaskInfo,
    TaskRef,
    TaskState,
)
from fairlead.master.settings import MasterSettings

GPU = "GPU-host1-0"
T2 = demand(cpus=0.5)


def suspend(task_id: str = "t1", *, free_cpus: bool = False, signal: int = 0) -> Suspend:
    return Suspend(TaskId(task_id), free_cpus, signal=signal)


def resume(task_id: str = "t1") -> Resume:
    return Resume(TaskId(task_id))


def resize(task_id: str = "t1", *, cpus: float = 1, mem: int = 1, gpus: float = 0) -> Resize:
    return Resize(TaskId(task_id), Resources.of(cpus=cpus, mem=mem * GIB, gpus=gpus))


def launch(info: TaskInfo) -> Launch:
    return Launch(info, LaunchUuid(f"u-{info.task_id}"))


def running(
    *tasks: TaskInfo, gpus: int = 1, cpus: float = 4
) -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    """A framework that wants nothing more, and its tasks, which run."""
    h = MasterHarness(MasterSettings(offer_timeout_s=1000))
    a = h.agent(cpus=cpus, gpus=gpus)
    f = h.framework()
    f.launch(*(tasks or (task("t1", gpus=1),)))
    a.runs(*(info.task_id for info in tasks or (task("t1"),)))
    f.wants()
    f.statuses.clear()
    return h, a, f


def sharing() -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    """t1 is suspended, t2 runs on its GPU."""
    h, a, f = running()
    f.orders(suspend(), launch(task("t2", gpus=1, cpus=0.5)), offers=offers_for(f, T2))
    a.programs.finish()
    a.runs("t2")
    f.wants()
    f.statuses.clear()
    return h, a, f


def offers_for(f: FrameworkDouble, wanted: Demand) -> list[Offer]:
    f.harness.advance(6)
    f.wants(wanted)
    return f.offers


def held(h: MasterHarness, f: FrameworkDouble, task_id: str = "t1") -> Resources:
    return h.believes(f, task_id).held


# --- suspend


def test_m10_a_suspended_task_keeps_its_memory_and_gives_up_its_gpu() -> None:
    h, a, f = running()
    assert f.orders(suspend()).code is Code.OK
    a.programs.finish()
    assert f.states == ["t1 SUSPENDING", "t1 SUSPENDED"]
    assert held(h, f) == Resources.of(cpus=1, mem=GIB)
    assert h.master.books.agents[a.id].free.gpus == ((GPU, 1000),)


def test_m10_it_gives_up_its_cpus_if_asked() -> None:
    h, a, f = running()
    f.orders(suspend(free_cpus=True))
    a.programs.finish()
    assert held(h, f) == Resources.of(mem=GIB)


def test_m10_what_is_given_up_belongs_to_the_accept_until_it_ends() -> None:
    h, a, f = running()
    g = h.framework(demands=[demand(gpus=1)])
    f.orders(suspend())
    a.programs.step()
    h.tick()
    assert f.state("t1") is TaskState.SUSPENDED
    assert not g.offers, "it is nobody's but the accept's"
    assert h.framework_books(f).used.gpu_millis == 1000, "and counts for its framework"
    a.programs.step()
    h.tick()
    assert g.offered.gpus == ((GPU, 1000),)


def test_m10_what_is_left_is_not_offered_to_who_left_it_for_a_while() -> None:
    h, a, f = running()
    f.wants(demand(cpus=0, mem="0GiB", gpus=1))
    f.orders(suspend(), refuse_s=5)
    h.advance(20)
    a.programs.finish()
    h.advance(4)
    assert f.offered.gpu_millis == 0
    h.advance(2)
    assert f.offered.gpu_millis == 1000


def test_m10_suspending_what_is_suspended_adds_nothing() -> None:
    _h, a, f = sharing()
    assert f.orders(suspend("t1")).code is Code.OK
    result = f.orders(suspend("t1"), launch(task("t3", gpus=1)))
    assert result.code is Code.REFUSED
    a.programs.finish()
    f.orders(suspend("t1"), launch(task("t3", gpus=1)))
    assert f.state("t3") is TaskState.ERROR, "there is no GPU in it"


def test_m10_suspending_what_has_ended_succeeds_and_adds_nothing() -> None:
    h, a, f = running()
    a.finishes("t1")
    assert f.orders(suspend(), launch(task("t2", gpus=1))).code is Code.OK
    assert f.states == ["t1 FINISHED", "t2 ERROR"]
    a.programs.finish()
    assert h.master.books.agents[a.id].free == a.info.resources


# --- resume, and both in one


def test_m10_a_gpu_moves_from_one_task_to_another_in_one_step() -> None:
    h, a, f = sharing()
    g = h.framework(demands=[demand(gpus=1)])
    assert f.orders(suspend("t2"), resume("t1")).code is Code.OK
    while a.programs.step():
        h.tick()
        assert g.offered.gpu_millis == 0, "nobody else gets it in between"
    assert f.states == ["t2 SUSPENDING", "t2 SUSPENDED", "t1 RESUMING", "t1 RUNNING"]
    assert held(h, f, "t1").gpus == ((GPU, 1000),)
    assert held(h, f, "t2").gpus == ()


def test_m10_a_task_goes_on_with_what_is_offered() -> None:
    h, a, f = running()
    f.orders(suspend(free_cpus=True), refuse_s=0)
    a.programs.finish()
    f.wants(demand(gpus=1))
    h.advance(2)
    (offer,) = f.offers
    assert f.orders(resume(), offers=[offer]).code is Code.OK
    run = a.orders[-1]
    assert isinstance(run, RunAccept)
    assert run.resources == Resources.of(cpus=1, gpus={GPU: 1}), "no more than is needed"
    a.programs.finish()
    assert f.state("t1") is TaskState.RUNNING
    assert held(h, f) == Resources.of(cpus=1, mem=GIB, gpus={GPU: 1})


def test_m10_only_its_own_devices_will_do() -> None:
    _h, a, f = running(task("t1", gpus=1), task("t2", gpus=1), gpus=2)
    f.orders(suspend("t1"))
    a.programs.finish()
    result = f.orders(suspend("t2"), resume("t1"))
    assert (result.code, result.field) == (Code.REFUSED, "operations[1]")
    assert "t1 needs 1 gpu (GPU-host1-0) again; 1 gpu (GPU-host1-1) is left" in result.message


def test_m10_a_launch_takes_the_place_of_a_suspended_task() -> None:
    h, a, f = running()
    offers = offers_for(f, T2)
    f.orders(suspend(), launch(task("t2", gpus=1, cpus=0.5)), offers=offers)
    assert held(h, f, "t2") == EMPTY, "what it is to have, t1 has"
    a.programs.step()
    a.programs.step()
    a.programs.step()
    assert held(h, f, "t2").gpus == ((GPU, 1000),), "it was launched, whatever it says and when"
    a.runs("t2")
    assert held(h, f, "t2").gpus == ((GPU, 1000),)


# --- resize


def test_m10_a_task_grows_into_what_is_offered() -> None:
    h, a, f = running()
    f.wants(demand(cpus=2))
    h.advance(6)
    assert f.orders(resize(cpus=3, gpus=1), offers=f.offers).code is Code.OK
    a.programs.finish()
    assert held(h, f) == Resources.of(cpus=3, mem=GIB, gpus={GPU: 1})
    assert f.states == ["t1 RUNNING"]


def test_m10_a_task_shrinks_and_another_takes_what_it_gave() -> None:
    h, a, f = running(task("t1", cpus=4, mem="4GiB"))
    assert f.orders(resize(cpus=1, mem=1), launch(task("t2", cpus=3))).code is Code.OK
    a.programs.finish()
    a.runs("t2")
    assert held(h, f, "t1") == Resources.of(cpus=1, mem=GIB)
    assert held(h, f, "t2") == Resources.of(cpus=3, mem=GIB)


def test_m10_a_resized_task_keeps_the_devices_that_it_has() -> None:
    h, a, f = running(task("t0", gpus=1), task("t1", gpus=1), gpus=2)
    f.orders(suspend("t0"), resize("t1", cpus=0.5, gpus=1))
    a.programs.finish()
    assert held(h, f, "t1").gpus == (("GPU-host1-1", 1000),)


def test_m10_a_task_that_grows_keeps_the_devices_that_it_has() -> None:
    _, a, f = running(*(task(f"t{n}", gpus=1, cpus=0.5) for n in range(3)), gpus=3)
    h = f.harness
    f.orders(suspend("t0"), suspend("t1"), resize("t2", cpus=0.5, gpus=2))
    a.programs.finish()
    assert held(h, f, "t2").gpus == (("GPU-host1-0", 1000), ("GPU-host1-2", 1000))


def test_m10_a_resized_task_is_resumed_with_what_it_had_then() -> None:
    h, a, f = running()
    f.orders(resize(cpus=0.5, mem=2, gpus=1), offers=offers_for(f, demand(mem="2GiB")))
    a.programs.finish()
    f.orders(suspend(free_cpus=True), resume())
    a.programs.finish()
    assert held(h, f) == Resources.of(cpus=0.5, mem=2 * GIB, gpus={GPU: 1})


# --- refused as a whole


@pytest.mark.parametrize(
    ("operations", "field", "words"),
    [
        ((resume(),), "operations[0]", "t1 is RUNNING, not SUSPENDED"),
        ((suspend(), resize()), "operations[1]", "t1 is SUSPENDED, not RUNNING"),
        (
            (resize(cpus=100),),
            "operations[0]",
            "asks for 100 cpus, 1 GiB mem; it and the offers have 2 cpus",
        ),
        ((Resize(TaskId("t1"), EMPTY),), "operations[0]", "asks for nothing"),
        ((suspend(signal=9),), "operations[0]", "9 is none of TERM"),
        ((suspend("t9"),), "task_ids[0]", "no task 't9' is known"),
    ],
)
def test_m10_an_order_that_cannot_be_refuses_the_whole_accept(
    operations: tuple[Operation, ...], field: str, words: str
) -> None:
    h, a, f = running()
    f.wants(demand())
    h.advance(6)
    (offer,) = f.offers
    orders = len(a.orders)
    result = f.orders(*operations, launch(task("t2")), offers=[offer])
    assert (result.code, result.field) == (Code.REFUSED, field)
    assert words in result.message
    assert f.states == ["t2 DROPPED"]
    assert f.statuses[0].reason is Reason.INVALID_OFFERS
    assert len(a.orders) == orders, "nothing is done"
    h.tick()
    assert f.offers, "and the offers are as good as before"


def test_m10_only_named_tasks_are_touched() -> None:
    _, _, f = running()
    result = f.result(Accept((), (suspend(),), (), 5))
    assert (result.code, result.field) == (Code.REFUSED, "offer_ids")
    result = f.result(Accept((), (suspend("t2"),), (TaskId("t1"),), 5))
    assert (result.field, result.message) == (
        "operations[0]",
        "the accept's task_ids do not name 't2'",
    )


def test_m10_a_task_that_has_not_begun_is_not_suspended() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.launch(task())
    assert "t1 is STAGING, not RUNNING" in f.orders(suspend()).message


def test_m10_a_task_that_is_being_killed_is_not_suspended() -> None:
    _, _, f = running()
    f.kill("t1")
    assert f.orders(suspend()).message == "t1 is being killed"


def test_m10_what_has_ended_is_not_resumed() -> None:
    _, a, f = running()
    a.finishes("t1")
    assert f.orders(resume()).message == "t1 has ended: it is FINISHED"


def test_m10_a_task_is_in_one_accept_at_a_time() -> None:
    _, a, f = running()
    f.orders(suspend())
    result = f.orders(resume())
    assert (result.code, result.field) == (Code.REFUSED, "task_ids[0]")
    assert result.message == "t1 is in another accept, which has not ended yet"
    a.programs.finish()
    assert f.orders(resume()).code is Code.REFUSED, "its GPU went back"


def test_m10_tasks_of_two_agents_are_not_of_one_accept() -> None:
    h, _, f = running(task("t1", cpus=4), cpus=4)
    b = h.agent()
    f.wants(demand())
    f.launch(task("t2"))
    b.runs("t2")
    assert "t2 is of another agent" in f.orders(suspend("t1"), suspend("t2")).message


def test_m10_a_task_of_an_agent_that_is_away_cannot_be_ordered_about() -> None:
    _, a, f = running()
    a.disconnects()
    result = f.orders(suspend())
    assert (result.code, result.field) == (Code.REFUSED, "task_ids[0]")
    assert result.message == f"its agent {a.id} is DISCONNECTED"


def test_m10_a_task_of_another_framework_is_not_ours() -> None:
    h, _, _ = running()
    assert "no task 't1'" in h.framework().orders(suspend()).message


def test_m10_a_bad_launch_gets_its_own_error_and_the_rest_is_done() -> None:
    _, a, f = running()
    f.orders(suspend(), launch(task("huge", gpus=5)), resume())
    a.programs.finish()
    assert f.states[0] == "huge ERROR"
    assert f.state("t1") is TaskState.RUNNING


# --- what can happen meanwhile


def test_m10_an_operation_fails_and_what_was_freed_comes_back() -> None:
    h, a, f = running()
    offers = offers_for(f, T2)
    f.orders(suspend(), launch(task("t2", cpus=0.5, gpus=1, mem="0.5GiB")), offers=offers)
    a.programs.step()
    a.programs.fail()
    assert f.states == ["t1 SUSPENDING", "t1 SUSPENDED", "t2 DROPPED"]
    assert h.master.books.agents[a.id].free.gpus == ((GPU, 1000),)


def test_m10_a_task_ends_while_its_accept_runs() -> None:
    h, a, f = running()
    f.orders(suspend())
    a.finishes("t1")
    assert h.master.books.agents[a.id].free != a.info.resources, "not before its accept ends"
    a.programs.finish()
    assert h.master.books.agents[a.id].free == a.info.resources


def test_m10_a_suspended_task_is_killed() -> None:
    h, a, f = running()
    f.orders(suspend())
    a.programs.finish()
    assert f.kill("t1").code is Code.OK
    assert a.asked_to_kill() == ["t1"]
    a.kills("t1")
    assert h.master.books.agents[a.id].free == a.info.resources


def test_m10_a_framework_is_torn_down_while_its_accept_runs() -> None:
    h, a, f = running()
    f.orders(suspend())
    a.programs.step()
    f.call(Teardown())
    assert h.master.books.agents[a.id].used.gpu_millis == 1000, "its agent has the last word"
    a.kills("t1")
    a.programs.finish()
    assert h.master.books.agents[a.id].free == a.info.resources
    h.advance(h.settings.ended_framework_s + 1)
    assert f.id not in h.master.books.frameworks


def test_m10_an_agent_that_is_lost_takes_its_accepts_along() -> None:
    h, a, f = running()
    f.orders(suspend())
    a.is_silent = True
    h.advance(100)
    books = h.master.books.agents[a.id]
    assert (books.state, books.used) == (AgentState.UNREACHABLE, EMPTY)
    assert f.state("t1") is TaskState.UNREACHABLE


def test_m10_an_accept_that_its_agent_never_saw_is_over() -> None:
    _h, a, f = running()
    f.orders(suspend())
    a.programs.running.clear()
    a.disconnects()
    a.connects()
    assert f.states == ["t1 RUNNING"], "told again, so that nobody waits in vain"
    assert f.orders(suspend()).code is Code.OK


def test_m10_an_accept_goes_on_under_a_new_leader() -> None:
    h, a, f = sharing()
    g = h.framework(demands=[demand(gpus=1)])
    f.orders(suspend("t2"), resume("t1"))
    a.programs.step()
    h.fail_over()
    assert h.master.books.agents[a.id].used.gpu_millis == 1000, "what is the accept's is not free"
    assert h.framework_books(f).used.gpu_millis == 1000
    a.programs.step()
    h.tick()
    a.programs.step()
    assert not g.offers
    assert held(h, f, "t1").gpus == ((GPU, 1000),)
    assert f.orders(suspend("t1"), resume("t2")).code is Code.OK


def test_m10_a_launch_to_come_is_known_to_a_new_leader() -> None:
    h, a, f = running()
    f.orders(suspend(), launch(task("t2", cpus=0.5, gpus=1)), offers=offers_for(f, T2))
    h.fail_over()
    refs = (TaskRef(TaskId("t2"), LaunchUuid("u-t2"), a.id),)
    assert f.result(Reconcile(refs)).code is Code.OK
    assert f.state("t2") is TaskState.STAGING
    a.programs.finish()
    a.runs("t2")
    assert held(h, f, "t2").gpus == ((GPU, 1000),)
    assert held(h, f, "t1").gpus == ()


def test_m10_the_demand_shrinks_with_what_is_resumed() -> None:
    h, a, f = running()
    f.orders(suspend(), refuse_s=0)
    a.programs.finish()
    f.wants(demand(count=2, cpus=0.1, mem="0.1GiB", gpus=1))
    h.advance(2)
    f.orders(resume(), offers=f.offers)
    (left,) = h.framework_books(f).demands[f.role]
    assert left.count == 1


def test_m10_an_offer_is_given_back_with_a_refused_accept() -> None:
    h, _, f = running()
    f.wants(demand())
    h.advance(6)
    (offer,) = f.offers
    unknown = replace(offer, offer_id=OfferId("o-9-9"))
    assert f.orders(suspend(), offers=[offer, unknown]).field == "offer_ids"
    h.tick()
    assert f.offers
