"""Agents with GPUs are kept for frameworks that use GPUs, while others could serve the rest.

A rule of the allocator. Who uses GPUs says so by the capability "gpus", by a demand for some, or by
holding some. To all others an agent with GPUs is as if it were full, except for what no agent
without GPUs could serve, however empty it was: so a cluster of GPU machines alone serves everybody,
and so do tasks that are too large for the others, or that may run on no other.
"""

from typing import TYPE_CHECKING

from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import lineage
from fairlead.common.values import Constraints, Demand

from ..entries import Framework
from .constraints import admits
from .reservations import could_be_had

if TYPE_CHECKING:
    from .rules import Case

CAPABILITY = "gpus"
ANYTHING = Demand(EMPTY)
"""What a framework wants that stated no demand."""


def gpu_agents(case: "Case", free: Resources) -> Resources:
    """Nothing of an agent that is kept for others."""
    if not case.agent.info.resources.gpus:
        return free
    demands = case.framework.demands.get(case.role, (ANYTHING,))
    return EMPTY if all(is_kept_from(case, demand) for demand in demands) else free


def is_kept_from(case: "Case", demand: Demand) -> bool:
    """Whether this agent is kept from it: it is for others, and another could serve this."""
    if not case.agent.info.resources.gpus or case.settings.gpu_agents_for_all or case.revocable:
        return False
    if any(above in case.agent.reservations for above in lineage(case.role)):
        return False  # an operator has brought them together
    return not _uses_gpus(case.framework) and _another_could_serve(case, demand)


def _uses_gpus(framework: Framework) -> bool:
    return (
        CAPABILITY in framework.info.capabilities
        or any(demand.each.gpus for demands in framework.demands.values() for demand in demands)
        or any(held.gpus for held in framework.held.values())
    )


def _another_could_serve(case: "Case", demand: Demand) -> bool:
    """An agent without GPUs, if it was empty."""
    wish = case.framework.wishes.get(case.role)
    wished = wish.constraints if wish is not None else Constraints()
    role = case.role
    key = (wished, demand.each, demand.constraints, role if case.books.reserving else None)
    if (known := case.memo.get(key)) is None:
        known = case.memo[key] = any(
            (there := could_be_had(agent, role))
            and there.covers(demand.each)
            and admits(wished, agent.info)
            and admits(demand.constraints, agent.info)
            for agent in case.books.agents.values()
            if not agent.counted.gpus and agent.drain is None
        )
    return known
