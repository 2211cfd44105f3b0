"""Room kept for a large demand that small ones would starve.

A believed demand of which nothing could be offered for `hold_after_s`, since it fits on no agent
beside what others have there, is given an agent that could serve it. What becomes free there is
kept from whoever comes behind it in the allocator's order, until it fits. Who is further below its
share is served as ever: so a hold changes when a framework gets its share, and not how much it is.

A framework has one hold at a time in each role. If nothing more becomes free there within another
`hold_after_s`, the hold moves on, in turn to each agent that could serve it, the fullest last.
"""

from collections.abc import Iterator
from typing import NamedTuple

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources

from ..books import Books
from ..context import Context
from ..entries import Framework, Wait, Want, anonymous
from .bits import could_hold
from .demands import open_demand
from .rules import Case, part

LOOKS = 8
"""Within the time that a demand waits."""


class Room(NamedTuple):
    """An agent that could serve a demand; those to be preferred come first."""

    was_tried: bool
    missing: int
    """As a share of the cluster; 0: it fits now."""
    agent_id: AgentId


class Holds:
    """Who waits for how long, and what is kept for whom."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._look_at = 0.0

    def look(self) -> None:
        """Now and then."""
        context, after_s = self._context, self._context.settings.hold_after_s
        if after_s and context.now >= self._look_at:
            self._look_at = context.now + after_s / LOOKS
            for framework in context.books.frameworks.values():
                self._look_at_waits(framework)

    def _look_at_waits(self, framework: Framework) -> None:
        context, waits = self._context, framework.waits
        wanted = dict.fromkeys(self._wanted(framework))
        for want in [want for want in waits if want not in wanted]:
            end_wait(context.books, framework, want)
        for want in wanted:
            waits.setdefault(want, Wait(context.now))
        ripe = context.now - context.settings.hold_after_s
        for role in framework.info.roles:
            own = [want for want in waits if want.role == role]
            holding = [want for want in own if waits[want].hold is not None]
            if due := [want for want in holding or own if waits[want].since <= ripe]:
                # What is smaller than the largest may be served beside it.
                largest = max(due, key=lambda want: context.books.scale.of(want.each))
                self._hold(framework, largest, waits[largest])

    def _wanted(self, framework: Framework) -> Iterator[Want]:
        """What it waits for, if it is to be believed."""
        is_believed = framework.refusals < self._context.settings.fair_refusals
        if not framework.is_present or not is_believed:
            return
        for role in framework.info.roles:
            if role in framework.demands and role not in framework.suppressed:
                for demand in open_demand(self._context.books, framework, role):
                    if not demand.gang:
                        yield Want(role, demand.each, demand.constraints)

    def _hold(self, framework: Framework, want: Want, wait: Wait) -> None:
        """Choose an agent, or stay where more has become free."""
        books, now = self._context.books, self._context.now
        rooms = list(self._rooms(framework, want, wait))
        here = next((room for room in rooms if room.agent_id == wait.hold), None)
        if here is not None and here.missing < wait.missing:
            wait.since, wait.missing = now, here.missing
            return
        release(books, wait)
        if not rooms or any(not room.missing for room in rooms):
            return  # where it fits now it is offered, as soon as its turn comes
        best = min(rooms)
        if best.was_tried:
            wait.tried.clear()
        wait.hold, wait.since, wait.missing = best.agent_id, now, best.missing
        wait.tried[best.agent_id] = None
        books.holds[best.agent_id] = (framework.framework_id, want)

    def _rooms(self, framework: Framework, want: Want, wait: Wait) -> Iterator[Room]:
        context = self._context
        for agent_id, agent in context.books.agents.items():
            is_kept = agent_id in context.books.holds and agent_id != wait.hold
            if agent.session is None or is_kept:
                continue
            case = Case(context.books, context.settings, context.now, framework, want.role, agent)
            if could_hold(case, want.one):
                missing = _missing(context.books, part(case, agent.free), want.each)
                yield Room(agent_id in wait.tried, missing, agent_id)


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
