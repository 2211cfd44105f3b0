"""Walks the descriptors of protos/: every place in a message where a value may stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Spot:
    """One field, and the way to it from the outermost message: field names, the last its own."""

    steps: tuple[str, ...]
    row: str
    """`Message.field`: its row in the table."""
    field: Any

    @property
    def body(self) -> str:
        """What kind of message it is in: the first step."""
        return self.steps[0]

    def __str__(self) -> str:
        return ".".join(self.steps)


def is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def is_choice(field: FieldDescriptor) -> bool:
    """One of the bodies of an envelope."""
    group = field.containing_oneof
    return group is not None and group.name == "body"


def is_map(field: FieldDescriptor) -> bool:
    inner = field.message_type
    return inner is not None and bool(inner.GetOptions().map_entry)


def spots(descriptor: Descriptor, before: tuple[str, ...] = ()) -> Iterator[Spot]:
    """Each field of the message, and of the messages in it."""
    assert len(before) < 20, f"{before} never ends: messages that hold themselves need a bound"
    for field in descriptor.fields:
        steps = (*before, field.name)
        yield Spot(steps, f"{descriptor.name}.{field.name}", field)
        if field.message_type is not None and not is_map(field):
            yield from spots(field.message_type, steps)


def parent_of(message: Message, spot: Spot) -> Any:
    """The message that holds the field; what is missing on the way there is added, empty."""
    here: Any = message
    for step in spot.steps[:-1]:
        field = here.DESCRIPTOR.fields_by_name[step]
        inner = getattr(here, step)
        if is_repeated(field):
            here = inner[0] if inner else filled(inner.add())
        else:
            here = inner if here.HasField(step) else filled(inner)
    return here


def filled(message: Any) -> Any:
    """With what it cannot be without."""
    for name, value in LEAST.get(message.DESCRIPTOR.name, {}).items():
        setattr(message, name, value)
    message.SetInParent()
    return message


LEAST: Mapping[str, Mapping[str, Any]] = {
    "GpuShare": {"gpu_id": "GPU-x", "millis": 1},
    "PortRange": {"first": 1, "last": 1},
    "Predicate": {"attribute": "name", "comparison": 1},
    "Offer": {"role": "dl"},
    "Reservation": {"role": "dl"},
    "Reserve": {"role": "dl"},
    "RoleDemand": {"role": "dl"},
    "RoleView": {"role": "dl"},
    "RoleWish": {"role": "dl"},
    "Suspend": {"task_id": "t1"},
    "TaskView": {"role": "dl"},
    "Unreserve": {"role": "dl"},
}
