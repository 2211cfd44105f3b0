"""What a framework says that it wants, judged before it is believed: roles, wishes, demands."""

from collections.abc import Mapping

from fairlead.common.ids import Role
from fairlead.common.messages import Code
from fairlead.common.values import Constraints, Demand, FrameworkInfo, RoleDemand, RoleWish

from .accepting.accepts import Answer
from .allocation.constraints import MAX_PATTERNS, bad_constraints, patterns_of
from .entries import Framework

MAX_DEMANDS = 1000
"""Per role; each may stand for any number of tasks."""


def open_part(wanted: RoleDemand) -> list[Demand]:
    return [demand for demand in wanted.demands if demand.count and demand.each]


def strange_role(framework: Framework, roles: tuple[Role, ...]) -> Answer | None:
    strange = [role for role in roles if role not in framework.info.roles]
    return (Code.INVALID, "roles", f"{strange[0]!r} is none of its roles") if strange else None


def _bad_role(info: FrameworkInfo, roles: list[Role], name: str) -> Answer | None:
    for index, role in enumerate(roles):
        if role not in info.roles:
            return Code.INVALID, f"{name}[{index}].role", f"{role!r} is none of its roles"
        if role in roles[:index]:
            return Code.INVALID, f"{name}[{index}].role", f"names {role!r} twice"
    return None


def bad_wishes(info: FrameworkInfo, wishes: tuple[RoleWish, ...]) -> Answer | None:
    named = {f"wishes[{index}]": wish.constraints for index, wish in enumerate(wishes)}
    return (
        _bad_role(info, [wish.role for wish in wishes], "wishes")
        or _too_many_patterns("wishes", named)
        or _bad_constraints(named)
    )


def bad_demands(info: FrameworkInfo, demands: tuple[RoleDemand, ...]) -> Answer | None:
    named: dict[str, Constraints] = {}
    for index, wanted in enumerate(demands):
        if len(wanted.demands) > MAX_DEMANDS:
            return Code.INVALID, f"demands[{index}].demands", f"more than {MAX_DEMANDS} kinds"
        if wanted.unstated and wanted.demands:
            return Code.INVALID, f"demands[{index}].unstated", "states demands all the same"
        for position, demand in enumerate(wanted.demands):
            field = f"demands[{index}].demands[{position}]"
            named[field] = demand.constraints
    return (
        _bad_role(info, [wanted.role for wanted in demands], "demands")
        or _too_many_patterns("demands", named)
        or _bad_constraints(named)
    )


def _too_many_patterns(field: str, named: Mapping[str, Constraints]) -> Answer | None:
    """Each takes its time to compile, and nobody else is heard meanwhile."""
    patterns = {pattern for each in named.values() for pattern in patterns_of(each)}
    if len(patterns) <= MAX_PATTERNS:
        return None
    message = f"name {len(patterns)} different patterns; {MAX_PATTERNS} are allowed in a call"
    return Code.INVALID, field, message


def _bad_constraints(named: Mapping[str, Constraints]) -> Answer | None:
    for field, constraints in named.items():
        if (wrong := bad_constraints(constraints)) is not None:
            return Code.INVALID, f"{field}.constraints.{wrong[0]}", wrong[1]
    return None
