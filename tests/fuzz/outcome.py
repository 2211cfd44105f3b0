"""What came of a message, as the worlds tell it and the fuzz test judges it."""

from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

BEFORE, AFTER = "before", "after"
"""Said before the session is open (subscribed, registered), or after."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accepted, refused or ended, and the words with it."""

    what: str
    words: str = ""


class World(Protocol):
    """Real cores without sockets, one hostile peer, and bystanders."""

    when: str

    @property
    def is_open(self) -> bool: ...

    """Whether the hostile one may go on."""
    stolen: dict[str, str]
    """What belongs to a bystander, by the name of the field that would name it."""

    def template(self, body: str) -> Message:
        """A message of this kind that is accepted as it is."""
        ...

    def send(self, data: bytes) -> Outcome:
        """The hostile peer says this, and all comes to rest."""
        ...

    def digest(self) -> str:
        """All that the cores know, but for clocks."""
        ...

    def bystanders(self) -> str:
        """What must never change, whatever is said."""
        ...

    def prove(self) -> None:
        """After what was accepted: the world goes on, and what it shows can be read."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """One way in for a peer: a stream in one direction, or a request."""

    name: str
    message: Any
    """The proto class of what is said there."""
    world: Any
    """Makes a World, of a session that is not open yet or is."""
    opening: str = ""
    """What opens a session; empty: nothing has to."""
    reopens: bool = False
    """The opening may be said again."""
    is_call: bool = True
    """What is refused there ends nothing."""

    def moments(self) -> tuple[str, ...]:
        return (BEFORE, AFTER) if self.opening else (AFTER,)

    def is_expected(self, body: str, when: str) -> bool:
        """Whether this may be said at that moment."""
        if not self.opening or (body == self.opening and self.reopens):
            return True
        return (body == self.opening) == (when == BEFORE)


def varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def batch_of(data: bytes) -> bytes:
    """A batch with one message: its field `messages` has the number 1."""
    return b"\x0a" + varint(len(data)) + data
