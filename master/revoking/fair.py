"""Fair shares of the whole cluster, and who stands where: what a revocation is decided by.

A fair share comes from progressive filling of all that the cluster has, as if it were empty, over
what each framework holds and what it believably wants more: so what an idle one leaves is nobody's
loss. It goes by weights and along the tree of roles, as the allocation does (`tree`), and by
amounts alone: agents, constraints and limits are looked at when somebody is to lose something.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from itertools import pairwise

from fairlead.common.ids import ANY_GPU, Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage

from ..allocation.shares import divisible, grains
from ..allocation.tree import OWN
from ..books import Books
from ..entries import anonymous
from .revocations import Claim

Rank = tuple[tuple[int, str], ...]
"""Share ÷ weight and name, from the top of the tree down; lower comes first."""
TOP = Role("")
"""Above all roles."""
FINENESS = 16
"""Bits of an equal part: a fair share is exact to so much of it,"""
MOST_BITS = 4000
"""and less so where that many would be too few for all."""


@lru_cache(maxsize=4096)
def path(claim: Claim) -> tuple[Role, ...]:
    """The nodes of the tree from the top down to the framework itself."""
    framework_id, role = claim
    own = Role(f"{role}/{OWN}")
    return (*reversed(lineage(role)), own, Role(f"{own}/{framework_id}"))


class Standing:
    """How much each node of the tree holds; it may be imagined otherwise."""

    def __init__(self, books: Books) -> None:
        self.held: dict[Role, Resources] = {}
        self._scale = books.scale
        whole = divisible((1.0, *books.weights.values()))
        self._factor = whole // grains(1.0)
        self._factors = {role: whole // grains(each) for role, each in books.weights.items()}

    @classmethod
    def of(cls, books: Books) -> "Standing":
        """As it is now, offers included."""
        standing = cls(books)
        for framework in books.frameworks.values():
            for role, held in framework.held.items():
                standing.change((framework.framework_id, role), EMPTY, held)
        return standing

    def change(self, claim: Claim, was: Resources, now: Resources) -> None:
        was, now = anonymous(was), anonymous(now)
        for node in path(claim):
            self.held[node] = self.held.get(node, EMPTY).without(was) + now

    def holds(self, claim: Claim) -> Resources:
        return self.held.get(path(claim)[-1], EMPTY)

    def share(self, held: Resources) -> int:
        return self._scale.of(held)

    def level(self, node: Role, *, gets: Resources = EMPTY, loses: Resources = EMPTY) -> int:
        """Its share ÷ weight, comparable among siblings."""
        held = self.held.get(node, EMPTY).without(anonymous(loses)) + anonymous(gets)
        return self._scale.of(held) * self._factors.get(node, self._factor)

    def rank(self, claim: Claim) -> Rank:
        return tuple((self.level(node), node) for node in path(claim))

    def beyond(self, claim: Claim, share: Resources, *, loses: Resources = EMPTY) -> int:
        """By how much it holds more than this; negative if it holds less."""
        return self.share(self.holds(claim).without(anonymous(loses))) - self.share(share)


def fair_shares(books: Books, wants: Mapping[Claim, Resources]) -> dict[Claim, Resources]:
    """What each would hold of an empty cluster when nobody can get more without harm to somebody
    with less; `wants` is all that each has a use for.
    """
    standing, pool, scale = Standing(books), books.capacity, books.scale
    count, whole = max(1, len(wants)), scale.of(books.capacity)
    fine = count * max(2, min(FINENESS, MOST_BITS // count))
    bits = {claim: 1 + scale.of(want) * fine // max(1, whole) for claim, want in wants.items()}
    given = dict.fromkeys(wants, 0)
    hungry = _Hungry(standing, wants)
    while (claim := hungry.lowest()) is not None:
        bit = _bit(wants[claim], given[claim], bits[claim])
        if given[claim] == bits[claim] or not pool.contains(bit):
            hungry.leaves(claim)
            continue
        given[claim] += 1
        pool -= bit
        standing.change(claim, EMPTY, bit)
        hungry.moved(claim)
    return {claim: standing.holds(claim) for claim in wants}


class _Hungry:
    """Who can still get something, below each node of the tree the lowest first: who gets a bit
    moves with the nodes above it, and nobody else.
    """

    def __init__(self, standing: Standing, claims: Iterable[Claim]) -> None:
        self._standing = standing
        self._claims = {path(claim)[-1]: claim for claim in claims}
        self._below: dict[Role, list[tuple[int, Role]]] = {}
        steps = (step for claim in claims for step in pairwise((TOP, *path(claim))))
        for above, node in dict.fromkeys(steps):
            self._below.setdefault(above, []).append((standing.level(node), node))
        for heap in self._below.values():
            heapify(heap)

    def lowest(self) -> Claim | None:
        """Whose turn it is."""
        node = TOP
        while below := self._below.get(node):
            _, node = below[0]
        return self._claims.get(node)

    def moved(self, claim: Claim) -> None:
        """The lowest has got something."""
        for above, node in pairwise((TOP, *path(claim))):
            heapreplace(self._below[above], (self._standing.level(node), node))

    def leaves(self, claim: Claim) -> None:
        """The lowest gets no more, nor does a node with nobody left below it."""
        for above in reversed((TOP, *path(claim)[:-1])):
            heappop(self._below[above])
            if self._below[above]:
                return


def _bit(whole: Resources, number: int, count: int) -> Resources:
    """One of so many parts; together they are the whole."""
    cpus, mem, disk, gpus = (
        amount * (number + 1) // count - amount * number // count for amount in whole.vector[:4]
    )
    return Resources(cpus, mem, disk, ((ANY_GPU, gpus),) if gpus else ())
