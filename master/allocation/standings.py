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

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import ge

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.resources import Resources
from fairlead.common.values import Constraints, Demand

from ..books import Books, Who
from ..entries import Framework
from ..settings import MasterSettings
from .candidates import FIRST, REST, Amounts, Candidate
from .demands import open_demand
from .orders import Orders
from .tree import Place, Tree

FEW = 8
"""Frameworks that are put in order for themselves, rather than found among all."""


class Standings:
    """Who wants what, and comes when."""

    def __init__(self, books: Books, settings: MasterSettings) -> None:
        self._books = books
        self._settings = settings
        self.tree = Tree(books)
        self._basis: object = None
        self._orders = Orders(self.tree)
        self._of: dict[FrameworkId, dict[Role, Candidate]] = {}
        self._sizes: Counter[Resources] = Counter()
        """How many want tasks of each size."""
        self._least: Sequence[int] | None = None
        self.stated = 0
        """Candidates who stated demand."""
        self.unstated = 0
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
            self._orders.sort()
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
        return self._orders.place(candidate)

    def walk(self, who: Who = None) -> Iterator[Candidate]:
        """From the lowest on, these alone; nothing must change meanwhile."""
        if who is not None and len(who) <= FEW:
            return iter(sorted(self._listed(who), key=lambda each: (each.order, self.place(each))))
        everybody = self._orders.walk()
        if who is None:
            return everybody
        return (each for each in everybody if each.framework.framework_id in who)

    def wants_any(self, free: Amounts) -> bool:
        """Whether something might fit for somebody who stated demand: no, if this says so."""
        if self._least is None:
            vectors = [size.vector for size in self._sizes]
            self._least = tuple(map(min, zip(*vectors, strict=True))) if vectors else ()
        return bool(self._least) and all(map(ge, free, self._least))

    def booked(self, candidate: Candidate) -> None:
        """What it was given stands in the books."""
        self.tree.booked(candidate.framework, candidate.role)
        self._orders.moved(candidate.role)
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
            is_believed = self._settings.believes(framework.refusals)
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
        self._orders.settle(candidate, order)
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

    def _recount(self, framework_id: FrameworkId) -> None:
        """Its roles, and those above them, stand by what they hold now."""
        for role in self.tree.recount(framework_id):
            self._orders.moved(role)


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
