"""How late a busy master is: `python benchmarks/probe.py`, 50,000 agents and 200 frameworks.

The real core of a master; agents and frameworks that know no more than this takes. Each framework
runs a task on all that it is offered, for 30 ± 10 s of a clock that is virtual, and charged: what a
step takes of the cpu, and 50 µs for each message that it sends, passes there before the next step,
and events wait for their turn meanwhile. Every now and then another framework comes for one task of
10 s, the probe. Measured is how long after its first word its task runs, beside the same while
nobody else is there. It ends with 1 if that is a second or more; with `--slowed 100` it has to.
"""

import argparse
import gc
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from measure import Report, arguments, quantile

from fairlead.common.events import Received, Send, SessionOpened, Tick
from fairlead.common.ids import (
    AgentId,
    CallId,
    FrameworkId,
    LaunchUuid,
    Role,
    SessionId,
    TaskId,
    UpdateUuid,
)
from fairlead.common.loop import BREATH, PATIENCE_S
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    Accept,
    Acknowledge,
    AcknowledgeUpdate,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    FrameworkBody,
    FrameworkMessage,
    Heartbeat,
    Hello,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    RegisterAgent,
    RunAccept,
    StatusUpdated,
    Subscribe,
    TaskUpdated,
    Teardown,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    AgentInfo,
    Command,
    Demand,
    FrameworkInfo,
    Launch,
    Offer,
    Reason,
    RoleDemand,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.master import garbage
from fairlead.master.core import Event, Master
from fairlead.master.settings import MasterSettings

GIB = 2**30
TASK = Resources.of(cpus=1, mem=GIB)
MESSAGE_S = 50e-6
"""What one that is sent costs the master."""
WAY_S = 0.0005
"""Of each message, in either direction."""
BEAT_S = 2.0
"""Of frameworks."""
PROBE_S = 10.0
PROBE_EVERY_S = 0.5
ASKED_S = 1.0
IDLE_S = 20.0
LAST_S = 3.0
"""No probe comes so shortly before the end."""


class Clock:
    """Virtual time, and what will be done in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, doing: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._plans, (when, self._count, doing))

    @property
    def next(self) -> float:
        return self._plans[0][0] if self._plans else float("inf")

    def run_next(self) -> None:
        self.now, _, doing = heappop(self._plans)
        doing()


@dataclass(slots=True)
class Spent:
    """What a master has done in some time."""

    cpu_s: float = 0.0
    sent: int = 0
    steps: int = 0
    most_waiting: int = 0
    """Events, after a step."""

    def add(self, cpu_s: float, sent: int, waiting: int) -> None:
        self.cpu_s += cpu_s
        self.sent += sent
        self.steps += 1
        self.most_waiting = max(self.most_waiting, waiting)


class Server:
    """A master's shell in virtual time: its inbox, its loop, and what its steps are charged."""

    def __init__(self, clock: Clock, slowed: float) -> None:
        self.master = Master(MasterSettings(), 1, "benchmark", Random(2))
        self.clock = clock
        self.slowed = slowed
        self.free_at = 0.0
        """When its last step is over."""
        self.is_charged = False
        self.spent = Spent()
        self.peers: dict[SessionId, Callable[[object], None]] = {}
        self._inbox: deque[tuple[float, Event]] = deque()
        self._now = 0.0

    def spare(self) -> None:
        """As `fairlead.master.garbage` does, charged."""
        began = time.thread_time()
        garbage.hide()
        self.free_at += time.thread_time() - began
        self.clock.at(self.free_at + garbage.EVERY_S, self.spare)

    def open(self, hear: Callable[[object], None]) -> SessionId:
        session = SessionId(len(self.peers) + 1)
        self.peers[session] = hear
        self.arrive(SessionOpened(session))
        return session

    def say(self, session: SessionId, message: object) -> None:
        """Said now, it arrives after its way."""
        event = Received(session, message)
        self.clock.at(self.clock.now + WAY_S, lambda: self.arrive(event))

    def arrive(self, event: Event) -> None:
        self._inbox.append((self.clock.now, event))

    def run_until(self, end: float, condition: Callable[[], bool] = lambda: False) -> None:
        """As `fairlead.common.loop` does."""
        while self.free_at < end and not condition():
            while self.clock.next <= self.free_at:
                self.clock.run_next()
            deadline = self.master.next_deadline()
            if self._inbox:
                came = self._inbox[0][0]
                if deadline is not None and came - deadline > PATIENCE_S:
                    self._take(Tick(), came)
                for _ in range(min(BREATH, len(self._inbox))):
                    came, event = self._inbox.popleft()
                    self._take(event, came)
            elif deadline is not None and deadline <= self.free_at:
                self._take(Tick(), self.free_at)
            else:
                soonest = end if deadline is None else min(deadline, end)
                self.free_at = max(self.free_at, min(self.clock.next, soonest))

    def _take(self, event: Event | Tick, came: float) -> None:
        self._now = max(self._now, came)
        began = time.thread_time()
        actions = self.master.step(event, self._now)
        cpu_s = (time.thread_time() - began) * self.slowed
        self.master.take_touched()
        sends = [action for action in actions if isinstance(action, Send)]
        if self.is_charged:
            self.free_at += cpu_s + len(sends) * MESSAGE_S
            self.spent.add(cpu_s, len(sends), len(self._inbox))
        for send in sends:
            self._deliver(send)

    def _deliver(self, send: Send) -> None:
        hear = self.peers[send.session]
        self.clock.at(self.free_at + WAY_S, lambda: hear(send.message))


@dataclass(slots=True)
class Agent:
    """Runs what it is told; an update waits for the acknowledgement of the one before it."""

    server: Server
    number: int
    size: Resources
    random: Random
    session: SessionId = SessionId(0)
    agent_id: AgentId = AgentId("")
    interval_s: float = 0.0
    beats: int = 0
    ends: dict[LaunchUuid, TaskStatus] = field(default_factory=dict)
    """Of tasks whose start has not been acknowledged yet, and that have ended."""
    starts: dict[UpdateUuid, LaunchUuid] = field(default_factory=dict)
    """Not acknowledged."""

    def begin(self) -> None:
        self.session = self.server.open(self.hear)
        hello = Hello(PROTOCOL_VERSION, "benchmark", f"agent-{self.number}", 1)
        info = AgentInfo(AgentId(""), f"host-{self.number}", self.size)
        self._say(RegisterAgent(hello, info))

    def hear(self, message: object) -> None:
        assert isinstance(message, MasterToAgent)
        match message.body:
            case AgentRegistered(agent_id=agent_id, heartbeat_s=interval_s):
                self.agent_id, self.interval_s = agent_id, interval_s
                self.server.clock.at(self.server.clock.now + interval_s, self.beat)
            case RunAccept() as accept:
                for launch in accept.operations:
                    assert isinstance(launch, Launch)
                    self._start(accept.framework.framework_id, launch)
            case AcknowledgeUpdate(update_uuid=update_uuid):
                launch_uuid = self.starts.pop(update_uuid, None)
                if launch_uuid is not None and (end := self.ends.pop(launch_uuid, None)):
                    self._update(end)
            case _:
                pass

    def beat(self) -> None:
        self.beats += 1
        self._say(AgentHeartbeat(self.beats))
        self.server.clock.at(self.server.clock.now + self.interval_s, self.beat)

    def _say(self, body: RegisterAgent | AgentHeartbeat | TaskUpdated) -> None:
        self.server.say(self.session, AgentMessage(body))

    def _start(self, framework_id: FrameworkId, launch: Launch) -> None:
        uuid, task = launch.launch_uuid, launch.task
        running = TaskStatus(
            framework_id,
            task.task_id,
            uuid,
            self.agent_id,
            TaskState.RUNNING,
            Source.AGENT,
            sequence=1,
            update_uuid=UpdateUuid(f"{uuid}.1"),
        )
        finished = TaskStatus(
            framework_id,
            task.task_id,
            uuid,
            self.agent_id,
            TaskState.FINISHED,
            Source.AGENT,
            Reason.COMMAND_EXITED,
            sequence=2,
            update_uuid=UpdateUuid(f"{uuid}.2"),
            exit_code=0,
        )
        self.starts[running.update_uuid] = uuid
        self._update(running)
        lasts_s = float(task.command.argv[1])
        self.server.clock.at(self.server.clock.now + lasts_s, lambda: self._end(finished))

    def _end(self, status: TaskStatus) -> None:
        if f"{status.launch_uuid}.1" in self.starts:
            self.ends[status.launch_uuid] = status
        else:
            self._update(status)

    def _update(self, status: TaskStatus) -> None:
        held = EMPTY if status.state.is_terminal else TASK
        self._say(TaskUpdated(status, status, held))


@dataclass(slots=True)
class Scheduler:
    """A framework that runs a task on all that it is offered."""

    server: Server
    name: str
    random: Random
    session: SessionId = SessionId(0)
    is_over: bool = False
    launched: int = 0
    running: int = 0
    ended: int = 0
    dropped: int = 0
    """Since their offer was not there any more when the master came to them."""

    def begin(self, *demands: RoleDemand) -> None:
        self.session = self.server.open(self.hear)
        hello = Hello(PROTOCOL_VERSION, "benchmark", self.name, 1)
        info = FrameworkInfo(FrameworkId(""), self.name, roles=(Role(self.name),))
        self._say(Subscribe(hello, info, demands=demands), "s")
        self.server.clock.at(self.server.clock.now + BEAT_S, self.beat)

    def beat(self) -> None:
        if not self.is_over:
            self._say(Heartbeat())
            self.server.clock.at(self.server.clock.now + BEAT_S, self.beat)

    def hear(self, message: object) -> None:
        assert isinstance(message, MasterToFramework)
        match message.body:
            case OffersMade(offers=offers):
                for offer in offers:
                    self.use(offer)
            case StatusUpdated(status=status):
                if status.update_uuid:
                    self._say(Acknowledge(status.task_id, status.agent_id, status.update_uuid))
                self.running += status.state is TaskState.RUNNING
                self.dropped += status.state is TaskState.DROPPED
                if status.state is TaskState.FINISHED:
                    self.ended += 1
                    self.finished()
            case _:
                pass

    def lasts_s(self) -> float:
        return max(1.0, self.random.gauss(30.0, 10.0))

    def use(self, offer: Offer) -> None:
        launches = []
        for _ in range(offer.resources.cpus // TASK.cpus):
            self.launched += 1
            name = f"{self.name}-{self.launched}"
            command = Command(("work", f"{self.lasts_s():.3f}"))
            task = TaskInfo(TaskId(name), name, command, TASK)
            launches.append(Launch(task, LaunchUuid(name)))
        self._say(Accept((offer.offer_id,), tuple(launches)), f"a{self.launched}")

    def finished(self) -> None:
        """One of its tasks is."""

    def _say(self, body: FrameworkBody, call_id: str = "") -> None:
        self.server.say(self.session, FrameworkMessage(body, CallId(call_id)))


@dataclass(slots=True)
class Probe(Scheduler):
    """Wants one task, and leaves when it has ended."""

    since: float = 0.0
    until: float | None = None
    """When its task ran."""

    def come(self) -> None:
        self.since = self.server.clock.now
        self.begin(RoleDemand(Role(self.name), (Demand(TASK, 1),)))

    def hear(self, message: object) -> None:
        Scheduler.hear(self, message)
        if self.running and self.until is None:
            self.until = self.server.clock.now

    def lasts_s(self) -> float:
        return PROBE_S

    def finished(self) -> None:
        self.is_over = True
        self._say(Teardown(), "t")


class World:
    """The cluster, and the probes that come to it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.clock = Clock()
        self.server = Server(self.clock, options.slowed)
        self.random = Random(1)
        size = Resources(*(each * options.tasks for each in (TASK.cpus, TASK.mem)))
        self.agents = [Agent(self.server, n, size, self.random) for n in range(options.agents)]
        self.crowd = [
            Scheduler(self.server, f"crowd-{n}", self.random) for n in range(options.frameworks)
        ]
        self.probes = 0
        self.began = 0.0
        """When everything is there but the frameworks."""

    def register(self) -> None:
        """For nothing, since that is not measured; and spread out, as are heartbeats then."""
        interval_s = MasterSettings().max_heartbeat_s
        for agent in self.agents:
            phase = interval_s * agent.number / len(self.agents)
            self.clock.at(phase, agent.begin)
        self.server.run_until(interval_s + 1.0)
        assert all(agent.agent_id for agent in self.agents), "somebody was not registered"
        gc.collect()
        self.server.spare()
        self.server.is_charged = True
        self.began = self.server.free_at

    def probe(self) -> Probe:
        self.probes += 1
        probe = Probe(self.server, f"probe-{self.probes}", self.random)
        probe.come()
        return probe

    def probe_for(self, lasts_s: float) -> list[float]:
        """How long each of those that come meanwhile waited: to the end, if it still does."""
        probes: list[Probe] = []
        began = self.server.free_at
        end = began + lasts_s
        for number in range(int((lasts_s - LAST_S) / PROBE_EVERY_S)):
            when = began + PROBE_EVERY_S * number
            self.clock.at(when, lambda: probes.append(self.probe()))
        self.server.spent = Spent()
        self.server.run_until(end)
        return [(each.until or end) - each.since for each in probes]

    def crowd_comes(self) -> None:
        """And the first of its tasks has ended."""
        for scheduler in self.crowd:
            scheduler.begin()
        self.server.run_until(float("inf"), lambda: any(each.ended for each in self.crowd))


def tell(report: Report, world: World, lasts_s: float) -> None:
    """What the master had to do meanwhile."""
    spent = world.server.spent
    messages_s = spent.sent * MESSAGE_S
    report.add("busy: the master's time", "%", [100 * (spent.cpu_s + messages_s) / lasts_s])
    report.note(
        f"{100 * spent.cpu_s / lasts_s:.0f} % cpu of {spent.steps / lasts_s:,.0f} steps a second,"
        f" {100 * messages_s / lasts_s:.0f} % for {spent.sent / lasts_s:,.0f} messages a second"
    )
    report.note(f"at most {spent.most_waiting:,} events waited")


def measure(report: Report, options: argparse.Namespace) -> bool:
    """Whether the probe was late."""
    world = World(options)
    world.register()
    idle = world.probe_for(IDLE_S)
    report.add("idle cluster: the probe runs after, p50", "ms", [quantile(idle, 0.5) * 1e3])
    tell(report, world, IDLE_S)
    world.crowd_comes()
    report.note(f"the first task ended after {world.server.free_at - world.began:.0f} s")
    before = sum(each.ended for each in world.crowd)
    busy = world.probe_for(options.seconds)
    ended = sum(each.ended for each in world.crowd) - before
    report.note(f"{ended / options.seconds:,.0f} tasks ended a second, {len(busy)} probes came")
    running = sum(each.running - each.ended for each in world.crowd)
    share = 100 * running / (options.agents * options.tasks)
    report.note(f"{share:.0f} % of the room for tasks was in use in the end")
    if dropped := sum(each.dropped for each in world.crowd):
        report.note(f"{dropped:,} tasks were not launched: their offers had timed out meanwhile")
    tell(report, world, options.seconds)
    later = [wait - quantile(idle, 0.5) for wait in busy]
    for share, asked in ((0.5, ""), (0.99, f"≤ {ASKED_S * 1e3:.0f}")):
        value = quantile(later, share)
        report.add(f"busy: later than idle, p{share * 100:.0f}", "ms", [value * 1e3], asked)
    return quantile(later, 0.99) >= ASKED_S


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, default=50_000)
    parser.add_argument("--frameworks", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=1, help="that fit on an agent (1)")
    parser.add_argument("--seconds", type=float, default=120.0, help="virtual, once tasks end")
    parser.add_argument("--slowed", type=float, default=1.0, help="each step takes n times the cpu")
    options = parser.parse_args()
    report = Report(options.output == "json")
    tasks = "a task" if options.tasks == 1 else f"{options.tasks} tasks"
    report.note(f"{options.agents:,} agents, {tasks} on each, {options.frameworks} frameworks")
    is_late = measure(report, options)
    report.end()
    return int(is_late)


if __name__ == "__main__":
    sys.exit(main())
