"""The examples with numbers in docs/allocation.md and docs/offers.md: the master says the same."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand
from tests.support.master_peers import task
from tests.support.pages import says, table_of

from fairlead.common.ids import LaunchUuid, Role, TaskId
from fairlead.common.messages import Code
from fairlead.common.operators import OperatorBody, SetQuota, SetReservation, SetWeight
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Launch, Operation, Resize, Suspend, TaskState

ALLOCATION, OFFERS = "allocation.md", "offers.md"
MANY = 30
GIB = 2**30
WHOLE = Resources.of(cpus=9, mem=18 * GIB)


def cpus_of(*frameworks: FrameworkDouble) -> list[float]:
    """Offered to each."""
    return [framework.offered.cpus / 1000 for framework in frameworks]


def wants_all(h: MasterHarness, *roles: str) -> list[FrameworkDouble]:
    """A framework in each of these roles, with far more demand than there will be."""
    frameworks = [h.framework(role=role, demands=[]) for role in roles]
    h.step_demands({framework: [demand(MANY)] for framework in frameworks})
    return frameworks


def ordered(h: MasterHarness, body: OperatorBody) -> None:
    assert h.orders(body).code is Code.OK


def test_the_example_of_the_paper_bit_by_bit() -> None:
    """Each line follows from the one before; what they come to is what the master gives."""
    each = {"A": demand(9, cpus=1, mem="4GiB"), "B": demand(9, cpus=3, mem="1GiB")}
    h = MasterHarness()
    frameworks = {name: h.framework(role=name, demands=[]) for name in each}
    h.step_demands({frameworks[name]: [wanted] for name, wanted in each.items()})
    h.agent(cpus=9, mem="18GiB")
    h.tick()
    held = dict.fromkeys(each, EMPTY)
    for _, to, of_a, of_b, free in table_of(ALLOCATION, "| bit | to |"):
        held[to] += each[to].each
        left = WHOLE - held["A"] - held["B"]
        assert Fraction(of_a) == Fraction(held["A"].mem, WHOLE.mem)
        assert Fraction(of_b) == Fraction(held["B"].cpus, WHOLE.cpus)
        assert re.findall(r"\d+", free) == [f"{left.cpus // 1000}", f"{left.mem // GIB}"]
    assert held == {name: framework.offered for name, framework in frameworks.items()}


@pytest.mark.parametrize("row", table_of(ALLOCATION, "| frameworks in | weights |"), ids=str)
def test_shares_of_a_tree(row: list[str]) -> None:
    roles, weights, shares = (cell.split(", ") if cell else [] for cell in row)
    h = MasterHarness()
    frameworks = wants_all(h, *roles)
    for role, weight in (each.split() for each in weights):
        ordered(h, SetWeight(Role(role), float(weight)))
    h.agent(cpus=24, mem="64GiB")
    h.tick()
    assert cpus_of(*frameworks) == [float(share) for share in shares]


def test_weights() -> None:
    assert says(ALLOCATION, "With weights 2:1, equal tasks and 30 cpus there are 20 and 10 of them")
    h = MasterHarness()
    frameworks = wants_all(h, "a", "b")
    ordered(h, SetWeight(Role("a"), 2))
    h.agent(cpus=30, mem="64GiB")
    h.tick()
    assert cpus_of(*frameworks) == [20, 10]


def test_a_demand_bounds_what_is_offered_on_all_agents_together() -> None:
    assert says(ALLOCATION, "three agents with room and a demand for two tasks make offers for two")
    h = MasterHarness()
    framework = h.framework(demands=[demand(2)])
    for _ in range(3):
        h.agent(cpus=1, mem="4GiB")
    h.tick()
    assert [offer.resources.cpus for offer in framework.offers] == [1000, 1000]


def test_agents_with_gpus() -> None:
    assert says(
        ALLOCATION,
        "Of a demand for nine tasks of 1 cpu and one of 4, two of the former are offered on the"
        " first, the latter on the second, and seven wait.",
    )
    h = MasterHarness()
    framework = h.framework(demands=[demand(9), demand(1, cpus=4)])
    h.agent(cpus=2, name="plain")
    h.agent(cpus=16, gpus=1, name="rich")
    h.tick()
    assert {o.hostname: o.resources.cpus for o in framework.offers} == {"plain": 2000, "rich": 4000}


def test_limits_as_each_comes_in_turn() -> None:
    h = MasterHarness()
    ordered(h, SetQuota(Role("research"), limits={"cpus": 3000}))
    ordered(h, SetQuota(Role("research/vision"), limits={"cpus": 2000}))
    h.agent(cpus=8, mem="64GiB")
    comers: list[FrameworkDouble] = []
    for role, *held in table_of(ALLOCATION, "| in turn come | vision |"):
        comers.append(h.framework(role=role, demands=[demand(MANY)]))
        assert cpus_of(*comers) == [float(cell) for cell in held if cell]


def test_a_new_master_counts_who_is_not_back_as_full() -> None:
    assert says(
        ALLOCATION,
        "with a limit of 5 cpus, an agent that is back and holds 1 of them, and one of 4 cpus that"
        " is not, nothing more is offered",
    )
    h = MasterHarness()
    ordered(h, SetQuota(Role("dl"), limits={"cpus": 5000}))
    back = h.agent(cpus=4)
    framework = h.framework(demands=[demand(1)])
    framework.accept(framework.offers[0], task("t1"))
    away = h.agent(cpus=4)
    h.fail_over(returns=False)
    back.connects()
    framework.connects()
    framework.wants(demand(MANY))
    h.tick()
    assert framework.offers == []
    away.connects()
    h.tick()
    assert cpus_of(framework) == [4]


@pytest.mark.parametrize("free", [10, 5])
def test_guarantees(free: int) -> None:
    rows = table_of(ALLOCATION, "| | need | others need |")
    may_have = {row[0]: int(re.findall(r"\d+", row[-1])[-1]) for row in rows}
    assert may_have == {"a": 7, "b": 7, "c": 4}
    if free == 5:
        assert says(ALLOCATION, "Were 5 free, `c` could have none, and `a` and `b` 3 each")
        may_have = {"a": 3, "b": 3, "c": 0}
    for alone in may_have:
        h = MasterHarness()
        h.agent(cpus=free + 1, mem="64GiB")
        of_a = h.framework(role="a", demands=[demand(1)])
        of_a.accept(of_a.offers[0], task("t1"))
        ordered(h, SetQuota(Role("a"), guarantees={"cpus": 4000}))
        ordered(h, SetQuota(Role("b"), guarantees={"cpus": 3000}, force=True))
        of_a.wants()
        asks = of_a if alone == "a" else h.framework(role=alone, demands=[])
        asks.wants(demand(MANY))
        h.tick()
        assert cpus_of(asks) == [may_have[alone]], alone


@pytest.mark.parametrize(("free", "offered"), table_of(OFFERS, "| free there by then |"))
def test_what_a_refusal_covers(free: str, offered: str) -> None:
    h = MasterHarness()
    agent, framework = h.agent(cpus=4, mem="8GiB"), h.framework()
    framework.decline(*framework.offers, refuse_s=60)
    agent.disconnects()
    cpus, mem = (int(number) for number in re.findall(r"\d+", free))
    agent.info = replace(agent.info, resources=Resources.of(cpus=cpus, mem=mem * GIB))
    agent.connects()
    h.advance(20)
    assert bool(framework.offers) is (offered == "yes")
    h.advance(41)
    assert len(framework.seen_offers) > 1


def test_what_is_reserved_and_held_below() -> None:
    assert says(
        OFFERS,
        "With 4 of 8 cpus reserved for `ml`, and 3 held there by `ml/vision`, others may have"
        " 8 − 3 − 1 = 4.",  # noqa: RUF001 - as it is printed
    )
    h = MasterHarness()
    agent = h.agent(cpus=8, mem="64GiB")
    vision = h.framework(role="ml/vision", demands=[demand(3)])
    vision.accept(vision.offers[0], *(task(f"t{n}") for n in range(3)))
    ordered(h, SetReservation(agent.id, Role("ml"), Resources.of(cpus=4)))
    (other,) = wants_all(h, "other")
    assert cpus_of(other) == [4]


@pytest.mark.parametrize("count", range(4))
def test_what_is_left_in_an_accept(count: int) -> None:
    """A last launch that asks for too much is told how much there is."""
    h = MasterHarness()
    agent = h.agent(cpus=4, mem="8GiB", gpus=1)
    framework = h.framework(demands=[demand(1, mem="2GiB", gpus=1), demand(1)])
    framework.launch(task("a", mem="2GiB", gpus=1), task("b"))
    agent.runs("a", "b")
    framework.wants(demand(1, cpus=2, mem="4GiB"))
    h.tick()
    steps: list[Operation] = [
        Suspend(TaskId("a")),
        Launch(task("c", gpus=1), LaunchUuid("c")),
        Resize(TaskId("b"), Resources.of(cpus=2, mem=GIB)),
    ]
    rows = table_of(OFFERS, "| operation | left then |")
    verbs = [operation.split()[:2] for operation, _ in rows[1:]]
    assert verbs == [["suspend", "a"], ["launch", "c"], ["resize", "b"]]
    too_much = Launch(task("d", cpus=99), LaunchUuid("d"))
    framework.orders(*steps[:count], too_much, offers=framework.offers)
    assert framework.state("d") is TaskState.ERROR
    told = next(status for status in framework.statuses if status.task_id == "d")
    assert told.message.endswith(f"the offers have {rows[count][1]} left")
