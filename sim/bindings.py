"""Small reservations, such as agents keep by themselves and schedulers make in their accepts."""

from collections.abc import Sequence
from random import Random

from fairlead.common.ids import Role
from fairlead.common.resources import Resources
from fairlead.common.values import Offer, Operation, Reserve, Unreserve

SMALL = Resources.of(cpus=0.25)
"""Whoever is kept from so little can finish all the same."""


def own_of(random: Random, roles: Sequence[Role]) -> tuple[Reserve, ...]:
    """What an agent keeps by its own configuration, mostly nothing."""
    return (Reserve(random.choice(roles), SMALL),) if random.random() < 0.15 else ()


def binding(random: Random, offer: Offer, left: Resources) -> tuple[Operation, ...]:
    """To follow the launches of an accept that leave so much of its offer."""
    idle = offer.reserved.without(offer.resources.without(left))
    if random.random() < 0.5 and idle.contains(SMALL):
        return (Unreserve(offer.role, SMALL),)
    if random.random() < 0.1 and left.without(idle).contains(SMALL):
        return (Reserve(offer.role, SMALL),)
    return ()
