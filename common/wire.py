"""Between the values that the cores speak and the bytes on the wire.

A codec for each dataclass is derived once from its annotations and the descriptor of the proto
message with the same name; fields correspond by name. Decoding also judges: what may not stand in
a field of that name or type is an `InvalidFieldError` that says where. Units stand last in names,
so the name tells the rule (`_id`, `_s`, `_bytes`).
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, cast

from google.protobuf.message import DecodeError, Message

from fairlead.protos import (
    agent_pb2,
    commands_pb2,
    framework_pb2,
    jobs_pb2,
    operator_pb2,
    resources_pb2,
    sessions_pb2,
    tasks_pb2,
)

from .errors import InvalidFieldError, RemoteProtocolError
from .resources import Resources

T = TypeVar("T")
Filler = Callable[[Any, Any], None]
"""Writes a value into an empty proto message."""
Reader = Callable[[Any], Any]
"""Makes a value of a proto message, or raises InvalidFieldError."""

MAX_TEXT = 64 * 1024
MAX_NAME = 200
MAX_QUANTITY = 2**56
MAX_SHARES = 1024
"""Devices, or ranges of ports, in one quantity."""
MAX_SECONDS = 10 * 365 * 86400.0
_NAME = re.compile(r"[A-Za-z0-9_@+:=.,-]*\Z")
_PROTOS = (
    resources_pb2,
    tasks_pb2,
    sessions_pb2,
    framework_pb2,
    agent_pb2,
    operator_pb2,
    commands_pb2,
    jobs_pb2,
)


def to_proto(value: object) -> Message:
    """The proto message of the same name, filled."""
    cls: Any = type(value)
    message: Message = _proto_class(cls.__name__)()
    _filler(cls)(value, message)
    return message


def from_proto(cls: type[T], message: Message) -> T:
    """A checked value; raises InvalidFieldError naming the field."""
    value: T = _reader(cast(Any, cls))(message)
    return value


def encode(value: object) -> bytes:
    """The bytes of a value."""
    return to_proto(value).SerializeToString()


def decode(cls: type[T], data: bytes) -> T:
    """The value of some bytes; raises RemoteProtocolError or InvalidFieldError."""
    return from_proto(cls, parse(cls, data))


def parse(cls: type, data: bytes) -> Message:
    """The raw proto message of some bytes, unchecked but for its form."""
    message: Message = _proto_class(cls.__name__)()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise RemoteProtocolError(f"cannot read a {cls.__name__}: {error}") from None
    return message


# --- deriving the codecs


@cache
def _proto_class(name: str) -> Any:
    for module in _PROTOS:
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(f"protos/ has no message {name}")


@cache
def _filler(cls: Any) -> Filler:
    if cls is Resources:
        return _fill_resources
    hints = typing.get_type_hints(cls)
    steps = [_field_filler(f.name, hints[f.name]) for f in dataclasses.fields(cls)]

    def fill(value: Any, message: Any) -> None:
        for step in steps:
            step(value, message)
        # A message whose fields are all defaults must still be seen as present.
        message.SetInParent()

    return fill


@cache
def _reader(cls: Any) -> Reader:
    if cls is Resources:
        return _read_resources
    hints = typing.get_type_hints(cls)
    steps = [(f.name, _field_reader(f.name, hints[f.name])) for f in dataclasses.fields(cls)]

    def read(message: Any) -> Any:
        values = {}
        for name, step in steps:
            try:
                values[name] = step(message)
            except InvalidFieldError as error:
                raise _inside(name, error) from None
        return cls(**values)

    return read


def _inside(name: str, error: InvalidFieldError) -> InvalidFieldError:
    joint = "." if error.field and not error.field.startswith("[") else ""
    # "body" is how the envelope is made, not a word that a caller wrote.
    path = error.field if name == "body" and error.field else f"{name}{joint}{error.field}"
    return InvalidFieldError(path, error.reason)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _members(hint: Any) -> tuple[type, ...]:
    return tuple(member for member in typing.get_args(hint) if member is not types.NoneType)


def _plain(hint: Any) -> Any:
    return getattr(hint, "__supertype__", hint)


def _field_filler(name: str, hint: Any) -> Filler:
    if _is_union(hint):
        members = _members(hint)
        if len(members) > 1:
            return _union_filler(name, members)
        fill_present = _field_filler(name, members[0])
        scalar = not dataclasses.is_dataclass(members[0])

        def fill_optional(value: Any, message: Any) -> None:
            inner = getattr(value, name)
            if inner is not None:
                if scalar:
                    setattr(message, name, inner)
                else:
                    fill_present(value, message)

        return fill_optional
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _tuple_filler(name, typing.get_args(hint)[0])
    if origin is Mapping:
        return lambda value, message: getattr(message, name).update(getattr(value, name))
    if dataclasses.is_dataclass(hint):
        fill_inner = _filler(cast(type, hint))
        return lambda value, message: fill_inner(getattr(value, name), getattr(message, name))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value, message: setattr(message, name, getattr(value, name).value)

    def fill_scalar(value: Any, message: Any) -> None:
        scalar = getattr(value, name)
        if scalar:
            setattr(message, name, scalar)

    return fill_scalar


def _union_filler(name: str, members: tuple[type, ...], *, bare: bool = False) -> Filler:
    """Into the oneof field whose message bears the name of the value's class."""

    @cache
    def route(proto: Any, cls: Any) -> tuple[str, Filler]:
        assert cls in members, f"{cls.__name__} cannot stand in {name}"
        field = next(f for f in proto.DESCRIPTOR.oneofs[0].fields if _type(f) == cls.__name__)
        return field.name, _filler(cls)

    def fill(value: Any, message: Any) -> None:
        body = value if bare else getattr(value, name)
        field, fill_body = route(cast(Any, type(message)), cast(Any, type(body)))
        fill_body(body, getattr(message, field))

    return fill


def _type(field: Any) -> str:
    return field.message_type.name if field.message_type else ""


def _tuple_filler(name: str, hint: Any) -> Filler:
    if _is_union(hint):
        fill_item = _union_filler(name, _members(hint), bare=True)
    elif dataclasses.is_dataclass(hint):
        fill_item = _filler(cast(type, hint))
    else:
        return lambda value, message: getattr(message, name).extend(getattr(value, name))

    def fill(value: Any, message: Any) -> None:
        field = getattr(message, name)
        for item in getattr(value, name):
            fill_item(item, field.add())

    return fill


def _field_reader(name: str, hint: Any) -> Reader:
    if _is_union(hint):
        members = _members(hint)
        if len(members) > 1:
            return _union_reader(members)
        read_present = _field_reader(name, members[0])
        return lambda message: read_present(message) if message.HasField(name) else None
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _tuple_reader(name, typing.get_args(hint)[0])
    if origin is Mapping:
        check = _scalar_check(name, _plain(typing.get_args(hint)[1]))

        def read_map(message: Any) -> Mapping[str, Any]:
            return {_text(key): check(item) for key, item in getattr(message, name).items()}

        return read_map
    read_item = _item_reader(name, hint)
    return lambda message: read_item(getattr(message, name))


def _item_reader(name: str, hint: Any) -> Reader:
    if dataclasses.is_dataclass(hint):
        return _reader(cast(type, hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda number: _enum(hint, number)
    return _scalar_check(name, _plain(hint))


def _tuple_reader(name: str, hint: Any) -> Reader:
    read_item = _union_reader(_members(hint)) if _is_union(hint) else _item_reader(name, hint)

    def read(message: Any) -> tuple[Any, ...]:
        items = []
        for index, item in enumerate(getattr(message, name)):
            try:
                items.append(read_item(item))
            except InvalidFieldError as error:
                raise _inside(f"[{index}]", error) from None
        return tuple(items)

    return read


def _union_reader(members: tuple[type, ...]) -> Reader:
    readers = {member.__name__: _reader(member) for member in members}

    def read(message: Any) -> Any:
        oneof = message.DESCRIPTOR.oneofs[0]
        field = message.WhichOneof(oneof.name)
        if field is None:
            raise InvalidFieldError("", "is missing, or not known to this version")
        body = getattr(message, field)
        try:
            return readers[body.DESCRIPTOR.name](body)
        except InvalidFieldError as error:
            raise _inside(field, error) from None

    return read


# --- judging scalars


def _scalar_check(name: str, kind: Any) -> Reader:
    if kind is str:
        if name in ("role", "roles", "keep_apart"):
            return _role
        return _name if name.endswith(("_id", "_ids", "_uuid")) else _text
    if kind is float:
        return _seconds if name.endswith("_s") else _finite
    if kind is int and ((name.endswith("_bytes") and name != "offset_bytes") or name in _COUNTS):
        return _count
    return lambda value: value


_COUNTS = frozenset(
    (
        "count",
        "sequence",
        "attempt",
        "size",
        "unacknowledged",
        "at_least",
        "tail",
        "guarantees",
        "limits",
        "agents",
    )
)


def _name(value: str) -> str:
    if len(value) > MAX_NAME:
        raise InvalidFieldError("", f"is longer than {MAX_NAME} characters")
    if value in (".", ".."):
        raise InvalidFieldError("", f"{value!r} is the name of a directory")
    if not _NAME.match(value):
        raise InvalidFieldError("", f"{value[:40]!r} may hold only letters, digits and _@+:=.,-")
    return value


def _role(value: str) -> str:
    for part in value.split("/"):
        if not _name(part):
            raise InvalidFieldError("", f"{value[:40]!r} is not a role: a part of it is empty")
    return value


def _text(value: str) -> str:
    if len(value) > MAX_TEXT:
        raise InvalidFieldError("", f"is longer than {MAX_TEXT} characters")
    if "\0" in value:
        raise InvalidFieldError("", "holds a NUL character")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise InvalidFieldError("", f"{value} is not a finite number")
    return value


def _seconds(value: float) -> float:
    if not 0 <= value <= MAX_SECONDS:
        raise InvalidFieldError("", f"{value} is not between 0 and {MAX_SECONDS:.0f} seconds")
    return value


def _count(value: int) -> int:
    if not 0 <= value <= MAX_QUANTITY:
        raise InvalidFieldError("", f"{value} is not between 0 and 2^56")
    return value


def _enum(cls: type[Enum], number: int) -> Enum:
    try:
        return cls(number)
    except ValueError:
        raise InvalidFieldError("", f"{number} is not a known {cls.__name__}") from None


# --- resources, whose two shapes differ on purpose


def _fill_resources(value: Resources, message: Any) -> None:
    message.SetInParent()
    # A sum may be more than any part may be; whoever reads it need only know that it is too much.
    message.cpus_millis = min(value.cpus, MAX_QUANTITY)
    message.memory_bytes = min(value.mem, MAX_QUANTITY)
    message.disk_bytes = min(value.disk, MAX_QUANTITY)
    for gpu_id, millis in value.gpus:
        message.gpus.add(gpu_id=gpu_id, millis=min(millis, MAX_QUANTITY))
    for first, last in value.ports:
        message.ports.add(first=first, last=last)


def _read_resources(message: Any) -> Resources:
    for name in ("cpus_millis", "memory_bytes", "disk_bytes"):
        try:
            _count(getattr(message, name))
        except InvalidFieldError as error:
            raise _inside(name, error) from None
    for name, shares in (("gpus", message.gpus), ("ports", message.ports)):
        if len(shares) > MAX_SHARES:
            raise InvalidFieldError(name, f"has {len(shares)} entries; {MAX_SHARES} are allowed")
    gpus: dict[Any, int] = {}
    for share in message.gpus:
        if _name(share.gpu_id) in gpus:
            raise InvalidFieldError("gpus", f"names {share.gpu_id or 'any device'!r} twice")
        if not 0 < share.millis <= MAX_QUANTITY:
            raise InvalidFieldError("gpus", f"{share.millis} thousandths is not a share")
        gpus[share.gpu_id] = share.millis
    ports = sorted((item.first, item.last) for item in message.ports)
    for index, (first, last) in enumerate(ports):
        if not first <= last <= 65535:
            raise InvalidFieldError("ports", f"{first}-{last} is not a range of ports")
        if index and first <= ports[index - 1][1]:
            raise InvalidFieldError("ports", f"{first}-{last} overlaps the range before it")
    return Resources(
        message.cpus_millis,
        message.memory_bytes,
        message.disk_bytes,
        tuple(sorted(gpus.items())),
        tuple(ports),
    )
