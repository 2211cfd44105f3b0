"""A gang is not starved by small tasks: room is kept for it on all the agents that it needs."""

import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.events import Tick
from fairlead.common.ids import Role
from fairlead.common.messages import Teardown
from fairlead.common.operators import ExplainFramework, SetWeight
from fairlead.master.settings import MasterSettings

HOLD_S = 20.0


class Busy:
    """Three agents of 2 cpus, on which tasks of one cpu end one at a time, and others follow at
    once: there is room for one now and then, and never for two.
    """

    def __init__(self, hold_after_s: float = HOLD_S, max_grants: int = 500) -> None:
        settings = MasterSettings(
            hold_after_s=hold_after_s, revoke_after_s=0, max_grants=max_grants
        )
        self.h = MasterHarness(settings)
        self.agents = [self.h.agent(cpus=2, mem="2GiB") for _ in range(3)]
        self.small = self.h.framework(role="small", demands=[demand(100)])
        self.number = 0
        self.fill()

    def gang(self, role: str = "gang") -> FrameworkDouble:
        return self.h.framework(role=role, demands=[demand(3, cpus=2, mem="2GiB", gang=True)])

    def keeps_room(self) -> bool:
        return self.h.master.books.gang_hold is not None

    def fill(self) -> None:
        for offer in self.small.offers:
            names = []
            for _ in range(offer.resources.cpus // 1000):
                self.number += 1
                names.append(f"s{self.number}")
            self.small.accept([offer], *map(task, names))
            agent = next(each for each in self.agents if each.id == offer.agent_id)
            agent.runs(*names)
        self.small.wants(demand(100))

    def second(self, number: int) -> None:
        """In each one task ends."""
        agent = self.agents[number % 3]
        if agent.living:
            agent.finishes(next(iter(agent.living)))
        self.h.tick()
        self.fill()
        self.h.advance(1)

    def seconds_until(self, framework: FrameworkDouble, most: int) -> int:
        for number in range(most):
            if framework.offers:
                return number
            self.second(number)
        return most


def test_m28_a_gang_has_room_kept_for_it_on_several_agents() -> None:
    busy = Busy()
    gang = busy.gang()
    assert busy.seconds_until(gang, 60) < HOLD_S + 15
    assert (len(gang.offers), gang.offered.cpus) == (3, 6000)


def test_m28_without_holds_a_gang_starves() -> None:
    busy = Busy(hold_after_s=0)
    assert busy.seconds_until(busy.gang(), 120) == 120


def test_m28_what_is_kept_for_a_gang_is_offered_again_when_it_wants_nothing() -> None:
    busy = Busy()
    gang = busy.gang()
    for number in range(23):
        busy.second(number)
    assert busy.keeps_room()
    gang.wants()
    busy.h.advance(3)
    busy.fill()
    assert not busy.keeps_room()
    assert all(len(agent.living) == 2 for agent in busy.agents)


def test_m28_nothing_is_kept_for_a_gang_whose_framework_has_ended() -> None:
    busy = Busy()
    gang = busy.gang()
    for number in range(23):
        busy.second(number)
    assert busy.keeps_room()
    gang.call(Teardown())
    assert not busy.keeps_room()


@pytest.mark.parametrize("pauses", range(1, 10))
def test_m28_nor_if_it_ends_while_room_is_looked_for(pauses: int) -> None:
    busy = Busy(max_grants=1)
    gang, h = busy.gang(), busy.h
    for number in range(17):
        busy.second(number)
    h.now += 8
    for _ in range(pauses):
        h.step(Tick())
    gang.call(Teardown())
    for _ in range(10):
        h.step(Tick())
        assert not busy.keeps_room()


def test_m28_who_is_further_below_its_share_is_served_from_what_is_kept() -> None:
    """A hold does not make a share larger: here the small ones count for little."""
    busy = Busy()
    gang = busy.gang()
    busy.h.orders(SetWeight(Role("small"), 1000.0))
    for number in range(60):
        busy.second(number)
    assert not gang.offers
    assert sum(len(agent.living) for agent in busy.agents) == 6


def test_m28_two_gangs_are_held_for_one_after_the_other() -> None:
    busy = Busy()
    first, second = busy.gang("a"), busy.gang("b")
    assert busy.seconds_until(first, 60) < 60
    names = [task(f"g{n}", cpus=2, mem="2GiB") for n in range(3)]
    first.takes_gang("g", *names)
    first.wants()
    for agent in busy.agents:
        agent.runs(*(name for name in agent.living if name.startswith("g")))
    busy.h.advance(60)
    assert not second.offers
    for agent in busy.agents:
        agent.finishes(*(name for name in tuple(agent.living) if name.startswith("g")))
    assert busy.seconds_until(second, 100) < 100


def test_m28_a_gang_is_given_other_agents_when_one_of_its_own_goes() -> None:
    busy = Busy()
    busy.agents.append(busy.h.agent(cpus=2, mem="2GiB"))
    busy.fill()
    busy.small.wants()
    busy.gang()
    busy.h.advance(HOLD_S * 1.2)
    hold = busy.h.master.books.gang_hold
    assert hold is not None
    gone = next(agent for agent in busy.agents if agent.id in hold.agents)
    gone.disconnects()
    busy.h.advance(HOLD_S / 4)
    hold = busy.h.master.books.gang_hold
    assert hold is not None
    assert set(hold.agents) == {agent.id for agent in busy.agents if agent is not gone}


def test_m35_a_gang_for_which_room_is_kept_is_named() -> None:
    busy = Busy()
    busy.gang()
    for number in range(25):
        busy.second(number)
    result = busy.h.orders(ExplainFramework(busy.small.id))
    assert result.code.name == "OK"
    lines = busy.h.replies[-1].lines
    assert any("kept for another framework" in line for line in lines), lines
