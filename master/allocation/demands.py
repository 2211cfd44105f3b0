"""Stated demands: what of them is open, and how much of one fits into something free.

For whoever gives out, lends, takes back or explains.
"""

from dataclasses import replace

from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..books import Books
from ..entries import Framework
from .constraints import admits

BITS = 256
"""A demand for crumbs is served in so many bits per agent, not crumb by crumb."""


def open_demand(books: Books, framework: Framework, role: Role) -> tuple[Demand, ...]:
    """What is left of a stated demand when each outstanding offer is taken for what it serves.

    Gangs are served by `gang_offers`.
    """
    wants = tuple(demand for demand in framework.demands[role] if not demand.gang)
    for held in framework.offers.values():
        if held.offer.role != role or held.together is not None:
            continue
        agent = books.agents[held.offer.agent_id]
        room = held.offer.resources + held.offer.revocable
        rest = []
        for demand in wants:
            count = demand.count
            if admits(demand.constraints, agent.info):
                served, taken = fitting(room, demand.each, count)
                room, count = room - taken, count - served
            if count:
                rest.append(demand if count == demand.count else replace(demand, count=count))
        wants = tuple(rest)
    return wants


def fitting(free: Resources, each: Resources, most: int) -> tuple[int, Resources]:
    """How many units fit, at most so many, and what they are, devices named."""
    if not each.gpus and not each.ports:
        amounts = (free.cpus, each.cpus), (free.mem, each.mem), (free.disk, each.disk)
        count = min(most, *(have // want for have, want in amounts if want))
        return count, Resources(each.cpus * count, each.mem * count, each.disk * count)
    count, taken = 0, EMPTY
    while count < min(most, BITS) and (unit := free.pick(each)) is not None:
        free, taken, count = free - unit, taken + unit, count + 1
    return count, taken
