"""What a framework has refused, by role and agent, and when each refusal ends.

Kept by the framework's entry in the books. There may be one for every agent and framework, so each
costs an entry in a dict and one in a list; those who decline many agents alike share the refusal.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from heapq import heapify, heappop, heappush

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources

FEW = 64
"""So many that have ended already may be listed with the others."""


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
Pair = tuple[Role, AgentId]


@dataclass(slots=True)
class Filters:
    """Of one framework."""

    _known: dict[Role, dict[AgentId, Several]] = field(default_factory=dict)
    _ends: dict[tuple[float, Role], list[AgentId]] = field(default_factory=dict)
    """Where one may end then: it may have been forgotten meanwhile."""
    _next: list[tuple[float, Role]] = field(default_factory=list)
    """The keys of these: a heap."""
    _listed: int = 0
    """How many agents they list."""
    timers: dict[float, None] = field(default_factory=dict)
    """That are set for their ends."""

    def of(self, role: Role) -> Mapping[AgentId, Several]:
        """The same object for ever."""
        return self._known.setdefault(role, {})

    def on(self, role: Role, agent_id: AgentId) -> Several:
        return self._known.get(role, {}).get(agent_id, ())

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(self._known)

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def add(self, role: Role, agent_id: AgentId, given: Filter, now: float) -> None:
        known = self._known.setdefault(role, {})
        before = known.get(agent_id, ())
        kept = [each for each in before if each.until > now and not each.ends_in(given)]
        known[agent_id] = (*kept, given) if kept else _alone(given)
        self._list(given.until, role, agent_id)

    def ended(self, now: float) -> Iterator[Pair]:
        """Where one has, which is forgotten."""
        while self._next and self._next[0][0] <= now:
            key = heappop(self._next)
            role, agent_ids = key[1], self._ends.pop(key)
            self._listed -= len(agent_ids)
            for agent_id in agent_ids:
                before = self.on(role, agent_id)
                left = tuple(each for each in before if each.until > now)
                if len(left) < len(before):
                    self._put(role, agent_id, left)
                    yield role, agent_id

    def first_end(self) -> float | None:
        """Nothing ends before."""
        return self._next[0][0] if self._next else None

    def forget(self, roles: Iterable[Role]) -> list[Pair]:
        """Where there were any."""
        pairs = [(role, each) for role in dict.fromkeys(roles) for each in self.of(role)]
        for role, agent_id in pairs:
            self._put(role, agent_id, ())
        return pairs

    def forget_on(self, role: Role, agent_id: AgentId) -> None:
        self._put(role, agent_id, ())

    def _put(self, role: Role, agent_id: AgentId, left: Several) -> None:
        if left:
            self._known[role][agent_id] = left
        else:
            self._known.get(role, {}).pop(agent_id, None)
        if not len(self):
            self._ends.clear()
            self._next.clear()
            self._listed = 0

    def _list(self, until: float, role: Role, agent_id: AgentId) -> None:
        if (until, role) not in self._ends:
            self._ends[until, role] = []
            heappush(self._next, (until, role))
        self._ends[until, role].append(agent_id)
        self._listed += 1
        if self._listed > FEW + 2 * len(self):
            self._list_anew()

    def _list_anew(self) -> None:
        self._ends.clear()
        for role, known in self._known.items():
            for agent_id, several in known.items():
                for each in several:
                    self._ends.setdefault((each.until, role), []).append(agent_id)
        self._next = list(self._ends)
        heapify(self._next)
        self._listed = sum(map(len, self._ends.values()))


@lru_cache(maxsize=64)
def _alone(refused: Filter) -> Several:
    """Those who decline many agents at once, for long, have one between them."""
    return (refused,)
