"""The master among hostile frameworks and agents: real core, no sockets."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message
from tests.fuzz.kinds import ACCEPTED, ENDED, REFUSED
from tests.fuzz.outcome import BEFORE, Outcome, batch_of
from tests.support.master_harness import (
    AgentDouble,
    FrameworkDouble,
    MasterHarness,
    demand,
    task,
)

from fairlead.common import rpc, wire
from fairlead.common.errors import RemoteProtocolError
from fairlead.common.events import CloseSession, Send
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
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    Accept,
    AcceptEnded,
    AcceptProgress,
    Acknowledge,
    AgentHeartbeat,
    AgentMessage,
    Code,
    Decline,
    FrameworkAway,
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    Hello,
    Kill,
    Reconcile,
    RegisterAgent,
    ReservationChanged,
    Revive,
    SetDemand,
    Subscribe,
    Suppress,
    TaskUpdated,
    TaskUsage,
    Teardown,
)
from fairlead.common.operators import (
    StateReply,
)
from fairlead.common.resources import Resources
from fairlead.common.session import DEFAULT_LIMITS, Invalid
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    AllOf,
    Comparison,
    Constraints,
    FrameworkInfo,
    Gpu,
    GpuUsage,
    HostUsage,
    Launch,
    Offer,
    Predicate,
    Reason,
    Reservation,
    RoleDemand,
    RoleWish,
    Source,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.master.core import ReceivedInvalid
from fairlead.master.entries import Agent
from fairlead.master.publisher import _encode
from fairlead.master.views import all_keys, view

LIMIT = DEFAULT_LIMITS.message_bytes
CALL = CallId("call")
STRANGER = "stranger"
REST = 50


class _Harness(MasterHarness):
    """Whatever the master says must fit on the wire and be readable by whoever hears it.

    What doubles believe of themselves is not held against it: their words are forged here.
    """

    def _check_promises(self) -> None:
        pass

    def _check_apart(self, framework: FrameworkDouble, offers: Sequence[Offer]) -> None:
        pass

    def _perform(self, action: object) -> None:
        if isinstance(action, Send):
            data = wire.encode(action.message)
            kind = type(action.message).__name__
            assert len(data) <= LIMIT, f"a {kind} of {len(data)} bytes ends the session of another"
            wire.decode(type(action.message), data)
        super()._perform(action)

    def rest(self) -> None:
        for _ in range(REST):
            self.tick()
            deadline = self.master.next_deadline()
            if deadline is None or deadline > self.now:
                return
        raise AssertionError("the master never comes to rest")


def _only(*names: str) -> RoleWish:
    wanted = Predicate("name", Comparison.IN, names)
    return RoleWish(Role("svc"), constraints=Constraints((AllOf((wanted,)),)))


class MasterWorld:
    """Framework `mine` on agent `mine` may be forged; `theirs` on `theirs` are bystanders."""

    def __init__(self, when: str) -> None:
        self.when = when
        self.harness = h = _Harness()
        self.their_agent = h.agent(name="theirs")
        self.theirs = h.framework(role="svc", wishes=[_only("theirs", STRANGER)], name="theirs")
        self.theirs.launch(task("s1"))
        self.their_agent.runs("s1")
        self.my_agent = h.agent(name="mine", gpus=2)
        self.mine = h.framework(
            role="dl",
            wishes=[replace(_only("mine"), role=Role("dl"))],
            name="mine",
        )
        self.mine.launch(task("t1"))
        self.my_agent.runs("t1")
        h.advance(6.0)
        h.agent(name="free")
        h.rest()
        self.their_offer = self.theirs.offers[0]
        self.stolen = {
            "task_id": "s1",
            "task_ids": "s1",
            "framework_id": self.theirs.id,
            "agent_id": self.their_agent.id,
            "offer_ids": self.their_offer.offer_id,
            "launch_uuid": "u-s1",
            "update_uuid": "u-s1.1",
            "instance_uuid": self.theirs.instance_uuid,
            "role": "svc",
            "roles": "svc",
        }
        self._began = 0
        self._session: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the hostile one may go on."""
        return self._session in self.harness._sessions

    def digest(self) -> str:
        books = self.harness.master.books
        return repr((_facts(books), sorted(self.harness._sessions)))

    def bystanders(self) -> str:
        books = self.harness.master.books
        framework = books.frameworks.get(self.theirs.id)
        agent = books.agents.get(self.their_agent.id)
        alive = (self.theirs.session, self.their_agent.session)
        lost = (self.theirs.rescinded, self.theirs.states, len(self.theirs.goodbyes))
        kept = framework and (framework.info, _facts(framework.tasks), self.their_offer)
        still = self.their_offer.offer_id in books.offers
        return repr((alive, lost, _facts(agent), kept, still))

    def prove(self) -> None:
        """Whatever operators are shown can be read; another second passes."""
        books = self.harness.master.books
        for key in all_keys(books):
            if (found := view(books, key)) is not None:
                wire.decode(StateReply, _encode(found))
        for record in self.harness.records.values():
            wire.decode(type(record), wire.encode(record))
        self.harness.rest()

    def _ended(self, session: int | None) -> Outcome | None:
        closes = [a for a in self.harness.actions[self._began :] if isinstance(a, CloseSession)]
        for close in closes:
            if close.session == session:
                return Outcome(ENDED, f"{close.code.name} {close.message}")
        return None

    def template(self, body: str) -> Message:
        raise NotImplementedError

    def send(self, data: bytes) -> Outcome:
        raise NotImplementedError

    def _deliver(self, session: int, batches: rpc.Batches, data: bytes) -> list[Invalid]:
        """As the shell does it; the invalid ones."""
        self._began = len(self.harness.actions)
        invalid = []
        batch = batch_of(data)
        if len(batch) > LIMIT:
            raise RemoteProtocolError(f"a message of {len(batch)} bytes exceeds the limit")
        for message in batches.decode(batch):
            if isinstance(message, Invalid):
                invalid.append(message)
                error = message.error
                call_id = CallId(message.call_id)
                self.harness.step(
                    ReceivedInvalid(SessionId(session), call_id, error.field, error.reason)
                )
            else:
                self.harness.receive(session, message)
        return invalid


class FrameworkWorld(MasterWorld):
    """The hostile one is a framework."""

    def __init__(self, when: str) -> None:
        super().__init__(when)
        self.peer = self.mine
        if when == BEFORE:
            info = FrameworkInfo(FrameworkId(""), STRANGER, roles=(Role("own"),))
            self.peer = FrameworkDouble(self.harness, info, STRANGER, (), ())
            self.harness.frameworks.append(self.peer)
            self.peer.session = self.harness.open(self.peer)
        self._session = self.peer.session

    def template(self, body: str) -> Message:
        offer = self.mine.offers[0] if self.mine.offers else self.their_offer
        wanted = Predicate("name", Comparison.EXISTS, ())
        constraints = Constraints((AllOf((wanted,)),), (AllOf((wanted,)),))
        role, own = Role("dl"), Role("own")
        one = replace(demand(), constraints=constraints)
        agent_id, uuid = self.my_agent.id, LaunchUuid("u-t1")
        hello = Hello(PROTOCOL_VERSION, "test", STRANGER, 1, ("some",))
        bodies: dict[str, Any] = {
            "subscribe": Subscribe(
                hello,
                FrameworkInfo(FrameworkId(""), STRANGER, roles=(own,), labels={"a": "b"}),
                (RoleWish(own, constraints=constraints, minimum_offers=(one.each,)),),
                (RoleDemand(own, (one,)),),
            ),
            "accept": Accept(
                (offer.offer_id,), (Launch(task("t2"), LaunchUuid("u-t2")),), (TaskId("t1"),)
            ),
            "decline": Decline((offer.offer_id,)),
            "revive": Revive((role,)),
            "suppress": Suppress((role,)),
            "set_demand": SetDemand((RoleDemand(role, (one,)),)),
            "kill": Kill(TaskId("t1"), agent_id, 5.0, 2),
            "acknowledge": Acknowledge(TaskId("t1"), agent_id, UpdateUuid("u-t1.1")),
            "reconcile": Reconcile((TaskRef(TaskId("t1"), uuid, agent_id),)),
            "teardown": Teardown(),
            "heartbeat": Heartbeat(1),
            "goodbye": Goodbye(Code.OK, "I go"),
            "call_id": Heartbeat(1),
        }
        return wire.to_proto(FrameworkMessage(bodies[body], CALL))

    def send(self, data: bytes) -> Outcome:
        peer, session = self.peer, self._session
        assert session is not None, "the hostile one is connected"
        results, statuses = len(peer.results), len(peer.statuses)
        try:
            invalid = self._deliver(session, rpc.FRAMEWORK_SESSION.to_server, data)
        except RemoteProtocolError as error:
            peer.session = None
            self.harness.closed(session)
            return Outcome(ENDED, error.message)
        self.harness.rest()
        answers = peer.results[results:]
        assert len(answers) <= 1, f"answered {len(answers)} times"
        if answers and answers[0].code is not Code.OK:
            return Outcome(
                REFUSED, f"{answers[0].code.name} {answers[0].field} {answers[0].message}"
            )
        if invalid and not answers:
            return self._ended(session) or Outcome(REFUSED, str(invalid[0].error))
        if (ended := self._ended(session)) is not None:
            asked = not ended.words.startswith(("OK", "FRAMEWORK_REMOVED it asked"))
            return ended if asked else Outcome(ACCEPTED)
        for status in peer.statuses[statuses:]:
            if status.reason in (Reason.INVALID_TASK, Reason.INVALID_OFFERS):
                return Outcome(REFUSED, status.message)
        return Outcome(ACCEPTED)

    def prove(self) -> None:
        """It may use what it is offered, and the agents that run it stay."""
        if self.when == BEFORE and self.peer.session is not None and self.peer.offers:
            self.peer.accept(self.peer.offers[0], task("first"))
            self.harness.rest()
        assert all(agent.session is not None for agent in self.harness.agents)
        super().prove()


class AgentWorld(MasterWorld):
    """The hostile one is an agent."""

    def __init__(self, when: str) -> None:
        super().__init__(when)
        self.peer = self.my_agent
        if when == BEFORE:
            info = AgentInfo(AgentId(""), STRANGER, Resources.of(cpus=4), name=STRANGER)
            self.peer = AgentDouble(self.harness, info, STRANGER)
            self.peer.session = self.harness.open(self.peer)
        self._session = self.peer.session

    def template(self, body: str) -> Message:
        mine, agent_id = self.mine, AgentId(STRANGER)
        cpus = Resources.of(cpus=1, mem=2**20)
        status = self._status("t9", agent_id, TaskState.RUNNING)
        ended = self._status("t8", agent_id, TaskState.FINISHED)
        known = self._status("t1", self.my_agent.id, TaskState.RUNNING)
        usage = TaskUsage(mine.id, TaskId("t1"), self.harness.believes(mine, "t1").usage)
        gpus = (Gpu(next(iter({"GPU-x": 1})), "fake", 2**30, 0, "0"),)  # type: ignore[arg-type]
        resources = Resources.of(cpus=4, mem=2**32, gpus={"GPU-x": 1}, ports=[(1000, 2000)])
        bodies: dict[str, Any] = {
            "register": RegisterAgent(
                Hello(PROTOCOL_VERSION, "test", STRANGER, 1),
                AgentInfo(agent_id, STRANGER, resources, {"a": "b"}, gpus=gpus, name=STRANGER),
                (AgentTask(mine.id, task("t9"), LaunchUuid("u-t9"), status, cpus, "x", mine.role),),
                (AgentTask(mine.id, task("t8"), LaunchUuid("u-t8"), ended, role=mine.role),),
                (AcceptProgress("x-9", mine.id, 0, cpus, mine.role, (TaskId("t9"),)),),
                (mine.info,),
                (FrameworkAway(mine.id, 1.0, 3600.0),),
                reservations=(Reservation(mine.role, cpus, cpus, "x"),),
            ),
            "heartbeat": AgentHeartbeat(
                1, HostUsage(gpus=(GpuUsage(gpus[0].gpu_id, 1.0, 1),)), (usage,), 1
            ),
            "task_updated": TaskUpdated(known, known, task("t1").resources),
            "accept_ended": AcceptEnded("x-1-1", mine.id),
            "reservation_changed": ReservationChanged(Reservation(mine.role, cpus), "r-9", "why"),
            "goodbye": Goodbye(Code.OK, "I go"),
        }
        return wire.to_proto(AgentMessage(bodies[body]))

    def _status(self, task_id: str, agent_id: AgentId, state: TaskState) -> TaskStatus:
        return TaskStatus(
            self.mine.id,
            TaskId(task_id),
            LaunchUuid(f"u-{task_id}"),
            agent_id,
            state,
            Source.AGENT,
            sequence=3,
            update_uuid=UpdateUuid(f"u-{task_id}.3"),
        )

    def send(self, data: bytes) -> Outcome:
        session = self._session
        assert session is not None, "the hostile one is connected"
        try:
            invalid = self._deliver(session, rpc.AGENT_SESSION.to_server, data)
        except RemoteProtocolError as error:
            self.peer.session = None
            self.harness.closed(session)
            return Outcome(ENDED, error.message)
        self.harness.rest()
        if (ended := self._ended(session)) is not None:
            return ended if not ended.words.startswith("OK") else Outcome(ACCEPTED)
        if invalid:
            return Outcome(REFUSED, str(invalid[0].error))
        return Outcome(ACCEPTED)


_NO_FACTS = ("heard", "look_at", "until", "away_since", "allocations", "touched")
"""Clocks and counters; nor is what begins with an underscore."""


def _facts(value: Any) -> Any:
    """Of the books: what they say, without when it was said and what was worked out of it."""
    if dataclasses.is_dataclass(value) and type(value).__module__ == Agent.__module__:
        names = (each.name for each in dataclasses.fields(value))
        return {n: _facts(getattr(value, n)) for n in names if n[0] != "_" and n not in _NO_FACTS}
    if isinstance(value, dict):
        return {key: _facts(each) for key, each in value.items()}
    return value
