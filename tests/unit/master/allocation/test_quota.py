"""Quotas: nobody holds more than its limit (M23), and what is guaranteed is kept free (M24)."""

from dataclasses import replace

import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import GpuId, Role, TaskId
from fairlead.common.messages import Code, Revive, Teardown
from fairlead.common.operators import RoleView, SetQuota, SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Predicate,
    Resize,
    Resume,
    Suspend,
    TaskState,
)
from fairlead.master.allocation import quota
from fairlead.master.allocation.quota import Outlook
from fairlead.master.views import all_keys, view

GIB = 2**30
CPU = 1000


def allows(h: MasterHarness, role: str, **limits: int) -> None:
    """It may hold so much at most."""
    assert h.orders(SetQuota(Role(role), limits=limits)).code is Code.OK


def guarantees(h: MasterHarness, role: str, *, force: bool = False, **amounts: int) -> None:
    assert h.orders(SetQuota(Role(role), amounts, force=force)).code is Code.OK


def cpus(*frameworks: FrameworkDouble) -> list[float]:
    """Used and offered, as the master's books have it."""
    books = [f.harness.framework_books(f) for f in frameworks]
    return [sum(held.cpus for held in each.held.values()) / CPU for each in books]


def busy(h: MasterHarness, framework: FrameworkDouble, *names: str) -> None:
    """One cpu each, on whatever it is offered."""
    left = list(names)
    while left:
        h.tick()
        assert framework.offers, f"nothing is offered for {left}"
        offer = framework.offers[0]
        fit, left = left[: offer.resources.cpus // CPU], left[offer.resources.cpus // CPU :]
        assert framework.accept(offer, *(task(name, mem="0.1GiB") for name in fit)) is Code.OK
        for agent in h.agents:
            agent.runs(*(name for name in fit if name in agent.living))
    h.tick()


# --- M23: limits


def test_m23_a_role_is_offered_no_more_than_its_limit() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    h.agent(cpus=4)
    allows(h, "dl", cpus=3 * CPU)
    f = h.framework(demands=[demand(8)])
    assert cpus(f) == [3], "both agents together"


def test_m23_outstanding_offers_count_and_what_comes_back_is_offered_again() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    allows(h, "dl", cpus=2 * CPU)
    f = h.framework(demands=[demand(2)])
    g = h.framework(demands=[demand(2)])
    assert cpus(f, g) == [2, 0]
    f.decline()
    h.tick()
    assert cpus(f, g) == [0, 2]


def test_m23_what_ends_here_may_be_had_elsewhere() -> None:
    """Its constraints keep the second framework of the role from the agent that has room."""
    h = MasterHarness()
    a = h.agent(cpus=1)
    h.agent(cpus=1)
    allows(h, "dl", cpus=CPU)
    f = h.framework(demands=[demand()])
    busy(h, f, "t1")
    h.framework(role="other", demands=[])
    g = h.framework(demands=[demand(cpus=1)])
    f.call(Revive())
    assert cpus(f, g) == [1, 0]
    where = a if "t1" in a.living else h.agents[1]
    h.framework(role="other", demands=[demand()])
    h.tick()
    where.finishes("t1")
    h.tick()
    assert cpus(f, g) == [0, 1]


def test_m23_all_roles_above_bound_it_too() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    allows(h, "research", cpus=3 * CPU)
    allows(h, "research/vision", cpus=2 * CPU)
    vision = h.framework(role="research/vision", demands=[demand(8)])
    assert cpus(vision) == [2]
    speech = h.framework(role="research/speech", demands=[demand(8)])
    assert cpus(vision, speech) == [2, 1]
    other = h.framework(role="other", demands=[demand(8)])
    assert cpus(other) == [5]


def test_m23_without_a_demand_it_is_offered_what_the_limit_leaves_of_an_agent() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="8GiB", gpus=2)
    allows(h, "dl", cpus=CPU, gpus=0)
    f = h.framework()
    assert f.offered == Resources.of(cpus=1, mem=8 * GIB)


def test_m23_memory_without_a_cpu_is_offered_to_nobody_who_only_wants_something() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    allows(h, "dl", cpus=CPU)
    f = h.framework()
    f.launch(task("t1", cpus=1))
    h.advance(10)
    assert not f.offers
    f.wants(demand(cpus=0))
    assert f.offered == Resources.of(mem=GIB)


def test_m23_devices_are_counted_in_parts() -> None:
    h = MasterHarness()
    h.agent(cpus=8, gpus=4)
    allows(h, "dl", gpus=1500)
    f = h.framework(demands=[demand(8, gpus=0.5)])
    assert f.offered.gpu_millis == 1500


def test_m23_lowering_the_limit_rescinds_offers_the_youngest_first_until_it_holds() -> None:
    h = MasterHarness()
    for _ in range(3):
        h.agent(cpus=2)
    f = h.framework(demands=[demand(6)])
    first, second, third = (offer.offer_id for offer in f.offers)
    assert cpus(f) == [6]
    allows(h, "dl", cpus=5 * CPU)
    assert f.rescinded == [third]
    assert cpus(f) == [5], "and what it leaves is offered at once"
    f.rescinded.clear()
    allows(h, "dl", cpus=2 * CPU)
    assert first not in f.rescinded
    assert second in f.rescinded
    assert cpus(f) == [2]


def test_m14_offers_are_rescinded_when_a_limit_is_lowered() -> None:
    h = MasterHarness()
    h.agent(cpus=2)
    f = h.framework(role="a/b", demands=[demand(2)])
    g = h.framework(role="a", demands=[demand(2)])
    (offer,) = f.offers
    allows(h, "a", cpus=0)
    assert f.rescinded == [offer.offer_id]
    assert cpus(f, g) == [0, 0]
    assert f.accept(offer, task("t1")) is Code.REFUSED


def test_m23_what_runs_above_a_lowered_limit_goes_on_and_does_not_grow() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework(demands=[demand(4)])
    busy(h, f, "t1", "t2", "t3")
    allows(h, "dl", cpus=CPU)
    assert cpus(f) == [3], "no offer beside them"
    f.wants(demand(4))
    a.finishes("t1", "t2")
    h.tick()
    assert cpus(f) == [1]
    a.finishes("t3")
    h.advance(6)  # it did not want the fourth one at first
    assert cpus(f) == [1]


def test_m23_an_agent_that_comes_back_with_more_is_only_kept_from_growing() -> None:
    h = MasterHarness()
    a = h.agent(cpus=2)
    f = h.framework(demands=[demand(2)])
    busy(h, f, "t1", "t2")
    allows(h, "dl", cpus=3 * CPU)
    a.disconnects()
    h.advance(80)
    assert f.state("t1") is TaskState.UNREACHABLE
    h.agent(cpus=4)
    f.wants(demand(4))
    (offer,) = f.offers
    assert cpus(f) == [3], "while nobody knows of the others"
    a.connects()
    h.tick()
    assert f.rescinded == [offer.offer_id]
    assert cpus(f) == [3], "what came back, and one cpu beside it"


def test_m23_what_agents_have_that_are_not_back_yet_may_be_the_roles_own() -> None:
    """A new leader knows neither how much runs there nor whose it is."""
    h = MasterHarness()
    a, b = h.agent(cpus=4), h.agent(cpus=4)
    allows(h, "dl", cpus=5 * CPU)
    f = h.framework(demands=[demand(5)])
    busy(h, f, "t1", "t2")
    h.fail_over(returns=False)
    a.connects()
    f.connects()
    f.wants(demand(5))
    assert cpus(f) == [max(1, len(a.living))], "of the five four may be in use elsewhere"
    b.connects()
    h.tick()
    assert cpus(f) == [5]


def test_m23_an_agent_that_never_comes_back_holds_nobody_up() -> None:
    h = MasterHarness()
    a, b = h.agent(cpus=2), h.agent(cpus=2)
    allows(h, "dl", cpus=2 * CPU)
    f = h.framework(demands=[])
    h.fail_over(returns=False)
    a.connects()
    f.connects()
    f.wants(demand(2))
    assert cpus(f) == [0]
    h.advance(80)
    assert cpus(f) == [2], f"{b.id} has been given up"


def test_m23_all_that_goes_into_an_accept_counts_already() -> None:
    """No order about a task can pass a limit: there is nothing that it could take."""
    h = MasterHarness()
    h.agent(cpus=4, gpus=1)
    allows(h, "dl", cpus=2 * CPU)
    f = h.framework(demands=[demand(cpus=2)])
    busy(h, f, "t1")
    result = f.orders(Resize(TaskId("t1"), Resources.of(cpus=3)))
    assert (result.code, result.field) == (Code.REFUSED, "operations[0]")
    assert result.message.endswith("asks for 3 cpus; it and the offers have 1 cpu, 102.4 MiB mem")
    f.wants(demand(2))
    (offer,) = f.offers
    assert offer.resources.cpus == CPU
    result = f.orders(Resize(TaskId("t1"), Resources.of(cpus=3)), offers=[offer])
    assert (result.code, result.field) == (Code.REFUSED, "operations[0]")


def test_m23_a_resume_needs_room_below_the_limit() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, gpus=2)
    f = h.framework(demands=[demand(2, gpus=1)])
    f.launch(task("t1", gpus=1), task("t2", gpus=1))
    a.runs("t1", "t2")
    f.orders(Suspend(TaskId("t1")), refuse_s=0)
    a.programs.finish()
    h.tick()
    allows(h, "dl", gpus=1 * CPU)
    h.advance(2)
    f.wants(demand(cpus=0, mem="0GiB", gpus=1))
    assert not f.offers, "t2 has the one that it may have"
    result = f.orders(Resume(TaskId("t1")))
    assert (result.code, result.field) == (Code.REFUSED, "operations[0]")
    assert "t1 needs 1 gpu" in result.message
    a.finishes("t2")
    h.tick()
    f.orders(Resume(TaskId("t1")), offers=f.offers)
    assert h.master.books.held[Role("dl")].gpu_millis == CPU


@pytest.mark.parametrize(
    ("shares", "most", "taken"),
    [
        ({"a": 1000, "b": 1000}, 2000, {"a": 1000, "b": 1000}),
        ({"a": 1000, "b": 1000}, 1000, {"a": 1000}),
        ({"a": 400, "b": 1000}, 1000, {"b": 1000}),
        ({"a": 400, "b": 1000}, 300, {"a": 300}),
        ({"a": 400, "b": 1000}, 1300, {"a": 300, "b": 1000}),
        ({"a": 400, "b": 300}, 600, {"a": 400, "b": 200}),
        ({"a": 400}, 0, {}),
        ({}, 1000, {}),
    ],
)
def test_whole_devices_first_then_the_smallest_that_is_enough(
    shares: dict[str, int], most: int, taken: dict[str, int]
) -> None:
    named = [(GpuId(name), millis) for name, millis in shares.items()]
    assert dict(quota._devices(named, most)) == taken


# --- M24: guarantees


def test_m24_what_a_role_is_guaranteed_is_kept_free_until_it_comes() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    h.agent(cpus=4)
    guarantees(h, "dl", cpus=3 * CPU)
    other = h.framework(role="other", demands=[demand(8)])
    assert cpus(other) == [5]
    f = h.framework(demands=[demand(3)])
    assert cpus(f, other) == [3, 5]


def test_m24_whoever_wants_anything_is_not_offered_it_either() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="8GiB")
    guarantees(h, "dl", cpus=3 * CPU)
    other = h.framework(role="other")
    assert other.offered == Resources.of(cpus=1, mem=8 * GIB)


def test_m24_below_its_guarantee_a_role_comes_first_where_both_want_to_be() -> None:
    """Enough stays free elsewhere, and is of no use to it; its weighted share is the larger one."""
    h = MasterHarness()
    h.agent(cpus=2, attributes={"disk": "ssd"})
    h.agent(cpus=2)
    guarantees(h, "dl", cpus=2 * CPU)
    h.orders(SetWeight(Role("other"), 1000.0))
    there = Constraints((AllOf((Predicate("disk", Comparison.EXISTS),)),))
    wanted = [replace(demand(2), constraints=there)]
    f, other = h.framework(demands=[]), h.framework(role="other", demands=[])
    h.step_demands({f: wanted, other: wanted})
    assert cpus(f, other) == [2, 0]


def test_m24_what_ends_goes_to_who_is_below_its_guarantee_though_its_share_is_larger() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework(demands=[demand()])
    busy(h, f, "t1")
    other = h.framework(role="other", demands=[demand(8)])
    assert cpus(f, other) == [1, 3]
    other.launch(*(task(f"o{n}") for n in range(3)))
    f.wants(demand(8))
    guarantees(h, "dl", cpus=3 * CPU)
    a.runs("o0", "o1", "o2")
    a.finishes("o0", "o1")
    h.tick()
    assert cpus(f, other) == [3, 1]
    a.finishes("o2")
    h.tick()
    assert cpus(f, other)[1] == 1, "from there on it is a matter of shares"


def test_m24_a_guarantee_of_what_it_does_not_want_gives_no_precedence() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    h.agent(cpus=1, gpus=2)
    guarantees(h, "dl", gpus=2 * CPU)
    f, other = h.framework(demands=[]), h.framework(role="other", demands=[])
    h.step_demands({f: [demand(8)], other: [demand(8)]})
    assert abs(cpus(f)[0] - cpus(other)[0]) <= 1
    assert not other.offered.gpus


def test_m24_who_is_not_believed_has_no_precedence_and_what_is_kept_stays_kept() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    guarantees(h, "dl", cpus=2 * CPU)
    f = h.framework(demands=[demand(2)])
    for _ in range(3):
        f.decline(refuse_s=0)
        h.advance(1.1)
    other = h.framework(role="other", demands=[demand(8)])
    assert cpus(other) == [2]


def test_m24_a_role_gets_its_guarantee_though_not_all_of_them_can_be_met() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    guarantees(h, "a", cpus=4 * CPU)
    guarantees(h, "b", cpus=4 * CPU, force=True)
    f = h.framework(role="a", demands=[demand(8)])
    assert cpus(f) == [4], "what is free is below its own"
    g = h.framework(role="b", demands=[demand(8)])
    f.decline(refuse_s=60)
    h.tick()
    assert cpus(f, g) == [0, 4]


def test_m24_what_a_parent_is_guaranteed_its_children_share() -> None:
    h = MasterHarness()
    h.agent(cpus=10, mem="16GiB")
    guarantees(h, "research", cpus=6 * CPU)
    guarantees(h, "research/vision", cpus=4 * CPU)
    other = h.framework(role="other", demands=[demand(10)])
    assert cpus(other) == [4]
    speech = h.framework(role="research/speech", demands=[demand(10)])
    assert cpus(speech) == [2], "four are its sibling's"
    vision = h.framework(role="research/vision", demands=[demand(10)])
    assert cpus(vision, speech, other) == [4, 2, 4]


def test_m24_a_roles_own_frameworks_leave_to_its_children_what_is_theirs() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    guarantees(h, "research/vision", cpus=3 * CPU)
    f = h.framework(role="research", demands=[demand(10)])
    assert cpus(f) == [1]


def test_m24_what_others_give_back_elsewhere_may_be_had_where_it_fits() -> None:
    h = MasterHarness()
    a = h.agent(cpus=2)
    other = h.framework(role="other", demands=[demand(2)])
    busy(h, other, "o1", "o2")
    guarantees(h, "dl", cpus=2 * CPU)
    h.agent(cpus=2, gpus=1)
    third = h.framework(role="third", demands=[demand(cpus=2, gpus=1)])
    assert not third.offers, "two of these are kept"
    a.finishes("o1", "o2")
    h.tick()
    assert cpus(third) == [2]


def test_m24_what_is_held_back_is_not_kept_from_the_role_above_it() -> None:
    books = MasterHarness().master.books
    books.quotas = {Role("a/b"): SetQuota(Role("a/b"), {"cpus": CPU})}
    wanted = Resources.of(cpus=1)
    assert quota.is_owed(books, {}, Role("a/b"), wanted)
    assert quota.is_owed(books, {}, Role("a/b/c"), wanted)
    assert not quota.is_owed(books, {}, Role("a"), wanted)
    assert not quota.is_owed(books, {Role("a/b"): wanted}, Role("a/b"), wanted)
    assert Outlook.of(books) == Outlook((0, 0, 0, 0), (0, 0, 0, 0))


def test_m24_removing_a_quota_frees_what_it_kept() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    guarantees(h, "dl", cpus=4 * CPU)
    f = h.framework(role="other", demands=[demand(8)])
    assert cpus(f) == [0]
    assert h.orders(SetQuota(Role("dl"))).code is Code.OK
    assert cpus(f) == [4]
    assert not h.master.books.quotas
    assert "quota/dl" not in h.records


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (SetQuota(Role("role3"), limits={"cpus": 6 * CPU}), [6, 12, 6]),
        (SetQuota(Role("role1"), {"cpus": 9 * CPU}), [9, 6, 9]),
        (SetQuota(Role("role1"), {"cpus": 2 * CPU}, {"cpus": 3 * CPU}), [3, 8, 13]),
    ],
)
def test_m20_what_a_quota_leaves_is_shared_by_weight(
    quota: SetQuota, expected: list[float]
) -> None:
    """Weights of 1:2:3 on 24 cpus, on many agents."""
    h = MasterHarness()
    frameworks = [h.framework(role=f"role{weight}", demands=[]) for weight in (1, 2, 3)]
    for weight in (1, 2, 3):
        h.orders(SetWeight(Role(f"role{weight}"), float(weight)))
    h.orders(replace(quota, force=True))
    h.step_demands({f: [demand(100)] for f in frameworks})
    for _ in range(6):
        h.agent(cpus=4)
    h.tick()
    got = cpus(*frameworks)
    assert sum(got) == 24
    assert all(abs(a - b) <= 1 for a, b in zip(got, expected, strict=True)), got


# --- what cannot be


def refused(h: MasterHarness, call: SetQuota) -> tuple[str, str]:
    """The field and the message; nothing has changed."""
    before = dict(h.master.books.quotas), dict(h.records)
    result = h.orders(call)
    assert result.code in (Code.REFUSED, Code.INVALID)
    assert (h.master.books.quotas, h.records) == before
    return result.field, result.message


def test_m24_more_than_all_agents_have_is_refused_with_numbers_unless_forced() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    h.agent(cpus=4)
    guarantees(h, "a", cpus=5 * CPU)
    call = SetQuota(Role("b"), {"cpus": 4 * CPU})
    assert refused(h, call) == (
        "guarantees",
        "9 cpus would be guaranteed, and all agents have 8 cpus; ask for less, or force it",
    )
    guarantees(h, "b", cpus=4 * CPU, force=True)
    assert h.records["quota/b"] == call, "that it was forced is not remembered"
    guarantees(h, "a", cpus=4 * CPU)
    assert h.master.books.quotas[Role("a")].guarantees == {"cpus": 4 * CPU}, "less is better"


def test_m24_a_role_is_guaranteed_no_less_than_those_below_it_or_says_nothing() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    guarantees(h, "r/a", cpus=2 * CPU)
    guarantees(h, "r/b", cpus=2 * CPU)
    line = "r is guaranteed 3 cpus, which is less than the 4 cpus guaranteed below it"
    assert refused(h, SetQuota(Role("r"), {"cpus": 3 * CPU})) == ("guarantees", line)
    guarantees(h, "r", cpus=4 * CPU)
    field, message = refused(h, SetQuota(Role("r/b"), {"cpus": 3 * CPU}))
    assert (field, "less than the 5 cpus" in message) == ("guarantees", True)


def test_m24_no_more_is_guaranteed_than_a_limit_above_allows() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    allows(h, "r", cpus=3 * CPU)
    line = "the limit of r is 3 cpus, which is less than the 4 cpus guaranteed below it"
    assert refused(h, SetQuota(Role("r/a"), {"cpus": 4 * CPU}, force=True)) == ("guarantees", line)
    guarantees(h, "r/a", cpus=3 * CPU)
    assert refused(h, SetQuota(Role("r"), limits={"cpus": 2 * CPU}))[0] == "guarantees"
    allows(h, "r/b", cpus=100 * CPU)  # the limit above it binds all the same


@pytest.mark.parametrize(
    ("call", "field", "said"),
    [
        (SetQuota(Role("")), "role", "is empty"),
        (SetQuota(Role("a//b"), {"cpus": 1}), "role", "empty part"),
        (SetQuota(Role("a/../b"), {"cpus": 1}), "role", "'..'"),
        (SetQuota(Role("a"), {"gpu": 1}), "guarantees", "'gpu' is none of cpus, mem, disk, gpus"),
        (SetQuota(Role("a"), limits={"ports": 1}), "limits", "'ports' is none of"),
        (SetQuota(Role("a"), {"cpus": 2000}, {"cpus": 1000}), "guarantees", "a limit of 1 cpu"),
        (SetQuota(Role("a"), {"mem": GIB}, {"mem": 0}), "guarantees", "and a limit of 0 B mem"),
    ],
)
def test_m37_a_quota_that_cannot_be_is_refused(call: SetQuota, field: str, said: str) -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    found, message = refused(h, call)
    assert found == field
    assert said in message


def test_a_guarantee_of_nothing_is_none() -> None:
    h = MasterHarness()
    assert h.orders(SetQuota(Role("a"), {"cpus": 0})).code is Code.OK
    assert not h.master.books.quotas


# --- F3


def test_f3_quotas_are_the_same_after_any_failover() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    allows(h, "dl", cpus=2 * CPU)
    guarantees(h, "r/a", cpus=3 * CPU)
    f = h.framework(demands=[demand(8)])
    before = dict(h.master.books.quotas)
    for _ in range(2):
        h.fail_over()
        assert h.master.books.quotas == before
        assert cpus(f) == [2]
    assert h.orders(SetQuota(Role("dl"))).code is Code.OK
    h.fail_over()
    assert list(h.master.books.quotas) == ["r/a"]


# --- what people see


def test_m36_a_role_says_its_quota_and_how_many_frameworks_are_in_it_and_below() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    h.orders(SetQuota(Role("r"), {"cpus": CPU}, {"gpus": 0}))
    h.framework(role="r/a", demands=[])
    f = h.framework(role="r", demands=[])
    h.master.take_touched()
    found = view(h.master.books, "roles/r")
    assert isinstance(found, RoleView)
    assert (found.guarantees, found.limits) == ({"cpus": CPU}, {"gpus": 0})
    assert found.frameworks == 2
    f.result(Teardown())
    assert "roles/r" in h.master.take_touched()
    found = view(h.master.books, "roles/r")
    assert isinstance(found, RoleView)
    assert found.frameworks == 1


def test_m36_a_role_of_nobody_is_shown_as_long_as_it_has_a_quota() -> None:
    h = MasterHarness()
    allows(h, "a/b", cpus=CPU)
    keys = ["roles/a/b", "roles/a"]
    assert list(all_keys(h.master.books)) == keys, "the tree is whole"
    assert all(view(h.master.books, key) is not None for key in keys)
    assert list(h.master.take_touched()) == keys
    h.orders(SetQuota(Role("a/b")))
    assert not any(view(h.master.books, key) for key in keys)
    assert list(h.master.take_touched()) == keys
