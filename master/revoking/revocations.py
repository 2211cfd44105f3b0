"""What is being taken back, as the books carry it: nobody but whom it is for may have it meanwhile.

`notices` makes revocations and ends them; the allocation (`rules`) holds back what they are about.
"""

from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, FrameworkId, Role
from fairlead.common.messages import Revoke, Spared
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Offer, TaskRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..allocation.rules import Case
    from ..books import Books
    from ..entries import Task

Claim = tuple[FrameworkId, Role]
"""A framework in one of its roles."""


@dataclass(slots=True)
class Revocation:
    """On one agent, for one framework in one role."""

    revocation_id: str
    agent_id: AgentId
    claim: Claim
    each: Resources
    units: list[Resources]
    """What it has not been offered yet, devices named."""
    tasks: tuple[tuple[FrameworkId, TaskRef], ...]
    """That their frameworks were told of."""
    until: float
    """The deadline, in time that we were awake."""
    is_over: bool = False
    """The deadline has passed."""

    @property
    def resources(self) -> Resources:
        """What must be free there."""
        return total(self.units)


def held_back(case: "Case", free: Resources) -> Resources:
    """What is not being taken back for somebody else."""
    if (here := case.books.revoking.get(case.agent.info.agent_id)) is not None:
        for revocation in here.values():
            if revocation.claim != (case.framework.framework_id, case.role):
                free = free.without(revocation.resources)
    return free


def offered(books: "Books", offer: Offer) -> "list[tuple[FrameworkId, Spared]]":
    """Whom it was for has got some of it; what happens to an offer is its own affair. Who is told
    that nothing more is needed.
    """
    told: list[tuple[FrameworkId, Spared]] = []
    for revocation in tuple(books.revoking.get(offer.agent_id, {}).values()):
        if revocation.claim == (offer.framework_id, offer.role):
            room = offer.resources
            while revocation.units and (unit := room.pick(revocation.each)) is not None:
                room -= unit
                revocation.units.pop()
            if not revocation.units:
                told += spared(books, revocation)
                drop(books, revocation)
    return told


def add(books: "Books", revocation: Revocation) -> None:
    """From now on it holds back what it is about."""
    books.revocations[revocation.revocation_id] = revocation
    here = books.revoking.setdefault(revocation.agent_id, {})
    here[revocation.revocation_id] = revocation


def drop(books: "Books", revocation: Revocation) -> None:
    """It holds nothing back any more."""
    del books.revocations[revocation.revocation_id]
    here = books.revoking[revocation.agent_id]
    del here[revocation.revocation_id]
    if not here:
        del books.revoking[revocation.agent_id]
    books.dirty[revocation.agent_id] = None


def living(books: "Books", revocation: Revocation) -> "list[Task]":
    """Those of its tasks that still hold something."""
    tasks = []
    for framework_id, ref in revocation.tasks:
        framework = books.frameworks.get(framework_id)
        task = framework.tasks.get(ref.task_id) if framework is not None else None
        if task is not None and task.held and task.ref == ref:
            tasks.append(task)
    return tasks


def notices(
    books: "Books", revocation: Revocation, awake: float
) -> "Iterator[tuple[FrameworkId, Revoke]]":
    """What each taker is told of it: which of its tasks are to end, and its part of what is lacking
    there, so that all of them together free what it takes.
    """
    tasks = [] if revocation.is_over else living(books, revocation)
    lacking = _lacking(books, revocation)
    takers = list(dict.fromkeys(task.framework_id for task in tasks))
    for framework_id in takers:
        own = [task for task in tasks if task.framework_id == framework_id]
        there = total(task.held for task in own if task.agent_id == revocation.agent_id)
        rest = EMPTY if framework_id == takers[-1] else lacking.without(there)
        deadline_s = max(0.0, revocation.until - awake)
        yield framework_id, Revoke(tuple(t.ref for t in own), lacking.without(rest), deadline_s)
        lacking = rest


def spared(
    books: "Books", revocation: Revocation, ended: "Iterable[Task]" = ()
) -> "Iterator[tuple[FrameworkId, Spared]]":
    """Who is told of it that tasks named before may stay: all, or those besides."""
    gone = dict.fromkeys(task.ref for task in ended)
    tasks = [] if revocation.is_over else living(books, revocation)
    left = [task for task in tasks if task.ref not in gone]
    for framework_id in dict.fromkeys(task.framework_id for task in left):
        yield framework_id, Spared(tuple(t.ref for t in left if t.framework_id == framework_id))


def _lacking(books: "Books", revocation: Revocation) -> Resources:
    """What is free there serves the first of several."""
    free = books.agents[revocation.agent_id].free
    for other in books.revoking[revocation.agent_id].values():
        if other is revocation:
            break
        free = free.without(other.resources)
    return revocation.resources.without(free)
