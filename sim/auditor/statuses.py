"""Laws about what frameworks are told of their tasks, and about updates and acknowledgements."""

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.common.ids import FrameworkId, LaunchUuid, UpdateUuid
from fairlead.common.messages import TaskUpdated
from fairlead.common.values import TaskState, TaskStatus

from .laws import Facts, Link, ViolationError

_S = TaskState
_TERMINAL = tuple(state for state in TaskState if state.value >= TaskState.FINISHED.value)
_AWAY = (_S.UNREACHABLE, _S.RECOVERING, _S.UNKNOWN)

FOLLOWS: Mapping[TaskState | None, tuple[TaskState, ...]] = {
    None: tuple(TaskState),
    _S.STAGING: (_S.STAGING, _S.STARTING, _S.RUNNING, _S.KILLING, *_AWAY, *_TERMINAL),
    _S.STARTING: (_S.STARTING, _S.RUNNING, _S.KILLING, *_AWAY, *_TERMINAL),
    _S.RUNNING: (_S.RUNNING, _S.SUSPENDING, _S.KILLING, *_AWAY, *_TERMINAL),
    _S.SUSPENDING: (_S.SUSPENDING, _S.SUSPENDED, _S.RUNNING, _S.KILLING, *_AWAY, *_TERMINAL),
    _S.SUSPENDED: (_S.SUSPENDED, _S.RESUMING, _S.KILLING, *_AWAY, *_TERMINAL),
    _S.RESUMING: (_S.RESUMING, _S.RUNNING, _S.SUSPENDED, _S.KILLING, *_AWAY, *_TERMINAL),
    _S.KILLING: (_S.KILLING, *_AWAY, *_TERMINAL),
}
"""What a scheduler may be told after what. Who was away returns to any state; an end is final."""
_ROUND = (_S.RUNNING, _S.SUSPENDING, _S.SUSPENDED, _S.RESUMING)
"""Entered again and again: who is told the latest, and not every step, may find any after any."""
NEXT: Mapping[TaskState, tuple[TaskState, ...]] = {
    _S.RUNNING: (_S.RUNNING, _S.SUSPENDING, _S.KILLING, *_TERMINAL),
    _S.SUSPENDING: (_S.SUSPENDED, _S.RUNNING, _S.KILLING, *_TERMINAL),
    _S.SUSPENDED: (_S.SUSPENDED, _S.RESUMING, _S.KILLING, *_TERMINAL),
    _S.RESUMING: (_S.RUNNING, _S.SUSPENDED, _S.KILLING, *_TERMINAL),
    _S.KILLING: (_S.KILLING, *_TERMINAL),
}
"""What an agent may say next after what."""


@dataclass(slots=True)
class _Told:
    """Of one launch, by one incarnation of its framework's driver."""

    state: TaskState | None = None
    lasting: TaskState | None = None
    """The last state that was not about being away."""
    sequence: int = 0


class Statuses:
    """Keeps what was told of every launch."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._told: dict[tuple[str, LaunchUuid], _Told] = {}
        self._updates: dict[LaunchUuid, int] = {}
        self._acknowledged: dict[UpdateUuid, None] = {}
        self._heads: dict[LaunchUuid, TaskStatus] = {}
        self.unacknowledged: dict[str, int] = {}
        """By host, as its agent's last heartbeat says."""
        self.ends: dict[LaunchUuid, TaskState] = {}
        self.answered: dict[LaunchUuid, None] = {}

    # --- on the wire

    def heard(self, link: Link, status: TaskStatus) -> None:
        """A status has reached a framework's driver."""
        uuid = status.launch_uuid
        self.answered[uuid] = None
        if not status.update_uuid:
            return
        if status.sequence < self._updates.get(uuid, 0):
            raise ViolationError(
                "updates come in order",
                f"{link.client} hears update {status.sequence} of {uuid} after a later one",
            )
        self._updates[uuid] = status.sequence

    def acknowledged(self, update_uuid: UpdateUuid) -> None:
        """Its framework says that it has dealt with it."""
        self._acknowledged[update_uuid] = None

    def released(self, now: float, framework_id: FrameworkId, update_uuid: UpdateUuid) -> None:
        """An agent is told to forget an update."""
        if update_uuid in self._acknowledged or self._facts.is_over(framework_id, now):
            return
        raise ViolationError(
            "only frameworks acknowledge", f"{update_uuid} is released, {framework_id} did not ask"
        )

    def updated(self, link: Link, update: TaskUpdated, now: float) -> None:
        """An agent says where a task is."""
        status, latest = update.status, update.latest
        before = self._heads.get(status.launch_uuid)
        if before is not None and before.update_uuid != status.update_uuid:
            if status.sequence <= before.sequence:
                raise ViolationError(
                    "updates come in order",
                    f"{link.client} says update {status.sequence} of {status.launch_uuid}"
                    f" after {before.sequence}",
                )
            is_next = status.sequence == before.sequence + 1
            if is_next and status.state not in NEXT.get(before.state, tuple(TaskState)):
                raise ViolationError(
                    "states follow the table",
                    f"{link.client} says that {status.launch_uuid} is {status.state.name} after"
                    f" {before.state.name}",
                )
            over = self._facts.is_over(status.framework_id, now)
            if before.update_uuid not in self._acknowledged and not over:
                raise ViolationError(
                    "an update is kept until acknowledged",
                    f"{link.client} goes on to {status.update_uuid}, nobody acknowledged"
                    f" {before.update_uuid}",
                )
        elif before is not None and before.state is not status.state:
            raise ViolationError("an update never changes", f"{status.update_uuid} says another")
        if latest.state.is_terminal and update.resources:
            raise ViolationError(
                "what has ended holds nothing", f"{status.launch_uuid} holds {update.resources}"
            )
        if latest.state is TaskState.SUSPENDED and update.resources.gpus:
            raise ViolationError(
                "what is suspended holds no device",
                f"{status.launch_uuid} holds {update.resources.gpus}",
            )
        self._heads[status.launch_uuid] = status

    # --- to a scheduler

    def told(self, who: str, status: TaskStatus) -> None:
        """A scheduler is given a status; this is what its author sees."""
        uuid = status.launch_uuid
        if not uuid:
            return
        self.answered[uuid] = None
        told = self._told.setdefault((who, uuid), _Told())
        state = status.state
        if told.state is not None and told.state.is_terminal:
            raise ViolationError(
                "nothing follows an end",
                f"{who} is told that {uuid} is {state.name} after {told.state.name}",
            )
        if status.sequence and status.sequence < told.sequence:
            raise ViolationError(
                "sequence numbers only grow",
                f"{who} is told {status.sequence} of {uuid} after {told.sequence}",
            )
        is_skip = state in _ROUND and status.sequence > told.sequence + 1
        if state not in FOLLOWS[told.lasting] and not is_skip:
            assert told.lasting is not None
            raise ViolationError(
                "states follow the table",
                f"{who} is told that {uuid} is {state.name} after {told.lasting.name}",
            )
        told.state = state
        told.sequence = max(told.sequence, status.sequence)
        if state not in _AWAY:
            told.lasting = state
        if state.is_terminal:
            self._ended(who, uuid, state)

    def _ended(self, who: str, uuid: LaunchUuid, state: TaskState) -> None:
        """The same end may be told to a later incarnation; never another one, except that its
        agent is gone: what that knew is lost with it.
        """
        before = self.ends.setdefault(uuid, state)
        if before is not state and state is not TaskState.GONE_BY_OPERATOR:
            raise ViolationError(
                "one terminal status per launch",
                f"{who} is told that {uuid} is {state.name}; it had been {before.name}",
            )
