"""M28: nobody starves: among those who decline for ever, or beside a stream of small tasks."""

import itertools
from dataclasses import replace
from unittest.mock import patch

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.events import Tick
from fairlead.common.ids import Role
from fairlead.common.messages import Code, Teardown
from fairlead.common.operators import SetQuota, SetWeight
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Demand,
    Predicate,
    RoleWish,
)
from fairlead.master.allocation import bits, holds
from fairlead.master.allocation.quota import Outlook
from fairlead.master.settings import MasterSettings

HOLD_S = 20.0
SETTINGS = MasterSettings(hold_after_s=HOLD_S, revoke_after_s=0)


class Stream:
    """A framework whose small tasks take all that they can get, and end in turn."""

    def __init__(self, h: MasterHarness, role: str = "small") -> None:
        self.h = h
        self.framework = h.framework(role=role, demands=[])
        self.ends: list[tuple[float, AgentDouble, str]] = []
        self._numbers = itertools.count()

    def run(self, seconds: float, life_s: float = 8.0) -> None:
        """For so long, or until told to stop."""
        until = self.h.now + seconds
        while self.h.now < until:
            self.go_on(life_s)

    def go_on(self, life_s: float = 8.0) -> None:
        """One second more."""
        h, framework = self.h, self.framework
        for offer in framework.offers:
            count = offer.resources.cpus // 1000
            names = [f"{framework.role}-{next(self._numbers)}" for _ in range(count)]
            framework.accept(offer, *(task(name) for name in names))
            agent = next(a for a in h.agents if a.id == offer.agent_id)
            # No two of them end together.
            self.ends += [(h.now + life_s + n, agent, name) for n, name in enumerate(names)]
        framework.wants(demand(100))
        h.advance(1.0)
        for end in [end for end in self.ends if end[0] <= h.now]:
            self.ends.remove(end)
            end[1].finishes(end[2])
        h.tick()


def seconds_until_offered(stream: Stream, framework: FrameworkDouble, most: float) -> float:
    began = stream.h.now
    while not framework.offers:
        assert stream.h.now - began < most, f"nothing within {most} s"
        stream.go_on()
    return stream.h.now - began


def test_m28_a_large_demand_is_not_starved_by_small_ones() -> None:
    h = MasterHarness(SETTINGS)
    for _ in range(3):
        h.agent(cpus=4, mem="4GiB")
    stream = Stream(h)
    stream.run(10)
    large = h.framework(role="large", demands=[demand(1, cpus=4)])
    waited = seconds_until_offered(stream, large, 3 * HOLD_S)
    print(f"a demand for a whole agent, beside a stream of small tasks, waited {waited:.0f} s")  # noqa: T201 - a figure for whoever asks with -rP
    assert waited >= HOLD_S
    assert large.offered.cpus == 4000
    stream.run(5)
    assert not h.master.books.holds
    assert stream.framework.offered.cpus + h.framework_books(stream.framework).used.cpus == 8000


def test_m28_without_holds_it_starves() -> None:
    h = MasterHarness(MasterSettings(hold_after_s=0, revoke_after_s=0))
    h.agent(cpus=4, mem="4GiB")
    stream = Stream(h)
    stream.run(10)
    large = h.framework(role="large", demands=[demand(1, cpus=4)])
    stream.run(10 * HOLD_S)
    assert not large.offers


def test_m28_of_its_own_room_a_framework_may_use_what_it_likes() -> None:
    """It is kept from others: which of its own demands goes first is not the master's to say."""
    h = MasterHarness(SETTINGS)
    a = h.agent(cpus=4, mem="4GiB")
    f = h.framework(demands=[demand(4)])
    f.launch(*(task(f"t{n}") for n in range(4)))
    f.wants(demand(1, cpus=4), demand(1))
    other = h.framework(role="other", demands=[])
    h.advance(HOLD_S * 1.5)
    assert held(h) == [a.id]
    a.finishes("t0")
    h.tick()
    assert f.offered.cpus == 1000
    assert not other.offers


def test_m28_who_is_further_below_its_share_is_served_as_ever() -> None:
    """A hold is no way to more than a share: it waits for those that come before."""
    h = MasterHarness(SETTINGS)
    h.agent(cpus=4, mem="4GiB", name="a")
    large = h.framework(role="large", demands=[demand(1, cpus=4)])
    large.launch(task("t0", cpus=4, mem="1GiB"))
    b = h.agent(cpus=4, mem="4GiB", name="b")
    small = h.framework(role="small", demands=[demand(4)])
    small.launch(*(task(f"s{n}") for n in range(4)))
    there = Constraints((AllOf((Predicate("name", Comparison.EQUALS, ("b",)),)),))
    large.wants(Demand(demand(1, cpus=4).each, 1, there))
    h.advance(HOLD_S * 1.5)
    assert held(h) == [b.id]
    small.wants(demand(9))
    b.finishes("s0")
    h.tick()
    assert small.offered.cpus == 1000
    small.launch(task("s4"))
    h.agent(cpus=4, mem="4GiB", name="c")
    h.tick()
    small.launch(*(task(f"s{n}") for n in range(5, 9)))
    b.finishes("s1")  # now it has more than the large one, and is behind
    h.tick()
    assert not small.offers


def held(h: MasterHarness) -> list[str]:
    return list(h.master.books.holds)


def full(h: MasterHarness, *cpus: float) -> list[AgentDouble]:
    """Agents that are full of tasks of one cpu, t0, t1, … each."""
    agents = [h.agent(cpus=each, mem=f"{each}GiB") for each in cpus]
    f = h.framework(role="full", demands=[demand(int(sum(cpus)))])
    names = (f"t{n}" for n in itertools.count())
    for agent in agents:
        for offer in [offer for offer in f.offers if offer.agent_id == agent.id]:
            count = offer.resources.cpus // 1000
            f.accept(offer, *(task(name) for name in itertools.islice(names, count)))
    f.wants()
    return agents


def test_m28_room_is_kept_where_it_can_be_of_use() -> None:
    h = MasterHarness(SETTINGS)
    _, large = full(h, 2, 4)
    h.framework(role="large", demands=[demand(1, cpus=3)])
    h.advance(HOLD_S * 1.5)
    assert held(h) == [large.id]


@pytest.mark.parametrize("how", ["wants less", "suppresses", "leaves", "never honours it"])
def test_m28_who_no_longer_waits_has_nothing_kept(how: str) -> None:
    h = MasterHarness(SETTINGS)
    (agent,) = full(h, 4)
    f = h.framework(role="large", demands=[demand(1, cpus=3)])
    h.advance(HOLD_S * 1.5)
    assert held(h) == [agent.id]
    match how:
        case "wants less":
            f.wants(demand(1, cpus=1))
        case "suppresses":
            f.disconnects()
            f.wishes = (RoleWish(Role("large"), suppressed=True),)
            f.connects()
        case "leaves":
            f.disconnects()
        case _:
            h.framework_books(f).refusals = 3
    g = h.framework(role="other", demands=[demand(2)])
    agent.finishes("t0", "t1")
    h.advance(HOLD_S / 4)
    assert not held(h) or how == "wants less"
    assert g.offered.cpus + f.offered.cpus == 2000


def test_m28_a_hold_moves_on_when_nothing_becomes_free() -> None:
    """Where long tasks stand it would wait for ever."""
    h = MasterHarness(SETTINGS)
    agents = full(h, 4, 4, 4)
    h.framework(role="large", demands=[demand(1, cpus=4)])
    seen: list[str] = []
    for _ in range(6):
        h.advance(HOLD_S * 1.2)
        seen += [name for name in held(h) if name not in seen[-1:]]
    assert set(seen) == {agent.id for agent in agents}


def test_m28_a_hold_stays_where_more_becomes_free() -> None:
    h = MasterHarness(SETTINGS)
    a, _ = full(h, 4, 4)
    h.framework(role="large", demands=[demand(1, cpus=4)])
    a.finishes("t0")
    h.advance(HOLD_S * 1.2)
    for name in ("t1", "t2"):
        assert held(h) == [a.id]
        a.finishes(name)
        h.advance(HOLD_S)
    assert held(h) == [a.id]


# --- among those who decline


@pytest.mark.parametrize("states_demand", [True, False])
@pytest.mark.parametrize("is_last", [True, False])
def test_m28_who_wants_something_launches_before_decliners_see_an_agent_twice(
    *, states_demand: bool, is_last: bool
) -> None:
    """A hundred of them decline whatever comes; they state a demand, or none."""
    h = MasterHarness()
    agents = [h.agent(cpus=4, mem="4GiB") for _ in range(3)]
    h.orders(SetWeight(Role("busy"), 0.001))
    wanting = h.framework(role="busy", demands=[demand(12)])
    for offer in wanting.offers:  # so that its share is above all others'
        names = [f"{offer.agent_id}-{n}" for n in range(offer.resources.cpus // 1000)]
        wanting.accept(offer, *(task(name) for name in names))
    wanting.wants()
    decliners = [
        h.framework(role=f"role{n}", demands=[demand(4)] if states_demand else None)
        for n in range(100)
    ]
    if not is_last:
        wanting.wants(demand(1))
    agents[0].finishes(f"{agents[0].id}-0")
    rounds, began = 0, h.now
    while not wanting.offers:
        h.tick()
        if is_last and rounds == 50:
            began = h.now
            wanting.wants(demand(1))
        for f in decliners:
            if f.offers:
                f.decline(refuse_s=0)
        for f in decliners:
            seen = [offer.agent_id for offer in f.seen_offers]
            assert len(seen) == len(set(seen)), "offered the same agent twice"
        h.advance(0.02)  # the first refusals expire before all have been asked
        rounds += 1
        assert rounds < 200
    print(f"among 100 who decline, {h.now - began:.2f} s after it wanted something")  # noqa: T201 - a figure for whoever asks with -rP
    wanting.launch(task("at-last"))


# --- who never answers


def test_m28_who_never_answers_keeps_nobody_waiting_beyond_the_timeout() -> None:
    """And is offered the same again only when as long has passed, behind all who answer."""
    h = MasterHarness()
    for _ in range(3):
        h.agent(cpus=4, mem="4GiB")
    h.framework(role="silent")
    began = h.now
    f = h.framework(role="wanting", demands=[demand(12)])
    while f.offered.cpus < 12_000:
        h.advance(1.0)
        assert h.now - began <= h.settings.offer_timeout_s + 1
    print(f"beside one that never answers it waited {h.now - began:.0f} s")  # noqa: T201 - a figure for whoever asks with -rP


def test_m28_nothing_is_kept_for_who_has_ended() -> None:
    h = MasterHarness(SETTINGS)
    a = h.agent(cpus=4, mem="4GiB")
    f = h.framework(role="small", demands=[demand(4)])
    f.launch(*(task(f"t{n}") for n in range(4)))
    large = h.framework(role="large", demands=[demand(1, cpus=4)])
    h.advance(HOLD_S * 1.5)
    assert held(h) == [a.id]
    large.call(Teardown())
    assert held(h) == []


@pytest.mark.parametrize("pauses", range(1, 10))
def test_m28_who_ends_while_room_is_looked_for_has_none_kept(pauses: int) -> None:
    h = MasterHarness(replace(SETTINGS, max_grants=1))
    full(h, 2, 2, 2)
    large = h.framework(role="large", demands=[demand(1, cpus=2)])
    h.advance(HOLD_S / 4)
    h.now += HOLD_S
    for _ in range(pauses):
        h.step(Tick())
    large.call(Teardown())
    for _ in range(10):
        h.step(Tick())
        assert held(h) == []


def test_m28_a_hold_moves_at_once_from_an_agent_that_goes() -> None:
    h = MasterHarness(SETTINGS)
    agents = full(h, 4, 4)
    h.framework(role="large", demands=[demand(1, cpus=4)])
    h.advance(HOLD_S * 1.2)
    gone, other = agents if held(h) == [agents[0].id] else agents[::-1]
    gone.disconnects()
    h.advance(HOLD_S / 4)
    assert held(h) == [other.id]


# --- several that wait, and many agents


def test_m28_room_is_kept_for_who_has_waited_longest() -> None:
    """Whoever has come to the cluster first: the only agent is kept for one at a time."""
    h = MasterHarness(SETTINGS)
    full(h, 4)
    early, late = h.framework(role="early", demands=[]), h.framework(role="late", demands=[])
    late.wants(demand(1, cpus=4))
    h.advance(HOLD_S / 4)
    early.wants(demand(1, cpus=4))
    h.advance(HOLD_S * 1.4)
    holders = [kept_for(h)]
    for _ in range(3):
        h.advance(HOLD_S * 1.1)
        holders.append(kept_for(h))
    assert holders == [late.id, early.id, late.id, early.id]


def kept_for(h: MasterHarness) -> str:
    ((framework_id, _),) = h.master.books.holds.values()
    return framework_id


def test_m28_what_is_kept_for_a_gang_is_not_kept_for_another_demand() -> None:
    h = MasterHarness(SETTINGS)
    a, b = full(h, 4, 4)
    h.framework(role="gang", demands=[demand(1, cpus=4, gang=True)])
    h.advance(HOLD_S * 1.4)
    assert h.master.books.gang_hold is not None
    taken = list(h.master.books.gang_hold.agents)
    h.framework(role="large", demands=[demand(1, cpus=4)])
    h.advance(HOLD_S * 1.4)
    assert sorted([*held(h), *taken]) == sorted([a.id, b.id])


def test_m28_agents_are_looked_at_a_few_in_a_step() -> None:
    """However many there are: what has come meanwhile is read between the steps."""
    h = MasterHarness(replace(SETTINGS, max_grants=10))
    full(h, *[2] * 50)
    h.framework(role="large", demands=[demand(1, cpus=2)])
    h.advance(HOLD_S / 4)
    h.now += HOLD_S
    steps = 0
    while not held(h):
        h.master.step(Tick(), h.now)
        assert (h.master.next_deadline() or h.now) <= h.now or held(h)
        steps += 1
        assert steps < 20
    assert steps >= 5


def test_m28_a_demand_gets_the_best_of_enough_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many not all are looked at, and the next one who waits looks at others."""
    h = MasterHarness(SETTINGS)
    monkeypatch.setattr(holds, "ENOUGH", 3)
    agents = full(h, 4, 4, 4, 4, 4, 4)
    agents[1].finishes("t4")
    agents[3].finishes("t12")
    agents[3].finishes("t13")
    demands = [demand(1, cpus=4)]
    first, second = (h.framework(role=name, demands=demands) for name in ("a", "b"))
    h.advance(HOLD_S * 1.4)
    kept = {framework_id: agent for agent, (framework_id, _) in h.master.books.holds.items()}
    assert kept == {first.id: agents[1].id, second.id: agents[3].id}


def test_m28_what_no_agent_could_serve_is_not_looked_for_all_the_time() -> None:
    h = MasterHarness(SETTINGS)
    full(h, 4, 4)
    nowhere = Constraints((AllOf((Predicate("name", Comparison.EQUALS, ("no",)),)),))
    h.framework(role="large", demands=[Demand(demand(1, cpus=4).each, 1, nowhere)])
    with patch.object(holds, "could_hold", wraps=bits.could_hold) as asked:
        h.advance(HOLD_S * 5)
    assert 4 * 2 <= asked.call_count <= 5 * 2


def test_m28_all_agents_are_summed_up_once_in_a_look() -> None:
    """With quotas, a look must not go through all agents for each of them."""
    h = MasterHarness(SETTINGS)
    full(h, *[4] * 10)
    assert h.orders(SetQuota(Role("other"), {"cpus": 1000}, {"cpus": 9000})).code is Code.OK
    h.framework(role="other", demands=[demand(1, cpus=4)])
    with patch.object(Outlook, "of", wraps=Outlook.of) as sums:
        h.advance(HOLD_S * 1.4)
    assert held(h)
    assert sums.call_count <= 10
