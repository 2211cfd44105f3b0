"""The offers that are at hand, by agent, and how much of each is spoken for."""

from collections.abc import Iterable
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, GpuId, OfferId
from fairlead.common.resources import EMPTY, MILLIS, Resources, total
from fairlead.common.values import Offer


@dataclass(slots=True)
class Room:
    """All that one agent offers now."""

    agent_id: AgentId
    offers: tuple[Offer, ...]
    left: Resources
    """For which there is no plan yet."""
    gpu_ids: list[GpuId] = field(default_factory=list)
    """The devices that jobs of this server may take."""
    is_awaited: bool = False
    """Somebody comes for it, but not yet."""

    @property
    def resources(self) -> Resources:
        return total(offer.resources for offer in self.offers)

    def whole(self) -> list[GpuId]:
        """The devices of which nothing is planned."""
        return [gpu_id for gpu_id, millis in self.left.gpus if millis == MILLIS]

    def reserve(self, wanted: Resources) -> Resources | None:
        """Set it aside, devices named; None if there is not so much."""
        if (picked := self.left.pick(wanted)) is None:
            return None
        self.left -= picked
        return picked

    def take(self, wanted: Resources) -> bool:
        """The same, for jobs of this server to take."""
        if (picked := self.reserve(wanted)) is None:
            return False
        self.gpu_ids += [gpu_id for gpu_id, _ in picked.gpus]
        return True


class Offers:
    """Each from when it came until it is used, declined or lost."""

    def __init__(self) -> None:
        self._held: dict[OfferId, tuple[Offer, float]] = {}

    def add(self, offer: Offer, now: float) -> None:
        self._held[offer.offer_id] = offer, now

    def remove(self, offer_ids: Iterable[str]) -> None:
        for offer_id in offer_ids:
            self._held.pop(OfferId(offer_id), None)

    def since(self, room: Room) -> float:
        return min(self._held[offer.offer_id][1] for offer in room.offers)

    def rooms(self) -> dict[AgentId, Room]:
        grouped: dict[AgentId, list[Offer]] = {}
        for offer, _ in self._held.values():
            grouped.setdefault(offer.agent_id, []).append(offer)
        rooms = {each: Room(each, tuple(held), EMPTY) for each, held in grouped.items()}
        for room in rooms.values():
            room.left = room.resources
        return rooms
