"""The shared framework behind `fairlead run -d`: runs what clients submit, once, and forgets it.

A command is durable from its submission to its end, as a Record. A launch is recorded before it is
said, so that a scheduler that was started again can ask what became of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fairlead.common.dataclass import dataclass
from fairlead.common.events import Record
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import Accept, Kill, Reconcile
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    SubmitCommand,
    SubmittedCommand,
    WithdrawCommand,
)
from fairlead.common.sizes import MAX_ACCEPT_BYTES, MAX_TASK_BYTES, task_bytes
from fairlead.common.values import (
    Demand,
    FrameworkInfo,
    Launch,
    RoleDemand,
    RoleWish,
    TaskInfo,
    TaskRef,
    bad_priority,
)
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Subscribed,
    decline,
    fitting,
)

from .offers import Room, constraints_of, never_ran, rooms

NAME = "commands"
FAILOVER_S = 86400.0
ROLE = Role("default")
KEY = "command/"
MAX_TASK_ID = 180
"""Each launch adds a number to it, and the wire takes 200 characters."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A client called; the answer bears the same number."""

    number: int
    call: SubmitCommand | WithdrawCommand


@dataclass(frozen=True, slots=True)
class Answered:
    """For the client; an empty `refusal` means that there is a reply."""

    number: int
    reply: CommandSubmitted | CommandWithdrawn | None = None
    field: str = ""
    refusal: str = ""


class CommandsScheduler(SchedulerBase):
    """Commands by priority and in their order; each goes to the first offer that it fits."""

    def __init__(self, instance_uuid: str, address: str = "") -> None:
        self.framework = FrameworkInfo(
            FrameworkId(""), NAME, "", (ROLE,), failover_timeout_s=FAILOVER_S, address=address
        )
        self._instance_uuid = instance_uuid
        self._framework_id = FrameworkId("")
        self._commands: dict[TaskId, SubmittedCommand] = {}
        """All that have not ended, in their order, by the id that the client gave."""
        self._launched: dict[TaskId, TaskId] = {}
        """By the id of the task that runs it."""
        self._waiting: dict[TaskId, None] = {}
        """Those not launched."""
        self._unanswered: list[tuple[int, TaskId]] = []
        """Submissions that came before we knew our own id."""
        self._last_number = 0
        self._launches = 0
        self._is_queue_changed = True
        self._want()
        self._handlers: Mapping[type, Callable[[Any], list[object]]] = {
            Subscribed: self._subscribed,
            OffersReceived: self._offered,
            StatusReceived: self._followed,
            Asked: self._asked,
        }

    @classmethod
    def restore(
        cls, instance_uuid: str, address: str, records: Mapping[str, object]
    ) -> "CommandsScheduler":
        """As it was when its last Record became durable."""
        scheduler = cls(instance_uuid, address)
        found = [item for item in records.values() if isinstance(item, SubmittedCommand)]
        for command in sorted(found, key=lambda each: each.number):
            scheduler._put(command)
        scheduler._want()
        return scheduler

    @property
    def waiting(self) -> list[str]:
        """The ids of the commands that wait for an offer."""
        return list(self._waiting)

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        """Whatever happened, the demand follows."""
        del now
        handler = self._handlers.get(type(event))
        actions = handler(event) if handler else []
        self._want()
        return actions

    # --- clients

    def _asked(self, event: Asked) -> list[object]:
        if isinstance(event.call, WithdrawCommand):
            return self._withdraw(event.number, event.call.task_id)
        task = event.call.task
        if (trouble := _trouble(task)) is not None:
            return [Answered(event.number, None, *trouble)]
        known = self._commands.get(task.task_id)
        if known is not None and known.task != task:
            refusal = f"{task.task_id!r} is the id of another command"
            return [Answered(event.number, None, "task.task_id", refusal)]
        actions: list[object] = []
        if known is None:
            command = SubmittedCommand(task, number=self._last_number + 1)
            actions = [self._keep(command)]
        self._unanswered.append((event.number, task.task_id))
        return actions + self._answer_all()

    def _answer_all(self) -> list[object]:
        """The reply names our id, which the first Subscribed brings."""
        if not self._framework_id:
            return []
        answered = [
            Answered(number, CommandSubmitted(self._framework_id, task_id))
            for number, task_id in self._unanswered
        ]
        self._unanswered.clear()
        return list(answered)

    def _withdraw(self, number: int, task_id: TaskId) -> list[object]:
        if task_id in self._waiting:
            return [self._forget(task_id), Answered(number, CommandWithdrawn(was_waiting=True))]
        if task_id in self._commands:
            command = replace(self._commands[task_id], is_withdrawn=True)
            kill = Kill(_launched_id(command))
            return [self._keep(command), kill, Answered(number, CommandWithdrawn())]
        return [Answered(number, None, "task_id", f"no command {task_id!r} is known, or it ended")]

    # --- the master

    def _subscribed(self, event: Subscribed) -> list[object]:
        is_first = not self._framework_id
        self._framework_id = event.framework_id
        launched = [each for each in self._commands.values() if each.launch_uuid]
        refs = tuple(TaskRef(_launched_id(c), c.launch_uuid, c.agent_id) for c in launched)
        asking: list[object] = []
        if refs and is_first:
            # The kill may not have left before the end of the life that recorded it.
            kills = [Kill(_launched_id(each)) for each in launched if each.is_withdrawn]
            asking = [Reconcile(refs), *kills]
        return asking + self._answer_all()

    def _offered(self, event: OffersReceived) -> list[object]:
        actions: list[object] = []
        for room in rooms(event.offers):
            queue = [task for task in self._queue() if room.suits(task)]
            chosen = _in_one_message(fitting(room.resources, queue))
            actions += self._launch(room, chosen) if chosen else [decline(room.offers)]
        return actions

    def _queue(self) -> list[TaskInfo]:
        """Those that wait, the highest priority first, else as they came."""
        waiting = (self._commands[task_id].task for task_id in self._waiting)
        return sorted(waiting, key=lambda task: -task.priority)

    def _launch(self, room: Room, tasks: Sequence[TaskInfo]) -> list[object]:
        actions: list[object] = []
        launches = []
        for task in tasks:
            self._launches += 1
            launch_uuid = LaunchUuid(f"{self._instance_uuid}-c{self._launches}")
            command = self._commands[task.task_id]
            command = replace(
                command,
                launch_uuid=launch_uuid,
                agent_id=room.agent_id,
                launches=command.launches + 1,
            )
            actions.append(self._keep(command))
            launches.append(Launch(replace(task, task_id=_launched_id(command)), launch_uuid))
        offer_ids = tuple(offer.offer_id for offer in room.offers)
        return [*actions, Accept(offer_ids, tuple(launches))]

    def _followed(self, event: StatusReceived) -> list[object]:
        status = event.status
        task_id = self._launched.get(status.task_id)
        if task_id is None or not status.state.is_terminal:
            return []
        command = self._commands[task_id]
        if never_ran(status) and not command.is_withdrawn:
            return [self._keep(replace(command, launch_uuid=LaunchUuid(""), agent_id=AgentId("")))]
        return [self._forget(task_id)]

    # --- the books

    def _keep(self, command: SubmittedCommand) -> Record:
        self._put(command)
        return Record(KEY + command.task.task_id, command)

    def _put(self, command: SubmittedCommand) -> None:
        task_id = command.task.task_id
        self._commands[task_id] = command
        self._is_queue_changed = True
        self._last_number = max(self._last_number, command.number)
        if command.launch_uuid:
            self._waiting.pop(task_id, None)
            self._launched[_launched_id(command)] = task_id
        else:
            self._launched.pop(_launched_id(command), None)
            self._waiting[task_id] = None

    def _forget(self, task_id: TaskId) -> Record:
        command = self._commands.pop(task_id)
        self._launched.pop(_launched_id(command), None)
        self._is_queue_changed = True
        self._waiting.pop(task_id, None)
        return Record(KEY + task_id, None)

    def _want(self) -> None:
        """What waits is what we want; while nothing does, no offers at all."""
        if not self._is_queue_changed:
            return
        self._is_queue_changed = False
        counts: dict[Any, int] = {}
        for task in self._queue():
            each = (task.resources, constraints_of(task))
            counts[each] = counts.get(each, 0) + 1
        demands = tuple(
            Demand(each, count, constraints) for (each, constraints), count in counts.items()
        )
        self.demands = (RoleDemand(ROLE, demands),)
        self.wishes = (RoleWish(ROLE, suppressed=not self._waiting),)


def _launched_id(command: SubmittedCommand) -> TaskId:
    """Task ids are used once, so one that was dropped is launched again under another."""
    task_id = command.task.task_id
    return TaskId(f"{task_id}.{command.launches}") if command.launches > 1 else task_id


def _in_one_message(tasks: Sequence[TaskInfo]) -> Sequence[TaskInfo]:
    """As many as one accept may hold, which is at least one; the others wait for the next offer."""
    size = 0
    for index, task in enumerate(tasks):
        size += task_bytes(task)
        if size > MAX_ACCEPT_BYTES:
            return tasks[:index]
    return tasks


def _trouble(task: TaskInfo) -> tuple[str, str] | None:
    if not task.task_id:
        return "task.task_id", "is empty"
    if len(task.task_id) > MAX_TASK_ID:
        return "task.task_id", f"is longer than {MAX_TASK_ID} characters"
    if (size := task_bytes(task)) > MAX_TASK_BYTES:
        what = f"command, labels and files have about {size} bytes"
        return "task", f"{what}; a task may have {MAX_TASK_BYTES}: put large data into shared files"
    if not task.command.argv or not task.command.argv[0]:
        return "task.command.argv", "is empty"
    if not task.resources:
        return "task.resources", "asks for nothing"
    if trouble := bad_priority(task.priority):
        return "task.priority", trouble
    return None
