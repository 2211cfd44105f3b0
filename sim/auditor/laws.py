"""What the auditor's ledgers share: violations, the terms that were promised, who is on a link."""

from collections import deque
from dataclasses import dataclass, field

from fairlead.common.ids import AgentId, FrameworkId


OVER_S = 12.0
"""How much later than its limit a framework's absence is noticed at the latest: silence first."""


class ViolationError(AssertionError):
    """A law was broken; says which, and by whom."""

    def __init__(self, law: str, message: str) -> None:
        super().__init__(f"{law}: {message}")
        self.law = law


@dataclass(frozen=True, slots=True)
class Terms:
    """What the cluster was configured to keep to."""

    agent_timeout_s: float = 75.0
    min_filter_s: float = 1.0
    offer_timeout_s: float = 30.0


@dataclass(slots=True)
class Link:
    """A session as seen from outside."""

    number: int
    server: str = ""
    client: str = ""
    is_open_at_server: bool = False
    is_open_at_client: bool = False
    framework_id: FrameworkId = FrameworkId("")
    agent_id: AgentId = AgentId("")
    spoken: deque[float] = field(default_factory=deque)
    """When the client said what the server has not heard yet; a session loses only its end."""

    @property
    def is_open(self) -> bool:
        return self.is_open_at_server and self.is_open_at_client

    @property
    def host(self) -> str:
        return host_of(self.client)


@dataclass(slots=True)
class Facts:
    """Known to every ledger. Frameworks are known once a master has said their id."""

    terms: Terms
    links: dict[int, Link] = field(default_factory=dict)
    over: dict[FrameworkId, None] = field(default_factory=dict)
    """A Teardown was said: their tasks may be ended, as those of who is away beyond its limit."""
    ended: dict[FrameworkId, None] = field(default_factory=dict)
    """A Teardown was confirmed: their tasks must end."""
    last_contact: dict[FrameworkId, float] = field(default_factory=dict)
    """When a framework last said something that some master heard."""
    limits: dict[FrameworkId, float] = field(default_factory=dict)
    hosts: dict[AgentId, str] = field(default_factory=dict)

    def link(self, number: int) -> Link:
        return self.links.setdefault(number, Link(number))

    def contact(self, framework_id: FrameworkId, said: float) -> None:
        self.last_contact[framework_id] = max(said, self.last_contact.get(framework_id, 0.0))

    def is_over(self, framework_id: FrameworkId, now: float) -> bool:
        if framework_id in self.over:
            return True
        contact = self.last_contact.get(framework_id, now)
        return now - contact >= self.limits.get(framework_id, float("inf")) - 0.001


    def must_end(self, framework_id: FrameworkId, now: float) -> bool:
        if framework_id in self.ended:
            return True
        contact = self.last_contact.get(framework_id, now)
        return now - contact > self.limits.get(framework_id, float("inf")) + OVER_S


def host_of(name: str) -> str:
    """`agent-2#3` is the third process of this kind on agent-2."""
    return name.partition("#")[0]


def is_master(name: str) -> bool:
    return name.startswith("master")
