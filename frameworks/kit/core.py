"""The driver: what every framework needs beside its decisions. No clock, no socket, no thread.

Events in, actions out (`step`), time as an argument. It keeps the session (`link`), remembers every
launch (`ledger`), and lets the scheduler decide. A status is acknowledged behind all that the
scheduler ordered because of it, Records included.

An accept is never said twice: if its session breaks before any status came, the driver asks what
became of the launches (`questions`), and tells the scheduler the answer.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fairlead.common import messages
from fairlead.common.events import Received, Record, SessionClosed, SessionOpened, Tick
from fairlead.common.ids import AgentId, CallId, FrameworkId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    Accept,
    Acknowledge,
    CallResult,
    Code,
    Decline,
    FrameworkBody,
    Goodbye,
    Heartbeat,
    Hello,
    Kill,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    Reconcile,
    Revive,
    Revoke,
    StatusUpdated,
    Subscribe,
    Suppress,
    Teardown,
)
from fairlead.common.values import (
    Launch,
    Reason,
    TaskRef,
    TaskState,
    TaskStatus,
)

from .calls import Kills
from .conversation import Conversation
from .ending import Ending
from .events import (
    IN_STEP,
    REFUSED_EXIT,
    UNAUTHENTICATED_EXIT,
    Dial,
    DriverAction,
    DriverEvent,
    DriverSettings,
    Happened,
    Perform,
)
from .launches import LaunchNames, launches_of
from .ledger import Ledger
from .link import Phase
from .questions import Questions
from .scheduler import (
    CallRefused,
    Disconnected,
    OffersLost,
    OffersReceived,
    Scheduler,
    StatusReceived,
    Stop,
    Subscribed,
)
from .wants import Wants

SOFTWARE = "fairlead kit"
FINAL = (Code.FRAMEWORK_REMOVED, Code.SUPERSEDED, Code.UNAUTHENTICATED, Code.VERSION)
"""A session that ends so is not worth another attempt."""
REFUSED_FOR_GOOD = (*FINAL, Code.INVALID, Code.UNSUPPORTED)
"""The same, of a Subscribe."""


class Driver:
    """One life of one framework's scheduler."""

    def __init__(
        self,
        scheduler: Scheduler,
        instance_uuid: str,
        framework_id: str = "",
        settings: DriverSettings | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.instance_uuid = instance_uuid
        self.framework_id = FrameworkId(framework_id)
        self.epoch = 0
        self.cluster_id = ""
        self._settings = settings or DriverSettings()
        self._talk = Conversation(instance_uuid, self._settings)
        self._link = self._talk.link
        self._ledger = Ledger(self._settings.ended_kept)
        self._questions = Questions(self._ledger, self._settings)
        self._wants = Wants(scheduler)
        self._launch_names = LaunchNames(instance_uuid)
        self._kills = Kills()
        self._offers: dict[str, AgentId] = {}
        self._events: deque[tuple[object, Acknowledge | None]] = deque()
        self._is_feeding = False
        self._ending = Ending(self._settings.teardown_s)
        self.refused_with: Code | None = None
        """Why no master wants to hear of us any more, if so."""
        self._events_of: Mapping[type, Callable[[Any], None]] = {
            SessionOpened: self._opened,
            Received: self._received,
            SessionClosed: self._closed,
            Happened: lambda event: self._feed(event.event),
            Tick: lambda _event: self._tick(),
            Stop: self._stop_ordered,
        }
        self._bodies: Mapping[type, Callable[[Any], None]] = {
            messages.Subscribed: self._subscribed,
            CallResult: self._answered,
            OffersMade: self._offered,
            OffersRescinded: lambda body: self._lose_offers(body.offer_ids),
            StatusUpdated: lambda body: self._status(body.status),
            Revoke: self._feed,
            Heartbeat: lambda _body: None,
            Goodbye: lambda body: self._close(body.code, body.message),
        }
        self._orders: Mapping[type, Callable[[Any], None]] = {
            Accept: self._accept,
            Decline: self._decline,
            Revive: self._suppress_or_revive,
            Suppress: self._suppress_or_revive,
            Kill: self._kill,
            Reconcile: self._reconcile,
            Teardown: self._tear_down,
            Stop: self._stop_ordered,
            Record: self._record,
        }

    # --- the door

    def step(self, event: DriverEvent, now: float) -> list[DriverAction]:
        """Take in what has happened; the actions are to be performed in this order."""
        if self.is_stopped:
            return []
        self._talk.begin_step(now)
        self._events_of[type(event)](event)
        stop = self._ending.ready(now)
        if stop is not None and not self.is_stopped:
            self._end(stop)
        return self._talk.actions

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do."""
        if self.is_stopped:
            return None
        due = [self._link.next_deadline(), self._questions.next_deadline()]
        due.append(self._ending.next_deadline() or self.scheduler.next_deadline())
        return min((when for when in due if when is not None), default=None)

    @property
    def is_subscribed(self) -> bool:
        return self._link.is_subscribed

    @property
    def _now(self) -> float:
        return self._talk.now

    @property
    def is_stopped(self) -> bool:
        return self._link.phase is Phase.ENDED

    def check(self) -> None:
        """What must hold between any two steps, or AssertionError."""
        self._ledger.check()
        assert not self._events, "an event was not delivered"
        assert self._link.is_open == (self._link.session is not None), "a session too many"
        assert self._link.is_open or not len(self._talk.calls), "calls wait without a session"
        assert self.is_subscribed or not self._offers, "offers outlived their session"
        assert self.framework_id or not self.is_subscribed, "subscribed as nobody"

    # --- the session

    def _tick(self) -> None:
        now = self._now
        self._link.excuse_stall(now)
        if self._link.is_dial_due(now):
            self._link.dialing()
            self._talk.actions.append(Dial())
        if self._link.is_silent(now):
            self._close(Code.SILENT, "the master has been silent for too long")
        if self._link.is_heartbeat_due(now):
            self._talk.say(Heartbeat())
        self._questions.ask_what_is_due(self._talk)
        due = self.scheduler.next_deadline()
        if due is not None and due <= now:
            self._feed(Tick())

    def _opened(self, event: SessionOpened) -> None:
        if self._link.phase is not Phase.DIALING:
            self._talk.refuse(event.session, Code.REFUSED, "nobody asked for this session")
            return
        self._link.opened(event.session, self._now)
        framework = replace(self.scheduler.framework, framework_id=self.framework_id)
        hello = Hello(PROTOCOL_VERSION, SOFTWARE, self.instance_uuid, self._link.attempt)
        self._talk.call(Subscribe(hello, framework, *self._wants.whole()))

    def _received(self, event: Received) -> None:
        if event.session != self._link.session:
            return
        message = event.message
        assert isinstance(message, MasterToFramework), f"{message!r} is not for a framework"
        self._link.heard(self._now)
        if self.is_subscribed or isinstance(
            message.body, messages.Subscribed | CallResult | Goodbye | Heartbeat
        ):
            self._bodies[type(message.body)](message.body)

    def _subscribed(self, body: messages.Subscribed) -> None:
        if self.is_subscribed:
            return
        if not body.framework_id:
            self._close(Code.INVALID, "subscribed.framework_id: is empty")
            return
        if body.cluster_id == self.cluster_id and body.epoch < self.epoch:
            self._close(Code.STALE_EPOCH, f"epoch {body.epoch} is over: {self.epoch} has begun")
            return
        self._link.subscribed(body.heartbeat_s)
        self.framework_id = body.framework_id
        self.epoch, self.cluster_id = body.epoch, body.cluster_id
        if self._ending.is_teardown_wanted:
            self._talk.call(Teardown())
            return
        for kill, is_first in self._kills.take_all():
            self._talk.call(kill, is_ours=not is_first)
        self._ledger.unsettle()
        self._questions.ask_all(self._talk)
        self._feed(Subscribed(body.framework_id, body.epoch))

    def _closed(self, event: SessionClosed) -> None:
        if self._talk.is_past(event.session):
            return
        if event.session == self._link.session or self._link.phase is Phase.DIALING:
            self._lost(event.code, event.message)

    def _close(self, code: Code, message: str) -> None:
        """End the session from our side; it may have been ended from the other already."""
        self._talk.close(code, message)
        self._lost(code, message)

    def _lost(self, code: Code, message: str) -> None:
        was_subscribed = self.is_subscribed
        self._talk.calls.clear()
        self._questions.stopped()
        self._link.lost(self._now)
        if code in FINAL:
            self._refused_for_good(code, message)
        if was_subscribed and not self.is_stopped:
            self._lose_offers(tuple(self._offers))
            self._feed(Disconnected(message or code.name))
        self._offers.clear()

    def _refused_for_good(self, code: Code, message: str) -> None:
        if self._ending.is_expected(code):
            self._end(self._ending.stop or Stop())
            return
        self.refused_with = code
        exit_code = UNAUTHENTICATED_EXIT if code is Code.UNAUTHENTICATED else REFUSED_EXIT
        name = self.scheduler.framework.name
        self._end(Stop(f"framework {name}: {message or code.name}", exit_code))

    # --- answers to calls

    def _answered(self, result: CallResult) -> None:
        if (waiting := self._talk.calls.answered(result.call_id)) is None:
            return
        body, is_ours = waiting
        if isinstance(body, Teardown):
            self._ending.answered(result.code)
        if isinstance(body, Kill) and self._ledger.living(body.task_id) is None:
            self._kills.forget(body.task_id)
        if result.code is Code.OK:
            return
        if isinstance(body, Subscribe):
            self._subscribe_refused(result)
        elif not is_ours:
            self._refused(body, result)

    def _subscribe_refused(self, result: CallResult) -> None:
        message = f"{result.field}: {result.message}" if result.field else result.message
        self._close(result.code, message)
        if result.code in REFUSED_FOR_GOOD and not self.is_stopped:
            self._refused_for_good(result.code, message)

    def _refused(self, body: FrameworkBody, result: CallResult) -> None:
        """The call had no effect; of an accept that means that its launches never happen."""
        is_malformed = result.code in (Code.INVALID, Code.UNSUPPORTED)
        if isinstance(body, Accept) and is_malformed and body.offer_ids and self.is_subscribed:
            # The master holds these offers for us still, and we have forgotten them.
            self._talk.call(Decline(body.offer_ids, 0.0))
        self._feed(CallRefused(body, result))
        if isinstance(body, Accept):
            reason = Reason.INVALID_TASK if is_malformed else Reason.INVALID_OFFERS
            for launch in launches_of(body):
                self._drop(launch, reason, f"{result.field} {result.message}".strip())

    def _drop(self, launch: Launch, reason: Reason, message: str) -> None:
        if not self._ledger.is_living(launch.launch_uuid):
            return
        status = TaskStatus(
            self.framework_id,
            launch.task.task_id,
            launch.launch_uuid,
            AgentId(""),
            TaskState.DROPPED,
            reason=reason,
            message=message,
        )
        self._status(status)

    # --- the scheduler's turn

    def _feed(self, event: object, acknowledge: Acknowledge | None = None) -> None:
        """Let the scheduler decide; what its orders lead to at once, it hears behind this."""
        self._events.append((event, acknowledge))
        if self._is_feeding:
            return
        self._is_feeding = True
        while self._events:
            event, acknowledge = self._events.popleft()
            if self._ending.stop is not None:
                continue  # it has had its last word; updates wait for whoever comes next
            for order in self._decided(event):
                self._order(order)
            if self.is_subscribed:
                for body in self._wants.changes():
                    self._talk.call(body)
                if acknowledge is not None:
                    self._talk.say(acknowledge)
                if self._ending.take_due():
                    self._talk.call(Teardown())
        self._is_feeding = False

    def _decided(self, event: object) -> Iterator[object]:
        """A mistake of the scheduler is marked as its own: nobody shall look for it in the kit."""
        try:
            return iter(self.scheduler.step(event, self._now))
        except Exception as error:
            error.add_note(IN_STEP)
            raise

    def _order(self, order: object) -> None:
        handler = self._orders.get(type(order))
        if handler is not None:
            handler(order)
        else:
            self._talk.actions.append(Perform(order))

    def _offered(self, body: OffersMade) -> None:
        self._offers.update((offer.offer_id, offer.agent_id) for offer in body.offers)
        self._feed(OffersReceived(body.offers))

    def _lose_offers(self, offer_ids: tuple[str, ...]) -> None:
        lost = tuple(offer_id for offer_id in offer_ids if offer_id in self._offers)
        for offer_id in lost:
            del self._offers[offer_id]
        if lost:
            self._feed(OffersLost(lost))

    def _status(self, status: TaskStatus) -> None:
        acknowledge = None
        if status.update_uuid:
            acknowledge = Acknowledge(status.task_id, status.agent_id, status.update_uuid)
        if self._ending.stop is not None:
            return
        news = self._ledger.judge(status)
        if status.state.is_terminal and self._ledger.living(status.task_id) is None:
            self._kills.forget(status.task_id)
        if news is not None:
            self._feed(StatusReceived(news), acknowledge)
        elif acknowledge is not None:
            self._talk.say(acknowledge)

    # --- its orders

    def _accept(self, call: Accept) -> None:
        agent_id = self._agent_of(call)
        for offer_id in call.offer_ids:
            self._offers.pop(offer_id, None)
        call = self._launch_names.name(call)
        for launch in launches_of(call):
            self._ledger.launched(TaskRef(launch.task.task_id, launch.launch_uuid, agent_id))
        self._ledger.say_again(TaskRef(task_id) for task_id in call.task_ids)
        if self.is_subscribed:
            self._talk.call(call)
            if call.offer_ids and call.operations:
                self._wants.spend()
        else:
            where, message = "offer_ids", "no master to accept from: the offers are void"
            if not call.offer_ids:
                where, message = "task_ids", "no master to order it from"
            self._refused(call, CallResult(CallId(""), Code.REFUSED, where, message))

    def _agent_of(self, call: Accept) -> AgentId:
        """Whose offers or tasks it names; empty: nobody's that we know."""
        agents = [self._offers[i] for i in call.offer_ids if i in self._offers]
        entries = (self._ledger.living(task_id) for task_id in call.task_ids)
        agents += [entry.agent_id for entry in entries if entry is not None]
        return next(iter(agents), AgentId(""))

    def _decline(self, call: Decline) -> None:
        for offer_id in call.offer_ids:
            self._offers.pop(offer_id, None)
        if self.is_subscribed:
            self._talk.call(call)

    def _suppress_or_revive(self, call: Suppress | Revive) -> None:
        self._wants.ordered(call, said=self.is_subscribed)
        if self.is_subscribed:
            self._talk.call(call)

    def _kill(self, call: Kill) -> None:
        """With its agent, for which a master keeps the kill, however long that is away."""
        entry = self._ledger.living(call.task_id)
        if entry is not None and not call.agent_id:
            call = replace(call, agent_id=entry.agent_id)
        self._kills.want(call, said=self.is_subscribed)
        if self.is_subscribed:
            self._talk.call(call)

    def _reconcile(self, call: Reconcile) -> None:
        """A launch that is named may be of an earlier life of the scheduler: ask until answered."""
        self._ledger.say_again(call.tasks or tuple(self._ledger.refs()))
        refs = tuple(self._ledger.named(ref) for ref in call.tasks)
        for ref in refs:
            if ref.launch_uuid:
                self._ledger.launched(ref, is_settled=False)
        if self.is_subscribed:
            self._questions.ask_again_soon(self._now)
            self._talk.call(Reconcile(refs))

    def _tear_down(self, _call: Teardown) -> None:
        is_known = bool(self.framework_id) or self._link.is_open
        self._ending.tear_down(is_subscribed=self.is_subscribed, is_known=is_known)

    def _record(self, record: Record) -> None:
        self._talk.actions.append(record)

    def _stop_ordered(self, stop: Stop) -> None:
        self._ending.order(stop, self._now)

    def _end(self, stop: Stop) -> None:
        if self.is_subscribed:
            self._talk.say(Goodbye(Code.OK, stop.message))
        self._talk.close(Code.OK, stop.message)
        self._link.ended()
        self._talk.calls.clear()
        self._offers.clear()
        self._events.clear()
        self._talk.actions.append(stop)
