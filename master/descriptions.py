"""What agents and frameworks say of themselves, judged before it is believed.

What is said here travels on to others, in offers and accepts: it has to be true to itself, and so
short that it costs nobody a session.
"""

from collections.abc import Collection, Iterable, Mapping

from fairlead.common.messages import RegisterAgent, TaskUpdated
from fairlead.common.resources import MILLIS
from fairlead.common.sizes import text_bytes
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    FrameworkInfo,
    Reservation,
    TaskState,
    TaskStatus,
)

MAX_BYTES = 16 * 1024
"""Of the text in one field of the description of an agent or a framework."""

MAX_RESERVATIONS = 100
"""Roles for which one agent keeps something."""
MAX_SHARES = 2048
"""Devices and ranges of ports in all of them."""

_OF_FRAMEWORKS = ("labels", "capabilities", "roles", "name", "user", "address")
_OF_AGENTS = ("attributes", "warnings", "hostname", "zone", "rack", "address", "isolation", "name")

NEVER_REPORTED = (
    TaskState.UNSPECIFIED,
    TaskState.UNREACHABLE,
    TaskState.UNKNOWN,
    TaskState.RECOVERING,
)
"""What only the master says of a task."""

Trouble = tuple[str, str]
"""The field, and what is wrong with it."""


def bad_framework(info: FrameworkInfo) -> Trouble | None:
    """A field of a framework's description that may not be so."""
    return _too_long(info, _OF_FRAMEWORKS)


def bad_registration(call: RegisterAgent) -> Trouble | None:
    """A field of what an agent says of itself and its tasks that may not be so."""
    if (trouble := _bad_agent(call.agent)) is not None:
        return f"agent.{trouble[0]}", trouble[1]
    for index, info in enumerate(call.frameworks):
        if not info.framework_id:
            return f"frameworks[{index}].framework_id", "is empty"
        if (trouble := bad_framework(info)) is not None:
            return f"frameworks[{index}].{trouble[0]}", trouble[1]
    for index, accept in enumerate(call.accepts):
        for field in ("accept_id", "framework_id"):
            if not getattr(accept, field):
                return f"accepts[{index}].{field}", "is empty"
    if wrong := bad_reservations(call.reservations):
        return "reservations", wrong
    for name, reports in (("tasks", call.tasks), ("ended", call.ended)):
        for index, report in enumerate(reports):
            if (trouble := _bad_report(call.agent, report)) is not None:
                return f"{name}[{index}].{trouble[0]}", trouble[1]
    return None


def bad_update(agent: AgentInfo, update: TaskUpdated) -> Trouble | None:
    """An update is about one launch on the agent that sends it."""
    status, latest = update.status, update.latest
    for name in ("framework_id", "task_id", "launch_uuid", "update_uuid"):
        if not getattr(status, name):
            return f"status.{name}", "is empty"
    if status.agent_id != agent.agent_id:
        return "status.agent_id", f"is {status.agent_id!r}, but {agent.agent_id} says it"
    for name in ("framework_id", "task_id", "launch_uuid", "agent_id"):
        if getattr(latest, name) != getattr(status, name):
            return f"latest.{name}", f"is not that of the status, {getattr(status, name)!r}"
    return _bad_state("status.state", status) or _bad_state("latest.state", latest)


def bad_reservations(reservations: Collection[Reservation]) -> str:
    """Of one agent, all that it has. They are shown together, so there is a limit."""
    if len(reservations) > MAX_RESERVATIONS:
        return f"are for {len(reservations)} roles; {MAX_RESERVATIONS} are allowed"
    parts = [part for each in reservations for part in (each.resources, each.fixed)]
    shares = sum(len(part.gpus) + len(part.ports) for part in parts)
    if shares > MAX_SHARES:
        return f"name {shares} devices and ranges of ports; {MAX_SHARES} are allowed"
    return ""


def _bad_agent(info: AgentInfo) -> Trouble | None:
    for device, millis in info.resources.gpus:
        if not device:
            return "resources.gpus", "a device has no id"
        if millis > MILLIS:
            return "resources.gpus", f"{device} has {millis} thousandths of itself"
    if (trouble := _too_long(info, _OF_AGENTS)) is not None:
        return trouble
    size = sum(_size((gpu.gpu_id, gpu.model, gpu.pci_bus)) for gpu in info.gpus)
    return _too_much("gpus", size)


def _bad_report(agent: AgentInfo, report: AgentTask) -> Trouble | None:
    latest = report.latest
    if not report.framework_id:
        return "framework_id", "is empty"
    if not report.task.task_id:
        return "task.task_id", "is empty"
    if not report.launch_uuid:
        return "launch_uuid", "is empty"
    wanted = {
        "framework_id": report.framework_id,
        "task_id": report.task.task_id,
        "launch_uuid": report.launch_uuid,
        "agent_id": agent.agent_id,
    }
    for name, value in wanted.items():
        if getattr(latest, name) != value:
            return f"latest.{name}", f"is {getattr(latest, name)!r}, not {value!r}"
    return _bad_state("latest.state", latest)


def _too_long(info: AgentInfo | FrameworkInfo, names: Iterable[str]) -> Trouble | None:
    for name in names:
        value = getattr(info, name)
        size = _size((value,) if isinstance(value, str) else value)
        if (trouble := _too_much(name, size)) is not None:
            return trouble
    return None


def _too_much(name: str, size: int) -> Trouble | None:
    if size > MAX_BYTES:
        return name, f"has {size} bytes of text; {MAX_BYTES} are allowed"
    return None


def _size(texts: Iterable[str]) -> int:
    """Of a mapping: keys and values."""
    values = texts.values() if isinstance(texts, Mapping) else ()
    return sum(text_bytes(text) for text in (*texts, *values))


def _bad_state(field: str, status: TaskStatus) -> Trouble | None:
    if status.state in NEVER_REPORTED:
        return field, f"{status.state.name} is nothing that an agent can see"
    return None
