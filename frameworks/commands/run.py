"""The scheduler behind `fairlead run`: one task, watched to its end; then nothing is left of it.

What the terminal should know leaves as Perform actions. If the terminal vanishes, so does the
session, and the master ends the task after `FAILOVER_S`.
"""

from collections.abc import Sequence
from dataclasses import replace

from fairlead.common.dataclass import dataclass
from fairlead.common.events import Tick
from fairlead.common.ids import FrameworkId, Role, TaskId
from fairlead.common.messages import KILL_SIGNALS, TERM, Kill, Teardown
from fairlead.common.values import FrameworkInfo, Reason, TaskInfo, TaskState, TaskStatus
from fairlead.frameworks.kit.events import LOST_EXIT, REFUSED_EXIT
from fairlead.frameworks.kit.scheduler import (
    Disconnected,
    OffersReceived,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Stop,
    Subscribed,
    accept,
    decline,
    wanting,
)

from .offers import Room, constraints_of, never_ran, rooms

FAILOVER_S = 5.0
PATIENCE_S = 3.0
"""After so long without a fitting offer the terminal is told that it waits."""
MOST_LAUNCHES = 20
"""A task that was dropped so often is not tried again."""
NOT_STARTED_EXIT = 127
SIGNALLED_EXIT = 128


# --- what the terminal hears


@dataclass(frozen=True, slots=True)
class TaskRunning:
    """It has started; its logs are read at `agent_address`."""

    status: TaskStatus
    agent_address: str


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """It has ended, or never ran; `exit_code` is for the shell, `message` says what a code cannot:
    empty for a program that ended by itself.
    """

    status: TaskStatus
    agent_address: str
    exit_code: int
    message: str


@dataclass(frozen=True, slots=True)
class StillWaiting:
    """No offer has fitted yet."""

    task: TaskInfo


@dataclass(frozen=True, slots=True)
class MasterAway:
    """The task runs on; the driver is looking for a master."""

    message: str


@dataclass(frozen=True, slots=True)
class MasterBack:
    """A master is there again."""


# --- what the terminal says


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A signal came to the terminal's process, and goes on to the task if a kill may send it;
    with a grace of 0 the task ends at once.
    """

    signal: int
    grace_s: float | None = None


class RunScheduler(SchedulerBase):
    """Runs one task on whatever fits, and stops with its exit code."""

    def __init__(self, task: TaskInfo, *, role: str = "default", user: str = "") -> None:
        self.framework = FrameworkInfo(
            FrameworkId(""), task.name, user, (Role(role),), failover_timeout_s=FAILOVER_S
        )
        self.task = task
        self.demands = wanting(task.resources, 1, role, constraints_of(task))
        self._role = role
        self._launches = 0
        self._is_launched = False
        self._agent_address = ""
        self._is_running = False
        self._is_away = False
        self._signal = 0
        self._waiting_until: float | None = None

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        match event:
            case Subscribed():
                return self._subscribed(now)
            case Disconnected(message):
                self._is_away = True
                return [MasterAway(message)]
            case OffersReceived():
                return self._offered(event)
            case StatusReceived(status):
                return self._followed(status)
            case Interrupted():
                return self._interrupted(event)
            case Tick():
                self._waiting_until = None
                return [StillWaiting(self.task)]
            case _:
                return ()

    def next_deadline(self) -> float | None:
        return self._waiting_until

    def _subscribed(self, now: float) -> Sequence[object]:
        if self._is_away:
            self._is_away = False
            return [MasterBack()]
        self._waiting_until = now + PATIENCE_S
        return ()

    def _offered(self, event: OffersReceived) -> Sequence[object]:
        actions: list[object] = []
        for room in rooms(event.offers):
            if not self._is_launched and room.suits(self.task) and self._fits(room):
                self._agent_address = room.address
                actions.append(accept(room.offers, self._next_launch()))
            else:
                actions.append(decline(room.offers))
        return actions

    def _fits(self, room: Room) -> bool:
        return room.resources.contains(self.task.resources)

    def _next_launch(self) -> TaskInfo:
        """A task id is used once, also by a launch that was dropped."""
        self._launches += 1
        self._is_launched = True
        self._waiting_until = None
        self.demands = wanting(self.task.resources, 0, self._role)
        if self._launches == 1:
            return self.task
        return replace(self.task, task_id=TaskId(f"{self.task.task_id}.{self._launches}"))

    def _followed(self, status: TaskStatus) -> Sequence[object]:
        if never_ran(status) and not self._signal and self._launches < MOST_LAUNCHES:
            self._is_launched = False
            self.demands = wanting(self.task.resources, 1, self._role, constraints_of(self.task))
            return ()
        if status.state.is_terminal:
            return self._ended(status)
        if status.state is TaskState.RUNNING and not self._is_running:
            self._is_running = True
            return [TaskRunning(status, self._agent_address)]
        return ()

    def _ended(self, status: TaskStatus) -> Sequence[object]:
        code, message = verdict(status, self._signal)
        ended = TaskEnded(status, self._agent_address, code, message)
        return [ended, Teardown(), Stop(exit_code=code)]

    def _interrupted(self, event: Interrupted) -> Sequence[object]:
        self._signal = self._signal or event.signal
        if self._is_launched:
            task_id = self.task.task_id
            if self._launches > 1:
                task_id = TaskId(f"{task_id}.{self._launches}")
            signal = event.signal if event.signal in KILL_SIGNALS else 0
            return [Kill(task_id, grace_s=event.grace_s, signal=signal)]
        return [Teardown(), Stop("not started yet", SIGNALLED_EXIT + event.signal)]


def verdict(status: TaskStatus, interrupted_by: int = 0) -> tuple[int, str]:
    """The exit code of a task as a shell would give it, and what must be said beside it."""
    detail = status.message or status.reason.name.lower().replace("_", " ")
    match status.state:
        case TaskState.DROPPED if status.reason is Reason.INVALID_TASK:
            return REFUSED_EXIT, f"the task was refused: {detail}"
        case TaskState.ERROR:
            return REFUSED_EXIT, f"the task was refused: {detail}"
        case TaskState.FAILED if status.reason is Reason.COMMAND_NOT_STARTED:
            return NOT_STARTED_EXIT, f"the command was not started: {detail}"
        case TaskState.KILLED | TaskState.DROPPED if interrupted_by:
            return _interrupted_verdict(status, interrupted_by), ""
    if status.reason in (Reason.COMMAND_EXITED, Reason.KILL_REQUESTED):
        said = "" if status.state is not TaskState.KILLED else "the task was killed"
    else:
        said = f"the task ended: {detail}"
    is_killed = status.state is TaskState.KILLED or status.reason is Reason.MAX_COMPLETION_TIME
    if status.exit_code is not None and not is_killed:
        return status.exit_code, said
    if status.signal:
        return SIGNALLED_EXIT + status.signal, said
    if is_killed:
        return SIGNALLED_EXIT + TERM, said
    return LOST_EXIT, said or f"the task was lost: {detail}"


def _interrupted_verdict(status: TaskStatus, interrupted_by: int) -> int:
    """The program's own, if it was told what came to the terminal and has lived to answer it."""
    if interrupted_by in KILL_SIGNALS:
        if status.exit_code is not None:
            return status.exit_code
        if status.signal:
            return SIGNALLED_EXIT + status.signal
    return SIGNALLED_EXIT + interrupted_by
