"""Clients of the framework `training`, and what they are answered."""

from typing import Any

from google.protobuf.message import Message
from tests.fuzz.kinds import ACCEPTED, ENDED, REFUSED
from tests.fuzz.masters import LIMIT
from tests.fuzz.outcome import Outcome
from tests.support.agent_harness import F1

from fairlead.common import wire
from fairlead.common.errors import FairleadError, InvalidFieldError
from fairlead.common.ids import AgentId, OfferId, Role, TaskId
from fairlead.common.jobs import (
    JobOrdered,
    JobsQuery,
    JobsReply,
    JobState,
    JobSubmitted,
    JobVerb,
    JobView,
    OrderJob,
    SubmitJob,
)
from fairlead.common.messages import Accept, FrameworkMessage
from fairlead.common.resources import Resources
from fairlead.common.values import Command, Offer, TaskInfo
from fairlead.frameworks.kit import scheduler as kit
from fairlead.frameworks.training.events import Answered, Asked
from fairlead.frameworks.training.scheduler import TrainingScheduler

ANSWERS: tuple[object, ...] = (
    JobSubmitted("j"),
    JobsQuery("j"),
    JobsReply((JobView("j", "j", JobState.QUEUED),), 60.0),
    JobOrdered(JobState.QUEUED),
)


class SubmitWorld:
    """The hostile one submits; another's job waits there."""

    is_open = True

    def __init__(self, when: str) -> None:
        self.when = when
        self.stolen = {"task_id": "theirs", "job_id": "theirs"}
        self.scheduler = TrainingScheduler("instance", "/checkpoints")
        self.scheduler.step(kit.Subscribed(F1, 1), 0.0)
        self._ask(self._job("theirs"))

    @staticmethod
    def _job(job_id: str) -> SubmitJob:
        resources = Resources.of(cpus=1, mem=2**20, gpus=1)
        return SubmitJob(TaskInfo(TaskId(job_id), job_id, Command(("true",)), resources), 1.0)

    def template(self, body: str) -> Message:
        del body
        return wire.to_proto(self._job("mine"))

    def _ask(self, call: SubmitJob | OrderJob) -> Answered:
        actions = self.scheduler.step(Asked(1, call), 0.0)
        (answer,) = [each for each in actions if isinstance(each, Answered)]
        return answer

    def _say(self, cls: type[Any], data: bytes) -> Outcome:
        try:
            answer = self._ask(wire.decode(cls, data))
        except InvalidFieldError as error:
            return Outcome(REFUSED, str(error))
        except FairleadError as error:
            return Outcome(ENDED, error.message)
        if answer.refusal:
            return Outcome(REFUSED, f"{answer.field} {answer.refusal}")
        return Outcome(ACCEPTED)

    def send(self, data: bytes) -> Outcome:
        return self._say(SubmitJob, data)

    def digest(self) -> str:
        return repr(self.scheduler.views(0.0))

    def bystanders(self) -> str:
        theirs = self.scheduler.view("theirs", 0.0)
        assert theirs is not None
        return repr((theirs.command, theirs.resources, theirs.weight))

    def prove(self) -> None:
        """All are launched, in messages that the master can read, and can be shown."""
        everything = Resources.of(
            cpus=2**40, mem=2**58, disk=2**58, gpus={f"g{n}": 1.0 for n in range(8)}
        )
        offer = Offer(OfferId("o"), AgentId("a"), F1, Role("default"), everything)
        for action in self.scheduler.step(kit.OffersReceived((offer,)), 1.0):
            if isinstance(action, Accept):
                data = wire.encode(FrameworkMessage(action))
                assert len(data) <= LIMIT, f"an accept of {len(data)} bytes ends the session"
                wire.decode(FrameworkMessage, data)
        shown = JobsReply(tuple(self.scheduler.views(1.0)))
        wire.decode(JobsReply, wire.encode(shown))


class OrderWorld(SubmitWorld):
    """Orders about what it may not."""

    def template(self, body: str) -> Message:
        del body
        return wire.to_proto(OrderJob("theirs", JobVerb.PAUSE))

    def send(self, data: bytes) -> Outcome:
        return self._say(OrderJob, data)
