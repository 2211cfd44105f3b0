"""The books as they would be if some tasks had ended and others held what those gave up.

For `losers`, whose questions the rules of the allocation answer: they look at the books, so the
books themselves are changed and put back, in one step that nobody interrupts. Nothing is touched
that operators or the allocation would have to look at again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage

from ..allocation.quota import Outlook
from ..books import Books
from ..entries import Agent, Task, anonymous
from .fair import Standing, path
from .revocations import Claim, Revocation, living

Undo = tuple[object, str, object]
"""A thing, a name in it, and what was there: None for a key that was not."""


class Imagined:
    """A context; on leaving it all is as it was."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.standing = Standing.of(books)
        self.outlook = Outlook.of(books) if books.quotas else None
        self._undo: list[Undo] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._back(0)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What is imagined in here is forgotten behind it."""
        mark = len(self._undo)
        try:
            yield
        finally:
            self._back(mark)

    def revoked(self, *, besides: Sequence[Revocation] = ()) -> None:
        """As if all that is being taken back were with whom it is for, and nothing kept for it."""
        books = self.books
        revocations = books.revocations
        self._undo += [(books, "revocations", revocations), (books, "revoking", books.revoking)]
        books.revocations, books.revoking = {}, {}
        for revocation in revocations.values():
            if revocation not in besides and revocation.claim[0] in books.frameworks:
                self.take(task for task in living(books, revocation) if self.has(task))
                self.give(revocation.claim, books.agents[revocation.agent_id], revocation.resources)

    def has(self, task: Task) -> bool:
        """It has not ended."""
        return (task.framework_id, task.task_id) in self.books.agents[task.agent_id].tasks

    def take(self, tasks: Iterable[Task]) -> None:
        """They have ended."""
        for task in tasks:
            agent = self.books.agents[task.agent_id]
            self._hold(agent, (task.framework_id, task.role), task.held, EMPTY)
            rest = {key: other for key, other in agent.tasks.items() if other is not task}
            self._undo.append((agent, "tasks", agent.tasks))
            agent.tasks = rest

    def give(self, claim: Claim, agent: Agent, units: Resources) -> None:
        """It holds them there."""
        self._hold(agent, claim, EMPTY, units)

    def _hold(self, agent: Agent, claim: Claim, was: Resources, now: Resources) -> None:
        self._undo.append((agent, "used", agent.used))
        self._use(agent, agent.used.without(was) + now)
        framework, (_, role) = self.books.frameworks[claim[0]], claim
        was, now = anonymous(was), anonymous(now)
        self._shift(framework.held, role, was, now)
        for above in lineage(role):
            self._shift(self.books.held, above, was, now)
        for node in path(claim):
            self._shift(self.standing.held, node, was, now)

    def _use(self, agent: Agent, used: Resources) -> None:
        was, agent.used = agent.free, used
        if self.outlook is not None and agent.session is not None:
            self.outlook.moved(was, agent.free)

    def _shift(
        self, sums: dict[Role, Resources], key: Role, was: Resources, now: Resources
    ) -> None:
        self._undo.append((sums, key, sums.get(key)))
        sums[key] = sums.get(key, EMPTY).without(was) + now

    def _back(self, mark: int) -> None:
        while len(self._undo) > mark:
            thing, name, was = self._undo.pop()
            if isinstance(was, Resources) and isinstance(thing, Agent):
                self._use(thing, was)
            elif not isinstance(thing, dict):
                setattr(thing, name, was)
            elif was is None:
                del thing[name]
            else:
                thing[name] = was
