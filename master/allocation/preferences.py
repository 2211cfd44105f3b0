"""Which agents a framework would rather be served by: orders an allocation, and blocks nobody.

Agents that somebody prefers are looked at first. On one that it does not prefer, a demand waits
while the same allocation has still to look at a preferred one that could serve it; then it takes
what there is, at the latest in the next allocation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, FrameworkId, Role
from fairlead.common.resources import Resources
from fairlead.common.values import AllOf, Constraints, Demand

from ..books import Books
from ..entries import Agent, Framework
from .constraints import prefers

if TYPE_CHECKING:
    from .rules import Case

Key = tuple[FrameworkId, Role, Resources | None, tuple[AllOf, ...]]
"""A demand, however much of it is open; None: nothing was stated."""


def likes(framework: Framework, role: Role, demand: Demand | None, agent: Agent) -> bool:
    """Whether the framework prefers this agent, for this demand or for anything."""
    preferred = _preferred(framework, role, demand)
    return bool(preferred) and prefers(Constraints(preferred=preferred), agent.info)


def liked_first(books: Books, agent_ids: Iterable[AgentId]) -> Sequence[AgentId]:
    """Those that somebody prefers before the others, else in their order."""
    preferred = dict.fromkeys(
        group
        for framework in books.frameworks.values()
        if framework.session is not None
        for role in framework.info.roles
        for demand in (None, *framework.demands.get(role, ()))
        for group in _preferred(framework, role, demand)
    )
    if not preferred:
        return tuple(agent_ids)
    anybody = Constraints(preferred=tuple(preferred))
    return sorted(agent_ids, key=lambda agent_id: not prefers(anybody, books.agents[agent_id].info))


@dataclass(slots=True, eq=False)
class Preferences:
    """What one allocation has looked at, and who waits for what is still to come."""

    books: Books
    could_serve: Callable[["Case", Demand | None, Agent], bool]
    """Whether it might get something there."""
    again: dict[AgentId, None]
    """Agents at which somebody waited."""
    seen: dict[AgentId, None] = field(default_factory=dict)
    _better: dict[Key, list[AgentId]] = field(default_factory=dict)

    def waits(self, case: "Case", demand: Demand | None) -> bool:
        """For a better agent; then this one is looked at once more, in the next allocation."""
        framework, role = case.framework, case.role
        preferred = _preferred(framework, role, demand)
        if not preferred or likes(framework, role, demand, case.agent):
            return False
        each = demand.each if demand is not None else None
        key = (framework.framework_id, role, each, preferred)
        if (better := self._better.get(key)) is None:
            better = self._better[key] = self._find_better(case, demand)
        while better and better[-1] in self.seen:
            better.pop()
        if better:
            self.again[case.agent.info.agent_id] = None
        return bool(better)

    def _find_better(self, case: "Case", demand: Demand | None) -> list[AgentId]:
        books, framework, role = self.books, case.framework, case.role
        to_come = (books.agents[each] for each in {**books.dirty, **books.wanted})
        return [
            agent.info.agent_id
            for agent in to_come
            if agent.info.agent_id not in self.seen
            and agent.is_open
            and likes(framework, role, demand, agent)
            and self.could_serve(case, demand, agent)
        ]


def waits(case: "Case", demand: Demand | None) -> bool:
    """Whether an allocation that runs has something better for it to come."""
    return case.preferences is not None and case.preferences.waits(case, demand)


def _preferred(framework: Framework, role: Role, demand: Demand | None) -> tuple[AllOf, ...]:
    wish = framework.wishes.get(role)
    own = demand.constraints.preferred if demand is not None else ()
    return (*own, *wish.constraints.preferred) if wish is not None else own
