"""One end of a session: a bounded queue on the way out, callbacks on the way in, one reason at the
end. Neither gRPC nor protos are known here: `common.rpc` lends the stream and the codec.

Everything queued is written as one batch, because a message on the wire costs far more than what
is in it. Nothing here waits for the peer: who reads too slowly loses its session, alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Protocol

from .dataclass import dataclass
from .errors import FairleadError, InvalidFieldError
from .messages import Code

FLUSH_S = 5.0
"""How long a session that is being ended may take to write what is queued."""

PEER_GONE = "the peer is gone"

_LOOKS = 12
"""So often a batch is found still unread before its peer is given up: a stop of this process, and
be it long, is no more than one look.
"""

_FAIRNESS = 200
"""Messages of one batch that are handed over before the loop may look at anything else."""


class Transport(Protocol):
    """What a shell needs of a session; may be replaced without touching a core."""

    def send(self, message: object) -> None: ...

    def close(self, code: Code, message: str = "") -> None: ...

    @property
    def closed(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may cost."""

    queued_messages: int = 50_000
    queued_bytes: int = 16 * 1024**2
    batch_bytes: int = 1024**2
    message_bytes: int = 4 * 1024**2
    unread_s: float = 60.0
    """So long one batch may wait for a peer that does not read, however little is queued. Time in
    which this process itself stood still is not counted.
    """


DEFAULT_LIMITS = Limits()


async def always_ready() -> None:
    """Whoever takes everything at once, or bounds it elsewhere."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Called on the loop, one at a time, and never from within `send` or `close`.

    `on_closed` comes exactly once and last. `on_invalid` gets a message that could be read but not
    accepted, with the call id if it had a usable one; the session goes on.

    Before each of either kind `ready` is awaited. While it waits nothing more is read, so that the
    peer's own queue fills instead of the owner's.
    """

    on_message: Callable[[object], None]
    on_closed: Callable[[Code, str], None]
    on_invalid: Callable[[InvalidFieldError, str], None]
    ready: Callable[[], Awaitable[None]] = always_ready


@dataclass(frozen=True, slots=True)
class Invalid:
    """What a codec gives in place of a message that could be read but not accepted."""

    error: InvalidFieldError
    call_id: str


class Codec(Protocol):
    """Between messages and batches; the encoded messages of a batch are simply joined."""

    def encode(self, message: object) -> bytes: ...

    def decode(self, batch: bytes) -> Iterator[object]:
        """Yields messages and Invalids; raises RemoteProtocolError if it cannot be read."""
        ...


class Stream(Protocol):
    """The bytes of one session, in batches."""

    async def read(self) -> bytes | None:
        """The next batch; None when there will be no more."""
        ...

    async def write(self, batch: bytes) -> bool:
        """False when the stream is broken."""
        ...

    async def finish(self, code: Code, message: str) -> None:
        """Say goodbye; returns when the peer has it, or cannot get it."""
        ...

    async def outcome(self) -> tuple[Code, str]:
        """How the stream ended, once `read` has returned None."""
        ...


class Session:
    """Sends without waiting, delivers in order, and ends once, with a reason."""

    def __init__(self, codec: Codec, limits: Limits = DEFAULT_LIMITS, peer: str = "") -> None:
        self.peer = peer
        self._codec = codec
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._writing: object = None
        """Another for each batch; None between them."""
        self._wake = asyncio.Event()
        self._reason: tuple[Code, str] | None = None
        self._is_ended_by_peer = False
        self._ended = asyncio.Event()
        self._finished = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Nothing more will be sent or delivered."""
        return self._reason is not None

    @property
    def queued(self) -> int:
        """How many messages wait to be written."""
        return len(self._queue)

    def send(self, message: object) -> None:
        """Queue a message; a session that takes no more is ended, and the message is lost."""
        if self.closed:
            return
        data = self._codec.encode(message)
        limits = self._limits
        count, size = len(self._queue), self._queued_bytes + len(data)
        if len(data) > limits.message_bytes:
            what = f"a {type(message).__name__} of {len(data)} bytes"
            self.close(Code.REFUSED, f"{what} exceeds the limit of {limits.message_bytes}")
        elif count >= limits.queued_messages or size > limits.queued_bytes:
            self._abandon(Code.SLOW_CONSUMER, f"{count} messages were not read in time")
        else:
            self._queue.append(data)
            self._queued_bytes = size
            self._wake.set()

    def close(self, code: Code, message: str = "") -> None:
        """Deliver nothing more, write what is queued, and end. The first reason stands."""
        if self._reason is None:
            self._reason = code, message
            self._ended.set()
            self._wake.set()

    async def wait_finished(self, timeout_s: float) -> bool:
        """Whether, within that time, all has been written and the stream has ended."""
        try:
            await asyncio.wait_for(self._finished.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def run(self, stream: Stream, callbacks: Callbacks) -> None:
        """For the transport: live until either side ends it."""
        reader = asyncio.create_task(self._read(stream, callbacks))
        writer = asyncio.create_task(self._write(stream))
        reported = False
        try:
            if await self._is_unread():
                writer.cancel()
            reported = True
            self._report(callbacks)
            await asyncio.wait({writer}, timeout=FLUSH_S)
            writer.cancel()
            if self._reason is not None and not self._is_ended_by_peer:
                await stream.finish(*self._reason)
        finally:
            if not reported:  # cancelled, because the stream is gone under us
                self._end_by_peer(Code.UNSPECIFIED, PEER_GONE)
                self._report(callbacks)
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            self._finished.set()

    async def _is_unread(self) -> bool:
        """Wait for the end; whether it came because the peer did not read."""
        limit, seen, looks = self._limits.unread_s, None, 0
        while not self._ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(limit / _LOOKS):
                    await self._ended.wait()
            looks = looks + 1 if seen is self._writing is not None else 0
            seen = self._writing
            if looks == _LOOKS and not self.closed:
                self._abandon(Code.SLOW_CONSUMER, f"nothing was read for {limit:g} s")
                return True
        return False

    def _abandon(self, code: Code, message: str) -> None:
        """End without writing what is queued."""
        self._queue.clear()
        self._queued_bytes = 0
        self.close(code, message)

    def _end_by_peer(self, code: Code, message: str) -> None:
        if self._reason is None:
            self._is_ended_by_peer = True
            self.close(code, message)

    def _report(self, callbacks: Callbacks) -> None:
        assert self._reason is not None
        self._call(callbacks.on_closed, *self._reason)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        """A callback that raises is our own bug: the loop's exception handler judges it."""
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - handed on
            asyncio.get_running_loop().call_exception_handler(
                {
                    "message": f"a callback of the session with {self.peer} failed",
                    "exception": error,
                }
            )
            self._abandon(Code.UNSPECIFIED, "internal error")

    async def _read(self, stream: Stream, callbacks: Callbacks) -> None:
        while (batch := await stream.read()) is not None:
            # After our own end the peer is still read, or our goodbye might never reach it.
            if not self.closed:
                await self._deliver(batch, callbacks)
        self._end_by_peer(*await stream.outcome())

    async def _deliver(self, batch: bytes, callbacks: Callbacks) -> None:
        limit = self._limits.message_bytes
        if len(batch) > limit:
            self.close(
                Code.UNREADABLE, f"a message of {len(batch)} bytes exceeds the limit of {limit}"
            )
            return
        try:
            for number, message in enumerate(self._codec.decode(batch), 1):
                await callbacks.ready()
                if self.closed:
                    return
                if isinstance(message, Invalid):
                    self._call(callbacks.on_invalid, message.error, message.call_id)
                else:
                    self._call(callbacks.on_message, message)
                if number % _FAIRNESS == 0:
                    await asyncio.sleep(0)
        except FairleadError as error:
            self.close(Code.UNREADABLE, error.message)

    async def _write(self, stream: Stream) -> None:
        is_open = True
        while is_open:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and is_open:
                is_open = await self._write_batch(stream)
            is_open = is_open and not self.closed

    async def _write_batch(self, stream: Stream) -> bool:
        self._writing = object()
        is_open = await stream.write(self._take())
        self._writing = None
        return is_open

    def _take(self) -> bytes:
        """As much of the queue as one batch may hold; at least one message."""
        parts = [self._queue.popleft()]
        size = len(parts[0])
        while self._queue and size + len(self._queue[0]) <= self._limits.batch_bytes:
            part = self._queue.popleft()
            parts.append(part)
            size += len(part)
        self._queued_bytes -= size
        return b"".join(parts)
