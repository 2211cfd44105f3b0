"""Who is offered what: a pure function of the books, run over the agents that changed.

The rule. On each agent the free resources are given out bit by bit: the framework that is furthest
below its share takes the next bit, until nobody fits (progressive filling). A framework that
stated a demand takes one unit of it at a time and comes before those that stated none; one
without a demand takes all that is left. The bits of one framework and role on one agent are one
offer.

Worked example (the DRF paper's): one agent of 9 cpus and 18 GB, A wants (1, 4), B wants (3, 1).
Shares after each bit, A's by memory and B's by cpus: A 4/18, B 3/9, A 8/18, B 6/9, A 12/18; then
B would need 3 cpus where 0 are left, and A 1: A holds three units and B two.

Order: unsatisfied and believed demand first; then role share ÷ weight, framework share, number of
allocations so far, ids. Considered and refused: offers of whole agents to whoever is lowest, as in
Mesos, which with stated demand hands the first framework more than its share.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from .books import Agent, Books, Framework, anonymous
from .constraints import admits
from .settings import MasterSettings
from .shares import Scale, weighted


@dataclass(frozen=True, slots=True)
class Grant:
    """These resources of this agent go to that framework as one offer."""

    agent: Agent
    framework: Framework
    role: Role
    resources: Resources
    fits_demand: bool


@dataclass(slots=True)
class _Candidate:
    """A framework in one role, as it stands while an allocation runs."""

    framework: Framework
    role: Role
    wants: list[Demand] | None
    """What is still open of its demand; None: nothing stated."""
    is_believed: bool
    got: Resources = EMPTY
    """In this run, on all agents; amounts only."""
    here: Resources = EMPTY
    """In this run, on the agent at hand."""

    @property
    def comes_first(self) -> bool:
        return self.wants is not None and self.is_believed


@dataclass(slots=True)
class _Run:
    """One allocation over some agents."""

    books: Books
    settings: MasterSettings
    now: float
    scale: Scale
    candidates: list[_Candidate] = field(default_factory=list)
    role_got: dict[Role, Resources] = field(default_factory=dict)


def allocate(
    books: Books, agent_ids: Iterable[AgentId], settings: MasterSettings, now: float
) -> Iterator[list[Grant]]:
    """The grants of one agent after another; the caller books each list before the next."""
    run = _Run(books, settings, now, Scale(books.capacity))
    run.candidates = list(_candidates(books, settings))
    for agent_id in agent_ids:
        agent = books.agents.get(agent_id)
        if agent is None or agent.session is None or not run.candidates:
            continue
        if free := agent.free:
            yield list(_share_out(run, agent, free))


def _candidates(books: Books, settings: MasterSettings) -> Iterator[_Candidate]:
    for framework in books.frameworks.values():
        if framework.session is None or framework.is_ended:
            continue
        believed = framework.refusals < settings.fair_refusals
        for role in framework.info.roles:
            if role in framework.suppressed:
                continue
            stated = framework.demands.get(role)
            if stated is None:
                yield _Candidate(framework, role, None, believed)
            elif wants := open_demand(framework, role, stated):
                yield _Candidate(framework, role, wants, believed)


def open_demand(framework: Framework, role: Role, stated: list[Demand]) -> list[Demand]:
    """What is left of a demand when the outstanding offers are taken for it."""
    pool = Resources()
    for held in framework.offers.values():
        if held.offer.role == role:
            pool += anonymous(held.offer.resources)
    wants = []
    for demand in stated:
        count = demand.count
        each = anonymous(demand.each)
        while count and each and pool.covers(each):
            pool = pool.without(each)
            count -= 1
        if count:
            wants.append(Demand(demand.each, count, demand.constraints, demand.gang))
    return wants


def _share_out(run: _Run, agent: Agent, free: Resources) -> Iterator[Grant]:
    willing = [c for c in run.candidates if _may_have(run, c, agent, free)]
    while willing and free:
        candidate = min(willing, key=lambda c: _rank(run, c))
        unit = _next_unit(candidate, agent, free)
        if unit is None:
            willing.remove(candidate)
            continue
        free = free - unit
        candidate.here += unit
        candidate.got += anonymous(unit)
        run.role_got[candidate.role] = run.role_got.get(candidate.role, EMPTY) + anonymous(unit)
    for candidate in run.candidates:
        if candidate.here:
            yield _grant(run, candidate, agent)


def _grant(run: _Run, candidate: _Candidate, agent: Agent) -> Grant:
    """From here on the books carry what was only ours to count."""
    here, candidate.here = candidate.here, EMPTY
    candidate.got = candidate.got.without(anonymous(here))
    got = run.role_got[candidate.role]
    run.role_got[candidate.role] = got.without(anonymous(here))
    return Grant(agent, candidate.framework, candidate.role, here, candidate.wants is not None)


def _may_have(run: _Run, candidate: _Candidate, agent: Agent, free: Resources) -> bool:
    framework, role = candidate.framework, candidate.role
    wish = framework.wishes.get(role)
    if wish is not None and not admits(wish.constraints, agent.info):
        return False
    most = _most(candidate, agent, free)
    if not most:
        return False
    minimums = wish.minimum_offers if wish is not None else ()
    if minimums and not any(most.covers(minimum) for minimum in minimums):
        return False
    filters = framework.filters.get((role, agent.info.agent_id), ())
    return not any(f.until >= run.now and f.refused.covers(most) for f in filters)


def _most(candidate: _Candidate, agent: Agent, free: Resources) -> Resources:
    """The largest offer that this agent could make to this candidate if nobody else came."""
    if candidate.wants is None:
        return free
    most = EMPTY
    for demand in candidate.wants:
        if not admits(demand.constraints, agent.info):
            continue
        for _ in range(demand.count):
            if (unit := free.pick(demand.each)) is None or not unit:
                break
            free, most = free - unit, most + unit
    return most


def _next_unit(candidate: _Candidate, agent: Agent, free: Resources) -> Resources | None:
    if candidate.wants is None:
        return free
    for index, demand in enumerate(candidate.wants):
        if admits(demand.constraints, agent.info):
            unit = free.pick(demand.each)
            if unit:
                left = demand.count - 1
                rest = Demand(demand.each, left, demand.constraints, demand.gang)
                candidate.wants[index : index + 1] = [rest] if left else []
                return unit
    return None


Rank = tuple[bool, int, int, int, str, str]


def _rank(run: _Run, candidate: _Candidate) -> Rank:
    """Lower comes first."""
    books, framework, role = run.books, candidate.framework, candidate.role
    of_role = books.held.get(role, EMPTY) + run.role_got.get(role, EMPTY)
    own = framework.held.get(role, EMPTY) + candidate.got
    role_share = weighted(
        run.scale.of(of_role), books.weights.get(role, 1.0), (1.0, *books.weights.values())
    )
    return (
        not candidate.comes_first,
        role_share,
        run.scale.of(own),
        framework.allocations,
        role,
        framework.framework_id,
    )
