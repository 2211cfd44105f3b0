"""An agent's core in a made-up world: a master that can be silent, processes that obey.

Every action is performed at once, in order; after each step the books are checked. `crash` drops
the core and restores it from what was recorded and from the processes that are still there.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.agent.core import Agent
from fairlead.agent.events import (
    Action,
    Confirm,
    Confirmed,
    ContainerExited,
    ContainerNotResumed,
    ContainerNotStarted,
    ContainerNotSuspended,
    ContainerResumed,
    ContainerStarted,
    ContainerSuspended,
    ContainerUpdated,
    DestroyContainer,
    Dial,
    Event,
    Exit,
    ForgetContainer,
    Recovered,
    RemoveSandbox,
    ResumeContainer,
    SignalContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
)
from fairlead.agent.limits import Limits
from fairlead.agent.settings import AgentSettings
from fairlead.common import wire
from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, SessionId, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.messages import (
    AcceptEnded,
    AcknowledgeUpdate,
    AgentBody,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    Code,
    FrameworkAway,
    Goodbye,
    Heartbeat,
    KillTask,
    MasterToAgent,
    RegisterAgent,
    RunAccept,
    ShutdownFramework,
    TaskUpdated,
    ToAgentBody,
)
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import (
    AgentInfo,
    Command,
    FrameworkInfo,
    Launch,
    Operation,
    Reason,
    TaskInfo,
    TaskState,
)

F1 = FrameworkId("f1")
TERM, KILL, INT, HUP = 15, 9, 2, 1


class CrashError(Exception):
    """The agent dies here."""


@dataclass
class Process:
    """What runs for one launch uuid."""

    pid: int
    start: StartContainer
    exit: ContainerExited | None = None
    is_frozen: bool = False
    limits: Limits | None = None
    """Other than it was started with."""
    signals: list[int] = field(default_factory=list)


class AgentHarness:
    """Say what the master and the processes do; look at what the agent said."""

    def __init__(
        self,
        cpus: float = 4,
        gpus: Mapping[str, float] | int = 0,
        settings: AgentSettings | None = None,
    ) -> None:
        self.now = 1000.0
        self.settings = settings or AgentSettings(boot_id="boot-1", sandboxes="/srv/sandboxes")
        self.info = AgentInfo(
            AgentId(""), "host", Resources.of(cpus=cpus, mem=2**30, gpus=gpus), name="a"
        )
        self.records: dict[str, object] = {}
        self.processes: dict[LaunchUuid, Process] = {}
        self.starts: list[LaunchUuid] = []
        self.epoch = 1
        self.cluster_id = "c1"
        self.master_is_up = True
        self.acknowledges = False
        self.starts_fail = ""
        self.starts_answer = True
        self.steps_answer = True
        self.suspends_fail = ""
        """Devices are not given back, so it goes on."""
        self.resumes_fail = ""
        self.updates_fail = ""
        self.suspends: list[SuspendContainer] = []
        self.resizes: list[UpdateContainer] = []
        self.confirms = True
        self.dies = True
        self.answers_registrations = True
        self.heartbeat_s = 2.0
        self.heard: list[AgentBody] = []
        self.closed: list[CloseSession] = []
        self.removals: list[str] = []
        self.exit_message = ""
        self.session: SessionId | None = None
        self.performed = 0
        self.crash_at = -1
        self.accept_count = 0
        self._sessions = 0
        self._instances = 1
        self._beat_at = self.now + 2.0
        self._queue: deque[Event] = deque()
        self._held_back: list[Event] = []
        self._wanted_kills: dict[str, KillTask] = {}
        self.agent = Agent(self.settings, self.info, "instance-1", self.now)

    # --- time

    def tick(self) -> "AgentHarness":
        """A Tick now, if one is due."""
        deadline = self.agent.next_deadline()
        if deadline is not None and deadline <= self.now:
            self._queue.append(Tick())
            self.settle()
        return self

    def passes(self, seconds: float) -> "AgentHarness":
        """Let time pass, with every Tick at its time; the master is not silent unless down."""
        until = self.now + seconds
        while True:
            deadline = self.agent.next_deadline()
            moment = min(self._beat_at, until if deadline is None else deadline)
            if moment > until:
                break
            self.now = max(self.now, moment)
            self.tick()
            if self.now >= self._beat_at:
                self._beat_at = self.now + 2.0
                if self.session is not None and self.master_is_up:
                    self.says(Heartbeat())
            elif moment >= until:
                break
        self.now = until
        return self.tick()

    # --- the master

    def registered(self) -> "AgentHarness":
        """The first thing to happen in most stories."""
        for _ in range(100):
            if self.session is not None:
                return self
            self.now = max(self.now, self.agent.next_deadline() or self.now)
            self.tick()
        raise AssertionError("the agent never registered")

    def says(self, body: ToAgentBody, epoch: int | None = None) -> "AgentHarness":
        assert self.session is not None, "there is no session to say it on"
        message = MasterToAgent(self.epoch if epoch is None else epoch, body)
        self._queue.append(Received(self.session, message))
        return self.settle()

    def run(self, operations: Iterable[Operation], **extra: object) -> "AgentHarness":
        operations = tuple(operations)
        self.accept_count += 1
        launches = list(launches_in(operations))
        wanted = total(launch.task.resources for launch in launches)
        offered = extra.get("offered")
        assert offered is None or isinstance(offered, Resources)
        framework_id = FrameworkId(str(extra.get("framework", "f1")))
        return self.says(
            RunAccept(
                str(extra.get("accept_id", f"accept-{self.accept_count}")),
                FrameworkInfo(framework_id, "framework"),
                Role("default"),
                operations,
                offered or wanted,
            )
        )

    def launch(
        self, *names: str, cpus: float = 1, framework: str = "f1", grace_s: float = 5.0
    ) -> "AgentHarness":
        """One accept with a launch for each name; `u-NAME` is its uuid."""
        return self.run(
            [launch(name, cpus=cpus, grace_s=grace_s) for name in names], framework=framework
        )

    def kill(
        self, name: str, grace_s: float = 5.0, uuid: str | None = None, signal: int = 0
    ) -> "AgentHarness":
        uuid = f"u-{name}" if uuid is None else uuid
        message = KillTask(F1, TaskId(name), LaunchUuid(uuid), grace_s, signal)
        self._wanted_kills[name] = message
        return self.says(message)

    def acknowledge(self, name: str, number: int) -> "AgentHarness":
        return self.says(AcknowledgeUpdate(F1, TaskId(name), f"u-{name}.{number}"))  # type: ignore[arg-type]

    def shut_down(self, framework: str = "f1") -> "AgentHarness":
        return self.says(ShutdownFramework(FrameworkId(framework)))

    def away(self, away_s: float, limit_s: float, *, back: bool = False) -> "AgentHarness":
        return self.says(FrameworkAway(F1, away_s, limit_s, back))

    def hangs_up(self, code: Code = Code.UNSPECIFIED, message: str = "") -> "AgentHarness":
        """The session breaks."""
        assert self.session is not None, "there is no session to break"
        self._queue.append(SessionClosed(self.session, code, message))
        self.session = None
        return self.settle()

    # --- the processes

    def exits(self, name: str, code: int | None = 0, signal: int | None = None) -> "AgentHarness":
        uuid = LaunchUuid(f"u-{name}")
        process = self.processes[uuid]
        if process.exit is None:
            process.exit = ContainerExited(uuid, code, signal, 4096)
            self._queue.append(process.exit)
        return self.settle()

    def pid(self, name: str) -> int:
        return self.processes[LaunchUuid(f"u-{name}")].pid

    def signals(self, name: str) -> list[int]:
        return self.processes[LaunchUuid(f"u-{name}")].signals

    def frozen(self) -> list[str]:
        return [p.start.task.task_id for p in self.processes.values() if p.is_frozen]

    def held(self, name: str) -> Resources:
        """By a task that runs or has ended here, as the agent says."""
        value = self.agent.look_up(F1, TaskId(name), LaunchUuid(""))
        assert value is not None, f"{name} is not known"
        return value.resources

    def state(self, name: str) -> TaskState:
        value = self.agent.look_up(F1, TaskId(name), LaunchUuid(""))
        assert value is not None, f"{name} is not known"
        return value.latest.state

    def running(self) -> list[str]:
        return [uuid for uuid, process in self.processes.items() if process.exit is None]

    def answers(self) -> "AgentHarness":
        """What was held back by `confirms` or `starts_answer` comes now."""
        self._queue.extend(self._held_back)
        self._held_back.clear()
        return self.settle()

    def tell(self, event: Event) -> "AgentHarness":
        """What the shell has seen."""
        self._queue.append(event)
        return self.settle()

    # --- the agent's end

    def crash(self, cpus: float | None = None, boot_id: str | None = None) -> "AgentHarness":
        """Kill -9, and start again with what is on disk."""
        self._queue.clear()
        self.removals.clear()
        self.session = None
        if cpus is not None:
            self.info = AgentInfo(AgentId(""), "host", Resources.of(cpus=cpus, mem=2**30))
        if boot_id is not None:
            self.settings = AgentSettings(boot_id=boot_id, sandboxes="/srv/sandboxes")
        self._instances += 1
        found = [
            Recovered(uuid, process.pid, 7, process.exit)
            for uuid, process in self.processes.items()
        ]
        self.agent = Agent.restore(
            self.settings,
            self.info,
            f"instance-{self._instances}",
            {key: self._from_disk(value) for key, value in self.records.items()},
            found,
            self.now,
        )
        self.agent.check()
        return self

    def _from_disk(self, value: object) -> object:
        """What is recorded must stand the way to the disk and back."""
        back: object = wire.decode(type(value), wire.encode(value))
        assert back == value, f"{value} came back as {back}"
        return back

    # --- what it said

    def updates(self) -> list[str]:
        """Each status update once, in the order in which it first came: "t1 RUNNING"."""
        seen: dict[tuple[str, str], str] = {}
        for body in self.heard:
            if isinstance(body, TaskUpdated):
                status = body.status
                what = f"{status.task_id} {status.state.name}"
                seen.setdefault((status.task_id, status.update_uuid), what)
        return list(seen.values())

    def last(self, name: str) -> TaskUpdated:
        found = [b for b in self.all_updates() if b.status.task_id == name]
        assert found, f"nothing was said of {name}"
        return found[-1]

    def all_updates(self) -> list[TaskUpdated]:
        """Repetitions included."""
        return [body for body in self.heard if isinstance(body, TaskUpdated)]

    def registrations(self) -> list[RegisterAgent]:
        return [body for body in self.heard if isinstance(body, RegisterAgent)]

    def heartbeats(self) -> list[AgentHeartbeat]:
        return [body for body in self.heard if isinstance(body, AgentHeartbeat)]

    def ended_accepts(self) -> list[AcceptEnded]:
        return [body for body in self.heard if isinstance(body, AcceptEnded)]

    def goodbyes(self) -> list[Code]:
        return [body.code for body in self.heard if isinstance(body, Goodbye)]

    # --- the loop

    def settle(self) -> "AgentHarness":
        """Carry out events and actions until nothing is left to do."""
        try:
            while self._queue:
                self.step(self._queue.popleft())
        except CrashError:
            self.crash_at = -1
            self.crash()
            if self.master_is_up:
                self.registered()
        return self

    def step(self, event: Event) -> None:
        actions = self.agent.step(event, self.now)
        self.agent.check()
        for action in actions:
            if self.performed == self.crash_at:
                raise CrashError
            self.performed += 1
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Record(key, None):
                self.records.pop(key, None)
            case Record(key, value):
                self.records[key] = value
            case Confirm(token):
                self._answer(Confirmed(token), self.confirms)
            case Dial():
                self._dialled()
            case Send(session, AgentMessage(body)):
                if session == self.session:
                    self.heard.append(body)
                    self._master_hears(body)
            case CloseSession():
                self.closed.append(action)
                if action.session == self.session:
                    self.session = None
                self._queue.append(SessionClosed(action.session))
            case Exit(message):
                self.exit_message = message
            case RemoveSandbox(key):
                assert key not in self.agent.living(), f"{key} lives"
                self.removals.append(key)
            case _:
                self._to_processes(action)

    def _to_processes(self, action: Action) -> None:
        match action:
            case StartContainer(launch_uuid):
                self._start(launch_uuid, action)
            case SignalContainer(launch_uuid, signum):
                if launch_uuid in self.processes:
                    self.processes[launch_uuid].signals.append(signum)
            case DestroyContainer(launch_uuid):
                process = self.processes.get(launch_uuid)
                if process is not None and process.exit is None:
                    process.signals.append(KILL)
                    if self.dies:
                        process.exit = ContainerExited(launch_uuid, None, KILL)
                        self._queue.append(process.exit)
            case SuspendContainer() | ResumeContainer() | UpdateContainer():
                self._step(action)
            case ForgetContainer(launch_uuid):
                process = self.processes.get(launch_uuid)
                assert process is None or process.exit is not None, "forgot what runs"
                self.processes.pop(launch_uuid, None)
            case _:
                raise AssertionError(f"nobody performs {action}")

    def _start(self, launch_uuid: LaunchUuid, start: StartContainer) -> None:
        if self.starts_fail:
            self._queue.append(ContainerNotStarted(launch_uuid, self.starts_fail))
            return
        if launch_uuid not in self.processes:
            self.starts.append(launch_uuid)
            self.processes[launch_uuid] = Process(100 + len(self.starts), start)
        started = ContainerStarted(launch_uuid, self.processes[launch_uuid].pid, 7)
        self._answer(started, self.starts_answer)

    def _step(self, order: SuspendContainer | ResumeContainer | UpdateContainer) -> None:
        uuid = order.launch_uuid
        process = self.processes.get(uuid)
        if process is None or process.exit is not None:
            return
        answer: Event
        match order:
            case SuspendContainer():
                self.suspends.append(order)
                answer = ContainerSuspended(uuid)
                if self.suspends_fail:
                    reason = Reason.GPU_NOT_RELEASED
                    answer = ContainerNotSuspended(uuid, reason, self.suspends_fail)
                process.is_frozen = not self.suspends_fail
            case ResumeContainer():
                answer = ContainerResumed(uuid)
                if self.resumes_fail:
                    answer = ContainerNotResumed(uuid, self.resumes_fail)
                process.is_frozen = process.is_frozen and bool(self.resumes_fail)
            case UpdateContainer(_, limits, token):
                self.resizes.append(order)
                answer = ContainerUpdated(uuid, self.updates_fail, token)
                process.limits = process.limits if self.updates_fail else limits
        self._answer(answer, self.steps_answer)

    def _answer(self, event: Event, is_prompt: bool) -> None:
        (self._queue if is_prompt else self._held_back).append(event)

    def _dialled(self) -> None:
        self._sessions += 1
        session = SessionId(self._sessions)
        if not self.master_is_up:
            self._queue.append(SessionClosed(session))
            return
        self.session = session
        self._queue.append(SessionOpened(session))

    def _master_hears(self, body: AgentBody) -> None:
        assert self.session is not None, "heard without a session"
        wire.decode(AgentMessage, wire.encode(AgentMessage(body)))
        answers: list[ToAgentBody] = []
        if isinstance(body, RegisterAgent) and not body.more and self.answers_registrations:
            answers.append(AgentRegistered(AgentId("agent-1"), self.cluster_id, self.heartbeat_s))
            living = {task.task.task_id for task in body.tasks}
            answers += [kill for name, kill in self._wanted_kills.items() if name in living]
        if isinstance(body, TaskUpdated) and self.acknowledges and body.status.update_uuid:
            status = body.status
            answers.append(
                AcknowledgeUpdate(status.framework_id, status.task_id, status.update_uuid)
            )
        for answer in answers:
            self._queue.append(Received(self.session, MasterToAgent(self.epoch, answer)))


def launch(
    name: str,
    cpus: float = 1,
    *,
    uuid: str = "",
    grace_s: float = 5.0,
    resources: Resources | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Launch:
    task = TaskInfo(
        TaskId(name),
        name,
        Command(("sleep", "1000")),
        Resources.of(cpus=cpus) if resources is None else resources,
        kill_grace_s=grace_s,
        files=files or {},
    )
    return Launch(task, LaunchUuid(uuid or f"u-{name}"))


def final_states(h: AgentHarness) -> dict[str, tuple[TaskState, int | None]]:
    """What the agent's own list of ended tasks says."""
    values = [h.agent.look_up(F1, TaskId(n), LaunchUuid("")) for n in ("t1", "t2", "t3")]
    return {
        value.task.task_id: (value.latest.state, value.latest.exit_code)
        for value in values
        if value is not None and value.resources == EMPTY
    }
