"""The master: the books and the rules of offers. No clock, no socket, no thread.

Events in, actions out (`step`). Its parts are one idea each: `frameworks`, `agents` and
`operators` answer what is said to the master, `accepts`, `offers` and `tasks` do what follows,
`allocator` decides who is offered what, `books` keep the sums.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from fairlead.common.dataclass import dataclass
from fairlead.common.events import CloseSession, Received, SessionClosed, SessionOpened, Tick
from fairlead.common.ids import AgentId, CallId, FrameworkId, OfferId, SessionId
from fairlead.common.messages import AgentMessage, Code, FrameworkMessage
from fairlead.common.operators import (
    AgentState,
    AgentVerdict,
    DrainAgent,
    OperatorCall,
    SetQuota,
    SetWeight,
)
from fairlead.common.values import AgentInfo, FrameworkInfo

from . import proof
from .accepting.accepts import Accepts
from .accepting.gang_accepts import GangAccepts
from .accepting.gangs import Gangs
from .agents import Agents
from .allocation.gang_holds import GangHolds
from .allocation.holds import Holds
from .allocation.looks import Looks
from .books import Books
from .context import Context
from .departures import Departures
from .entries import Agent, Framework
from .frameworks import Frameworks
from .offer_log import OfferLog
from .offers import Offers
from .operators import Operators
from .reconciling import Reconciling
from .reserving import Reserving
from .retiring import Retiring
from .revoking.notices import Revoking
from .settings import MasterSettings
from .tasks import Tasks

if TYPE_CHECKING:
    from random import Random

RECORDS: Mapping[str, type] = {
    "agent": AgentInfo,
    "unreachable": AgentVerdict,
    "gone": AgentVerdict,
    "drain": DrainAgent,
    "weight": SetWeight,
    "quota": SetQuota,
    "removed": FrameworkInfo,
}
"""The durable promises, by the first part of their keys."""
_VERDICTS = {"unreachable": AgentState.UNREACHABLE, "gone": AgentState.GONE}


_PLACES = {kind: place for place, kind in enumerate(RECORDS)}


def _place(key: str) -> tuple[int, int, str]:
    return _PLACES[key.partition("/")[0]], len(key), key


@dataclass(frozen=True, slots=True)
class ReceivedInvalid:
    """A framework's call carried a value that may not stand in that field."""

    session: SessionId
    call_id: CallId
    field: str
    message: str


Event = SessionOpened | Received | ReceivedInvalid | SessionClosed | Tick


class Master:
    """One leader's reign."""

    def __init__(
        self, settings: MasterSettings, epoch: int, cluster_id: str, random: "Random"
    ) -> None:
        self._context = Context(settings, epoch, cluster_id, random)
        self._context.books.excluded = settings.excluded_resources
        self._offers = Offers(self._context)
        holds, gang_holds = Holds(self._context), GangHolds(self._context)
        self._looks = Looks(self._context, holds.look, gang_holds.look)
        self._tasks = Tasks(self._context)
        accepts = Accepts(self._context, self._offers, self._tasks)
        self._gangs = Gangs(self._context, self._tasks)
        self._gang_accepts = GangAccepts(self._context, accepts)
        reconciling = Reconciling(self._context, self._tasks)
        departures = self._departures = Departures(self._context, self._offers)
        self._frameworks = Frameworks(
            self._context,
            self._offers,
            self._tasks,
            accepts,
            self._gang_accepts,
            reconciling=reconciling,
            departures=departures,
        )
        reserving = Reserving(self._context, self._offers)
        self._agents = Agents(
            self._context,
            self._offers,
            self._tasks,
            accepts,
            departures,
            reserving=reserving,
            reconciling=reconciling,
        )
        retiring = Retiring(self._context, self._offers, self._tasks, self._agents)
        self._operators = Operators(self._context, self._tasks, departures, reserving, retiring)
        self._revoking = Revoking(self._context, self._tasks)
        self._last_step: float | None = None
        self._touched: dict[str, None] = {}
        self._touched_last: dict[str, None] = {}
        """By the last step."""
        self.version = 0
        """Grows with every step that changed what operators see."""
        self._events: Mapping[type, Callable[[Any], None]] = {
            SessionOpened: self._opened,
            Received: self._received,
            ReceivedInvalid: self._received_invalid,
            SessionClosed: self._closed,
            Tick: lambda _event: None,
        }
        self._timers: Mapping[str, Callable[..., None]] = {
            "agent": self._agent_due,
            "framework": self._framework_due,
            "stranger": self._stranger_due,
            "failover": self._failover_due,
            "forget": self._forget_due,
            "gang": self._gang_due,
            "gang accepts": self._gang_accepts_due,
            "offers": self._offers.due,
            "filter": self._filter_due,
            "change": reserving.due,
            "losers": self._revoking.look,
            "plan": self._revoking.plan,
            "revoked": self._revoking.due,
        }

    @classmethod
    def restore(  # noqa: PLR0917 - all that a reign begins with
        cls,
        settings: MasterSettings,
        epoch: int,
        cluster_id: str,
        records: Mapping[str, object],
        now: float,
        random: "Random",
    ) -> "Master":
        """A new leader, from what the registry holds. Everything else comes from agents and
        frameworks when they return.
        """
        master = cls(settings, epoch, cluster_id, random)
        context, books = master._context, master._context.books
        context.now = context.began = master._last_step = now
        # An agent comes before its verdict, and f-1-2 before f-1-10.
        for key, value in sorted(records.items(), key=lambda item: _place(item[0])):
            kind = key.partition("/")[0]
            assert isinstance(value, RECORDS[kind]), key
            if isinstance(value, AgentVerdict):
                given_up = books.agents[value.agent_id]
                given_up.state, given_up.since = _VERDICTS[kind], value.wall_time
                given_up.is_unheard = given_up.state is AgentState.UNREACHABLE
            elif isinstance(value, DrainAgent):
                books.agents[value.agent_id].drain = value
            elif isinstance(value, AgentInfo):
                agent = Agent(value, AgentState.RECOVERING, context.awake)
                books.agents[value.agent_id] = agent
                context.timers.at(now + settings.agent_timeout_s, "agent", value.agent_id)
                books.touch_agent(value.agent_id)
            elif isinstance(value, SetWeight):
                books.weights[value.role] = value.weight
            elif isinstance(value, SetQuota):
                books.quotas[value.role] = value
            elif isinstance(value, FrameworkInfo):
                books.removed[value.framework_id] = value
        for agent in books.agents.values():
            books.count(agent)
        return master

    @property
    def books(self) -> Books:
        """For views and checks; whoever reads them changes nothing."""
        return self._context.books

    @property
    def offer_log(self) -> OfferLog:
        """What became of offers, for whoever watches."""
        return self._context.offer_log

    @property
    def epoch(self) -> int:
        return self._context.epoch

    @property
    def cluster_id(self) -> str:
        return self._context.cluster_id

    @property
    def touched(self) -> int:
        """How many things operators should see anew."""
        return len(self._touched)

    def take_touched(self, most: int | None = None) -> dict[str, None]:
        """The keys of their views, the oldest first; from now on they count as seen."""
        if most is None:
            taken, self._touched = self._touched, {}
            return taken
        taken = dict.fromkeys(islice(self._touched, most))
        for key in taken:
            del self._touched[key]
        return taken

    @property
    def touched_last(self) -> Mapping[str, None]:
        """By the last step alone."""
        return self._touched_last

    def handlers(self) -> tuple[type, ...]:
        """What this core answers to: events, and the messages inside."""
        return (
            *self._events,
            *self._frameworks.calls,
            *self._agents.messages,
            *self._operators.calls,
            *self._operators.questions,
        )

    def step(self, event: Event, now: float) -> list[object]:
        """Take in what has happened; what comes back is to be done, in this order."""
        context = self._context
        is_order = isinstance(event, Received) and isinstance(event.message, OperatorCall)
        actions: list[object] = []
        context.actions = actions
        context.version = self.version + 1
        self._pass_time(now)
        self._events[type(event)](event)
        for kind, *key in context.timers.due(now):
            self._timers[kind](*key)
        self._offers.keep_limits()
        self._gangs.look()
        self._offers.rescind_broken()
        if isinstance(event, Tick):
            self._looks.go_on()
            self._operators.answers.go_on()
            self._offers.allocate(context.settings.max_grants_in_quiet)
        elif self._offers.is_overdue():
            self._offers.allocate(context.settings.max_grants_in_flood)
        self._revoking.watch()
        touched = self._touched_last = context.books.take_touched()
        if touched or is_order:
            self.version += 1
            self._touched.update(touched)
        return actions

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do: at once, if something is to be offered."""
        books = self._context.books
        deadlines = [self._offers.next_allocation(), self._context.timers.next()]
        if self._looks.is_under_way or self._operators.answers.is_under_way:
            deadlines.append(self._context.now)
        if self._last_step is not None and (books.agents or books.frameworks):
            # So that a longer gap can only be our own stall.
            deadlines.append(self._last_step + self._context.settings.stall_s / 2)
        return min((d for d in deadlines if d is not None), default=None)

    def check(self) -> None:
        """The books balance, or AssertionError."""
        proof.check(self._context.books, self._context.sessions)

    def check_step(self) -> None:
        """What the last step touched balances: a cost that does not grow with the cluster."""
        proof.check_touched(self._context.books, self._context.sessions, self._touched_last)

    def _pass_time(self, now: float) -> None:
        """A gap between our own steps is our stall, and counts as nobody's silence."""
        context = self._context
        gap = 0.0 if self._last_step is None else now - self._last_step
        if gap > context.settings.stall_s:
            context.stalled_s += gap
        context.now = self._last_step = now

    # --- events

    def _opened(self, event: SessionOpened) -> None:
        context = self._context
        context.sessions[event.session] = None
        due = context.now + context.settings.silent_s
        context.timers.at(due, "stranger", str(event.session))

    def _received(self, event: Received) -> None:
        message = event.message
        if isinstance(message, OperatorCall):
            self._operators.received(event.session, message, self.version + 1)
        elif event.session not in self._context.sessions:
            return  # ended by us; its last words no longer count
        elif isinstance(message, FrameworkMessage):
            self._frameworks.received(event.session, message)
        else:
            assert isinstance(message, AgentMessage), message
            self._agents.received(event.session, message)

    def _received_invalid(self, event: ReceivedInvalid) -> None:
        sessions, reason = self._context.sessions, f"{event.field}: {event.message}"
        if event.session not in sessions:
            return
        if sessions[event.session] is None and not event.call_id:
            # Nothing to answer to, and without its first message a session is none.
            self._context.actions.append(CloseSession(event.session, Code.INVALID, reason))
            del sessions[event.session]
            self._agents.forget_chunks(event.session)
        else:
            self._frameworks.refused(event.session, event.call_id, event.field, event.message)

    def _closed(self, event: SessionClosed) -> None:
        self._agents.forget_chunks(event.session)
        party = self._context.sessions.pop(event.session, None)
        if isinstance(party, Framework) and party.session == event.session:
            self._frameworks.closed(party)
        elif isinstance(party, Agent) and party.session == event.session:
            self._agents.closed(party)

    # --- timers, each of which looks whether it is still due

    def _agent_due(self, agent_id: AgentId) -> None:
        if (agent := self._context.books.agents.get(agent_id)) is not None:
            self._agents.due(agent)

    def _framework_due(self, framework_id: FrameworkId) -> None:
        if (framework := self._context.framework(framework_id)) is not None:
            self._frameworks.beat_due(framework)

    def _stranger_due(self, number: str) -> None:
        """A session on which nobody has said who it is."""
        session, sessions = SessionId(int(number)), self._context.sessions
        if session in sessions and sessions[session] is None:
            message = "nobody said who this is"
            self._context.actions.append(CloseSession(session, Code.SILENT, message))
            del sessions[session]
            self._agents.forget_chunks(session)

    def _gang_due(self, framework_id: FrameworkId, gang_id: str) -> None:
        if (framework := self._context.framework(framework_id)) is not None:
            self._gangs.due(framework, gang_id)

    def _gang_accepts_due(self, framework_id: FrameworkId, gang_id: str) -> None:
        if (framework := self._context.framework(framework_id)) is not None:
            self._gang_accepts.due(framework, gang_id)

    def _failover_due(self, framework_id: FrameworkId) -> None:
        if (framework := self._context.framework(framework_id)) is not None:
            self._departures.failover_due(framework)

    def _forget_due(self, framework_id: FrameworkId) -> None:
        if (framework := self._context.framework(framework_id)) is not None:
            self._departures.forget_due(framework)

    def _filter_due(self, framework_id: FrameworkId) -> None:
        if (framework := self._context.framework(framework_id)) is not None:
            self._offers.filters_due(framework)


__all__ = ["RECORDS", "Event", "Master", "OfferId", "ReceivedInvalid"]
