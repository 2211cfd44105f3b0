"""What one framework may have of one agent: the most, the next bit, and whether it would like it.

For the allocator, which says whose turn it is; here each stands for itself.
"""

from collections.abc import Iterable
from dataclasses import replace

from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Demand

from ..books import Books
from ..entries import Agent
from .candidates import Candidate
from .demands import BITS, fitting
from .preferences import likes
from .quota import Outlook, is_owed
from .rules import Case, part, passes, suits
from .tree import Tree


def most_of(case: Case, candidate: Candidate, free: Resources) -> Resources:
    """The largest offer that this agent could make to this candidate if nobody else came."""
    if candidate.wants is None:
        return free
    most = EMPTY
    for demand in candidate.wants:
        if suits(case, demand):
            _, units = fitting(free, demand.each, demand.count)
            free, most = free - units, most + units
    return most


def next_bit(case: Case, candidate: Candidate, free: Resources, whole: Resources) -> Resources:
    """One unit of its demand, or a few if they are crumbs; all there is if it stated none."""
    known = case.allowed if free is whole else None
    free = part(case, free) if known is None else known
    if candidate.served is None:
        return free
    for index, demand in enumerate(candidate.served):
        if suits(case, demand):
            in_all, _ = fitting(whole, demand.each, demand.count)
            count, bit = fitting(free, demand.each, max(1, in_all // BITS))
            if count:
                left = demand.count - count
                rest = (replace(demand, count=left),) if left else ()
                candidate.served = (
                    *candidate.served[:index],
                    *rest,
                    *candidate.served[index + 1 :],
                )
                return bit
    return EMPTY


def put_first(candidate: Candidate, demand: Demand) -> None:
    """Its other demands must not take the room that is kept for this one."""
    if all(each is not demand for each in candidate.wants or ()):
        return  # a gang, which is served elsewhere
    others = [each for each in candidate.wants or () if each is not demand]
    candidate.served = (demand, *others)


def could_hold(case: Case, demand: Demand) -> bool:
    """Whether this agent, were it empty, could serve one of it."""
    whole, each = case.agent.info.resources, demand.each
    is_large = whole.contains(each) and suits(case, demand)
    return is_large and part(case, whole).contains(each) and passes(case, each)


def could_serve(case: Case, demand: Demand | None, agent: Agent) -> bool:
    """Whether another agent than that of the case, as it is now, has something for it."""
    own_id = case.framework.framework_id
    if case.books.holds.get(agent.info.agent_id, (own_id, None))[0] != own_id:
        return False
    case = replace(case, agent=agent, pending={}, coming=(), preferences=None)
    allowed = part(case, agent.free)
    if demand is not None:
        allowed = fitting(allowed, demand.each, demand.count)[1] if suits(case, demand) else EMPTY
    return bool(allowed) and passes(case, allowed)


def would_like(candidate: Candidate, agent: Agent) -> bool:
    framework, role = candidate.framework, candidate.role
    wants = (None,) if candidate.wants is None else candidate.wants
    return any(likes(framework, role, demand, agent) for demand in wants)


def count_of(wants: Iterable[Demand] | None) -> int:
    return sum([demand.count for demand in wants]) if wants else 0


def is_due(
    books: Books, tree: Tree, outlook: Outlook | None, candidate: Candidate, free: Resources
) -> bool:
    """Its role is below a guarantee of something that it would take here."""
    if outlook is None or not candidate.is_believed:
        return False
    wants = candidate.served
    wanted = (
        free
        if wants is None
        else total(demand.each for demand in wants if free.covers(demand.each))
    )
    return is_owed(books, tree.here, candidate.role, wanted, outlook)
