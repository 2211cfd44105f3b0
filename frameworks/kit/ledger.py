"""What the driver remembers of each launch, so that its scheduler hears the truth once, in order.

**The rule.** Of one launch uuid, a status is delivered only if it says something new: none after
a terminal one, none with a lower sequence than one before, no update twice. What is not delivered
is acknowledged all the same.

**The fate of launches.** A launch is *settled* once the master of this session has answered for
it. When a session breaks all living launches are unsettled, and the driver asks until each is
settled again. A launch that nobody knows was DROPPED if no agent ever reported it; if one did, the
task is GONE.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, LaunchUuid, TaskId
from fairlead.common.values import Source, TaskRef, TaskState, TaskStatus


@dataclass(slots=True)
class Entry:
    """A launch that has not ended, as far as we know."""

    task_id: TaskId
    launch_uuid: LaunchUuid
    agent_id: AgentId
    said: TaskState | None = None
    """What the scheduler was told last."""
    seen: int = 0
    """The highest sequence of any status."""
    handled: int = 0
    """The highest sequence of an update that was delivered, or overtaken."""
    is_settled: bool = True

    @property
    def ref(self) -> TaskRef:
        return TaskRef(self.task_id, self.launch_uuid, self.agent_id)


class Ledger:
    """Every launch from its accept to its terminal status."""

    def __init__(self, ended_kept: int) -> None:
        self._ended_kept = ended_kept
        self._living: dict[LaunchUuid, Entry] = {}
        self._by_task: dict[TaskId, Entry] = {}
        self._ended: dict[LaunchUuid, None] = {}

    def launched(self, ref: TaskRef, *, is_settled: bool = True) -> None:
        """An accept with this launch is on its way; or somebody remembers that one was."""
        if ref.launch_uuid not in self._ended and ref.launch_uuid not in self._living:
            self._add(Entry(ref.task_id, ref.launch_uuid, ref.agent_id, is_settled=is_settled))

    def living(self, task_id: TaskId) -> Entry | None:
        return self._by_task.get(task_id)

    def is_living(self, launch_uuid: LaunchUuid) -> bool:
        return launch_uuid in self._living

    def refs(self) -> Iterator[TaskRef]:
        """All that have not ended."""
        return (entry.ref for entry in self._living.values())

    # --- questions

    def unsettle(self) -> None:
        """Whatever was answered, was answered by a session that is no more."""
        for entry in self._living.values():
            entry.is_settled = False

    def unsettled(self) -> list[TaskRef]:
        return [entry.ref for entry in self._living.values() if not entry.is_settled]

    def say_again(self, refs: Iterable[TaskRef]) -> None:
        """The scheduler itself asks: the next answer is news, whatever it says."""
        for ref in refs:
            if (entry := self._by_task.get(ref.task_id)) is not None:
                entry.said = None

    def named(self, ref: TaskRef) -> TaskRef:
        """A scheduler's question with all that we know about the task."""
        entry = self._by_task.get(ref.task_id)
        if entry is None or ref.launch_uuid not in ("", entry.launch_uuid):
            return ref
        return TaskRef(ref.task_id, entry.launch_uuid, ref.agent_id or entry.agent_id)

    # --- answers

    def judge(self, status: TaskStatus) -> TaskStatus | None:
        """What the scheduler should be told, if anything."""
        if status.state is TaskState.RECOVERING or status.launch_uuid in self._ended:
            return None
        if not status.launch_uuid:
            return status  # an answer about a task that nobody knows
        entry = self._living.get(status.launch_uuid)
        if entry is None:
            entry = self._add(Entry(status.task_id, status.launch_uuid, status.agent_id))
        entry.agent_id = status.agent_id or entry.agent_id
        if status.state is not TaskState.UNREACHABLE:
            entry.is_settled = True
        return self._news(entry, _fate(entry, status))

    def _news(self, entry: Entry, status: TaskStatus) -> TaskStatus | None:
        sequence = status.sequence
        if status.update_uuid:
            if sequence <= entry.handled:
                return None
            entry.handled = sequence
        elif sequence == 0 and status.state is not TaskState.STAGING:
            sequence = entry.seen  # the master's own word, about now
        if sequence < entry.seen or (sequence == entry.seen and status.state is entry.said):
            return None
        entry.seen = sequence
        entry.said = status.state
        if status.state.is_terminal:
            self.end(entry.launch_uuid)
        return status

    def end(self, launch_uuid: LaunchUuid) -> None:
        """From now on nothing is said about this launch."""
        entry = self._living.pop(launch_uuid, None)
        if entry is not None and self._by_task.get(entry.task_id) is entry:
            del self._by_task[entry.task_id]
        self._ended[launch_uuid] = None
        while len(self._ended) > self._ended_kept:
            del self._ended[next(iter(self._ended))]

    def _add(self, entry: Entry) -> Entry:
        self._living[entry.launch_uuid] = self._by_task[entry.task_id] = entry
        return entry

    def check(self) -> None:
        for entry in self._living.values():
            assert entry.launch_uuid not in self._ended, f"{entry} has ended"
            assert entry.handled <= entry.seen, f"{entry} handled what it never saw"
            assert entry.said is None or not entry.said.is_terminal, f"{entry} has ended"
        for entry in self._by_task.values():
            assert self._living[entry.launch_uuid] is entry, f"{entry} is not among the living"


def _fate(entry: Entry, status: TaskStatus) -> TaskStatus:
    """Nobody knows the launch: it never was, or is no more."""
    if status.state not in (TaskState.UNKNOWN, TaskState.DROPPED):
        return status
    if status.source is not Source.MASTER:
        return status
    return replace(status, state=TaskState.GONE if entry.seen else TaskState.DROPPED)
