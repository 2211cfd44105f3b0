"""Long ways instead of single steps: many messages to one world, valid ones and hostile ones with
several bad fields at once, in an order that only a seed knows.

Nothing is expected of a single message here but that it breaks nothing: the books balance, whoever
listens can read what is said, and the bystanders are alive.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from tests.fuzz.fuzzing import DOORS, Case, cases_of, message_of
from tests.fuzz.kinds import ENDED, MARKER, NO_TEXT, STOLEN
from tests.fuzz.outcome import BEFORE, Door, World
from tests.fuzz.walk import parent_of, spots

STEPS = 25
MOST_BAD = 3
COSTLY = ("megabyte", "many", "bulk", "value-megabyte", "key-megabyte")
"""Kinds that are tried one by one elsewhere, and would only slow a walk down."""
WALKED = (
    "framework-to-master",
    "agent-to-master",
    "operator-to-master",
    "master-to-agent",
    "master-to-framework",
    "submit-command",
    "submit-job",
)


@dataclass(slots=True)
class Walks:
    """Walk after walk; what went wrong, by the seed that shows it again."""

    failures: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def walk(self, seed: int) -> None:
        chance = random.Random(seed)
        door = DOORS[chance.choice(WALKED)]
        said: list[str] = []
        try:
            self._walk(chance, door, said)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are looking for
            what = f"{type(error).__name__}: {str(error)[:300]}"
            self.failures.append(f"seed {seed}, {door.name}, after {said}: {what}")

    def _walk(self, chance: random.Random, door: Door, said: list[str]) -> None:
        world: World = door.world(chance.choice(door.moments()))
        for _ in range(STEPS):
            data = _message(chance, door, world, said)
            outcome = world.send(data)
            self.counts[outcome.what] += 1
            if outcome.what == ENDED or not world.is_open:
                break
        world.prove()


def _message(chance: random.Random, door: Door, world: World, said: list[str]) -> bytes:
    """Of a kind that fits the moment, more often than not, with up to a few bad fields."""
    names = _bodies(door)
    fitting = [name for name in names if door.is_expected(name, world.when)]
    is_wild = world.when == BEFORE and chance.random() < 0.1
    body = chance.choice(names if is_wild or not fitting else fitting)
    bad = [chance.choice(_cases(door, body)) for _ in range(chance.randint(0, MOST_BAD))]
    said.append(" ".join([body, *(f"{case.spot}:{case.kind}" for case in bad)]))
    message = world.template(body)
    for case in bad:
        if case.kind != STOLEN:
            case.put(parent_of(message, case.spot), case.spot.field)
        else:
            message.MergeFromString(message_of(case, world))
    data: bytes = message.SerializeToString()
    return data.replace(MARKER.encode(), NO_TEXT)


@cache
def _bodies(door: Door) -> Sequence[str]:
    names = [field.name for field in door.message.DESCRIPTOR.fields if field.message_type]
    return tuple(names) or (door.message.DESCRIPTOR.fields[0].name,)


@cache
def _cases(door: Door, body: str) -> Sequence[Case]:
    return tuple(
        case
        for spot in spots(door.message.DESCRIPTOR)
        if spot.body == body
        for case in cases_of(door, BEFORE, spot)
        if case.kind not in COSTLY
    )
