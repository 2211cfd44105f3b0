"""Authenticated frames over a byte stream, without I/O: bytes in, frames out, and back.

A frame is a kind, a few fields (JSON) and binary buffers that are never looked into here. On the
wire: length of the head (4 bytes), of all buffers (8), the head `[kind, fields, buffer lengths]`,
the buffers, an HMAC-SHA256. The HMAC covers the frame's number in its direction and is checked
before anything is parsed, so frames cannot be altered, repeated, reordered or sent back.

`Codec` is fed through `get_buffer` and `buffer_updated`, so that a socket reads straight into the
memory in which a large buffer is then handed out.
"""

import hashlib
import hmac
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.common.dataclass import dataclass

from .handshake import REFUSAL, Dialler, DirectionKeys, FrameError, KeyRefusedError, Listener

Buffer = bytes | bytearray | memoryview

CONTROL_LIMIT = 1 << 20
"""Largest frame between the service and a driver or worker."""
DATA_LIMIT = 1 << 31
"""Largest frame between a driver and a worker, which carries calls or a result."""

_LENGTHS = struct.Struct("!IQ")
_COUNTER = struct.Struct("!Q")
_MAC_BYTES = 32
_LARGE = 64 * 1024
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class FrameTooLargeError(FrameError):
    """More than this connection carries at once."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What one end said to the other."""

    kind: str
    fields: Mapping[str, Any]
    buffers: Sequence[Buffer] = ()


class Codec:
    """One end of one connection. After an error it is of no more use."""

    def __init__(
        self, handshake: Dialler | Listener, *, limit: int = DATA_LIMIT, read_size: int = 1 << 17
    ) -> None:
        self._handshake = handshake
        self._limit = limit
        self._keys: DirectionKeys | None = None
        self._sent = 0
        self._received = 0
        self._lengths = b""
        self._needed = handshake.needed
        # Strangers get a small buffer; the real one is made when they have shown the key.
        self._read_size = read_size
        self._shared = bytearray(512)
        self._view = memoryview(self._shared)
        self._start = self._end = 0
        self._is_large = False
        self._output: list[Buffer] = [handshake.start()]

    @property
    def is_open(self) -> bool:
        """Both ends have proved themselves: frames may be sent."""
        return self._keys is not None

    @property
    def identity(self) -> str:
        """Who the dialler says it is; proved once open."""
        return self._handshake.identity

    def take_output(self) -> list[Buffer]:
        """The handshake's bytes to be sent now."""
        output, self._output = self._output, []
        return [part for part in output if part]

    def encode(
        self, kind: str, fields: Mapping[str, Any], buffers: Sequence[Buffer] = ()
    ) -> list[Buffer]:
        """The bytes of one frame, in order; they must be sent before those of the next."""
        assert self._keys is not None, "frames wait for the handshake"
        lengths = [len(buffer) for buffer in buffers]
        head = _encode_json([kind, fields, lengths]).encode()
        size = sum(lengths)
        if len(head) + size > self._limit:
            raise FrameTooLargeError(
                f"{len(head) + size} bytes are too many for one frame (at most {self._limit})"
            )
        counter = _COUNTER.pack(self._sent)
        self._sent += 1
        start = _LENGTHS.pack(len(head), size) + head
        if size < _LARGE:
            start = b"".join((start, *buffers))
            mac = hmac.digest(self._keys.sending, counter + start, hashlib.sha256)
            return [start + mac]
        return [start, *buffers, _mac(self._keys.sending, counter, start, *buffers)]

    def get_buffer(self, sizehint: int = 0) -> memoryview:  # noqa: ARG002  (asyncio's signature)
        """Where the next received bytes go."""
        return self._view[self._end :]

    def buffer_updated(self, count: int) -> list[Frame]:
        """So many bytes have come; returns the frames that are now complete."""
        self._end += count
        frames = []
        while self._end - self._start >= self._needed:
            piece = self._view[self._start : self._start + self._needed]
            self._start += self._needed
            if self._keys is None:
                self._shake_hands(bytes(piece))
            elif not self._lengths:
                self._read_lengths(bytes(piece))
            else:
                frames.append(self._read_body(piece))
        self._make_room()
        return frames

    def receive_bytes(self, data: bytes) -> list[Frame]:
        """The same for bytes that were read elsewhere."""
        frames = []
        rest = memoryview(data)
        while rest:
            space = self.get_buffer()
            count = min(len(space), len(rest))
            space[:count] = rest[:count]
            rest = rest[count:]
            frames += self.buffer_updated(count)
        return frames

    def _shake_hands(self, piece: bytes) -> None:
        try:
            self._output.append(self._handshake.feed(piece))
        except KeyRefusedError:
            if isinstance(self._handshake, Listener):
                self._output.append(REFUSAL)
            raise
        self._needed = self._handshake.needed
        if self._handshake.keys is not None:
            self._keys = self._handshake.keys
            self._needed = _LENGTHS.size

    def _read_lengths(self, piece: bytes) -> None:
        head, size = _LENGTHS.unpack(piece)
        if head + size > self._limit:
            raise FrameTooLargeError(
                f"the other end announced {head + size} bytes (at most {self._limit})"
            )
        self._lengths = piece
        self._needed = head + size + _MAC_BYTES

    def _read_body(self, piece: memoryview) -> Frame:
        assert self._keys is not None
        counter, lengths = _COUNTER.pack(self._received), self._lengths
        self._received += 1
        self._lengths = b""
        self._needed = _LENGTHS.size
        # A large frame has its memory to itself; a small one is copied out of the shared buffer.
        body: Buffer = piece if self._is_large else bytes(piece)
        content = body[:-_MAC_BYTES]
        if not hmac.compare_digest(
            body[-_MAC_BYTES:], _mac(self._keys.receiving, counter, lengths, content)
        ):
            raise FrameError("a frame was altered, repeated or out of order")
        return _parse(_LENGTHS.unpack(lengths)[0], content)

    def _make_room(self) -> None:
        """Make sure that what is still needed has its place."""
        large = self.is_open and self._needed >= self._read_size
        if large and self._is_large:
            return  # more of the same large frame
        if self.is_open and len(self._shared) < self._read_size:
            self._shared = bytearray(self._read_size)
        target = bytearray(self._needed) if large else self._shared
        if target is self._view.obj and not self._start:
            return
        left = self._end - self._start
        view = memoryview(target)
        view[:left] = self._view[self._start : self._end]
        self._view, self._start, self._end, self._is_large = view, 0, left, large


def _parse(head_size: int, content: Buffer) -> Frame:
    kind, fields, lengths = json.loads(bytes(content[:head_size]))
    buffers = []
    start = head_size
    for length in lengths:
        buffers.append(content[start : start + length])
        start += length
    return Frame(kind, fields, buffers)


def _mac(key: bytes, *parts: Buffer) -> bytes:
    if sum(map(len, parts)) < _LARGE:
        return hmac.digest(key, b"".join(parts), hashlib.sha256)
    whole = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        whole.update(part)
    return whole.digest()
