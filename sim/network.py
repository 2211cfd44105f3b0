"""Sessions between processes: ordered streams that are late, stall, break, or go silent.

A session loses nothing and repeats nothing while it lives; when it breaks, what was under way is
lost, and either side may learn of it late or never. Ends belong to one incarnation of a process.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from fairlead.common.ids import SessionId
from fairlead.common.messages import Code

from .clock import Clock, Timer

NEVER = float("inf")
TAPED = 60
"""So many of a session's first messages can be said again."""


class Peer(Protocol):
    """A process as the network sees it; what it hears it may put off while it is stopped."""

    @property
    def name(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def is_alive(self) -> bool: ...

    def new_session(self) -> SessionId: ...

    def opened(self, end: "End") -> None: ...

    def arrived(self, end: "End", message: object) -> None: ...

    def ended(self, session: SessionId, code: Code, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Fin:
    """The last thing on a lane: the other side has closed."""

    code: Code
    message: str


@dataclass(slots=True)
class Lane:
    """One direction of a session: first in, first out, each due at its time."""

    delay: Callable[[], float]
    queue: deque[tuple[float, object]] = field(default_factory=deque)
    timer: Timer | None = None
    last_due: float = 0.0
    stalled_until: float = 0.0
    swallows: bool = False
    """What is sent goes nowhere, and nobody says so."""
    limit: int = 1000

    def empty(self) -> None:
        self.queue.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(slots=True, eq=False)
class End:
    """One side of a session. `out` leads away from it."""

    link: int
    peer: Peer
    session: SessionId
    out: Lane
    other: "End | None" = None
    is_open: bool = True
    tape: list[object] = field(default_factory=list)
    """The first that was said from here; of the dialling side only."""

    @property
    def far(self) -> "End":
        assert self.other is not None
        return self.other


@dataclass(frozen=True, slots=True)
class Echo:
    """Who seems to speak when a session is said again; it hears nothing."""

    name: str
    host: str
    is_alive: bool = True

    def new_session(self) -> SessionId:
        return SessionId(0)

    def opened(self, end: End) -> None:
        """Nobody is there."""

    def arrived(self, end: End, message: object) -> None:
        """Nobody hears it."""

    def ended(self, session: SessionId, code: Code, message: str) -> None:
        """Nobody minds."""


class Network:
    """All sessions, and the ways in which they fail."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._links = 0
        self._ends: dict[int, End] = {}
        """Per link, the side that dialled; as long as either side is open."""
        self.slow: dict[str, tuple[float, float]] = {}
        """Host → (added delay, until)."""
        self.isolated: dict[str, float] = {}
        """Host → until when nothing goes in or out."""
        self.on_overflow: Callable[[], None] = lambda: None

    # --- what processes do

    def dial(self, peer: Peer, target: Peer | None) -> None:
        """Open a session to `target`, or tell `peer` that there is none."""
        session = peer.new_session()
        delay = self._delay(peer.host)
        self._clock.after(delay, lambda: self._connect(peer, session, target))

    def send(self, end: End, message: object) -> None:
        if not end.is_open:
            return
        lane = end.out
        if lane.swallows:
            return
        if len(lane.queue) >= lane.limit:
            self._overflow(end)
            return
        if end.link in self._ends and self._ends[end.link] is end and len(end.tape) < TAPED:
            end.tape.append(message)
        self._put(end, message)

    def close(self, end: End, code: Code, message: str) -> None:
        """What was sent before still arrives, then the reason."""
        if not end.is_open:
            return
        end.is_open = False
        end.far.out.empty()
        if not end.out.swallows:
            self._put(end, Fin(code, message))
        self._forget_if_over(end)

    def died(self, peer: Peer, *, silently: bool) -> None:
        """A process is no more. Its kernel tells its peers, unless the whole host is gone."""
        for end in self._ends_of(peer):
            end.is_open = False
            end.far.out.empty()
            if silently:
                end.out.empty()
                end.out.swallows = True
            else:
                self._lose_some(end.out)
                self._put(end, Fin(Code.UNSPECIFIED, "connection reset by peer"))
            self._forget_if_over(end)

    # --- what goes wrong

    def links(self) -> list[End]:
        """The dialling side of every session whose both sides are open."""
        return [
            end
            for end in self._ends.values()
            if end.is_open and end.far.is_open and not isinstance(end.peer, Echo)
        ]

    def cut(self, end: End, *, tell_near: bool = True, tell_far: bool = True) -> None:
        """Break a session; what is under way is lost. A side that is not told goes on talking."""
        for side, tell in ((end, tell_near), (end.far, tell_far)):
            side.out.empty()
            side.out.swallows = True
            if tell:
                self._clock.after(
                    self._random.uniform(0.0, 0.2),
                    lambda side=side: self._end(side, Code.UNSPECIFIED, "connection lost"),  # type: ignore[misc]
                )

    def stall(self, end: End, until: float) -> None:
        """Nothing sent from this side arrives before then."""
        end.out.stalled_until = max(end.out.stalled_until, until)

    def isolate(self, host: str, until: float, *, out: bool = True, into: bool = True) -> None:
        """Nothing goes out, or in, before then; then it all goes on, if anybody still waits.
        Either way no new session begins: that takes both directions.
        """
        self.isolated[host] = until
        for near in list(self._ends.values()):
            for side in (near, near.far):
                if (out and side.peer.host == host) or (into and side.far.peer.host == host):
                    self.stall(side, until)

    def replay(self, end: End, silent_s: float) -> int:
        """All that a client has said on a session is said again on one more, by nobody; that one
        falls silent, and ends. Its number.
        """
        self._links += 1
        target = end.far.peer
        echo = Echo(end.peer.name, end.peer.host)
        near, far = self._pair(echo, echo.new_session(), target)
        target.opened(far)
        for message in end.tape:
            self._put(near, message)
        self._clock.after(silent_s, lambda: self.close(near, Code.UNSPECIFIED, "an echo"))
        return near.link

    # --- inside

    def _delay(self, host: str) -> float:
        added, until = self.slow.get(host, (0.0, 0.0))
        base = self._random.uniform(0.0002, 0.01)
        return base + (self._random.uniform(0.0, added) if until > self._clock.now else 0.0)

    def _connect(self, peer: Peer, session: SessionId, target: Peer | None) -> None:
        if not peer.is_alive:
            return
        hosts = [peer.host] if target is None else [peer.host, target.host]
        cut_off = any(self.isolated.get(host, 0.0) > self._clock.now for host in hosts)
        if target is None or not target.is_alive or cut_off:
            wait = 1.0 if cut_off else 0.0
            reason = "no answer" if cut_off else "connection refused"
            self._clock.after(wait, lambda: peer.ended(session, Code.UNSPECIFIED, reason))
            return
        self._links += 1
        near, far = self._pair(peer, session, target)
        target.opened(far)
        peer.opened(near)

    def _pair(self, peer: Peer, session: SessionId, target: Peer) -> tuple[End, End]:
        """Both sides of the session that was counted last."""
        host = "" if isinstance(peer, Echo) else peer.host
        near = End(self._links, peer, session, Lane(lambda: self._delay(host)))
        far = End(self._links, target, target.new_session(), Lane(lambda: self._delay(host)), near)
        near.other = far
        self._ends[near.link] = near
        return near, far

    def _put(self, end: End, item: object) -> None:
        lane = end.out
        due = max(lane.last_due, self._clock.now + lane.delay())
        lane.last_due = due
        lane.queue.append((due, item))
        if lane.timer is None:
            lane.timer = self._clock.at(due, lambda: self._deliver(end))

    def _deliver(self, end: End) -> None:
        lane, far = end.out, end.far
        if lane.stalled_until > self._clock.now:
            lane.timer = self._clock.at(lane.stalled_until, lambda: self._deliver(end))
            return
        _, item = lane.queue.popleft()
        lane.timer = None
        if lane.queue:
            lane.timer = self._clock.at(lane.queue[0][0], lambda: self._deliver(end))
        if isinstance(item, Fin):
            self._end(far, item.code, item.message)
        elif far.is_open:
            far.peer.arrived(far, item)

    def _end(self, end: End, code: Code, message: str) -> None:
        """This side learns that its session is over."""
        if end.is_open:
            end.is_open = False
            end.out.empty()
            end.peer.ended(end.session, code, message)
        self._forget_if_over(end)

    def _overflow(self, end: End) -> None:
        """The queue out is full: whoever does not read loses the session, nobody else anything."""
        self.on_overflow()
        reason = f"{len(end.out.queue)} messages wait to be read"
        end.out.empty()
        end.out.swallows = True
        far = end.far
        self._clock.after(0.0, lambda: self._end(end, Code.SLOW_CONSUMER, reason))
        self._clock.at(end.out.stalled_until, lambda: self._end(far, Code.SLOW_CONSUMER, reason))

    def _lose_some(self, lane: Lane) -> None:
        """Of what a dead process had sent, a first part still arrives."""
        for _ in range(self._random.randint(0, len(lane.queue))):
            lane.queue.pop()
        if not lane.queue:
            lane.empty()

    def _ends_of(self, peer: Peer) -> list[End]:
        sides = [side for near in self._ends.values() for side in (near, near.far)]
        return [side for side in sides if side.peer is peer and side.is_open]

    def _forget_if_over(self, end: End) -> None:
        if not end.is_open and not end.far.is_open:
            end.out.empty()
            end.far.out.empty()
            self._ends.pop(end.link, None)
