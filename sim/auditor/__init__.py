"""Judges a simulated cluster from outside: by messages and side effects, against its own ledgers.

Knows nobody's books and imports nothing from master, agent or frameworks. `sent` is what a process
said (of a master: what it decided to say, since nothing it says precedes what it has booked),
`heard` what it was told; the first broken law raises ViolationError.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.common.ids import CallId, FrameworkId, LaunchUuid
from fairlead.common.launches import launches_in
from fairlead.common.messages import (
    Accept,
    AcceptEnded,
    Acknowledge,
    AcknowledgeUpdate,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    CallResult,
    ChangeReservation,
    Decline,
    FrameworkAway,
    FrameworkMessage,
    Goodbye,
    Kill,
    KillTask,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    RegisterAgent,
    ReservationChanged,
    Revive,
    Revoke,
    RunAccept,
    SetDemand,
    Spared,
    StatusUpdated,
    Subscribe,
    Subscribed,
    Suppress,
    TaskUpdated,
    Teardown,
)
from fairlead.common.operators import (
    KillAnyTask,
    OperatorBody,
    OperatorCall,
)
from fairlead.common.resources import Resources
from fairlead.common.values import Reason, TaskState, TaskStatus

from .containers import Containers
from .ends import Ends
from .gangs import Gangs
from .laws import Facts, Link, Terms, ViolationError, is_master
from .offers import Offers
from .parties import Owner
from .reserved import Reserved
from .sessions import Sessions
from .statuses import Statuses

Handler = Callable[[float, Link, Any], None]


class Auditor:
    """The laws, one ledger for each kind."""

    def __init__(self, terms: Terms) -> None:
        self._facts = Facts(terms)
        self._sessions = Sessions(self._facts)
        self._statuses = Statuses(self._facts)
        self._gangs = Gangs(self._facts)
        self._ends = Ends(self._facts)
        self._containers = Containers(self._facts, self._gangs, self._ends)
        self._reserved = Reserved()
        self._offers: dict[str, Offers] = {}
        self._subscribes: dict[int, tuple[Subscribe, float]] = {}
        self._teardowns: dict[int, CallId] = {}
        self._launches: dict[LaunchUuid, tuple[str, FrameworkId]] = {}
        self._said: Mapping[type, Handler] = {
            AgentMessage: self._said_by_agent,
            FrameworkMessage: self._said_by_framework,
            MasterToAgent: self._said_to_agent,
            MasterToFramework: self._said_to_framework,
        }
        self._taken: Mapping[type, Handler] = {
            AgentMessage: self._heard_of_agent,
            FrameworkMessage: self._heard_of_framework,
            MasterToAgent: self._heard_by_agent,
            MasterToFramework: self._heard_by_framework,
        }

    # --- sessions and processes

    def opened(self, name: str, number: int) -> None:
        link = self._facts.link(number)
        if is_master(name):
            link.server = name
            link.is_open_at_server = True
        else:
            link.client = name
            link.is_open_at_client = True

    def closed(self, name: str, number: int) -> None:
        link = self._facts.link(number)
        if is_master(name) and link.is_open_at_server:
            link.is_open_at_server = False
            self._ledger(link).closed(link)
        elif not is_master(name):
            link.is_open_at_client = False

    def echoed(self, number: int, client: str) -> None:
        """What a client has said on some session is said again on this one, not by the client."""
        link = self._facts.link(number)
        link.client = client
        link.is_echo = True

    def leapt(self, name: str, host: str, seconds: float) -> None:
        """The clock of a process says suddenly that it is so much later."""
        if is_master(name):
            if name in self._offers:
                self._offers[name].leapt(seconds)
        else:
            self._facts.leapt(host, seconds)
            self._ends.leapt(host, seconds)

    def disk_lost(self, host: str) -> None:
        self._containers.disk_lost(host)
        self._reserved.disk_lost(host)

    def acts(self, now: float, name: str) -> None:
        """A master process begins, steps or ends."""
        self._sessions.active(now, name)
        self._facts.began.setdefault(name, now)
        self._gangs.check(now)

    def began(self, now: float, name: str) -> None:
        self._ends.awake(now, name)

    def died(self, name: str) -> None:
        self._ends.asleep(name)

    def stopped(self, now: float, name: str) -> None:
        self._sessions.stopped(now, name)
        self._ends.asleep(name)

    def resumed(self, now: float, name: str) -> None:
        self._sessions.resumed(now, name)
        self._ends.awake(now, name)

    # --- messages

    def sent(self, now: float, name: str, number: int, message: object) -> None:
        handler = self._said.get(type(message))
        if handler is not None:
            handler(now, self._named(name, number), message)

    def heard(self, now: float, name: str, number: int, message: object) -> None:
        handler = self._taken.get(type(message))
        if handler is not None:
            handler(now, self._named(name, number), message)

    def ordered(self, call: OperatorCall) -> None:
        """A master hears an operator."""
        if isinstance(call.body, KillAnyTask):
            self._containers.kill_wanted(call.body.framework_id, call.body.task_id)
        self._facts.ordered(call.body)

    def promised(self, name: str, body: OperatorBody) -> None:
        """A master has said yes to an operator."""
        self._facts.said_yes(name, body)

    def decided(self, now: float, name: str) -> None:
        """A master has said all that one step made it say."""
        if name in self._offers:
            self._offers[name].decided(now)

    def told(self, who: str, status: TaskStatus) -> None:
        """A scheduler, in this incarnation, is given a status."""
        self._statuses.told(who, status)

    # --- side effects

    def container_started(
        self, now: float, host: str, launch_uuid: LaunchUuid, resources: Resources
    ) -> None:
        self._containers.started(now, host, launch_uuid, resources)
        self._gangs.started(launch_uuid)

    def container_signalled(
        self, now: float, host: str, launch_uuid: LaunchUuid, signum: int
    ) -> None:
        self._containers.signalled(now, host, launch_uuid, signum)

    def container_suspended(self, now: float, host: str, launch_uuid: LaunchUuid) -> None:
        """Frozen, and its devices hold nothing of it."""
        self._containers.suspended(host, launch_uuid)
        self._ends.suspended(now, launch_uuid)

    def container_resumed(self, now: float, host: str, launch_uuid: LaunchUuid) -> None:
        self._containers.resumed(host, launch_uuid)
        self._ends.resumed(now, launch_uuid)

    def container_updated(self, host: str, launch_uuid: LaunchUuid, cpus: int, mem: int) -> None:
        """Held to other limits."""
        self._containers.updated(host, launch_uuid, cpus, mem)

    def container_ended(self, now: float, launch_uuid: LaunchUuid) -> None:
        self._containers.vanished(launch_uuid)
        self._ends.ended(now, launch_uuid)
        self._gangs.ended(launch_uuid)

    # --- inside

    def _named(self, name: str, number: int) -> Link:
        link = self._facts.link(number)
        if is_master(name):
            link.server = name
        else:
            link.client = name
        return link

    def _ledger(self, link: Link) -> Offers:
        ledger = self._offers.get(link.server)
        if ledger is None:
            ledger = self._offers[link.server] = Offers(self._facts, link.server)
        return ledger

    def _said_by_agent(self, now: float, link: Link, message: AgentMessage) -> None:
        body = message.body
        if isinstance(body, RegisterAgent):
            self._containers.registering(link, body)
            self._reserved.registering(link, body)
            for task in body.tasks:
                self._containers.reported(task.launch_uuid, task.resources)
        elif isinstance(body, TaskUpdated):
            self._gangs.said(body.latest)
            self._statuses.updated(link, body, now)
            self._containers.reported(body.status.launch_uuid, body.resources)
        elif isinstance(body, ReservationChanged):
            self._reserved.said(link.host, body)
        elif isinstance(body, AgentHeartbeat):
            self._statuses.unacknowledged[link.host] = body.unacknowledged
        if not isinstance(body, Goodbye):
            self._containers.said_by_agent(now, link)

    def _said_by_framework(self, now: float, link: Link, message: FrameworkMessage) -> None:
        body = message.body
        link.spoken.append(now)
        if message.call_id:
            self._sessions.called(now, link, message.call_id, body)
        if isinstance(body, Kill):
            self._containers.kill_wanted(link.framework_id, body.task_id)
        elif isinstance(body, Acknowledge):
            self._statuses.acknowledged(body.update_uuid)
        elif isinstance(body, Teardown):
            self._facts.over[link.framework_id] = None
            self._teardowns[link.number] = message.call_id
        elif isinstance(body, Accept):
            for launch in launches_in(body.operations):
                self._launches[launch.launch_uuid] = (link.client, link.framework_id)

    def _ends_task(self, now: float, link: Link, order: KillTask) -> None:
        """By its own decision: after notice, on a drain, or as another of its gang is lost."""
        may = {
            Reason.REVOKED: True,
            Reason.AGENT_DRAINING: link.agent_id in self._facts.retired,
            Reason.GANG_BROKEN: self._containers.is_member(order.launch_uuid),
        }
        if order.reason is Reason.REVOKED:
            self._ledger(link).check_notice(now, order.launch_uuid)
        if may.get(order.reason):
            self._containers.kill_wanted(order.framework_id, order.task_id)

    def _said_to_agent(self, now: float, link: Link, message: MasterToAgent) -> None:
        body = message.body
        if isinstance(body, AgentRegistered):
            link.agent_id = body.agent_id
            self._facts.hosts[body.agent_id] = link.host
            self._ledger(link).registered(link, body.agent_id)
        elif isinstance(body, RunAccept):
            for launch in launches_in(body.operations):
                if launch.task.gang is not None:
                    self._facts.members[launch.launch_uuid] = None
            self._ledger(link).run(link, body)
            self._reserved.ordered(link.host, body)
        elif isinstance(body, ChangeReservation):
            self._ledger(link).change_ordered(link, body)
            self._reserved.ordered(link.host, body)
        elif isinstance(body, KillTask):
            self._ends_task(now, link, body)
        elif isinstance(body, FrameworkAway) and not body.back:
            self._ledger(link).check_away(body.framework_id)

    def _said_to_framework(self, now: float, link: Link, message: MasterToFramework) -> None:
        body = message.body
        if isinstance(body, OffersMade):
            self._ledger(link).made(now, link, body)
        elif isinstance(body, OffersRescinded):
            self._ledger(link).rescinded(now, body)
        elif isinstance(body, CallResult) and not link.is_echo:
            self._sessions.answered(link, body)
            self._ledger(link).answered(link, body.call_id)
        elif isinstance(body, Revoke):
            self._ledger(link).noticed(now, body)
        elif isinstance(body, Spared):
            self._ledger(link).spared(body)
        elif isinstance(body, Subscribed):
            self._subscribed(now, link, body)
        elif isinstance(body, StatusUpdated) and body.status.state is TaskState.UNREACHABLE:
            self._sessions.condemned(link.server, body.status)

    def _subscribed(self, now: float, link: Link, answer: Subscribed) -> None:
        call, said = self._subscribes.pop(link.number, (None, now))
        if call is None:
            raise ViolationError("frameworks ask first", f"{link.server}: {answer.framework_id}")
        link.framework_id = answer.framework_id
        self._sessions.subscribed(link)
        self._facts.contact(answer.framework_id, said)
        self._facts.limits[answer.framework_id] = call.framework.failover_timeout_s
        self._ledger(link).subscribed(link, answer.framework_id, call)

    def _heard_of_agent(self, now: float, link: Link, message: AgentMessage) -> None:
        body = message.body
        if isinstance(body, RegisterAgent):
            self._ledger(link).reported(link, body)
        elif isinstance(body, TaskUpdated):
            self._ledger(link).updated(link, body)
        elif isinstance(body, AcceptEnded):
            self._ledger(link).accept_ended(now, link, body)
        elif isinstance(body, AgentHeartbeat):
            self._ledger(link).measured(link, body)
        elif isinstance(body, ReservationChanged):
            self._ledger(link).reservation_changed(link, body)
        self._sessions.heard(now, link)

    def _heard_of_framework(self, now: float, link: Link, message: FrameworkMessage) -> None:
        body, ledger = message.body, self._ledger(link)
        said = now if link.is_echo else link.spoken.popleft()
        if link.framework_id:
            self._facts.contact(link.framework_id, said)
        if isinstance(body, Subscribe):
            self._subscribes[link.number] = (body, said)
        elif isinstance(body, Accept):
            if body.gang is None:
                ledger.accepted(now, link, body)
            else:
                ledger.gathered(link, message.call_id, body)
        elif isinstance(body, Decline):
            ledger.declined(now, link, body)
        elif isinstance(body, Revive):
            ledger.revived(link, body)
        elif isinstance(body, Suppress):
            ledger.suppressed(link, body)
        elif isinstance(body, SetDemand):
            ledger.demanded(link, body)
        elif isinstance(body, Teardown):
            ledger.over(link.framework_id)

    def _heard_by_agent(self, now: float, link: Link, message: MasterToAgent) -> None:
        body = message.body
        self._containers.heard_by_agent(now, link, message)
        if isinstance(body, AcknowledgeUpdate):
            self._statuses.released(now, body.framework_id, body.update_uuid)
        elif isinstance(body, FrameworkAway):
            self._facts.told_away(now, link.host, body)

    def _heard_by_framework(self, now: float, link: Link, message: MasterToFramework) -> None:
        del now
        body = message.body
        if isinstance(body, StatusUpdated):
            self._statuses.heard(link, body.status)
        elif isinstance(body, CallResult) and self._teardowns.get(link.number) == body.call_id:
            self._facts.ended[link.framework_id] = None

    # --- at the end

    def finish(self, now: float, processes: list[str], leader: str) -> None:
        """Faults are over and time has passed: is everything answered, told and at rest?

        `processes` are those that live, `leader` the master among them.
        """
        for uuid, (client, framework_id) in self._launches.items():
            is_gone = client not in processes or self._facts.is_over(framework_id, now)
            if uuid not in self._statuses.answered and not is_gone:
                raise ViolationError("every launch is answered", f"{uuid} of {client}")
        for uuid, framework_id in self._containers.ended.items():
            if uuid not in self._statuses.ends and not self._facts.is_over(framework_id, now):
                raise ViolationError("every end is told", f"{uuid} of {framework_id} has ended")
        for uuid, _, _ in self._containers.living():
            if uuid in self._statuses.ends:
                state = self._statuses.ends[uuid].name
                raise ViolationError("an end is an end", f"{uuid} runs and was told {state}")
        self._containers.finish(processes)
        if reason := self.restless(now):
            raise ViolationError("updates come to rest", reason)
        if leader in self._offers:
            self._offers[leader].finish(now)
        unanswered = self._sessions.unanswered(now)
        if unanswered:
            raise ViolationError("a call has one answer", f"none to {unanswered[0]}")

    def restless(self, now: float) -> str:
        """What should have ended and has not: updates, tasks of who is over; empty: nothing."""
        for host, waiting in self._statuses.unacknowledged.items():
            if waiting:
                return f"{host} has {waiting} updates left at {now:.1f} s"
        for _, framework_id, task_id in self._containers.living():
            if self._facts.must_end(framework_id, now):
                return f"{framework_id} is over, its {task_id} runs"
        return self._gangs.restless()

    def shares(self, now: float, leader: str) -> Mapping[Owner, float]:
        """Of each framework in each role, by what a master offers and believes to be used."""
        return self._offers[leader].shares(now)

    def used(self, host: str) -> Resources:
        """What runs on a host, in truth."""
        return self._containers.used(host)


__all__ = ["Auditor", "Facts", "Terms", "ViolationError"]
