"""Quotas: what of the cluster a role is guaranteed, and what it may hold at most, by resource.

For the allocator (`rules` names both rules), for whoever sets a quota, and for explanations. What a
role holds is what it and those below it use and are offered, and what idles in their reservations.

Limits. Nobody is offered more than the limits of its role and of all roles above it leave. A new
leader counts every agent that it has not heard of yet as full of the role's own tasks: what runs
there is known to nobody else.

Guarantees. What a role must still get is its need: its guarantee less what it holds, or the sum of
the needs below it, whichever is more. As much as the others need stays free of the whole cluster;
a role may have what is free beyond that, and always what it needs itself.

Worked example: 10 cpus are free; `a` is guaranteed 4 cpus and holds 1, `b` is guaranteed 3 and
holds none. Somebody in `c` may have 10 - 3 - 3 = 4 cpus. Somebody in `a` may have 10 - 3 = 7: its
own 3 first, and the 4 that `c` might have had. With 5 cpus free nobody in `c` gets any, and `a` may
have 3, though not all that is guaranteed is left: whoever is furthest below its share comes first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, GpuId, Role
from fairlead.common.operators import AgentState, SetQuota
from fairlead.common.resources import EMPTY, MILLIS, NAMES, Resources, said, total
from fairlead.common.roles import bad_role, is_below, lineage

from ..books import Books
from ..entries import Agent, anonymous
from .reservations import (
    NOWHERE,
    ByRole,
    Given,
    added,
    idle_on,
    idle_reserved,
    kept_free,
    reserved_part,
)

if TYPE_CHECKING:
    from .rules import Case

Amounts = tuple[int, ...]
"""One for each of NAMES, in thousandths or bytes."""
NOTHING: Amounts = (0,) * len(NAMES)
Room = tuple[int | None, ...]
"""The same, where None is no bound."""
Wrong = tuple[str, str]
"""A field, and what is wrong with it."""


@dataclass(slots=True)
class Outlook:
    """What quotas must know of all agents together, while an allocation runs."""

    free: Amounts
    unheard: Amounts
    """What may be in use where this master has not heard of yet."""
    placed: dict[AgentId, ByRole] = field(default_factory=dict)
    """Of a gang, by now: that is not in the books before all of it has a place."""
    _needs: "dict[object, _Needs]" = field(default_factory=dict)
    """As they were found last, by what they depend on."""

    @classmethod
    def of(cls, books: Books) -> "Outlook":
        agents = books.agents.values()
        free = (agent.free.vector for agent in agents if agent.session is not None)
        expected = (a for a in agents if a.state is AgentState.RECOVERING)
        unheard = (agent.info.resources.vector for agent in expected)
        return cls(_sum(free), _sum(unheard))

    def booked(self, resources: Resources) -> None:
        """That much is offered by now."""
        self.free = less(self.free, resources.vector)
        self._needs.clear()

    def moved(self, was: Resources, now: Resources) -> None:
        """What is free on an agent is imagined to be otherwise."""
        self.free = less(plus(self.free, now.vector), was.vector)
        self._needs.clear()

    def place(self, agent: Agent, role: Role, resources: Resources) -> None:
        """That much of it goes to one of a gang, if all of them find room."""
        self.booked(resources)
        added(self.placed.setdefault(agent.info.agent_id, {}), [(role, resources)])

    def needs(
        self, books: Books, pending: Mapping[Role, Resources], agent: Agent | None = None
    ) -> "_Needs":
        """While one bit is given out many ask."""
        where = agent.info.agent_id if agent is not None and books.reserving else None
        key = (where, *pending.items())
        if key not in self._needs:
            if len(self._needs) > 1:  # with and without the agent
                self._needs.clear()
            self._needs[key] = _Needs(books, pending, agent, self.placed)
        return self._needs[key]


# --- rules of what a framework may have


def within_limits(case: "Case", free: Resources) -> Resources:
    """What the limits of its role and of all roles above it leave."""
    books = case.books
    if not books.quotas:
        return free
    room: Room = (None,) * len(NAMES)
    for above in lineage(case.role):
        quota = books.quotas.get(above)
        if quota is not None and quota.limits:
            outlook = case.outlook or Outlook.of(books)
            held = _held(books, (case.pending, *outlook.placed.values()), above)
            held = plus(held, outlook.unheard)
            held = plus(held, _bound(case, above, outlook))
            room = _tighter(room, left_of(quota.limits, held))
    return _cut(case, free, room)


def beside_guarantees(case: "Case", free: Resources) -> Resources:
    """What need not stay free for the guarantees of others."""
    quotas = case.books.quotas
    if not quotas or not any(quota.guarantees for quota in quotas.values()):
        return free
    outlook = case.outlook or Outlook.of(case.books)
    needs = outlook.needs(case.books, case.pending, case.agent)
    others, own = needs.beside(case.role), needs.own(case.role)
    given = _sum(resources.vector for resources in case.pending.values())
    kept = kept_free(case.books, case.agent, case.pending, outlook.placed)
    loose = less(outlook.free, plus(given, kept.vector))
    reserved = reserved_part(case.agent, case.role, free, case.pending).vector
    spare = (
        max(mine, all_free - theirs) + for_it if theirs else None
        for mine, all_free, for_it, theirs in zip(own, loose, reserved, others, strict=False)
    )
    return _cut(case, free, tuple(spare))


def _bound(case: "Case", above: Role, outlook: Outlook) -> Amounts:
    """Reserved for `above` or below it, idle, and not for this role here: nothing that it is given
    here makes that less.
    """
    if not case.books.reserving:
        return NOTHING
    elsewhere = idle_reserved(case.books, above, beside=case.agent, given=outlook.placed)
    here = total(
        anonymous(kept)
        for owner, kept in idle_on(case.agent, case.pending).items()
        if is_below(owner, above) and not is_below(case.role, owner)
    )
    return _sum((elsewhere.vector, here.vector))


def is_owed(
    books: Books,
    pending: Mapping[Role, Resources],
    role: Role,
    wanted: Resources,
    outlook: Outlook | None = None,
) -> bool:
    """Whether any of this is guaranteed to the role, or to one above it, and not had yet."""
    if not any(quota.guarantees for quota in books.quotas.values()):
        return False
    needs = outlook.needs(books, pending) if outlook is not None else _Needs(books, pending)
    own = needs.own(role)
    return any(need and amount for need, amount in zip(own, wanted.vector, strict=False))


class _Needs:
    """What is guaranteed and not had yet, along the tree of roles."""

    def __init__(
        self,
        books: Books,
        pending: Mapping[Role, Resources],
        agent: Agent | None = None,
        placed: Given = NOWHERE,
    ) -> None:
        """What is pending is to be had on that agent. Whoever has a reservation has it already."""
        idle = idle_on(agent, pending) if agent is not None and books.reserving else {}
        self._needs: dict[Role, Amounts] = {}
        self._below: dict[Role, Amounts] = {}
        guaranteed = (role for role, quota in books.quotas.items() if quota.guarantees)
        nodes = dict.fromkeys(node for role in guaranteed for node in lineage(role))
        for node in sorted(nodes, key=lambda role: -role.count("/")):
            held = _held(books, (pending, *placed.values()), node)
            if books.reserving:
                here = (kept.vector for owner, kept in idle.items() if is_below(owner, node))
                elsewhere = idle_reserved(books, node, beside=agent, given=placed)
                held = _sum((held, elsewhere.vector, *here))
            quota = books.quotas.get(node)
            own = less(amounts(quota.guarantees), held) if quota is not None else NOTHING
            need = tuple(map(max, own, self._below.get(node, NOTHING)))
            self._needs[node] = need
            self._below[_parent(node)] = plus(self._below.get(_parent(node), NOTHING), need)

    def beside(self, role: Role) -> Amounts:
        """What others need, whatever this role gets."""
        needed = self._below.get(role, NOTHING)
        for above in lineage(role):
            siblings = less(
                self._below.get(_parent(above), NOTHING), self._needs.get(above, NOTHING)
            )
            needed = plus(needed, siblings)
        return needed

    def own(self, role: Role) -> Amounts:
        """What this role might fill of what is needed."""
        return less(self._below.get(_TOP, NOTHING), self.beside(role))


_TOP = Role("")


def _parent(role: Role) -> Role:
    return Role(role.rpartition("/")[0])


def _held(books: Books, given: Iterable[Mapping[Role, Resources]], role: Role) -> Amounts:
    """By it and those below it, what is given out and not in the books yet included."""
    more = (part.vector for each in given for of, part in each.items() if is_below(of, role))
    return _sum((books.held.get(role, EMPTY).vector, *more))


# --- a quota before it is believed


def bad_quota(call: SetQuota) -> Wrong | None:
    """What is wrong with it by itself: a name, or more guaranteed than allowed."""
    if trouble := bad_role(call.role):
        return "role", trouble
    for kind, named in (("guarantees", call.guarantees), ("limits", call.limits)):
        strange = next((name for name in named if name not in NAMES), None)
        if strange is not None:
            return kind, f"{strange[:40]!r} is none of {', '.join(NAMES)}"
    for name, amount in call.guarantees.items():
        if amount > call.limits.get(name, amount):
            limit = said(name, call.limits[name])
            return "guarantees", f"{said(name, amount)} guaranteed, and a limit of {limit}"
    return None


def impossible(books: Books, call: SetQuota) -> Wrong | None:
    """Why it cannot be held beside the other quotas, with numbers."""
    before, after = dict(books.quotas), {**books.quotas, call.role: call}
    for above in lineage(call.role):
        if (quota := after.get(above)) is None:
            continue
        below = _promised(after, above)
        for name, amount in zip(NAMES, below, strict=True):
            roles = f"the {said(name, amount)} guaranteed below it"
            own, limit = quota.guarantees.get(name, 0), quota.limits.get(name, amount)
            if 0 < own < amount:
                short = f"{above} is guaranteed {said(name, own)}, which is less than {roles}"
                return "guarantees", short
            if limit < amount:
                short = f"the limit of {above} is {said(name, limit)}, which is less than {roles}"
                return "guarantees", short
    if call.force:
        return None
    was, now = _promised(before, _TOP), _promised(after, _TOP)
    for name, old, new, have in zip(NAMES, was, now, books.capacity.vector, strict=False):
        if new > max(old, have):
            numbers = (
                f"{said(name, new)} would be guaranteed, and all agents have {said(name, have)}"
            )
            return "guarantees", f"{numbers}; ask for less, or force it"
    return None


def _promised(quotas: Mapping[Role, SetQuota], role: Role) -> Amounts:
    """Guaranteed to the children of a role: what each says, or those below it together."""
    children = dict.fromkeys(
        node for each in quotas for node in lineage(each) if _parent(node) == role
    )
    return _sum(
        tuple(map(max, amounts(quotas[child].guarantees), below)) if child in quotas else below
        for child in children
        for below in (_promised(quotas, child),)
    )


# --- amounts


def amounts(named: Mapping[str, int]) -> Amounts:
    """By the order of NAMES."""
    return tuple(named.get(name, 0) for name in NAMES)


def left_of(limits: Mapping[str, int], held: Amounts) -> Room:
    """What a limit leaves to who holds so much."""
    return tuple(
        max(0, limits[name] - amount) if name in limits else None
        for name, amount in zip(NAMES, held, strict=False)
    )


def _cut(case: "Case", free: Resources, room: Room) -> Resources:
    """No more of it than there is room. Who says no more than that it wants something has no use
    for a part of an agent that has no cpus or no memory left.
    """
    if all(most is None or most >= have for most, have in zip(room, free.vector, strict=False)):
        return free
    cpus, mem, disk, gpus = (
        have if most is None else min(have, most)
        for most, have in zip(room, free.vector, strict=False)
    )
    is_useless = (free.cpus and not cpus) or (free.mem and not mem)
    if is_useless and case.role not in case.framework.demands:
        return EMPTY
    return Resources(cpus, mem, disk, _devices(free.gpus, gpus), free.ports)


def _devices(shares: Iterable[tuple[GpuId, int]], most: int) -> tuple[tuple[GpuId, int], ...]:
    """So much of them: whole devices first, then the one with the least room that is enough."""
    left, taken = dict(shares), []
    while most and left:
        enough = [(millis, name) for name, millis in left.items() if millis >= min(most, MILLIS)]
        name = min(enough)[1] if enough else max(left, key=lambda each: left[each])
        millis = min(left.pop(name), most)
        taken.append((name, millis))
        most -= millis
    return tuple(sorted(taken))


def _tighter(room: Room, other: Room) -> Room:
    return tuple(
        a if b is None else b if a is None else min(a, b) for a, b in zip(room, other, strict=True)
    )


def _sum(vectors: Iterable[Sequence[int]]) -> Amounts:
    return tuple(map(sum, zip(NOTHING, *vectors, strict=False)))


def plus(a: Sequence[int], b: Sequence[int]) -> Amounts:
    return _sum((a, b))


def less(a: Sequence[int], b: Sequence[int]) -> Amounts:
    """As far as there is any."""
    return tuple(max(0, x - y) for x, y in zip(a, b, strict=False))
