"""Roles that share no agent: a framework names those it keeps apart from, and it holds both ways.

For the table of rules. Whoever has a task or an offer on an agent is there, a suspended task and
what an allocation has just given out included. If a framework says it late (it comes back to a new
master after its agents), those who share an agent by then go on, and get no more of it.
"""

from collections.abc import Iterable, Iterator

from fairlead.common.ids import AgentId, FrameworkId, Role
from fairlead.common.roles import lineage
from fairlead.common.values import TaskState

from ..books import Books
from ..entries import Agent, Framework, HeldOffer, Task

Presence = tuple[FrameworkId, Role]
"""A framework in one role, on an agent."""


def stranger(
    books: Books, agent: Agent, who: Presence, coming: Iterable[Presence] = ()
) -> Presence | None:
    """Somebody there, or about to be, with whom this one may not share the agent."""
    if not books.apart:
        return None
    present = (*coming, *_present(agent))
    return next((other for other in present if _are_apart(books, who, other)), None)


def offers_in_breach(books: Books, framework: Framework) -> list[HeldOffer]:
    """What others are offered where this framework is, since it has said from whom it keeps."""
    if framework.framework_id not in books.apart:
        return []
    own: dict[AgentId, dict[Role, None]] = {}
    for task in filter(_is_here, framework.tasks.values()):
        own.setdefault(task.agent_id, {})[task.role] = None
    for accept in framework.accepts.values():
        own.setdefault(accept.agent_id, {})[accept.role] = None
    return [
        held
        for held in books.offers.values()
        if any(
            _are_apart(books, (framework.framework_id, role), _of_offer(held))
            for role in own.get(held.offer.agent_id, ())
        )
    ]


def _present(agent: Agent) -> Iterator[Presence]:
    yield from (_of_offer(held) for held in agent.offers.values())
    yield from ((task.framework_id, task.role) for task in agent.tasks.values() if _is_here(task))
    yield from ((accept.framework_id, accept.role) for accept in agent.accepts.values())


def _of_offer(held: HeldOffer) -> Presence:
    return held.offer.framework_id, held.offer.role


def _is_here(task: Task) -> bool:
    return not task.is_terminal and task.latest.state is not TaskState.UNREACHABLE


def _are_apart(books: Books, one: Presence, other: Presence) -> bool:
    return one != other and (_keeps_from(books, one, other) or _keeps_from(books, other, one))


def _keeps_from(books: Books, who: Presence, other: Presence) -> bool:
    wish = books.frameworks[who[0]].wishes.get(who[1])
    return wish is not None and any(role in wish.keep_apart for role in lineage(other[1]))
