"""What gangs are offered: all that one of them needs at once, over as many agents as it takes.

A pure function of the books, beside `allocator`, which gives out bit by bit. A gang has its turn
when its framework comes before all others that have open demand; if it does not, it gets what these
leave. What fits only in part is not offered at all, so nobody holds half of what he waits for: of
two gangs that each fit alone one is served, and the other when that one has ended.
"""

from collections.abc import Iterator, Sequence

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..books import Books
from ..entries import Agent, Framework
from ..gang_books import OfferSet
from ..settings import MasterSettings
from .allocator import Grant
from .demands import fitting, open_demand
from .preferences import likes
from .quota import Outlook, is_owed
from .rules import Case, part, passes, suits
from .tree import Place, Tree

Rank = tuple[bool, bool, Place]
Waiting = tuple[Framework, Role, Demand]
InVain = dict[tuple[FrameworkId, Role, Demand], None]
"""Gangs for which an allocation has found no room: while it runs nothing becomes free."""


def gang_grants(
    books: Books, settings: MasterSettings, now: float, in_vain: InVain, *, in_turn: bool
) -> Iterator[list[Grant]]:
    """Gang after gang, each as the books are then; `in_turn`: only as long as it is the turn of
    one that is believed.
    """
    while True:
        tree = Tree(books)
        gangs = [
            (_rank(books, settings, tree, framework, role, demand.each), framework, role, demand)
            for framework, role, demand in waiting(books, settings, believed_only=in_turn)
            if (framework.framework_id, role, demand) not in in_vain
        ]
        if not gangs:
            return
        gangs.sort(key=lambda each: each[0])
        first = min(_others(books, settings, tree), default=None) if in_turn else None
        for rank, framework, role, demand in gangs:
            if first is not None and first < rank:
                return
            if grants := place(books, settings, now, framework, role, demand):
                yield grants
                break  # who holds more by now stands elsewhere
            in_vain[framework.framework_id, role, demand] = None


def is_room_for_any(books: Books, settings: MasterSettings, now: float, in_vain: InVain) -> bool:
    """Whether a gang that waits for its turn could be served now."""
    for framework, role, demand in waiting(books, settings):
        key = (framework.framework_id, role, demand)
        if key not in in_vain:
            if place(books, settings, now, framework, role, demand):
                return True
            in_vain[key] = None
    return False


def place(  # noqa: PLR0917 - what a Case is made of, and the demand
    books: Books,
    settings: MasterSettings,
    now: float,
    framework: Framework,
    role: Role,
    demand: Demand,
) -> list[Grant]:
    """Room for all of a gang, on as few agents as can be, those that it prefers first; or none."""
    outlook = Outlook.of(books) if books.quotas else None
    memo: dict[object, bool] = {}

    def most(agent: Agent, count: int) -> tuple[Case, int, Resources]:
        case = Case(books, settings, now, framework, role, agent, memo=memo, outlook=outlook)
        allowed = part(case, agent.free) if suits(case, demand) else EMPTY
        return case, *fitting(allowed, demand.each, count)

    rooms: list[tuple[bool, int, Agent]] = []
    for agent in books.agents.values():
        is_ours = books.kept_for(agent.info.agent_id) in (None, framework.framework_id)
        if agent.session is not None and is_ours and agent.free.covers(demand.each):
            _, count, _ = most(agent, demand.count)
            if count:
                rooms.append((not likes(framework, role, demand, agent), -count, agent))
    if -sum(count for _, count, _ in rooms) < demand.count:
        return []
    rooms.sort(key=lambda room: room[:2])
    together, grants = OfferSet(demand), list[Grant]()
    left = demand.count
    for _, _, agent in rooms:
        case, count, units = most(agent, left)
        if count and passes(case, units):
            grants.append(Grant(agent, framework, role, units, True, count, together))
            left -= count
            if outlook is not None:
                outlook.place(agent, role, units)
        if not left:
            return grants
    return []


def open_gangs(framework: Framework, role: Role) -> Sequence[Demand]:
    """Those of its demand for which no offers are outstanding."""
    gangs = [demand for demand in framework.demands.get(role, ()) if demand.gang]
    if not gangs:
        return ()
    outstanding = {
        held.together: None
        for held in framework.offers.values()
        if held.together is not None and held.offer.role == role
    }
    for together in outstanding:
        if (served := together.serves(gangs)) is not None:
            gangs.remove(served)
    return gangs


def waiting(
    books: Books, settings: MasterSettings, *, believed_only: bool = True
) -> Iterator[Waiting]:
    """Gangs that are wanted, and not offered."""
    for framework in books.frameworks.values():
        if not framework.is_present:
            continue
        if believed_only and not settings.believes(framework.refusals):
            continue
        for role in framework.info.roles:
            if role not in framework.suppressed:
                for demand in open_gangs(framework, role):
                    yield framework, role, demand


def _others(books: Books, settings: MasterSettings, tree: Tree) -> Iterator[Rank]:
    """Of those that are served bit by bit."""
    for framework in books.frameworks.values():
        if not framework.is_present:
            continue
        for role in framework.info.roles:
            if role in framework.suppressed or role not in framework.demands:
                continue
            for demand in open_demand(books, framework, role):
                yield _rank(books, settings, tree, framework, role, demand.each)


def _rank(  # noqa: PLR0917 - of a framework in a role, as it stands
    books: Books,
    settings: MasterSettings,
    tree: Tree,
    framework: Framework,
    role: Role,
    each: Resources,
) -> Rank:
    """Lower comes first, as in `allocator`."""
    is_believed = settings.believes(framework.refusals)
    is_first = is_believed and is_owed(books, {}, role, each)
    return not is_first, not is_believed, tree.place(framework, role, EMPTY)
