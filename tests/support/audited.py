"""The simulator's auditor beside a real master: it sees each message as the master's core does.

What a peer said counts as said when the master hears it, and what the master says as heard at once.
A container is taken to begin and to end when its agent first says so.
"""

from collections.abc import Sequence
from typing import Any

from fairlead.common.events import CloseSession, Received, Send, SessionClosed, SessionOpened
from fairlead.common.ids import LaunchUuid, SessionId
from fairlead.common.messages import (
    AgentMessage,
    Code,
    FrameworkMessage,
    MasterToAgent,
    MasterToFramework,
    RegisterAgent,
    Subscribe,
    TaskUpdated,
)
from fairlead.common.operators import OperatorBody, OperatorCall, OperatorReply
from fairlead.common.values import TaskState, TaskStatus
from fairlead.master.core import Master
from fairlead.master.server import MasterServer
from fairlead.sim.auditor import Auditor, Terms

MASTER = "master#1"


class Audited:
    """A master's core, judged after each step."""

    def __init__(self, core: Master, terms: Terms) -> None:
        self.core = core
        self.auditor = Auditor(terms)
        self.heard = 0
        """Messages, in either direction."""
        self.is_broken = False
        """A law was, or the master: whoever serves it is told by what."""
        self._now = 0.0
        self._open: dict[SessionId, str] = {}
        """Who is at the other end."""
        self._asked: dict[SessionId, OperatorBody] = {}
        self._began: dict[LaunchUuid, None] = {}

    @classmethod
    def of(cls, server: MasterServer, terms: Terms) -> "Audited":
        """From now on the server steps this."""
        audited = cls(server._core, terms)
        server._core = audited  # type: ignore[assignment]
        return audited

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def step(self, event: object, now: float) -> list[object]:
        self._now, is_right = now, False
        try:
            self.auditor.acts(now, MASTER)
            self._before(event)
            actions = self.core.step(event, now)  # type: ignore[arg-type]
            for action in actions:
                self._after(action)
            self.auditor.decided(now, MASTER)
            self.core.check()
            is_right = True
        finally:
            self.is_broken |= not is_right
        return list(actions)

    def restless(self) -> str:
        """What is to be acknowledged or ended still; empty: nothing."""
        return self.auditor.restless(self._now)

    def finish(self, statuses: dict[str, Sequence[TaskStatus]]) -> None:
        """All is over; this is what each scheduler was given."""
        for who, told in statuses.items():
            for status in told:
                self.auditor.told(who, status)
        self.auditor.finish(self._now, [MASTER, *statuses, "agent"], MASTER)

    # --- what comes in

    def _before(self, event: object) -> None:
        match event:
            case SessionOpened(session):
                self.auditor.opened(MASTER, session)
            case Received(session, OperatorCall() as call):
                self._asked[session] = call.body
                self.auditor.ordered(call)
            case Received(session, AgentMessage() | FrameworkMessage() as message):
                self._named(session, message)
                self._begins(message)
                self._pass(self._open[session], MASTER, session, message)
            case SessionClosed(session):
                self._close(session)
            case _:
                pass

    def _named(self, session: SessionId, message: AgentMessage | FrameworkMessage) -> None:
        """By the first that it says."""
        match message.body:
            case RegisterAgent():
                name = "agent"
            case Subscribe(framework=framework):
                name = framework.name
            case _:
                return
        self._open[session] = name
        self.auditor.opened(name, session)

    def _begins(self, message: AgentMessage | FrameworkMessage) -> None:
        """A real container is seen by what its agent says, before that counts as said."""
        if not isinstance(message.body, TaskUpdated):
            return
        status = message.body.latest
        uuid = status.launch_uuid
        is_known = uuid in self._began
        if status.state is TaskState.RUNNING and not is_known:
            self._began[uuid] = None
            self.auditor.container_started("agent", uuid, message.body.resources)
        elif status.state.is_terminal and is_known and self._began.pop(uuid, 0) is None:
            self.auditor.container_ended(uuid)

    # --- what goes out

    def _after(self, action: object) -> None:
        match action:
            case Send(session, OperatorReply() as reply):
                if reply.result.code is Code.OK:
                    self.auditor.promised(MASTER, self._asked[session])
            case Send(session, MasterToAgent() | MasterToFramework() as message):
                self._pass(MASTER, self._open[session], session, message)
            case CloseSession(session):
                self._close(session)
            case _:
                pass

    def _pass(self, sender: str, receiver: str, session: SessionId, message: object) -> None:
        self.heard += 1
        self.auditor.sent(self._now, sender, session, message)
        self.auditor.heard(self._now, receiver, session, message)

    def _close(self, session: SessionId) -> None:
        self.auditor.closed(MASTER, session)
        if (name := self._open.pop(session, None)) is not None:
            self.auditor.closed(name, session)
