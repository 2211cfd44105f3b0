"""The allocator, which looks no further than it must, against one that looks at everybody."""

from dataclasses import replace
from random import Random

import pytest
from tests.support.both_allocators import both_allocators
from tests.support.master_harness import MasterHarness, demand
from tests.support.master_walk import Walk

from fairlead.common.ids import Role
from fairlead.common.messages import Teardown
from fairlead.common.operators import SetWeight
from fairlead.master.settings import MasterSettings

SEEDS = range(100, 112)
ROLES = ("a", "a/x", "a/x/1", "a/y", "b", "b/z", "c")


def test_what_is_given_out_is_what_a_look_at_everybody_gives_out() -> None:
    with both_allocators() as both:
        for seed in SEEDS:
            Walk(seed).run()
    assert both.grants > len(SEEDS), both.grants


@pytest.mark.parametrize("seed", range(6))
def test_one_allocation_over_many_agents_moves_those_who_are_given_something(seed: int) -> None:
    random = Random(seed)
    h = MasterHarness(seed=seed)
    with both_allocators() as both:
        h.orders(SetWeight(Role("a"), 2.0))
        for number in range(10):
            wanted = [demand(random.randint(1, 9), cpus=random.choice([0.5, 1, 3]))]
            demands = random.choice([None, wanted])
            h.framework(role=random.choice(ROLES), demands=demands, name=f"f{number}")
        for _ in range(20):
            h.agent(cpus=random.choice([2, 4, 5]))
        h.tick()
        for _ in range(3):
            for framework in h.frameworks:
                for offer in random.sample(framework.offers, len(framework.offers) // 2):
                    framework.decline(offer, refuse_s=random.choice([0, 0, 60]))
            h.advance(2.0)
    assert both.grants > 20


def test_who_comes_back_with_fewer_roles_while_another_comes() -> None:
    h = MasterHarness()
    f = h.framework(roles=("a", "b"))
    a = h.agent(cpus=4)
    h.tick()
    f.decline(*f.offers, refuse_s=60)
    h.advance(2.0)
    other = h.framework(role="c", connects=False)
    other.connects()
    f.disconnects()
    f.info = replace(f.info, roles=(Role("a"),))
    f.connects()
    h.tick()
    assert [offer.agent_id for offer in (*f.offers, *other.offers)] == [a.id]


def test_who_is_forgotten_at_once_while_another_comes() -> None:
    h = MasterHarness(MasterSettings(ended_frameworks_kept=0))
    f = h.framework(role="a")
    h.agent(cpus=4)
    h.tick()
    f.decline(*f.offers, refuse_s=60)
    h.advance(2.0)
    other = h.framework(role="c", connects=False)
    other.connects()
    f.call(Teardown())
    h.tick()
    assert other.offers
