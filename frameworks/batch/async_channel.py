"""Frames over an asyncio connection, for the service and the drivers."""

import asyncio
import logging
import socket
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.common.loopback import LOOPBACK, check_host

from .frames import Buffer, Codec, Frame
from .handshake import Dialler, FrameError, Listener
from .protocol import split_address

if TYPE_CHECKING:  # without TLS only asyncio knows it
    from ssl import SSLContext

logger = logging.getLogger(__name__)

HANDSHAKE_S = 5.0
_LAST_WORDS_S = 2.0
"""So long may a channel that is being closed take to write what was sent."""
_ACCEPT_AGAIN_S = 1.0
STRANGERS = 256
"""So many connections may be shaking hands at once; for another one the oldest is closed."""


class ChannelUser(Protocol):
    """Who owns a channel. Any of these may close it; an exception closes it too."""

    def opened(self, channel: "AsyncChannel", /) -> None: ...

    def received(self, channel: "AsyncChannel", frames: Sequence[Frame], /) -> None: ...

    def closed(self, channel: "AsyncChannel", error: Exception | None, /) -> None:
        """Called once for each channel that was opened, or whose handshake this end began."""


class AsyncChannel(asyncio.BufferedProtocol):
    """One connection, from its handshake to its end."""

    def __init__(self, codec: Codec, user: ChannelUser) -> None:
        self._codec = codec
        self._user = user
        self._transport: asyncio.Transport | None = None
        self._error: Exception | None = None
        self._was_open = False
        self._is_unwanted = False
        self._gone = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def identity(self) -> str:
        """Who the dialler of this connection proved to be."""
        return self._codec.identity

    @property
    def waiting_bytes(self) -> int:
        """What was sent and has not left yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def send(self, kind: str, fields: Mapping[str, Any], buffers: Sequence[Buffer] = ()) -> None:
        """Sends nothing if the channel is closing."""
        if self._transport is None or self._transport.is_closing():
            return
        for part in self._codec.encode(kind, fields, buffers):
            self._transport.write(part)

    def close(self, error: Exception | None = None) -> None:
        """What was sent still leaves."""
        self._error = self._error or error
        self._is_unwanted = True
        if self._transport is not None:
            self._transport.close()

    async def hang_up(self) -> None:
        """Close, and return when its socket has been let go of."""
        self.close()
        try:
            await asyncio.wait_for(self._gone.wait(), _LAST_WORDS_S)
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()
                await self._gone.wait()

    def fileno(self) -> int:
        """Of its socket; -1 when it is closed."""
        return self._transport.get_extra_info("socket").fileno() if self._transport else -1

    def hand_over(self, user: ChannelUser) -> None:
        """From now on somebody else hears of this channel."""
        self._user = user

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._is_unwanted:  # closed while it was being accepted
            transport.close()
            return
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._too_slow)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._codec.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        try:
            frames = self._codec.buffer_updated(nbytes)
            if not self._was_open:
                self._flush()
                self._check_open()
            if frames and self._transport is not None and not self._transport.is_closing():
                self._user.received(self, frames)
        except FrameError as error:
            self._flush()
            self.close(error)
        except Exception as error:
            logger.exception("batch.frame_not_understood identity=%s", self.identity)
            self.close(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._transport = None
        self._gone.set()
        self._user.closed(self, self._error or exc)

    def _flush(self) -> None:
        for part in self._codec.take_output():
            assert self._transport is not None
            self._transport.write(part)

    def _check_open(self) -> None:
        if self._codec.is_open:
            self._was_open = True
            if self._deadline is not None:
                self._deadline.cancel()
            self._user.opened(self)

    def _too_slow(self) -> None:
        self.close(FrameError(f"no handshake within {HANDSHAKE_S:.0f} s"))


class ChannelListener:
    """Accepts connections of those who hold a key.

    By itself: an `asyncio.Server` that is closed while it accepts somebody never closes that
    connection (until Python 3.12, and nor does `wait_closed` wait for it).
    """

    def __init__(
        self,
        find_key: Callable[[str], bytes | None],
        user: ChannelUser,
        *,
        limit: int,
        read_size: int,
        context: "SSLContext | None" = None,
    ) -> None:
        self._find_key = find_key
        self._context = context
        self._user = user
        self._limit = limit
        self._read_size = read_size
        self._strangers: dict[AsyncChannel, socket.socket] = {}  # oldest first
        self._accepted: weakref.WeakSet[AsyncChannel] = weakref.WeakSet()
        self._entering: set[asyncio.Task[Any]] = set()
        self._socket: socket.socket | None = None

    async def listen(self, host: str = LOOPBACK, port: int = 0) -> str:
        """Start; returns the address."""
        check_host(host, has_tls=self._context is not None)
        self._socket = socket.create_server((host, port), backlog=1024)
        self._socket.setblocking(False)
        self._resume()
        host, port = self._socket.getsockname()[:2]
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Accept nobody any more, and hang up on everybody that ever was."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for channel in list(self._strangers):
            self._turn_away(channel)
        await asyncio.gather(*self._entering, return_exceptions=True)
        await asyncio.gather(*(channel.hang_up() for channel in list(self._accepted)))

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket else -1

    def _resume(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._on_caller, self._socket)

    def _on_caller(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            caller, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # out of descriptors or memory: callers wait
            logger.warning("batch.cannot_accept reason=%s", error.strerror)
            loop.remove_reader(listening)
            loop.call_later(_ACCEPT_AGAIN_S, self._resume)
            return
        # asyncio would do so itself, were the protocol of accepted sockets not 0 instead of TCP.
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        entering = loop.create_task(self._enter(caller))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)

    async def _enter(self, caller: socket.socket) -> None:
        loop, channel = asyncio.get_running_loop(), self._accept(caller)
        patience_s = None if self._context is None else HANDSHAKE_S
        try:
            await loop.connect_accepted_socket(
                lambda: channel, caller, ssl=self._context, ssl_handshake_timeout=patience_s
            )
        except OSError as error:  # TLS did not come about, so the channel never began
            channel.connection_lost(error)

    def _accept(self, caller: socket.socket) -> AsyncChannel:
        codec = Codec(Listener(self._find_key), limit=self._limit, read_size=self._read_size)
        channel = AsyncChannel(codec, self)
        if len(self._strangers) >= STRANGERS:
            self._turn_away(next(iter(self._strangers)))
        self._strangers[channel] = caller
        self._accepted.add(channel)
        return channel

    def _turn_away(self, stranger: AsyncChannel) -> None:
        caller = self._strangers.pop(stranger)
        stranger.close()
        if self._context is not None:  # before TLS there is no channel yet that could be closed
            with suppress(OSError):  # gone by itself
                caller.shutdown(socket.SHUT_RDWR)

    # As the user of channels that are not open yet

    def opened(self, channel: AsyncChannel) -> None:
        self._strangers.pop(channel, None)
        channel.hand_over(self._user)
        self._user.opened(channel)

    def received(self, _channel: AsyncChannel, _frames: Sequence[Frame], /) -> None:
        raise AssertionError("frames come only over open channels")

    def closed(self, channel: AsyncChannel, error: Exception | None) -> None:
        self._strangers.pop(channel, None)
        # A worker whose lease ends while it dials only hangs up; that is nobody's concern.
        level = logging.WARNING if isinstance(error, FrameError) else logging.INFO
        logger.log(level, "batch.caller_refused reason=%s", error or "it hung up")


async def dial(
    address: str,
    dialler: Dialler,
    user: ChannelUser,
    *,
    limit: int,
    read_size: int,
    context: "SSLContext | None" = None,
    name: str = "",
) -> AsyncChannel:
    """Connect; the handshake goes on, and ends in `opened` or `closed` of the user.

    With a context over TLS, to somebody with a certificate of that name.
    """
    loop = asyncio.get_running_loop()
    host, port = split_address(address)
    codec = Codec(dialler, limit=limit, read_size=read_size)
    _, channel = await loop.create_connection(
        lambda: AsyncChannel(codec, user),
        host,
        port,
        ssl=context,
        server_hostname=name or None,
        ssl_handshake_timeout=None if context is None else HANDSHAKE_S,
    )
    return channel
