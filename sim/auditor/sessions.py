"""Laws about sessions: one answer to a call, silence before a verdict."""

from dataclasses import dataclass, field

from fairlead.common.ids import AgentId, CallId
from fairlead.common.messages import CallResult, Subscribe
from fairlead.common.values import TaskStatus

from .laws import Facts, Link, ViolationError

STALL_S = 1.0
"""A stop of a master beyond this is its own stall, and is nobody's silence."""
ANSWER_S = 5.0


@dataclass(slots=True)
class _Server:
    """A master process: whom it heard when, and from when to when it stood still."""

    since: float
    active: float
    heard: dict[AgentId, float] = field(default_factory=dict)
    stopped_at: float | None = None
    stops: list[tuple[float, float]] = field(default_factory=list)

    def silence(self, agent_id: AgentId) -> float:
        """For how long it had not heard an agent when it was last active."""
        heard = self.heard.get(agent_id, self.since)
        stood = sum(max(0.0, end - max(begin, heard)) for begin, end in self.stops)
        return self.active - heard - stood


class Sessions:
    """Keeps calls and silences."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._calls: dict[int, dict[CallId, float]] = {}
        self._subscribes: dict[int, CallId] = {}
        self._servers: dict[str, _Server] = {}

    def called(self, now: float, link: Link, call_id: CallId, body: object) -> None:
        """A Subscribe is answered by Subscribed, unless it is refused."""
        calls = self._calls.setdefault(link.number, {})
        if call_id in calls:
            raise ViolationError("call ids are used once", f"{call_id} of {link.client}")
        calls[call_id] = now
        if isinstance(body, Subscribe):
            self._subscribes[link.number] = call_id

    def subscribed(self, link: Link) -> None:
        call_id = self._subscribes.pop(link.number, None)
        if call_id is not None:
            self._calls[link.number].pop(call_id, None)

    def answered(self, link: Link, result: CallResult) -> None:
        calls = self._calls.get(link.number, {})
        if result.call_id.startswith("world"):
            return
        if calls.pop(result.call_id, None) is None:
            raise ViolationError(
                "a call has one answer",
                f"{link.server} answers {result.call_id!r} unasked or twice",
            )

    def heard(self, now: float, link: Link) -> None:
        """A master hears an agent."""
        if link.agent_id:
            self._servers[link.server].heard[link.agent_id] = now

    def active(self, now: float, name: str) -> None:
        """A master does something."""
        self._servers.setdefault(name, _Server(now, now)).active = now

    def stopped(self, now: float, name: str) -> None:
        if name in self._servers:
            self._servers[name].active = self._servers[name].stopped_at = now

    def resumed(self, now: float, name: str) -> None:
        server = self._servers.get(name)
        if server is not None and server.stopped_at is not None:
            if now - server.stopped_at > STALL_S:
                server.stops.append((server.stopped_at, now))
            server.stopped_at = None

    def condemned(self, name: str, status: TaskStatus) -> None:
        """A master says that an agent is unreachable: it, or one before it, waited long enough."""
        limit = self._facts.terms.agent_timeout_s - 0.001
        agent_id = status.agent_id
        if not any(server.silence(agent_id) >= limit for server in self._servers.values()):
            silence = self._servers[name].silence(agent_id)
            raise ViolationError(
                "silence before a verdict",
                f"{name} calls {agent_id} unreachable after {silence:.3f} s",
            )

    def unanswered(self, now: float) -> list[str]:
        return [
            f"{call_id} on {self._facts.link(number).client}"
            for number, calls in self._calls.items()
            for call_id, since in calls.items()
            if now - since > ANSWER_S and self._facts.link(number).is_open
        ]
