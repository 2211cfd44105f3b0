"""The order of frameworks along the tree of roles, while one allocation runs.

For the allocator: whoever is furthest below its share comes first. At each level of the tree the
siblings are compared by share ÷ weight, then by allocations so far, then by name. The frameworks of
a role are together one more sibling of its child roles, named ".", with the weight 1; among
themselves they are compared in the same way, without weights.
"""

from collections import Counter

from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage

from .books import Books, Framework, anonymous
from .shares import divisible, grains

OWN = "."
"""The frameworks of a role among its child roles; no role has a part of that name."""

Level = tuple[int, int, str]
"""Share ÷ weight, allocations so far, name."""
Place = tuple[Level, ...]
"""From the top of the tree down to a framework; lower comes first."""


class Tree:
    """What the books say, and what was given out on the agent at hand and is not in them yet."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._scale = books.scale
        self._weight = divisible((1.0, *books.weights.values()))
        self._allocations: Counter[Role] = Counter()
        self._own_allocations: Counter[Role] = Counter()
        self._own_held: dict[Role, Resources] = {}
        for framework in books.frameworks.values():
            for role, held in framework.held.items():
                self._own_held[role] = self._own_held.get(role, EMPTY) + held
            for role, count in framework.allocations.items():
                self._count(role, count)
        self.here: dict[Role, Resources] = {}
        """By the frameworks of each role itself, on the agent at hand."""
        self._below: dict[Role, Resources] = {}
        """The same with all roles below."""
        self._levels: dict[Role, Level] = {}
        self._own_levels: dict[Role, Level] = {}

    def place(self, framework: Framework, role: Role, here: Resources) -> Place:
        """Of a framework that got so much on the agent at hand; it only grows meanwhile."""
        held = framework.held.get(role, EMPTY) + anonymous(here)
        allocations = framework.allocations.get(role, 0)
        return (
            *(self._level(above) for above in reversed(lineage(role))),
            self._own_level(role),
            (self._scale.of(held), allocations, framework.framework_id),
        )

    def give(self, role: Role, resources: Resources) -> None:
        """On the agent at hand."""
        resources = anonymous(resources)
        self.here[role] = self.here.get(role, EMPTY) + resources
        for above in lineage(role):
            self._below[above] = self._below.get(above, EMPTY) + resources
        self._forget(role)

    def take_back(self) -> None:
        """All that was given on the agent at hand."""
        for role in self.here:
            self._forget(role)
        self.here.clear()
        self._below.clear()

    def booked(self, role: Role, resources: Resources) -> None:
        """What was given is an offer in the books now."""
        self._own_held[role] = self._own_held.get(role, EMPTY) + anonymous(resources)
        self._count(role, 1)
        self._forget(role)

    def _count(self, role: Role, allocations: int) -> None:
        self._own_allocations[role] += allocations
        for above in lineage(role):
            self._allocations[above] += allocations

    def _forget(self, role: Role) -> None:
        self._own_levels.pop(role, None)
        for above in lineage(role):
            self._levels.pop(above, None)

    def _level(self, role: Role) -> Level:
        if (known := self._levels.get(role)) is None:
            held = self._books.held.get(role, EMPTY) + self._below.get(role, EMPTY)
            weight = grains(self._books.weights.get(role, 1.0))
            share = self._scale.of(held) * (self._weight // weight)
            known = self._levels[role] = share, self._allocations[role], role
        return known

    def _own_level(self, role: Role) -> Level:
        if (known := self._own_levels.get(role)) is None:
            held = self._own_held.get(role, EMPTY) + self.here.get(role, EMPTY)
            share = self._scale.of(held) * (self._weight // grains(1.0))
            known = self._own_levels[role] = share, self._own_allocations[role], OWN
        return known
