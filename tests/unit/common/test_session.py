"""One end of a session, over a stream that does as it is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from fairlead.common.errors import InvalidFieldError, RemoteProtocolError
from fairlead.common.messages import Code
from fairlead.common.session import DEFAULT_LIMITS, Callbacks, Invalid, Limits, Session


class Words:
    """Messages are words, a batch is words with a blank behind each."""

    def encode(self, message: object) -> bytes:
        return f"{message} ".encode()

    def decode(self, batch: bytes) -> Iterator[object]:
        for word in batch.decode().split():
            if word == "UNREADABLE":
                raise RemoteProtocolError("cannot read this")
            if word.startswith("BAD"):
                yield Invalid(InvalidFieldError("word", "is bad"), word)
            else:
                yield word


@dataclass
class FakeStream:
    """Gives what is put into `incoming`; takes a batch whenever `taking` is set."""

    incoming: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    taking: asyncio.Event = field(default_factory=asyncio.Event)
    written: list[bytes] = field(default_factory=list)
    finished: list[tuple[Code, str]] = field(default_factory=list)
    is_broken: bool = False

    async def read(self) -> bytes | None:
        return await self.incoming.get()

    async def write(self, batch: bytes) -> bool:
        await self.taking.wait()
        if not self.is_broken:
            self.written.append(batch)
        return not self.is_broken

    async def finish(self, code: Code, message: str) -> None:
        self.finished.append((code, message))

    async def outcome(self) -> tuple[Code, str]:
        return Code.SILENT, "as told"


class World:
    """A session that runs, what it did, and the hands that move its stream."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.session = Session(Words(), limits, "peer")
        self.stream = FakeStream()
        self.stream.taking.set()
        self.heard: list[object] = []
        self.closed: list[tuple[Code, str]] = []
        self.invalid: list[tuple[str, str]] = []
        self.on_message: Callable[[object], None] = self.heard.append
        self.room = asyncio.Event()
        self.room.set()
        self.task = asyncio.create_task(
            self.session.run(
                self.stream,
                Callbacks(
                    self._hear,
                    lambda code, message: self.closed.append((code, message)),
                    lambda error, call_id: self.invalid.append((error.field, call_id)),
                    ready=self._ready,
                ),
            )
        )

    async def _ready(self) -> None:
        await self.room.wait()

    def _hear(self, message: object) -> None:
        self.on_message(message)

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.stream.incoming.put_nowait(None)
        self.stream.taking.set()
        await asyncio.wait_for(self.task, 10)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(timed())


# --- out


def test_all_that_is_queued_leaves_as_one_batch() -> None:
    async def scenario() -> None:
        world = World()
        for word in ("a", "b", "c"):
            world.session.send(word)
        assert world.session.queued == 3
        await world.settle()
        assert world.stream.written == [b"a b c "]
        assert world.session.queued == 0
        await world.end()

    run(scenario)


def test_what_is_sent_while_one_batch_is_written_is_the_next_batch() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.taking.clear()
        world.session.send("a")
        await world.settle()
        world.session.send("b")
        world.session.send("c")
        world.stream.taking.set()
        await world.settle()
        assert world.stream.written == [b"a ", b"b c "]
        await world.end()

    run(scenario)


def test_a_batch_has_a_bound_but_holds_at_least_one_message() -> None:
    async def scenario() -> None:
        world = World(Limits(batch_bytes=6))
        for word in ("aa", "bb", "cc", "longer-than-that", "d"):
            world.session.send(word)
        await world.settle()
        assert world.stream.written == [b"aa bb ", b"cc ", b"longer-than-that ", b"d "]
        await world.end()

    run(scenario)


@pytest.mark.parametrize("limits", [Limits(queued_messages=2), Limits(queued_bytes=5)])
def test_a_full_queue_ends_the_session(limits: Limits) -> None:
    async def scenario() -> None:
        world = World(limits)
        world.session.send("a")
        world.session.send("b")
        assert not world.closed
        world.session.send("c")
        assert world.session.closed
        assert world.closed == [], "reported from within send"
        await asyncio.wait_for(world.task, 10)
        reason = (Code.SLOW_CONSUMER, "2 messages were not read in time")
        assert world.closed == [reason]
        assert world.stream.finished == [reason]
        assert world.stream.written == []

    run(scenario)


def test_who_reads_nothing_for_too_long_is_slow_however_little_waits() -> None:
    async def scenario() -> None:
        world = World(Limits(unread_s=0.05))
        world.stream.taking.clear()
        world.session.send("word")
        await asyncio.wait_for(world.task, 10)
        reason = (Code.SLOW_CONSUMER, "nothing was read for 0.05 s")
        assert world.closed == world.stream.finished == [reason]

    run(scenario)


def test_while_this_process_stood_still_nobody_was_slow() -> None:
    async def scenario() -> None:
        world = World(Limits(unread_s=0.6))
        world.stream.taking.clear()
        world.session.send("word")
        await world.settle()
        time.sleep(0.7)  # noqa: ASYNC251 - as if stopped, and continued
        await world.settle()
        assert not world.session.closed
        world.stream.taking.set()
        await world.settle()
        assert world.stream.written == [b"word "]
        await world.end()

    run(scenario)


def test_bytes_that_have_left_no_longer_count() -> None:
    async def scenario() -> None:
        world = World(Limits(queued_bytes=6))
        for number in range(20):
            world.session.send(f"word{number % 10}"[-4:])
            await world.settle()
        assert not world.session.closed
        assert len(world.stream.written) == 20
        await world.end()

    run(scenario)


def test_a_message_that_exceeds_the_limit_ends_the_session_after_what_came_before() -> None:
    async def scenario() -> None:
        world = World(Limits(message_bytes=10))
        world.session.send("before")
        world.session.send("much-too-long")
        await asyncio.wait_for(world.task, 10)
        assert world.stream.written == [b"before "]
        assert world.closed == [(Code.REFUSED, "a str of 14 bytes exceeds the limit of 10")]

    run(scenario)


# --- in


def test_messages_are_handed_over_in_order_and_bad_ones_apart() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.incoming.put_nowait(b"a BAD1 b ")
        world.stream.incoming.put_nowait(b"c ")
        await world.settle()
        assert world.heard == ["a", "b", "c"]
        assert world.invalid == [("word", "BAD1")]
        assert not world.session.closed
        await world.end()

    run(scenario)


def test_what_cannot_be_read_ends_the_session_with_the_reason() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.incoming.put_nowait(b"a UNREADABLE b ")
        await asyncio.wait_for(world.task, 10)
        assert world.heard == ["a"]
        assert world.closed == world.stream.finished == [(Code.UNREADABLE, "cannot read this")]

    run(scenario)


def test_what_is_too_large_is_not_even_decoded() -> None:
    async def scenario() -> None:
        world = World(Limits(message_bytes=10))
        world.stream.incoming.put_nowait(b"UNREADABLE " * 10)
        await asyncio.wait_for(world.task, 10)
        assert world.closed == [(Code.UNREADABLE, "a message of 110 bytes exceeds the limit of 10")]

    run(scenario)


def test_a_long_batch_lets_the_loop_breathe() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.incoming.put_nowait(b"a " * 1000)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 0 < len(world.heard) < 1000
        await world.settle()
        assert len(world.heard) == 1000
        await world.end()

    run(scenario)


def test_an_owner_without_room_is_given_nothing_and_nothing_more_is_read() -> None:
    async def scenario() -> None:
        world = World()

        def full_after_two(word: object) -> None:
            world.heard.append(word)
            if len(world.heard) == 2:
                world.room.clear()

        world.on_message = full_after_two
        for batch in (b"a b c BAD1 ", b"d ", b"e "):
            world.stream.incoming.put_nowait(batch)
        await world.settle()
        assert (world.heard, world.invalid) == (["a", "b"], [])
        assert world.stream.incoming.qsize() == 2
        world.session.send("still heard")
        await world.settle()
        assert world.stream.written == [b"still heard "]
        world.room.set()
        await world.settle()
        assert world.heard == ["a", "b", "c", "d", "e"]
        assert world.invalid == [("word", "BAD1")]
        await world.end()

    run(scenario)


def test_a_session_that_ends_while_its_owner_has_no_room_delivers_nothing_more() -> None:
    async def scenario() -> None:
        world = World()
        world.room.clear()
        world.stream.incoming.put_nowait(b"a b ")
        await world.settle()
        world.session.close(Code.SUPERSEDED, "enough")
        world.room.set()
        await asyncio.wait_for(world.task, 10)
        assert world.heard == []
        assert world.closed == world.stream.finished == [(Code.SUPERSEDED, "enough")]

    run(scenario)


def test_a_callback_that_raises_is_judged_by_the_loop_and_ends_the_session() -> None:
    async def scenario() -> None:
        judged: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: judged.append(context["exception"])
        )
        world = World()
        error = AssertionError("no balance")

        def broken(_: object) -> None:
            raise error

        world.on_message = broken
        world.stream.incoming.put_nowait(b"a b ")
        await asyncio.wait_for(world.task, 10)
        assert judged == [error]
        assert world.closed == [(Code.UNSPECIFIED, "internal error")]

    run(scenario)


# --- the end


def test_closing_writes_what_is_queued_then_ends_with_the_first_reason() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.taking.clear()
        world.session.send("a")
        world.session.close(Code.SUPERSEDED, "first")
        world.session.close(Code.OK, "second")
        world.session.send("b")
        await world.settle()
        assert world.closed == [(Code.SUPERSEDED, "first")], "the report waits for nobody"
        assert world.stream.finished == []
        world.stream.taking.set()
        assert await world.session.wait_finished(10)
        assert world.stream.written == [b"a "]
        assert world.stream.finished == [(Code.SUPERSEDED, "first")]

    run(scenario)


def test_after_closing_nothing_is_heard() -> None:
    async def scenario() -> None:
        world = World()

        def close(message: object) -> None:
            world.heard.append(message)
            world.session.close(Code.OK)

        world.on_message = close
        world.stream.incoming.put_nowait(b"a b ")
        world.stream.incoming.put_nowait(b"c ")
        await asyncio.wait_for(world.task, 10)
        assert world.heard == ["a"]

    run(scenario)


def test_the_peer_that_ends_it_is_not_told_so_again() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.incoming.put_nowait(None)
        await asyncio.wait_for(world.task, 10)
        assert world.closed == [(Code.SILENT, "as told")]
        assert world.stream.finished == []

    run(scenario)


def test_a_broken_stream_stops_the_writer_until_the_reader_knows_why() -> None:
    async def scenario() -> None:
        world = World()
        world.stream.is_broken = True
        world.session.send("a")
        await world.settle()
        assert not world.session.closed
        world.stream.incoming.put_nowait(None)
        await asyncio.wait_for(world.task, 10)
        assert world.closed == [(Code.SILENT, "as told")]

    run(scenario)


def test_a_peer_that_does_not_read_the_rest_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fairlead.common.session.FLUSH_S", 0.01)

    async def scenario() -> None:
        world = World()
        world.stream.taking.clear()
        world.session.send("a")
        world.session.close(Code.OK)
        await asyncio.wait_for(world.task, 10)
        assert world.stream.written == []
        assert world.stream.finished == [(Code.OK, "")]

    run(scenario)


def test_when_the_transport_cancels_it_the_end_is_reported_once() -> None:
    async def scenario() -> None:
        world = World()
        await world.settle()
        assert not await world.session.wait_finished(0.01)
        world.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await world.task
        assert world.closed == [(Code.UNSPECIFIED, "the peer is gone")]
        assert await world.session.wait_finished(0.01)

    run(scenario)
