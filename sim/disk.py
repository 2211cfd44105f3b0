"""What survives a crash, and the one way out of a process: actions wait for the Records before
them, as in `common.outbox`, whose virtual twin this is.

The Records of one push are one commit; commits become durable in order, each after a while.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from fairlead.common.events import Record

from .clock import Clock, Timer

Change = tuple[str, object | None]


@dataclass(slots=True, eq=False)
class Commit:
    """Changes on their way to the disk; also the barrier that stands for them in an outbox."""

    changes: Sequence[Change]
    is_durable: bool = False


@dataclass(slots=True)
class Disk:
    """The records of one daemon; `cluster_id` and `epoch` are a registry's."""

    clock: Clock
    random: Random
    records: dict[str, object] = field(default_factory=dict)
    cluster_id: str = ""
    epoch: int = 0
    slow_until: float = 0.0
    full_until: float = 0.0
    last_due: float = 0.0

    def latency(self) -> float:
        if self.slow_until > self.clock.now:
            return self.random.uniform(0.2, 1.5)
        return self.random.uniform(0.0005, 0.01)

    def write(self, changes: Sequence[Change]) -> None:
        for key, value in changes:
            if value is None:
                self.records.pop(key, None)
            else:
                self.records[key] = value


class Outbox:
    """A FIFO of actions in which a Record is a barrier; it dies with its process."""

    def __init__(
        self,
        disk: Disk,
        perform: Callable[[object], None],
        on_durable: Callable[[Commit], None],
        may_write: Callable[[], bool],
    ) -> None:
        """`on_durable` is called when the disk is done; it may put `committed` off, or die."""
        self._disk = disk
        self._perform = perform
        self._on_durable = on_durable
        self._may_write = may_write
        self._waiting: deque[object] = deque()
        self._commits: deque[tuple[Commit, Timer]] = deque()
        self._is_performing = False
        self.is_dead = False

    def push(self, actions: Sequence[object]) -> None:
        if not actions and not self._waiting:
            return
        commit: Commit | None = None
        changes: list[Change] = []
        for action in actions:
            if not isinstance(action, Record):
                self._waiting.append(action)
                continue
            if commit is None:
                commit = Commit(changes)
                self._waiting.append(commit)
            changes.append((action.key, action.value))
        if commit is not None:
            self._order(commit)
        self.advance()

    def committed(self, commit: Commit) -> None:
        """The process hears that its changes are durable."""
        commit.is_durable = True
        self.advance()

    def advance(self) -> None:
        """Perform from the front, up to the first Record that is not durable."""
        if self._is_performing:
            return
        self._is_performing = True
        while self._waiting and not self.is_dead:
            head = self._waiting[0]
            if isinstance(head, Commit):
                if not head.is_durable:
                    break
                self._waiting.popleft()
                continue
            self._waiting.popleft()
            self._perform(head)
        self._is_performing = False

    def die(self, random: Random) -> None:
        """The process is no more; of what it had ordered, the disk may have done a first part,
        even of one commit: no core relies on more than the order of its Records.
        """
        self.is_dead = True
        self._waiting.clear()
        done = random.randint(0, len(self._commits))
        for index, (commit, timer) in enumerate(self._commits):
            timer.cancel()
            if index <= done and self._may_write():
                whole = len(commit.changes)
                self._disk.write(
                    commit.changes[: random.randint(0, whole) if index == done else whole]
                )
        self._commits.clear()

    def _order(self, commit: Commit) -> None:
        disk = self._disk
        disk.last_due = max(disk.last_due, disk.clock.now + disk.latency())
        self._commits.append((commit, disk.clock.at(disk.last_due, self._done)))

    def _done(self) -> None:
        commit, _ = self._commits.popleft()
        if self._may_write():
            self._disk.write(commit.changes)
            self._on_durable(commit)
