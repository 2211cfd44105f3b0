"""One simulated cluster: built from a seed, troubled for a while, then left alone and judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from fairlead.agent.settings import AgentSettings
from fairlead.common.ids import FrameworkId
from fairlead.common.operators import OperatorBody, TeardownFramework
from fairlead.common.values import AgentInfo
from fairlead.frameworks.kit.events import DriverSettings, Happened

from . import reserving, retiring
from .auditor import Auditor, Terms, ViolationError
from .clock import Clock
from .disk import Disk
from .faults import strike
from .hosts import AgentHost, FrameworkHost, framework_hosts
from .journal import Journal, count
from .launcher import Launcher
from .network import End, Network, Peer
from .nodes import AgentNode, FrameworkNode, MasterNode
from .plan import Plan, draw
from .process import CHECK_EVERY, CoreFailedError, Process, Stage
from .schedulers import LEAVE, Memory
from .settling import judge, unsettled

REST_S = 8.0
"""All is settled once it has been for so long: longer than the longest that is under way."""
GUEST_AWAY_S = 15.0
CLEARING_S = 2.0
ADMINISTRATOR_S = 45.0
"""After the last fault, so long that every agent is back."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a world."""

    seed: int
    settings: str
    digest: str
    virtual_s: float
    steps: int
    events: dict[str, int]
    faults: dict[str, int]
    effects: dict[str, int]
    failure: str = ""
    last_lines: tuple[str, ...] = ()


class World:
    """`run` lives it through. Also what faults strike."""

    def __init__(self, plan: Plan, check_every: int = CHECK_EVERY) -> None:
        self.plan = plan
        self.random = Random(f"{plan.seed}/faults")
        self.journal = Journal()
        self.clock = Clock()
        self._dice = Random(f"{plan.seed}/world")
        settings = plan.master
        terms = Terms(
            settings.agent_timeout_s,
            settings.min_filter_s,
            settings.offer_timeout_s,
            settings.fair_refusals,
            settings.minimum_offers,
            settings.excluded_resources,
            in_order=settings.sorter == "drf",
            gpu_agents_for_all=settings.gpu_agents_for_all,
        )
        self.auditor = Auditor(terms)
        self.network = Network(self.clock, Random(f"{plan.seed}/network"))
        self.network.on_overflow = lambda: count(self.journal.effects, "queue overflown")
        self._stage = Stage(
            self.clock, self.network, self._dice, self.journal, self.auditor, check_every
        )
        self._registry = Disk(self.clock, self._dice, cluster_id=f"cluster-{plan.seed}")
        self._master: MasterNode | None = None
        self._masters = 0
        self._deposed: list[MasterNode] = []
        self._is_calm = False
        self._hosts = {info.name: self._host(info) for info in plan.agents}
        self._frameworks = {host.name: host for host in framework_hosts(self.plan)}

    # --- what faults may strike

    @property
    def now(self) -> float:
        return self.clock.now

    @property
    def master(self) -> MasterNode | None:
        return self._master

    def agents(self) -> list[AgentNode]:
        return [host.node for host in self._hosts.values() if host.node is not None]

    def frameworks(self) -> list[FrameworkNode]:
        return [host.node for host in self._frameworks.values() if host.node is not None]

    def launcher(self, host: str) -> Launcher:
        return self._hosts[host].launcher

    def later(self, delay: float, call: Callable[[], None]) -> None:
        self.clock.after(delay, call)

    def kill(
        self, process: Process, why: str, *, away_s: float | None = None, silently: bool = False
    ) -> None:
        """It is started again after a while."""
        host = self._hosts.get(process.host)
        if host is not None and silently:
            host.boots += 1
            host.places += 1
            host.offset = self._dice.uniform(0.0, 1000.0)
        process.on_death = lambda _why: self._restart(process, away_s)
        process.die(why, silently=silently)

    def pause(self, process: Process, duration: float) -> None:
        process.stop()
        self.later(duration, process.resume)

    def usurp(self, duration: float) -> None:
        old = self._master
        assert old is not None
        self.pause(old, duration)
        old.on_death = lambda _why: None
        self._deposed.append(old)
        self._master = None
        self.later(self._dice.uniform(0.1, 1.0), self._start_master)
        self.later(duration + self._dice.uniform(1.0, 12.0), lambda: old.die("found out"))

    def replay(self, link: End) -> None:
        number = self.network.replay(link, self._dice.uniform(0.0, 15.0))
        self.auditor.echoed(number, link.peer.name)

    def leap(self, process: Process, seconds: float) -> None:
        host = self._hosts.get(process.host)
        if host is not None:
            host.offset += seconds
        self.auditor.leapt(process.name, process.host, seconds)
        process.leap(seconds)

    def slow_disk(self, process: Process, duration: float) -> None:
        self._disk_of(process).slow_until = self.now + duration

    def full_disk(self, process: Process, duration: float) -> None:
        self._disk_of(process).full_until = self.now + duration

    def lose_disk(self, process: Process) -> None:
        host = self._hosts[process.host]
        host.launcher.vanish(told=False)
        self.kill(process, "its disk is lost", away_s=2.0, silently=True)
        self._empty(host)

    def _empty(self, host: AgentHost) -> None:
        host.disk.records.clear()
        self.auditor.disk_lost(host.info.name)

    def _disk_of(self, process: Process) -> Disk:
        host = self._hosts.get(process.host)
        return self._registry if host is None else host.disk

    def guest_id(self) -> FrameworkId:
        guest = self._frameworks.get("guest")
        if guest is None or guest.has_stopped:
            return FrameworkId("")
        return FrameworkId(guest.memory.framework_id)

    # --- a life

    def run(self) -> Report:
        failure = ""
        try:
            self._live()
        except (ViolationError, CoreFailedError, AssertionError) as error:
            failure = f"{type(error).__name__}: {error}"
        journal = self.journal
        return Report(
            self.plan.seed,
            self.plan.describe(),
            journal.digest,
            self.now,
            journal.steps,
            journal.events,
            journal.faults,
            journal.effects,
            failure,
            tuple(journal.last_lines()) if failure else (),
        )

    def _live(self) -> None:
        self.trouble()
        self._settle()
        self._judge()

    def begin(self, late: Sequence[str] = (), late_s: float = 0.0) -> None:
        """Everybody is there at once, some frameworks later, and nothing goes wrong."""
        self._start_master()
        for machine in self._hosts.values():
            self._start_agent(machine)
        for host in self._frameworks.values():
            if host.name in late:
                self.later(late_s, lambda host=host: self._start_framework(host))  # type: ignore[misc]
            else:
                self._start_framework(host)

    def memories(self, frameworks: Sequence[str]) -> list[Memory]:
        """Of each, what it knows of its own work."""
        return [self._frameworks[name].memory for name in frameworks]

    def trouble(self) -> None:
        """All begin, and things go wrong for as long as the plan says."""
        self._start_master()
        for host in self._hosts.values():
            self.later(self._dice.uniform(0.0, 1.0), lambda host=host: self._start_agent(host))  # type: ignore[misc]
        for framework in self._frameworks.values():
            self.later(
                self._dice.uniform(0.0, 2.0),
                lambda framework=framework: self._start_framework(framework),  # type: ignore[misc]
            )
        self._invite_guest()
        for order in self.plan.orders:
            self.later(self._dice.uniform(0.0, 8.0), lambda order=order: self._order(order))  # type: ignore[misc]
        self.later(self._next_fault(), self._fault)
        self.clock.run_until(self.plan.faults_end)
        self._calm()

    def _fault(self) -> None:
        if self._is_calm or sum(self.journal.faults.values()) >= self.plan.most_faults:
            return
        kind = strike(self)
        if kind:
            self.journal.note(self.now, "world", "fault", kind)
            count(self.journal.faults, kind)
        self.later(self._next_fault(), self._fault)

    def _next_fault(self) -> float:
        """In bursts; without a logarithm, whose last digit is not the same on every machine."""
        rhythm = self.random.choice((0.1, 0.3, 0.6, 1.0, 3.0))
        return self.plan.fault_every_s * rhythm * self.random.uniform(0.5, 1.5)

    def _calm(self) -> None:
        """No further faults; what is still away comes back by itself."""
        self._is_calm = True
        for process in [*self.agents(), *self.frameworks(), *self._living_masters()]:
            process.fuse = process.trap = None
            process.is_mined = False
        for host in self._hosts.values():
            host.launcher.fails.clear()
            host.disk.full_until = 0.0
        self._registry.full_until = 0.0
        for framework in self._frameworks.values():
            if framework.node is not None:
                framework.node.scheduler.soothe()

    def _settle(self) -> None:
        limit = self.now + self.plan.settle_s
        self._clear_orders()
        self.later(ADMINISTRATOR_S, self._end_who_left)
        settled_since = self.now
        while True:
            if reason := self._unsettled():
                settled_since = self.now
                if self.now >= limit:
                    raise ViolationError("everything finishes", reason)
            elif self.now >= settled_since + REST_S:
                return
            self.clock.run_until(self.now + 1.0)

    def _clear_orders(self) -> None:
        """Again and again: an accept under way, or an agent that is away, may bring some more."""
        if self._master is not None and self._master.is_alive:
            reserving.clear(self._master)
            retiring.clear(self._master)
        self.later(CLEARING_S, self._clear_orders)

    def _end_who_left(self) -> None:
        """Who stopped without hearing that its Teardown was taken in is ended by an operator."""
        for host in self._frameworks.values():
            if host.has_stopped and host.memory.framework_id and self._master is not None:
                self._master.operate(TeardownFramework(FrameworkId(host.memory.framework_id)))

    def _unsettled(self) -> str:
        if self._deposed_alive():
            return "a former master is still there"
        return unsettled(self._master, self._hosts, self._frameworks, self.auditor, self.now)

    def _judge(self) -> None:
        assert self._master is not None
        judge(self._master, [*self.agents(), *self.frameworks()], self.auditor, self.now)

    # --- starts

    def _order(self, body: OperatorBody) -> None:
        """An operator orders until there is a master to hear it."""
        if self._master is not None and self._master.is_alive:
            self._master.operate(body)
        else:
            self.later(1.0, lambda: self._order(body))

    def _leader(self, host: str) -> Peer | None:
        """Mostly the one that leads; who looked too early still knows the one before."""
        del host
        deposed = self._deposed_alive()
        if deposed and not self._is_calm and self._dice.random() < 0.4:
            return self._dice.choice(deposed)
        return self._master

    def _deposed_alive(self) -> list[MasterNode]:
        return [node for node in self._deposed if node.is_alive]

    def _living_masters(self) -> list[MasterNode]:
        return [*self._deposed_alive(), *([self._master] if self._master else [])]

    def _restart(self, process: Process, away_s: float | None = None) -> None:
        delay = self._dice.uniform(0.1, 4.0) if away_s is None else away_s
        if isinstance(process, MasterNode):
            if process is self._master:
                self._master = None
                self.later(delay, self._start_master)
        elif isinstance(process, AgentNode):
            host = self._hosts[process.host]
            if process.is_removed:
                self._empty(host)  # to use the machine again, it is set up anew
            self.later(delay, lambda: self._start_agent(host))
        else:
            framework = self._frameworks[process.host]
            if not framework.has_stopped:
                self.later(delay, lambda: self._start_framework(framework))

    def _start_master(self) -> None:
        self._masters += 1
        offset = self._dice.uniform(0.0, 1000.0)
        name = f"master#{self._masters}"
        node = MasterNode(self._stage, name, self._registry, self.plan.master, offset)
        node.on_death = lambda _why: self._restart(node)
        self._master = node

    def _start_agent(self, host: AgentHost) -> None:
        host.lives += 1
        settings = AgentSettings(
            boot_id=f"{host.info.name}-{host.boots}",
            place_id=f"{host.info.name}-{host.places}",
            silent_s=self.plan.silent_s,
            reserved=self.plan.reserved.get(host.info.name, ()),
        )
        node = AgentNode(
            self._stage,
            f"{host.info.name}#{host.lives}",
            host.info.name,
            host.disk,
            host.launcher,
            self._leader,
            settings,
            host.info,
            host.offset,
        )
        node.on_death = lambda _why: self._restart(node)
        host.node = node

    def _start_framework(self, host: FrameworkHost) -> None:
        host.lives += 1
        scheduler = host.make(host.memory)
        if self._is_calm:
            scheduler.soothe()
        node = FrameworkNode(
            self._stage,
            f"{host.name}#{host.lives}",
            host.name,
            scheduler,
            host.memory,
            self._leader,
            DriverSettings(silent_s=self.plan.silent_s),
            self._dice.uniform(0.0, 1000.0),
        )
        node.on_death = lambda _why: self._restart(node)
        host.node = node

    def _host(self, info: AgentInfo) -> AgentHost:
        launcher = Launcher(info.name, self.clock, self._dice, self.auditor, self.journal)
        offset = self._dice.uniform(0.0, 1000.0)
        return AgentHost(info, Disk(self.clock, self._dice), launcher, offset)

    # --- the guest

    def _invite_guest(self) -> None:
        guest = self.plan.guest
        if guest is not None and guest.way != "stays":
            self.later(guest.at, self._guest_goes)

    def _guest_goes(self) -> None:
        guest, host = self.plan.guest, self._frameworks["guest"]
        if guest is None or host.node is None or not host.node.is_alive:
            return
        if guest.way == "leaves":
            host.node.feed(Happened(LEAVE))
        else:
            self.kill(host.node, "vanishes", away_s=GUEST_AWAY_S)


def simulate(seed: int, check_every: int = CHECK_EVERY) -> Report:
    """One world, from its seed to its end."""
    return World(draw(seed), check_every).run()
