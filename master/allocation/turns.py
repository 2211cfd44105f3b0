"""Whose turn it is on the agent at hand: whoever may have something there, in order of rank.

For the allocator, which says why whom first, and gives. They are drawn from the standings no
further than to know who comes next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from heapq import heappush

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..books import Books, Who
from ..entries import Agent
from ..filters import Several
from ..settings import MasterSettings
from .bits import could_serve, is_due, most_of, put_first
from .candidates import FIRST, Amounts, Candidate
from .keep_apart import Presence
from .lottery import Lot, Lottery
from .preferences import Preferences
from .quota import Outlook
from .rules import Case, Part, live_parts, part, passes, refuses
from .standings import Standings
from .tree import Place, Tree


@dataclass(slots=True)
class Run:
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

    def is_use_for(self, free: Amounts) -> bool:
        """Nobody has any for it, if this says so."""
        anything = self.standings.unstated and not self.stated_only
        return bool(anything) or self.standings.wants_any(free)


Reasons = tuple[bool, bool, bool]
Rank = tuple[Reasons, Place | Lot]
Hold = tuple[Candidate, Demand]
"""What is free is kept for that one, until this fits."""


@dataclass(slots=True)
class Here:
    """The agent at hand."""

    agent: Agent
    free: Resources
    """Before anything is given out."""
    who: Who
    """It is looked at for these."""
    hold: Hold | None
    cases: dict[Candidate, Case | None] = field(default_factory=dict)
    """Of those looked at; None: may have nothing, or would refuse what it gets."""
    refused: dict[int, bool] = field(default_factory=dict)
    """By the identity of filters, which many share: whether they refuse all that is free."""

    def is_kept_for(self, candidate: Candidate) -> bool:
        return self.hold is not None and self.hold[0] is candidate


class Queue:
    """Who may have something of the agent at hand, in order of rank; drawn from the standings no
    further than to know whose turn it is.
    """

    def __init__(self, run: Run, here: Here) -> None:
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
                if here.is_kept_for(candidate) or willing_case(run, here, candidate) is not None:
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
            if candidate is None or not self._run.is_use_for(amounts):
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
        if willing_case(run, here, candidate) is not None:
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
        heappush(self.hungry, (rank_of(run, candidate, here.free), candidate))


def _usual(candidate: Candidate) -> Reasons:
    return False, True, candidate.order != FIRST


def _standing_of(standings: Standings, candidate: Candidate) -> Rank:
    return _usual(candidate), standings.place(candidate)


def _open_to_it(run: Run, here: Here) -> Iterator[Candidate]:
    """Those who are asked there, the lowest first, but for whoever would refuse all that is free,
    and so any part of it: no rule needs to be asked.
    """
    standings, places, refused = run.standings, here.agent.places, here.refused
    same: Several = ()  # most have refused in the same words
    for candidate in standings.walk(here.who):
        standings.drawn += 1
        if not (filters := candidate.refused):
            yield candidate
            continue
        for place in places:
            if (known := filters.get(place)) is same:
                break
            if known is not None:
                if (refuses_all := refused.get(id(known))) is None:
                    refuses_all = any(refuses(each, run.now, here.free) for each in known)
                    refused[id(known)] = refuses_all
                if refuses_all:
                    same = known
                    break
        else:
            yield candidate


def willing_case(run: Run, here: Here, candidate: Candidate) -> Case | None:
    """None: if nobody else came it could have nothing there, or would refuse it."""
    if candidate not in here.cases:
        case = new_case(run, candidate, here.agent)
        case.allowed = part(case, here.free)
        most = candidate.most = most_of(case, candidate, case.allowed)
        is_willing = bool(most) and passes(case, most)
        case.pending, case.coming = run.tree.here, run.present
        here.cases[candidate] = case if is_willing else None
    return here.cases[candidate]


def case_of(run: Run, here: Here, candidate: Candidate) -> Case:
    """Of one that takes part."""
    if (case := here.cases.get(candidate)) is None:  # what is free is kept for it
        case = here.cases[candidate] = new_case(run, candidate, here.agent)
        case.pending, case.coming = run.tree.here, run.present
    return case


def new_case(run: Run, candidate: Candidate, agent: Agent) -> Case:
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


def rank_of(run: Run, candidate: Candidate, free: Resources) -> Rank:
    """Lower comes first."""
    is_owed = is_due(run.books, run.tree, run.outlook, candidate, free)
    candidate.reasons = candidate.has_refused, not is_owed, not candidate.comes_first
    framework, role = candidate.framework, candidate.role
    if run.settings.sorter == "random":
        return candidate.reasons, run.lottery.lot(framework, role)
    if not run.tree.here and candidate.order >= 0:
        return candidate.reasons, run.standings.place(candidate)
    return candidate.reasons, run.tree.place(framework, role, candidate.here)
