"""The plain allocator, for comparison: all candidates, anew, on each agent.

What `allocator` gives out must be the same, grant by grant, whatever it leaves out.
What one framework may have of one agent (`bits`) both ask alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import field
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Demand
from fairlead.master.allocation.allocator import Grant, Look
from fairlead.master.allocation.bits import (
    could_hold,
    could_serve,
    count_of,
    is_due,
    most_of,
    next_bit,
    put_first,
    would_like,
)
from fairlead.master.allocation.candidates import Candidate
from fairlead.master.allocation.demands import open_demand
from fairlead.master.allocation.keep_apart import Presence
from fairlead.master.allocation.lottery import Lot, Lottery
from fairlead.master.allocation.preferences import Preferences
from fairlead.master.allocation.quota import Outlook
from fairlead.master.allocation.rules import Case, part, passes
from fairlead.master.allocation.tree import Place, Tree
from fairlead.master.books import Books, Who
from fairlead.master.entries import Agent, anonymous
from fairlead.master.settings import MasterSettings

if TYPE_CHECKING:
    from random import Random

NOWHERE = (0, 0)
"""Its place in the standings, which nobody asks for."""


@dataclass(slots=True)
class _Run:
    """One allocation over some agents."""

    books: Books
    settings: MasterSettings
    now: float
    tree: Tree
    lottery: Lottery
    candidates: list[Candidate]
    outlook: Outlook | None
    """None: there are no quotas."""
    again: dict[AgentId, None]
    memo: dict[object, bool] = field(default_factory=dict)
    """For rules, of the whole allocation."""
    present: dict[Presence, None] = field(default_factory=dict)
    """To whom something was given on the agent at hand."""
    preferences: Preferences = field(init=False)

    def __post_init__(self) -> None:
        self.preferences = Preferences(self.books, could_serve, self.again)


def allocate_plainly(
    books: Books,
    looks: Iterable[Look],
    settings: MasterSettings,
    now: float,
    random: "Random",
    *,
    again: dict[AgentId, None],
    stated_only: bool = False,
) -> Iterator[list[Grant]]:
    """The grants of one agent after another; the caller books each list before the next.

    With `stated_only` nobody takes part who stated no demand.
    """
    everybody = _candidates(books, settings)
    candidates = [each for each in everybody if each.wants is not None or not stated_only]
    outlook = Outlook.of(books) if books.quotas else None
    lottery = Lottery(books, random)
    run = _Run(books, settings, now, Tree(books), lottery, candidates, outlook, again)
    for agent_id, who in looks:
        run.preferences.seen[agent_id] = None
        agent = books.agents.get(agent_id)
        if agent is None or agent.session is None or not run.candidates:
            continue
        if free := agent.free:
            grants = list(_share_out(run, agent, free, who))
            yield grants
            for grant in grants:
                run.tree.recount(grant.framework.framework_id)
                if run.outlook is not None:
                    run.outlook.booked(grant.resources)


def _candidates(books: Books, settings: MasterSettings) -> Iterator[Candidate]:
    for framework in books.frameworks.values():
        if framework.session is None or framework.is_ended:
            continue
        believed = framework.refusals < settings.fair_refusals
        for role in framework.info.roles:
            if role in framework.suppressed:
                continue
            if role not in framework.demands:
                yield Candidate(framework, role, NOWHERE, None, is_believed=believed)
            elif wants := open_demand(books, framework, role):
                yield Candidate(framework, role, NOWHERE, wants, is_believed=believed)


def _share_out(run: _Run, agent: Agent, free: Resources, who: Who) -> Iterator[Grant]:
    """Whoever would refuse what competition left of its part takes no part: all over again."""
    hold = _hold_on(run, agent)
    willing = [
        c
        for c in run.candidates
        if (hold is not None and c is hold[0]) or _may_have(run, c, agent, free)
        if hold is not None or _is_asked(run, c, agent, who)
    ]
    if hold is not None and hold[0] not in willing:
        willing.append(hold[0])
    while True:
        _fill(run, willing, agent, free, hold)
        content = [c for c in willing if not c.here or passes(_case(run, c, agent), c.here)]
        if len(content) == len(willing):
            break
        willing = content
        hold = hold if hold is not None and hold[0] in content else None
    for candidate in willing:
        if here := candidate.here:
            fits_demand = candidate.wants is not None
            units = count_of(candidate.wants) - count_of(candidate.served)
            candidate.wants, candidate.here = candidate.served, EMPTY
            yield Grant(agent, candidate.framework, candidate.role, here, fits_demand, units)
    run.tree.take_back()
    run.present.clear()
    run.candidates = [c for c in run.candidates if c.wants is None or c.wants]


_Hold = tuple[Candidate, Demand]
"""What is free is kept for that one, until this fits."""


def _hold_on(run: _Run, agent: Agent) -> _Hold | None:
    gang = run.books.gang_hold
    if gang is not None and agent.info.agent_id in gang.agents:
        never = Demand(agent.info.resources + Resources(cpus=1))
        wanted = (gang.framework_id, gang.role)
        for candidate in run.candidates:
            if (candidate.framework.framework_id, candidate.role) == wanted:
                return candidate, never
        framework = run.books.frameworks[gang.framework_id]
        return Candidate(framework, gang.role, NOWHERE, (never,)), never
    framework_id, want = run.books.holds.get(agent.info.agent_id, (None, None))
    if want is None:
        return None
    for candidate in run.candidates:
        if candidate.framework.framework_id == framework_id and candidate.role == want.role:
            for demand in candidate.wants or ():
                if (demand.each, demand.constraints) == (want.each, want.constraints):
                    is_able = could_hold(_case(run, candidate, agent), demand)
                    return (candidate, demand) if is_able else None
    return None


def _fill(
    run: _Run, willing: list[Candidate], agent: Agent, free: Resources, hold: _Hold | None
) -> None:
    """Bit by bit to whoever is furthest below its share, until nobody fits; or until it is the turn
    of one for whom what is left is kept.

    Shares only grow meanwhile, so a rank that still holds when it comes to the top is the lowest.
    """
    whole = free
    run.tree.take_back()
    run.present.clear()
    for candidate in willing:
        key = (candidate.framework.framework_id, candidate.role)
        candidate.has_refused = key in agent.refused_by
        candidate.here, candidate.served = EMPTY, candidate.wants
    if hold is not None:
        put_first(*hold)
    run.lottery.draw()
    rivals = _rivals(run, willing, agent, free)
    hungry = [(_rank(run, candidate, free), candidate) for candidate in willing]
    heapify(hungry)
    while hungry and free:
        rank, candidate = hungry[0]
        if (rank_now := _rank(run, candidate, free)) != rank:  # others of its role got something
            heapreplace(hungry, (rank_now, candidate))
            continue
        if candidate in rivals:
            candidate = _drawn(run, rivals, candidate)
        case = _case(run, candidate, agent)
        if hold is not None and candidate is hold[0]:
            if not part(case, free).contains(hold[1].each):
                # Kept from others: of its own room it may use what it likes.
                while bit := next_bit(case, candidate, free, whole):
                    free = _give(run, candidate, free, bit)
                return
            hold = None
        bit = next_bit(case, candidate, free, whole)
        if not bit and candidate in rivals:
            rivals.remove(candidate)
            continue
        if not bit:
            heappop(hungry)
            continue
        free = _give(run, candidate, free, bit)


def _give(run: _Run, candidate: Candidate, free: Resources, bit: Resources) -> Resources:
    """What is left."""
    candidate.here += bit
    run.tree.give(candidate.role, bit)
    run.present[candidate.framework.framework_id, candidate.role] = None
    return free - bit


def _rivals(run: _Run, willing: list[Candidate], agent: Agent, free: Resources) -> list[Candidate]:
    """Those who prefer this agent, if it cannot hold all that they want of it."""
    if run.settings.sorter == "random":
        return []
    rivals = [candidate for candidate in willing if would_like(candidate, agent)]
    cases = [(_case(run, candidate, agent), candidate) for candidate in rivals]
    wanted = total(anonymous(most_of(case, each, part(case, free))) for case, each in cases)
    return [] if free.covers(wanted) else rivals


def _drawn(run: _Run, rivals: list[Candidate], first: Candidate) -> Candidate:
    """Whose turn it is instead: of those who would have it before others for the same reason."""
    run.lottery.draw()
    peers = [each for each in rivals if each.reasons == first.reasons]
    return min(peers, key=lambda each: run.lottery.lot(each.framework, each.role))


def _is_asked(run: _Run, candidate: Candidate, agent: Agent, who: Who) -> bool:
    """All are, whoever is looked for; but whoever made a difference by size (by a filter, by the
    least that it takes) may find something else to be enough once it wants less: it must say so.
    """
    framework, role = candidate.framework, candidate.role
    if who is None or framework.framework_id in who:
        return True
    wish = framework.wishes.get(role)
    is_picky = run.settings.minimum_offers or (wish is not None and wish.minimum_offers)
    return not is_picky and not framework.filters.on(role, agent.places)


def _may_have(run: _Run, candidate: Candidate, agent: Agent, free: Resources) -> bool:
    case = _case(run, candidate, agent)
    most = most_of(case, candidate, part(case, free))
    return bool(most) and passes(case, most)


def _case(run: _Run, candidate: Candidate, agent: Agent) -> Case:
    framework, role = candidate.framework, candidate.role
    return Case(
        run.books,
        run.settings,
        run.now,
        framework,
        role,
        agent,
        pending=run.tree.here,
        coming=run.present,
        memo=run.memo,
        outlook=run.outlook,
        preferences=run.preferences,
    )


Reasons = tuple[bool, bool, bool]
Rank = tuple[Reasons, Place | Lot]


def _rank(run: _Run, candidate: Candidate, free: Resources) -> Rank:
    """Lower comes first."""
    is_owed = is_due(run.books, run.tree, run.outlook, candidate, free)
    candidate.reasons = candidate.has_refused, not is_owed, not candidate.comes_first
    framework, role = candidate.framework, candidate.role
    if run.settings.sorter == "random":
        return candidate.reasons, run.lottery.lot(framework, role)
    return candidate.reasons, run.tree.place(framework, role, candidate.here)
