"""What the parts of the agent's core share: its tasks and promises, the way out, the time.

`actions` are those of the step that is running; what is recorded here is found again by
`recovery` under the same keys.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import field, replace

from fairlead.common.dataclass import dataclass
from fairlead.common.events import Record, Send
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, SessionId, TaskId
from fairlead.common.messages import (
    AcceptEnded,
    AcceptProgress,
    AgentBody,
    AgentMessage,
    AgentRegistered,
    Heartbeat,
    KillTask,
    MasterToAgent,
    RunAccept,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    FrameworkInfo,
    Launch,
    TaskInfo,
    TaskState,
    TaskStatus,
    Usage,
)

from .events import Action
from .ledger import Ledger
from .operations import launches, named
from .settings import AgentSettings
from .timers import Timers


def task_key(framework_id: str, task_id: str, launch_uuid: str) -> str:
    """Names one launch; none of the three may hold a slash."""
    return f"{framework_id}/{task_id}/{launch_uuid}"


def accept_holder(accept_id: str) -> str:
    """Names an accept in the ledger: what no task of it has taken yet."""
    return f"accept/{accept_id}"


@dataclass(slots=True)
class Task:
    """A launch that lives, or whose updates are not all acknowledged."""

    framework_id: FrameworkId
    info: TaskInfo
    launch_uuid: LaunchUuid
    role: Role
    accept_id: str
    sandbox: str
    latest: TaskStatus
    state: TaskState = TaskState.STAGING
    """Where it is on the table; `latest` says what was reported."""
    undo: str = ""
    """Set: its suspension or resumption failed, and why; the opposite is ordered."""
    rested_without_cpus: bool = False
    """Before its last resumption; if that fails it does again."""
    updates: deque[TaskStatus] = field(default_factory=deque)
    """Not acknowledged; the head is in flight."""
    resend_s: float = 0.0
    kill: KillTask | None = None
    usage: Usage | None = None
    sandbox_removed: str = ""
    """Why; empty while it is there."""
    ran_s: float = 0.0
    """Of its completion time, before `runs_since`; see `completion`."""
    runs_since: float | None = None
    gang_formed: bool = False
    """All of its gang have run, its master said."""

    @property
    def key(self) -> str:
        return task_key(self.framework_id, self.info.task_id, self.launch_uuid)

    @property
    def is_ended(self) -> bool:
        return self.state.is_terminal

    def drop_files(self) -> None:
        """They are in the sandbox, or will never be needed."""
        if self.info.files:
            self.info = replace(self.info, files={})

    def as_value(self, resources: Resources, *, with_files: bool) -> AgentTask:
        """For the record, with the files that a start still needs; or for others, without."""
        info = self.info if with_files or not self.info.files else replace(self.info, files={})
        return AgentTask(
            self.framework_id,
            info,
            self.launch_uuid,
            self.latest,
            resources,
            self.sandbox,
            self.role,
            self.accept_id,
            self.sandbox_removed,
            self.rested_without_cpus,
            gang_formed=self.gang_formed,
        )


@dataclass(slots=True)
class Accept:
    """An accept that is being executed, and what of its resources no task took yet."""

    run: RunAccept
    next_operation: int = 0
    launched: list[str] = field(default_factory=list)
    """In the row that is not durable yet."""
    step: str = ""
    """The key of the task that a suspend, resume or resize is under way on."""
    failed_operation: int = -1
    message: str = ""

    @property
    def holder(self) -> str:
        return accept_holder(self.run.accept_id)

    @property
    def token(self) -> str:
        return f"{self.run.accept_id}/{self.next_operation}"

    def to_come(self) -> Iterator[Launch]:
        """Launches that no row has booked yet."""
        for operation in self.run.operations[self.next_operation :]:
            yield from launches(operation)


@dataclass(slots=True)
class Away:
    """Since when, on our clock, a framework has been away, and for how long it may."""

    since: float
    limit_s: float
    key: str
    """Under which it is recorded."""


@dataclass(slots=True)
class Context:
    """One agent."""

    settings: AgentSettings
    info: AgentInfo
    instance_uuid: str
    now: float
    ledger: Ledger
    cluster_id: str = ""
    heartbeat_s: float = 0.0
    epoch: int = 0
    """The highest that was ever seen."""
    session: SessionId | None = None
    is_registered: bool = False
    ended_accepts: list[AcceptEnded] = field(default_factory=list)
    """Under way when we told the master of them; its answer is not here yet."""
    tasks: dict[str, Task] = field(default_factory=dict)
    ended: dict[str, tuple[int, AgentTask]] = field(default_factory=dict)
    """Acknowledged to the end, oldest first, each with its number in the records."""
    launches: dict[LaunchUuid, str] = field(default_factory=dict)
    """The key of the task that a launch uuid belongs to; ended ones included."""
    names: dict[tuple[FrameworkId, TaskId], list[str]] = field(default_factory=dict)
    """The keys of the launches, ended ones excluded, that bear a task id."""
    containers: dict[LaunchUuid, str] = field(default_factory=dict)
    """Ordered, and not known to have ended."""
    accepts: dict[str, Accept] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    """By the keys of tasks that accepts under way name: who gets what such a task leaves."""
    lost_members: dict[tuple[FrameworkId, str], str] = field(default_factory=dict)
    """By framework and gang: what became of a member, until the others are ended as well."""
    frameworks: dict[FrameworkId, FrameworkInfo] = field(default_factory=dict)
    away: dict[FrameworkId, Away] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)
    actions: list[Action] = field(default_factory=list)

    @property
    def agent_id(self) -> AgentId:
        return self.info.agent_id

    def do(self, action: Action) -> None:
        self.actions.append(action)

    def record(self, key: str, value: object | None) -> None:
        self.actions.append(Record(key, value))

    def say(self, body: AgentBody) -> None:
        """To the master, if it listens; what matters is said again when it does."""
        if self.session is not None and self.is_registered:
            self.actions.append(Send(self.session, AgentMessage(body)))

    # --- the agent itself

    def adopt_identity(self, identity: AgentRegistered) -> None:
        self.info = replace(self.info, agent_id=identity.agent_id)
        self.cluster_id = identity.cluster_id
        self.heartbeat_s = identity.heartbeat_s

    def record_epoch(self, epoch: int) -> None:
        """Before anything of that epoch is obeyed: later actions wait for it."""
        if epoch > self.epoch:
            self.epoch = epoch
            self.record("epoch", MasterToAgent(epoch, Heartbeat()))

    # --- accepts

    def progress(self, accept: Accept) -> AcceptProgress:
        """Where it stands, and what of its resources no task holds."""
        run = accept.run
        return AcceptProgress(
            run.accept_id,
            run.framework.framework_id,
            accept.next_operation,
            self.ledger.of(accept.holder),
            run.role,
            tuple(dict.fromkeys(named(run.operations))),
        )

    def record_progress(self, accept: Accept) -> None:
        self.record(f"progress/{accept.run.accept_id}", self.progress(accept))

    def say_ended(self, ended: AcceptEnded) -> None:
        """To a master that has it in its books, or will have once it answers a registration."""
        if self.is_registered:
            self.say(ended)
        elif self.session is not None:
            self.ended_accepts.append(ended)

    def say_ended_since(self) -> None:
        """The answer is here."""
        for ended in self.ended_accepts:
            self.say(ended)
        self.ended_accepts.clear()

    def drop_claims(self, accept_id: str) -> None:
        for key in [key for key, claimant in self.claims.items() if claimant == accept_id]:
            del self.claims[key]

    def note_member(self, info: TaskInfo, latest: TaskStatus) -> None:
        """Of a gang: if it is lost, the others are to end; see `gangs`."""
        is_lost = latest.state.is_terminal and latest.state is not TaskState.FINISHED
        if is_lost and info.gang is not None:
            name = latest.framework_id, info.gang.gang_id
            message = f"gang {name[1]}: {latest.task_id} is {latest.state.name}"
            self.lost_members.setdefault(name, message)

    def inherit(self, task: Task) -> Accept | None:
        """What an ended task held goes to the accept that names it, else it is free."""
        held = self.ledger.of(task.key)
        self.ledger.release(task.key)
        accept = self.accepts.get(self.claims.pop(task.key, ""))
        if accept is not None:
            self.ledger.hold(accept.holder, self.ledger.of(accept.holder) + held)
        return accept

    # --- tasks

    def add_task(self, task: Task) -> None:
        """Into all indexes. The first owner of a launch uuid keeps it."""
        self.tasks[task.key] = task
        self.launches.setdefault(task.launch_uuid, task.key)
        self.names.setdefault((task.framework_id, task.info.task_id), []).append(task.key)

    def record_task(self, task: Task) -> None:
        held = self.ledger.of(task.key)
        needs_files = task.state in (TaskState.STAGING, TaskState.STARTING)
        value = task.as_value(held, with_files=needs_files)
        if task.info.max_completion_s:  # to others the instants of this clock mean nothing
            boot_id = self.settings.boot_id
            value = replace(value, ran_s=task.ran_s, runs_since_s=task.runs_since, boot_id=boot_id)
        self.record(f"task/{task.key}", value)

    def living(self, framework_id: FrameworkId | None = None) -> list[Task]:
        """The tasks that have not ended, of one framework or of all."""
        return [
            task
            for task in self.tasks.values()
            if not task.is_ended and framework_id in (None, task.framework_id)
        ]

    def owner(self, launch_uuid: LaunchUuid) -> Task | None:
        """The task whose container bears this uuid, unless it has ended."""
        task = self.tasks.get(self.launches.get(launch_uuid, ""))
        return None if task is None or task.is_ended else task

    def retire(self, task: Task) -> None:
        """Ended, and every update acknowledged: kept for its log alone."""
        del self.tasks[task.key]
        name = (task.framework_id, task.info.task_id)
        self.names[name].remove(task.key)
        if not self.names[name]:
            del self.names[name]
        number = next(reversed(self.ended.values()))[0] + 1 if self.ended else 1
        value = task.as_value(EMPTY, with_files=False)
        self.record_ended(number, task.key, value)
        self.record(f"task/{task.key}", None)
        self._forget_excess()

    def record_ended(self, number: int, key: str, value: AgentTask) -> None:
        self.ended[key] = (number, value)
        self.record(f"ended/{number:012}", value)

    def _forget_excess(self) -> None:
        while len(self.ended) > self.settings.ended_kept:
            key = next(iter(self.ended))
            number, value = self.ended.pop(key)
            self.record(f"ended/{number:012}", None)
            if self.launches.get(value.launch_uuid) == key:
                del self.launches[value.launch_uuid]
            self._forget_framework(value.framework_id)

    def _forget_framework(self, framework_id: FrameworkId) -> None:
        if any(known == framework_id for known in self._framework_ids()):
            return
        if self.frameworks.pop(framework_id, None) is not None:
            self.record(f"framework/{framework_id}", None)
        away = self.away.pop(framework_id, None)
        if away is not None:
            self.timers.cancel("away", framework_id)
            self.record(away.key, None)

    def _framework_ids(self) -> Iterator[FrameworkId]:
        yield from (task.framework_id for task in self.tasks.values())
        yield from (value.framework_id for _, value in self.ended.values())
        yield from (accept.run.framework.framework_id for accept in self.accepts.values())
