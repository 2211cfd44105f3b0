"""What a scheduler author needs for groups (M8) and gangs (M9), and how the fake master plays."""

import importlib.util
from pathlib import Path

import pytest

from fairlead.common.ids import TaskId
from fairlead.common.messages import Accept, Code, Decline, SetDemand, Teardown
from fairlead.common.resources import Resources
from fairlead.common.values import Gang, LaunchGroup, Reason, TaskState
from fairlead.frameworks.kit.scheduler import (
    CallRefused,
    Offer,
    OffersReceived,
    SchedulerAction,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    TaskInfo,
    framework,
    gang,
    launch_group,
    order,
    task,
    wanting,
)
from fairlead.frameworks.kit.testing import Harness

ONE = Resources.of(cpus=1, mem=2**20)
EXAMPLE = Path(__file__).parents[4] / "examples/together.py"


def copies(count: int) -> list[TaskInfo]:
    return [task(f"t{number}", ["train"], ONE) for number in range(1, count + 1)]


class Obedient(SchedulerBase):
    """Does what it is told, and remembers."""

    def __init__(self) -> None:
        self.framework = framework("obedient")
        self.offers: list[Offer] = []
        self.heard: list[str] = []
        self.reasons: dict[str, Reason] = {}
        self.refusals: list[str] = []

    def step(self, event: SchedulerEvent, _now: float) -> list[SchedulerAction]:
        match event:
            case OffersReceived(offers):
                self.offers += offers
            case StatusReceived(status):
                self.heard.append(f"{status.task_id} {status.state.name}")
                self.reasons[status.task_id] = status.reason
            case CallRefused(_, result):
                self.refusals.append(result.field)
            case Accept() | Decline():
                return [event]
            case _:
                pass
        return []


def offered(*cpus: float) -> tuple[Harness, Obedient]:
    scheduler = Obedient()
    h = Harness(scheduler)
    for number, each in enumerate(cpus):
        h.offer(cpus=each, agent=f"agent-{number}")
    return h, scheduler


def say(h: Harness, *orders: Accept | Decline) -> None:
    for each in orders:
        h.happen(each)


def test_m9_a_gang_is_an_accept_for_each_offer_that_it_uses() -> None:
    _, scheduler = offered(2, 1, 1)
    orders = gang("g", scheduler.offers, copies(3))
    accepts = [each for each in orders if isinstance(each, Accept)]
    assert [len(each.operations) for each in accepts] == [2, 1]
    assert {each.gang for each in accepts} == {Gang("g", 3)}
    assert orders[2] == Decline((scheduler.offers[2].offer_id,))


def test_m9_what_does_not_fit_gives_no_orders() -> None:
    _, scheduler = offered(1, 1)
    assert gang("g", scheduler.offers, copies(3)) == ()


def test_m9_a_gang_is_stated_in_the_demand() -> None:
    (wanted,) = wanting(ONE, 4, gang=True)
    assert [(each.count, each.gang) for each in wanted.demands] == [(4, True)]


def test_m9_the_fake_master_takes_a_gang_whole() -> None:
    h, scheduler = offered(1, 1)
    first, second = gang("g", scheduler.offers, copies(2))
    say(h, first)
    assert h.launched == []
    say(h, second)
    assert h.launched == ["t1", "t2"]
    assert {info.gang for info in h.tasks.values()} == {Gang("g", 2)}
    assert scheduler.refusals == []


def test_m9_the_fake_master_refuses_a_gang_whole() -> None:
    h, scheduler = offered(1, 1)
    orders = gang("g", scheduler.offers, copies(2))
    h.master.offers.pop(scheduler.offers[1].offer_id)
    say(h, *orders)
    assert h.launched == []
    assert scheduler.refusals == ["gang", "offer_ids"]
    assert sorted(scheduler.heard) == ["t1 DROPPED", "t2 DROPPED"]


def test_m9_ids_of_gangs_are_used_once() -> None:
    h, scheduler = offered(1, 1)
    say(h, *gang("g", scheduler.offers[:1], copies(1)))
    say(h, *gang("g", scheduler.offers[1:], [task("t9", ["train"], ONE)]))
    assert scheduler.refusals == ["gang.gang_id"]


@pytest.mark.parametrize("is_group", [True, False])
def test_m8_who_is_lost_takes_the_others_along(*, is_group: bool) -> None:
    h, scheduler = offered(3)
    if is_group:
        say(h, order(launch_group(*copies(3)), offers=scheduler.offers))
    else:
        say(h, *gang("g", scheduler.offers, copies(3)))
    for name in h.launched:
        h.status(name, TaskState.RUNNING)
    h.status("t1", TaskState.FINISHED, exit_code=0)
    assert h.state("t2") is TaskState.RUNNING
    h.status("t2", TaskState.FAILED, exit_code=1)
    assert scheduler.heard[-2:] == ["t2 FAILED", "t3 KILLED"]
    assert scheduler.reasons["t3"] is Reason.GANG_BROKEN


def test_m8_each_launch_of_a_group_gets_its_uuid() -> None:
    h, scheduler = offered(3)
    say(h, order(launch_group(*copies(2)), offers=scheduler.offers))
    (call,) = [each for each in h.take_calls() if isinstance(each, Accept)]
    (group,) = call.operations
    assert isinstance(group, LaunchGroup)
    assert len({each.launch_uuid for each in group.launches} - {""}) == 2


def test_m8_a_refused_group_is_dropped_as_its_launches() -> None:
    h, scheduler = offered(3)
    h.refuse_next(Code.REFUSED)
    say(h, order(launch_group(*copies(2)), offers=scheduler.offers))
    assert sorted(scheduler.heard) == ["t1 DROPPED", "t2 DROPPED"]


# --- the example


def example(count: int) -> tuple[Harness, list[object]]:
    spec = importlib.util.spec_from_file_location("together", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    h = Harness(module.Together(count))
    return h, h.performed


def test_m9_the_example_begins_when_all_of_it_fits() -> None:
    h, _ = example(3)
    h.offer(cpus=1, agent="a")
    assert h.launched == []
    h.offer(cpus=1, agent="b")
    assert h.launched == ["1-0", "1-1", "1-2"]
    wanted = [each for each in h.take_calls() if isinstance(each, SetDemand)][-1]
    assert not wanted.demands[0].demands


def test_m9_the_example_begins_again_when_one_is_lost_and_stops_when_all_are_done() -> None:
    h, lines = example(2)
    h.offer(cpus=1)
    h.status("1-0", TaskState.RUNNING)
    h.status("1-1", TaskState.RUNNING)
    h.status("1-0", TaskState.FAILED, exit_code=1)
    assert lines == ["1-0 FAILED", "1-1 KILLED gang gang-1: 1-0 is FAILED"]
    h.offer(cpus=1)
    assert h.launched[2:] == ["2-0", "2-1"]
    h.status("2-0", TaskState.FINISHED)
    assert len(lines) == 3, "it waits for the other one"
    h.status("2-1", TaskState.FINISHED)
    assert h.driver.is_stopped
    assert any(isinstance(each, Teardown) for each in h.take_calls())
    assert TaskId("2-1") in h.tasks


def test_m9_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 60
