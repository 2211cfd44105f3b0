"""The fuzzer: every field of every message that a peer may say, with every kind of value.

`cases` walks them, `Judge` says each to a world and holds what comes of it against `fields.txt`.
A field without a row there has no place in the program: somebody must decide what it may hold.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.fuzz.clients import (
    SAMPLES,
    CommandsWorld,
    LogWorld,
    OperatorWorld,
    WithdrawWorld,
    reader_of,
)
from tests.fuzz.followers import AgentUnderWorld, DriverWorld
from tests.fuzz.kinds import (
    ACCEPTED,
    CLASSES,
    ENDED,
    FOREIGN,
    MARKER,
    NO_TEXT,
    REFUSED,
    STOLEN,
    UNSUPPORTED,
    Setter,
    kinds,
)
from tests.fuzz.masters import AgentWorld, FrameworkWorld
from tests.fuzz.outcome import Door, Outcome, World
from tests.fuzz.trainers import ANSWERS, OrderWorld, SubmitWorld
from tests.fuzz.walk import Spot, is_repeated, parent_of, spots

from fairlead.common import wire
from fairlead.protos import agent_pb2, framework_pb2, operator_pb2

HERE = Path(__file__).parent
MIN_WORD = 2
LIKE_MISSING = ("wrong-type", "empty", "zero", "minus-zero")
"""Kinds that a reader cannot, or need not, tell from a field that is not there."""
ABSENT = ("missing", *LIKE_MISSING[:1])
LAWFUL = "lawful"
"""Of what is another's: whoever may say this may name it."""
TABLE = HERE / "fields.txt"
CORPUS = HERE / "corpus.txt"

DOORS: Mapping[str, Door] = {
    door.name: door
    for door in (
        Door("framework-to-master", framework_pb2.FrameworkMessage, FrameworkWorld, "subscribe"),
        Door("agent-to-master", agent_pb2.AgentMessage, AgentWorld, "register"),
        Door("operator-to-master", operator_pb2.OperatorCall, OperatorWorld),
        Door("master-to-agent", agent_pb2.MasterToAgent, AgentUnderWorld, "registered", True),
        Door(
            "master-to-framework", framework_pb2.MasterToFramework, DriverWorld, "subscribed", True
        ),
        Door("submit-command", wire._proto_class("SubmitCommand"), CommandsWorld),
        Door("withdraw-command", wire._proto_class("WithdrawCommand"), WithdrawWorld),
        Door("submit-job", wire._proto_class("SubmitJob"), SubmitWorld),
        Door("order-job", wire._proto_class("OrderJob"), OrderWorld),
        Door("read-log", agent_pb2.LogQuery, LogWorld),
        *(
            Door(type(each).__name__, wire._proto_class(type(each).__name__), reader_of(each))
            for each in (*SAMPLES, *ANSWERS)
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of a field."""

    cls: str
    rules: Mapping[str, str]
    """Outcomes of kinds that differ from those of the class; with `@doors`: there alone."""

    def rule(self, kind: str, door: str) -> str | None:
        for rule in self.rules.get(kind, "").split(";"):
            outcome, _, doors = rule.partition("@")
            if outcome and (not doors or door in doors.split(",")):
                return outcome
        return None


@cache
def table() -> Mapping[str, Row]:
    """By `Message.field`."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words:
            name, cls, *rules = words
            assert name not in rows, f"{name} has two rows in {TABLE.name}"
            assert cls in CLASSES, f"{name}: no class {cls}"
            rows[name] = Row(cls, dict(rule.split("=") for rule in rules))
    return rows


def row_of(name: str) -> Row:
    """Whoever adds a field decides what it may hold."""
    if name not in table():
        raise LookupError(f"{name} has no row in tests/fuzz/{TABLE.name}: what may it hold?")
    return table()[name]


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile value in one place at one moment."""

    door: Door
    when: str
    spot: Spot
    kind: str
    put: Setter
    expected: str
    by_class: str
    """What the class alone says: what is wrong wherever the message stands."""

    def __str__(self) -> str:
        return f"{self.door.name} {self.when} {self.spot} {self.kind}"


def cases(*, every: int = 1) -> Iterator[Case]:
    """All of them, in an order that never changes. Of those that teach little one of so many: where
    the same field was tried with the same value before, or nothing may stand at all.
    """
    number = 0
    tried: set[tuple[str, str]] = set()
    rows: set[str] = set()
    for door in DOORS.values():
        for when in door.moments():
            for spot in spots(door.message.DESCRIPTOR):
                for case in cases_of(door, when, spot):
                    known = (spot.row, case.kind)
                    # To a reader the wrong type is as if it were missing.
                    is_vain = is_out_of_place(case) and spot.row in rows
                    if known in tried or case.kind == "wrong-type" or is_vain:
                        number += 1
                        if number % every:
                            continue
                    tried.add(known)
                    rows.add(spot.row)
                    yield case


def is_out_of_place(case: Case) -> bool:
    """Said too early or too late, or inside of what this version does not do."""
    is_expected = case.door.is_expected(case.spot.body, case.when)
    return not is_expected or (len(case.spot.steps) > 3 and _is_unsupported(case))


def cases_of(door: Door, when: str, spot: Spot) -> Iterator[Case]:
    row = row_of(spot.row)
    for kind, (put, by_class) in kinds(spot, row.cls).items():
        expected = row.rule(kind, door.name)
        if expected is None and kind in LIKE_MISSING:
            expected = row.rule("missing", door.name)
        yield Case(door, when, spot, kind, put, expected or by_class, by_class)
    if row.cls in ("id", "key", "role") and row.rules.get(STOLEN) != LAWFUL:
        expected = row.rule(STOLEN, door.name) or row.rule("foreign", door.name)
        yield Case(door, when, spot, STOLEN, _never, expected or ACCEPTED, ACCEPTED)


def _never(_message: object, _field: object) -> None:
    raise AssertionError("what is stolen depends on the world")


@dataclass(slots=True)
class Judge:
    """Says cases to worlds, which it keeps as long as nothing has changed in them."""

    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {"message": Counter(), "kind": Counter(), "outcome": Counter()}
    )
    failures: list[str] = field(default_factory=list)
    _world: World | None = None
    _of: tuple[str, str] = ("", "")
    _digest: str = ""
    _bystanders: str = ""

    def judge(self, case: Case) -> None:
        """What is wrong goes to `failures`."""
        try:
            outcome = self._try(case)
            self._count(case, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are looking for
            self._world = None
            self.failures.append(f"{case}: {type(error).__name__}: {str(error)[:300]}")

    def _count(self, case: Case, outcome: Outcome) -> None:
        self.counts["message"][case.spot.row.partition(".")[0]] += 1
        self.counts["kind"][case.kind] += 1
        self.counts["outcome"][outcome.what] += 1

    def _try(self, case: Case) -> Outcome:
        world = self._world_of(case)
        data = message_of(case, world)
        outcome = world.send(data)
        is_unchanged = world.digest() == self._digest
        if outcome.what != REFUSED or not is_unchanged:
            self._world = None
        assert world.bystanders() == self._bystanders, "a bystander has felt it"
        if outcome.what == REFUSED:
            assert is_unchanged or _is_of_task(case), f"refused ({outcome.words}), yet it changed"
        if outcome.what == ACCEPTED:
            world.prove()
            assert world.bystanders() == self._bystanders, "a bystander has felt what followed"
        _compare(case, outcome)
        return outcome

    def _world_of(self, case: Case) -> World:
        of = (case.door.name, case.when)
        if self._world is None or self._of != of:
            self._world = case.door.world(case.when)
            self._of = of
            self._digest = self._world.digest()
            self._bystanders = self._world.bystanders()
        return self._world


def message_of(case: Case, world: World) -> bytes:
    """The bytes of what is said."""
    message = world.template(case.spot.body)
    parent = parent_of(message, case.spot)
    if case.kind == STOLEN:
        value = world.stolen.get(case.spot.steps[-1], FOREIGN)
        is_many = case.spot.field.is_repeated
        if is_many:
            getattr(parent, case.spot.field.name)[:] = [value]
        else:
            setattr(parent, case.spot.field.name, value)
    else:
        case.put(parent, case.spot.field)
    data: bytes = message.SerializeToString()
    return data.replace(MARKER.encode(), NO_TEXT) if case.kind.endswith("no-text") else data


def _is_of_task(case: Case) -> bool:
    """A task that is refused in an accept uses up its offer; a stranger's hello its session."""
    return case.spot.body in ("accept", "run_accept", "decline", "subscribe", "register")


def _compare(case: Case, outcome: Outcome) -> None:
    words = f"{outcome.what} ({outcome.words[:160]})"
    if case.spot.row == "FrameworkMessage.call_id" and outcome.what == ACCEPTED:
        return  # what bears no id is not answered
    if not case.door.is_expected(case.spot.body, case.when):
        expected = {REFUSED, ENDED} if case.door.opening else {case.expected}
        if case.door.reopens:
            expected = {REFUSED, ENDED, ACCEPTED}
        assert outcome.what in expected, f"came out of turn, and is {words}"
        return
    expected = set(_expected(case).split("|"))
    if REFUSED in expected and outcome.what == ENDED and ENDED not in expected:
        # Where nothing can be answered, a refusal is the end of the session.
        assert case.door.name != "framework-to-master", f"should be refused, is {words}"
    else:
        assert outcome.what in expected, f"should be {'|'.join(expected)}, is {words}"
    if outcome.what != ACCEPTED and ENDED not in expected:
        assert _names(outcome.words, case.spot), f"is {words}: which field?"


def _names(words: str, spot: Spot) -> bool:
    """Whether they say which field: it, what it stands in, or what is missing in it."""
    names = {*spot.steps[1:], spot.steps[-1], "body"}
    if spot.field.message_type is not None:
        names |= {each.steps[-1] for each in spots(spot.field.message_type)}
    parts = {part for name in names for part in name.split("_") if len(part) > MIN_WORD}
    return any(part in words for part in parts)


def _expected(case: Case) -> str:
    if _is_unsupported(case):
        return f"{case.expected}|{REFUSED}".removeprefix(f"{ACCEPTED}|")
    return case.expected


def _is_unsupported(case: Case) -> bool:
    """At and beneath what this version does not do, everything is refused that is there."""
    here = case.door.message.DESCRIPTOR
    for number, step in enumerate(case.spot.steps, 1):
        is_there = number < len(case.spot.steps) or not _is_absent(case)
        doors = row_of(f"{here.name}.{step}").rules.get(UNSUPPORTED, "").split(",")
        if case.door.name in doors and is_there:
            return True
        here = here.fields_by_name[step].message_type
    return False


def _is_absent(case: Case) -> bool:
    """A reader cannot see that anything stands in the field."""
    can_be_told = case.spot.field.has_presence or is_repeated(case.spot.field)
    return case.kind in ABSENT or (case.kind in LIKE_MISSING and not can_be_told)


def corpus() -> list[Case]:
    """What once failed, or is worth to be tried first; one per line."""
    found = []
    for line in CORPUS.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words:
            found.append(case_named(*words))
    return found


def case_named(door_name: str, when: str, path: str, kind: str) -> Case:
    door = DOORS[door_name]
    for spot in spots(door.message.DESCRIPTOR):
        if str(spot) == path:
            for case in cases_of(door, when, spot):
                if case.kind == kind:
                    return case
    raise LookupError(f"{door_name} {when} {path} {kind}: there is no such case any more")
