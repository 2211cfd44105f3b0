"""Dominant shares: the largest over resources, compared exactly."""

from fractions import Fraction

import hypothesis
import hypothesis.strategies as st

from fairlead.common.resources import EMPTY, Resources
from fairlead.master.allocation.shares import Scale, divisible, grains

amounts = st.integers(0, 2**40)


def test_the_dominant_share_is_the_largest() -> None:
    scale = Scale(Resources(9000, 18))
    held = Resources(1000, 4)
    assert scale.dominant(held) == "mem"
    assert scale.share(held) == 4 / 18


def test_what_the_cluster_has_none_of_does_not_count() -> None:
    scale = Scale(Resources(9000, 18))
    assert scale.of(Resources(disk=5)) == 0
    assert scale.dominant(Resources(disk=5)) == ""


def test_nothing_of_nothing_is_nothing() -> None:
    assert Scale(EMPTY).share(EMPTY) == 0.0


@hypothesis.given(
    st.lists(st.integers(1, 2**50), min_size=2, max_size=2), st.lists(amounts, min_size=4)
)
def test_shares_order_as_the_fractions_do(whole: list[int], held: list[int]) -> None:
    scale = Scale(Resources(whole[0], whole[1]))
    mine, theirs = Resources(held[0], held[1]), Resources(held[2], held[3])

    def exactly(resources: Resources) -> Fraction:
        return max(Fraction(resources.cpus, whole[0]), Fraction(resources.mem, whole[1]))

    assert (scale.of(mine) < scale.of(theirs)) == (exactly(mine) < exactly(theirs))
    assert (scale.of(mine) == scale.of(theirs)) == (exactly(mine) == exactly(theirs))


@hypothesis.given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=6))
def test_every_weight_divides(weights: list[float]) -> None:
    whole = divisible(weights)
    assert all(whole % grains(weight) == 0 for weight in weights)


def test_no_weight_is_nothing() -> None:
    assert grains(1e-12) == 1
