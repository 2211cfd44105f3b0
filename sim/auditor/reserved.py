"""Laws about reservations: what an agent said is reserved is so after any restart of it, and nobody
but the role and those below it is offered what of it is idle.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from fairlead.common.ids import Role
from fairlead.common.messages import ChangeReservation, RegisterAgent, ReservationChanged, RunAccept
from fairlead.common.resources import Resources, total
from fairlead.common.roles import is_below
from fairlead.common.values import Offer, Reservation, Reserve, Unreserve

from .laws import Link, ViolationError
from .parties import Agent

BINDINGS = (Reserve, Unreserve)
Order = ChangeReservation | RunAccept


class Reserved:
    """What each agent has said, by its host."""

    def __init__(self) -> None:
        self._said: dict[str, dict[Role, Resources]] = {}
        self._open: Counter[tuple[str, Role]] = Counter()
        """Changes that were ordered, and of which nothing was said yet."""
        self._heard: dict[int, None] = {}
        """Sessions whose first word was taken in."""

    def ordered(self, host: str, order: Order) -> None:
        for role in roles_of(order):
            self._open[host, role] += 1

    def said(self, host: str, message: ReservationChanged) -> None:
        reservation = message.reservation
        self._said.setdefault(host, {})[reservation.role] = reservation.resources
        self._open[host, reservation.role] -= 1

    def registering(self, link: Link, call: RegisterAgent) -> None:
        """With its first part it says all that it keeps."""
        if link.number in self._heard:
            return
        self._heard[link.number] = None
        host = link.host
        now = {each.role: each.resources for each in call.reservations if each.resources}
        before = {role: kept for role, kept in self._said.get(host, {}).items() if kept}
        for role in {**before, **now}:
            if self._open[host, role] <= 0 and before.get(role) != now.get(role):
                raise ViolationError(
                    "what is reserved is durable",
                    f"{host} said {before.get(role)} for {role}, and now says {now.get(role)}",
                )
        self._said[host] = now

    def disk_lost(self, host: str) -> None:
        self._said.pop(host, None)


def roles_of(order: Order) -> Iterable[Role]:
    """Once for each change."""
    if isinstance(order, ChangeReservation):
        return (order.role,)
    return [each.role for each in order.operations if isinstance(each, BINDINGS)]


def check_offers(server: str, agent: Agent, offers: Iterable[Offer]) -> None:
    """Of one agent, all that are outstanding."""
    outstanding = [(offer.role, offer.resources) for offer in offers]
    used = [(role, resources) for (_, role), _, resources in agent.held()]
    free = agent.capacity
    for _, resources in used:
        free = free.without(resources)
    for role, kept in kept_for(agent).items():
        own = total(held for user, held in outstanding if is_below(user, role))
        others = total(held for user, held in outstanding if not is_below(user, role))
        idle = kept.without(own + total(held for user, held in used if is_below(user, role)))
        if not free.without(own).without(idle).contains(others):
            raise ViolationError(
                "what is reserved is offered to its role alone",
                f"{server} offers {others} of {agent.info.agent_id} to others than {role}:"
                f" {idle} of its {kept} is idle there, and {free.without(own)} free",
            )


def idle_for(agent: Agent, offers: Iterable[Offer]) -> Mapping[Role, Resources]:
    """Of what is reserved there, at least: what roles below hold may count for more than one."""
    held = [(role, resources) for (_, role), _, resources in agent.held()]
    held += [(o.role, o.resources) for o in offers if o.agent_id == agent.info.agent_id]
    return {
        role: kept.without(total(each for user, each in held if is_below(user, role)))
        for role, kept in kept_for(agent).items()
    }


def kept_for(agent: Agent) -> Mapping[Role, Resources]:
    """As it said; what is being changed counts as it was and as it will be."""
    kept = {role: known.whole for role, known in agent.reservations.items()}
    for role, change in agent.changes.items():
        fixed = agent.reservations.get(role, Reservation(role, Resources())).fixed
        before = kept.get(role, Resources())
        kept[role] = before + (change + fixed).without(before)
    return kept
