"""What a framework has refused, by role and place, and when each refusal ends.

A place is an agent, by its id, or all agents of a kind (`kind_of`), if the framework said so. Kept
by the framework's entry in the books. There may be one for every agent and framework, so each costs
an entry in a dict and one in a list; those who decline many agents alike share the refusal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from heapq import heapify, heappop, heappush
from sys import intern

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import Role
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo

FEW = 64
"""So many that have ended already may be listed with the others."""
MOST_ALIKE = 16
"""Refusals of one kind of agents, none of which contains another: more are of single agents."""

Place = str
Places = tuple[Place, ...]
"""Of an agent: its id, and its kind."""


def kind_of(info: AgentInfo) -> Place:
    """What may be refused of all such agents at once: all that tells them apart but names and size.
    No agent's id begins as this does.
    """
    models = sorted({gpu.model for gpu in info.gpus})
    return intern(f"/{sorted(info.attributes.items())} {info.zone!r} {info.rack!r} {models}")


@dataclass(frozen=True, slots=True)
class Filter:
    """A refusal: nothing that `refused` contains, until then."""

    refused: Resources
    until: float
    revocable: bool = False
    """It was what other tasks do not use."""

    def ends_in(self, other: "Filter") -> bool:
        """It refuses nothing for longer than the other does."""
        is_alike = self.revocable is other.revocable
        return is_alike and self.until <= other.until and other.refused.covers(self.refused)


Several = tuple[Filter, ...]
Pair = tuple[Role, Place]


@dataclass(slots=True)
class Filters:
    """Of one framework."""

    _known: dict[Role, dict[Place, Several]] = field(default_factory=dict)
    _ends: dict[tuple[float, Role], list[Place]] = field(default_factory=dict)
    """Where one may end then: it may have been forgotten meanwhile."""
    _next: list[tuple[float, Role]] = field(default_factory=list)
    """The keys of these: a heap."""
    _listed: int = 0
    """How many places they list."""
    timers: dict[float, None] = field(default_factory=dict)
    """That are set for their ends."""

    def of(self, role: Role) -> Mapping[Place, Several]:
        """The same object for ever."""
        return self._known.setdefault(role, {})

    def on(self, role: Role, places: Places) -> Several:
        known = self._known.get(role)
        if not known:
            return ()
        return tuple(each for place in places for each in known.get(place, ()))

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(self._known)

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def add_alike(self, role: Role, places: Places, given: Filter, now: float) -> None:
        """For all agents of that kind; for this one alone, if they differ too much."""
        agent_id, kind = places
        is_room = len(self._known.get(role, {}).get(kind, ())) < MOST_ALIKE
        self.add(role, kind if is_room else agent_id, given, now)

    def add(self, role: Role, place: Place, given: Filter, now: float) -> None:
        known = self._known.setdefault(role, {})
        before = known.get(place, ())
        kept = [each for each in before if each.until > now and not each.ends_in(given)]
        known[place] = (*kept, given) if kept else _alone(given)
        self._list(given.until, role, place)

    def ended(self, now: float) -> Iterator[Pair]:
        """Where one has, which is forgotten."""
        while self._next and self._next[0][0] <= now:
            key = heappop(self._next)
            role, places = key[1], self._ends.pop(key)
            self._listed -= len(places)
            for place in places:
                before = self._known.get(role, {}).get(place, ())
                left = tuple(each for each in before if each.until > now)
                if len(left) < len(before):
                    self._put(role, place, left)
                    yield role, place

    def first_end(self) -> float | None:
        """Nothing ends before."""
        return self._next[0][0] if self._next else None

    def forget_on(self, role: Role, place: Place) -> None:
        self._put(role, place, ())

    def _put(self, role: Role, place: Place, left: Several) -> None:
        if left:
            self._known[role][place] = left
        else:
            self._known.get(role, {}).pop(place, None)
        if not len(self):
            self._ends.clear()
            self._next.clear()
            self._listed = 0

    def _list(self, until: float, role: Role, place: Place) -> None:
        if (until, role) not in self._ends:
            self._ends[until, role] = []
            heappush(self._next, (until, role))
        self._ends[until, role].append(place)
        self._listed += 1
        if self._listed > FEW + 2 * len(self):
            self._list_anew()

    def _list_anew(self) -> None:
        self._ends.clear()
        for role, known in self._known.items():
            for place, several in known.items():
                for each in several:
                    self._ends.setdefault((each.until, role), []).append(place)
        self._next = list(self._ends)
        heapify(self._next)
        self._listed = sum(map(len, self._ends.values()))


@lru_cache(maxsize=64)
def _alone(refused: Filter) -> Several:
    """Those who decline many agents at once, for long, have one between them."""
    return (refused,)
