"""Laws about what a framework says it can do: what is lent goes to who can bear to lose it, and no
more of it than an agent measured to be idle; agents with GPUs are kept for who uses GPUs.

Of the last, only what is certain is judged: another agent, which keeps nothing for anybody, would
do for all that the framework wants.
"""

from collections.abc import Iterable, Mapping

from fairlead.common.ids import AgentId
from fairlead.common.resources import EMPTY
from fairlead.common.roles import lineage
from fairlead.common.values import Constraints, Demand, Offer

from .laws import Facts, ViolationError
from .parties import Agent, Framework, admits

GPUS, REVOCABLE = "gpus", "revocable"


def check(
    facts: Facts,
    agents: Mapping[AgentId, Agent],
    framework: Framework,
    offers: Iterable[Offer],
    made: Offer,
) -> None:
    """An offer that was made just now, and is among those that are outstanding."""
    outstanding = list(offers)
    if made.revocable:
        _check_lent(agents[made.agent_id], framework, outstanding, made)
    elif not facts.terms.gpu_agents_for_all:
        _check_gpus(facts, agents, framework, outstanding, made)


def _check_lent(agent: Agent, framework: Framework, offers: Iterable[Offer], made: Offer) -> None:
    if REVOCABLE not in framework.info.capabilities:
        raise ViolationError(
            "what is lent goes to who can lose it", f"{made.offer_id} to {made.framework_id}"
        )
    offered = sum(each.revocable.cpus for each in offers if each.agent_id == made.agent_id)
    lent = offered + sum(agent.lent.values())
    if lent > agent.idle.cpus:
        raise ViolationError(
            "no more is lent than is idle",
            f"{made.offer_id}: of {agent.info.name} {lent} are lent, {agent.idle.cpus} idle",
        )


def _check_gpus(
    facts: Facts,
    agents: Mapping[AgentId, Agent],
    framework: Framework,
    offers: Iterable[Offer],
    made: Offer,
) -> None:
    agent = agents[made.agent_id]
    has_own = any(role in agent.reservations | agent.changes for role in lineage(made.role))
    if not agent.capacity.gpus or has_own or _uses_gpus(agents, framework, offers, made):
        return
    wish = framework.wishes.get(made.role)
    wished = wish.constraints if wish is not None else Constraints()
    others = [
        each.info
        for agent_id, each in agents.items()
        if each.link >= 0 and not each.has_reservations and agent_id not in facts.retired
    ]
    demands = framework.demands.get(made.role, (Demand(EMPTY),))
    if all(
        any(
            not info.resources.gpus
            and info.resources.covers(demand.each)
            and admits(wished, info)
            and admits(demand.constraints, info)
            for info in others
        )
        for demand in demands
    ):
        raise ViolationError(
            "agents with gpus are for who uses them",
            f"{made.offer_id} of {agent.info.name} to {made.framework_id} in {made.role}",
        )


def _uses_gpus(
    agents: Mapping[AgentId, Agent], framework: Framework, offers: Iterable[Offer], made: Offer
) -> bool:
    held = (each for agent in agents.values() for each in agent.held())
    return (
        GPUS in framework.info.capabilities
        or any(each.each.gpus for demands in framework.demands.values() for each in demands)
        or any(o.resources.gpus for o in offers if o is not made and _is_to_same(o, made))
        or any(what.gpus for owner, _, what in held if owner[0] == made.framework_id)
    )


def _is_to_same(offer: Offer, made: Offer) -> bool:
    return offer.framework_id == made.framework_id
