"""Room kept for a large demand that small ones would starve.

A believed demand of which nothing could be offered for `hold_after_s`, since it fits on no agent
beside what others have there, is given an agent that could serve it. What becomes free there is
kept from whoever comes behind it in the allocator's order, until it fits. Who is further below its
share is served as ever: so a hold changes when a framework gets its share, and not how much it is.

A framework has one hold at a time in each role, and of several that wait the one that waits longest
chooses first. If nothing more becomes free there within another `hold_after_s`, the hold moves on,
in turn to each agent that could serve it, the fullest last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import NamedTuple

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources

from ..books import Books
from ..context import Context
from ..entries import Agent, Framework, Wait, Want, anonymous
from .bits import could_hold
from .demands import open_demand
from .quota import Outlook
from .rules import Case, part

ENOUGH = 100
"""Agents that could serve a demand: it gets the best of so many, those that come next."""


class Room(NamedTuple):
    """An agent that could serve a demand; those to be preferred come first."""

    was_tried: bool
    missing: int
    """As a share of the cluster; 0: it fits now."""
    agent_id: AgentId


class _Due(NamedTuple):
    """It has waited for long enough."""

    framework: Framework
    want: Want
    wait: Wait


@dataclass(slots=True)
class _Sight:
    """What one look goes by, as it was when it began: the allocation asks all of it again."""

    agents: Sequence[Agent]
    outlook: Outlook | None
    memo: dict[object, bool] = field(default_factory=dict)


class Holds:
    """Who waits for how long, and what is kept for whom."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._next = 0
        """The place of the agent with which the next search begins."""

    def look(self) -> Iterator[None]:
        """At all who wait; after each framework and each agent there may be a pause."""
        books, due = self._context.books, list[_Due]()
        for framework in tuple(books.frameworks.values()):
            due += self._due(framework)
            yield
        if not due:
            return
        outlook = Outlook.of(books) if books.quotas else None
        sight = _Sight(tuple(books.agents.values()), outlook)
        due.sort(key=lambda each: each.wait.since)
        for each in due:
            self._judge(sight, each)
            yield
        for each in due:
            if each.wait.hold is None and _still_waits(each):
                yield from self._choose(sight, each)

    def _due(self, framework: Framework) -> Iterator[_Due]:
        """What of it has waited for long, or is held for in vain for as long, or where nothing is
        offered any more.
        """
        context, waits = self._context, framework.waits
        wanted = dict.fromkeys(self._wanted(framework))
        for want in [want for want in waits if want not in wanted]:
            end_wait(context.books, framework, want)
        for want in wanted:
            waits.setdefault(want, Wait(context.now))
        ripe = context.now - context.settings.hold_after_s
        for role in framework.info.roles:
            own = [want for want in waits if want.role == role]
            holding = {want: at for want in own if (at := waits[want].hold) is not None}
            lost = [want for want, at in holding.items() if not context.books.agents[at].is_open]
            due = lost or [want for want in holding or own if waits[want].since <= ripe]
            if due:
                # What is smaller than the largest may be served beside it.
                largest = max(due, key=lambda want: context.books.scale.of(want.each))
                yield _Due(framework, largest, waits[largest])

    def _wanted(self, framework: Framework) -> Iterator[Want]:
        """What it waits for, if it is to be believed."""
        is_believed = self._context.settings.believes(framework.refusals)
        if not framework.is_present or not is_believed:
            return
        for role in framework.info.roles:
            if role in framework.demands and role not in framework.suppressed:
                for demand in open_demand(self._context.books, framework, role):
                    if not demand.gang:
                        yield Want(role, demand.each, demand.constraints)

    def _judge(self, sight: _Sight, due: _Due) -> None:
        """Stay where more has become free; else what is kept is for all again."""
        books, wait = self._context.books, due.wait
        if wait.hold is None:
            return
        room = self._room(sight, due, books.agents[wait.hold])
        if room is not None and room.missing < wait.missing:
            wait.since, wait.missing = self._context.now, room.missing
        else:
            release(books, wait)

    def _choose(self, sight: _Sight, due: _Due) -> Iterator[None]:
        """The agent where least is missing."""
        books, now, wait = self._context.books, self._context.now, due.wait
        rooms, is_any_kept = list[Room](), False
        for agent in self._in_turn(sight.agents):
            yield
            if books.kept_for(agent.info.agent_id) is not None:
                is_any_kept = True
            elif room := self._room(sight, due, agent):
                rooms.append(room)
                if len(rooms) >= ENOUGH + len(wait.tried):
                    break
        if not _still_waits(due) or any(not room.missing for room in rooms):
            return  # where it fits now it is offered, as soon as its turn comes
        if rooms:
            best = min(rooms)
            if best.was_tried:
                wait.tried.clear()
            wait.hold, wait.since, wait.missing = best.agent_id, now, best.missing
            wait.tried[best.agent_id] = None
            books.holds[best.agent_id] = (due.framework.framework_id, due.want)
        elif not is_any_kept:
            wait.since = now  # nobody could serve it

    def _in_turn(self, agents: Sequence[Agent]) -> Iterator[Agent]:
        """Whoever searches next begins where this one found enough."""
        for _ in agents:
            agent = agents[self._next % len(agents)]
            self._next = (self._next + 1) % len(agents)
            yield agent

    def _room(self, sight: _Sight, due: _Due, agent: Agent) -> Room | None:
        if not agent.is_open or not agent.info.resources.contains(due.want.each):
            return None
        context, agent_id = self._context, agent.info.agent_id
        who = (due.framework, due.want.role, agent)
        view = (context.books, context.settings, context.now)
        case = Case(*view, *who, memo=sight.memo, outlook=sight.outlook)
        if not could_hold(case, due.want.one):
            return None
        missing = _missing(context.books, part(case, agent.free), due.want.each)
        return Room(agent_id in due.wait.tried, missing, agent_id)


def _still_waits(due: _Due) -> bool:
    return due.framework.waits.get(due.want) is due.wait


def _missing(books: Books, free: Resources, each: Resources) -> int:
    if free.contains(each):
        return 0
    return max(1, books.scale.of(anonymous(each).without(anonymous(free))))


def served(books: Books, framework: Framework, role: Role, resources: Resources) -> None:
    """It was offered this: what that is for waits no longer."""
    for want in tuple(framework.waits):
        if want.role == role and resources.covers(want.each):
            end_wait(books, framework, want)


def end_waits(books: Books, framework: Framework) -> None:
    """It has ended."""
    for want in tuple(framework.waits):
        end_wait(books, framework, want)


def end_wait(books: Books, framework: Framework, want: Want) -> None:
    """It is wanted no more, or was offered."""
    release(books, framework.waits.pop(want))


def release(books: Books, wait: Wait) -> None:
    """What was kept is for all again."""
    if wait.hold is not None:
        del books.holds[wait.hold]
        books.wanted[wait.hold] = None
        wait.hold = None
