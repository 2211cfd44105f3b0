"""M17: who prefers what cannot hold all takes part in a lottery; and an order by chance alone."""

import itertools
from collections import Counter
from random import Random

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.operators import SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Demand,
    FrameworkInfo,
    Predicate,
)
from fairlead.master.allocation.lottery import Lottery
from fairlead.master.books import Books
from fairlead.master.entries import Framework
from fairlead.master.settings import MasterSettings

ROUNDS = 200
FAST = AllOf((Predicate("disk", Comparison.EQUALS, ("ssd",)),))
PREFERRING = Demand(Resources.of(cpus=1, mem=2**30), 1, Constraints(preferred=(FAST,)))


def within_bounds(wins: Counter[Role], expected: dict[str, float]) -> bool:
    """Three standard deviations of a binomial: a fixed seed passes, a wrong weight does not."""
    draws = wins.total()
    return all(
        abs(wins[Role(role)] - draws * part) <= 3 * (draws * part * (1 - part)) ** 0.5
        for role, part in expected.items()
    )


def play(
    h: MasterHarness, agent: AgentDouble, players: list[FrameworkDouble], wants: Demand
) -> Counter[Role]:
    """Each wants one task, and there is room for one; its task ends, and all want one again."""
    wins: Counter[Role] = Counter()
    for number in range(ROUNDS):
        h.step_demands({f: [wants] for f in players})
        (winner,) = [f for f in players if f.offers]
        wins[winner.role] += 1
        winner.launch(task(f"t{number}"))
        for f in players:
            f.wants()
        agent.finishes(f"t{number}")
        h.tick()
    return wins


def players_of(h: MasterHarness, **weights: float) -> list[FrameworkDouble]:
    for role, weight in weights.items():
        h.orders(SetWeight(Role(role), weight))
    return [h.framework(role=role, demands=[]) for role in weights]


@pytest.mark.parametrize("seed", [1, 2])
def test_m17_who_gets_what_several_prefer_is_drawn_in_proportion_to_weight(seed: int) -> None:
    h = MasterHarness(seed=seed)
    agent = h.agent(cpus=1, mem="1GiB", attributes={"disk": "ssd"})
    players = players_of(h, a=3.0, b=2.0, c=1.0)
    wins = play(h, agent, players, PREFERRING)
    assert within_bounds(wins, {"a": 1 / 2, "b": 1 / 3, "c": 1 / 6}), wins


def test_m17_without_a_preference_there_is_no_lottery() -> None:
    """Shares and allocations decide: equal shares take turns, whatever the weights."""
    h = MasterHarness()
    agent = h.agent(cpus=1, mem="1GiB", attributes={"disk": "ssd"})
    wins = play(h, agent, players_of(h, a=3.0, b=1.0), demand(1))
    assert wins == {Role("a"): ROUNDS / 2, Role("b"): ROUNDS / 2}


def test_m17_where_there_is_room_for_all_nobody_is_drawn() -> None:
    h = MasterHarness()
    h.agent(cpus=3, mem="3GiB", attributes={"disk": "ssd"})
    players = players_of(h, a=1.0, b=1.0, c=100.0)
    h.step_demands({f: [PREFERRING] for f in players})
    assert [f.offered.cpus for f in players] == [1000, 1000, 1000]


def test_m17_who_loses_takes_what_is_left_elsewhere() -> None:
    h = MasterHarness()
    h.agent(cpus=1, mem="1GiB", attributes={"disk": "ssd"})
    h.agent(cpus=1, mem="1GiB")
    players = players_of(h, a=1.0, b=1.0)
    h.step_demands({f: [PREFERRING] for f in players})
    assert [f.offered.cpus for f in players] == [1000, 1000]


def test_m17_who_prefers_nothing_is_not_pushed_back() -> None:
    """Its turn comes with its share, before that of any who take part in the lottery."""
    h = MasterHarness()
    h.agent(cpus=4, mem="4GiB", attributes={"disk": "ssd"})
    a, b, c = players_of(h, a=1.0, b=1.0, c=1.0)
    several = Demand(PREFERRING.each, 2, PREFERRING.constraints)
    h.step_demands({a: [several], b: [several], c: [demand(1)]})
    assert c.offered.cpus == 1000
    assert a.offered.cpus + b.offered.cpus == 3000


# --- the order by chance


def test_m17_a_random_sorter_gives_turns_by_weight() -> None:
    h = MasterHarness(MasterSettings(sorter="random"))
    agent = h.agent(cpus=1, mem="1GiB")
    wins = play(h, agent, players_of(h, a=2.0, b=1.0), demand(1))
    assert within_bounds(wins, {"a": 2 / 3, "b": 1 / 3}), wins


def test_m17_a_random_sorter_looks_at_no_share() -> None:
    h = MasterHarness(MasterSettings(sorter="random"))
    agent = h.agent(cpus=3, mem="3GiB")
    rich, poor = players_of(h, rich=1.0, poor=1.0)
    rich.wants(demand(2))
    rich.launch(task("r1"), task("r2"))
    wins: Counter[Role] = Counter()
    for number in range(ROUNDS):
        h.step_demands({f: [demand(1)] for f in (rich, poor)})
        (winner,) = [f for f in (rich, poor) if f.offers]
        wins[winner.role] += 1
        winner.launch(task(f"t{number}"))
        for f in (rich, poor):
            f.wants()
        agent.finishes(f"t{number}")
        h.tick()
    assert within_bounds(wins, {"rich": 1 / 2}), wins


def test_lots_go_along_the_tree() -> None:
    """Role a weighs 2, b 1; of a its frameworks are one sibling of its child x, which weighs 3."""
    books = Books(weights={Role("a"): 2.0, Role("a/x"): 3.0})
    names = {"a1": "a", "a2": "a", "x1": "a/x", "b1": "b"}
    frameworks = [
        Framework(FrameworkInfo(FrameworkId(name), name, roles=(Role(role),)))
        for name, role in names.items()
    ]
    lottery, wins = Lottery(books, Random(5)), Counter[Role]()
    for _ in range(5000):
        lottery.draw()
        first = min(frameworks, key=lambda f: lottery.lot(f, f.info.roles[0]))
        wins[Role(first.framework_id)] += 1
    assert within_bounds(wins, {"a1": 1 / 12, "a2": 1 / 12, "x1": 1 / 2, "b1": 1 / 3}), wins


# --- agents by chance


def first_agents(seed: int) -> list[str]:
    """Which of ten agents one framework of two gets."""
    h = MasterHarness(seed=seed)
    a, b = h.framework(role="a", demands=[]), h.framework(role="b", demands=[])
    for f in (a, b):
        f.disconnects()
    for _ in range(10):
        h.agent(cpus=1, mem="1GiB")
    for f in (a, b):
        f.demands = ()
        f.connects()
    h.tick()
    assert [len(f.offers) for f in (a, b)] == [5, 5]
    return [offer.hostname for offer in a.offers]


def test_without_demand_agents_go_whole_in_order_of_shares_and_themselves_at_random() -> None:
    """Two equals have five agents each, and with another seed others; the same seed, the same."""
    several = [first_agents(seed) for seed in range(5)]
    assert len({tuple(sorted(names)) for names in several}) > 1
    assert several == [first_agents(seed) for seed in range(5)]


def test_offers_of_many_agents_for_one_demand_are_not_hoarded() -> None:
    """Whatever is declined, lost or accepted: never more is out than is open."""
    random = Random(7)
    h = MasterHarness()
    for _ in range(12):
        h.agent(cpus=random.choice((1, 2, 3)), mem="4GiB")
    frameworks = [h.framework(role=f"r{n % 2}", demands=[]) for n in range(4)]
    names = (f"t{n}" for n in itertools.count())
    for _ in range(200):
        f = random.choice(frameworks)
        if f.offers and random.random() < 0.5:
            offer = random.choice(f.offers)
            if random.random() < 0.3:
                f.decline(offer, refuse_s=1)
            else:
                f.accept(offer, task(next(names), mem="0.125GiB"))
        elif random.random() < 0.2:
            held = f.offered.cpus // 1000
            f.wants(demand(random.randint(held, held + 9)))
        for agent in h.agents:
            if agent.living and random.random() < 0.1:
                name = next(iter(agent.living))
                if not agent.living[name].latest.state.is_terminal:
                    agent.finishes(name)
        h.advance(0.5)
        for f in frameworks:
            wanted = sum(each.count for each in h.framework_books(f).demands.get(f.role, []))
            held = sum(offer.resources.cpus for offer in f.offers) // 1000
            assert held <= wanted, (f.role, held, wanted)
