"""What is no message at all, or none that may be: cut short, garbage, nested without end, too
large. Each ends the session of whoever says it, and nothing else.
"""

from collections.abc import Iterator, Mapping

from tests.fuzz.kinds import ACCEPTED, ENDED
from tests.fuzz.masters import LIMIT
from tests.fuzz.outcome import Door, Outcome, World, varint

DEEP = 10_000
UNKNOWN = 9_999
"""A field of no message."""
_START, _END = 3, 4


def nested(depth: int = DEEP) -> bytes:
    """Groups in groups: what a reader does not know, it still has to walk through."""
    return varint(UNKNOWN << 3 | _START) * depth + varint(UNKNOWN << 3 | _END) * depth


def forgeries(good: bytes) -> Mapping[str, tuple[bytes, str]]:
    """Made of a good message: what is said instead, and what must come of it."""
    unknown = varint(UNKNOWN << 3 | 2) + varint(3) + b"abc"
    return {
        "cut": (good[:-1], ENDED),
        "garbage": (b"\xff" * 20, ENDED),
        "zeros": (bytes(64), ENDED),
        "deep": (good + nested(), ENDED),
        "huge-length": (good + varint(UNKNOWN << 3 | 2) + varint(2**40), ENDED),
        "too-large": (good + varint(UNKNOWN << 3 | 2) + varint(LIMIT) + bytes(LIMIT), ENDED),
        "unknown-field": (good + unknown, ACCEPTED),
    }


def said_raw(door: Door) -> Iterator[tuple[str, str, str, bytes, str]]:
    """When, body, kind, bytes and what must come of it; a body that fits the moment."""
    for when in door.moments():
        world: World = door.world(when)
        for body in bodies(door, when):
            good = world.template(body).SerializeToString()
            for kind, (data, expected) in forgeries(good).items():
                if not door.opening and kind == "too-large":
                    continue  # of calls, gRPC itself refuses what is too large
                if good or kind not in ("cut", "zeros"):
                    yield when, body, kind, data, expected


def bodies(door: Door, when: str) -> tuple[str, ...]:
    """One that may be said at that moment."""
    names = [field.name for field in door.message.DESCRIPTOR.fields if field.message_type]
    fitting = [name for name in names if door.is_expected(name, when)]
    return tuple(fitting[:2]) or (door.message.DESCRIPTOR.fields[0].name,)


def is_right(outcome: Outcome, expected: str) -> bool:
    """What may be read twice may be refused the second time, as a duplicate is."""
    return outcome.what == expected or (expected == ACCEPTED and outcome.what != ENDED)
