"""What Fairlead says over gRPC: the table of its methods, how their messages become bytes, and the
options of every connection. `common.server` serves them, `common.client` calls them.

Beside `common.wire` the only module that knows the generated code.
"""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from fairlead.protos import agent_pb2, framework_pb2

from . import wire
from .dataclass import dataclass
from .errors import InvalidFieldError, RemoteProtocolError
from .messages import AgentMessage, FrameworkMessage, MasterToAgent, MasterToFramework
from .operators import (
    LogChunk,
    LogQuery,
    OfferEvents,
    OffersQuery,
    OperatorCall,
    OperatorReply,
    StateQuery,
    StateReply,
)
from .session import Invalid
from .tls import Party

Request = TypeVar("Request")
Reply = TypeVar("Reply")

PACKAGE = "fairlead.v1"
AUTHORIZATION = "authorization"
HEALTH, SERVING = "/grpc.health.v1.Health/Check", b"\x08\x01"
"""gRPC's own health protocol: a method of every server, for any party, and its only answer."""

HARD_LIMIT_BYTES = 16 * 1024**2
"""Beyond it gRPC itself ends the call; within it sessions judge, and say why."""

REPLY_LIMIT_BYTES = 256 * 1024**2
"""The state of a large cluster is one reply."""

# A peer that was stopped, or lost its network, is noticed within about 8 s. Without the ping
# timeout of HTTP/2 it would take more than a minute, whatever the keepalive timeout says.
_COMMON_OPTIONS: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 4000),
    ("grpc.keepalive_timeout_ms", 4000),
    ("grpc.http2.ping_timeout_ms", 4000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVER_OPTIONS = [
    *_COMMON_OPTIONS,
    ("grpc.max_receive_message_length", HARD_LIMIT_BYTES),
    ("grpc.max_send_message_length", REPLY_LIMIT_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    # Who connects and says nothing is hung up on; otherwise only after two minutes.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Or two servers could listen on one port, each getting half of the calls.
    ("grpc.so_reuseport", 0),
]
CLIENT_OPTIONS = [
    *_COMMON_OPTIONS,
    ("grpc.max_receive_message_length", REPLY_LIMIT_BYTES),
    ("grpc.max_send_message_length", HARD_LIMIT_BYTES),
    # Whoever connects again shall not wait out the failures of another channel.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A call is made once: gRPC does not know which ones may be repeated.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
]


@dataclass(frozen=True, slots=True)
class CallMethod(Generic[Request, Reply]):
    """One question, with one answer or a stream of them."""

    service: str
    name: str
    request: type[Request]
    reply: type[Reply]
    callers: tuple[Party, ...] = (Party.CLIENT, Party.FRAMEWORK)
    """Whose certificates may call it, where there are any."""

    @property
    def path(self) -> str:
        return f"/{PACKAGE}.{self.service}/{self.name}"

    @property
    def server(self) -> Party:
        return _server_of(self.service)

    def decode_request(self, data: bytes) -> Request:
        return wire.decode(self.request, data)

    def decode_reply(self, data: bytes) -> Reply:
        return wire.decode(self.reply, data)


@dataclass(frozen=True, slots=True)
class SessionMethod:
    """A stream of batches in each direction."""

    service: str
    name: str
    to_server: "Batches"
    to_client: "Batches"
    callers: tuple[Party, ...] = (Party.CLIENT, Party.FRAMEWORK)

    @property
    def path(self) -> str:
        return f"/{PACKAGE}.{self.service}/{self.name}"

    @property
    def server(self) -> Party:
        return _server_of(self.service)


def _server_of(service: str) -> Party:
    """Whose certificate the server of that service has to show."""
    return {"Master": Party.MASTER, "Agent": Party.AGENT}.get(service, Party.FRAMEWORK)


class Batches:
    """Batches of one kind of message: a proto message with one repeated field, `messages`."""

    def __init__(self, batch: type[Message], value: type) -> None:
        self._batch: Any = batch
        self._value = value
        self._tag = bytes([batch.DESCRIPTOR.fields_by_name["messages"].number << 3 | 2])

    def encode(self, message: object) -> bytes:
        """A batch of one. Joined, such batches are one batch: so says the format of protobuf."""
        assert isinstance(message, self._value), f"{message!r} is no {self._value.__name__}"
        data = wire.encode(message)
        return self._tag + _varint(len(data)) + data

    def decode(self, data: bytes) -> Iterator[object]:
        batch = self._batch()
        try:
            batch.ParseFromString(data)
        except DecodeError as error:
            name = self._batch.DESCRIPTOR.name
            raise RemoteProtocolError(f"cannot read a {name}: {error}") from None
        for message in batch.messages:
            try:
                yield wire.from_proto(self._value, message)
            except InvalidFieldError as error:
                # A call id that is itself what is wrong cannot be answered to.
                is_usable = error.field != "call_id"
                yield Invalid(error, getattr(message, "call_id", "") if is_usable else "")


@dataclass(frozen=True, slots=True)
class Codec:
    """What one end of a session sends, and what it receives."""

    sends: Batches
    receives: Batches

    def encode(self, message: object) -> bytes:
        return self.sends.encode(message)

    def decode(self, batch: bytes) -> Iterator[object]:
        return self.receives.decode(batch)


def _varint(number: int) -> bytes:
    """A length, as protobuf writes it: seven bits a byte, the lowest first."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def encode_reply(reply: object) -> bytes:
    """A reply that many callers share may be handed over as its bytes."""
    return reply if isinstance(reply, bytes) else wire.encode(reply)


AGENT_SESSION = SessionMethod(
    "Master",
    "AgentSession",
    Batches(agent_pb2.AgentBatch, AgentMessage),
    Batches(agent_pb2.MasterToAgentBatch, MasterToAgent),
    callers=(Party.AGENT,),
)
FRAMEWORK_SESSION = SessionMethod(
    "Master",
    "FrameworkSession",
    Batches(framework_pb2.FrameworkBatch, FrameworkMessage),
    Batches(framework_pb2.MasterToFrameworkBatch, MasterToFramework),
)
OPERATE = CallMethod("Master", "Operate", OperatorCall, OperatorReply, callers=(Party.CLIENT,))
GET_STATE = CallMethod("Master", "GetState", StateQuery, StateReply)
WATCH_STATE = CallMethod("Master", "WatchState", StateQuery, StateReply)
WATCH_OFFERS = CallMethod(
    "Master", "WatchOffers", OffersQuery, OfferEvents, callers=(Party.CLIENT,)
)
READ_LOG = CallMethod("Agent", "ReadLog", LogQuery, LogChunk)
