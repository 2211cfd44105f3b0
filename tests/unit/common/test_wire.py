"""The codec: what is encoded comes back, what may not stand there is refused by name."""

import dataclasses
import inspect
import math
import re
import typing
from enum import Enum
from typing import Any

import pytest

from fairlead.common import jobs, messages, operators, values, wire
from fairlead.common.errors import InvalidFieldError, RemoteProtocolError
from fairlead.common.ids import CallId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import (
    Accept,
    Decline,
    FrameworkMessage,
    Kill,
    MasterToAgent,
    RunAccept,
    SetDemand,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Command,
    Demand,
    FrameworkInfo,
    Launch,
    RoleDemand,
    TaskInfo,
    TaskState,
)

GIB = 2**30
TASK = TaskInfo(
    TaskId("t1"),
    "hello",
    Command(("echo", "hi"), {"A": "b"}),
    Resources.of(cpus=0.5, mem=GIB, gpus=1),
)
LAUNCH = Launch(TASK, LaunchUuid("u-1"))


def wire_classes() -> list[type]:
    found: list[Any] = []
    for module in (values, messages, operators, jobs):
        for item in vars(module).values():
            mine = inspect.isclass(item) and item.__module__ == module.__name__
            if mine and dataclasses.is_dataclass(item):
                found.append(item)
    return found


@pytest.mark.parametrize("cls", wire_classes(), ids=lambda cls: cls.__name__)
def test_every_class_mirrors_its_proto_message_field_by_field(cls: type) -> None:
    fields = {field.name for field in dataclasses.fields(cls)}
    descriptor = wire._proto_class(cls.__name__).DESCRIPTOR
    outside = {field.name for field in descriptor.fields if field.containing_oneof is None}
    outside |= {
        field.name
        for field in descriptor.fields
        if field.containing_oneof is not None and field.containing_oneof.name.startswith("_")
    }
    outside |= {oneof.name for oneof in descriptor.oneofs if not oneof.name.startswith("_")}
    assert fields == outside


def test_every_proto_message_has_its_class() -> None:
    named = {cls.__name__ for cls in wire_classes()}
    own = {"Resources", "PortRange", "GpuShare", "Operation"}  # shaped otherwise, on purpose
    batches = {"AgentBatch", "FrameworkBatch", "MasterToAgentBatch", "MasterToFrameworkBatch"}
    protos = {name for module in wire._PROTOS for name in module.DESCRIPTOR.message_types_by_name}
    assert protos - named == own | batches


@pytest.mark.parametrize(
    "enum",
    [
        values.TaskState,
        values.Source,
        values.Reason,
        values.Comparison,
        messages.Code,
        operators.AgentState,
        jobs.JobState,
        jobs.JobVerb,
    ],
)
def test_every_enum_agrees_with_its_proto(enum: type[Enum]) -> None:
    (descriptor,) = (
        module.DESCRIPTOR.enum_types_by_name[enum.__name__]
        for module in wire._PROTOS
        if enum.__name__ in module.DESCRIPTOR.enum_types_by_name
    )
    prefix = "".join("_" + c if c.isupper() else c for c in enum.__name__).upper()[1:] + "_"
    assert {prefix + member.name: member.value for member in enum} == {
        value.name: value.number for value in descriptor.values
    }


def sample(hint: object, name: str) -> object:
    """A value that is not the default, of any type that fields have."""
    hint = getattr(hint, "__supertype__", hint)
    args = typing.get_args(hint)
    if wire._is_union(hint):
        return sample(wire._members(hint)[0], name)
    origin = typing.get_origin(hint)
    if origin is tuple:
        return (sample(args[0], name), sample(args[0], name))
    if origin is not None:
        return {"key": sample(args[1], name)}
    if hint is Resources:
        return Resources.of(cpus=1.5, mem=7, disk=8, gpus={"g0": 0.5}, ports=[(5, 6), (8, 9)])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)[-1]
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        hints = typing.get_type_hints(hint)
        return hint(**{f.name: sample(hints[f.name], f.name) for f in dataclasses.fields(hint)})
    return {str: "x", int: 3, float: 2.5, bool: True, bytes: b"\0z"}[typing.cast(type, hint)]


@pytest.mark.parametrize("cls", wire_classes(), ids=lambda cls: cls.__name__)
def test_whatever_is_encoded_comes_back(cls: type) -> None:
    value = sample(cls, "")
    assert wire.decode(cls, wire.encode(value)) == value


@pytest.mark.parametrize("member", typing.get_args(messages.FrameworkBody))
def test_every_body_of_an_envelope_finds_its_place(member: type) -> None:
    message = FrameworkMessage(typing.cast(Any, sample(member, "")), CallId("c1"))
    assert wire.decode(FrameworkMessage, wire.encode(message)) == message


def test_an_order_with_a_launch_comes_back() -> None:
    framework = FrameworkInfo(FrameworkId("f"), "test")
    order = MasterToAgent(3, RunAccept("a1", framework, Role("x/y"), (LAUNCH,), TASK.resources))
    assert wire.decode(MasterToAgent, wire.encode(order)) == order


BAD = [
    (Kill(TaskId("../etc")), "kill.task_id"),
    (Kill(TaskId("..")), "kill.task_id"),
    (Kill(TaskId("a\0b")), "kill.task_id"),
    (Kill(TaskId("x" * 300)), "kill.task_id"),
    (Kill(TaskId("t"), grace_s=math.nan), "kill.grace_s"),
    (Kill(TaskId("t"), grace_s=-1.0), "kill.grace_s"),
    (Decline((), refuse_s=math.inf), "decline.refuse_s"),
    (SetDemand((RoleDemand(Role("a//b"), ()),)), "set_demand.demands[0].role"),
    (
        SetDemand((RoleDemand(Role("a"), (Demand(Resources(cpus=-5)),)),)),
        "set_demand.demands[0].demands[0].each.cpus_millis",
    ),
    (
        Accept((), (Launch(dataclasses.replace(TASK, name="a\0"), LaunchUuid("u")),)),
        "accept.operations[0].launch.task.name",
    ),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=[field for _, field in BAD])
def test_a_bad_value_is_refused_by_the_name_of_its_field(
    body: messages.FrameworkBody, field: str
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        wire.decode(FrameworkMessage, wire.encode(FrameworkMessage(body)))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "said"), [("..", "'..' is the name of a directory"), ("a b", "may hold only letters")]
)
def test_what_is_wrong_with_a_name_is_said(name: str, said: str) -> None:
    with pytest.raises(InvalidFieldError, match=re.escape(said)):
        wire.decode(FrameworkMessage, wire.encode(FrameworkMessage(Kill(TaskId(name)))))


def test_an_unknown_enum_and_an_empty_envelope_are_refused() -> None:
    status = wire._proto_class("TaskStatus")(state=99)
    with pytest.raises(InvalidFieldError, match="state: 99 is not a known TaskState"):
        wire.decode(values.TaskStatus, status.SerializeToString())
    with pytest.raises(InvalidFieldError, match="body: is missing"):
        wire.decode(FrameworkMessage, b"")


def test_bytes_that_are_no_message_are_the_other_sides_fault() -> None:
    with pytest.raises(RemoteProtocolError, match="FrameworkMessage"):
        wire.decode(FrameworkMessage, b"\xff\xff\xff")


def test_terminal_states_are_those_from_finished_on() -> None:
    assert [s.name for s in TaskState if s.is_terminal][:3] == ["FINISHED", "FAILED", "KILLED"]
    assert not TaskState.UNREACHABLE.is_terminal
