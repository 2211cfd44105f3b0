"""A master of a few lines, for tests of schedulers and drivers.

`testing` drives it. It refuses what the real one does (`fake_rules`), but keeps no books: of an
accept that moves tasks it takes the amounts at their word.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, CallId, FrameworkId, OfferId, Role, TaskId, UpdateUuid
from fairlead.common.launches import launches_in
from fairlead.common.messages import (
    Accept,
    CallResult,
    Code,
    Decline,
    FrameworkMessage,
    Goodbye,
    Reconcile,
    StatusUpdated,
    Subscribe,
    Subscribed,
    Teardown,
    ToFrameworkBody,
)
from fairlead.common.values import (
    Gang,
    Launch,
    LaunchGroup,
    Offer,
    Operation,
    Reason,
    Resize,
    Resume,
    Source,
    Suspend,
    TaskInfo,
    TaskRef,
    TaskState,
    TaskStatus,
)

from .fake_rules import Unfit, Wrong, answer_of, unfit, wrong_offers
from .launches import launches_of


@dataclass(slots=True)
class FakeTask:
    """A task that was accepted; nothing happens to it but what the test and its scheduler say."""

    launch: Launch
    latest: TaskStatus

    @property
    def info(self) -> TaskInfo:
        return self.launch.task


@dataclass(slots=True)
class FakeMaster:
    """Answers each call; says each thing once."""

    framework_id: FrameworkId = FrameworkId("f-1-1")
    roles: tuple[Role, ...] = ()
    epoch: int = 1
    heartbeat_s: float = 2.0
    offers: dict[OfferId, Offer] = field(default_factory=dict)
    tasks: dict[TaskId, FakeTask] = field(default_factory=dict)
    refusals: deque[tuple[Code, str, str]] = field(default_factory=deque)
    """What the next calls of the scheduler are answered with, instead of OK."""
    is_prompt: bool = True
    """Tasks are suspended, resumed and resized at once, and members of a gang end with one that is
    lost; else when the test says so.
    """
    gangs: dict[str, list[tuple[CallId, Accept]]] = field(default_factory=dict)
    """By id: the accepts of which others are to come."""

    def answer(self, message: FrameworkMessage) -> list[ToFrameworkBody]:
        body, code, text, where = message.body, Code.OK, "", ""
        answers: list[ToFrameworkBody] = []
        if self.refusals and message.call_id and not isinstance(body, Subscribe | Reconcile):
            code, text, where = self.refusals.popleft()
        elif isinstance(body, Subscribe):
            self.framework_id = body.framework.framework_id or self.framework_id
            self.roles = body.framework.roles
            return [Subscribed(self.framework_id, self.heartbeat_s, self.epoch, "cluster")]
        elif isinstance(body, Accept) and body.gang is not None:
            return self._gather(message.call_id, body, body.gang)
        elif isinstance(body, Accept):
            code, where, text, answers = self._accept(body)
        elif isinstance(body, Reconcile):
            answers = [self._where(ref) for ref in body.tasks]
        else:
            states = {task_id: task.latest.state for task_id, task in self.tasks.items()}
            code, where, text = answer_of(body, self.roles, self.offers, states)
            self._forget(body.offer_ids if isinstance(body, Decline) else ())
        if message.call_id:
            answers.insert(0, CallResult(message.call_id, code, where, text))
        if isinstance(body, Teardown) and code is Code.OK:
            answers.append(Goodbye(Code.FRAMEWORK_REMOVED, "it asked to end"))
        return answers

    def follow(
        self,
        task_id: str,
        state: TaskState,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
        reason: Reason = Reason.UNSPECIFIED,
        message: str = "",
    ) -> TaskStatus:
        """The next update of a task, as its agent makes it."""
        task = self.tasks[TaskId(task_id)]
        sequence = task.latest.sequence + 1
        task.latest = replace(
            task.latest,
            state=state,
            source=Source.AGENT,
            reason=reason,
            message=message,
            sequence=sequence,
            update_uuid=UpdateUuid(f"{task.launch.launch_uuid}-{sequence}"),
            exit_code=exit_code,
            signal=signal,
        )
        return task.latest

    def drag(self, lost: TaskStatus) -> Iterator[TaskStatus]:
        """The ends of those who are in a gang, or group, with a task that ended badly."""
        gang = self.tasks[lost.task_id].info.gang
        if gang is None or lost.state not in _ENDS or lost.state is TaskState.FINISHED:
            return
        for task_id, task in self.tasks.items():
            if task.info.gang == gang and task.latest.state not in _ENDS:
                message = f"gang {gang.gang_id}: {lost.task_id} is {lost.state.name}"
                reason = Reason.GANG_BROKEN
                yield self.follow(task_id, TaskState.KILLED, reason=reason, message=message)

    def _gather(self, call_id: CallId, call: Accept, gang: Gang) -> list[ToFrameworkBody]:
        """Accepts of a gang wait for each other; then all are taken, or none."""
        calls = self.gangs.setdefault(gang.gang_id, [])
        calls.append((call_id, call))
        first = calls[0][1].gang or gang
        members = sum(len(list(launches_of(each))) for _, each in calls)
        wrong, culprit = self._wrong_member(call, first, members), call
        if wrong is None and members < first.size:
            return []
        for _, each in calls if wrong is None else ():
            if (wrong := self._wrong_whole(each)) is not None:
                culprit = each
                break
        answers: list[ToFrameworkBody] = []
        for each_id, each in self.gangs.pop(gang.gang_id):
            if wrong is None:
                self._accept(each)
                answers.append(CallResult(each_id, Code.OK))
            else:
                self._forget(each.offer_ids)
                where = wrong[0] if each is culprit else "gang"
                answers += [
                    *self._dropped(each),
                    CallResult(each_id, Code.REFUSED, where, wrong[1]),
                ]
        return answers

    def _wrong_member(self, call: Accept, gang: Gang, members: int) -> Wrong | None:
        """What no other accept can put right."""
        used = [task.info.gang.gang_id for task in self.tasks.values() if task.info.gang]
        if gang.gang_id in used:
            return "gang.gang_id", f"{gang.gang_id!r} is taken: ids of gangs are used once"
        if call.gang != gang or members > gang.size:
            return "gang.size", f"{members} tasks in a gang of {gang.size}"
        if call.task_ids:
            return "task_ids", "a gang has launches alone"
        return self._wrong_offers(call, self._held(call))

    def _wrong_whole(self, call: Accept) -> Wrong | None:
        """Of a gang nothing may be left out."""
        held = self._held(call)
        if (wrong := self._wrong_offers(call, held)) is not None:
            return wrong
        bad = next(unfit(call, held, self.tasks), None)
        return None if bad is None else ("operations", f"{bad.launch.task.task_id}: {bad.message}")

    def _held(self, call: Accept) -> Sequence[Offer]:
        return [self.offers[i] for i in dict.fromkeys(call.offer_ids) if i in self.offers]

    def _dropped(self, call: Accept) -> list[StatusUpdated]:
        dropped = TaskState.DROPPED, Reason.INVALID_OFFERS
        return [StatusUpdated(self._status(_ref(one), *dropped)) for one in launches_of(call)]

    def _accept(self, call: Accept) -> tuple[Code, str, str, list[ToFrameworkBody]]:
        held = self._held(call)
        self._forget(call.offer_ids)
        wrong = self._wrong_offers(call, held) or self._wrong_orders(call)
        if wrong is not None:
            return Code.REFUSED, *wrong, [*self._dropped(call)]
        agent_id = held[0].agent_id if held else self.tasks[call.task_ids[0]].latest.agent_id
        bad = {id(each.launch): each for each in unfit(call, held, self.tasks)}
        told = [StatusUpdated(self._told(each, agent_id)) for each in bad.values()]
        for launch, gang in _members(call, len(self.tasks)):
            if id(launch) in bad:
                continue
            status = self._status(_ref(launch, agent_id), TaskState.STAGING)
            member = replace(launch, task=replace(launch.task, gang=gang))
            self.tasks[launch.task.task_id] = FakeTask(member, status)
        moved = self._carry_out(call.operations) if self.is_prompt else ()
        return Code.OK, "", "", [*told, *moved]

    def _told(self, bad: Unfit, agent_id: AgentId) -> TaskStatus:
        status = self._status(_ref(bad.launch, agent_id), bad.state, bad.reason)
        return replace(status, message=bad.message)

    def _wrong_offers(self, call: Accept, held: Sequence[Offer]) -> Wrong | None:
        if (wrong := wrong_offers(call, held)) is not None:
            return wrong
        for index, task_id in enumerate(call.task_ids):
            if task_id not in self.tasks:
                return f"task_ids[{index}]", f"no task {task_id!r} is known of this framework"
        return None

    def _wrong_orders(self, call: Accept) -> Wrong | None:
        """What the operations before have made of a task decides what can be done with it."""
        states = {task_id: self.tasks[task_id].latest.state for task_id in call.task_ids}
        for index, operation in enumerate(call.operations):
            if not isinstance(operation, Suspend | Resume | Resize):
                continue
            task_id = operation.task_id
            if task_id not in states:
                return f"operations[{index}]", f"the accept's task_ids do not name {task_id!r}"
            if isinstance(operation, Suspend) and states[task_id].is_terminal:
                continue
            if states[task_id] not in _FIT[type(operation)]:
                return f"operations[{index}]", f"{task_id} is {states[task_id].name}"
            states[task_id] = _BECOMES[type(operation)]
        return None

    def _carry_out(self, operations: Sequence[Operation]) -> Iterator[StatusUpdated]:
        for operation in operations:
            if not isinstance(operation, Suspend | Resume | Resize):
                continue
            task, state = self.tasks[operation.task_id], _BECOMES[type(operation)]
            if isinstance(operation, Resize):
                info = replace(task.info, resources=operation.resources)
                task.launch = replace(task.launch, task=info)
            elif task.latest.state in (state, *_ENDS):
                continue
            reason = _REASONS.get(type(operation), Reason.UNSPECIFIED)
            yield StatusUpdated(self.follow(operation.task_id, state, reason=reason))

    def _where(self, ref: TaskRef) -> StatusUpdated:
        task = self.tasks.get(ref.task_id)
        if task is not None and ref.launch_uuid in ("", task.launch.launch_uuid):
            return StatusUpdated(
                replace(task.latest, source=Source.MASTER, update_uuid=UpdateUuid(""))
            )
        return StatusUpdated(self._status(ref, TaskState.DROPPED, Reason.LAUNCH_UNKNOWN))

    def _status(
        self, ref: TaskRef, state: TaskState, reason: Reason = Reason.UNSPECIFIED
    ) -> TaskStatus:
        names = (self.framework_id, ref.task_id, ref.launch_uuid, ref.agent_id)
        return TaskStatus(*names, state, reason=reason)

    def _forget(self, offer_ids: Sequence[OfferId]) -> None:
        for offer_id in offer_ids:
            self.offers.pop(offer_id, None)


_BECOMES = {Suspend: TaskState.SUSPENDED, Resume: TaskState.RUNNING, Resize: TaskState.RUNNING}
_REASONS = {Suspend: Reason.TASK_SUSPENDED, Resume: Reason.TASK_RESUMED}
_FIT = {
    Suspend: (TaskState.RUNNING, TaskState.SUSPENDED),
    Resume: (TaskState.SUSPENDED,),
    Resize: (TaskState.RUNNING,),
}
"""The states in which a task can be ordered so."""
_ENDS = tuple(state for state in TaskState if state.is_terminal)


def _members(call: Accept, number: int) -> Iterator[tuple[Launch, Gang | None]]:
    """All launches, each with its gang; a group is one by itself."""
    for index, operation in enumerate(call.operations):
        group = call.gang
        if group is None and isinstance(operation, LaunchGroup):
            group = Gang(f"x-{number}.{index}", len(operation.launches))
        for launch in launches_in((operation,)):
            yield launch, group


def _ref(launch: Launch, agent_id: str = "") -> TaskRef:
    return TaskRef(launch.task.task_id, launch.launch_uuid, AgentId(agent_id))
