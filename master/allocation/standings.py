"""The order of all who may be offered something, kept between allocations.

For the allocator, which draws from it no further than it must. The rule. Everybody stands where the
tree of roles (`tree`) puts him, and whoever believably wants something stands before all others. A
standing says nothing of what is given out on the agent at hand: what one gets there makes one's
rank higher than that and never lower. So who stands behind the one whose turn it is need not be
looked at.

Worked example: A stands at 0, B at 1/4 and C at 1/2 of the cluster, and an agent that is a quarter
of it has four bits. A is drawn, and B, to see that B comes later; A gets bits until it is beyond
1/4, then B has its turn. C is never looked at.

Only what has changed since the last allocation is put in anew: the frameworks that the books name
as `changed`, and the roles above them. When shares are measured in another way (capacity, weights,
what is excluded), all are.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import chain

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import FrameworkId, Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage
from fairlead.common.values import Constraints, Demand

from ..books import Books, Who
from ..entries import Framework
from ..filters import Filter
from ..settings import MasterSettings
from .demands import open_demand
from .tree import Level, Place, Tree

FEW = 8
"""Frameworks that are put in order for themselves, rather than found among all."""
FIRST, REST = 0, 1
"""Who believably wants something, and who does not."""
NO_LEVEL: Level = (0, 0, "")
Amounts = tuple[int, int, int, int, int]
"""A `Resources.vector`."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A framework in one role that may be offered something."""

    framework: Framework
    role: Role
    number: tuple[int, int]
    """In the order of the books, in which grants are made."""
    wants: tuple[Demand, ...] | None = ()
    """What is still open of its demand; None: nothing stated."""
    sizes: tuple[Resources, ...] = ()
    """Of the tasks that it wants."""
    needs: tuple[Amounts, ...] = ()
    """The same in numbers."""
    is_believed: bool = True
    level: Level = NO_LEVEL
    """Beside the other frameworks of its role."""
    order: int = -1
    """In which it stands; -1: in none."""
    refused: Mapping[str, tuple[Filter, ...]] = field(init=False)
    """Its filters, by places."""
    # --- on the agent at hand
    has_refused: bool = False
    """Of what is free there."""
    reasons: tuple[bool, ...] = ()
    """Why it comes before others, whatever their shares."""
    most: Resources = EMPTY
    """All that it could get there, if nobody else came."""
    here: Resources = EMPTY
    """What it got there."""
    served: tuple[Demand, ...] | None = None
    """`wants` without that."""

    def __post_init__(self) -> None:
        self.refused = self.framework.filters.of(self.role)

    @property
    def comes_first(self) -> bool:
        return self.wants is not None and self.is_believed

    def could_use(self, free: Amounts) -> bool:
        """Whether anything that it wants might fit, by amounts."""
        have_cpus, have_mem, have_disk, have_gpus, have_ports = free
        for cpus, mem, disk, gpus, ports in self.needs:
            is_enough = cpus <= have_cpus and mem <= have_mem and disk <= have_disk
            if is_enough and gpus <= have_gpus and ports <= have_ports:
                return True
        return self.wants is None


@dataclass(slots=True, eq=False)
class _Node:
    """A role; or under it, with the name ".", its own frameworks."""

    role: Role
    is_own: bool
    above: "_Node | None"
    level: Level = NO_LEVEL
    orders: "tuple[list[_Entry], list[_Entry]]" = field(default_factory=lambda: ([], []))
    """What is below it, the lowest first."""
    alone: "list[Candidate | None]" = field(default_factory=lambda: [None, None])
    """In each order, whoever is the only one below it."""


_Entry = tuple[int, int, str, "_Node | Candidate"]
"""A level, and who stands there."""


class Standings:
    """Two orders along the tree: of those who believably want something, and of the rest."""

    def __init__(self, books: Books, settings: MasterSettings) -> None:
        self._books = books
        self._settings = settings
        self.tree = Tree(books)
        self._basis: object = None
        self._root = _Node(Role(""), is_own=False, above=None)
        self._nodes: dict[tuple[Role, bool], _Node] = {}
        self._of: dict[FrameworkId, dict[Role, Candidate]] = {}
        self._sizes: Counter[Resources] = Counter()
        """How many want tasks of each size."""
        self._least: Sequence[int] | None = None
        self.stated = 0
        """Candidates who stated demand."""
        self.unstated = 0
        self._walked: list[Candidate] = []
        """From the lowest on, as far as anybody has asked."""
        self._ahead: Iterator[Candidate] | None = None
        self._has_moved = True
        """Since the last walk."""
        self.drawn = 0
        """So often the allocator has looked at one of them; for measurements."""
        self.preferring: dict[FrameworkId, None] = {}
        """Frameworks that would rather have some agents than others."""
        self.ganging: dict[FrameworkId, None] = {}
        """Frameworks that want gangs."""
        for framework_id in books.frameworks:
            self._renew(framework_id)

    def renew(self) -> None:
        """What the books have changed since."""
        books = self._books
        changed, books.changed = books.changed, {}
        basis = (books.capacity, books.excluded, dict(books.weights))
        if basis != self._basis:
            self._basis = basis
            self.tree.rescale()
            for framework_id in changed:
                self.tree.recount(framework_id)
            self._sort()
        for framework_id in changed:
            self._renew(framework_id)

    # --- who stands where

    def candidate(self, framework_id: FrameworkId, role: Role) -> Candidate | None:
        candidate = self._of.get(framework_id, {}).get(role)
        return candidate if candidate is not None and candidate.order >= 0 else None

    def everybody(self, who: Who = None) -> Sequence[Candidate]:
        """All of these, in the order of the books."""
        listed = self._listed(self._of if who is None else who)
        return sorted(listed, key=lambda each: each.number)

    def _listed(self, who: Iterable[FrameworkId]) -> Iterator[Candidate]:
        for framework_id in who:
            for candidate in self._of.get(framework_id, {}).values():
                if candidate.order >= 0:
                    yield candidate

    def place(self, candidate: Candidate) -> Place:
        """Its standing, in whichever order."""
        levels: Place = (candidate.level,)
        node = self._nodes[candidate.role, True]
        while node.above is not None:
            levels = node.level, *levels
            node = node.above
        return levels

    def walk(self, who: Who = None) -> Iterator[Candidate]:
        """From the lowest on, these alone; nothing must change meanwhile."""
        if who is not None and len(who) <= FEW:
            return iter(sorted(self._listed(who), key=lambda each: (each.order, self.place(each))))
        everybody = self._everybody()
        if who is None:
            return everybody
        return (each for each in everybody if each.framework.framework_id in who)

    def _everybody(self) -> Iterator[Candidate]:
        if self._ahead is not None:
            return self._walk_again(self._ahead)
        first, rest = self._root.orders
        everybody = chain(_walk(first, FIRST), _walk(rest, REST))
        if self._has_moved:  # and whoever walks now will move somebody, more often than not
            self._has_moved = False
            return everybody
        self._ahead = everybody
        return self._walk_again(everybody)

    def _walk_again(self, ahead: Iterator[Candidate]) -> Iterator[Candidate]:
        yield from self._walked
        for drawn in ahead:
            self._walked.append(drawn)
            yield drawn

    def _forget_walk(self) -> None:
        """Somebody stands elsewhere."""
        self._has_moved = True
        if self._ahead is not None:
            self._walked, self._ahead = [], None

    def wants_any(self, free: Resources) -> bool:
        """Whether something might fit for somebody who stated demand: no, if this says so."""
        if self._least is None:
            vectors = [size.vector for size in self._sizes]
            self._least = tuple(map(min, zip(*vectors, strict=True))) if vectors else ()
        least = self._least
        return bool(least) and all(
            have >= want for have, want in zip(free.vector, least, strict=True)
        )

    def booked(self, candidate: Candidate) -> None:
        """What it was given stands in the books."""
        self.tree.booked(candidate.framework, candidate.role)
        self._moved(candidate.role)
        self._settle(candidate, candidate.served, is_believed=candidate.is_believed)
        framework_id = candidate.framework.framework_id
        if all(each.wants is None for each in self._of[framework_id].values()):
            self._books.changed.pop(framework_id, None)  # else what is still open is counted anew

    # --- changes

    def _renew(self, framework_id: FrameworkId) -> None:
        self._recount(framework_id)
        framework = self._books.frameworks.get(framework_id)
        self._note(framework_id, framework)
        before, now = self._of.pop(framework_id, {}), dict[Role, Candidate]()
        if framework is not None and framework.is_present:
            is_believed = framework.refusals < self._settings.fair_refusals
            for role, wants in _wants(self._books, framework):
                candidate = before.get(role)
                number = framework.number, framework.info.roles.index(role)
                if candidate is None or candidate.framework is not framework:
                    candidate = Candidate(framework, role, number)
                candidate.number, now[role] = number, candidate
                if self._is_more(candidate, wants):
                    self._books.want_more(framework_id)
                self._settle(candidate, wants, is_believed=is_believed)
        for role, candidate in before.items():
            if now.get(role) is not candidate:
                self._settle(candidate, (), is_believed=False)
        if now:
            self._of[framework_id] = now

    def _is_more(self, candidate: Candidate, wants: tuple[Demand, ...] | None) -> bool:
        """Whether there may be something to offer that was not wanted before. What of it was open
        before was offered wherever it fits; unless only larger offers are made, or are refused.
        """
        if wants is None or candidate.wants is None:
            return wants is not candidate.wants
        wish = candidate.framework.wishes.get(candidate.role)
        has_least = self._settings.minimum_offers or (wish is not None and wish.minimum_offers)
        is_picky = has_least or candidate.refused
        before, now = _counts(candidate.wants), _counts(wants)
        return bool(now - before if is_picky else now.keys() - before.keys())

    def _note(self, framework_id: FrameworkId, framework: Framework | None) -> None:
        for known, applies in ((self.preferring, _prefers), (self.ganging, _wants_gang)):
            if framework is not None and framework.session is not None and applies(framework):
                known[framework_id] = None
            else:
                known.pop(framework_id, None)

    def _settle(
        self, candidate: Candidate, wants: tuple[Demand, ...] | None, *, is_believed: bool
    ) -> None:
        """It wants this now; () takes it out."""
        order = -1 if wants == () else FIRST if wants is not None and is_believed else REST
        framework, role = candidate.framework, candidate.role
        level = self.tree.own_level(framework, role, EMPTY)
        if (order, level) != (candidate.order, candidate.level):
            self._forget_walk()
        if order != candidate.order:
            self._take_out(candidate)
            candidate.level = level
            self._put_in(candidate, order)
        elif level != candidate.level and order >= 0:
            entries = self._nodes[role, True].orders[order]
            _replace(entries, candidate.level, (*level, candidate))
            candidate.level = level
        candidate.is_believed = is_believed
        if wants is not candidate.wants:
            self._count(candidate.wants, -1)
            self._count(wants, 1)
            candidate.wants = wants
            self._resize(candidate, tuple(demand.each for demand in wants or ()))

    def _count(self, wants: tuple[Demand, ...] | None, sign: int) -> None:
        if wants is None:
            self.unstated += sign
        elif wants:
            self.stated += sign

    def _resize(self, candidate: Candidate, sizes: tuple[Resources, ...]) -> None:
        if sizes == candidate.sizes:
            return
        self._sizes.update(sizes)
        self._sizes.subtract(candidate.sizes)
        for size in (*candidate.sizes, *sizes):
            if not self._sizes[size]:
                del self._sizes[size]
        candidate.sizes, candidate.needs = sizes, tuple(size.vector for size in sizes)
        self._least = None

    # --- the orders

    def _recount(self, framework_id: FrameworkId) -> None:
        """Its roles, and those above them, stand by what they hold now."""
        for role in self.tree.recount(framework_id):
            self._moved(role)

    def _moved(self, role: Role) -> None:
        for above in lineage(role):
            self._move(above, is_own=False)
        self._move(role, is_own=True)

    def _move(self, role: Role, *, is_own: bool) -> None:
        node = self._nodes.get((role, is_own))
        if node is None or (level := self._level(node)) == node.level:
            return
        assert node.above is not None
        self._forget_walk()
        for entries, below in zip(node.above.orders, node.orders, strict=True):
            if below:
                _replace(entries, node.level, (*level, node))
        node.level = level

    def _level(self, node: _Node) -> Level:
        return self.tree.own(node.role) if node.is_own else self.tree.level(node.role)

    def _node(self, role: Role, *, is_own: bool) -> _Node:
        """A new one stands nowhere yet."""
        if not role:
            return self._root
        if (node := self._nodes.get((role, is_own))) is None:
            over = role if is_own else Role(role.rpartition("/")[0])
            node = _Node(role, is_own, self._node(over, is_own=False))
            node.level = self._level(node)
            self._nodes[role, is_own] = node
        return node

    def _put_in(self, candidate: Candidate, order: int) -> None:
        candidate.order = order
        if order < 0:
            return
        node: _Node | None = self._node(candidate.role, is_own=True)
        entry: _Entry = *candidate.level, candidate
        while node is not None:
            insort(node.orders[order], entry)
            if len(node.orders[order]) > 1:
                break
            entry, node = (*node.level, node), node.above
        _find_alone(self._nodes[candidate.role, True], order)

    def _take_out(self, candidate: Candidate) -> None:
        order, level = candidate.order, candidate.level
        if order < 0:
            return
        own = self._nodes[candidate.role, True]
        node: _Node | None = own
        while node is not None:
            _remove(node.orders[order], level)
            if node.orders[order]:
                break
            if node.above is not None and not any(node.orders):
                del self._nodes[node.role, node.is_own]
            level, node = node.level, node.above
        _find_alone(own, order)

    def _sort(self) -> None:
        """All anew."""
        self._forget_walk()
        for of_one in self._of.values():
            for candidate in of_one.values():
                level = self.tree.own_level(candidate.framework, candidate.role, EMPTY)
                candidate.level = level
        for node in self._nodes.values():
            node.level = self._level(node)
        for node in (self._root, *self._nodes.values()):
            for entries in node.orders:
                entries[:] = [(*entry[-1].level, entry[-1]) for entry in entries]
                entries.sort()


def _remove(entries: list[_Entry], level: Level) -> None:
    del entries[bisect_left(entries, level)]  # which comes before all that begin so


def _replace(entries: list[_Entry], level: Level, entry: _Entry) -> None:
    if len(entries) == 1:
        entries[0] = entry
    else:
        _remove(entries, level)
        insort(entries, entry)


def _find_alone(node: _Node | None, order: int) -> None:
    """Anew, after something below it was put in or taken out."""
    while node is not None:
        entries = node.orders[order]
        thing = entries[0][-1] if len(entries) == 1 else None
        alone = thing.alone[order] if isinstance(thing, _Node) else thing
        if alone is node.alone[order]:
            break
        node.alone[order], node = alone, node.above


def _walk(entries: Iterable[_Entry], order: int) -> Iterator[Candidate]:
    for entry in entries:
        thing = entry[-1]
        if not isinstance(thing, _Node):
            yield thing
        elif (alone := thing.alone[order]) is not None:
            yield alone
        else:
            yield from _walk(thing.orders[order], order)


def _wants(books: Books, framework: Framework) -> Iterator[tuple[Role, tuple[Demand, ...] | None]]:
    """In which roles it may be offered something, and what; None: whatever there is."""
    for role in framework.info.roles:
        if role in framework.suppressed:
            continue
        if role not in framework.demands:
            yield role, None
        elif wants := open_demand(books, framework, role):
            yield role, wants


def _counts(wants: Iterable[Demand]) -> Counter[tuple[Resources, Constraints]]:
    """Of each kind."""
    counts = Counter[tuple[Resources, Constraints]]()
    for demand in wants:
        counts[demand.each, demand.constraints] += demand.count
    return counts


def _prefers(framework: Framework) -> bool:
    demands = (demand for each in framework.demands.values() for demand in each)
    wishes = (wish.constraints for wish in framework.wishes.values())
    return any(each.preferred for each in (*wishes, *(demand.constraints for demand in demands)))


def _wants_gang(framework: Framework) -> bool:
    return any(demand.gang for demands in framework.demands.values() for demand in demands)
