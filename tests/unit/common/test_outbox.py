"""What leaves, leaves in the pushed order, and never before an earlier Record is durable."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.common.events import Record
from fairlead.common.outbox import Outbox

Change = tuple[str, bytes | None]
Done = Callable[[BaseException | None], None]


class Here:
    """A loop that runs at once what it is handed."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object:
        return callback()


@dataclass
class FakeStore:
    """Completes a commit when told to."""

    waiting: list[tuple[Sequence[Change], Done]] = field(default_factory=list)
    durable: list[Change] = field(default_factory=list)

    def commit(self, changes: Sequence[Change], on_done: Done) -> None:
        self.waiting.append((changes, on_done))

    def complete(self) -> None:
        changes, on_done = self.waiting.pop(0)
        self.durable.extend(changes)
        on_done(None)

    def fail(self, error: Exception) -> None:
        self.waiting.pop(0)[1](error)


def encode(record: Record) -> Change:
    return record.key, None if record.value is None else str(record.value).encode()


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no words")


class World:
    def __init__(self, perform: Callable[[object], None] | None = None) -> None:
        self.store = FakeStore()
        self.performed: list[object] = []
        self.failures: list[BaseException] = []
        self.outbox = Outbox(
            perform or self.performed.append, encode, self.store, Here(), self.failures.append
        )


def record(key: str = "k", value: object = 1) -> Record:
    return Record(key, value)


def test_with_nothing_pending_actions_are_performed_at_once() -> None:
    world = World()
    world.outbox.push(["a", "b"])
    assert world.performed == ["a", "b"]
    assert world.outbox.pending == 0


def test_a_record_holds_back_what_comes_after_it_and_nothing_before() -> None:
    world = World()
    world.outbox.push(["a", record(), "b"])
    world.outbox.push(["c"])
    assert world.performed == ["a"]
    world.store.complete()
    assert world.performed == ["a", "b", "c"]


def test_records_of_one_push_are_one_commit() -> None:
    world = World()
    world.outbox.push([record("x"), "a", record("y", None), "b"])
    assert [changes for changes, _ in world.store.waiting] == [[("x", b"1"), ("y", None)]]
    world.store.complete()
    assert world.performed == ["a", "b"]


def test_records_of_later_steps_reach_the_store_before_the_first_is_durable() -> None:
    # so that its thread can write them in one transaction
    world = World()
    world.outbox.push([record("x"), "a"])
    world.outbox.push([record("y"), "b"])
    assert len(world.store.waiting) == 2
    world.store.complete()
    assert world.performed == ["a"]
    world.store.complete()
    assert world.performed == ["a", "b"]


def test_what_performing_pushes_comes_behind_what_was_pushed_before() -> None:
    performed: list[object] = []

    def perform(action: object) -> None:
        performed.append(action)
        if action == "a":
            world.outbox.push(["echo"])

    world = World(perform)
    world.outbox.push(["a", "b"])
    assert performed == ["a", "b", "echo"]


def test_after_a_failed_commit_nothing_leaves_any_more() -> None:
    world = World()
    world.outbox.push([record("x"), "a"])
    world.outbox.push([record("y"), "b"])
    error = OSError("disk full")
    world.store.fail(error)
    world.store.complete()
    world.outbox.push(["c", record("z")])
    assert world.performed == []
    assert world.failures == [error]
    assert world.outbox.failure is error
    assert not world.store.waiting


def test_an_action_that_raises_ends_the_outbox() -> None:
    def perform(action: object) -> None:
        raise ValueError(action)

    world = World(perform)
    world.outbox.push(["a", "b"])
    assert [str(failure) for failure in world.failures] == ["a"]
    assert world.outbox.pending == 0


def test_a_record_that_cannot_be_encoded_ends_the_outbox() -> None:
    world = World()
    world.outbox.push([record(value=Unprintable()), "a"])
    assert [str(failure) for failure in world.failures] == ["no words"]
    assert world.performed == []


# --- draining


def test_drain_returns_when_all_has_left() -> None:
    async def scenario() -> None:
        world = World()
        world.outbox.push([record(), "a"])
        asyncio.get_running_loop().call_later(0.01, world.store.complete)
        await world.outbox.drain(10)
        assert world.performed == ["a"]

    asyncio.run(scenario())


def test_drain_says_what_still_waits() -> None:
    async def scenario() -> None:
        world = World()
        world.outbox.push([record(), "a"])
        with pytest.raises(TimeoutError, match="2 actions still wait for the disk after"):
            await world.outbox.drain(0.01)

    asyncio.run(scenario())


def test_drain_raises_what_ended_the_outbox() -> None:
    async def scenario() -> None:
        world = World()
        world.outbox.push([record(), "a"])
        world.store.fail(OSError("disk full"))
        with pytest.raises(OSError, match="disk full"):
            await world.outbox.drain(10)

    asyncio.run(scenario())


def test_an_answer_after_the_loop_has_closed_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    store = FakeStore()
    outbox = Outbox(lambda _: None, encode, store, loop, lambda _: None)
    outbox.push([record(), "a"])
    loop.close()
    store.complete()
    assert outbox.pending == 2


# --- any sequence of pushes and completions

COMPLETE = "complete"
FAIL = "fail"
pushes = st.lists(st.booleans(), max_size=5)  # True: a Record
operations = st.lists(st.one_of(pushes, st.sampled_from([COMPLETE, COMPLETE, COMPLETE, FAIL])))


def allowed(pushed: Sequence[object], durable: set[str]) -> list[object]:
    """The actions before the first Record that is not durable."""
    actions = []
    for action in pushed:
        if not isinstance(action, Record):
            actions.append(action)
        elif action.key not in durable:
            break
    return actions


def operate(world: World, operation: list[bool] | str, first: int) -> list[object]:
    """Do one thing; returns what was pushed, numbered from `first`."""
    if isinstance(operation, str):
        if world.store.waiting and operation == COMPLETE:
            world.store.complete()
        elif world.store.waiting:
            world.store.fail(OSError())
        return []
    actions: list[object] = [
        record(str(number)) if is_record else number
        for number, is_record in enumerate(operation, first)
    ]
    world.outbox.push(actions)
    return actions


@given(operations)
def test_order_and_barriers_hold_for_any_interleaving(sequence: list[list[bool] | str]) -> None:
    world = World()
    pushed: list[object] = []
    for operation in sequence:
        had_failed = bool(world.failures)
        before = list(world.performed)
        pushed += operate(world, operation, len(pushed))
        if had_failed:
            assert world.performed == before
        else:
            assert world.performed == allowed(pushed, {key for key, _ in world.store.durable})
