"""What every agent says to a framework that wants something: one pass over all of them, by the same
rules that allocate. For `explain`; nothing is decided here.
"""

from collections.abc import Generator, Sequence
from dataclasses import field
from typing import NamedTuple

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import Role
from fairlead.common.operators import AgentState
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..allocation.constraints import admits
from ..allocation.demands import fitting
from ..allocation.quota import Outlook
from ..allocation.rules import PARTS, TESTS, Case, refuses, suits
from ..context import Context
from ..entries import Agent, Framework, anonymous

AWAY, DRAINED, TOO_SMALL, IN_USE = "away", "drained", "too small", "in use"
KEPT, OPEN = "kept", "open"
"""Verdicts beside the names of the rules."""
LASTING = ("constraints", "gpu agents", "keep apart", "quota")
"""Rules that say no however empty an agent is."""
MOST_KINDS = 20
"""Of demand that are looked at: whoever wants more kinds of tasks wants these as well."""
MOST_SHOWN = 3
"""Of which it is said what the nearest agent lacks."""

Wants = Sequence[tuple[int, Demand]]
"""Demands with their places."""


class Nearest(NamedTuple):
    """An agent that lacks something for a demand; whoever lacks least comes first."""

    is_too_small: bool
    """Then what it lacks is counted as if nothing ran there."""
    lack: float
    """As a share of what is wanted."""
    agent: Agent

    def lacks(self, demand: Demand) -> Resources:
        """EMPTY: there is as much, but not on one device, or not these ports."""
        info, free = self.agent.info, self.agent.free
        return anonymous(demand.each).without(anonymous(info.resources if self[0] else free))


@dataclass(slots=True)
class Verdicts:
    """How many agents say what, and what would change that."""

    counts: dict[str, int] = field(default_factory=dict)
    expires_at: float | None = None
    """The first filter of those that are all that is in the way."""
    nearest: dict[int, Nearest] = field(default_factory=dict)
    """By the place of the demand; of agents that only room rules out."""
    room: dict[int, int] = field(default_factory=dict)
    """How much of each demand could be offered, the first ones first."""

    def add(self, verdict: str) -> None:
        self.counts[verdict] = self.counts.get(verdict, 0) + 1

    def expires(self, at: float) -> None:
        self.expires_at = at if self.expires_at is None else min(at, self.expires_at)

    def falls_short(self, agent: Agent, wants: Wants) -> None:
        """Of something that it would serve if it had room."""
        for index, demand in wants[:MOST_SHOWN]:
            is_too_small = not agent.info.resources.contains(demand.each)
            room = agent.info.resources if is_too_small else agent.free
            pairs = zip(demand.each.vector, room.vector, strict=True)
            lack = max((max(0, want - have) / want for want, have in pairs if want), default=0.0)
            known = self.nearest.get(index)
            if known is None or (is_too_small, lack) < known[:2]:
                self.nearest[index] = Nearest(is_too_small, lack, agent)


def look(
    context: Context, who: tuple[Framework, Role], demands: Sequence[Demand] | None
) -> Generator[None, None, Verdicts]:
    """All agents, once, after each a pause; `demands` is what is open, None if none was stated."""
    books, settings, verdicts = context.books, context.settings, Verdicts()
    outlook = Outlook.of(books) if books.quotas else None
    memo: dict[object, bool] = {}
    wants = None if demands is None else list(enumerate(demands[:MOST_KINDS]))
    for agent in tuple(books.agents.values()):
        yield
        if agent.session is None:
            if agent.state is not AgentState.GONE:
                verdicts.add(AWAY)
        elif agent.drain is not None:
            verdicts.add(DRAINED)
        else:
            case = Case(books, settings, context.now, *who, agent, memo=memo, outlook=outlook)
            verdicts.add(_judge(case, wants, verdicts))
    return verdicts


def _judge(case: Case, wants: Wants | None, verdicts: Verdicts) -> str:
    """The first that says no, in the order of the rules."""
    agent, suited = case.agent, None
    if wants is not None:
        suited = [(index, demand) for index, demand in wants if suits(case, demand)]
        if not suited:
            is_admitted = any(admits(demand.constraints, agent.info) for _, demand in wants)
            return "gpu agents" if is_admitted else "constraints"
    if not _fits(agent.free, suited):
        return _without_room(case, suited, verdicts)
    free = agent.free
    for name, rule in PARTS.items():
        free = rule(case, free)
        if not _fits(free, suited):
            return name
    offered = _most(free, suited, verdicts)
    for name, test in TESTS.items():
        if not test(case, offered):
            if name == "filter":
                verdicts.expires(_expiry(case, offered))
            return name
    return KEPT if _is_kept(case) else OPEN


def _without_room(case: Case, wants: Wants | None, verdicts: Verdicts) -> str:
    """Whether more room would help, and would ever be there."""
    whole = case.agent.info.resources
    is_large = _fits(whole, wants)
    for name in LASTING:
        allowed = PARTS[name](case, whole)
        if not allowed or (is_large and not _fits(allowed, wants)):
            return name
    verdicts.falls_short(case.agent, wants or ())
    if not is_large:
        return TOO_SMALL
    return KEPT if _is_kept(case) else IN_USE


def _is_kept(case: Case) -> bool:
    """For somebody else."""
    holder = case.books.kept_for(case.agent.info.agent_id)
    return holder not in (None, case.framework.framework_id)


def _fits(free: Resources, wants: Wants | None) -> bool:
    """Something of what is wanted."""
    if wants is None:
        return bool(free)
    return any(free.contains(demand.each) for _, demand in wants)


def _most(free: Resources, wants: Wants | None, verdicts: Verdicts) -> Resources:
    """The largest offer, and what of each demand it could be for."""
    if wants is None:
        return free
    most = EMPTY
    for index, demand in wants:
        count, units = fitting(free, demand.each, demand.count)
        verdicts.room[index] = verdicts.room.get(index, 0) + count
        free, most = free.without(units), most + units
    return most


def _expiry(case: Case, offered: Resources) -> float:
    filters = case.framework.filters.on(case.role, case.agent.places)
    return max(each.until for each in filters if refuses(each, case.now, offered))
