"""What of this agent is reserved for which role: here is the truth, durably; masters are told.

Some are fixed by the agent's own configuration, the others come from operators and from accepts. An
accept adds and takes away, so its step is recorded with what came of it: begun again after a crash
it is known to be done. Who may be offered what is the master's business: nothing is refused to a
task that is launched here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fairlead.common.ids import ANY_GPU, Role
from fairlead.common.messages import ChangeReservation, ReservationChanged
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.roles import bad_role
from fairlead.common.values import Reservation, Reserve, Unreserve

from .context import Accept, Context

KIND = "reserved"


class Reservations:
    """By role; one that is empty is kept as long as the accept that emptied it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[Role, Reservation] = {}
        self._untold: dict[Role, None] = {}
        """Changed between our registration and its answer."""
        self._fix(context.settings.reserved)

    def _fix(self, wanted: Iterable[Reserve]) -> None:
        """By our own configuration. The devices are those that no order has taken, if possible."""
        for each in wanted:
            known, devices = self.of(each.role), Resources(gpus=each.resources.gpus)
            picked = self._free().pick(devices) or self._context.ledger.capacity.pick(devices)
            fixed = replace(each.resources, gpus=picked.gpus if picked else ())
            self._known[each.role] = replace(known, fixed=known.fixed + fixed)

    def restore(self, records: Mapping[str, object]) -> None:
        """As they were recorded, beside those that are fixed now."""
        self._known.clear()
        for key, value in records.items():
            assert isinstance(value, Reservation), f"recorded as reserved: {value!r}"
            accept_id = value.changed_by.rpartition("/")[0]
            if value.resources or accept_id in self._context.accepts:
                self._known[Role(key)] = value
            else:
                self._context.record(f"{KIND}/{key}", None)
        self._fix(self._context.settings.reserved)

    # --- what is so

    def of(self, role: Role) -> Reservation:
        return self._known.get(role, Reservation(role, EMPTY))

    def report(self) -> tuple[Reservation, ...]:
        """For the master that registers us."""
        self._untold.clear()
        return tuple(map(_shown, filter(_is_something, self._known.values())))

    def tell_since(self) -> None:
        """The answer is here."""
        for role in self._untold:
            self._tell(role)
        self._untold.clear()

    def _free(self, *, beside: Role | None = None) -> Resources:
        """Reserved for nobody, or for that role."""
        others = total(known.whole for role, known in self._known.items() if role != beside)
        return self._context.ledger.capacity.without(others)

    # --- changed

    def order(self, order: ChangeReservation) -> None:
        """By the master; it hears what came of it."""
        role = order.role
        message = self._trouble(role, order.resources)
        if not message:
            self._change(Reservation(role, order.resources, self.of(role).fixed))
        self._tell(role, order.order_id, message)

    def bind(self, accept: Accept, operation: Reserve | Unreserve) -> str:
        """A step of an accept; what is wrong with it, or nothing."""
        role, known = operation.role, self.of(operation.role)
        if isinstance(operation, Reserve):
            resources = known.resources + operation.resources
            message = self._trouble(role, resources)
        else:
            message = ""
            if not known.resources.contains(operation.resources):
                message = f"resources: {role} has {known.resources}, not {operation.resources}"
            resources = known.resources.without(operation.resources)
        if not message:
            self._change(replace(known, resources=resources, changed_by=accept.token))
            self._tell(role)
        return message

    def is_done(self, accept: Accept, operation: Reserve | Unreserve) -> bool:
        """Whether a crash came between the record of this step and that of the accept's index."""
        return self.of(operation.role).changed_by == accept.token

    def tidy(self, accept_id: str) -> None:
        """It is over, and nothing of it will be begun again."""
        for role, known in tuple(self._known.items()):
            if not _is_something(known) and known.changed_by.startswith(f"{accept_id}/"):
                del self._known[role]
                self._context.record(f"{KIND}/{role}", None)

    def _trouble(self, role: Role, resources: Resources) -> str:
        if trouble := bad_role(role):
            return f"role: {trouble}"
        if ANY_GPU in dict(resources.gpus):  # else it might not be the same after a crash
            return "resources.gpus: the master names devices"
        room = self._free(beside=role).without(self.of(role).fixed)
        if not room.contains(resources):
            return f"resources: {resources} for {role}; the agent has {room} for it"
        return ""

    def _change(self, reservation: Reservation) -> None:
        role = reservation.role
        is_kept = _is_something(reservation) or reservation.changed_by
        if is_kept:
            self._known[role] = reservation
        else:
            self._known.pop(role, None)
        is_recorded = reservation.resources or reservation.changed_by
        value = replace(reservation, fixed=EMPTY) if is_recorded else None
        self._context.record(f"{KIND}/{role}", value)

    def _tell(self, role: Role, order_id: str = "", message: str = "") -> None:
        context = self._context
        if context.session is not None and not context.is_registered:
            self._untold[role] = None
        context.say(ReservationChanged(_shown(self.of(role)), order_id, message))

    def check(self) -> None:
        for role, known in self._known.items():
            assert known.role == role, f"{known} is filed under {role}"
            is_kept = _is_something(known) or known.changed_by
            assert is_kept, f"nothing is reserved for {role}, and it is listed"


def _is_something(reservation: Reservation) -> bool:
    return bool(reservation.whole)


def _shown(reservation: Reservation) -> Reservation:
    return replace(reservation, changed_by="")
