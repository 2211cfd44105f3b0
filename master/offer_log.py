"""What became of offers lately, in a ring: whoever reads too slowly loses what falls out of it.

The parts of the core write, `offer_watch` reads. Each offer has one entry when it is made and one
when it ends, whatever happens in between.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import field
from itertools import islice

from fairlead.common.dataclass import dataclass
from fairlead.common.operators import OfferEventKind
from fairlead.common.values import Offer

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, at a time of the core's."""

    number: int
    at: float
    kind: OfferEventKind
    offer: Offer
    message: str = ""


@dataclass(slots=True)
class OfferLog:
    """Numbered from 1, without a gap."""

    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))
    next_number: int = 1

    def add(self, at: float, kind: OfferEventKind, offer: Offer, message: str) -> None:
        self._entries.append(Entry(self.next_number, at, kind, offer, message))
        self.next_number += 1

    @property
    def first_number(self) -> int:
        """The oldest that is kept, or the next."""
        return self.next_number - len(self._entries)

    def since(self, number: int, most: int) -> Sequence[Entry] | None:
        """From that number on, at most so many; None: some of them are not kept any more."""
        begin = number - self.first_number
        return None if begin < 0 else tuple(islice(self._entries, begin, begin + most))
