"""The law of limits: once a master has said yes to a quota, neither it nor any later one offers a
role, with all below it, more than that. What idles in its reservations is its own already.

What an agent holds that is away counts for nobody, nor what of a framework that is over may still
run: how much of it a master knows is not certain.
"""

from collections.abc import Iterable, Mapping

from fairlead.common.ids import AgentId
from fairlead.common.resources import NAMES, total
from fairlead.common.roles import is_below, lineage
from fairlead.common.values import Offer

from .laws import Facts, ViolationError, reign_of
from .parties import Agent, anonymous, held_by
from .reserved import idle_for


def check(
    facts: Facts, server: str, agents: Mapping[AgentId, Agent], offers: Iterable[Offer], made: Offer
) -> None:
    """An offer that was made just now, and is among those that are outstanding."""
    nodes = [node for node in lineage(made.role) if node in facts.promised]
    if not nodes or made.revocable:
        return
    here = held_by(agent for agent in agents.values() if agent.link >= 0)
    held = [
        (role, each)
        for (framework_id, role), each in here.items()
        if framework_id not in facts.over
    ]
    offered = [each for each in offers if not each.revocable]
    held += [(each.role, anonymous(each.resources)) for each in offered]
    held += [
        (role, anonymous(idle))
        for agent in agents.values()
        if agent.link >= 0 and agent.has_reservations
        for role, idle in idle_for(agent, offered).items()
    ]
    for node in nodes:
        quota, since = facts.promised[node]
        if reign_of(server) < reign_of(since):
            continue
        amounts = total(each for role, each in held if is_below(role, node)).vector
        for name, amount, more in zip(NAMES, amounts, made.resources.vector, strict=False):
            if more and amount > quota.limits.get(name, amount):
                raise ViolationError(
                    "no role is offered more than its limit",
                    f"{server} offers {made.offer_id} to {made.role}: {node} then has {amount} of"
                    f" {name}, and may have {quota.limits[name]}",
                )
