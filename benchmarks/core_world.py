"""What benchmarks of the master's core share: the core alone, agents and frameworks that are only
messages, and a clock that stands still unless it is told to go on.
"""

import time
from collections.abc import Callable, Iterable
from random import Random

from fairlead.common.events import Received, SessionOpened, Tick
from fairlead.common.ids import AgentId, CallId, FrameworkId, OfferId, Role, SessionId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AgentMessage,
    Decline,
    FrameworkBody,
    FrameworkMessage,
    Hello,
    RegisterAgent,
    Subscribe,
)
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, FrameworkInfo
from fairlead.master.core import Event, Master
from fairlead.master.entries import HeldOffer
from fairlead.master.settings import MasterSettings

GIB = 2**30


class World:
    """A master's core, its agents and frameworks."""

    def __init__(self, size: Resources) -> None:
        self.random = Random(1)
        self.size = size
        settings = MasterSettings(min_filter_s=0.0, hold_after_s=0.0)
        self.master = Master(settings, 1, "benchmark", Random(2))
        self.now = 0.0
        self._sessions = 0
        self._spoken: dict[FrameworkId, SessionId] = {}

    def step(self, event: Event) -> list[object]:
        return self.master.step(event, self.now)

    def open(self) -> SessionId:
        self._sessions += 1
        self.step(SessionOpened(SessionId(self._sessions)))
        return SessionId(self._sessions)

    def add_agents(self, count: int) -> None:
        for number in range(count):
            info = AgentInfo(AgentId(""), f"host-{number}", self.size)
            hello = Hello(PROTOCOL_VERSION, "benchmark", f"agent-{number}", 1)
            self.step(Received(self.open(), AgentMessage(RegisterAgent(hello, info))))
        self.cycle()

    def add_frameworks(self, count: int, *, one_role: bool = False) -> None:
        for number in range(count):
            self.add_framework(number, Role("all" if one_role else f"role-{number}"))

    def add_framework(self, number: int, role: Role) -> FrameworkId:
        framework_id = FrameworkId(f"f{number}")
        info = FrameworkInfo(framework_id, f"framework-{number}", roles=(role,))
        hello = Hello(PROTOCOL_VERSION, "benchmark", f"framework-{number}", 1)
        session = self._spoken[framework_id] = self.open()
        self.step(Received(session, FrameworkMessage(Subscribe(hello, info), CallId("c"))))
        return framework_id

    def call(self, framework_id: FrameworkId, body: FrameworkBody) -> None:
        message = FrameworkMessage(body, CallId("c"))
        self.step(Received(self._spoken[framework_id], message))

    def cycle(self) -> None:
        """Ticks until nothing more is to be offered."""
        self.step(Tick())
        while self.master.books.is_due:
            self.step(Tick())

    def give_back(
        self, offers: Iterable[HeldOffer], refuse_s: float = 0.0, *, alike: bool = False
    ) -> None:
        by_framework: dict[FrameworkId, list[OfferId]] = {}
        for held in offers:
            by_framework.setdefault(held.offer.framework_id, []).append(held.offer.offer_id)
        for framework_id, offer_ids in by_framework.items():
            self.call(framework_id, Decline(tuple(offer_ids), refuse_s, alike))

    def give_all_back(self) -> None:
        self.give_back(tuple(self.master.books.offers.values()))


def took(doing: Callable[[], object]) -> float:
    """Seconds of the cpu: a core waits for nothing, and who else is on the machine is no matter."""
    began = time.process_time()
    doing()
    return time.process_time() - began
