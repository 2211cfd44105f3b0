"""Dominant shares, compared exactly (Ghodsi et al., Dominant Resource Fairness, NSDI 2011).

A share is the largest over resources of held ÷ capacity, divided by a weight. Comparing fractions
is comparing integers once all are brought to one denominator, so no tie is decided by rounding.
"""

from collections.abc import Container, Iterable
from fractions import Fraction
from math import lcm

from fairlead.common.resources import NAMES, Resources

WEIGHT_GRAIN = 1_000_000
"""Weights count in millionths."""


class Scale:
    """Shares of one capacity. `of` gives integers that order as the shares do.

    What the cluster has none of, and what is `excluded` by name, does not count.
    """

    def __init__(self, capacity: Resources, excluded: Container[str] = ()) -> None:
        totals = [
            0 if name in excluded else amount
            for name, amount in zip(NAMES, capacity.vector, strict=False)
        ]
        self._whole = lcm(*(amount for amount in totals if amount))
        self._factors = [self._whole // amount if amount else 0 for amount in totals]

    def of(self, held: Resources) -> int:
        """The dominant share as a multiple of 1 ÷ whole."""
        cpus, mem, disk, gpus = self._factors
        gpu_share = held.gpu_millis * gpus if held.gpus else 0
        return max(held.cpus * cpus, held.mem * mem, held.disk * disk, gpu_share)

    def share(self, held: Resources) -> float:
        """For people: the dominant share, 0 to 1."""
        return float(Fraction(self.of(held), self._whole)) if self._whole else 0.0

    def dominant(self, held: Resources) -> str:
        """The resource that the share comes from; empty if nothing is held."""
        pairs = zip(held.vector, self._factors, NAMES, strict=False)
        amount, name = max(((amount * factor, name) for amount, factor, name in pairs))
        return name if amount else ""


def grains(weight: float) -> int:
    """A weight as an integer, at least one grain."""
    return max(1, round(weight * WEIGHT_GRAIN))


def divisible(weights: Iterable[float]) -> int:
    """A number that every weight divides: times a share, ÷ its weight stays an integer."""
    return lcm(*(grains(weight) for weight in weights))
