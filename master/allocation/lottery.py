"""Whose turn it is by chance: in proportion to weight, whatever anybody holds.

For the allocator, where several prefer an agent that cannot hold them all, and instead of the
order by shares if an operator wants that. Along the tree of roles one sibling is drawn at each
level: of roles with the weights 2 and 1 the former comes first in two of three draws. The
frameworks of a role are together one more sibling of its child roles, with the weight 1.
"""

from typing import TYPE_CHECKING

from fairlead.common.ids import Role
from fairlead.common.roles import lineage

from ..books import Books
from ..entries import Framework
from .tree import OWN

if TYPE_CHECKING:
    from random import Random

Lot = tuple[tuple[float, str], ...]
"""From the top of the tree down to a framework; lower comes first."""


class Lottery:
    """One draw after another."""

    def __init__(self, books: Books, random: "Random") -> None:
        self._weights = books.weights
        self._random = random
        self._drawn: dict[tuple[Role, str], float] = {}

    def draw(self) -> None:
        """Anew: what was drawn before counts no longer."""
        self._drawn.clear()

    def lot(self, framework: Framework, role: Role) -> Lot:
        """The same until the next draw.

        Of several exponential times the shortest is each one's in proportion to its rate.
        """
        path = reversed(lineage(role))
        return (
            *((self._time(above, "", self._weights.get(above, 1.0)), above) for above in path),
            (self._time(role, OWN, 1.0), OWN),
            (self._time(role, framework.framework_id, 1.0), framework.framework_id),
        )

    def _time(self, role: Role, name: str, rate: float) -> float:
        if (known := self._drawn.get((role, name))) is None:
            known = self._drawn[role, name] = self._random.expovariate(rate)
        return known
