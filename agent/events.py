"""What an agent's core is told and what it orders, beside the events and actions of every core.

The agent's shell makes the one and performs the other; the simulator does the same without I/O.
"""

from dataclasses import dataclass

from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import FrameworkId, LaunchUuid, Role
from fairlead.common.messages import Code
from fairlead.common.resources import Resources
from fairlead.common.values import HostUsage, TaskInfo, Usage

# --- events


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Every Record ordered before the Confirm with this token is durable."""

    token: str


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """The task's command runs; pid and start time name the process."""

    launch_uuid: LaunchUuid
    pid: int
    start_time: int = 0


@dataclass(frozen=True, slots=True)
class ContainerNotStarted:
    """The task's command could not be started, and why; nothing of it runs."""

    launch_uuid: LaunchUuid
    message: str


@dataclass(frozen=True, slots=True)
class ContainerExited:
    """A container ended; neither code nor signal means that nobody knows how."""

    launch_uuid: LaunchUuid
    exit_code: int | None = None
    signal: int | None = None
    max_rss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class UsageMeasured:
    """What the host and each container use."""

    host: HostUsage
    tasks: tuple[tuple[LaunchUuid, Usage], ...] = ()


Event = (
    SessionOpened
    | Received
    | SessionClosed
    | Tick
    | Confirmed
    | ContainerStarted
    | ContainerNotStarted
    | ContainerExited
    | UsageMeasured
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A container found again after a restart: it runs, or it ended meanwhile."""

    launch_uuid: LaunchUuid
    pid: int
    start_time: int = 0
    exit: ContainerExited | None = None


# --- actions


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a session to the leader; SessionOpened or SessionClosed says what came of it."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Come back with Confirmed once this is reached in the order of actions."""

    token: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start a task's command; ordering it twice must start it once."""

    launch_uuid: LaunchUuid
    framework_id: FrameworkId
    task: TaskInfo
    resources: Resources
    role: Role
    sandbox: str


@dataclass(frozen=True, slots=True)
class SignalContainer:
    """Signal the processes of a task."""

    launch_uuid: LaunchUuid
    signum: int


@dataclass(frozen=True, slots=True)
class DestroyContainer:
    """Kill whatever runs in a container; its exit is told as an event."""

    launch_uuid: LaunchUuid


@dataclass(frozen=True, slots=True)
class ForgetContainer:
    """How it ended is on disk here: nobody else needs to remember it."""

    launch_uuid: LaunchUuid


@dataclass(frozen=True, slots=True)
class Exit:
    """End this process, not the tasks, with one line."""

    message: str
    code: Code


Action = (
    Dial
    | Send
    | CloseSession
    | Record
    | Confirm
    | StartContainer
    | SignalContainer
    | DestroyContainer
    | ForgetContainer
    | Exit
)
