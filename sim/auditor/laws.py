"""What the auditor's ledgers share: violations, the terms that were promised, who is on a link."""

from collections import deque
from dataclasses import dataclass, field

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role
from fairlead.common.messages import FrameworkAway
from fairlead.common.operators import (
    DrainAgent,
    MarkAgentGone,
    OperatorBody,
    SetQuota,
    SetWeight,
    TeardownFramework,
)
from fairlead.common.resources import Resources

NEVER = float("inf")
LATE_S = 45.0
"""So long it may take until an agent hears that a framework is back."""
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
    fair_refusals: int = 3
    minimum_offers: tuple[Resources, ...] = ()
    excluded: tuple[str, ...] = ()
    """Resources that count in no share."""
    in_order: bool = True
    """Whether offers go by shares; not in a lottery."""
    gpu_agents_for_all: bool = True
    """Whether agents with GPUs are offered as any other."""


@dataclass(slots=True)
class Link:
    """A session as seen from outside."""

    number: int
    server: str = ""
    client: str = ""
    is_open_at_server: bool = False
    is_open_at_client: bool = False
    is_echo: bool = False
    """Nobody speaks there; what is heard was said on another one."""
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
    counted: dict[tuple[str, FrameworkId], float] = field(default_factory=dict)
    """Host and framework → when its agent, told of the absence, will have counted to the limit."""
    returned: dict[FrameworkId, float] = field(default_factory=dict)
    """When a framework spoke again after it had been away beyond its limit."""
    limits: dict[FrameworkId, float] = field(default_factory=dict)
    hosts: dict[AgentId, str] = field(default_factory=dict)
    weights: dict[Role, list[float]] = field(default_factory=dict)
    """All that were ordered, and what it was before: which of them counts is not known."""
    quotas: dict[Role, list[SetQuota | None]] = field(default_factory=dict)
    promised: dict[Role, tuple[SetQuota, str]] = field(default_factory=dict)
    """The quotas that a master has said yes to, and which one."""
    members: dict[LaunchUuid, None] = field(default_factory=dict)
    """Launches of gangs, as soon as a master has ordered them."""
    began: dict[str, float] = field(default_factory=dict)
    """When each master did."""
    drained: dict[AgentId, str] = field(default_factory=dict)
    """Likewise, what was ordered to be drained and not to be offered again."""
    gone: dict[AgentId, str] = field(default_factory=dict)
    """Likewise, for ever."""
    retired: dict[AgentId, None] = field(default_factory=dict)
    """Whatever was once ordered to be drained, or marked gone."""

    def link(self, number: int) -> Link:
        return self.links.setdefault(number, Link(number))

    def ordered(self, body: OperatorBody) -> None:
        """A master hears an operator."""
        match body:
            case TeardownFramework(framework_id):
                self.over[framework_id] = None
            case SetWeight(role, weight):
                self.weights.setdefault(role, [1.0]).append(weight)
            case DrainAgent(agent_id) | MarkAgentGone(agent_id):
                self.retired[agent_id] = None
                self.drained.pop(agent_id, None)
            case SetQuota(role):
                self.quotas.setdefault(role, [None]).append(body)
            case _:
                pass

    def said_yes(self, master: str, body: OperatorBody) -> None:
        """To an operator."""
        match body:
            case SetQuota(role):
                self.promised[role] = (body, master)
            case DrainAgent(agent_id, undo=False):
                self.drained[agent_id] = master
            case MarkAgentGone(agent_id):
                self.gone[agent_id] = master
            case _:
                pass

    def told_away(self, now: float, host: str, away: FrameworkAway) -> None:
        """An agent hears that a framework is away, or back."""
        key = (host, away.framework_id)
        at = self.counted.get(key, NEVER)
        if not away.back:
            self.counted[key] = min(at, now + away.limit_s - away.away_s - 0.001)
        elif self.counted.pop(key, NEVER) <= now:
            self.returned[away.framework_id] = now

    def leapt(self, host: str, seconds: float) -> None:
        """An agent's clock runs on also while its host is asleep."""
        for key in self.counted:
            if key[0] == host:
                self.counted[key] -= seconds

    def contact(self, framework_id: FrameworkId, said: float) -> None:
        before = self.last_contact.get(framework_id, said)
        if said - before >= self.limits.get(framework_id, NEVER) - 0.001:
            self.returned[framework_id] = said
        self.last_contact[framework_id] = max(said, before)

    def is_over(self, framework_id: FrameworkId, now: float) -> bool:
        """Its tasks may be ended; also by who was told of its absence and not of its return."""
        if framework_id in self.over or now - self.returned.get(framework_id, -NEVER) < LATE_S:
            return True
        for (_, absent), at in self.counted.items():
            if absent == framework_id and now >= at:
                return True
        contact = self.last_contact.get(framework_id, now)
        return now - contact >= self.limits.get(framework_id, NEVER) - 0.001

    def must_end(self, framework_id: FrameworkId, now: float) -> bool:
        if framework_id in self.ended:
            return True
        contact = self.last_contact.get(framework_id, now)
        return now - contact > self.limits.get(framework_id, NEVER) + OVER_S


def host_of(name: str) -> str:
    """`agent-2#3` is the third process of this kind on agent-2."""
    return name.partition("#")[0]


def reign_of(master: str) -> int:
    """`master#3` is the third one."""
    return int(master.partition("#")[2])


def is_master(name: str) -> bool:
    return name.startswith("master")
