"""What the parts of the master's core share during a step: the books, the way out, the time."""

import heapq
from collections.abc import Container
from dataclasses import field
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.events import CloseSession, Record, Send
from fairlead.common.ids import FrameworkId, SessionId
from fairlead.common.messages import (
    Code,
    Goodbye,
    MasterToAgent,
    MasterToFramework,
    ToAgentBody,
    ToFrameworkBody,
)
from fairlead.common.operators import OfferEventKind
from fairlead.common.values import Offer

from .books import Books
from .entries import Agent, Framework
from .offer_log import OfferLog
from .settings import MasterSettings

if TYPE_CHECKING:
    from random import Random

TimerKey = tuple[str, ...]
GRAIN_S = 0.001
"""Less time than this is none: sums of floats must not make a deadline recede for ever."""


@dataclass(slots=True)
class Timers:
    """When to look at something again. A stale entry is harmless: whoever looks decides."""

    _heap: list[tuple[float, TimerKey]] = field(default_factory=list)

    def at(self, when: float, *key: str) -> None:
        heapq.heappush(self._heap, (when, key))

    def next(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[TimerKey]:
        keys = []
        while self._heap and self._heap[0][0] <= now:
            keys.append(heapq.heappop(self._heap)[1])
        return keys


@dataclass(slots=True)
class Context:
    """One leader's reign; `now` and `actions` are of the step that is running."""

    settings: MasterSettings
    epoch: int
    cluster_id: str
    random: "Random"
    """Seeded, so that the same events bring about the same decisions."""
    books: Books = field(default_factory=Books)
    timers: Timers = field(default_factory=Timers)
    actions: list[object] = field(default_factory=list)
    now: float = 0.0
    version: int = 0
    """Of what operators see, after the step that is running."""
    began: float = 0.0
    """When this reign did, in time that we were awake."""
    stalled_s: float = 0.0
    """How long we ourselves have stood still; nobody else's silence."""
    sessions: dict[SessionId, Agent | Framework | None] = field(default_factory=dict)
    """Who speaks on a session; None until it has said so."""
    offer_log: OfferLog = field(default_factory=OfferLog)
    _counters: dict[str, int] = field(default_factory=dict)

    @property
    def awake(self) -> float:
        """Time that passed while we were awake: what silence is measured by."""
        return self.now - self.stalled_s

    @property
    def wall_time(self) -> float:
        """For people, who ask since when."""
        return self.now + self.settings.wall_offset_s

    def left(self, deadline: float) -> float:
        """How long until `awake` reaches a deadline; 0: it has."""
        left = deadline - self.awake
        return left if left > GRAIN_S else 0.0

    def new_id(self, kind: str, *taken: Container[str]) -> str:
        """Never given before, by this leader or an earlier one, nor made up by anybody."""
        while True:
            number = self._counters[kind] = self._counters.get(kind, 0) + 1
            name = f"{kind}-{self.epoch}-{number}"
            if not taken or not any(name in names for names in taken):
                return name

    def log_offer(self, kind: OfferEventKind, offer: Offer, message: str = "") -> None:
        """For operators: once when it is made, and once when it ends."""
        self.offer_log.add(self.now, kind, offer, message)

    def to_framework(self, framework: Framework, body: ToFrameworkBody) -> None:
        """Say it if it is there; what matters can be derived again when it comes back."""
        if framework.session is not None:
            self.actions.append(Send(framework.session, MasterToFramework(self.epoch, body)))

    def to_agent(self, agent: Agent, body: ToAgentBody) -> None:
        if agent.session is not None:
            self.actions.append(Send(agent.session, MasterToAgent(self.epoch, body)))

    def record(self, key: str, value: object | None) -> None:
        self.actions.append(Record(key, value))

    def dismiss(self, session: SessionId, code: Code, message: str, *, agent: bool) -> None:
        """End a session, with its reason as the last word."""
        envelope = MasterToAgent if agent else MasterToFramework
        self.actions.append(Send(session, envelope(self.epoch, Goodbye(code, message))))
        self.actions.append(CloseSession(session, code, message))
        self.sessions.pop(session, None)

    def framework(self, framework_id: FrameworkId) -> Framework | None:
        return self.books.frameworks.get(framework_id)
