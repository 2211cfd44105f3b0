"""The three kinds of process, each with the part of its shell that is not like the others'."""

from collections.abc import Callable
from random import Random

from fairlead.agent.core import Agent
from fairlead.agent.events import (
    Confirm,
    Confirmed,
    DestroyContainer,
    Dial,
    DiskMeasured,
    Exit,
    ForgetContainer,
    RemoveSandbox,
    ResumeContainer,
    SandboxRemoved,
    SignalContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
    UsageMeasured,
)
from fairlead.agent.settings import AgentSettings
from fairlead.common.events import Received, Send
from fairlead.common.ids import CallId, FrameworkId, SessionId
from fairlead.common.messages import Code
from fairlead.common.operators import OperatorBody, OperatorCall, OperatorReply
from fairlead.common.values import AgentInfo, HostUsage
from fairlead.frameworks.kit.core import Driver
from fairlead.frameworks.kit.events import Dial as DriverDial
from fairlead.frameworks.kit.events import DriverSettings
from fairlead.frameworks.kit.scheduler import StatusReceived, Stop, Subscribed
from fairlead.master.core import Master, ReceivedInvalid
from fairlead.master.settings import MasterSettings

from .disk import Disk
from .launcher import KILL, Launcher
from .network import Peer
from .process import Process, Stage
from .schedulers import Memory, Replayable

USAGE_EVERY_S = 2.0
FULL_EVERY_S, FULL_FOR_S = 40.0, 8.0
"""Every disk is full for a while now and then, so that what ended tasks left must go."""
REMOVAL_S = 0.05
OPERATORS = SessionId(0)
"""Operators' calls come one by one; no session of theirs is modelled."""

Leader = Callable[[str], Peer | None]
"""Whom a host believes to lead."""


class MasterNode(Process):
    """One reign. Its registry refuses it once another has begun."""

    kind = "master"
    is_heard_at_once = True

    def __init__(
        self, stage: Stage, name: str, disk: Disk, settings: MasterSettings, offset: float
    ) -> None:
        super().__init__(stage, name, name, disk, offset)
        stage.auditor.acts(stage.clock.now, name)
        disk.epoch += 1
        self.epoch = disk.epoch
        records = dict(disk.records)
        random = Random(f"{disk.cluster_id}/{self.epoch}")
        self.core = Master.restore(
            settings, self.epoch, disk.cluster_id, records, self.time(), random
        )
        self._calls = 0
        self._asked: dict[CallId, OperatorBody] = {}
        self.begin(self.core)

    def may_write(self) -> bool:
        if self._disk.epoch == self.epoch:
            return super().may_write()
        self.stage.clock.after(0.0, lambda: self.die("a newer leader holds the registry"))
        return False

    def take(self, event: object) -> None:
        self.stage.auditor.acts(self.stage.clock.now, self.name)
        super().take(event)

    def check_step(self) -> None:
        self.core.check_step()

    def operate(self, body: OperatorBody) -> None:
        """An operator's order arrives."""
        self._calls += 1
        call = OperatorCall(body, CallId(f"operator-{self._calls}"))
        self.stage.journal.note(self.stage.clock.now, self.name, "operator", body)
        self.stage.auditor.ordered(call)
        self._asked[call.call_id] = body
        self.feed(Received(OPERATORS, call))

    def _perform_next(self, action: object) -> None:
        super()._perform_next(action)
        if self.is_alive and isinstance(action, Send) and isinstance(action.message, OperatorReply):
            result = action.message.result
            if result.code is Code.OK:
                self.stage.auditor.promised(self.name, self._asked[result.call_id])

    def mishear(self, framework_id: FrameworkId) -> bool:
        """A call of this framework carries a value that may not stand there."""
        framework = self.core.books.frameworks.get(framework_id)
        if framework is None or framework.session is None:
            return False
        self._calls += 1
        call_id = CallId(f"world-{self._calls}")
        self.feed(ReceivedInvalid(framework.session, call_id, "refuse_s", "is not a number"))
        return True


class AgentNode(Process):
    """One life of an agent over its host's disk and launcher."""

    kind = "agent"

    def __init__(  # noqa: PLR0917 - what a host has, in order
        self,
        stage: Stage,
        name: str,
        host: str,
        disk: Disk,
        launcher: Launcher,
        leader: Leader,
        settings: AgentSettings,
        info: AgentInfo,
        offset: float,
    ) -> None:
        super().__init__(stage, name, host, disk, offset)
        self._launcher = launcher
        self._leader = leader
        self.is_removed = False
        """For ever: an operator marked it gone, and it was told so."""
        self.core = Agent.restore(
            settings, info, name, dict(disk.records), launcher.recovered(), self.time()
        )
        launcher.tell = self.feed
        self.begin(self.core)
        self._measure()

    def perform(self, action: object) -> None:
        match action:
            case Dial():
                self.stage.network.dial(self, self._leader(self.host))
            case Confirm(token):
                self.stage.clock.after(0.0, lambda: self.feed(Confirmed(token)))
            case StartContainer():
                self._launcher.start(action)
            case SignalContainer(launch_uuid, signum):
                self._launcher.signal(launch_uuid, signum)
            case DestroyContainer(launch_uuid):
                self._launcher.signal(launch_uuid, KILL)
            case SuspendContainer():
                self._launcher.suspend(action)
            case ResumeContainer():
                self._launcher.resume(action)
            case UpdateContainer():
                self._launcher.update(action)
            case ForgetContainer(launch_uuid):
                self._launcher.forget(launch_uuid)
            case RemoveSandbox(key):
                removed = SandboxRemoved(key, 1 << 20)
                self.stage.clock.after(REMOVAL_S, lambda: self.feed(removed))
            case Exit(message, code):
                self.is_removed = code is Code.AGENT_REMOVED
                self.die(message)
            case _:
                super().perform(action)

    def die(self, why: str, *, silently: bool = False) -> None:
        if self.is_alive:
            self._launcher.left_alone()
        super().die(why, silently=silently)

    def _measure(self) -> None:
        if self.is_alive:
            self.stage.clock.after(USAGE_EVERY_S, self._measure)
            self.feed(UsageMeasured(HostUsage(10.0, 1 << 30), self._launcher.usage()))
            is_full = self.stage.clock.now % FULL_EVERY_S < FULL_FOR_S
            self.feed(DiskMeasured(5 if is_full else 50, 100))


class FrameworkNode(Process):
    """One life of a framework; what its scheduler must not forget is in its `Memory`."""

    kind = "framework"

    def __init__(  # noqa: PLR0917 - what a host has, in order
        self,
        stage: Stage,
        name: str,
        host: str,
        scheduler: Replayable,
        memory: Memory,
        leader: Leader,
        settings: DriverSettings,
        offset: float,
        disk: Disk | None = None,
    ) -> None:
        super().__init__(stage, name, host, disk or Disk(stage.clock, stage.random), offset)
        self._leader = leader
        self.scheduler = scheduler
        self.has_stopped = False
        self.comes_back = False
        """Set: when it stops, it was only to be restarted."""
        scheduler.on_event = self._witness
        self.core = Driver(scheduler, name, memory.framework_id, settings)
        # Beside its id a framework keeps the epoch: no former leader's word counts.
        self.core.epoch, self.core.cluster_id = memory.epoch, memory.cluster_id
        self._memory = memory
        self.begin(self.core)

    def perform(self, action: object) -> None:
        match action:
            case DriverDial():
                self.stage.network.dial(self, self._leader(self.host))
            case Stop(message):
                self.has_stopped = not self.comes_back
                self.die(message or "stopped")
            case _:
                super().perform(action)

    def restart(self) -> None:
        """Whoever runs it wants it to end in good order, and starts it again."""
        self.comes_back = True
        self.feed(Stop("to be restarted"))

    def _witness(self, event: object) -> None:
        if isinstance(event, StatusReceived):
            self.stage.auditor.told(self.name, event.status)
        elif isinstance(event, Subscribed):
            self._memory.epoch, self._memory.cluster_id = event.epoch, self.core.cluster_id
