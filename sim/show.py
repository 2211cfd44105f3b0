"""Messages in few words, for whoever reads the last events of a failed life."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum

from fairlead.common.resources import Resources

_ENVELOPES = ("FrameworkMessage", "AgentMessage", "MasterToFramework", "MasterToAgent")
_NOISE = (
    "host",
    "wall_time",
    "utilisation",
    "attributes",
    "hostname",
    "software",
    "hello",
    "agent",
)


def brief(thing: object) -> str:
    """Without what has its usual value, and without what no law looks at."""
    if isinstance(thing, Resources):
        return f"<{thing}>"
    if isinstance(thing, Enum):
        return thing.name
    if is_dataclass(thing) and not isinstance(thing, type):
        return _record(thing)
    if isinstance(thing, Mapping):
        return "{" + ", ".join(f"{key}: {brief(value)}" for key, value in thing.items()) + "}"
    if isinstance(thing, tuple | list):
        return "[" + ", ".join(brief(value) for value in thing) + "]"
    return str(thing)


def _record(thing: object) -> str:
    name = type(thing).__name__
    parts = []
    for field in fields(thing):  # type: ignore[arg-type]
        value = getattr(thing, field.name)
        if field.name not in _NOISE and value != _usual(field):
            parts.append((field.name, brief(value)))
    if name in _ENVELOPES:
        return " ".join(text if key == "body" else f"{key}={text}" for key, text in parts)
    return f"{name}({', '.join(f'{key}={text}' for key, text in parts)})"


def _usual(field: "Field[object]") -> object:
    if field.default is not MISSING:
        return field.default
    return MISSING if field.default_factory is MISSING else field.default_factory()
