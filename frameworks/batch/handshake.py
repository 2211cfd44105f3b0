"""How two ends of a connection show each other that they hold the same key. No I/O.

The listener sends a nonce. The dialler answers with its own nonce, its identity, and an HMAC over
all of it; so it proves itself first, and a stranger learns nothing but a random number. The
listener then answers with an HMAC of its own. Both derive from the nonces one key per direction,
good for this connection only. Wrong key and unknown identity look the same from outside.

    listener → dialler   MAGIC nonce                       36 bytes
    dialler → listener   MAGIC nonce proof length identity 69 bytes, then at most 255
    listener → dialler   "Y" proof, or "N" and the end     33 bytes, or 1
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable

from fairlead.common.dataclass import dataclass

MAGIC = b"FLB1"
NONCE_BYTES = 32
PROOF_BYTES = 32


class FrameError(Exception):
    """The other end does not keep to the framing, or what it sent was altered on the way."""


class KeyRefusedError(FrameError):
    """The two ends do not hold the same key."""


@dataclass(frozen=True, slots=True)
class DirectionKeys:
    """One key for each direction, so that nothing can be sent back to where it came from."""

    sending: bytes
    receiving: bytes


class Dialler:
    """The end that opened the connection: it says who it is."""

    def __init__(self, key: bytes, identity: str) -> None:
        self.identity = identity
        self._key = key
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._transcript = b""
        self._step = self._read_challenge
        self.needed = len(MAGIC) + NONCE_BYTES
        self.keys: DirectionKeys | None = None

    def start(self) -> bytes:
        return b""

    def feed(self, data: bytes) -> bytes:
        """Take exactly `needed` bytes; returns what to send."""
        return self._step(data)

    def _read_challenge(self, data: bytes) -> bytes:
        _check_magic(data)
        identity = self.identity.encode()
        self._transcript = data[len(MAGIC) :] + self._nonce + identity
        self._step = self._read_verdict
        self.needed = 1
        proof = _proof(self._key, b"dialler", self._transcript)
        return MAGIC + self._nonce + proof + bytes([len(identity)]) + identity

    def _read_verdict(self, data: bytes) -> bytes:
        if data != b"Y":
            raise KeyRefusedError("the other end refused this key")
        self._step = self._read_proof
        self.needed = PROOF_BYTES
        return b""

    def _read_proof(self, data: bytes) -> bytes:
        if not hmac.compare_digest(data, _proof(self._key, b"listener", self._transcript)):
            raise KeyRefusedError("the other end did not prove that it holds the key")
        self.needed = 0
        self.keys = DirectionKeys(
            sending=_proof(self._key, b"dialler sends", self._transcript),
            receiving=_proof(self._key, b"listener sends", self._transcript),
        )
        return b""


class Listener:
    """The end that was called: it knows which key belongs to which identity."""

    def __init__(self, find_key: Callable[[str], bytes | None]) -> None:
        self.identity = ""
        self._find_key = find_key
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._theirs = b""
        self._their_proof = b""
        self._step = self._read_response
        self.needed = len(MAGIC) + NONCE_BYTES + PROOF_BYTES + 1
        self.keys: DirectionKeys | None = None

    def start(self) -> bytes:
        return MAGIC + self._nonce

    def feed(self, data: bytes) -> bytes:
        """Take exactly `needed` bytes; returns what to send."""
        return self._step(data)

    def _read_response(self, data: bytes) -> bytes:
        _check_magic(data)
        self._theirs = data[len(MAGIC) : len(MAGIC) + NONCE_BYTES]
        self._their_proof = data[len(MAGIC) + NONCE_BYTES : -1]
        self._step = self._read_identity
        self.needed = data[-1]
        return self._read_identity(b"") if not self.needed else b""

    def _read_identity(self, data: bytes) -> bytes:
        transcript = self._nonce + self._theirs + data
        # For an unknown identity a key that nobody holds: the same work, the same answer.
        key = self._find_key(_decode(data)) or secrets.token_bytes(32)
        if not hmac.compare_digest(self._their_proof, _proof(key, b"dialler", transcript)):
            raise KeyRefusedError("a caller did not hold the key")
        self.identity = _decode(data)
        self.needed = 0
        self.keys = DirectionKeys(
            sending=_proof(key, b"listener sends", transcript),
            receiving=_proof(key, b"dialler sends", transcript),
        )
        return b"Y" + _proof(key, b"listener", transcript)


REFUSAL = b"N"
"""What a listener sends before it hangs up on a caller without the key."""


def _proof(key: bytes, purpose: bytes, transcript: bytes) -> bytes:
    return hmac.digest(key, purpose + b"\0" + transcript, hashlib.sha256)


def _check_magic(data: bytes) -> None:
    if not data.startswith(MAGIC):
        raise FrameError("the other end does not speak the batch framework's protocol")


def _decode(identity: bytes) -> str:
    return identity.decode(errors="replace")
