"""What the driver says on its session, and the actions of the step that is running."""

from collections import deque

from fairlead.common.events import CloseSession, Send
from fairlead.common.ids import CallId, FrameworkId, SessionId
from fairlead.common.messages import Code, FrameworkBody, FrameworkMessage

from .calls import Calls
from .events import DriverAction, DriverSettings
from .link import Link


class Conversation:
    """One session at a time, the calls that wait on it, and the way out."""

    def __init__(self, instance_uuid: str, settings: DriverSettings) -> None:
        self.link = Link(instance_uuid, settings)
        self.calls = Calls()
        self.framework_id = FrameworkId("")
        """Who speaks; empty: a newcomer."""
        self.now = 0.0
        self.actions: list[DriverAction] = []
        self._past: deque[SessionId] = deque(maxlen=8)
        """Sessions that we closed, and of whose end we may still be told."""

    def begin_step(self, now: float) -> None:
        self.now = now
        self.actions = []

    def say(self, body: FrameworkBody, call_id: CallId | None = None) -> None:
        """No answer is expected unless there is a call id."""
        assert self.link.session is not None
        self.link.said(self.now)
        message = FrameworkMessage(body, call_id or CallId(""))
        self.actions.append(Send(self.link.session, message))

    def call(self, body: FrameworkBody, *, is_ours: bool = False) -> None:
        """`is_ours`: the driver's own, whose refusal is not the scheduler's business."""
        self.say(body, self.calls.new(body, is_ours=is_ours))

    def close(self, code: Code, message: str) -> None:
        """End our session, if there is one, from our side."""
        if self.link.session is not None:
            self.refuse(self.link.session, code, message)

    def refuse(self, session: SessionId, code: Code, message: str) -> None:
        self._past.append(session)
        self.actions.append(CloseSession(session, code, message))

    def is_past(self, session: SessionId) -> bool:
        """Whether we closed it ourselves; asked once, when its end is reported."""
        if session not in self._past:
            return False
        self._past.remove(session)
        return True
