"""An agent and a driver under a hostile master: real cores, no sockets."""

from typing import Any

from google.protobuf.message import Message
from tests.fuzz.kinds import ACCEPTED, ENDED, REFUSED
from tests.fuzz.masters import LIMIT
from tests.fuzz.outcome import BEFORE, Outcome, batch_of
from tests.support.agent_harness import F1, KILL, AgentHarness, launch
from tests.support.schedulers import Scripted

from fairlead.common import rpc, wire
from fairlead.common.errors import RemoteProtocolError
from fairlead.common.events import Received
from fairlead.common.ids import (
    AgentId,
    CallId,
    FrameworkId,
    LaunchUuid,
    OfferId,
    Role,
    TaskId,
    UpdateUuid,
)
from fairlead.common.messages import (
    KILL_SIGNALS,
    AcknowledgeUpdate,
    AgentRegistered,
    CallResult,
    ChangeReservation,
    Code,
    FrameworkAway,
    FrameworkMessage,
    GangFormed,
    Goodbye,
    Heartbeat,
    KillTask,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    Revoke,
    RunAccept,
    ShutdownFramework,
    Spared,
    StatusUpdated,
    Subscribed,
    ToFrameworkBody,
)
from fairlead.common.resources import Resources
from fairlead.common.session import Invalid
from fairlead.common.values import (
    FrameworkInfo,
    Offer,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.fake_master import FakeMaster
from fairlead.frameworks.kit.testing import Harness

F2 = FrameworkId("f2")


class AgentUnderWorld:
    """The hostile one is a master; `s1` of another framework runs on, whatever is said."""

    def __init__(self, when: str) -> None:
        self.when = when
        self.stolen = {"launch_uuid": "u-s1", "update_uuid": "u-s1.1"}
        self.harness = h = AgentHarness(gpus={"GPU-x": 1})
        h.registered()
        h.launch("t1").launch("s1", framework=F2)
        if when == BEFORE:
            h.answers_registrations = False
            h.hangs_up()
            h.registered()

    def template(self, body: str) -> Message:
        framework = FrameworkInfo(F1, "mine")
        resources = Resources.of(cpus=1)
        bodies: dict[str, Any] = {
            "registered": AgentRegistered(AgentId("agent-1"), "c1", 2.0),
            "run_accept": RunAccept("x-9", framework, Role("dl"), (launch("t9"),), resources),
            "kill_task": KillTask(F1, TaskId("t1"), LaunchUuid("u-t1"), 5.0, 2),
            "acknowledge_update": AcknowledgeUpdate(F1, TaskId("t1"), UpdateUuid("u-t1.1")),
            "shutdown_framework": ShutdownFramework(F1),
            "change_reservation": ChangeReservation("r-9", Role("dl"), resources),
            "framework_away": FrameworkAway(F1, 1.0, 3600.0),
            "gang_formed": GangFormed(F1, "g"),
            "heartbeat": Heartbeat(1),
            "goodbye": Goodbye(Code.SILENT, "go"),
            "epoch": Heartbeat(1),
        }
        return wire.to_proto(MasterToAgent(1, bodies[body]))

    def send(self, data: bytes) -> Outcome:
        h = self.harness
        session, closed, heard = h.session, len(h.closed), len(h.heard)
        assert session is not None, "the hostile one is connected"
        is_goodbye = False
        try:
            for message in _decoded(rpc.AGENT_SESSION.to_client, data):
                if isinstance(message, Invalid):
                    return self._hang_up(Code.INVALID, str(message.error))
                assert isinstance(message, MasterToAgent), message
                is_goodbye = isinstance(message.body, Goodbye)
                h.step(Received(session, message))
                h.settle()
        except RemoteProtocolError as error:
            return self._hang_up(error.code, error.message)
        if len(h.closed) > closed:
            code, why = h.closed[closed].code, h.closed[closed].message
            is_right = is_goodbye and code is not Code.STALE_EPOCH
            return Outcome(ACCEPTED) if is_right else Outcome(ENDED, f"{code.name} {why}")
        for said in h.heard[heard:]:
            status = getattr(said, "status", None)
            if status is not None and status.state is TaskState.DROPPED:
                return Outcome(REFUSED, status.message)
            if message := getattr(said, "message", ""):
                return Outcome(REFUSED, message)
        return Outcome(ACCEPTED)

    def _hang_up(self, code: Code, message: str) -> Outcome:
        """As the shell does with what cannot be read."""
        self.harness.hangs_up(code, message)
        return Outcome(ENDED, message)

    @property
    def is_open(self) -> bool:
        return self.harness.session is not None

    def digest(self) -> str:
        context = self.harness.agent._context
        tasks = {key: (t.state, t.latest, t.kill) for key, t in context.tasks.items()}
        promises = (context.accepts, context.frameworks, context.away, context.info)
        ledger = [context.ledger.of(key) for key in tasks]
        return repr((tasks, promises, ledger, self.harness.session, context.epoch))

    def bystanders(self) -> str:
        process = self.harness.processes[LaunchUuid("u-s1")]
        (task,) = self.harness.agent._context.living(F2)
        return repr((process.pid, process.exit, process.signals, task.state, task.latest))

    def prove(self) -> None:
        """All that was recorded can be read again by the next life; no process got a strange
        signal.
        """
        h = self.harness
        sent = {signum for each in h.processes.values() for signum in each.signals}
        assert sent <= {*KILL_SIGNALS, KILL}, f"sent {sent}"
        h.epoch = max(h.epoch, h.agent._context.epoch)
        h.answers_registrations = True
        h.tick()
        h.crash().settle()
        h.registered()


class _Mute(FakeMaster):
    def answer(self, message: FrameworkMessage) -> list[ToFrameworkBody]:
        del message
        return []


class DriverWorld:
    """The hostile one is a master; the scheduler above the driver hears what is left."""

    def __init__(self, when: str) -> None:
        self.when = when
        self.stolen: dict[str, str] = {}
        self.scheduler = Scripted()
        self.harness = Harness(self.scheduler)
        if when == BEFORE:
            self.harness.disconnect()
            self.harness.master = _Mute()
            self.harness.is_reachable = True
            self.harness.pass_time(2.5)
            assert self.harness._session is not None, "the driver has dialled again"
        else:
            self.harness.offer()

    def template(self, body: str) -> Message:
        framework_id, agent_id = self.harness.driver.framework_id, AgentId("agent-1")
        ref = TaskRef(TaskId("t1"), LaunchUuid("u"), agent_id)
        offer = Offer(OfferId("o-9"), agent_id, framework_id, Role("default"), Resources.of(cpus=1))
        status = TaskStatus(framework_id, ref.task_id, ref.launch_uuid, agent_id, TaskState.RUNNING)
        epoch = self.harness.master.epoch
        bodies: dict[str, Any] = {
            "subscribed": Subscribed(framework_id, 2.0, epoch, "cluster"),
            "call_result": CallResult(CallId("c"), Code.OK),
            "offers_made": OffersMade((offer,)),
            "offers_rescinded": OffersRescinded((OfferId("o-1"),)),
            "status_updated": StatusUpdated(status),
            "heartbeat": Heartbeat(1),
            "goodbye": Goodbye(Code.SILENT, "go"),
            "revoke": Revoke((ref,)),
            "spared": Spared((ref,)),
            "epoch": Heartbeat(1),
        }
        return wire.to_proto(MasterToFramework(epoch, bodies[body]))

    def send(self, data: bytes) -> Outcome:
        h = self.harness
        session = h._session
        assert session is not None, "the hostile one is connected"
        try:
            for message in _decoded(rpc.FRAMEWORK_SESSION.to_client, data):
                if isinstance(message, Invalid):
                    return Outcome(REFUSED, str(message.error))
                h._step(Received(session, message))
        except RemoteProtocolError as error:
            h._session = None
            return Outcome(ENDED, error.message)
        if self.harness.driver._talk.is_past(session):
            goodbyes = [each for each in h.said if isinstance(each, Goodbye)]
            return Outcome(ENDED, goodbyes[-1].message) if goodbyes else Outcome(ACCEPTED)
        return Outcome(ACCEPTED)

    @property
    def is_open(self) -> bool:
        return self.harness._session is not None

    def digest(self) -> str:
        driver = self.harness.driver
        link = (driver.is_subscribed, driver.framework_id, driver.epoch)
        return repr((link, driver._turn.offers, self.scheduler.heard, self.harness._session))

    def bystanders(self) -> str:
        return ""

    def prove(self) -> None:
        self.harness.driver.check()
        for said in self.harness.said:
            wire.decode(FrameworkMessage, wire.encode(FrameworkMessage(said)))
        deadline = self.harness.driver.next_deadline()
        assert deadline is None or deadline > self.harness.now - 1.0


def _decoded(batches: rpc.Batches, data: bytes) -> list[object]:
    batch = batch_of(data)
    if len(batch) > LIMIT:
        raise RemoteProtocolError(f"a message of {len(batch)} bytes exceeds the limit")
    return list(batches.decode(batch))
