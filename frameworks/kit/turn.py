"""The scheduler's turn: the driver's core lets it decide here, and carries out what it orders.

It holds what an order needs: the offers at hand, the kills that are wanted, what the master was
told of wishes and demands. Of the session it knows only whether it stands.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fairlead.common.events import Record
from fairlead.common.ids import AgentId, CallId
from fairlead.common.messages import (
    Accept,
    Acknowledge,
    CallResult,
    Code,
    Decline,
    FrameworkBody,
    Kill,
    OffersMade,
    Reconcile,
    Revive,
    Suppress,
    Teardown,
)
from fairlead.common.values import Launch, Reason, TaskRef, TaskState, TaskStatus

from .calls import Kills
from .conversation import Conversation
from .ending import Ending
from .events import IN_STEP, Perform
from .launches import LaunchNames, launches_of
from .ledger import Ledger
from .questions import Questions
from .scheduler import CallRefused, OffersLost, OffersReceived, Scheduler, StatusReceived, Stop
from .wants import Wants


class SchedulerTurn:
    """Events to the scheduler, its orders to the master; what they lead to is its next event."""

    def __init__(
        self,
        scheduler: Scheduler,
        talk: Conversation,
        ledger: Ledger,
        questions: Questions,
        ending: Ending,
        *,
        instance_uuid: str,
    ) -> None:
        self._scheduler = scheduler
        self._talk = talk
        self._ledger = ledger
        self._questions = questions
        self._ending = ending
        self._launch_names = LaunchNames(instance_uuid)
        self.wants = Wants(scheduler)
        self.kills = Kills()
        self.offers: dict[str, AgentId] = {}
        self._events: deque[tuple[object, Acknowledge | None]] = deque()
        self._is_feeding = False
        self._orders: Mapping[type, Callable[[Any], None]] = {
            Accept: self._accept,
            Decline: self._decline,
            Revive: self._suppress_or_revive,
            Suppress: self._suppress_or_revive,
            Kill: self._kill,
            Reconcile: self._reconcile,
            Teardown: self._tear_down,
            Stop: self.stop_ordered,
            Record: self._record,
        }

    def check(self) -> None:
        """What must hold between any two steps, or AssertionError."""
        assert not self._events, "an event was not delivered"

    # --- what it hears

    def feed(self, event: object, acknowledge: Acknowledge | None = None) -> None:
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
            if self._is_subscribed:
                for body in self.wants.changes():
                    self._talk.call(body)
                if acknowledge is not None:
                    self._talk.say(acknowledge)
                if self._ending.take_due():
                    self._talk.call(Teardown())
        self._is_feeding = False

    def offered(self, body: OffersMade) -> None:
        self.offers.update((offer.offer_id, offer.agent_id) for offer in body.offers)
        self.feed(OffersReceived(body.offers))

    def lose_offers(self, offer_ids: tuple[str, ...]) -> None:
        lost = tuple(offer_id for offer_id in offer_ids if offer_id in self.offers)
        for offer_id in lost:
            del self.offers[offer_id]
        if lost:
            self.feed(OffersLost(lost))

    def status(self, status: TaskStatus) -> None:
        acknowledge = None
        if status.update_uuid:
            acknowledge = Acknowledge(status.task_id, status.agent_id, status.update_uuid)
        if self._ending.stop is not None:
            return
        news = self._ledger.judge(status)
        if status.state.is_terminal and self._ledger.living(status.task_id) is None:
            self.kills.forget(status.task_id)
        if news is not None:
            self.feed(StatusReceived(news), acknowledge)
        elif acknowledge is not None:
            self._talk.say(acknowledge)

    def refused(self, body: FrameworkBody, result: CallResult) -> None:
        """The call had no effect; of an accept that means that its launches never happen."""
        is_malformed = result.code in (Code.INVALID, Code.UNSUPPORTED)
        if isinstance(body, Accept) and is_malformed and body.offer_ids and self._is_subscribed:
            # The master holds these offers for us still, and we have forgotten them.
            self._talk.call(Decline(body.offer_ids, 0.0))
        self.feed(CallRefused(body, result))
        if isinstance(body, Accept):
            reason = Reason.INVALID_TASK if is_malformed else Reason.INVALID_OFFERS
            for launch in launches_of(body):
                self._drop(launch, reason, f"{result.field} {result.message}".strip())

    def over(self) -> None:
        """Nothing more is to be heard or decided."""
        self.offers.clear()
        self._events.clear()

    def _drop(self, launch: Launch, reason: Reason, message: str) -> None:
        if not self._ledger.is_living(launch.launch_uuid):
            return
        status = TaskStatus(
            self._talk.framework_id,
            launch.task.task_id,
            launch.launch_uuid,
            AgentId(""),
            TaskState.DROPPED,
            reason=reason,
            message=message,
        )
        self.status(status)

    def _decided(self, event: object) -> Iterator[object]:
        """A mistake of the scheduler is marked as its own: nobody shall look for it in the kit."""
        try:
            return iter(self._scheduler.step(event, self._talk.now))
        except Exception as error:
            error.add_note(IN_STEP)
            raise

    @property
    def _is_subscribed(self) -> bool:
        return self._talk.link.is_subscribed

    # --- its orders

    def _order(self, order: object) -> None:
        handler = self._orders.get(type(order))
        if handler is not None:
            handler(order)
        else:
            self._talk.actions.append(Perform(order))

    def _accept(self, call: Accept) -> None:
        agent_id = self._agent_of(call)
        for offer_id in call.offer_ids:
            self.offers.pop(offer_id, None)
        call = self._launch_names.name(call)
        for launch in launches_of(call):
            self._ledger.launched(TaskRef(launch.task.task_id, launch.launch_uuid, agent_id))
        self._ledger.say_again(TaskRef(task_id) for task_id in call.task_ids)
        if self._is_subscribed:
            self._talk.call(call)
            if call.offer_ids and call.operations:
                self.wants.spend()
        else:
            where, message = "offer_ids", "no master to accept from: the offers are void"
            if not call.offer_ids:
                where, message = "task_ids", "no master to order it from"
            self.refused(call, CallResult(CallId(""), Code.REFUSED, where, message))

    def _agent_of(self, call: Accept) -> AgentId:
        """Whose offers or tasks it names; empty: nobody's that we know."""
        agents = [self.offers[i] for i in call.offer_ids if i in self.offers]
        entries = (self._ledger.living(task_id) for task_id in call.task_ids)
        agents += [entry.agent_id for entry in entries if entry is not None]
        return next(iter(agents), AgentId(""))

    def _decline(self, call: Decline) -> None:
        for offer_id in call.offer_ids:
            self.offers.pop(offer_id, None)
        if self._is_subscribed:
            self._talk.call(call)

    def _suppress_or_revive(self, call: Suppress | Revive) -> None:
        self.wants.ordered(call, said=self._is_subscribed)
        if self._is_subscribed:
            self._talk.call(call)

    def _kill(self, call: Kill) -> None:
        """With its agent, for which a master keeps the kill, however long that is away."""
        entry = self._ledger.living(call.task_id)
        if entry is not None and not call.agent_id:
            call = replace(call, agent_id=entry.agent_id)
        self.kills.want(call, said=self._is_subscribed)
        if self._is_subscribed:
            self._talk.call(call)

    def _reconcile(self, call: Reconcile) -> None:
        """A launch that is named may be of an earlier life of the scheduler: ask until answered."""
        self._ledger.say_again(call.tasks or tuple(self._ledger.refs()))
        refs = tuple(self._ledger.named(ref) for ref in call.tasks)
        for ref in refs:
            if ref.launch_uuid:
                self._ledger.launched(ref, is_settled=False)
        if self._is_subscribed:
            self._questions.ask_again_soon(self._talk.now)
            self._talk.call(Reconcile(refs))

    def _tear_down(self, _call: Teardown) -> None:
        is_known = bool(self._talk.framework_id) or self._talk.link.is_open
        self._ending.tear_down(is_subscribed=self._is_subscribed, is_known=is_known)

    def _record(self, record: Record) -> None:
        self._talk.actions.append(record)

    def stop_ordered(self, stop: Stop) -> None:
        self._ending.order(stop, self._talk.now)
