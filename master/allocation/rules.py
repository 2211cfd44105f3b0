"""What of an agent's free part a framework may have: two tables of rules, for the allocator.

A rule of `PARTS` leaves of something free what this framework may have of it in this role; one of
`TESTS` says whether an offer may be made. Their order is the order of reasons: whoever explains why
a framework gets nothing (`explain`) names the first rule that left nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..books import Books
from ..entries import Agent, Framework
from ..filters import Filter
from ..revoking.revocations import held_back
from ..settings import MasterSettings
from .constraints import admits
from .gpu_agents import gpu_agents, is_kept_from
from .keep_apart import Presence, stranger
from .preferences import Preferences, waits
from .quota import Outlook, beside_guarantees, within_limits
from .reservations import kept_from


@dataclass(slots=True)
class Case:
    """A framework in one role, looked at on one agent."""

    books: Books
    settings: MasterSettings
    now: float
    framework: Framework
    role: Role
    agent: Agent
    pending: Mapping[Role, Resources] = field(default_factory=dict)
    """Given out here in this allocation, and not in the books yet."""
    coming: Iterable[Presence] = ()
    """To whom."""
    revocable: bool = False
    """What would be offered is held by others, who do not use it."""
    memo: dict[object, bool] = field(default_factory=dict)
    """What rules have found out in this allocation, and need not find out again."""
    outlook: Outlook | None = None
    """None: whoever needs it looks for himself."""
    preferences: Preferences | None = None
    """None: nothing is to come that could be better."""
    parts: "Sequence[Part] | None" = None
    """Those that may matter; None: all."""
    allowed: Resources | None = None
    """What these leave of all that is free there, if somebody has found out."""


def part(case: Case, free: Resources) -> Resources:
    """The largest part of it that no rule forbids."""
    for rule in ALL if case.parts is None else case.parts:
        if not free:
            break
        free = rule(case, free)
    return free


def live_parts(books: Books, preferences: Preferences | None) -> "Sequence[Part]":
    """Those that may forbid something, as the books are."""
    idle = {
        "gpu agents": not books.capacity.gpus,
        "keep apart": not books.apart,
        "preferences": preferences is None,
        "quota": not books.quotas,
        "guarantees": not books.quotas,
        "revocation": not books.revocations,
    }
    return tuple(rule for name, rule in PARTS.items() if not idle.get(name))


def passes(case: Case, offered: Resources) -> bool:
    """Whether an offer of this may be made."""
    return all(test(case, offered) for test in TESTS.values())


def suits(case: Case, demand: Demand) -> bool:
    """Whether this demand of it, were there room, may be served here."""
    return (
        admits(demand.constraints, case.agent.info)
        and not is_kept_from(case, demand)
        and not waits(case, demand)
    )


def refuses(known: Filter, now: float, offered: Resources, *, revocable: bool = False) -> bool:
    """Whether this filter does, so that it is not offered."""
    return known.until > now and known.revocable is revocable and known.refused.covers(offered)


# --- parts


def _constraints(case: Case, free: Resources) -> Resources:
    wish = case.framework.wishes.get(case.role)
    is_barred = wish is not None and not admits(wish.constraints, case.agent.info)
    return EMPTY if is_barred else free


def _keep_apart(case: Case, free: Resources) -> Resources:
    who = (case.framework.framework_id, case.role)
    is_barred = stranger(case.books, case.agent, who, case.coming) is not None
    return EMPTY if is_barred else free


def _preferences(case: Case, free: Resources) -> Resources:
    is_stated = case.role in case.framework.demands
    return EMPTY if not is_stated and waits(case, None) else free


def _reservations(case: Case, free: Resources) -> Resources:
    agent = case.agent
    if not (agent.reservations or agent.changes):
        return free
    return free.without(kept_from(agent, case.role, case.pending))


# --- tests


def _minimum(case: Case, offered: Resources) -> bool:
    """Not smaller than the operator has any made, nor than this framework takes."""
    wish = case.framework.wishes.get(case.role)
    own = wish.minimum_offers if wish is not None else ()
    if not (own or case.settings.minimum_offers):
        return True
    return all(
        not minimums or any(offered.covers(minimum) for minimum in minimums)
        for minimums in (case.settings.minimum_offers, own)
    )


def _filter(case: Case, offered: Resources) -> bool:
    """Not what it has just refused."""
    filters = case.framework.filters.on(case.role, case.agent.places)
    return not any(refuses(each, case.now, offered, revocable=case.revocable) for each in filters)


Part = Callable[[Case, Resources], Resources]
PARTS: Mapping[str, Part] = {
    "constraints": _constraints,
    "gpu agents": gpu_agents,
    "keep apart": _keep_apart,
    "reservations": _reservations,
    "preferences": _preferences,
    "quota": within_limits,
    "guarantees": beside_guarantees,
    "revocation": held_back,
}
ALL = tuple(PARTS.values())
TESTS: Mapping[str, Callable[[Case, Resources], bool]] = {
    "minimum offer": _minimum,
    "filter": _filter,
}
