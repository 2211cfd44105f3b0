"""Two orders of candidates along the tree of roles: of those who believably want something, and of
the rest.

For `standings`, which says who belongs where. Below each role stand its child roles and, as one
more, its own frameworks together; each list is sorted by levels (`tree`), so that whoever comes
first of all is found by the way down, and whoever changed is put in anew by the way up. Where one
candidate alone is below, and nothing beside it, nothing is compared: a level is found when somebody
comes.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import chain

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY
from fairlead.common.roles import lineage

from .candidates import FIRST, NO_LEVEL, REST, Candidate
from .tree import Level, Place, Tree


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


_Standing = _Node | Candidate
_Entry = tuple[int, int, str, _Standing]
"""A level, and who stands there."""


class Orders:
    """Who stands where."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = _Node(Role(""), is_own=False, above=None)
        self._nodes: dict[tuple[Role, bool], _Node] = {}
        self._walked: list[Candidate] = []
        """From the lowest on, as far as anybody has asked."""
        self._ahead: Iterator[Candidate] | None = None
        self._has_moved = True
        """Since the last walk."""

    def place(self, candidate: Candidate) -> Place:
        """Its standing, in whichever order."""
        levels: Place = (candidate.level,)
        node = self._nodes[candidate.role, True]
        while node.above is not None:
            levels = node.level, *levels
            node = node.above
        return levels

    def walk(self) -> Iterator[Candidate]:
        """From the lowest on; nothing must change meanwhile."""
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

    # --- changes

    def settle(self, candidate: Candidate, order: int) -> None:
        """It stands in this order now, by what the books say; -1: in none."""
        if order != candidate.order:
            self._forget_walk()
            self._take_out(candidate)
            candidate.level = self._level(candidate)
            self._put_in(candidate, order)
        elif order >= 0:
            self._move(candidate, self._nodes[candidate.role, True])

    def moved(self, role: Role) -> None:
        """It holds something else now, or others below it do."""
        for key in (*((above, False) for above in lineage(role)), (role, True)):
            node = self._nodes.get(key)
            if node is not None and node.above is not None:
                self._move(node, node.above)

    def _move(self, thing: _Standing, above: _Node) -> None:
        """To where it belongs, if anything is compared there."""
        if not _is_one(above):
            self._put_anew(thing, above)

    def _put_anew(self, thing: _Standing, above: _Node) -> None:
        if (level := self._level(thing)) != thing.level:
            self._forget_walk()
            for entries in _lists(thing, above):
                _replace(entries, thing.level, (*level, thing))
            thing.level = level

    def _level(self, thing: _Standing) -> Level:
        if isinstance(thing, Candidate):
            return self._tree.own_level(thing.framework, thing.role, EMPTY)
        return self._tree.own(thing.role) if thing.is_own else self._tree.level(thing.role)

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
        own = node = self._node(candidate.role, is_own=True)
        while node.above is not None:  # from now on it may lead to more than one
            self._put_anew(node, node.above)
            node = node.above
        self._insert(candidate, own, order)

    def _insert(self, candidate: Candidate, own: _Node, order: int) -> None:
        node: _Node | None = own
        entry: _Entry = *candidate.level, candidate
        while node is not None:
            entries = node.orders[order]
            if len(entries) == 1:
                self._put_anew(entries[0][-1], node)
            insort(entries, entry)
            if len(entries) > 1:
                break
            entry, node = (*node.level, node), node.above
        _find_alone(own, order)

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

    def sort(self) -> None:
        """All anew."""
        self._forget_walk()
        nodes = [node for node in (self._root, *self._nodes.values()) if not _is_one(node)]
        lists = [entries for node in nodes for entries in node.orders]
        for entries in lists:
            for entry in entries:
                entry[-1].level = self._level(entry[-1])
        for entries in lists:
            entries[:] = [(*entry[-1].level, entry[-1]) for entry in entries]
            entries.sort()


def _is_one(thing: _Standing) -> bool:
    """It leads to one candidate, or is one."""
    if isinstance(thing, Candidate):
        return True
    first, rest = thing.orders
    return thing.alone[REST if rest else FIRST] is not None and not (first and rest)


def _lists(thing: _Standing, above: _Node) -> list[list[_Entry]]:
    """In which it stands."""
    if isinstance(thing, Candidate):
        return [above.orders[thing.order]]
    return [entries for entries, below in zip(above.orders, thing.orders, strict=True) if below]


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
