"""An agent and a driver under a hostile master, the service of commands, the logs of an agent, and
whoever reads replies: real cores, no sockets.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from tests.fuzz.kinds import ACCEPTED, ENDED, REFUSED
from tests.fuzz.masters import LIMIT
from tests.fuzz.outcome import BEFORE, Outcome, batch_of
from tests.support.agent_harness import F1, KILL, AgentHarness, launch
from tests.support.schedulers import Scripted

from fairlead.agent.logs import Logs
from fairlead.common import rpc, wire
from fairlead.common.errors import FairleadError, InvalidFieldError, RemoteProtocolError
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
    Accept,
    AcknowledgeUpdate,
    AgentRegistered,
    CallResult,
    Code,
    FrameworkAway,
    FrameworkMessage,
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
    StatusUpdated,
    Subscribed,
    ToFrameworkBody,
)
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    LogChunk,
    LogQuery,
    OperatorReply,
    StateQuery,
    StateReply,
    SubmitCommand,
    WithdrawCommand,
)
from fairlead.common.resources import Resources
from fairlead.common.session import Invalid
from fairlead.common.values import (
    AgentTask,
    Command,
    FrameworkInfo,
    Offer,
    TaskInfo,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.commands.scheduler import Answered, Asked, CommandsScheduler
from fairlead.frameworks.kit import scheduler as kit
from fairlead.frameworks.kit.testing import FakeMaster, Harness

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
            "framework_away": FrameworkAway(F1, 1.0, 3600.0),
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
        return repr((link, driver._offers, self.scheduler.heard, self.harness._session))

    def bystanders(self) -> str:
        return ""

    def prove(self) -> None:
        self.harness.driver.check()
        for said in self.harness.said:
            wire.decode(FrameworkMessage, wire.encode(FrameworkMessage(said)))
        deadline = self.harness.driver.next_deadline()
        assert deadline is None or deadline > self.harness.now - 1.0


class CommandsWorld:
    """The hostile one is a client of the framework `commands`; another's command waits there."""

    is_open = True

    def __init__(self, when: str) -> None:
        self.when = when
        self.stolen = {"task_id": "theirs"}
        self.scheduler = CommandsScheduler("instance", "address")
        self.scheduler.step(kit.Subscribed(F1, 1), 0.0)
        self.answers: list[Answered] = []
        self._ask(SubmitCommand(self._task("theirs")))
        self.answers.clear()

    @staticmethod
    def _task(task_id: str) -> TaskInfo:
        resources = Resources.of(cpus=1, mem=2**20)
        return TaskInfo(TaskId(task_id), task_id, Command(("true",)), resources)

    def template(self, body: str) -> Message:
        if body == "task":
            return wire.to_proto(SubmitCommand(self._task("mine")))
        return wire.to_proto(WithdrawCommand(TaskId("theirs2")))

    def _ask(self, call: Any) -> list[object]:
        actions = list(self.scheduler.step(Asked(1, call), 0.0))
        self.answers += [each for each in actions if isinstance(each, Answered)]
        return actions

    def _send(self, cls: type, data: bytes) -> Outcome:
        self.answers.clear()
        try:
            self._ask(wire.decode(cls, data))
        except InvalidFieldError as error:
            return Outcome(REFUSED, str(error))
        except FairleadError as error:
            return Outcome(ENDED, error.message)
        (answer,) = self.answers
        if answer.refusal:
            return Outcome(REFUSED, f"{answer.field} {answer.refusal}")
        return Outcome(ACCEPTED)

    def send(self, data: bytes) -> Outcome:
        return self._send(SubmitCommand, data)

    def digest(self) -> str:
        return repr(self.scheduler._commands)

    def bystanders(self) -> str:
        return repr(self.scheduler._commands[TaskId("theirs")].task)

    def prove(self) -> None:
        """It is launched with whatever waits, in a message that the master can read."""
        everything = Resources.of(cpus=2**40, mem=2**58, disk=2**58)
        offer = Offer(OfferId("o"), AgentId("a"), F1, Role("default"), everything)
        for action in self.scheduler.step(kit.OffersReceived((offer,)), 0.0):
            if isinstance(action, Accept):
                data = wire.encode(FrameworkMessage(action))
                assert len(data) <= LIMIT, f"an accept of {len(data)} bytes ends the session"
                wire.decode(FrameworkMessage, data)


class WithdrawWorld(CommandsWorld):
    """Takes back what it may not."""

    def send(self, data: bytes) -> Outcome:
        return self._send(WithdrawCommand, data)


class LogWorld:
    """The hostile one reads logs: of `t1`, which has ended, and never anything else."""

    is_open = True

    runner = asyncio.Runner()

    def __init__(self, when: str) -> None:
        self.when = when
        self.stolen: dict[str, str] = {}
        self.root = Path(tempfile.mkdtemp(prefix="fl-fuzz-"))
        self.sandbox = self.root / "f1" / "t1" / "u-t1"
        self.sandbox.mkdir(parents=True)
        (self.sandbox / "stdout").write_text("hello\n")
        (self.root / "secret").write_text("secret")
        self.logs = Logs(self.root, self._look_up)

    def _look_up(self, framework_id: str, task_id: str, launch_uuid: str) -> AgentTask | None:
        if (framework_id, task_id) != (F1, "t1") or launch_uuid not in ("", "u-t1"):
            return None
        status = TaskStatus(F1, TaskId("t1"), LaunchUuid("u-t1"), AgentId("a"), TaskState.FINISHED)
        return AgentTask(
            F1, launch("t1").task, LaunchUuid("u-t1"), status, sandbox=str(self.sandbox)
        )

    def template(self, body: str) -> Message:
        del body
        return wire.to_proto(LogQuery(F1, TaskId("t1"), LaunchUuid("u-t1"), "stdout", 1))

    def send(self, data: bytes) -> Outcome:
        try:
            return self.runner.run(self._read(wire.decode(LogQuery, data)))
        except InvalidFieldError as error:
            return Outcome(REFUSED, str(error))
        except RemoteProtocolError as error:
            return Outcome(ENDED, error.message)
        except FairleadError as error:
            return Outcome(REFUSED, f"framework_id, task_id, launch_uuid: {error.message}")

    async def _read(self, query: LogQuery) -> Outcome:
        read = b"".join([chunk.data async for chunk in self.logs.read(query)])
        assert read in b"hello\n", f"read {read!r}"
        return Outcome(ACCEPTED)

    def digest(self) -> str:
        return ""

    def bystanders(self) -> str:
        return ""

    def prove(self) -> None:
        pass


class _ReaderWorld:
    """Whoever is answered: a reply is read, or refused, and nothing else."""

    is_open = True

    def __init__(self, when: str, sample: object) -> None:
        self.when = when
        self.stolen: dict[str, str] = {}
        self._sample = sample

    def template(self, body: str) -> Message:
        del body
        return wire.to_proto(self._sample)

    def send(self, data: bytes) -> Outcome:
        try:
            wire.decode(type(self._sample), data)
        except InvalidFieldError as error:
            return Outcome(REFUSED, str(error))
        except RemoteProtocolError as error:
            return Outcome(ENDED, error.message)
        return Outcome(ACCEPTED)

    def digest(self) -> str:
        return ""

    def bystanders(self) -> str:
        return ""

    def prove(self) -> None:
        pass


SAMPLES: tuple[object, ...] = (
    StateQuery(),
    StateReply(1, 1, "c"),
    OperatorReply(CallResult(CallId("c"), Code.OK)),
    LogChunk(b"x"),
    CommandSubmitted(F1, TaskId("t")),
    CommandWithdrawn(),
)


def reader_of(sample: object) -> Callable[[str], _ReaderWorld]:
    return lambda when: _ReaderWorld(when, sample)


def _decoded(batches: rpc.Batches, data: bytes) -> list[object]:
    batch = batch_of(data)
    if len(batch) > LIMIT:
        raise RemoteProtocolError(f"a message of {len(batch)} bytes exceeds the limit")
    return list(batches.decode(batch))
