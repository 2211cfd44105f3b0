"""The agent's core: runs what a master accepted, says truly what became of it, survives anything.

It knows no clock, no socket and no process: `server` brings events and carries out the actions.
The parts are `link` (the session), `accepts` with their `steps`, `life` (of a task), `updates`,
`away` and `retention` (of sandboxes), all over one `context`; `recovery` builds it again from what
was recorded.
"""

from collections.abc import Mapping, Sequence

from fairlead.common.events import Received, SessionClosed, SessionOpened, Tick
from fairlead.common.ids import FrameworkId, LaunchUuid, SessionId, TaskId
from fairlead.common.messages import (
    AcknowledgeUpdate,
    ChangeReservation,
    FrameworkAway,
    GangFormed,
    KillTask,
    RunAccept,
    ShutdownFramework,
)
from fairlead.common.resources import EMPTY
from fairlead.common.values import AgentInfo, AgentTask, TaskState

from . import completion
from .accepts import Accepts
from .away import Absences
from .context import Context
from .events import (
    Action,
    Confirmed,
    ContainerExited,
    ContainerNotStarted,
    ContainerStarted,
    DiskMeasured,
    Event,
    Recovered,
    SandboxRemoved,
    UsageMeasured,
)
from .gangs import Gangs
from .idle import Idle
from .ledger import Ledger
from .life import Life
from .link import Link
from .recovery import Recovery
from .reservations import Reservations
from .retention import Retention
from .settings import AgentSettings
from .steps import Answer
from .updates import Updates

OfContainer = ContainerStarted | ContainerNotStarted | ContainerExited | Answer


class Agent:
    """One agent. `now` is on a clock that counts suspend and is the same for a whole boot."""

    def __init__(
        self, settings: AgentSettings, info: AgentInfo, instance_uuid: str, now: float
    ) -> None:
        context = Context(settings, info, instance_uuid, now, Ledger(info.resources))
        self._context = context
        self._updates = Updates(context)
        self._life = Life(context, self._updates)
        self._gangs = Gangs(context, self._life)
        self._reservations = Reservations(context)
        self._accepts = Accepts(context, self._life, self._updates, self._gangs, self._reservations)
        self._absences = Absences(context, self._life, self._accepts)
        self._link = Link(
            context,
            self._updates,
            self._accepts,
            self._absences,
            self._reservations,
            idle=Idle(context, self._life),
        )
        self._retention = Retention(context)

    @classmethod
    def restore(  # noqa: PLR0917 - every core is restored this way
        cls,
        settings: AgentSettings,
        info: AgentInfo,
        instance_uuid: str,
        records: Mapping[str, object],
        containers: Sequence[Recovered],
        now: float,
    ) -> "Agent":
        """After a restart: what was recorded, and the containers that were found.

        What that entails is ordered by the first step, for which the deadline is at once.
        """
        agent = cls(settings, info, instance_uuid, now)
        recovery = Recovery(
            agent._context,
            agent._life,
            agent._accepts,
            agent._absences,
            agent._gangs,
            agent._reservations,
        )
        recovery.run(records, containers)
        return agent

    def step(self, event: Event, now: float) -> list[Action]:
        """What follows from an event, in the order in which it must be done."""
        context = self._context
        context.now = now
        match event:
            case Received(session, message):
                self._received(session, message)
            case Tick():
                self._tick()
            case Confirmed(token):
                self._accepts.confirmed(token)
            case UsageMeasured():
                self._link.measured(event)
            case DiskMeasured():
                self._retention.measured(event)
            case SandboxRemoved():
                self._retention.removed(event)
            case SessionOpened(session):
                self._link.opened(session)
            case SessionClosed():
                self._link.closed(event)
            case _:
                self._of_container(event)
        self._accepts.look()
        while self._gangs.look():
            self._accepts.look()
        self._link.leave()
        actions, context.actions = context.actions, []
        return actions

    def _of_container(self, event: OfContainer) -> None:
        match event:
            case ContainerStarted():
                self._life.started(event)
            case ContainerNotStarted():
                self._life.not_started(event)
            case ContainerExited():
                self._life.exited(event)
            case _:
                self._accepts.answered(event)

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do."""
        if self._context.actions:
            return self._context.now
        return self._context.timers.first()

    def _received(self, session: SessionId, message: object) -> None:
        body = self._link.heard(session, message)
        match body:
            case RunAccept():
                self._accepts.run(body)
            case KillTask():
                self._life.kill_requested(body)
            case GangFormed():
                self._gangs.formed(body)
            case AcknowledgeUpdate():
                self._updates.acknowledged(body)
            case ShutdownFramework(framework_id):
                self._absences.shut_down(framework_id, "its framework was removed")
            case FrameworkAway():
                self._absences.told(body)
            case ChangeReservation():
                self._reservations.order(body)
            case _:  # a heartbeat says nothing but that the master is there
                pass

    def _tick(self) -> None:
        self._link.excuse_stall()
        while (due := self._context.timers.pop_due(self._context.now)) is not None:
            match due:
                case ("dial", _):
                    self._link.dial()
                case ("silent", _):
                    self._link.silent()
                case ("heartbeat", _):
                    self._link.heartbeat()
                case ("resend", key):
                    self._updates.resend_due(key)
                case ("kill" | "destroy", key):
                    self._life.grace_is_over(key)
                case (completion.TIMER, key):
                    self._life.time_is_over(key)
                case ("step", accept_id):
                    self._accepts.deadline(accept_id)
                case ("undo", key):
                    self._accepts.undo_again(key)
                case ("away", framework_id):
                    self._absences.limit_reached(FrameworkId(framework_id))
                case _:
                    raise AssertionError(f"nobody waits for {due}")

    # --- for the shell: answered from memory, changes nothing

    @property
    def info(self) -> AgentInfo:
        """Who this agent is, with the id that the master gave it."""
        return self._context.info

    def look_up(
        self, framework_id: FrameworkId, task_id: TaskId, launch_uuid: LaunchUuid
    ) -> AgentTask | None:
        """A task that runs or ended here, without its files; the latest launch if none is named."""
        context = self._context
        for key in reversed(context.names.get((framework_id, task_id), [])):
            task = context.tasks[key]
            if launch_uuid in ("", task.launch_uuid):
                return task.as_value(context.ledger.of(key), with_files=False)
        for _, value in reversed(context.ended.values()):
            if (value.framework_id, value.task.task_id) == (framework_id, task_id) and (
                launch_uuid in ("", value.launch_uuid)
            ):
                return value
        return None

    def sandboxes(self) -> frozenset[str]:
        """The keys of all tasks that are listed, and whose sandboxes are kept."""
        context = self._context
        tasks = {key for key, task in context.tasks.items() if not task.sandbox_removed}
        ended = {key for key, (_, value) in context.ended.items() if not value.sandbox_removed}
        return frozenset(tasks | ended)

    def living(self) -> frozenset[str]:
        """The keys of the tasks that have not ended."""
        return frozenset(task.key for task in self._context.living())

    def check(self) -> None:
        """The books balance."""
        context = self._context
        held = {key: context.ledger.of(key) for key in (*context.tasks,)}
        for key, task in context.tasks.items():
            assert key == task.key, f"{key} is filed under another name"
            if task.is_ended:
                assert held[key] == EMPTY, f"{key} has ended and holds {held[key]}"
            elif task.state is TaskState.STAGING:
                assert task.accept_id in context.accepts, f"{key} waits for no accept"
            else:
                owner = context.containers.get(task.launch_uuid)
                assert owner == key, f"{key} is {task.state.name} without a container"
            is_killing = task.state is TaskState.KILLING
            assert is_killing == (task.kill is not None), f"{key}: {task.state}, {task.kill}"
        for accept in context.accepts.values():
            held[accept.holder] = context.ledger.of(accept.holder)
        context.ledger.check(held)
        for uuid, key in context.containers.items():
            assert key in context.tasks, f"the container {uuid} belongs to no task"
            assert not context.tasks[key].is_ended, f"the container of {key} has outlived it"
        assert not context.tasks.keys() & context.ended.keys(), "a task is in two places"
        for key, accept_id in context.claims.items():
            assert accept_id in context.accepts, f"{key} is claimed by an accept that is over"
        self._accepts.check()
        self._reservations.check()
        self._updates.check()
        self._link.check()
