"""Situations in words around the master's core: agents, frameworks, time, failover.

After every step the master checks its books, and so does `_check_promises` from messages alone.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random

from tests.support.master_peers import HEARTBEAT_S, AgentDouble, FrameworkDouble, demand, gib, task

from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import AgentId, FrameworkId, OfferId, Role, SessionId
from fairlead.common.messages import (
    CallResult,
    Code,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    SetDemand,
)
from fairlead.common.operators import OfferEventKind, OperatorBody, OperatorCall, OperatorReply
from fairlead.common.resources import Resources, total
from fairlead.common.roles import is_below
from fairlead.common.values import AgentInfo, Demand, FrameworkInfo, Offer, RoleDemand, RoleWish
from fairlead.master.core import Event, Master
from fairlead.master.entries import Framework, Task
from fairlead.master.settings import MasterSettings

CLUSTER = "the-cluster"
PERSON = 1_000_000
"""Sessions from here on are operators'."""
MANY = 10_000


class MasterHarness:
    """A master, its registry, and whoever speaks to it."""

    def __init__(self, settings: MasterSettings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or MasterSettings()
        self.now = 100.0
        self.epoch = 1
        self.master = Master(self.settings, self.epoch, CLUSTER, Random(seed))
        self.records: dict[str, object] = {}
        self.actions: list[object] = []
        """All that the master ever ordered."""
        self.agents: list[AgentDouble] = []
        self.frameworks: list[FrameworkDouble] = []
        self.replies: list[OperatorReply] = []
        self._sessions: dict[int, AgentDouble | FrameworkDouble] = {}
        self._log_open: dict[OfferId, None] = {}
        self._log_place = 1
        self._last_session = 0
        self._later: deque[Callable[[], None]] = deque()
        self._is_busy = False

    # --- who there is

    def agent(
        self,
        *,
        cpus: float = 4,
        mem: str = "8GiB",
        gpus: int = 0,
        name: str = "",
        attributes: dict[str, str] | None = None,
        connects: bool = True,
    ) -> AgentDouble:
        name = name or f"host{len(self.agents) + 1}"
        devices = {f"GPU-{name}-{index}": 1.0 for index in range(gpus)}
        resources = Resources.of(cpus=cpus, mem=gib(mem), gpus=devices)
        info = AgentInfo(AgentId(""), name, resources, attributes or {}, name=name)
        double = AgentDouble(self, info, f"instance-of-{name}")
        self.agents.append(double)
        if connects:
            double.connects()
        return double

    def framework(
        self,
        *,
        role: str = "dl",
        roles: Sequence[str] = (),
        demands: Sequence[Demand] | None = None,
        wishes: Sequence[RoleWish] = (),
        failover_timeout_s: float = 3600.0,
        capabilities: Sequence[str] = (),
        framework_id: str = "",
        name: str = "",
        connects: bool = True,
    ) -> FrameworkDouble:
        name = name or f"framework{len(self.frameworks) + 1}"
        names = tuple(Role(each) for each in roles or (role,))
        info = FrameworkInfo(
            FrameworkId(framework_id),
            name,
            roles=names,
            failover_timeout_s=failover_timeout_s,
            capabilities=tuple(capabilities),
        )
        wanted = () if demands is None else (RoleDemand(names[0], tuple(demands)),)
        double = FrameworkDouble(self, info, f"instance-of-{name}", wanted, wishes)
        self.frameworks.append(double)
        if connects:
            double.connects()
            self.tick()
        return double

    def rival(self, of: FrameworkDouble) -> FrameworkDouble:
        """Another process that claims to be the same framework."""
        double = FrameworkDouble(self, of.info, "another-instance", of.demands, of.wishes)
        self.frameworks.append(double)
        return double

    def twin(self, of: AgentDouble) -> AgentDouble:
        """Another process that claims to be the same agent."""
        double = AgentDouble(self, of.info, "another-instance")
        self.agents.append(double)
        return double

    def orders(self, body: OperatorBody) -> CallResult:
        """An operator's order, and its answer."""
        self.say(body)
        self.tick()
        return self.replies[-1].result

    def say(self, body: OperatorBody) -> None:
        """An operator's order, whose answer may take a while."""
        self._step(Received(SessionId(PERSON + len(self.replies)), OperatorCall(body)))

    def step_demands(self, demands: Mapping[FrameworkDouble, Sequence[Demand]]) -> None:
        """All of them state a demand before anything is offered."""
        for framework, wanted in demands.items():
            framework.demands = (RoleDemand(framework.role, tuple(wanted)),)
            framework.call(SetDemand(framework.demands))
        self.tick()

    # --- what the master believes

    def believes(self, framework: FrameworkDouble, task_id: str) -> Task:
        tasks = {task.task_id: task for task in self.framework_books(framework).tasks.values()}
        return tasks[next(known for known in tasks if known == task_id)]

    def framework_books(self, framework: FrameworkDouble) -> Framework:
        return self.master.books.frameworks[framework.id]

    # --- time

    def tick(self) -> None:
        """All that is due now, until the master has nothing more to do."""
        for _ in range(MANY):
            self._step(Tick())
            deadline = self.master.next_deadline()
            if deadline is None or deadline > self.now:
                return
        raise AssertionError(f"the master never comes to rest at {self.now}")

    def advance(self, seconds: float) -> None:
        """Time passes; whoever is not silent says so now and then."""
        end = self.now + seconds
        for _ in range(MANY):
            moments = [end]
            deadline = self.master.next_deadline()
            if deadline is not None:
                moments.append(deadline)
            talkers = [p for p in self._sessions.values() if not p.is_silent]
            moments += [peer.beat_at for peer in talkers]
            self.now = max(self.now, min(moments))
            for peer in talkers:
                if peer.beat_at <= self.now and peer.session is not None:
                    peer.beat_at = self.now + HEARTBEAT_S
                    peer.beats()
            self.tick()
            if self.now >= end:
                return
        raise AssertionError(f"{seconds} s never end: the master is busy at {self.now}")

    def stop_the_master(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so much later: nobody was read, nobody was told."""
        self.now += seconds

    def fail_over(self, *, returns: bool = True) -> None:
        """Kill -9, and a new leader from the registry; then agents and frameworks come back."""
        peers = list(self._sessions.values())
        for peer in peers:
            peer.ended()
        self._sessions.clear()
        self._later.clear()
        self.epoch += 1
        self._log_open, self._log_place = {}, 1
        self.master = Master.restore(
            self.settings, self.epoch, CLUSTER, dict(self.records), self.now, Random(self.epoch)
        )
        self.master.check()
        if returns:
            for peer in peers:
                peer.connects()
        self.tick()

    # --- the wire

    def open(self, peer: AgentDouble | FrameworkDouble) -> int:
        self._last_session += 1
        self._sessions[self._last_session] = peer
        peer.beat_at = self.now + HEARTBEAT_S
        self._step(SessionOpened(SessionId(self._last_session)))
        return self._last_session

    def closed(self, session: int) -> None:
        self._sessions.pop(session, None)
        self._step(SessionClosed(SessionId(session), Code.UNSPECIFIED, "it broke"))

    def receive(self, session: int, message: object) -> None:
        self._step(Received(SessionId(session), message))

    def step(self, event: Event) -> None:
        """An event that no peer would bring about."""
        self._step(event)

    def later(self, doing: Callable[[], None]) -> None:
        """After the step that is running."""
        self._later.append(doing)

    def _step(self, event: Event) -> None:
        actions = self.master.step(event, self.now)
        self.master.check()
        self.actions += actions
        for action in actions:
            self._perform(action)
        self._check_promises()
        self._check_offer_log()
        if not self._is_busy:
            self._is_busy = True
            try:
                while self._later:
                    self._later.popleft()()
            finally:
                self._is_busy = False

    def _perform(self, action: object) -> None:
        match action:
            case Record(key, value):
                self.records.pop(key, None)
                if value is not None:
                    self.records[key] = value
            case Send(_, OperatorReply() as reply):
                self.replies.append(reply)
            case Send(session, MasterToAgent(epoch, body)):
                assert epoch == self.epoch
                peer = self._sessions.get(session)
                if peer is not None:
                    assert isinstance(peer, AgentDouble), f"{body} is not for {peer}"
                    peer.epoch = epoch
                    peer.hears(body)
            case Send(session, MasterToFramework(epoch, body)):
                assert epoch == self.epoch
                peer = self._sessions.get(session)
                if peer is not None:
                    assert isinstance(peer, FrameworkDouble), f"{body} is not for {peer}"
                    if isinstance(body, OffersMade):
                        self._check_apart(peer, body.offers)
                    peer.hears(body)
            case CloseSession(session):
                peer = self._sessions.pop(session, None)
                if peer is not None and peer.session == session:
                    peer.ended()
            case _:
                raise AssertionError(f"what is {action}?")

    def _check_promises(self) -> None:
        """What is offered and what truly runs fits on every agent."""
        for agent in self.agents:
            if agent.session is None:
                continue
            offered = total(
                offer.resources
                for framework in self.frameworks
                for offer in framework.offers
                if offer.agent_id == agent.id
            )
            used = total(known.resources for known in agent.living.values())
            used += agent.programs.parts
            if offered:
                free = agent.info.resources.without(used)
                assert free.contains(offered), f"{agent.id}: {free} free, {offered} offered"
            for role, reservation in agent.reservations.items():
                self._check_reservation(agent, role, reservation.whole)

    def _check_reservation(self, agent: AgentDouble, role: Role, reserved: Resources) -> None:
        """What is reserved here, and held by nobody of the role, is offered to no other."""
        used = [(known.role, known.resources) for known in agent.living.values()]
        used += [(each.run.role, each.part) for each in agent.programs.running.values()]
        offers = [offer for framework in self.frameworks for offer in framework.offers]
        offered = [(o.role, o.resources) for o in offers if o.agent_id == agent.id]
        own = total(held for user, held in (*used, *offered) if is_below(user, role))
        others = total(held for user, held in offered if not is_below(user, role))
        in_use = total(held for _, held in used)
        own_offers = total(held for user, held in offered if is_below(user, role))
        free = agent.info.resources.without(in_use).without(own_offers)
        idle = reserved.without(own)
        assert free.without(idle).contains(others), (
            f"{agent.id}: {idle} of {role} is idle, {free} free, and {others} offered to others"
        )

    def _check_offer_log(self) -> None:
        """Each offer has one entry when it is made, and one when it ends."""
        log = self.master.offer_log
        entries = log.since(self._log_place, MANY)
        assert entries is not None
        self._log_place += len(entries)
        for entry in entries:
            if entry.kind is OfferEventKind.MADE:
                assert entry.offer.offer_id not in self._log_open
                self._log_open[entry.offer.offer_id] = None
            else:
                del self._log_open[entry.offer.offer_id]
        assert self._log_open.keys() == self.master.books.offers.keys()

    def _check_apart(self, framework: FrameworkDouble, offers: Sequence[Offer]) -> None:
        """Nobody is offered an agent that its constraints rule out, nor one where somebody is who
        keeps apart from it, or the reverse.
        """
        here = {f.id: f for f in self.frameworks if f.session is not None}
        for offer in offers:
            agent = next(agent for agent in self.agents if agent.id == offer.agent_id)
            assert framework.may_be_on(offer), f"{offer} is ruled out by its constraints"
            living = (
                known for known in agent.living.values() if not known.latest.state.is_terminal
            )
            there = {(known.framework_id, known.role) for known in living}
            there |= {
                (other.id, open_offer.role)
                for other in here.values()
                for open_offer in (*other.offers, *offers)
                if open_offer.agent_id == agent.id and open_offer.framework_id == other.id
            }
            for framework_id, role in there - {(framework.id, offer.role)}:
                if (other := here.get(framework_id)) is not None:
                    assert not other.keeps_from(role, offer.role), f"{offer} beside {other.id}"
                assert not framework.keeps_from(offer.role, role), f"{offer} beside {framework_id}"


__all__ = ["AgentDouble", "FrameworkDouble", "MasterHarness", "demand", "task"]
