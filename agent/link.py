"""The session to the leading master: dialled, registered, fenced by epoch, kept alive.

Nothing is obeyed before the master has shown its cluster and an epoch that is not older than the
highest ever seen; that epoch is durable before anything said under it is carried out.
"""

import zlib
from collections.abc import Iterator

from fairlead.common.events import CloseSession, Send, SessionClosed
from fairlead.common.ids import SessionId
from fairlead.common.messages import (
    LEAST_HEARTBEAT_S,
    PROTOCOL_VERSION,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    Code,
    Goodbye,
    Hello,
    MasterToAgent,
    RegisterAgent,
    TaskUsage,
    ToAgentBody,
)
from fairlead.common.values import HostUsage, Reason

from .accepts import Accepts
from .away import Absences
from .chunks import in_chunks
from .context import Context
from .events import Dial, Exit, UsageMeasured
from .idle import Idle
from .reservations import Reservations
from .updates import Updates

_FOR_GOOD = {
    Code.AGENT_REMOVED: "the master has removed this agent",
    Code.VERSION: "the master speaks another version of the protocol",
    Code.WRONG_CLUSTER: "the master refuses this agent",
    Code.UNAUTHENTICATED: "the master refuses this agent, whose home is not that of its cluster",
}


class Link:
    """At most one session, and what is said on it by itself."""

    def __init__(
        self,
        context: Context,
        updates: Updates,
        accepts: Accepts,
        absences: Absences,
        reservations: Reservations,
        *,
        idle: Idle,
    ) -> None:
        self._context = context
        self._updates = updates
        self._accepts = accepts
        self._absences = absences
        self._reservations = reservations
        self._idle = idle
        self._is_dialing = False
        self._attempt = 0
        self._failures = 0
        self._closed: SessionId | None = None
        self._exit: Exit | None = None
        """There is no way to go on."""
        self._has_left = False
        self._heartbeats = 0
        self._host = HostUsage()
        context.timers.set("dial", "", context.now)

    # --- the session's own life

    def dial(self) -> None:
        self._is_dialing = True
        self._attempt += 1
        self._context.do(Dial())

    def opened(self, session: SessionId) -> None:
        context = self._context
        self._is_dialing = False
        if context.session is not None:
            context.do(CloseSession(session, Code.REFUSED, "there is a session already"))
            return
        context.session = session
        context.is_registered = False
        context.ended_accepts.clear()
        self._heard()
        for message in self._registration():
            context.do(Send(session, AgentMessage(message)))

    def closed(self, event: SessionClosed) -> None:
        """Of a session that we ended ourselves we have drawn the consequences already."""
        if event.session == self._context.session:
            self._lost(event.session)
            self._exit_if_final(event.code, event.message)
        elif event.session != self._closed and self._is_dialing:
            self._is_dialing = False
            self._dial_later()

    def _end(self, code: Code, message: str) -> None:
        session = self._context.session
        assert session is not None, "there is no session to end"
        self._context.do(Send(session, AgentMessage(Goodbye(code, message))))
        self._context.do(CloseSession(session, code, message))
        self._lost(session)

    def _lost(self, session: SessionId) -> None:
        context = self._context
        self._closed = session
        context.session = None
        context.is_registered = False
        self._updates.stop_sending()
        for kind in ("silent", "heartbeat"):
            context.timers.cancel(kind)
        self._dial_later()

    def _dial_later(self) -> None:
        """Doubling, and spread over agents, so that they do not come back all at once."""
        settings = self._context.settings
        longest = min(settings.dial_longest_s, settings.dial_first_s * 2 ** min(self._failures, 30))
        self._failures += 1
        seed = f"{self._context.instance_uuid}/{self._attempt}".encode()
        spread = zlib.crc32(seed) / 2**32
        self._context.timers.set("dial", "", self._context.now + longest * (1 + spread) / 2)

    # --- heard

    def heard(self, session: SessionId, message: object) -> ToAgentBody | None:
        """What is to be obeyed; None if that is nothing, or was dealt with here."""
        context = self._context
        if session != context.session:
            return None
        assert isinstance(message, MasterToAgent), f"no message of a master: {message!r}"
        self._heard()
        body = message.body
        if isinstance(body, AgentRegistered) and (trouble := self._strange_name(body)):
            self._end(Code.INVALID, trouble)
        elif isinstance(body, AgentRegistered) and context.cluster_id not in ("", body.cluster_id):
            why = f"this agent belongs to cluster {context.cluster_id}, not to {body.cluster_id}"
            self._end(Code.WRONG_CLUSTER, why)
        elif isinstance(body, Goodbye) and not context.is_registered:
            self._dismissed(body)
        elif message.epoch < context.epoch:
            why = f"epoch {message.epoch} is over: this agent has seen {context.epoch}"
            self._end(Code.STALE_EPOCH, why)
        elif isinstance(body, AgentRegistered):
            context.record_epoch(message.epoch)
            self._registered(body)
        elif not context.is_registered:
            self._end(Code.INVALID, "the answer to a registration comes first")
        else:
            context.record_epoch(message.epoch)
            if isinstance(body, Goodbye):
                self._dismissed(body)
            else:
                return body
        return None

    def _strange_name(self, answer: AgentRegistered) -> str:
        """An agent has one id for ever, which all that it reports bears."""
        known = self._context.agent_id
        if not answer.cluster_id:
            return "registered.cluster_id: is empty"
        if not answer.agent_id or known not in ("", answer.agent_id):
            return f"registered.agent_id: is {answer.agent_id!r}, and ours {known!r}"
        return ""

    def _heard(self) -> None:
        context = self._context
        context.timers.set("silent", "", context.now + self._patience_s)

    def excuse_stall(self) -> None:
        """On a tick: if it came late, we stood still ourselves, and condemn nobody for it."""
        timers = self._context.timers
        due, silent = timers.first(), timers.get("silent")
        if due is not None and silent is not None:
            late_s = self._context.now - due
            if late_s > self._context.settings.stall_s:
                timers.set("silent", "", silent + late_s)

    def silent(self) -> None:
        self._end(Code.SILENT, f"nothing heard for {self._patience_s:g} s")

    @property
    def _patience_s(self) -> float:
        """A master with many agents speaks less often, and says so."""
        context = self._context
        return max(context.settings.silent_s, 2.5 * context.heartbeat_s)

    def _dismissed(self, goodbye: Goodbye) -> None:
        session = self._context.session
        assert session is not None, "only a session can be ended"
        self._context.do(CloseSession(session, goodbye.code, goodbye.message))
        self._lost(session)
        self._exit_if_final(goodbye.code, goodbye.message)

    def _exit_if_final(self, code: Code, message: str) -> None:
        """Its tasks outlive this process, but not this agent: whoever removed it has given them
        up, and others may run in their place.
        """
        if code not in _FOR_GOOD:
            return
        self._exit = Exit(f"{_FOR_GOOD[code]}: {message}", code)
        self._context.timers.cancel("dial")
        if code is Code.AGENT_REMOVED:
            for framework_id in self._context.frameworks:
                why = "its agent was removed"
                self._absences.shut_down(framework_id, why, Reason.AGENT_GONE)

    def leave(self) -> None:
        """Once nothing runs that must not be left behind."""
        if self._exit is None or self._has_left:
            return
        if self._exit.code is not Code.AGENT_REMOVED or not self._context.living():
            self._context.do(self._exit)
            self._has_left = True

    def _registered(self, answer: AgentRegistered) -> None:
        context = self._context
        was = (context.agent_id, context.cluster_id, context.heartbeat_s)
        if was != (answer.agent_id, answer.cluster_id, answer.heartbeat_s):
            context.adopt_identity(answer)
            context.record("identity", answer)
        context.is_registered = True
        self._heard()  # and from now on by its own interval
        self._failures = 0
        self._updates.send_all()
        self._reservations.tell_since()
        context.say_ended_since()
        self.heartbeat()

    # --- said

    def _registration(self) -> Iterator[RegisterAgent]:
        """All that we know, in chunks; each but the last announces another."""
        context = self._context
        hello = Hello(
            PROTOCOL_VERSION, context.settings.software, context.instance_uuid, self._attempt
        )
        tasks = [
            task.as_value(context.ledger.of(key), with_files=False)
            for key, task in context.tasks.items()
        ]
        tasks += self._accepts.to_come()
        ended_tasks = [value for _, value in context.ended.values()]
        chunks = list(in_chunks(tasks, ended_tasks, context.settings.tasks_per_message))
        for index, (living, ended) in enumerate(chunks):
            is_first = index == 0
            yield RegisterAgent(
                hello,
                context.info,
                tuple(living),
                tuple(ended),
                self._accepts.progress() if is_first else (),
                tuple(context.frameworks.values()) if is_first else (),
                self._absences.report() if is_first else (),
                context.epoch,
                context.cluster_id,
                more=index < len(chunks) - 1,
                reservations=self._reservations.report() if is_first else (),
            )

    def heartbeat(self) -> None:
        context = self._context
        self._heartbeats += 1
        usage = tuple(
            TaskUsage(task.framework_id, task.info.task_id, task.usage)
            for task in context.tasks.values()
            if task.usage is not None
        )
        unacknowledged, revocable = self._updates.count(), self._idle.revocable()
        body = AgentHeartbeat(self._heartbeats, self._host, usage, unacknowledged, revocable)
        context.say(body)
        interval_s = max(LEAST_HEARTBEAT_S, context.heartbeat_s or context.settings.heartbeat_s)
        context.timers.set("heartbeat", "", context.now + interval_s)

    def measured(self, event: UsageMeasured) -> None:
        """Travels with the next heartbeat."""
        self._host = event.host
        for launch_uuid, usage in event.tasks:
            task = self._context.owner(launch_uuid)
            if task is not None:
                task.usage = usage
        self._idle.measured()

    def check(self) -> None:
        context = self._context
        assert not context.is_registered or context.session is not None, "registered with nobody"
        if context.session is None:
            waits = context.timers.get("dial") is not None
            will_be = waits or self._is_dialing or self._exit is not None
            assert will_be, "no session, and none will be opened"
