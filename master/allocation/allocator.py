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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Demand

from ..books import Books, Who
from ..entries import Agent, Framework, anonymous
from ..gang_books import GangHold, OfferSet
from ..settings import MasterSettings
from .bits import (
    could_hold,
    could_serve,
    count_of,
    is_due,
    most_of,
    next_bit,
    put_first,
    would_like,
)
from .keep_apart import Presence
from .lottery import Lot, Lottery
from .preferences import Preferences
from .quota import Outlook
from .rules import Case, Part, live_parts, part, passes, refuses
from .standings import FIRST, Candidate, Standings
from .tree import Place, Tree

if TYPE_CHECKING:
    from random import Random


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


@dataclass(slots=True)
class _Run:
    """One allocation over some agents."""

    books: Books
    settings: MasterSettings
    now: float
    standings: Standings
    lottery: Lottery
    outlook: Outlook | None
    """None: there are no quotas."""
    again: dict[AgentId, None]
    stated_only: bool
    sees_all: bool
    """Everybody is looked at on each agent, since somebody may come before whoever stands lower."""
    memo: dict[object, bool] = field(default_factory=dict)
    """For rules, of the whole allocation."""
    present: dict[Presence, None] = field(default_factory=dict)
    """To whom something was given on the agent at hand."""
    tree: Tree = field(init=False)
    parts: Sequence[Part] = field(init=False)
    """The rules that may matter."""
    preferences: Preferences | None = field(init=False)
    """None: nobody prefers anything."""

    def __post_init__(self) -> None:
        self.tree = self.standings.tree
        has_some = bool(self.standings.preferring)
        self.preferences = Preferences(self.books, could_serve, self.again) if has_some else None
        self.parts = live_parts(self.books, self.preferences)

    def takes_part(self, candidate: Candidate) -> bool:
        return candidate.wants is not None or not self.stated_only

    def is_use_for(self, free: Resources) -> bool:
        """Nobody has any for it, if this says so."""
        anything = self.standings.unstated and not self.stated_only
        return bool(anything) or self.standings.wants_any(free)


Reasons = tuple[bool, bool, bool]
Rank = tuple[Reasons, Place | Lot]
Look = tuple[AgentId, Who]
"""At an agent, for whom."""
_Hold = tuple[Candidate, Demand]
"""What is free is kept for that one, until this fits."""


@dataclass(slots=True)
class _Here:
    """The agent at hand."""

    agent: Agent
    free: Resources
    """Before anything is given out."""
    who: Who
    """It is looked at for these."""
    hold: _Hold | None
    cases: dict[Candidate, Case | None] = field(default_factory=dict)
    """Of those looked at; None: may have nothing, or would refuse what it gets."""
    refused: dict[int, bool] = field(default_factory=dict)
    """By the identity of filters, which many share: whether they refuse all that is free."""

    def is_kept_for(self, candidate: Candidate) -> bool:
        return self.hold is not None and self.hold[0] is candidate


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
    run = _Run(books, settings, now, standings, lottery, outlook, again, stated_only, sees_all)
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


def _share_out(run: _Run, agent: Agent, free: Resources, who: Who) -> list[tuple[Candidate, Grant]]:
    """Whoever would refuse what competition left of its part takes no part: all over again."""
    if not (run.sees_all or run.is_use_for(free)):
        return []
    hold = _hold_on(run, agent)
    # A hold depends on who stands where: that may have changed for everybody.
    here = _Here(agent, free, None if hold is not None else who, hold)
    while True:
        seated = _fill(run, here)
        getting = [candidate for candidate in seated if candidate.here]
        refusing = [
            each
            for each in getting
            if each.here is not each.most and not passes(_case(run, here, each), each.here)
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


def _hold_on(run: _Run, agent: Agent) -> _Hold | None:
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
                is_able = could_hold(_new_case(run, candidate, agent), demand)
                return (candidate, demand) if is_able else None
    return None


def _hold_for_gang(run: _Run, gang: GangHold, agent: Agent) -> _Hold:
    """It is served by `gang_offers`, not here: nothing that there is will do."""
    never = Demand(agent.info.resources + Resources(cpus=1))
    candidate = run.standings.candidate(gang.framework_id, gang.role)
    if candidate is None:
        framework = run.books.frameworks[gang.framework_id]
        candidate = Candidate(framework, gang.role, (0, 0), (never,))
    return candidate, never


class _Queue:
    """Who may have something of the agent at hand, in order of rank; drawn from the standings no
    further than to know whose turn it is.
    """

    def __init__(self, run: _Run, here: _Here) -> None:
        self._run = run
        self._here = here
        self.seated: list[Candidate] = []
        """All that were drawn and may have something."""
        self.hungry: list[tuple[Rank, Candidate]] = []
        """Those of them that may get more: a heap."""
        self._standing: Iterator[Candidate] | None = None
        """Those who have not been drawn, the lowest first."""
        if run.sees_all:
            for candidate in filter(run.takes_part, run.standings.everybody(here.who)):
                if here.is_kept_for(candidate) or _case_of(run, here, candidate) is not None:
                    self._seat(candidate)
        else:
            self._standing = _open_to_it(run, here)
        if here.hold is not None and here.hold[0] not in self.seated:
            self._seat(here.hold[0])
        self._next: Candidate | None = None
        """It comes behind the first of these."""
        self._last: Candidate | None = None
        """That was drawn."""

    def first(self, free: Resources) -> tuple[Rank, Candidate] | None:
        """Whose turn it seems to be, by a rank that may be too low by now."""
        standings, amounts = self._run.standings, free.vector
        while self._standing is not None and not self._is_certain():
            candidate = self._next or next(self._standing, None)
            if candidate is None or not self._run.is_use_for(free):
                self._standing = None
            elif self.hungry and self.hungry[0][0] < _standing_of(standings, candidate):
                self._next = candidate
                break
            else:
                self._next, self._last = None, candidate
                if candidate.could_use(amounts):
                    self._draw(candidate)
        return self.hungry[0] if self.hungry else None

    def _is_certain(self) -> bool:
        """Whoever was drawn last, and comes first by where it stands, comes before all others."""
        if not self.hungry or self._run.tree.here:
            return False
        (reasons, _), candidate = self.hungry[0]
        return candidate is self._last and reasons == _usual(candidate)

    def _draw(self, candidate: Candidate) -> None:
        run, here = self._run, self._here
        if here.is_kept_for(candidate) or not run.takes_part(candidate):
            return
        if _case_of(run, here, candidate) is not None:
            self._seat(candidate)

    def _seat(self, candidate: Candidate) -> None:
        run, here = self._run, self._here
        key = (candidate.framework.framework_id, candidate.role)
        candidate.has_refused = key in here.agent.refused_by
        candidate.here, candidate.served = EMPTY, candidate.wants
        if here.hold is not None and here.hold[0] is candidate:
            candidate.most = EMPTY
            put_first(*here.hold)
        self.seated.append(candidate)
        heappush(self.hungry, (_rank(run, candidate, here.free), candidate))


def _usual(candidate: Candidate) -> Reasons:
    return False, True, candidate.order != FIRST


def _standing_of(standings: Standings, candidate: Candidate) -> Rank:
    return _usual(candidate), standings.place(candidate)


def _fill(run: _Run, here: _Here) -> list[Candidate]:
    """Bit by bit to whoever is furthest below its share, until nobody fits; or until it is the turn
    of one for whom what is left is kept.

    Shares only grow meanwhile, so a rank that still holds when it comes to the top is the lowest.
    """
    free, hold = here.free, here.hold
    run.tree.take_back()
    run.present.clear()
    run.lottery.draw()
    queue = _Queue(run, here)
    rivals = _rivals(run, here, queue.seated)
    while free and (top := queue.first(free)) is not None:
        rank, candidate = top
        # Others of its role may have got something meanwhile.
        if run.tree.here and (rank_now := _rank(run, candidate, free)) != rank:
            heapreplace(queue.hungry, (rank_now, candidate))
            continue
        if candidate in rivals:
            candidate = _drawn(run, rivals, candidate)
        case = _case(run, here, candidate)
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


def _give(run: _Run, candidate: Candidate, free: Resources, bit: Resources) -> Resources:
    """What is left."""
    candidate.here += bit
    left = free - bit
    if left:  # for those who may get of it
        run.tree.give(candidate.role, bit)
        run.present[candidate.framework.framework_id, candidate.role] = None
    return left


def _rivals(run: _Run, here: _Here, willing: list[Candidate]) -> list[Candidate]:
    """Those who prefer this agent, if it cannot hold all that they want of it."""
    if run.settings.sorter == "random" or not run.standings.preferring:
        return []
    rivals = [candidate for candidate in willing if would_like(candidate, here.agent)]
    cases = [(_case(run, here, candidate), candidate) for candidate in rivals]
    wanted = total(anonymous(most_of(case, each, part(case, here.free))) for case, each in cases)
    return [] if here.free.covers(wanted) else rivals


def _drawn(run: _Run, rivals: list[Candidate], first: Candidate) -> Candidate:
    """Whose turn it is instead: of those who would have it before others for the same reason."""
    run.lottery.draw()
    peers = [each for each in rivals if each.reasons == first.reasons]
    return min(peers, key=lambda each: run.lottery.lot(each.framework, each.role))


def _open_to_it(run: _Run, here: _Here) -> Iterator[Candidate]:
    """Those who are asked there, the lowest first, but for whoever would refuse all that is free,
    and so any part of it: no rule needs to be asked.
    """
    places, refused = here.agent.places, here.refused
    for candidate in run.standings.walk(here.who):
        run.standings.drawn += 1
        if not (filters := candidate.refused):
            yield candidate
            continue
        for place in places:
            if (known := filters.get(place)) is not None:
                if (refuses_all := refused.get(id(known))) is None:
                    refuses_all = any(refuses(each, run.now, here.free) for each in known)
                    refused[id(known)] = refuses_all
                if refuses_all:
                    break
        else:
            yield candidate


def _case_of(run: _Run, here: _Here, candidate: Candidate) -> Case | None:
    """None: if nobody else came it could have nothing there, or would refuse it."""
    if candidate not in here.cases:
        case = _new_case(run, candidate, here.agent)
        case.allowed = part(case, here.free)
        most = candidate.most = most_of(case, candidate, case.allowed)
        is_willing = bool(most) and passes(case, most)
        case.pending, case.coming = run.tree.here, run.present
        here.cases[candidate] = case if is_willing else None
    return here.cases[candidate]


def _case(run: _Run, here: _Here, candidate: Candidate) -> Case:
    """Of one that takes part."""
    if (case := here.cases.get(candidate)) is None:  # what is free is kept for it
        case = here.cases[candidate] = _new_case(run, candidate, here.agent)
        case.pending, case.coming = run.tree.here, run.present
    return case


def _new_case(run: _Run, candidate: Candidate, agent: Agent) -> Case:
    return Case(
        run.books,
        run.settings,
        run.now,
        candidate.framework,
        candidate.role,
        agent,
        memo=run.memo,
        outlook=run.outlook,
        preferences=run.preferences,
        parts=run.parts,
    )


def _rank(run: _Run, candidate: Candidate, free: Resources) -> Rank:
    """Lower comes first."""
    is_owed = is_due(run.books, run.tree, run.outlook, candidate, free)
    candidate.reasons = candidate.has_refused, not is_owed, not candidate.comes_first
    framework, role = candidate.framework, candidate.role
    if run.settings.sorter == "random":
        return candidate.reasons, run.lottery.lot(framework, role)
    if not run.tree.here and candidate.order >= 0:
        return candidate.reasons, run.standings.place(candidate)
    return candidate.reasons, run.tree.place(framework, role, candidate.here)
