"""Laws about how a framework wants its offers: of agents that suit it, of no more than it asked
for, and nowhere beside those from whom it keeps apart, or who keep apart from it.
"""

from collections.abc import Iterable, Mapping

from fairlead.common.ids import AgentId, FrameworkId
from fairlead.common.resources import EMPTY, total
from fairlead.common.values import Constraints, Demand, Offer

from .laws import Facts, ViolationError
from .parties import Agent, Framework, admits, anonymous

NOTHING = (0,) * len(EMPTY.vector)


def check(
    facts: Facts,
    agents: Mapping[AgentId, Agent],
    frameworks: Mapping[FrameworkId, Framework],
    offers: Iterable[Offer],
    made: Offer,
) -> None:
    """An offer that was made just now, and is among those that are outstanding."""
    framework, agent = frameworks[made.framework_id], agents[made.agent_id]
    outstanding = list(offers)
    _check_suits(framework, agent, made)
    _check_amount(framework, outstanding, made)
    _check_apart(facts, frameworks, agent, outstanding, made)


def _check_suits(framework: Framework, agent: Agent, made: Offer) -> None:
    wish, demands = framework.wishes.get(made.role), framework.demands.get(made.role)
    wished = wish.constraints if wish is not None else Constraints()
    suits = demands is None or any(admits(each.constraints, agent.info) for each in demands)
    if not (suits and admits(wished, agent.info)):
        raise ViolationError(
            "who is ruled out is not offered",
            f"{made.offer_id} of {agent.info.name} to {made.framework_id} in {made.role}",
        )


def _check_amount(framework: Framework, offers: Iterable[Offer], made: Offer) -> None:
    """If one kind of task is wanted, together with what else was offered since that was stated:
    else nobody can say which offer is for what.
    """
    demands = framework.demands.get(made.role)
    if demands is None:
        return
    earlier = framework.earlier.get(made.role, {})
    since = total(
        anonymous(offer.resources + offer.revocable)
        for offer in (offers if len(demands) == 1 else [made])
        if offer.framework_id == made.framework_id
        and offer.role == made.role
        and offer.offer_id not in earlier
    )
    wanted = tuple(map(sum, zip(NOTHING, *map(_whole, demands), strict=True)))
    if any(much > most for much, most in zip(since.vector, wanted, strict=True)):
        raise ViolationError(
            "nobody is offered more than it wants",
            f"{made.offer_id} to {made.framework_id} in {made.role}: {since} since it stated"
            f" its demand of {' and '.join(f'{d.count} of {d.each}' for d in demands)}",
        )


def _whole(demand: Demand) -> tuple[int, ...]:
    return tuple(amount * demand.count for amount in anonymous(demand.each).vector)


def _check_apart(
    facts: Facts,
    frameworks: Mapping[FrameworkId, Framework],
    agent: Agent,
    offers: Iterable[Offer],
    made: Offer,
) -> None:
    there = {owner: uuid for owner, uuid, _ in agent.held()}
    here = (offer for offer in offers if offer.agent_id == made.agent_id)
    there |= {(offer.framework_id, offer.role): offer.offer_id for offer in here}
    framework = frameworks[made.framework_id]
    for (framework_id, role), what in there.items():
        other = frameworks.get(framework_id)
        is_other = (framework_id, role) != (made.framework_id, made.role)
        if other is None or not is_other or framework_id in facts.over:
            continue
        if framework.keeps_from(made.role, role) or other.keeps_from(role, made.role):
            raise ViolationError(
                "who keeps apart shares no agent",
                f"{made.offer_id} to {made.framework_id} in {made.role}, beside {what} of"
                f" {framework_id} in {role}",
            )
