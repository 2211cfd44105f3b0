"""Crowds of frameworks in a tree of roles, with quotas and gangs: what the allocator leaves out of
its sight would have got nothing.
"""

import pytest
from tests.support.both_allocators import both_allocators

from fairlead.sim.world import simulate


@pytest.mark.parametrize("seed", [*range(1, 11), 134])
def test_whoever_is_not_looked_at_would_have_got_nothing(seed: int) -> None:
    with both_allocators() as both:
        report = simulate(seed)
    assert not report.failure
    assert both.grants
