"""Laws about sessions: one answer to a call, silence before a verdict."""

from dataclasses import dataclass, field

from fairlead.common.ids import AgentId, CallId
from fairlead.common.messages import CallResult, Subscribe
from fairlead.common.values import TaskStatus

from .laws import Facts, Link, ViolationError

STALL_S = 3.0
"""A stop of a master beyond this is its own stall, and is nobody's silence."""
ANSWER_S = 5.0


@dataclass(slots=True)
class _Server:
    """A master process as others hear it."""

    since: float
    heard: dict[AgentId, float] = field(default_factory=dict)
    stopped_at: float | None = None
    stopped_s: float = 0.0


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
                "a call has one answer", f"{link.server} answers {result.call_id!r} unasked or twice"
            )

    def heard(self, now: float, link: Link) -> None:
        """A master hears an agent."""
        server = self._servers.setdefault(link.server, _Server(now))
        if link.agent_id:
            server.heard[link.agent_id] = now - server.stopped_s

    def began(self, now: float, server: str) -> None:
        self._servers.setdefault(server, _Server(now))

    def stopped(self, now: float, server: str) -> None:
        if server in self._servers:
            self._servers[server].stopped_at = now

    def resumed(self, now: float, name: str) -> None:
        server = self._servers.get(name)
        if server is not None and server.stopped_at is not None:
            if now - server.stopped_at > STALL_S:
                server.stopped_s += now - server.stopped_at
            server.stopped_at = None

    def condemned(self, now: float, name: str, status: TaskStatus) -> None:
        """A master says that an agent is unreachable."""
        server = self._servers[name]
        awake = now - server.stopped_s
        silence = awake - server.heard.get(status.agent_id, server.since)
        if silence < self._facts.terms.agent_timeout_s - 0.001:
            raise ViolationError(
                "silence before a verdict",
                f"{name} calls {status.agent_id} unreachable after {silence:.3f} s",
            )

    def unanswered(self, now: float) -> list[str]:
        return [
            f"{call_id} on {self._facts.link(number).client}"
            for number, calls in self._calls.items()
            for call_id, since in calls.items()
            if now - since > ANSWER_S and self._facts.link(number).is_open
        ]
