"""The hostile values, by class of field, and what must come of each unless its row says otherwise.

Every field has one class in `fields.txt`. A kind of value has an outcome in each class it is tried
in: that is the matrix which the fuzz test holds the program to.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tests.fuzz.walk import Spot, filled, is_choice, is_map, is_repeated

ACCEPTED = "accepted"
"""Heard, and answered without a complaint."""
REFUSED = "refused"
"""That call, task or message alone is refused, and the field is named."""
ENDED = "ended"
"""The session alone ends, with a reason."""
UNSUPPORTED = "unsupported"
"""Rule of what this version does not do: at these doors whatever stands there is refused."""

MEGABYTE = 1 << 20
MANY = 10_000
BULK = 55
"""So many texts of the greatest length that is allowed are nearly as much as a message may be."""
LONGEST_TEXT = 64 * 1024
FOREIGN = "nobody-knows-this"
STOLEN = "stolen"
MARKER = "Q7Q7Q7Q7"
"""Stands where the bytes of a text are to be no text."""
NO_TEXT = b"\xff\xc0" * 4
INT64 = 2**63
INT32 = 2**31

Setter = Callable[[Any, Any], None]
"""Writes a hostile value into a field of a message."""

_TEXTS: Mapping[str, str] = {
    "empty": "",
    "nul": "a\0b",
    "newline": "a\nb",
    "path": "../../etc/passwd",
    "dots": "..",
    "slash": "a/b",
    "space": "a b",
    "foreign-script": "задача-日本",
    "terminal": "\x1b[2J\x1b]0;owned\x07",
    "megabyte": "x" * MEGABYTE,
    "long": "x" * 201,
    "no-text": MARKER,
    "foreign": FOREIGN,
}
_NAME_RULES = dict.fromkeys(
    ("nul", "newline", "path", "dots", "slash", "space", "foreign-script", "terminal", "long"),
    REFUSED,
) | {"megabyte": REFUSED, "no-text": ENDED, "empty": ACCEPTED, "foreign": ACCEPTED}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "id": _NAME_RULES,
    "key": {**_NAME_RULES, "empty": REFUSED},
    "role": {**_NAME_RULES, "empty": REFUSED, "slash": ACCEPTED},
    "text": {
        **dict.fromkeys(_TEXTS, ACCEPTED),
        "nul": REFUSED,
        "megabyte": REFUSED,
        "no-text": ENDED,
    },
}
NUMBERS: Mapping[str, Mapping[str, tuple[Any, str]]] = {
    "seconds": {
        "nan": (math.nan, REFUSED),
        "infinite": (math.inf, REFUSED),
        "minus-infinite": (-math.inf, REFUSED),
        "negative": (-1.0, REFUSED),
        "minus-zero": (-0.0, ACCEPTED),
        "zero": (0.0, ACCEPTED),
        "tiny": (5e-324, ACCEPTED),
        "huge": (1e300, REFUSED),
        "most": (10 * 365 * 86400.0, ACCEPTED),
    },
    "measure": {
        "nan": (math.nan, REFUSED),
        "infinite": (math.inf, REFUSED),
        "minus-infinite": (-math.inf, REFUSED),
        "negative": (-1.0, ACCEPTED),
        "minus-zero": (-0.0, ACCEPTED),
        "huge": (1e300, ACCEPTED),
    },
    "count": {
        "negative": (-1, REFUSED),
        "least": (-INT64, REFUSED),
        "zero": (0, ACCEPTED),
        "most": (2**56, ACCEPTED),
        "over": (2**56 + 1, REFUSED),
        "huge": (INT64 - 1, REFUSED),
    },
    "integer": {
        "negative": (-1, ACCEPTED),
        "zero": (0, ACCEPTED),
        "least": (-INT64, ACCEPTED),
        "huge": (INT64 - 1, ACCEPTED),
    },
    "small": {
        "negative": (-1, ACCEPTED),
        "zero": (0, ACCEPTED),
        "least": (-INT32, ACCEPTED),
        "huge": (INT32 - 1, ACCEPTED),
    },
    "size": {
        "negative": (-1, REFUSED),
        "zero": (0, ACCEPTED),
        "huge": (INT32 - 1, ACCEPTED),
    },
    "port": {
        "zero": (0, ACCEPTED),
        "over": (65536, REFUSED),
        "huge": (2**32 - 1, REFUSED),
    },
    "flag": {"true": (True, ACCEPTED)},
    "enum": {
        "zero": (0, ACCEPTED),
        "unknown": (99, REFUSED),
        "negative": (-1, REFUSED),
        "huge": (INT32 - 1, REFUSED),
    },
    "bytes": {
        "empty": (b"", ACCEPTED),
        "garbage": (bytes(range(256)), ACCEPTED),
        "megabyte": (b"\0\xff" * (MEGABYTE // 2), ACCEPTED),
    },
}
CLASSES = frozenset({*TEXTS, *NUMBERS, "message"})


def kinds(spot: Spot, cls: str) -> Mapping[str, tuple[Setter, str]]:
    """What is tried in a field of this class: how it gets there, and what must come of it."""
    found: dict[str, tuple[Setter, str]] = {
        "missing": (_clear, REFUSED if is_choice(spot.field) else ACCEPTED),
        "wrong-type": (_wrong_type, REFUSED if is_choice(spot.field) else ACCEPTED),
    }
    if is_map(spot.field):
        found.update(_of_map(spot.field, cls))
    elif cls == "message":
        found["empty"] = (_present, ACCEPTED)
    else:
        for kind, (value, outcome) in _scalars(spot.field, cls).items():
            found[kind] = (_setter(value), outcome)
    if is_repeated(spot.field) and not is_map(spot.field):
        found["many"] = (_many, ACCEPTED)
        found["duplicate"] = (_duplicate, ACCEPTED)
        if cls == "text":
            found["bulk"] = (_bulk, ACCEPTED)
    return found


def _scalars(field: Any, cls: str) -> Mapping[str, tuple[Any, str]]:
    if cls in TEXTS:
        return {kind: (_TEXTS[kind], outcome) for kind, outcome in TEXTS[cls].items()}
    if field.type == field.TYPE_INT32 and cls == "integer":
        return NUMBERS["small"]
    return NUMBERS[cls]


def _of_map(field: Any, cls: str) -> Mapping[str, tuple[Setter, str]]:
    """Keys are texts, values what the class says."""
    good: Any = {"text": "x", "bytes": b"x", "count": 1}.get(cls, 1.0)
    found: dict[str, tuple[Setter, str]] = {
        f"key-{kind}": (_entry(_TEXTS[kind], good), outcome)
        for kind, outcome in TEXTS["text"].items()
    }
    for kind, (value, outcome) in _scalars(field, cls).items():
        found[f"value-{kind}"] = (_entry("key", value), outcome)
    found["many"] = (_entries([(f"key{n}", good) for n in range(MANY)]), ACCEPTED)
    bulky: Any = {"text": "x" * LONGEST_TEXT, "bytes": b"x" * LONGEST_TEXT}.get(cls, good)
    bulk = [(f"key{n}", bulky) for n in range(BULK)]
    found["bulk"] = (_entries(bulk), ACCEPTED)
    return found


# --- how a value gets there


def _clear(message: Any, field: Any) -> None:
    message.ClearField(field.name)


def _present(message: Any, field: Any) -> None:
    """There, with nothing in it; of a scalar: any value but its default."""
    message.ClearField(field.name)
    if field.message_type is not None and not is_map(field):
        here = getattr(message, field.name)
        filled(here.add() if is_repeated(field) else here)
        return
    value: Any = "x" if field.type == field.TYPE_STRING else 1
    _setter(value)(message, field)


def _setter(value: Any) -> Setter:
    def put(message: Any, field: Any) -> None:
        if is_repeated(field):
            here = getattr(message, field.name)
            del here[:]
            here.append(value)
        else:
            setattr(message, field.name, value)

    return put


def _entry(key: str, value: Any) -> Setter:
    return _entries([(key, value)])


def _entries(pairs: list[tuple[str, Any]]) -> Setter:
    def put(message: Any, field: Any) -> None:
        message.ClearField(field.name)
        getattr(message, field.name).update(pairs)

    return put


def _wrong_type(message: Any, field: Any) -> None:
    """The number of the field with another wire type: to a reader, something it does not know."""
    message.ClearField(field.name)
    number = field.number << 3
    wire_type = 1 if field.type != field.TYPE_DOUBLE else 5
    length = 8 if wire_type == 1 else 4
    data = bytearray()
    tag = number | wire_type
    while tag > 0x7F:
        data.append(tag & 0x7F | 0x80)
        tag >>= 7
    data.append(tag)
    message.MergeFromString(bytes(data) + b"\x01" * length)


def _many(message: Any, field: Any) -> None:
    """Ten thousand, each another if it is a text."""
    here = getattr(message, field.name)
    if field.message_type is not None:
        item = here[0] if here else filled(here.add())
        copy = type(item)()
        copy.CopyFrom(item)
        here.extend([copy] * (MANY - 1))
    else:
        del here[:]
        text = field.type == field.TYPE_STRING
        here.extend([f"item{n}" if text else n for n in range(MANY)])


def _duplicate(message: Any, field: Any) -> None:
    here = getattr(message, field.name)
    if field.message_type is not None:
        item = here[0] if here else filled(here.add())
        here.add().CopyFrom(item)
    else:
        here.extend([here[0] if here else "x"])
        here.append(here[0])


def _bulk(message: Any, field: Any) -> None:
    here = getattr(message, field.name)
    del here[:]
    here.extend(["x" * LONGEST_TEXT] * BULK)
