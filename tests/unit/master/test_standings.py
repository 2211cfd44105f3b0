"""The allocator, which looks no further than it must, against one that looks at everybody."""

from random import Random

import pytest
from tests.support.both_allocators import both_allocators
from tests.support.master_harness import MasterHarness, demand
from tests.support.master_walk import Walk

from fairlead.common.ids import Role
from fairlead.common.operators import SetWeight

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
