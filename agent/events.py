"""What an agent's core is told and what it orders, beside the events and actions of every core.

The agent's shell makes the one and performs the other; the simulator does the same without I/O.
"""

from fairlead.common.dataclass import dataclass
from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import FrameworkId, GpuId, LaunchUuid, Role
from fairlead.common.messages import Code
from fairlead.common.resources import Resources
from fairlead.common.values import HostUsage, Reason, TaskInfo, Usage

from .limits import Limits

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
    is_out_of_memory: bool = False
    """Something of it was killed because it reached its own limit."""


@dataclass(frozen=True, slots=True)
class ContainerSuspended:
    """Nothing of it runs until it is resumed, and its devices hold nothing of it."""

    launch_uuid: LaunchUuid


@dataclass(frozen=True, slots=True)
class ContainerNotSuspended:
    """It goes on as before, and why."""

    launch_uuid: LaunchUuid
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class ContainerResumed:
    """It goes on."""

    launch_uuid: LaunchUuid


@dataclass(frozen=True, slots=True)
class ContainerNotResumed:
    """It is still suspended, and why."""

    launch_uuid: LaunchUuid
    message: str


@dataclass(frozen=True, slots=True)
class ContainerUpdated:
    """It is held to other limits from now on; with a message it could not be, and is not."""

    launch_uuid: LaunchUuid
    message: str = ""
    token: str = ""
    """Of the order."""


@dataclass(frozen=True, slots=True)
class UsageMeasured:
    """What the host and each container use."""

    host: HostUsage
    tasks: tuple[tuple[LaunchUuid, Usage], ...] = ()


@dataclass(frozen=True, slots=True)
class DiskMeasured:
    """How much of the file system under the sandboxes is free, of what tasks may use."""

    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class SandboxRemoved:
    """A RemoveSandbox is done, as far as it could be, and gave back so much."""

    key: str
    freed_bytes: int = 0


Event = (
    SessionOpened
    | Received
    | SessionClosed
    | Tick
    | Confirmed
    | ContainerStarted
    | ContainerNotStarted
    | ContainerExited
    | ContainerSuspended
    | ContainerNotSuspended
    | ContainerResumed
    | ContainerNotResumed
    | ContainerUpdated
    | UsageMeasured
    | DiskMeasured
    | SandboxRemoved
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
class SuspendContainer:
    """Let it come to rest, if there is a signal for that, freeze it, and see that its devices are
    free; ContainerSuspended or ContainerNotSuspended follows. Ordering it twice does it once.
    """

    launch_uuid: LaunchUuid
    sandbox: str
    signum: int = 0
    wait_s: float = 0.0
    gpu_ids: tuple[GpuId, ...] = ()
    """Those that must be free then."""


@dataclass(frozen=True, slots=True)
class ResumeContainer:
    """Let it go on; ContainerResumed or ContainerNotResumed follows. Idempotent."""

    launch_uuid: LaunchUuid
    sandbox: str


@dataclass(frozen=True, slots=True)
class UpdateContainer:
    """Hold it to other limits, while it runs; ContainerUpdated follows. Idempotent."""

    launch_uuid: LaunchUuid
    limits: Limits
    token: str = ""
    """Comes back with the answer: one that is late is not taken for that of an order behind it."""
    gpu_ids: tuple[GpuId, ...] = ()
    """Those that it is to have given up; else nothing is changed."""


@dataclass(frozen=True, slots=True)
class ForgetContainer:
    """How it ended is on disk here: nobody else needs to remember it."""

    launch_uuid: LaunchUuid


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Of a task that has ended, by its key; SandboxRemoved says when it is done."""

    key: str


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
    | SuspendContainer
    | ResumeContainer
    | UpdateContainer
    | ForgetContainer
    | RemoveSandbox
    | Exit
)
