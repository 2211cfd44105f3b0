"""The books as operators see them: one view per thing, by the key that the books touch."""

from collections.abc import Callable, Iterator, Mapping

from fairlead.common.ids import AgentId, FrameworkId, OfferId, Role, TaskId
from fairlead.common.operators import AgentView, FrameworkView, RoleView, TaskView
from fairlead.common.resources import EMPTY, total
from fairlead.common.roles import is_below, lineage
from fairlead.common.values import Command, Offer, RoleDemand

from .allocation.reservations import reserved_for
from .allocation.shares import grains
from .books import Books
from .entries import anonymous

SHOWN = 200
"""So much of a command is shown, in words and characters; its environment is nobody's business."""

View = AgentView | FrameworkView | TaskView | RoleView | Offer


def view(books: Books, key: str) -> View | None:
    """What stands under a key such as `agents/a-1-1`; None: nothing any more."""
    kind, _, name = key.partition("/")
    return _VIEWS[kind](books, name)


def all_keys(books: Books) -> Iterator[str]:
    """Every key that has a view."""
    yield from (f"agents/{agent_id}" for agent_id in books.agents)
    for framework_id, framework in books.frameworks.items():
        yield f"frameworks/{framework_id}"
        yield from (f"tasks/{framework_id}/{task_id}" for task_id in framework.tasks)
    frameworks = books.frameworks.values()
    named = (role for framework in frameworks for role in framework.info.roles)
    reserved = (role for each in books.reserving for role in books.agents[each].reservations)
    roles = (*books.weights, *books.quotas, *books.held, *named, *reserved)
    tree = dict.fromkeys(above for role in roles for above in lineage(role))
    yield from (f"roles/{role}" for role in tree)
    yield from (f"offers/{offer_id}" for offer_id in books.offers)


def _agent(books: Books, name: str) -> AgentView | None:
    agent = books.agents.get(AgentId(name))
    if agent is None:
        return None
    living = sum(not task.is_terminal for task in agent.tasks.values())
    return AgentView(
        agent.info,
        agent.state,
        agent.used,
        agent.offered,
        agent.usage,
        living,
        agent.unacknowledged,
        tuple(agent.reservations.values()),
        agent.drain is not None,
    )


def _framework(books: Books, name: str) -> FrameworkView | None:
    framework = books.frameworks.get(FrameworkId(name))
    if framework is None:
        return None
    scale = books.scale
    shares = {role: scale.share(held) for role, held in framework.held.items()}
    top = max(shares, key=lambda role: shares[role], default=None)
    return FrameworkView(
        framework.info,
        framework.session is not None,
        framework.is_ended,
        framework.used,
        framework.offered,
        sum(not task.is_terminal for task in framework.tasks.values()),
        0.0 if top is None else shares[top],
        tuple(RoleDemand(role, tuple(wants)) for role, wants in framework.demands.items()),
        "" if top is None else scale.dominant(framework.held[top]),
    )


def _task(books: Books, name: str) -> TaskView | None:
    framework_id, _, task_id = name.partition("/")
    framework = books.frameworks.get(FrameworkId(framework_id))
    task = framework.tasks.get(TaskId(task_id)) if framework else None
    if task is None:
        return None
    info = task.launch.task
    return TaskView(
        task.framework_id,
        task.task_id,
        info.name,
        task.agent_id,
        task.role,
        info.resources,
        task.latest,
        task.usage,
        Command(tuple(word[:SHOWN] for word in info.command.argv[:SHOWN])),
        info.labels,
        task.sandbox,
        task.held,
    )


def _role(books: Books, name: str) -> RoleView | None:
    role = Role(name)
    frameworks = [
        framework
        for framework in books.frameworks.values()
        if any(is_below(each, role) for each in framework.info.roles)
    ]
    quota = books.quotas.get(role)
    set_by_hand = (*books.weights, *books.quotas)
    reserved = reserved_for(books, role)
    is_known = frameworks or reserved or any(is_below(each, role) for each in set_by_hand)
    if not is_known:
        return None
    held = books.held.get(role, EMPTY)
    weight = books.weights.get(role, 1.0)
    share = books.scale.share(held) * grains(1.0) / grains(weight)
    offers = (held.offer for held in books.offers.values())
    offered = total(anonymous(offer.resources) for offer in offers if is_below(offer.role, role))
    return RoleView(
        role,
        weight,
        share,
        held,
        offered,
        quota.guarantees if quota is not None else {},
        quota.limits if quota is not None else {},
        reserved,
        frameworks=sum(not framework.is_ended for framework in frameworks),
    )


def _offer(books: Books, name: str) -> Offer | None:
    held = books.offers.get(OfferId(name))
    return held.offer if held else None


_VIEWS: Mapping[str, Callable[[Books, str], View | None]] = {
    "agents": _agent,
    "frameworks": _framework,
    "tasks": _task,
    "roles": _role,
    "offers": _offer,
}
