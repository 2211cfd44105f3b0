"""Takes back what exceeds a fair share: looks, gives notice, and ends what is left at the deadline.

The rules are in `losers`, the choice is made by `takings`. Whoever is a loser at every look for
`revoke_after_s` is planned for. Each taker is told which tasks are to end, and how much is to be
free on their agent; in what way it gives back is its own affair. At the deadline only so many of
those tasks are ended as it still takes. Nothing of this is recorded: a new leader begins to count
patience again.
"""

from collections.abc import Iterable

from fairlead.common.values import Reason

from ..allocation.demands import fitting
from ..allocation.rules import Case, part
from ..context import Context
from ..entries import Task
from ..tasks import Tasks
from .imagined import Imagined
from .losers import Wants, cheapness, losers, open_wants, shares_of
from .revocations import Claim, Revocation, drop, living, notices
from .takings import Taking, plan

LOOKS = 4
"""In the time that a loser has patience."""
SETTLE_S = 10.0
"""Beside a task's own grace: so long after the deadline its resources are kept for the loser."""


class Revoking:
    """One leader's revocations; those under way are in the books."""

    def __init__(self, context: Context, tasks: Tasks) -> None:
        self._context = context
        self._tasks = tasks
        self._is_watching = False
        self._since: dict[Claim, float] = {}
        """Since when each loser has been one, in time that we were awake."""

    def watch(self) -> None:
        """Look now and then, from when there is a framework."""
        context, settings = self._context, self._context.settings
        if settings.revoke_after_s and context.books.frameworks and not self._is_watching:
            self._is_watching = True
            context.timers.at(context.now + settings.revoke_after_s / LOOKS, "losers")

    def look(self) -> None:
        """Who has been a loser for too long?"""
        context, books = self._context, self._context.books
        settings = context.settings
        self._is_watching = False
        wants = open_wants(books, settings)
        self._forget_satisfied(wants)
        helped = {revocation.claim: None for revocation in books.revocations.values()}
        if wants:
            shares = shares_of(books, wants)
            found = losers(books, wants, shares)
            self._since = {
                claim: self._since.get(claim, context.awake)
                for claim in found
                if claim not in helped
            }
            due = {
                claim: wants[claim]
                for claim, since in self._since.items()
                if context.left(since + settings.revoke_after_s) == 0
            }
            if due:
                self._begin(plan(books, settings, context.now, due, shares))
        else:
            self._since.clear()
        self.watch()

    def _forget_satisfied(self, wants: Wants) -> None:
        """Who wants nothing any more, or is believed no more, needs nobody's tasks to end."""
        books = self._context.books
        for revocation in tuple(books.revocations.values()):
            demands = wants.get(revocation.claim, ())
            if not any(demand.each == revocation.each for demand in demands):
                drop(books, revocation)

    # --- notice

    def _begin(self, takings: Iterable[Taking]) -> None:
        """Several units of one loser on one agent are one revocation."""
        context, books = self._context, self._context.books
        until = context.awake + context.settings.revoke_grace_s
        begun: dict[object, Revocation] = {}
        for taking in takings:
            agent_id = taking.agent.info.agent_id
            key = taking.claim, agent_id, taking.each
            if (revocation := begun.get(key)) is None:
                name = context.new_id("r")
                revocation = Revocation(name, agent_id, taking.claim, taking.each, [], (), until)
                begun[key] = books.revocations[name] = revocation
                context.timers.at(context.now + context.settings.revoke_grace_s, "revoked", name)
            revocation.units.append(taking.unit)
            revocation.tasks += tuple((task.framework_id, task.ref) for task in taking.tasks)
            self._since.pop(taking.claim, None)
        for revocation in begun.values():
            for framework_id, notice in notices(books, revocation, context.awake):
                context.to_framework(books.frameworks[framework_id], notice)

    # --- deadline

    def due(self, name: str) -> None:
        """Notice is over; or so is the time in which the loser should have been offered it."""
        context = self._context
        revocation = context.books.revocations.get(name)
        if revocation is None:
            return
        if left := context.left(revocation.until):  # we stood still meanwhile
            context.timers.at(context.now + left, "revoked", name)
        elif revocation.is_over or revocation.claim[0] not in context.books.frameworks:
            drop(context.books, revocation)
        else:
            self._end(revocation)

    def _end(self, revocation: Revocation) -> None:
        context = self._context
        tasks = self._needed(revocation)
        why = f"taken back: the role {revocation.claim[1]} was below its guarantee or fair share"
        for task in tasks:
            self._tasks.end(task, Reason.REVOKED, why)
        grace_s = max((task.launch.task.kill_grace_s for task in tasks), default=0.0)
        revocation.is_over = True
        revocation.until = context.awake + grace_s + SETTLE_S
        context.timers.at(context.now + grace_s + SETTLE_S, "revoked", revocation.revocation_id)

    def _needed(self, revocation: Revocation) -> list[Task]:
        """The cheapest of what is left of its tasks, until the units fit."""
        context, books = self._context, self._context.books
        framework_id, role = revocation.claim
        framework, agent = books.frameworks[framework_id], books.agents[revocation.agent_id]
        case = Case(books, context.settings, context.now, framework, role, agent)
        needed: list[Task] = []
        with Imagined(books) as world:
            for task in sorted(living(books, revocation), key=cheapness):
                free, wanted = part(case, agent.free), len(revocation.units)
                if fitting(free, revocation.each, wanted)[0] == wanted:
                    break
                world.take((task,))
                needed.append(task)
        return needed
