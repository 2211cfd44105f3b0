"""What a scheduler wants, beside what the master was told of it: the difference is to be said."""

from fairlead.common.ids import Role
from fairlead.common.messages import FrameworkBody, Revive, SetDemand, Suppress
from fairlead.common.values import RoleDemand, RoleWish

from .scheduler import Scheduler


class Wants:
    """Watches `wishes` and `demands`; remembers what Suppress and Revive said beside them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._suppressed: dict[Role, bool] = {}
        self._told: dict[Role, bool] = {}
        """What the master knows: a role that it never heard of is not suppressed."""
        self._wished = self._suppressed_wishes()
        self._demanded: tuple[RoleDemand, ...] = ()
        self._has_stated = False
        """The master knows of a demand."""

    def whole(self) -> tuple[tuple[RoleWish, ...], tuple[RoleDemand, ...]]:
        """For a Subscribe, which says everything; from now on the master knows it."""
        self._note_wishes()
        self._has_stated = False
        self._demanded = self._demands()
        self._has_stated = bool(self._demanded)
        wishes = {wish.role: wish for wish in self._scheduler.wishes}
        for role, suppressed in self._suppressed.items():
            wish = wishes.get(role, RoleWish(role))
            wishes[role] = RoleWish(
                role, suppressed, wish.constraints, wish.minimum_offers, wish.keep_apart
            )
        self._told = {role: wish.suppressed for role, wish in wishes.items()}
        return tuple(wishes.values()), self._demanded

    def changes(self) -> list[FrameworkBody]:
        """What the master does not know yet."""
        calls: list[FrameworkBody] = []
        self._note_wishes()
        changed = {
            role: suppressed
            for role, suppressed in self._suppressed.items()
            if suppressed != self._told.get(role, False)
        }
        self._told.update(changed)
        if to_suppress := tuple(role for role, suppressed in changed.items() if suppressed):
            calls.append(Suppress(to_suppress))
        if to_revive := tuple(role for role, suppressed in changed.items() if not suppressed):
            calls.append(Revive(to_revive))
        demands = self._demands()
        if news := tuple(wanted for wanted in demands if wanted not in self._demanded):
            calls.append(SetDemand(news))
        if demands:
            self._demanded = demands
            self._has_stated = self._scheduler.demands is not None
        return calls

    def spend(self) -> None:
        """An accept has left: the master takes its launches off the demand, so it is said anew."""
        self._demanded = ()

    def ordered(self, order: Suppress | Revive, *, said: bool) -> None:
        """The scheduler said so itself; it holds after a failover too, and if it must wait."""
        roles = order.roles or self._scheduler.framework.roles
        suppressed = dict.fromkeys(roles, isinstance(order, Suppress))
        self._suppressed.update(suppressed)
        if said:
            self._told.update(suppressed)

    def _note_wishes(self) -> None:
        """What `wishes` say goes by their change; what was ordered beside them stays otherwise."""
        wished = self._suppressed_wishes()
        for role in dict.fromkeys((*self._wished, *wished)):
            if wished.get(role, False) != self._wished.get(role, False):
                self._suppressed[role] = wished.get(role, False)
        self._wished = wished

    def _suppressed_wishes(self) -> dict[Role, bool]:
        return {wish.role: wish.suppressed for wish in self._scheduler.wishes}

    def _demands(self) -> tuple[RoleDemand, ...]:
        """Of every role, once any demand is stated: a role that is not named wants nothing. None
        after all is said as well.
        """
        stated, roles = self._scheduler.demands, self._scheduler.framework.roles
        if stated is None:
            withdrawn = roles if self._has_stated else ()
            return tuple(RoleDemand(role, (), unstated=True) for role in withdrawn)
        by_role = {wanted.role: wanted for wanted in stated}
        missing = (role for role in roles if role not in by_role)
        return (*by_role.values(), *(RoleDemand(role, ()) for role in missing))
