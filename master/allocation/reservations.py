"""What of an agent is kept for one role and those below it: arithmetic, for rules and offers.

Nothing is tracked by task. What a role's tasks, accepts and offers hold on the agent counts first
against its reservation there, the lowest roles' first; what is left of a reservation is idle, and
nobody else is offered it.

Worked example: of 8 cpus 4 are reserved for `ml`, and tasks of `ml` hold 3. One is idle, so `web`
may have 8 - 3 - 1 = 4, and `ml` or `ml/vision` 5. With 6 held by `ml` nothing is idle.
"""

from collections.abc import Iterable, Iterator, Mapping

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.roles import is_below, lineage

from ..books import Books
from ..descriptions import MAX_RESERVATIONS
from ..entries import Agent, anonymous

ByRole = dict[Role, Resources]
Given = Mapping[AgentId, Mapping[Role, Resources]]
"""Out on other agents than the one at hand, and not in the books yet."""
NOWHERE: Given = {}
WHOLE = "whole devices are reserved, and no parts of them"


def kept_from(agent: Agent, role: Role, pending: Mapping[Role, Resources] = {}) -> Resources:
    """What is idle here and for others alone; `pending` is given out and not in the books yet."""
    if not (agent.reservations or agent.changes):
        return EMPTY
    idle = idle_on(agent, pending)
    return total(kept for owner, kept in idle.items() if not is_below(role, owner))


def could_be_had(agent: Agent, role: Role) -> Resources:
    """Were the agent empty; of one that was given up, nothing."""
    others = (kept for owner, kept in reserved_on(agent).items() if not is_below(role, owner))
    return agent.counted.without(total(map(anonymous, others)))


def reserved_part(
    agent: Agent,
    role: Role,
    resources: Resources,
    pending: Mapping[Role, Resources] = {},
) -> Resources:
    """How much of this, which is free here, lies in reservations that this role may use."""
    if not agent.reservations:
        return EMPTY
    idle = idle_on(agent, pending)
    return common(resources, total(idle.get(owner, EMPTY) for owner in lineage(role)))


def idle_reserved(
    books: Books, role: Role, *, beside: Agent | None = None, given: Given = NOWHERE
) -> Resources:
    """Reserved for a role or those below it on any agent, and used and offered by nobody of it."""
    return total(
        anonymous(kept)
        for agent in counted(books)
        if agent is not beside
        for owner, kept in idle_on(agent, given.get(agent.info.agent_id, {})).items()
        if is_below(owner, role)
    )


def kept_free(
    books: Books, here: Agent, pending: Mapping[Role, Resources], given: Given
) -> Resources:
    """What is free on all agents, and in reservations."""
    kept = EMPTY
    for agent in counted(books):
        if agent.session is not None:
            gone = pending if agent is here else given.get(agent.info.agent_id, {})
            free = anonymous(agent.free.without(total(gone.values())))
            kept += common(free, anonymous(total(idle_on(agent, gone).values())))
    return kept


def reserved_for(books: Books, role: Role) -> Resources:
    """For it and those below it on all agents, in use or not."""
    return total(
        anonymous(known.whole)
        for agent in counted(books)
        for known in agent.reservations.values()
        if is_below(known.role, role)
    )


def counted(books: Books) -> Iterator[Agent]:
    """Agents with reservations, but for those that were given up."""
    agents = (books.agents[agent_id] for agent_id in books.reserving)
    return (agent for agent in agents if not agent.is_given_up)


def encroached(agent: Agent) -> Resources:
    """What of reservations is offered to others, which it never is.

    Tasks of others may hold what was reserved when they ran; that is no offer's fault.
    """
    reserved = reserved_on(agent)
    if not (reserved and agent.offers):
        return EMPTY
    before, _ = settle(reserved, used_on(agent))
    lacking = total(before.values()).without(agent.info.resources.without(agent.used))
    return total(idle_on(agent).values()).without(agent.free).without(lacking)


# --- one agent


def too_many(agent: Agent, role: Role) -> str:
    """What speaks against a reservation for yet another role; empty if nothing does."""
    roles = {**agent.reservations, **agent.changes, role: None}
    if len(roles) <= MAX_RESERVATIONS:
        return ""
    return f"{agent.info.name} has reservations for {MAX_RESERVATIONS} roles, which is the most"


def idle_on(agent: Agent, pending: Mapping[Role, Resources] = {}) -> ByRole:
    """Of each reservation there, what its role does not use and is not offered."""
    return settle(reserved_on(agent), added(held_on(agent), pending.items()))[0]


def reserved_on(agent: Agent) -> ByRole:
    """As its agent said last; what is being changed counts as it was and as it will be."""
    found = {role: known.whole for role, known in agent.reservations.items()}
    for role, change in agent.changes.items():
        known = found.get(role, EMPTY)
        found[role] = known + change.whole.without(known)
    return found


def held_on(agent: Agent) -> ByRole:
    """Used there and offered, by roles."""
    offers = (held.offer for held in agent.offers.values())
    return added(used_on(agent), ((offer.role, offer.resources) for offer in offers))


def used_on(agent: Agent) -> ByRole:
    """By tasks and accepts there, by their roles."""
    tasks = added({}, ((task.role, task.held) for task in agent.tasks.values() if task.held))
    return added(tasks, ((accept.role, accept.held) for accept in agent.accepts.values()))


def settle(
    reserved: Mapping[Role, Resources], held: Mapping[Role, Resources]
) -> tuple[ByRole, ByRole]:
    """What of each reservation is idle, and what is held beyond them all."""
    idle, beyond = {}, dict(held)
    for owner in sorted(reserved, key=lambda role: (-role.count("/"), role)):
        mine = total(beyond.pop(role) for role in list(beyond) if is_below(role, owner))
        idle[owner] = reserved[owner].without(mine)
        if more := mine.without(reserved[owner]):
            beyond[owner] = more
    return idle, beyond


def added(held: ByRole, more: Iterable[tuple[Role, Resources]]) -> ByRole:
    for role, resources in more:
        held[role] = held.get(role, EMPTY) + resources
    return held


def common(one: Resources, other: Resources) -> Resources:
    """What is in both."""
    return one.without(one.without(other))
