"""The accept transaction: offers in, launches on a running remainder, leftovers out."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task
from tests.support.master_peers import GIB

from fairlead.common.ids import LaunchUuid, OfferId, Role, TaskId
from fairlead.common.messages import Accept, Code, RunAccept, SetDemand
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.sizes import MAX_TASK_BYTES
from fairlead.common.values import (
    Command,
    Container,
    Launch,
    Reason,
    RoleDemand,
    Source,
    TaskInfo,
    TaskState,
    Uri,
)


def held_by_tasks(h: MasterHarness, framework: FrameworkDouble) -> Resources:
    return h.framework_books(framework).used


def test_m7_a_launch_reaches_the_agent_as_one_program() -> None:
    h = MasterHarness()
    a = h.agent(gpus=2)
    f = h.framework()
    assert f.accept(f.offers[0], task("t1", gpus=1), task("t2", gpus=1)) is Code.OK
    (run,) = a.orders
    assert isinstance(run, RunAccept)
    assert run.framework.framework_id == f.id
    assert run.role == "dl"
    assert [o.task.task_id for o in run.operations if isinstance(o, Launch)] == ["t1", "t2"]
    assert run.resources == Resources.of(
        cpus=2, mem=2 * GIB, gpus={"GPU-host1-0": 1, "GPU-host1-1": 1}
    )


def test_m7_gpus_are_named_in_the_launch() -> None:
    h = MasterHarness()
    a = h.agent(gpus=2)
    f = h.framework()
    f.launch(task("t1", gpus=1), task("t2", gpus=1))
    assert a.living[TaskId("t1")].task.resources.gpus == (("GPU-host1-0", 1000),)
    assert a.living[TaskId("t2")].task.resources.gpus == (("GPU-host1-1", 1000),)


def test_m7_several_offers_of_one_agent_are_one_remainder() -> None:
    h = MasterHarness()
    a = h.agent(cpus=2, mem="4GiB")
    f = h.framework()
    f.accept(f.offers[0], task("t1", cpus=1), refuse_s=0)
    h.advance(1.1)
    a.finishes("t1")
    h.tick()
    assert len(f.offers) == 2
    assert f.accept(f.offers, task("t2", cpus=2)) is Code.OK
    assert f.states == ["t1 FINISHED"]


def test_m7_a_bad_task_gets_its_own_error_and_its_siblings_run() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    f.launch(task("t1", cpus=1), task("huge", cpus=100), task("t2", cpus=1))
    assert f.states == ["huge ERROR"]
    assert f.statuses[0].reason is Reason.INVALID_TASK
    assert "100 cpus" in f.statuses[0].message
    assert list(a.living) == ["t1", "t2"]
    assert held_by_tasks(h, f).cpus == 2000


def test_m7_a_task_that_is_too_long_for_a_message_is_refused() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    long = {"LONG": "x" * MAX_TASK_BYTES}
    bad = [
        replace(task("env", cpus=1), command=Command(("true",), long)),
        replace(task("argv", cpus=1), command=Command(("echo", long["LONG"]))),
        replace(task("labels", cpus=1), labels=long),
        replace(task("files", cpus=1), files={"long": bytes(MAX_TASK_BYTES)}),
    ]
    f.launch(*bad, task("t1", cpus=1))
    assert f.states == ["env ERROR", "argv ERROR", "labels ERROR", "files ERROR"]
    assert {status.reason for status in f.statuses} == {Reason.INVALID_TASK}
    assert all(str(MAX_TASK_BYTES) in status.message for status in f.statuses)
    assert list(a.living) == ["t1"]


def test_m7_tasks_that_are_too_long_together_are_refused() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    f = h.framework()
    command = Command(("true",), {"LONG": "x" * 900_000})
    f.launch(*[replace(task(f"t{n}", cpus=1), command=command) for n in range(4)])
    assert f.states == ["t3 ERROR"]
    assert "several accepts" in f.statuses[0].message
    assert list(a.living) == ["t0", "t1", "t2"]


def test_m7_what_a_bad_task_asked_for_comes_back() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f, g = h.framework(), h.framework()
    f.launch(task("huge", cpus=100))
    h.tick()
    assert g.offered.cpus == 4000


def test_m7_the_remainder_runs_down() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework()
    f.launch(task("t1", cpus=3), task("t2", cpus=3), task("t3", cpus=1))
    assert f.states == ["t2 ERROR"]


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (TaskInfo(TaskId("x"), "x", Command(()), Resources.of(cpus=1)), "command.argv"),
        (TaskInfo(TaskId("x"), "x", Command(("",)), Resources.of(cpus=1)), "command.argv"),
        (TaskInfo(TaskId("x"), "x", Command(("a",)), EMPTY), "resources"),
        (TaskInfo(TaskId(""), "x", Command(("a",)), Resources.of(cpus=1)), "task_id"),
        (
            TaskInfo(
                TaskId("x"), "x", Command(("a",)), Resources.of(cpus=1), container=Container("i")
            ),
            "container",
        ),
        (
            TaskInfo(TaskId("x"), "x", Command(("a",)), Resources.of(cpus=1), uris=(Uri("u"),)),
            "uris",
        ),
        (
            TaskInfo(TaskId("x"), "x", Command(("a",)), Resources.of(cpus=1), priority=1001),
            "priority",
        ),
    ],
)
def test_m37_a_task_that_cannot_be_is_refused_alone(broken: TaskInfo, word: str) -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(broken, task("good"))
    assert [status.state for status in f.statuses] == [TaskState.ERROR]
    assert f.statuses[0].message.startswith(word)
    assert list(a.living) == ["good"]


def test_a5_an_image_goes_to_agents_that_run_containers_alone() -> None:
    h = MasterHarness()
    a = h.agent(attributes={"docker": "true"})
    f = h.framework()
    plain = task("x")
    f.launch(
        replace(plain, task_id=TaskId("boxed"), container=Container("i"), user="1000"),
        replace(plain, task_id=TaskId("no-image"), container=Container("")),
        replace(plain, task_id=TaskId("root"), container=Container("i", privileged=True)),
        replace(plain, task_id=TaskId("user"), user="1000"),
    )
    assert list(a.living) == ["boxed"]
    assert {status.task_id: status.message.partition(":")[0] for status in f.statuses} == {
        "no-image": "container.image is empty",
        "root": "container.privileged",
        "user": "user",
    }


def test_m37_a_launch_without_a_uuid_is_refused_alone() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.call(Accept((f.offers[0].offer_id,), (Launch(task("t1"), LaunchUuid("")),)))
    assert f.states == ["t1 ERROR"]


def test_m37_a_task_id_is_used_once() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.launch(task("t1"), task("t1"))
    assert f.states == ["t1 ERROR"]
    assert "used once" in f.statuses[0].message


def test_m37_a_task_id_of_another_framework_is_free() -> None:
    h = MasterHarness()
    h.agent(cpus=2, mem="2GiB")
    f, g = h.framework(role="a", demands=[demand()]), h.framework(role="b", demands=[demand()])
    f.launch(task("t1"))
    g.launch(task("t1"))
    assert not f.statuses
    assert not g.statuses


def test_m7_an_unknown_offer_drops_the_accept_and_resources_come_back() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    launches = (Launch(task("t1"), LaunchUuid("u-t1")), Launch(task("t2"), LaunchUuid("u-t2")))
    result = f.result(Accept((offer.offer_id, OfferId("o-9-9")), launches))
    assert (result.code, result.field) == (Code.REFUSED, "offer_ids")
    assert f.states == ["t1 DROPPED", "t2 DROPPED"]
    assert {status.reason for status in f.statuses} == {Reason.INVALID_OFFERS}
    assert {status.source for status in f.statuses} == {Source.MASTER}
    assert not any(status.update_uuid for status in f.statuses), "nothing to acknowledge"
    h.tick()
    assert f.offers[-1].offer_id != offer.offer_id, "offered again, unfiltered"


def test_m7_an_offer_is_taken_once() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    assert f.accept(offer, task("t1")) is Code.OK
    assert f.accept(offer, task("t2")) is Code.REFUSED
    assert f.states == ["t2 DROPPED"]


def test_m7_naming_an_offer_twice_drops_the_accept() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    assert f.accept((offer, offer), task("t1")) is Code.REFUSED


def test_m7_offers_of_two_agents_drop_the_accept() -> None:
    h = MasterHarness()
    h.agent()
    h.agent()
    f = h.framework()
    assert f.accept(f.offers, task("t1")) is Code.REFUSED
    h.tick()
    assert not h.framework_books(f).tasks


def test_m7_offers_of_two_roles_drop_the_accept() -> None:
    h = MasterHarness()
    f = h.framework(roles=("red", "blue"), demands=[demand()])
    f.call(SetDemand((RoleDemand(Role("blue"), (demand(),)),)))
    h.agent()
    h.tick()
    assert {offer.role for offer in f.offers} == {"red", "blue"}
    assert f.accept(f.offers, task("t1")) is Code.REFUSED


def test_m37_the_offer_of_another_framework_is_not_ours() -> None:
    h = MasterHarness()
    h.agent()
    f, g = h.framework(), h.framework()
    assert g.accept(f.offers[0], task("t1")) is Code.REFUSED
    assert f.offers, "nothing else changes"
    assert f.accept(f.offers[0], task("t1")) is Code.OK


def test_m37_an_accept_without_offers_is_refused() -> None:
    f = MasterHarness().framework()
    assert f.result(Accept(())).code is Code.REFUSED


def test_an_accept_without_launches_is_a_decline() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    assert f.accept(f.offers[0], refuse_s=5) is Code.OK
    h.advance(4)
    assert not f.offers
    assert not a.orders


def test_files_are_for_the_agent_alone() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    secret = TaskInfo(
        TaskId("t1"), "t1", Command(("a",)), Resources.of(cpus=1), files={"key": b"secret"}
    )
    f.launch(secret)
    assert a.living[TaskId("t1")].task.files == {"key": b"secret"}
    assert h.believes(f, "t1").launch.task.files == {}
    h.fail_over()
    assert h.believes(f, "t1").launch.task.files == {}


def test_the_path_from_offer_to_launch_emits_no_record() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    before = dict(h.records)
    f.launch(task("t1"))
    h.tick()
    assert h.records == before


requests = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=6)


@hypothesis.settings(max_examples=80)
@hypothesis.given(requests)
def test_m7_an_accept_gives_what_fits_in_order_and_loses_nothing(
    wanted: list[tuple[int, int]],
) -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, mem="8GiB")
    f = h.framework()
    f.launch(*(task(f"t{n}", cpus=c, mem=f"{m}GiB") for n, (c, m) in enumerate(wanted)))
    left = a.info.resources
    expected: list[str] = []
    for n, (cpus, mem) in enumerate(wanted):
        ask = Resources.of(cpus=cpus, mem=mem * GIB)
        if ask and left.contains(ask):
            left, expected = left - ask, [*expected, f"t{n}"]
    assert list(a.living) == expected
    assert h.master.books.agents[a.id].free == left
    assert len(f.statuses) == len(wanted) - len(expected), "one ERROR for each of the others"
