"""The law of shares: whenever a master has made offers, nobody further below its share, who could
have used what another got last, was passed over.

What is certain is judged, and nothing else. Of whoever got an offer the smallest share is taken
that it can have had before its last bit, of everybody else the largest that it has afterwards.
Passed over is who stays below, wants a unit that fits into that bit together with what is left on
the agent, and is kept from it by none of the rules that `explain` names: constraints, preference,
keeping apart, GPUs kept for those who use them, quotas, guarantees of others, reservations, minimum
offers, filters, demand that is not believed, a turn that comes last after a refusal, and the lots
that are drawn among those who prefer an agent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fairlead.common.ids import AgentId, FrameworkId, Role
from fairlead.common.resources import EMPTY, NAMES, Resources, total
from fairlead.common.roles import is_below, lineage
from fairlead.common.values import AllOf, Constraints, Demand, Offer

from .laws import Facts, ViolationError
from .parties import Agent, Framework, Owner, admits, anonymous, held_by, holds, units
from .reserved import kept_for

BITS = 256
"""Crumbs are given out in so many bits per agent."""
NEARLY = 1 - 1e-9
SOON_S = 0.01
"""A filter that ends just now may still have counted."""
STALLED_S = 30.0
"""A master may have stood still for so long, and waits so much longer for whom it has not heard."""
OWN = "."


@dataclass(slots=True)
class Scene:
    """What the ledger of one master says just after it has made some offers."""

    now: float
    server: str
    agents: Mapping[AgentId, Agent]
    frameworks: Mapping[FrameworkId, Framework]
    offers: Sequence[Offer]
    """All that are outstanding."""
    fresh: Sequence[Offer]
    """Those that were made just now."""


@dataclass(slots=True)
class _Shares:
    """Who holds what, tree of roles included; offers count."""

    held: dict[Owner, Resources]
    capacity: Resources
    excluded: tuple[str, ...]
    nodes: dict[tuple[str, ...], Resources] = field(default_factory=dict)

    def of(self, node: tuple[str, ...], less: Resources = EMPTY) -> float:
        """The dominant share of a node, were so much less held there."""
        if (held := self.nodes.get(node)) is None:
            held = self.nodes[node] = total(
                each for owner, each in self.held.items() if _is_part(owner, node)
            )
        pairs = zip(NAMES, held.vector, less.vector, self.capacity.vector, strict=False)
        return max(
            ((a - b) / whole for name, a, b, whole in pairs if whole and name not in self.excluded),
            default=0.0,
        )


def check(facts: Facts, scene: Scene) -> None:
    """Raises if somebody was passed over."""
    if not facts.terms.in_order or not _is_whole(facts, scene) or _is_owed(facts, scene):
        return
    everybody = _shares(facts, scene)
    waiting = list(_waiting(facts, scene))
    for offer in scene.fresh:
        getter = scene.frameworks[offer.framework_id]
        agent = scene.agents[offer.agent_id]
        bits = list(_last_bits(getter, offer, agent))
        if _likes(getter, offer.role, agent):
            continue  # perhaps lots were drawn
        for owner, framework, demand in waiting:
            if not bits or owner == (offer.framework_id, offer.role):
                continue
            if not _may_use(facts, scene, agent, owner, framework, demand):
                continue
            if all(_is_before(facts, scene, everybody, owner, offer, bit, demand) for bit in bits):
                raise ViolationError(
                    "nobody further below its share is passed over",
                    f"{scene.server} offers {offer.resources} of {agent.info.name} to"
                    f" {offer.framework_id} in {offer.role}; {owner[0]} in {owner[1]} has less"
                    f" and waits for {demand.each}",
                )


def shares(facts: Facts, scene: Scene) -> Mapping[Owner, float]:
    """Everybody's own, for whoever looks at how they come together."""
    found = _shares(facts, scene)
    return {owner: found.of(_path(owner)[-1]) for owner in found.held}


# --- what is judged at all


def _is_whole(facts: Facts, scene: Scene) -> bool:
    """All agents that there ever were are there: no doubt what the cluster has."""
    return all(
        (agent := scene.agents.get(agent_id)) is not None and agent.link >= 0
        for agent_id in facts.hosts
    )


def _is_owed(facts: Facts, scene: Scene) -> bool:
    """A role was perhaps below what is guaranteed to it: that comes before shares."""
    guarantees = [
        (role, quota.guarantees) for role, each in facts.quotas.items() for quota in each if quota
    ]
    if not any(named for _, named in guarantees):
        return False
    earlier = [offer for offer in scene.offers if offer not in scene.fresh]
    shares = _shares(facts, replace(scene, offers=earlier))
    for role, named in guarantees:
        held = total(each for owner, each in shares.held.items() if is_below(owner[1], role))
        if any(dict(zip(NAMES, held.vector, strict=False))[n] < named[n] for n in named):
            return True
    return False


def _shares(facts: Facts, scene: Scene) -> _Shares:
    held = dict(held_by(iter(scene.agents.values())))
    for offer in scene.offers:
        owner = (offer.framework_id, offer.role)
        held[owner] = held.get(owner, EMPTY) + anonymous(offer.resources)
    capacity = total(anonymous(agent.capacity) for agent in scene.agents.values())
    return _Shares(held, capacity, facts.terms.excluded)


# --- who waits, and might be served


def _waiting(facts: Facts, scene: Scene) -> Iterator[tuple[Owner, Framework, Demand]]:
    """Believed demand that is open for certain."""
    for framework_id, framework in scene.frameworks.items():
        is_there = framework.link >= 0 and framework_id not in facts.over
        if not is_there or framework.refusals >= facts.terms.fair_refusals:
            continue
        for role in framework.roles:
            if role not in framework.suppressed:
                offered = [
                    offer.resources + offer.revocable
                    for offer in scene.offers
                    if offer.framework_id == framework_id and offer.role == role
                ]
                for demand in framework.open_demand(role, offered):
                    if not demand.gang:
                        yield (framework_id, role), framework, demand


def _may_use(  # noqa: PLR0917 - each of them decides
    facts: Facts, scene: Scene, agent: Agent, owner: Owner, framework: Framework, demand: Demand
) -> bool:
    """No rule keeps a unit of this demand from it, for certain."""
    role = owner[1]
    wish = framework.wishes.get(role)
    wished = wish.constraints if wish is not None else Constraints()
    own = wish.minimum_offers if wish is not None else ()
    return (
        not agent.has_reservations
        and owner not in agent.refused_by
        and not _has_refused(scene, framework, role, agent)
        and admits(wished, agent.info)
        and admits(demand.constraints, agent.info)
        and all(_is_liked(each.preferred, agent) for each in (wished, demand.constraints))
        and all(
            not minimums or any(demand.each.covers(least) for least in minimums)
            for minimums in (own, facts.terms.minimum_offers)
        )
        and (not agent.capacity.gpus or bool(demand.each.gpus))
        and not _is_kept_apart(scene, agent, owner, framework)
        and _is_within_limits(facts, scene, role, demand.each)
    )


def _has_refused(scene: Scene, framework: Framework, role: Role, agent: Agent) -> bool:
    doubt = framework.doubtful.get((role, agent.info.agent_id), 0.0)
    since = scene.now - SOON_S
    return doubt > since or framework.refused.may_last(role, agent.info, since)


def _likes(framework: Framework, role: Role, agent: Agent) -> bool:
    wish = framework.wishes.get(role)
    wished = wish.constraints.preferred if wish is not None else ()
    groups = [demand.constraints.preferred for demand in framework.demands.get(role, ())]
    return any(each and holds(each, agent.info) for each in (wished, *groups))


def _is_liked(preferred: Sequence[AllOf], agent: Agent) -> bool:
    return not preferred or holds(preferred, agent.info)


def _is_kept_apart(scene: Scene, agent: Agent, owner: Owner, framework: Framework) -> bool:
    there = [who for who, _, _ in agent.held()]
    there += [
        (offer.framework_id, offer.role)
        for offer in scene.offers
        if offer.agent_id == agent.info.agent_id
    ]
    for other in there:
        if other == owner:
            continue
        they = scene.frameworks.get(other[0])
        if they is None or they.keeps_from(other[1], owner[1]):
            return True
        if framework.keeps_from(owner[1], other[1]):
            return True
    return False


def _is_within_limits(facts: Facts, scene: Scene, role: Role, each: Resources) -> bool:
    limits = [
        (node, quota.limits)
        for node in lineage(role)
        for quota in facts.quotas.get(node, ())
        if quota and quota.limits
    ]
    if not limits:
        return True
    unheard_s = facts.terms.agent_timeout_s + STALLED_S
    if scene.now < facts.began.get(scene.server, 0.0) + unheard_s:
        return False  # perhaps it counts an agent as full that nobody else knows of
    shares = _shares(facts, scene)
    for node, named in limits:
        held = total(have for owner, have in shares.held.items() if is_below(owner[1], node))
        kept = (each.items() for each in map(kept_for, scene.agents.values()))
        held += total(anonymous(has) for of in kept for role, has in of if is_below(role, node))
        amounts = dict(zip(NAMES, (held + anonymous(each)).vector, strict=False))
        if any(amounts[name] > limit for name, limit in named.items()):
            return False
    return True


# --- what was given last, and who was before whom


def _last_bits(getter: Framework, offer: Offer, agent: Agent) -> Iterator[Resources]:
    """What its last bit may have been; nothing if that is not known."""
    if offer.revocable or any(d.gang for d in getter.demands.get(offer.role, ())):
        return
    demands = getter.demands.get(offer.role)
    if demands is None:
        yield anonymous(offer.resources)
        return
    for demand in demands:
        if demand.each and offer.resources.covers(demand.each):
            times = max(1, units(agent.capacity, demand.each) // BITS)
            yield total(anonymous(demand.each) for _ in range(times))


def _is_before(  # noqa: PLR0917 - each of them decides
    facts: Facts,
    scene: Scene,
    shares: _Shares,
    owner: Owner,
    offer: Offer,
    bit: Resources,
    demand: Demand,
) -> bool:
    """Whoever waits was further below, and its unit fitted."""
    if not _fitted(scene, offer, bit, demand.each):
        return False
    getter = scene.frameworks[offer.framework_id]
    if offer.role not in getter.demands:
        return True  # stated demand comes first
    mine, theirs = _path(owner), _path((offer.framework_id, offer.role))
    ours, its = next((a, b) for a, b in zip(mine, theirs, strict=False) if a != b)
    made_here = total(
        anonymous(each.resources)
        for each in scene.fresh
        if each is not offer and _is_part((each.framework_id, each.role), its)
    )
    lowest = shares.of(its, made_here + bit) / max(_weights(facts, its))
    return shares.of(ours) / min(_weights(facts, ours)) < lowest * NEARLY


def _fitted(scene: Scene, offer: Offer, bit: Resources, each: Resources) -> bool:
    agent = scene.agents[offer.agent_id]
    taken = [resources for _, _, resources in agent.held()]
    taken += [o.resources for o in scene.offers if o.agent_id == offer.agent_id]
    left = agent.capacity
    for part in taken:
        left = left.without(part)
    if left.contains(each):
        return True
    return not each.gpus and not each.ports and (anonymous(left) + bit).covers(each)


def _path(owner: Owner) -> list[tuple[str, ...]]:
    """Nodes from the top of the tree: roles, the frameworks of the last one together, the one."""
    framework_id, role = owner
    nodes: list[tuple[str, ...]] = [(above,) for above in reversed(lineage(role))]
    return [*nodes, (role, OWN), (role, OWN, framework_id)]


def _is_part(owner: Owner, node: tuple[str, ...]) -> bool:
    if len(node) == 1:
        return is_below(owner[1], Role(node[0]))
    return owner[1] == node[0] and (len(node) == 2 or owner[0] == node[2])


def _weights(facts: Facts, node: tuple[str, ...]) -> Sequence[float]:
    """All that a node may have: a new master may not know the last one yet."""
    return facts.weights.get(Role(node[0]), (1.0,)) if len(node) == 1 else (1.0,)
