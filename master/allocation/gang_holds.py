"""Room kept for a gang that small demands would starve, on all the agents that it needs.

A believed gang that could not be offered for `hold_after_s` is given agents that together could
serve it, those where least is missing. What becomes free there is kept from who comes behind it in
the allocator's order, as with a hold for a single large demand (`holds`). One gang at a time, the
one that waits longest: two that each held a part would wait for each other. After `PATIENCE` times
as long it is the next one's turn, and for the same gang that of other agents.
"""

from collections.abc import Generator, Iterator

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, FrameworkId, Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..books import Books
from ..context import Context
from ..entries import Framework
from ..gang_books import GangHold
from .demands import fitting
from .gang_offers import waiting
from .quota import Outlook
from .rules import Case, part, suits

PATIENCE = 4

Key = tuple[FrameworkId, Role, Demand]


@dataclass(slots=True)
class _Wait:
    since: float
    tries: int = 0


class GangHolds:
    """Who waits since when, and what is kept for whom."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waits: dict[Key, _Wait] = {}

    def look(self) -> Iterator[None]:
        """At all gangs that wait; after each agent there may be a pause."""
        context = self._context
        gangs = {
            (framework.framework_id, role, demand): framework
            for framework, role, demand in waiting(context.books, context.settings)
        }
        self._waits = {key: self._waits.get(key) or _Wait(context.now) for key in gangs}
        self._end_hold(gangs)
        if context.books.gang_hold is None and gangs:
            yield from self._begin_hold(gangs)

    def _end_hold(self, gangs: dict[Key, Framework]) -> None:
        """It was offered, is wanted no more, had its time, or an agent of it offers nothing."""
        books, now = self._context.books, self._context.now
        if (hold := books.gang_hold) is None:
            return
        key = (hold.framework_id, hold.role, hold.demand)
        is_whole = all(books.agents[agent_id].is_open for agent_id in hold.agents)
        if key in gangs and is_whole and now < hold.until:
            return
        if key in gangs and is_whole:
            self._waits[key] = _Wait(now, self._waits[key].tries + 1)
        release(books, hold)

    def _begin_hold(self, gangs: dict[Key, Framework]) -> Iterator[None]:
        context, after_s = self._context, self._context.settings.hold_after_s
        for key in sorted(gangs, key=lambda each: self._waits[each].since):
            wait = self._waits[key]
            if wait.since > context.now - after_s:
                return
            agents = yield from self._choose(gangs[key], key[1], key[2], wait.tries)
            if not agents:
                wait.since = context.now  # with as many as there are it has no room
            elif gangs[key].is_present:
                until = context.now + PATIENCE * after_s
                context.books.gang_hold = GangHold(*key, agents, until)
                return

    def _choose(
        self, framework: Framework, role: Role, demand: Demand, tries: int
    ) -> Generator[None, None, dict[AgentId, None]]:
        """Agents that would have room for all of it, were they empty; none if they have not."""
        books, settings, rooms = self._context.books, self._context.settings, []
        outlook, memo = Outlook.of(books) if books.quotas else None, dict[object, bool]()
        for agent_id, agent in tuple(books.agents.items()):
            yield
            if not agent.is_open or agent_id in books.holds:
                continue
            who, now = (framework, role, agent), self._context.now
            case = Case(books, settings, now, *who, memo=memo, outlook=outlook)
            if could := _count(case, demand, agent.info.resources):
                rooms.append((could - _count(case, demand, agent.free), -could, agent_id))
        rooms.sort()
        start = tries % len(rooms) if rooms else 0
        chosen, left = dict[AgentId, None](), demand.count
        for _, could, agent_id in (*rooms[start:], *rooms[:start]):
            if left > 0:
                chosen[agent_id], left = None, left + could
        return chosen if left <= 0 else {}


def _count(case: Case, demand: Demand, resources: Resources) -> int:
    allowed = part(case, resources) if suits(case, demand) else EMPTY
    return fitting(allowed, demand.each, demand.count)[0]


def end_gang_hold(books: Books, framework: Framework) -> None:
    """It has ended."""
    hold = books.gang_hold
    if hold is not None and hold.framework_id == framework.framework_id:
        release(books, hold)


def release(books: Books, hold: GangHold) -> None:
    """What was kept is for all again."""
    books.gang_hold = None
    books.wanted.update(hold.agents)
