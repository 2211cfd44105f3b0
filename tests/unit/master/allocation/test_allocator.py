"""Who is offered what: demand first, then weighted dominant shares."""

from fractions import Fraction
from math import ceil

import hypothesis
import hypothesis.strategies as st
import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import Role
from fairlead.common.operators import SetWeight
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import AllOf, Comparison, Constraints, Demand, Predicate, RoleWish
from fairlead.master.allocation.demands import fitting

GB = 10**9


def gb(cpus: float, mem: float, count: int = 100) -> Demand:
    return Demand(Resources.of(cpus=cpus, mem=int(mem * GB)), count)


def units(framework: FrameworkDouble, each: Resources) -> int:
    return sum(fitting(offer.resources, each, 10**9)[0] for offer in framework.offers)


def cluster(*sizes: tuple[float, float]) -> MasterHarness:
    """Agents of (cpus, GB)."""
    h = MasterHarness()
    for cpus, mem in sizes:
        h.agent(cpus=cpus, mem=f"{mem * GB / 2**30}GiB")
    return h


# --- M16: demand


def test_m16_an_offer_is_no_larger_than_the_demand() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    f = h.framework(demands=[demand(2, cpus=1, mem="1GiB")])
    assert f.offered == Resources.of(cpus=2, mem=2 * 2**30)


def test_m16_offers_of_several_agents_together_are_no_larger_than_the_demand() -> None:
    h = MasterHarness()
    for _ in range(4):
        h.agent(cpus=1, mem="1GiB")
    f = h.framework(demands=[demand(3)])
    assert f.offered.cpus == 3000
    h.agent(cpus=8)
    h.tick()
    assert f.offered.cpus == 3000


def test_m16_demand_comes_before_an_idle_framework_with_a_lower_share() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, mem="4GiB")
    f = h.framework(role="busy", demands=[demand(4, cpus=1)])
    f.launch(*(task(f"t{n}") for n in range(4)))
    idle = h.framework(role="idle")
    f.wants(demand(1, cpus=1))
    assert not idle.seen_offers  # it has refused nothing
    a.finishes("t0")
    h.tick()
    assert f.offered.cpus == 1000
    assert not idle.offers


def test_m16_no_demand_stated_is_treated_as_in_mesos() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    assert h.framework().offered == a.info.resources


def test_m16_an_empty_demand_wants_nothing() -> None:
    h = MasterHarness()
    h.agent()
    assert not h.framework(demands=[]).offers


def test_m16_a_demand_that_fits_nowhere_gets_nothing() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    h.agent(cpus=4)
    assert not h.framework(demands=[demand(1, cpus=5)]).offers


def test_m16_each_offer_is_counted_for_what_it_serves() -> None:
    """Two small offers on two agents are not the large unit that was asked for first."""
    h = MasterHarness()
    h.agent(cpus=1)
    h.agent(cpus=1)
    f = h.framework(demands=[demand(1, cpus=2), demand(2, cpus=1)])
    assert f.offered.cpus == 2000
    c = h.agent(cpus=8)
    h.tick()
    assert [o.resources.cpus for o in f.offers if o.agent_id == c.id] == [2000]


def refuse_three(h: MasterHarness, f: FrameworkDouble) -> None:
    for _ in range(3):
        f.decline(refuse_s=0)
        h.advance(1.1)


@pytest.mark.parametrize("is_liar", [True, False])
def test_m16_a_demand_that_is_never_honoured_ranks_as_none(*, is_liar: bool) -> None:
    """Although its share is lower than that of the one that does as it says."""
    h = MasterHarness()
    a = h.agent(cpus=2, mem="2GiB")
    honest = h.framework(role="b", demands=[demand(1)])
    honest.launch(task("t1"))
    other = h.framework(role="a", demands=[demand(5)])
    if is_liar:
        refuse_three(h, other)
    other.decline(refuse_s=0)
    h.master.books.agents[a.id].refused_by.clear()  # as if something else had ended there
    h.now += 1.1
    h.step_demands({honest: [demand(1)]})
    assert bool(honest.offers) == is_liar
    assert bool(other.offers) != is_liar


def test_m11_who_declined_is_offered_again_behind_everybody_else() -> None:
    """However low its share is, and however short its filter was."""
    h = MasterHarness()
    a = h.agent(cpus=2, mem="2GiB")
    late = h.framework(role="b", demands=[])
    first = h.framework(role="a", demands=[demand(1)])
    first.decline(refuse_s=0)
    h.now += 1.1
    late.wants(demand(2))
    assert late.offered.cpus == 2000
    assert not first.offers
    late.launch(task("t1"))
    late.wants()
    assert first.offered.cpus == 1000
    assert not h.master.books.agents[a.id].refused_by.keys() & {(first.id, first.role)}


def test_m16_an_accept_makes_a_demand_believed_again() -> None:
    h = MasterHarness()
    h.agent(cpus=2, mem="2GiB")
    f = h.framework(demands=[demand(1)])
    refuse_three(h, f)
    assert h.framework_books(f).refusals == 3
    f.launch(task("t1"))
    assert h.framework_books(f).refusals == 0


def test_m16_who_runs_more_than_it_asked_for_has_overstated_the_size() -> None:
    """That counts as a refusal, until it asks for what it uses."""
    h = MasterHarness()
    agent = h.agent(cpus=2, mem="2GiB")
    twice = demand(1, cpus=2, mem="2GiB")
    f = h.framework(demands=[twice])
    for n in range(3):
        assert h.framework_books(f).refusals == n
        f.launch(task(f"a{n}"), task(f"b{n}"))
        f.wants()
        agent.finishes(f"a{n}", f"b{n}")
        f.wants(twice)
    f.launch(task("c"))
    assert h.framework_books(f).refusals == 0


def test_m16_revive_or_a_new_session_makes_no_demand_believed() -> None:
    h = MasterHarness()
    h.agent(cpus=1, mem="1GiB")
    f = h.framework(demands=[demand(1)])
    refuse_three(h, f)
    f.disconnects()
    f.connects()
    assert h.framework_books(f).refusals == 3


def test_m16_offers_that_time_out_count_as_refused() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework(demands=[demand(1)])
    h.advance(155)  # thirty seconds each, and as long between them
    assert h.framework_books(f).refusals == 3


def test_m16_overstating_gains_nothing() -> None:
    """Who asks for a hundred and uses one holds no more than who asks for one."""
    h = MasterHarness()
    h.agent(cpus=4, mem="4GiB")
    braggart = h.framework(role="a", demands=[])
    modest = h.framework(role="b", demands=[])
    braggart.wants(demand(100))
    braggart.decline(refuse_s=60)
    modest.wants(demand(4))
    assert modest.offered.cpus == 4000


def test_m16_an_accept_makes_the_demand_smaller() -> None:
    h = MasterHarness()
    h.agent(cpus=1, mem="1GiB")
    f = h.framework(demands=[demand(1)])
    f.launch(task("t1"))
    h.agent(cpus=8)
    h.tick()
    assert not f.offers


def test_a_demand_goes_only_to_agents_that_fit_its_constraints() -> None:
    ssd = Constraints((AllOf((Predicate("disk", Comparison.EQUALS, ("ssd",)),)),))
    h = MasterHarness()
    h.agent(attributes={"disk": "hdd"})
    b = h.agent(attributes={"disk": "ssd"})
    f = h.framework(demands=[Demand(Resources.of(cpus=1), 1, ssd)])
    assert [offer.agent_id for offer in f.offers] == [b.id]


def test_a_demand_for_gpus_names_them_in_the_offer() -> None:
    h = MasterHarness()
    h.agent(gpus=2)
    f = h.framework(demands=[demand(1, gpus=0.5), demand(1, gpus=1)])
    assert f.offered.gpus == (("GPU-host1-0", 500), ("GPU-host1-1", 1000))


def test_who_would_refuse_its_part_leaves_it_to_others() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="4GiB")
    large = RoleWish(Role("a"), minimum_offers=(Resources.of(cpus=3),))
    f = h.framework(role="a", demands=[], wishes=[large])
    g = h.framework(role="b", demands=[])
    h.step_demands({f: [demand(4)], g: [demand(4)]})
    assert f.offered == EMPTY
    assert g.offered.cpus == 4000


def test_m37_a_demand_for_crumbs_stalls_nobody() -> None:
    """A byte at a time would be sixteen thousand million steps."""
    h = MasterHarness()
    h.agent(mem="16GiB")
    f = h.framework(demands=[Demand(Resources(mem=1), 2**56)])
    assert f.offered.mem == 16 * 2**30
    f.decline(refuse_s=1)
    h.advance(2)


# --- M20: weighted dominant resource fairness


def test_m20_the_drf_papers_example() -> None:
    """9 cpus, 18 GB, A=(1,4), B=(3,1): A runs 3 tasks, B 2 (Ghodsi et al., NSDI 2011, §4.1)."""
    h = MasterHarness()
    a, b = h.framework(role="a"), h.framework(role="b")
    for framework, each in ((a, gb(1, 4)), (b, gb(3, 1))):
        framework.wants(each)
    h.agent(cpus=9, mem=f"{18 * GB / 2**30}GiB")
    h.tick()
    assert units(a, gb(1, 4).each) == 3
    assert units(b, gb(3, 1).each) == 2


def test_m20_the_drf_papers_example_over_many_agents() -> None:
    """The same, task by task, when the cluster comes in pieces of one task each."""
    h = MasterHarness()
    a, b = h.framework(role="a"), h.framework(role="b")
    a.wants(gb(1, 4))
    b.wants(gb(3, 1))
    for _ in range(30):
        h.agent(cpus=3, mem=f"{6 * GB / 2**30}GiB")
        h.tick()
    share_a, share_b = dominant(h, a), dominant(h, b)
    assert abs(share_a - share_b) <= Fraction(4, 6 * 30) + Fraction(3, 3 * 30)


def dominant(h: MasterHarness, framework: FrameworkDouble) -> Fraction:
    total = h.master.books.capacity.vector
    held = framework.offered.vector
    return max(Fraction(mine, whole) for mine, whole in zip(held, total, strict=True) if whole)


MIX = ((1, 0.5), (1, 1.5), (1, 2), (2, 2), (1, 4), (1, 9))
"""Cpus and GB of the tasks of six users: most need one core and little memory, some need much of
one of them, as in the traces of Facebook that the paper shows in its figure 1.
"""


def test_m20_a_mix_as_at_facebook() -> None:
    """Machines as in its §6.2: equal shares within a task, and more is used than with slots."""
    h = MasterHarness()
    users = [h.framework(role=f"user{n}", demands=[]) for n in range(len(MIX))]
    h.step_demands({f: [gb(*each, count=1000)] for f, each in zip(users, MIX, strict=True)})
    machines = 20
    for _ in range(machines):
        h.agent(cpus=12, mem=f"{32 * GB / 2**30}GiB")
    h.tick()
    shares = [dominant(h, user) for user in users]
    largest = max(Fraction(2, 12 * machines), Fraction(9, 32 * machines))
    assert max(shares) - min(shares) <= largest, shares
    used = sum((user.offered for user in users), EMPTY)
    cpus, mem = _used_by_slots(12 * machines)
    assert used.cpus == 12_000 * machines > cpus * 1000
    assert used.mem > mem * GB


def _used_by_slots(slots: int) -> tuple[float, float]:
    """Cpus and GB, were machines cut into slots of (1, 32/12) and each user given as many."""
    cpus = mem = 0.0
    for each_cpus, each_mem in MIX:
        tasks = slots // len(MIX) // max(each_cpus, ceil(each_mem * 12 / 32))
        cpus, mem = cpus + tasks * each_cpus, mem + tasks * each_mem
    return cpus, mem


def test_m20_weights_one_to_two_to_three() -> None:
    h = MasterHarness()
    frameworks = [h.framework(role=f"role{weight}", demands=[]) for weight in (1, 2, 3)]
    for weight in (1, 2, 3):
        h.orders(SetWeight(Role(f"role{weight}"), float(weight)))
    h.step_demands({f: [demand(100)] for f in frameworks})
    h.agent(cpus=24, mem="24GiB")
    h.tick()
    assert [f.offered.cpus for f in frameworks] == [4000, 8000, 12_000]


def test_m20_weights_two_to_one() -> None:
    h = MasterHarness()
    a, b = h.framework(role="a"), h.framework(role="b")
    h.orders(SetWeight(Role("a"), 2.0))
    a.wants(demand(100))
    b.wants(demand(100))
    h.agent(cpus=30, mem="30GiB")
    h.tick()
    assert (a.offered.cpus, b.offered.cpus) == (20_000, 10_000)


def test_m20_weights_change_at_run_time() -> None:
    h = MasterHarness()
    agent = h.agent(cpus=30, mem="30GiB")
    a, b = h.framework(role="a", demands=[]), h.framework(role="b", demands=[])
    h.step_demands({a: [demand(100)], b: [demand(100)]})
    assert (a.offered.cpus, b.offered.cpus) == (15_000, 15_000)
    names = {f: [f"{f.info.name}-{n}" for n in range(15)] for f in (a, b)}
    for f in (a, b):
        f.launch(*(task(name) for name in names[f]))
    h.tick()
    h.orders(SetWeight(Role("a"), 2.0))
    agent.finishes(*names[a], *names[b])
    h.step_demands({a: [demand(100)], b: [demand(100)]})
    assert (a.offered.cpus, b.offered.cpus) == (20_000, 10_000)


def test_m20_frameworks_of_one_role_share_its_share() -> None:
    h = MasterHarness()
    x, y = h.framework(role="a", demands=[]), h.framework(role="a", demands=[])
    b = h.framework(role="b", demands=[])
    for framework in (x, y, b):
        framework.wants(demand(100))
    h.agent(cpus=12, mem="12GiB")
    h.tick()
    assert [f.offered.cpus for f in (x, y, b)] == [3000, 3000, 6000]


def test_m20_tasks_that_run_count_as_well_as_offers() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="4GiB")
    a = h.framework(role="a", demands=[demand(2)])
    a.launch(task("t1"), task("t2"))
    b = h.framework(role="b", demands=[])
    h.step_demands({a: [demand(4)], b: [demand(4)]})
    assert (a.offered.cpus, b.offered.cpus) == (0, 2000)


sizes = st.tuples(st.integers(1, 4), st.integers(1, 6))


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    wants=st.lists(sizes, min_size=2, max_size=4),
    weights=st.one_of(
        st.sampled_from([[2.0, 1.0, 2.0, 1.0], [1.0, 2.0, 3.0, 1.0]]),
        st.lists(st.sampled_from([1.0, 2.0, 3.0, 0.5]), min_size=4, max_size=4),
    ),
)
def test_m20_random_demands_converge_within_one_task(
    wants: list[tuple[int, int]], weights: list[float]
) -> None:
    """On divisible, unconstrained demand nobody is behind another by more than one task."""
    h = MasterHarness()
    frameworks = [h.framework(role=f"role{n}", demands=[]) for n in range(len(wants))]
    for n, weight in enumerate(weights[: len(wants)]):
        h.orders(SetWeight(Role(f"role{n}"), weight))
    demands = [gb(cpus, mem, 1000) for cpus, mem in wants]
    h.step_demands({f: [each] for f, each in zip(frameworks, demands, strict=True)})
    h.agent(cpus=60, mem=f"{90 * GB / 2**30}GiB")
    h.tick()
    whole = h.master.books.capacity
    left = whole
    for framework in frameworks:
        left = left.without(framework.offered)
    shares, steps = [], []
    for framework, each, weight in zip(frameworks, demands, weights, strict=False):
        shares.append(dominant(h, framework) / Fraction(weight))
        steps.append(
            max(Fraction(each.each.cpus, whole.cpus), Fraction(each.each.mem, whole.mem))
            / Fraction(weight)
        )
    for a, mine in enumerate(demands):
        assert not left.contains(mine.each), f"{left} is idle, and framework {a} wants {mine.each}"
        for b, other in enumerate(demands):
            # Before its last task, a was behind b, unless b did not fit even then.
            if (left + mine.each).contains(other.each):
                assert shares[a] - steps[a] <= shares[b], (shares, steps)


@hypothesis.given(
    st.integers(0, 10), st.integers(0, 10), st.integers(1, 4), st.integers(0, 4), st.integers(0, 20)
)
def test_fitting_is_one_unit_after_another(
    cpus: int, mem: int, each_cpus: int, each_mem: int, most: int
) -> None:
    free, each = Resources(cpus, mem), Resources(each_cpus, each_mem)
    count, taken = fitting(free, each, most)
    assert taken == Resources(each_cpus * count, each_mem * count)
    assert free.contains(taken)
    assert count == most or not (free - taken).contains(each)
