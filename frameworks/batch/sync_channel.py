"""Frames over a blocking socket, for workers: one thread, and few imports."""

import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.common.dataclass import dataclass

from .frames import Buffer, Codec, Frame
from .handshake import Dialler
from .protocol import split_address

if TYPE_CHECKING:  # without TLS it is not imported
    from ssl import SSLContext


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a worker believes: a certificate of this name that the context can verify."""

    context: "SSLContext"
    name: str


class ChannelClosedError(Exception):
    """The other end has gone."""


class SyncChannel:
    """One authenticated connection that this process opened."""

    def __init__(self, connection: socket.socket, codec: Codec) -> None:
        self._socket = connection
        self._codec = codec
        self._frames: deque[Frame] = deque()

    @classmethod
    def dial(
        cls,
        address: str,
        key: bytes,
        identity: str,
        *,
        limit: int,
        timeout_s: float,
        tls: ServerTls | None = None,
    ) -> "SyncChannel":
        """Connect and shake hands; OSError if nobody is there, KeyRefusedError for a wrong key."""
        connection = socket.create_connection(split_address(address), timeout_s)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                connection = tls.context.wrap_socket(connection, server_hostname=tls.name)
            read_size = min(limit // 16, 1 << 17)
            channel = cls(
                connection, Codec(Dialler(key, identity), limit=limit, read_size=read_size)
            )
            channel._open(time.monotonic() + timeout_s)
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return channel

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: str, fields: Mapping[str, Any], buffers: Sequence[Buffer] = ()) -> None:
        try:
            for part in self._codec.encode(kind, fields, buffers):
                self._socket.sendall(part)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self) -> Frame:
        """The next frame, waiting for it."""
        while not self._frames:
            self._read()
        return self._frames.popleft()

    def receive_first(self, kind: str) -> Frame:
        """The next frame of this kind, waiting for it; others stay for `receive`."""
        while True:
            for index, frame in enumerate(self._frames):
                if frame.kind == kind:
                    del self._frames[index]
                    return frame
            self._read()

    def receive_waiting(self) -> list[Frame]:
        """What one read brings: for callers that know there is something to read."""
        if not self._frames:
            self._read()
        while self._is_more_decrypted():
            self._read()
        frames = list(self._frames)
        self._frames.clear()
        return frames

    def close(self) -> None:
        self._socket.close()

    def _is_more_decrypted(self) -> bool:
        """Bytes that have left the kernel, so that nobody will say that there is more to read."""
        pending = getattr(self._socket, "pending", None)
        return pending is not None and pending() > 0

    def _open(self, deadline: float) -> None:
        while not self._codec.is_open:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._read()
            for part in self._codec.take_output():
                self._socket.sendall(part)

    def _read(self) -> None:
        try:
            count = self._socket.recv_into(self._codec.get_buffer())
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosedError(str(error)) from error
        if not count:
            raise ChannelClosedError("the other end closed the connection")
        self._frames.extend(self._codec.buffer_updated(count))
