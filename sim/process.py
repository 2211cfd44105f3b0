"""One incarnation of a daemon: a real core in a shell without I/O.

It steps on each event, watches its deadline, and lets actions out in order. It can be stopped and
continued as by SIGSTOP and SIGCONT, and killed between any two actions.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import SessionId
from fairlead.common.messages import Code

from .auditor import Auditor
from .clock import Clock, Timer
from .disk import Commit, Disk, Outbox
from .journal import Journal, count
from .network import End, Network

MAX_TICKS_AT_ONCE = 100
CHECK_EVERY = 100


class Core(Protocol):
    """What all cores have in common."""

    def step(self, event: Any, now: float) -> Sequence[object]: ...

    def next_deadline(self) -> float | None: ...

    def check(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """What all processes of one world share."""

    clock: Clock
    network: Network
    random: Random
    journal: Journal
    auditor: Auditor
    check_every: int = CHECK_EVERY
    """Steps between two checks of all books of a core; after each step what it touched is checked.
    0: nothing is."""


class CoreFailedError(Exception):
    """A core broke down, or its books did not balance."""


class Process:
    """Base of the three kinds. `kind` is what its events are counted under."""

    kind = "process"
    is_heard_at_once = False
    """Whether its core's decision, rather than the message that leaves, is what counts."""

    def __init__(self, stage: Stage, name: str, host: str, disk: Disk, offset: float) -> None:
        self.stage = stage
        self.name = name
        self.host = host
        self.is_alive = True
        self.is_stopped = False
        self.fuse: int | None = None
        """Set: the process dies before the action after so many others."""
        self.trap: Callable[[object], bool] | None = None
        """Set: its fuse burns from the first action that this says yes to; a Record is mined."""
        self.is_mined = False
        """Set: it dies while its next commit is on its way to the disk, or just there."""
        self.on_death: Callable[[str], None] = lambda _why: None
        self._offset = offset
        self._disk = disk
        self._outbox = Outbox(disk, self._perform_next, self._is_durable, self.may_write)
        self._ends: dict[SessionId, End] = {}
        self._sessions = 0
        self._inbox: deque[Callable[[], None]] = deque()
        self._timer: Timer | None = None
        self._deadline: float | None = None
        self._last_time = float("-inf")
        self._ticks = (0.0, 0)
        self._unchecked = 0
        self._core: Core | None = None

    # --- as its core sees it

    def begin(self, core: Core) -> None:
        self._core = core
        self.stage.auditor.began(self.stage.clock.now, self.name)
        self._arm()

    def time(self) -> float:
        """Its own monotonic clock, which starts anywhere."""
        self._last_time = max(self._last_time, self.stage.clock.now + self._offset)
        return self._last_time

    def feed(self, event: object) -> None:
        """An event that is waiting while the process is stopped."""
        self.soon(lambda: self.take(event))

    def soon(self, call: Callable[[], None]) -> None:
        if self.is_stopped:
            self._inbox.append(call)
        elif self.is_alive:
            call()

    def perform(self, action: object) -> None:
        """What only this kind of process does."""
        raise NotImplementedError(f"{self.name} cannot do {action!r}")

    def may_write(self) -> bool:
        """Whether the disk still takes what this process writes; if not, it ends at once."""
        if self._disk.full_until <= self.stage.clock.now:
            return True
        self.stage.clock.after(0.0, lambda: self.die("its disk is full"))
        return False

    def check(self) -> None:
        """The books of the core balance, or AssertionError."""
        assert self._core is not None
        self._core.check()

    def check_step(self) -> None:
        """What the last step touched balances; the same where there is little to check."""
        self.check()

    # --- as the network sees it

    def new_session(self) -> SessionId:
        self._sessions += 1
        return SessionId(self._sessions)

    def opened(self, end: End) -> None:
        def take() -> None:
            self._ends[end.session] = end
            self.stage.auditor.opened(self.name, end.link)
            self.take(SessionOpened(end.session))

        self.soon(take)

    def arrived(self, end: End, message: object) -> None:
        def take() -> None:
            if end.session in self._ends:
                now = self.stage.clock.now
                self.stage.journal.note(now, self.name, "<-", message)
                self.stage.auditor.heard(now, self.name, end.link, message)
                self.take(Received(end.session, message))

        self.soon(take)

    def ended(self, session: SessionId, code: Code, message: str) -> None:
        def take() -> None:
            end = self._ends.pop(session, None)
            if end is not None:
                self.stage.auditor.closed(self.name, end.link)
            self.take(SessionClosed(session, code, message))

        self.soon(take)

    # --- as faults see it

    def stop(self) -> None:
        self.is_stopped = True
        self.stage.auditor.stopped(self.stage.clock.now, self.name)

    def resume(self) -> None:
        """What waited is taken in first; only then time is looked at."""
        if not self.is_alive:
            return
        self.is_stopped = False
        self.stage.auditor.resumed(self.stage.clock.now, self.name)
        while self._inbox and not self.is_stopped:  # whoever dies meanwhile has emptied it
            self._inbox.popleft()()
        if self.is_alive:
            self._arm()

    def leap(self, seconds: float) -> None:
        """Its clock says suddenly that it is later."""
        self._offset += seconds
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.is_alive and not self.is_stopped:
            self._arm()

    def die(self, why: str, *, silently: bool = False) -> None:
        """Like kill -9; `silently`: with its whole host."""
        if not self.is_alive:
            return
        self._check_last()
        self.is_alive = False
        stage = self.stage
        stage.journal.note(stage.clock.now, self.name, "dies", why)
        stage.auditor.died(self.name)
        self._inbox.clear()
        self._outbox.die(stage.random)
        if self._timer is not None:
            self._timer.cancel()
        for end in self._ends.values():
            stage.auditor.closed(self.name, end.link)
        stage.network.died(self, silently=silently)
        self.on_death(why)

    # --- inside

    def take(self, event: object) -> None:
        if not self.is_alive:
            return
        assert self._core is not None
        journal = self.stage.journal
        journal.steps += 1
        count(journal.events, f"{self.kind}: {name_of(event)}")
        try:
            actions = self._core.step(event, self.time())
            self._check_in_turn()
        except Exception as error:
            raise CoreFailedError(f"{error!r} in {self.name} at {event!r}") from error
        self._act(actions)

    def _check_in_turn(self) -> None:
        every = self.stage.check_every
        if not every:
            return
        self._unchecked += 1
        if self._unchecked >= every:
            self._unchecked = 0
            self.check()
        else:
            self.check_step()

    def _check_last(self) -> None:
        """Many a life is shorter than the time between two checks of all books."""
        if self.stage.check_every and self._core is not None:
            try:
                self.check()
            except AssertionError as error:
                raise CoreFailedError(f"{error!r} in {self.name} as it dies") from error

    def _act(self, actions: Sequence[object]) -> None:
        stage = self.stage
        if self.trap is not None and any(isinstance(a, Record) and self.trap(a) for a in actions):
            self.trap, self.is_mined = None, True
        if self.is_mined and any(isinstance(action, Record) for action in actions):
            self.is_mined = False
            delay = stage.random.uniform(0.0, 0.012)
            stage.clock.after(delay, lambda: self.die("while a commit is under way"))
        if self.is_heard_at_once:
            for action in actions:
                self._observe(action)
            stage.auditor.decided(stage.clock.now, self.name)
        self._outbox.push(actions)
        if self.is_alive:
            self._arm()

    def _observe(self, action: object) -> None:
        """Let the auditor see what leaves."""
        if isinstance(action, Send):
            end = self._ends.get(action.session)
            if end is not None and end.is_open:
                now = self.stage.clock.now
                self.stage.journal.remark(now, self.name, "->", action.message)
                self.stage.auditor.sent(now, self.name, end.link, action.message)
        elif isinstance(action, CloseSession):
            end = self._ends.get(action.session)
            if end is not None:
                self.stage.auditor.closed(self.name, end.link)

    def _perform_next(self, action: object) -> None:
        if self.trap is not None and self.trap(action):
            self.trap, self.fuse = None, self.stage.random.choice((0, 1, 1, 2, 3, 4))
        if self.fuse is not None:
            if self.fuse <= 0:
                self.die(f"before {name_of(action)}")
                return
            self.fuse -= 1
        if not self.is_heard_at_once:
            self._observe(action)
        if isinstance(action, Send):
            end = self._ends.get(action.session)
            if end is not None:
                self.stage.network.send(end, action.message)
        elif isinstance(action, CloseSession):
            end = self._ends.pop(action.session, None)
            if end is not None:
                self.stage.network.close(end, action.code, action.message)
        else:
            self.perform(action)

    def _is_durable(self, commit: Commit) -> None:
        self.soon(lambda: self._outbox.committed(commit))

    def _arm(self) -> None:
        assert self._core is not None
        deadline = self._core.next_deadline()
        if deadline == self._deadline and self._timer is not None and self._timer.call is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadline = deadline
        if deadline is not None:
            self._timer = self.stage.clock.at(deadline - self._offset, self._tick)

    def _tick(self) -> None:
        if self.is_stopped or not self.is_alive:
            return
        now = self.stage.clock.now
        at, ticks = self._ticks
        self._ticks = (now, ticks + 1 if at == now else 1)
        if self._ticks[1] > MAX_TICKS_AT_ONCE:
            raise CoreFailedError(f"{self.name} asks for a Tick again and again, {self._deadline}")
        if self._deadline is not None:
            self._last_time = max(self._last_time, self._deadline)
        self.take(Tick())


def name_of(event: object) -> str:
    """Of a received message, the body's: that is what handlers are chosen by."""
    if isinstance(event, Received):
        body = getattr(event.message, "body", event.message)
        return type(body).__name__
    return type(event).__name__
