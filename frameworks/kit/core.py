"""The driver: what every framework needs beside its decisions. No clock, no socket, no thread.

Events in, actions out (`step`), time as an argument. This is its door and its session (`link`): it
subscribes, takes in what the master says, and notices when a session is lost. What the scheduler
makes of it, and what it orders, is its `turn`. A status is acknowledged behind all that the
scheduler ordered because of it, Records included.

An accept is never said twice: if its session breaks before any status came, the driver asks what
became of the launches (`questions`, from its `ledger`), and tells the scheduler the answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fairlead.common import messages
from fairlead.common.events import Received, SessionClosed, SessionOpened, Tick
from fairlead.common.ids import FrameworkId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    CallResult,
    Code,
    Goodbye,
    Heartbeat,
    Hello,
    Kill,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    Revoke,
    Spared,
    StatusUpdated,
    Subscribe,
    Teardown,
)

from .conversation import Conversation
from .ending import Ending
from .events import (
    REFUSED_EXIT,
    UNAUTHENTICATED_EXIT,
    Dial,
    DriverAction,
    DriverEvent,
    DriverSettings,
    Happened,
)
from .ledger import Ledger
from .link import Phase
from .questions import Questions
from .scheduler import Disconnected, Scheduler, Stop, Subscribed
from .turn import SchedulerTurn

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
        self.epoch = 0
        self.cluster_id = ""
        self._settings = settings or DriverSettings()
        self._talk = Conversation(instance_uuid, self._settings)
        self._talk.framework_id = FrameworkId(framework_id)
        self._link = self._talk.link
        self._ledger = Ledger(self._settings.ended_kept)
        self._questions = Questions(self._ledger, self._settings)
        self._ending = Ending(self._settings.teardown_s)
        self._turn = SchedulerTurn(
            scheduler,
            self._talk,
            self._ledger,
            self._questions,
            self._ending,
            instance_uuid=instance_uuid,
        )
        self.refused_with: Code | None = None
        """Why no master wants to hear of us any more, if so."""
        self._events_of = self._by_event()
        self._bodies = self._by_body()

    def _by_event(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            SessionOpened: self._opened,
            Received: self._received,
            SessionClosed: self._closed,
            Happened: lambda event: self._turn.feed(event.event),
            Tick: lambda _event: self._tick(),
            Stop: self._turn.stop_ordered,
        }

    def _by_body(self) -> Mapping[type, Callable[[Any], None]]:
        """Of what a master says."""
        return {
            messages.Subscribed: self._subscribed,
            CallResult: self._answered,
            OffersMade: self._turn.offered,
            OffersRescinded: lambda body: self._turn.lose_offers(body.offer_ids),
            StatusUpdated: lambda body: self._turn.status(body.status),
            Revoke: self._turn.feed,
            Spared: self._turn.feed,
            Heartbeat: lambda _body: None,
            Goodbye: lambda body: self._close(body.code, body.message),
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
    def framework_id(self) -> FrameworkId:
        """Empty until a master has given one."""
        return self._talk.framework_id

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
        self._turn.check()
        assert self._link.is_open == (self._link.session is not None), "a session too many"
        assert self._link.is_open or not len(self._talk.calls), "calls wait without a session"
        assert self.is_subscribed or not self._turn.offers, "offers outlived their session"
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
            self._turn.feed(Tick())

    def _opened(self, event: SessionOpened) -> None:
        if self._link.phase is not Phase.DIALING:
            self._talk.refuse(event.session, Code.REFUSED, "nobody asked for this session")
            return
        self._link.opened(event.session, self._now)
        framework = replace(self.scheduler.framework, framework_id=self.framework_id)
        hello = Hello(PROTOCOL_VERSION, SOFTWARE, self.instance_uuid, self._link.attempt)
        self._talk.call(Subscribe(hello, framework, *self._turn.wants.whole()))

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
        self._talk.framework_id = body.framework_id
        self.epoch, self.cluster_id = body.epoch, body.cluster_id
        if self._ending.is_teardown_wanted:
            self._talk.call(Teardown())
            return
        for kill, is_first in self._turn.kills.take_all():
            self._talk.call(kill, is_ours=not is_first)
        self._ledger.unsettle()
        self._questions.ask_all(self._talk)
        self._turn.feed(Subscribed(body.framework_id, body.epoch))

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
            self._turn.lose_offers(tuple(self._turn.offers))
            self._turn.feed(Disconnected(message or code.name))
        self._turn.offers.clear()

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
            self._turn.kills.forget(body.task_id)
        if result.code is Code.OK:
            return
        if isinstance(body, Subscribe):
            self._subscribe_refused(result)
        elif not is_ours:
            self._turn.refused(body, result)

    def _subscribe_refused(self, result: CallResult) -> None:
        message = f"{result.field}: {result.message}" if result.field else result.message
        self._close(result.code, message)
        if result.code in REFUSED_FOR_GOOD and not self.is_stopped:
            self._refused_for_good(result.code, message)

    def _end(self, stop: Stop) -> None:
        if self.is_subscribed:
            self._talk.say(Goodbye(Code.OK, stop.message))
        self._talk.close(Code.OK, stop.message)
        self._link.ended()
        self._talk.calls.clear()
        self._turn.over()
        self._talk.actions.append(stop)
