"""Takes back what exceeds a fair share: looks, gives notice, and ends what is left at the deadline.

The rules are in `losers`, the choice is made by `takings`. Whoever is a loser at every look for
`revoke_after_s` is planned for. Each taker is told which tasks are to end, and how much is to be
free on their agent; in what way it gives back is its own affair. At the deadline all is judged
anew, and only so many of those tasks are ended as it still takes. Nothing of this is recorded: a
new leader begins to count patience again.
"""

from collections.abc import Iterable, Sequence

from fairlead.common.dataclass import dataclass
from fairlead.common.values import Reason

from ..context import Context
from ..entries import Task
from ..tasks import MOST_GRACE_S, Tasks
from .losers import Shares, Wants, losers, open_wants, shares_of, unserved
from .revocations import Claim, Revocation, add, drop, notices, spared
from .takings import Scene, Taking, plan, still_due

LOOKS = 4
"""In the time that a loser has patience."""
SETTLE_S = 10.0
"""Beside a task's own grace: so long after the deadline its resources are kept for the loser."""
MOST_UNDER_WAY = 300
"""Revocations: each is looked at with every plan."""
MOST_PATIENCE = 8
"""Whom nothing could be taken for is looked after half as often each time, down to this part."""


@dataclass(slots=True)
class _Wait:
    """Of a loser."""

    until: float
    """In time that we were awake."""
    again_s: float
    """After that, if it is in vain."""


class Revoking:
    """One leader's revocations; those under way are in the books."""

    def __init__(self, context: Context, tasks: Tasks) -> None:
        self._context = context
        self._tasks = tasks
        self._is_watching = False
        self._waits: dict[Claim, _Wait] = {}
        self._due: dict[Claim, None] = {}
        """Losers whose patience is over, and who have not been planned for."""
        self._shares: Shares = {}
        """When it was."""
        self._plans = 0

    def watch(self) -> None:
        """Look now and then, from when there is a framework."""
        context, settings = self._context, self._context.settings
        if settings.revoke_after_s and context.books.frameworks and not self._is_watching:
            self._is_watching = True
            context.timers.at(context.now + settings.revoke_after_s / LOOKS, "losers")

    def look(self) -> None:
        """Who has been a loser for too long?"""
        context, books = self._context, self._context.books
        patience_s = context.settings.revoke_after_s
        self._is_watching = False
        wants = open_wants(books, context.settings)
        self._forget_satisfied(wants)
        helped = {revocation.claim: None for revocation in books.revocations.values()}
        self._shares = shares_of(books, wants) if wants else {}
        found = losers(books, wants, self._shares) if wants else []
        self._waits = {
            claim: self._waits.get(claim) or _Wait(context.awake + patience_s, patience_s)
            for claim in found
            if claim not in helped
        }
        self._due = {c: None for c, wait in self._waits.items() if not context.left(wait.until)}
        self.plan(wants)
        self.watch()

    def _forget_satisfied(self, wants: Wants) -> None:
        """Who wants nothing any more, or is believed no more, needs nobody's tasks to end."""
        books = self._context.books
        for revocation in tuple(books.revocations.values()):
            demands = wants.get(revocation.claim, ())
            if not any(demand.each == revocation.each for demand in demands):
                self._drop(revocation)

    # --- notice

    def plan(self, wants: Wants | None = None) -> None:
        """For those whose patience is over; a part of them at a time."""
        context, books = self._context, self._context.books
        if not self._due or len(books.revocations) >= MOST_UNDER_WAY:
            return  # whoever is due is found again
        if wants is None:
            wants = open_wants(books, context.settings)
        open_ = unserved(books, {c: wants[c] for c in self._due if c in wants})
        self._plans += 1
        scene = Scene(books, context.settings, context.now, open_, self._shares)
        planned = plan(scene, self._plans)
        self._begin(planned.takings)
        for claim in planned.done:
            self._in_vain(claim)
        is_stuck = not planned.done and not any(taking.tasks for taking in planned.takings)
        self._due = {c: None for c in open_ if c not in planned.done and not is_stuck}
        if self._due:
            context.timers.at(context.now, "plan")

    def _in_vain(self, claim: Claim) -> None:
        """It comes again later, if it has not got anything."""
        patience_s = self._context.settings.revoke_after_s
        if (wait := self._waits.get(claim)) is not None:
            wait.until = self._context.awake + wait.again_s
            wait.again_s = min(2 * wait.again_s, MOST_PATIENCE * patience_s)

    def _begin(self, takings: Iterable[Taking]) -> None:
        """Several units of one loser on one agent are one revocation."""
        context, books = self._context, self._context.books
        until = context.awake + context.settings.revoke_grace_s
        begun: dict[object, Revocation] = {}
        for taking in takings:
            agent_id = taking.agent.info.agent_id
            key = taking.claim, agent_id, taking.each
            if not taking.tasks and key not in begun:
                continue  # it can be offered as things are
            if (revocation := begun.get(key)) is None:
                name = context.new_id("r")
                revocation = Revocation(name, agent_id, taking.claim, taking.each, [], (), until)
                begun[key] = revocation
                add(books, revocation)
                context.timers.at(context.now + context.settings.revoke_grace_s, "revoked", name)
            revocation.units.append(taking.unit)
            revocation.tasks += tuple((task.framework_id, task.ref) for task in taking.tasks)
            self._waits.pop(taking.claim, None)
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
        elif revocation.is_over:
            self._drop(revocation)
        else:
            self._end_due()

    def _end_due(self) -> None:
        """All whose notice is over, since each is judged beside the others."""
        context, books = self._context, self._context.books
        wants = open_wants(books, context.settings)
        scene = Scene(books, context.settings, context.now, wants, shares_of(books, wants))
        due = [r for r in books.revocations.values() if not r.is_over and not context.left(r.until)]
        for revocation, takings in zip(due, still_due(scene, due), strict=True):
            if takings:
                self._end(revocation, takings)
            else:
                self._drop(revocation)

    def _end(self, revocation: Revocation, takings: Sequence[Taking]) -> None:
        context = self._context
        tasks = [task for taking in takings for task in taking.tasks]
        why = f"taken back: the role {revocation.claim[1]} was below its guarantee or fair share"
        self._spare(revocation, tasks)
        for task in tasks:
            self._tasks.end(task, Reason.REVOKED, why)
        longest_s = max((task.launch.task.kill_grace_s for task in tasks), default=0.0)
        settled_s = min(longest_s, MOST_GRACE_S) + SETTLE_S
        revocation.units = [taking.unit for taking in takings]
        revocation.tasks = tuple((task.framework_id, task.ref) for task in tasks)
        revocation.is_over = True
        revocation.until = context.awake + settled_s
        context.timers.at(context.now + settled_s, "revoked", revocation.revocation_id)

    def _drop(self, revocation: Revocation) -> None:
        self._spare(revocation)
        drop(self._context.books, revocation)

    def _spare(self, revocation: Revocation, ended: Iterable[Task] = ()) -> None:
        books = self._context.books
        for framework_id, message in spared(books, revocation, ended):
            self._context.to_framework(books.frameworks[framework_id], message)
