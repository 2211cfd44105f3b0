"""Who is offered what: a pure function of the books, run over the agents that changed.

The rule. On each agent the free resources are given out bit by bit: the framework that is furthest
below its share takes the next bit, until nobody fits (progressive filling). A framework that
stated a demand takes one unit of it at a time and comes before those that stated none; one
without a demand takes all that is left. The bits of one framework and role on one agent are one
offer.

Worked example (the DRF paper's): one agent of 9 cpus and 18 GB, A wants (1, 4), B wants (3, 1).
Shares after each bit, A's by memory and B's by cpus: A 4/18, B 3/9, A 8/18, B 6/9, A 12/18; then
B would need 3 cpus where 0 are left, and A 1: A holds three units and B two.

Order: whoever has refused what is free on the agent comes last, so that everybody else is
considered before it is offered again; then who is below a guarantee (`quota`); then unsatisfied and
believed demand; then the place in the tree of roles (`tree`). Considered and refused: offers of
whole agents to whoever is lowest, as in Mesos, which with stated demand hands the first framework
more than its share.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heapreplace
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Demand

from ..books import Books, Who
from ..entries import Agent, Framework, anonymous
from ..gang_books import GangHold, OfferSet
from ..settings import MasterSettings
from .bits import could_hold, count_of, most_of, next_bit, would_like
from .candidates import Candidate
from .lottery import Lottery
from .quota import Outlook
from .rules import part, passes
from .standings import Standings
from .turns import Here, Hold, Queue, Run, case_of, new_case, rank_of

if TYPE_CHECKING:
    from random import Random


Look = tuple[AgentId, Who]
"""At an agent, for whom."""


@dataclass(frozen=True, slots=True)
class Grant:
    """These resources of this agent go to that framework as one offer."""

    agent: Agent
    framework: Framework
    role: Role
    resources: Resources
    fits_demand: bool
    units: int = 0
    """So many tasks of its demand; 0: that is not known."""
    together: OfferSet | None = None
    """With others it serves a gang."""
    revocable: Resources = EMPTY
    """Beside them: what others hold there and do not use."""


def allocate(
    books: Books,
    looks: Iterable[Look],
    settings: MasterSettings,
    now: float,
    random: "Random",
    *,
    standings: Standings | None = None,
    again: dict[AgentId, None],
    stated_only: bool = False,
) -> Iterator[list[Grant]]:
    """The grants of one agent after another; the caller books each list before the next. Whoever is
    not looked for on an agent has been considered there, and took nothing of what is free.

    Agents where somebody waits for a better one to come are noted in `again`, to be looked at in
    the next allocation. With `stated_only` nobody takes part who stated no demand. Without
    `standings`, which know who stands where since the last one, everybody is put in order first.
    """
    standings = standings or Standings(books, settings)
    standings.renew()
    outlook = Outlook.of(books) if books.quotas else None
    sees_all = (
        settings.sorter == "random"
        or bool(standings.preferring)
        or any(quota.guarantees for quota in books.quotas.values())
    )
    lottery = Lottery(books, random)
    run = Run(books, settings, now, standings, lottery, outlook, again, stated_only, sees_all)
    for agent_id, who in looks:
        if run.preferences is not None:
            run.preferences.seen[agent_id] = None
        agent = books.agents.get(agent_id)
        is_anybody = standings.stated or (standings.unstated and not stated_only)
        if agent is None or agent.session is None or not is_anybody:
            continue
        if free := agent.free:
            given = _share_out(run, agent, free, who)
            yield [grant for _, grant in given]
            for candidate, grant in given:
                standings.booked(candidate)
                if outlook is not None:
                    outlook.booked(grant.resources)


def _share_out(run: Run, agent: Agent, free: Resources, who: Who) -> list[tuple[Candidate, Grant]]:
    """Whoever would refuse what competition left of its part takes no part: all over again."""
    if not (run.sees_all or run.is_use_for(free.vector)):
        return []
    hold = _hold_on(run, agent)
    # A hold depends on who stands where: that may have changed for everybody.
    here = Here(agent, free, None if hold is not None else who, hold)
    while True:
        seated = _fill(run, here)
        getting = [candidate for candidate in seated if candidate.here]
        refusing = [
            each
            for each in getting
            if each.here is not each.most and not passes(case_of(run, here, each), each.here)
        ]
        if not refusing:
            break
        for candidate in refusing:
            here.cases[candidate] = None
            here.hold = None if here.is_kept_for(candidate) else here.hold
    run.tree.take_back()
    run.present.clear()
    getting.sort(key=lambda candidate: candidate.number)
    return [(candidate, _grant(agent, candidate)) for candidate in getting]


def _grant(agent: Agent, candidate: Candidate) -> Grant:
    fits_demand = candidate.wants is not None
    units = count_of(candidate.wants) - count_of(candidate.served)
    return Grant(agent, candidate.framework, candidate.role, candidate.here, fits_demand, units)


def _hold_on(run: Run, agent: Agent) -> Hold | None:
    gang = run.books.gang_hold
    if gang is not None and agent.info.agent_id in gang.agents:
        return _hold_for_gang(run, gang, agent)
    framework_id, want = run.books.holds.get(agent.info.agent_id, (None, None))
    if want is None:
        return None
    candidate = run.standings.candidate(framework_id, want.role) if framework_id else None
    if candidate is not None:
        for demand in candidate.wants or ():
            if (demand.each, demand.constraints) == (want.each, want.constraints):
                is_able = could_hold(new_case(run, candidate, agent), demand)
                return (candidate, demand) if is_able else None
    return None


def _hold_for_gang(run: Run, gang: GangHold, agent: Agent) -> Hold:
    """It is served by `gang_offers`, not here: nothing that there is will do."""
    never = Demand(agent.info.resources + Resources(cpus=1))
    candidate = run.standings.candidate(gang.framework_id, gang.role)
    if candidate is None:
        framework = run.books.frameworks[gang.framework_id]
        candidate = Candidate(framework, gang.role, (0, 0), (never,))
    return candidate, never


def _fill(run: Run, here: Here) -> list[Candidate]:
    """Bit by bit to whoever is furthest below its share, until nobody fits; or until it is the turn
    of one for whom what is left is kept.

    Shares only grow meanwhile, so a rank that still holds when it comes to the top is the lowest.
    """
    free, hold = here.free, here.hold
    run.tree.take_back()
    run.present.clear()
    run.lottery.draw()
    queue = Queue(run, here)
    rivals = _rivals(run, here, queue.seated)
    while free and (top := queue.first(free)) is not None:
        rank, candidate = top
        # Others of its role may have got something meanwhile.
        if run.tree.here and (rank_now := rank_of(run, candidate, free)) != rank:
            heapreplace(queue.hungry, (rank_now, candidate))
            continue
        if candidate in rivals:
            candidate = _drawn(run, rivals, candidate)
        case = case_of(run, here, candidate)
        if hold is not None and candidate is hold[0]:
            if not part(case, free).contains(hold[1].each):
                # Kept from others: of its own room it may use what it likes.
                while bit := next_bit(case, candidate, free, here.free):
                    free = _give(run, candidate, free, bit)
                break
            hold = None
        bit = next_bit(case, candidate, free, here.free)
        if not bit and candidate in rivals:
            rivals.remove(candidate)
            continue
        if not bit:
            heappop(queue.hungry)
            continue
        free = _give(run, candidate, free, bit)
    return queue.seated


def _give(run: Run, candidate: Candidate, free: Resources, bit: Resources) -> Resources:
    """What is left."""
    candidate.here += bit
    left = free - bit
    if left:  # for those who may get of it
        run.tree.give(candidate.role, bit)
        run.present[candidate.framework.framework_id, candidate.role] = None
    return left


def _rivals(run: Run, here: Here, willing: list[Candidate]) -> list[Candidate]:
    """Those who prefer this agent, if it cannot hold all that they want of it."""
    if run.settings.sorter == "random" or not run.standings.preferring:
        return []
    rivals = [candidate for candidate in willing if would_like(candidate, here.agent)]
    cases = [(case_of(run, here, candidate), candidate) for candidate in rivals]
    wanted = total(anonymous(most_of(case, each, part(case, here.free))) for case, each in cases)
    return [] if here.free.covers(wanted) else rivals


def _drawn(run: Run, rivals: list[Candidate], first: Candidate) -> Candidate:
    """Whose turn it is instead: of those who would have it before others for the same reason."""
    run.lottery.draw()
    peers = [each for each in rivals if each.reasons == first.reasons]
    return min(peers, key=lambda each: run.lottery.lot(each.framework, each.role))
