"""Limits that are passed, or would be: which offers a role gives back, and what is not reserved.

For `offers`, after each step, and for operators' reservations. What runs goes on in any case.
"""

from collections.abc import Sequence

from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, NAMES, Resources, said, total
from fairlead.common.roles import is_below, lineage

from ..books import Books
from ..entries import Agent, HeldOffer, anonymous
from .quota import Amounts, less, plus
from .reservations import ByRole, added, counted, idle_reserved, reserved_on, settle, used_on


def to_rescind(books: Books, role: Role) -> list[HeldOffer]:
    """The youngest of its offers that together are what it holds above its limits, or has with what
    idles in its reservations, as far as offers go: a limit was lowered, more is reserved, or an
    agent came back with more.
    """
    held = books.held.get(role, EMPTY).vector
    held_beyond = _beyond(books, role, held)
    had_beyond = _beyond(books, role, plus(held, idle_reserved(books, role).vector))
    chosen: list[HeldOffer] = []
    for each in reversed(books.offers.values()):
        if not any(had_beyond):
            break
        if is_below(each.offer.role, role):
            given, freed = each.offer.resources.vector, _freed(books, role, each, chosen)
            if _is_some_of(given, held_beyond) or _is_some_of(freed, had_beyond):
                chosen.append(each)
                held_beyond, had_beyond = less(held_beyond, given), less(had_beyond, freed)
    return chosen


def _beyond(books: Books, role: Role, amounts: Amounts) -> Amounts:
    quota = books.quotas.get(role)
    limits = quota.limits if quota is not None else {}
    named = zip(NAMES, amounts, strict=False)
    return tuple(max(0, amount - limits.get(name, amount)) for name, amount in named)


def _is_some_of(given: Amounts, wanted: Amounts) -> bool:
    return any(amount and much for amount, much in zip(given, wanted, strict=False))


def _freed(books: Books, role: Role, held: HeldOffer, before: Sequence[HeldOffer]) -> Amounts:
    """By giving it back behind those: what is reserved for the role stays its own."""
    offer, agent = held.offer, books.agents[held.offer.agent_id]
    own = reserved_on(agent)
    if not any(is_below(owner, role) for owner in own):
        return offer.resources.vector
    left = [each for each in agent.offers.values() if each not in (held, *before)]
    offered = added({}, ((each.offer.role, each.offer.resources) for each in left))
    after = settle(own, added(used_on(agent), offered.items()))[0]
    ahead = settle(own, added(used_on(agent), (*offered.items(), (offer.role, offer.resources))))[0]
    more = [kept.without(ahead[owner]) for owner, kept in after.items() if is_below(owner, role)]
    return less(offer.resources.vector, total(map(anonymous, more)).vector)


def reserved_beyond(books: Books, agent: Agent, role: Role, whole: Resources) -> str:
    """Which limit speaks against this reservation there, with numbers; empty: none does."""
    own = reserved_on(agent)
    known = own.get(role, EMPTY)
    for above in lineage(role):
        if (quota := books.quotas.get(above)) is None:
            continue
        was = _had(books, above, agent, own)
        will_be = _had(books, above, agent, {**own, role: known + whole.without(known)})
        for name, before, after in zip(NAMES, was, will_be, strict=True):
            if after > max(before, quota.limits.get(name, after)):
                limit = said(name, quota.limits[name])
                return f"the limit of {above} is {limit}, and it would have {said(name, after)}"
    return ""


def _had(books: Books, role: Role, agent: Agent, reserved: ByRole) -> Amounts:
    """Used, and idle in reservations, were these on that agent; offers can be taken back."""
    offers = (held.offer for held in books.offers.values())
    offered = total(anonymous(each.resources) for each in offers if is_below(each.role, role))
    others = ((each, reserved_on(each)) for each in counted(books) if each is not agent)
    idle = total(
        anonymous(kept)
        for where, own in ((agent, reserved), *others)
        for owner, kept in settle(own, used_on(where))[0].items()
        if is_below(owner, role)
    )
    return plus(books.held.get(role, EMPTY).without(offered).vector, idle.vector)
