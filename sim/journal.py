"""What happened in a simulated life: counted, hashed, and the last of it kept to be read.

The digest covers every delivered message and every side effect with its time, so two lives with
the same digest were the same life.
"""

import hashlib
from collections import deque
from dataclasses import dataclass, field

from .show import brief

KEPT = 200


@dataclass(slots=True)
class Journal:
    """Counters are plain dicts, filled in order of first appearance."""

    events: dict[str, int] = field(default_factory=dict)
    """Core and kind of event or message → how often."""
    faults: dict[str, int] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    hashed: int = 0
    _hash: "hashlib.blake2b" = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    _last: deque[tuple[float, str, str, object]] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def note(self, now: float, who: str, what: str, thing: object = "") -> None:
        """Something that belongs to this life and to no other."""
        self.hashed += 1
        self._hash.update(f"{now!r} {who} {what} {thing!r}\n".encode())
        self._last.append((now, who, what, thing))

    def remark(self, now: float, who: str, what: str, thing: object = "") -> None:
        """Of use to whoever reads; follows from what is hashed."""
        self._last.append((now, who, what, thing))

    def last_lines(self) -> list[str]:
        return [f"{t:10.4f} {who:12} {what:9} {brief(thing)}" for t, who, what, thing in self._last]


def count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
