"""What a framework has refused, of one agent or of all of a kind, and the law that it is offered
none of that while it lasts. What tasks hold of their own and what is lent are refused apart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, Offer

from .laws import ViolationError

SURELY_ALIKE = 16
"""Of so many refusals of a kind of agents the master makes no single ones."""
Kind = tuple[object, ...]


class Refusal(NamedTuple):
    """Nothing that this contains, until then."""

    resources: Resources
    until: float
    is_of_lent: bool


@dataclass(slots=True)
class Refusals:
    """Of one framework."""

    _known: dict[tuple[Role, AgentId | Kind], list[Refusal]] = field(default_factory=dict)

    def add(
        self,
        now: float,
        offer: Offer,
        info: AgentInfo,
        refused: Resources,
        lasts_s: float,
        *,
        is_alike: bool,
    ) -> None:
        place = kind_of(info) if is_alike else offer.agent_id
        known = self._known.setdefault((offer.role, place), [])
        known[:] = [each for each in known if each.until > now]
        known.append(Refusal(refused, now + lasts_s, bool(offer.revocable)))

    def clear(self, roles: Iterable[Role]) -> None:
        for key in [key for key in self._known if key[0] in roles]:
            del self._known[key]

    def leapt(self, seconds: float) -> None:
        """By the master's own clock they are over so much earlier."""
        for known in self._known.values():
            known[:] = [each._replace(until=each.until - seconds) for each in known]

    def may_last(self, role: Role, info: AgentInfo, since: float) -> bool:
        """Any of them."""
        return any(each.until > since for each in self._of(role, info))

    def check(self, now: float, offer: Offer, info: AgentInfo) -> None:
        """An offer that was made just now."""
        whole = offer.resources + offer.revocable
        for refused, until, is_of_lent in self._of(offer.role, info, most_of_kind=SURELY_ALIKE):
            is_meant = bool(offer.revocable) is is_of_lent
            if is_meant and now < until - 0.001 and refused.contains(whole):
                raise ViolationError(
                    "filters are honoured",
                    f"{offer.offer_id} of {offer.agent_id}: {whole};"
                    f" {refused} were refused until {until:.3f}",
                )

    def _of(
        self, role: Role, info: AgentInfo, most_of_kind: float = float("inf")
    ) -> Iterator[Refusal]:
        yield from self._known.get((role, info.agent_id), ())
        of_kind = self._known.get((role, kind_of(info)), [])
        if len(of_kind) <= most_of_kind:
            yield from of_kind


def kind_of(info: AgentInfo) -> Kind:
    """What agents have in common that are refused alike."""
    models = sorted({gpu.model for gpu in info.gpus})
    return (*sorted(info.attributes.items()), info.zone, info.rack, *models)
