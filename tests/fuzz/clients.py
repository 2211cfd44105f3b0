"""Whoever only asks: operators, clients of commands, readers of logs; and whoever is answered."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from tests.fuzz.kinds import ACCEPTED, ENDED, REFUSED
from tests.fuzz.masters import CALL, LIMIT, MasterWorld
from tests.fuzz.outcome import Outcome
from tests.support.agent_harness import F1, launch
from tests.support.master_harness import PERSON

from fairlead.agent.logs import Logs
from fairlead.common import wire
from fairlead.common.errors import FairleadError, InvalidFieldError, RemoteProtocolError
from fairlead.common.events import Received
from fairlead.common.ids import (
    AgentId,
    CallId,
    LaunchUuid,
    OfferId,
    Role,
    SessionId,
    TaskId,
)
from fairlead.common.messages import (
    Accept,
    CallResult,
    Code,
    FrameworkMessage,
)
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    DrainAgent,
    ExplainFramework,
    ExplainTask,
    KillAnyTask,
    LogChunk,
    LogQuery,
    MarkAgentGone,
    OfferEvent,
    OfferEventKind,
    OfferEvents,
    OffersQuery,
    OperatorCall,
    OperatorReply,
    SetQuota,
    SetReservation,
    SetWeight,
    StateQuery,
    StateReply,
    SubmitCommand,
    TeardownFramework,
    WithdrawCommand,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AgentTask,
    Command,
    Offer,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.commands.scheduler import Answered, Asked, CommandsScheduler
from fairlead.frameworks.kit import scheduler as kit


class OperatorWorld(MasterWorld):
    """The hostile one orders."""

    is_open = True

    def template(self, body: str) -> Message:
        mine = self.mine.id
        bodies: dict[str, Any] = {
            "set_weight": SetWeight(Role("dl"), 2.0),
            "set_quota": SetQuota(Role("dl"), {"cpus": 1000}, {"cpus": 2000}),
            "set_reservation": SetReservation(
                self.my_agent.id, Role("dl"), Resources.of(cpus=1, gpus=1)
            ),
            "kill_any_task": KillAnyTask(mine, TaskId("t1"), 1.0),
            "drain_agent": DrainAgent(self.my_agent.id, 1.0),
            "mark_agent_gone": MarkAgentGone(self.my_agent.id),
            "teardown_framework": TeardownFramework(mine),
            "explain_framework": ExplainFramework(mine),
            "explain_task": ExplainTask(TaskId("t1"), mine),
            "call_id": SetWeight(Role("dl"), 2.0),
        }
        return wire.to_proto(OperatorCall(bodies[body], CALL))

    def send(self, data: bytes) -> Outcome:
        replies = len(self.harness.replies)
        try:
            call = wire.decode(OperatorCall, data)
        except InvalidFieldError as error:
            return Outcome(REFUSED, str(error))
        except FairleadError as error:
            return Outcome(ENDED, error.message)
        self.harness.step(Received(SessionId(PERSON + replies), call))
        self.harness.rest()
        (reply,) = self.harness.replies[replies:]
        result = reply.result
        if result.code is not Code.OK:
            return Outcome(REFUSED, f"{result.code.name} {result.field} {result.message}")
        return Outcome(ACCEPTED)


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
    OffersQuery(),
    OfferEvents(
        (OfferEvent(1, OfferEventKind.MADE, OfferId("o"), AgentId("a"), F1, Role("dl")),),
    ),
    LogChunk(b"x"),
    CommandSubmitted(F1, TaskId("t")),
    CommandWithdrawn(),
)


def reader_of(sample: object) -> Callable[[str], _ReaderWorld]:
    return lambda when: _ReaderWorld(when, sample)
