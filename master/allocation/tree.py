"""The order of frameworks along the tree of roles, while one allocation runs.

For the allocator: whoever is furthest below its share comes first. At each level of the tree the
siblings are compared by share ÷ weight, then by allocations so far, then by name. The frameworks of
a role are together one more sibling of its child roles, named ".", with the weight 1; among
themselves they are compared in the same way, without weights.
"""

from collections import Counter
from collections.abc import Iterable

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage

from ..books import Books
from ..entries import Framework, anonymous
from .shares import divisible, grains

OWN = "."
"""The frameworks of a role among its child roles; no role has a part of that name."""

Level = tuple[int, int, str]
"""Share ÷ weight, allocations so far, name."""
Place = tuple[Level, ...]
"""From the top of the tree down to a framework; lower comes first."""
_Count = tuple[Resources, int]
"""What a framework holds in a role, and its allocations so far."""
_NONE: _Count = (EMPTY, 0)


class Tree:
    """What the books say, and what was given out on the agent at hand and is not in them yet."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._allocations: Counter[Role] = Counter()
        self._own_allocations: Counter[Role] = Counter()
        self._own_held: dict[Role, Resources] = {}
        self._counted: dict[FrameworkId, dict[Role, _Count]] = {}
        self.here: dict[Role, Resources] = {}
        """By the frameworks of each role itself, on the agent at hand."""
        self._below: dict[Role, Resources] = {}
        """The same with all roles below."""
        self._levels: dict[Role, Level] = {}
        self._own_levels: dict[Role, Level] = {}
        self.rescale()
        for framework_id in books.frameworks:
            self.recount(framework_id)

    def rescale(self) -> None:
        """After capacity, weights or what is excluded have changed. A share times a factor is that
        divided by a weight.
        """
        self._scale = self._books.scale
        whole = divisible((1.0, *self._books.weights.values()))
        self._factors = {role: whole // grains(each) for role, each in self._books.weights.items()}
        self._factor = whole // grains(1.0)
        self._levels.clear()
        self._own_levels.clear()

    def recount(self, framework_id: FrameworkId) -> Iterable[Role]:
        """What it holds, and has been offered so far, as the books have it now; in which of its
        roles that has changed.
        """
        framework = self._books.frameworks.get(framework_id)
        was, now = self._counted.get(framework_id, {}), _counts(framework)
        if was == now:
            return ()
        changed = [role for role in {**was, **now} if was.get(role) != now.get(role)]
        for role in changed:
            self._change(role, was.get(role, _NONE), now.get(role, _NONE))
        if now:
            self._counted[framework_id] = now
        else:
            del self._counted[framework_id]
        return changed

    def booked(self, framework: Framework, role: Role) -> None:
        """The same, for one that has got an offer in this role."""
        counted = self._counted.setdefault(framework.framework_id, {})
        now = framework.held.get(role, EMPTY), framework.allocations.get(role, 0)
        self._change(role, counted.get(role, _NONE), now)
        counted[role] = now

    def _change(self, role: Role, was: _Count, now: _Count) -> None:
        own = self._own_held.get(role, EMPTY).without(was[0]) + now[0]
        if own:
            self._own_held[role] = own
        else:
            self._own_held.pop(role, None)
        if allocations := now[1] - was[1]:
            self._own_allocations[role] += allocations
            for above in lineage(role):
                self._allocations[above] += allocations
        self._forget(role)

    def place(self, framework: Framework, role: Role, here: Resources) -> Place:
        """Of a framework that got so much on the agent at hand; it only grows meanwhile."""
        return (
            *(self.level(above) for above in reversed(lineage(role))),
            self.own(role),
            self.own_level(framework, role, here),
        )

    def own_level(self, framework: Framework, role: Role, here: Resources) -> Level:
        """Beside the other frameworks of its role."""
        held = framework.held.get(role, EMPTY) + anonymous(here)
        allocations = framework.allocations.get(role, 0)
        return self._scale.of(held), allocations, framework.framework_id

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

    def _forget(self, role: Role) -> None:
        self._own_levels.pop(role, None)
        for above in lineage(role):
            self._levels.pop(above, None)

    def level(self, role: Role) -> Level:
        """Of a role beside its siblings."""
        if (known := self._levels.get(role)) is None:
            held = self._books.held.get(role, EMPTY) + self._below.get(role, EMPTY)
            share = self._scale.of(held) * self._factors.get(role, self._factor)
            known = self._levels[role] = share, self._allocations[role], role
        return known

    def own(self, role: Role) -> Level:
        """Of its own frameworks together, beside its child roles."""
        if (known := self._own_levels.get(role)) is None:
            held = self._own_held.get(role, EMPTY) + self.here.get(role, EMPTY)
            share = self._scale.of(held) * self._factor
            known = self._own_levels[role] = share, self._own_allocations[role], OWN
        return known


def _counts(framework: Framework | None) -> dict[Role, _Count]:
    if framework is None:
        return {}
    held, allocations = framework.held, framework.allocations
    return {
        role: (held.get(role, EMPTY), allocations.get(role, 0))
        for role in dict.fromkeys((*held, *allocations))
    }
