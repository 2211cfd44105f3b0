"""The allocator, which looks no further than it must, against one that looks at everybody."""

from tests.support.both_allocators import both_allocators
from tests.support.master_walk import Walk

SEEDS = range(100, 112)


def test_what_is_given_out_is_what_a_look_at_everybody_gives_out() -> None:
    with both_allocators() as both:
        for seed in SEEDS:
            Walk(seed).run()
    assert both.grants > len(SEEDS), both.grants
