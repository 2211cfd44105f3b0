"""How reservations change: an operator orders, the agent carries it out and says what is so.

The books follow the agent's word alone, at its registration and after each change. While an order
waits for its answer, what is to be reserved is kept from others already, and the operator waits.
"""

from collections.abc import Iterable
from dataclasses import replace

from fairlead.common.events import Send
from fairlead.common.ids import ANY_GPU, AgentId, CallId, Role, SessionId
from fairlead.common.messages import CallResult, ChangeReservation, Code, ReservationChanged
from fairlead.common.operators import OperatorReply, SetReservation
from fairlead.common.resources import EMPTY, MILLIS, Resources, total
from fairlead.common.roles import bad_role, is_below
from fairlead.common.values import Reservation

from .allocation.limits import reserved_beyond
from .allocation.reservations import WHOLE, encroached, reserved_on, settle, too_many, used_on
from .context import Context
from .entries import Agent, Change
from .offers import Offers

ANSWER_S = 5.0
"""So long an operator waits for an agent; it waits twice as long for a master."""
Answer = tuple[Code, str, str]
"""Code, the field it is about, and a message."""


class Reserving:
    """Orders, and what agents say of them."""

    def __init__(self, context: Context, offers: Offers) -> None:
        self._context = context
        self._offers = offers

    # --- ordered

    def order(self, session: SessionId, call_id: CallId, call: SetReservation) -> Answer | None:
        """None: the agent answers first."""
        agent = self._context.books.agents.get(call.agent_id)
        if agent is None:
            return Code.NOT_FOUND, "agent_id", f"no agent {call.agent_id!r} is known"
        if (wrong := _wrong(agent, call)) is not None:
            return wrong
        known = agent.reservations.get(call.role, Reservation(call.role, EMPTY))
        room = _room(agent, call.role)
        whole = _named(call.resources, known, room)
        if whole is None or not room.contains(whole):
            there = f"{agent.info.name} has {room} that {call.role} could have"
            return Code.REFUSED, "resources", f"{there}, not {call.resources}"
        if trouble := reserved_beyond(self._context.books, agent, call.role, whole):
            return Code.REFUSED, "resources", trouble
        order_id = self._context.new_id("r")
        due = self._context.now + ANSWER_S
        self._context.timers.at(due, "change", call.agent_id, call.role, order_id)
        agent.changes[call.role] = Change(order_id, whole, session, call_id)
        self._index(agent)
        self._context.to_agent(
            agent, ChangeReservation(order_id, call.role, whole.without(known.fixed))
        )
        if not known.whole.contains(whole):
            self._offers.rescind_agent(agent, f"resources of it are reserved for {call.role}")
        self._touch(agent, call.role)
        return None

    def due(self, agent_id: AgentId, role: Role, order_id: str) -> None:
        """Its agent is silent. What is to be reserved is kept from others all the same."""
        agent = self._context.books.agents.get(agent_id)
        change = agent.changes.get(role) if agent is not None else None
        if agent is not None and change is not None and change.order_id == order_id:
            message = f"{agent.info.name} has not answered within {ANSWER_S:g} s; it may do it yet"
            self._reply(change, Code.REFUSED, message)
            agent.changes[role] = replace(change, session=None)

    # --- the agent's word

    def brought(self, agent: Agent, reservations: Iterable[Reservation]) -> None:
        """With its registration, whole."""
        before, agent.reservations = agent.reservations, {}
        for reservation in reservations:
            self._believe(agent, reservation)
        for role in (*before, *agent.reservations):
            self._touch(agent, role)
        self._index(agent)

    def changed(self, agent: Agent, message: ReservationChanged) -> None:
        role = message.reservation.role
        self._believe(agent, message.reservation)
        self._index(agent)
        change = agent.changes.get(role)
        if change is not None and change.order_id == message.order_id:
            del agent.changes[role]
            self._index(agent)
            code = Code.REFUSED if message.message else Code.OK
            self._reply(change, code, message.message)
        self._touch(agent, role)
        if encroached(agent):
            self._offers.rescind_agent(agent, "more of it is reserved than was known")

    def lost(self, agent: Agent) -> None:
        """Its session is over: whether it has carried out its orders, it will say itself."""
        for role, change in agent.changes.items():
            name = agent.info.name
            self._reply(change, Code.REFUSED, f"{name} was lost before it answered")
            self._touch(agent, role)
        agent.changes.clear()
        self._index(agent)

    def _believe(self, agent: Agent, reservation: Reservation) -> None:
        if reservation.whole:
            agent.reservations[reservation.role] = replace(reservation, changed_by="")
        else:
            agent.reservations.pop(reservation.role, None)

    def _index(self, agent: Agent) -> None:
        reserving, agent_id = self._context.books.reserving, agent.info.agent_id
        if agent.reservations or agent.changes:
            reserving[agent_id] = None
        else:
            reserving.pop(agent_id, None)

    def _touch(self, agent: Agent, role: Role) -> None:
        books = self._context.books
        books.dirty[agent.info.agent_id] = None
        books.touch_agent(agent.info.agent_id)
        books.touch_role(role)
        books.look_beyond()

    def _reply(self, change: Change, code: Code, message: str) -> None:
        if change.session is None:
            return
        field = "resources" if message else ""
        result = CallResult(change.call_id, code, field, message)
        reply = OperatorReply(result, self._context.version)
        self._context.actions.append(Send(change.session, reply))


def _wrong(agent: Agent, call: SetReservation) -> Answer | None:
    if trouble := bad_role(call.role):
        return Code.INVALID, "role", trouble
    if call.resources.gpu_millis % MILLIS:
        return Code.INVALID, "resources.gpus", WHOLE
    name = agent.info.name
    if agent.session is None:
        message = f"{name} is {agent.state.name}, and keeps its reservations itself"
        return Code.REFUSED, "agent_id", message
    if call.role in agent.changes:
        message = f"what {name} has reserved for {call.role} is being changed; try again"
        return Code.REFUSED, "role", message
    if trouble := too_many(agent, call.role):
        return Code.REFUSED, "role", trouble
    known = agent.reservations.get(call.role)
    if known is not None and not call.resources.covers(known.fixed):
        message = f"{known.fixed} is fixed there by its own --reserve, and ends with that alone"
        return Code.REFUSED, "resources", message
    return None


def _room(agent: Agent, role: Role) -> Resources:
    """What could be reserved for it: what nobody else has reserved, nor holds beyond that."""
    others = {owner: kept for owner, kept in reserved_on(agent).items() if owner != role}
    _, beyond = settle(others, used_on(agent))
    taken = total(held for holder, held in beyond.items() if not is_below(holder, role))
    strays = total(agent.strays.values())
    return agent.info.resources.without(total(others.values())).without(taken).without(strays)


def _named(wanted: Resources, known: Reservation, room: Resources) -> Resources | None:
    """With its devices: those that are fixed first, then those that it has; None: not there."""
    if [name for name, _ in wanted.gpus] != [ANY_GPU]:
        return wanted if wanted.contains(Resources(gpus=known.fixed.gpus)) else None
    gpus = Resources(gpus=known.fixed.gpus)
    for source in (known.resources, room):
        there = Resources(gpus=source.gpus).without(gpus)
        more = min(wanted.gpu_millis - gpus.gpu_millis, there.gpu_millis) // MILLIS * MILLIS
        if more:
            gpus += there.pick(Resources(gpus=((ANY_GPU, more),))) or EMPTY
    return replace(wanted, gpus=gpus.gpus) if gpus.gpu_millis == wanted.gpu_millis else None
