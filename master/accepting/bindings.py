"""Reserve and unreserve, operations of an accept: what is left is tied to its role, or untied.

The agent carries them out and says what is reserved then; until the accept has ended it holds what
they are about, so nobody is offered that in between.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, MILLIS, Resources, total
from fairlead.common.roles import lineage
from fairlead.common.values import Reservation, Reserve, Unreserve

from ..allocation.reservations import WHOLE, common, held_on, reserved_on, settle, too_many

if TYPE_CHECKING:
    from .program import Program


def reserve(program: "Program", order: Reserve) -> str:
    """Of what is left, and not reserved already."""
    if trouble := _unfit(program, order):
        return trouble
    idle = _idle(program)
    bound = total(idle.get(role, EMPTY) for role in lineage(program.role))
    loose = program.left.without(bound)
    picked = loose.pick(order.resources)
    if picked is None:
        return f"resources: asks for {order.resources}; {loose} is left that is not reserved"
    _take(program, replace(order, resources=picked), _orders(program) + picked)
    return ""


def unreserve(program: "Program", order: Unreserve) -> str:
    """Of what is left, and reserved for this very role; what the agent fixed stays so."""
    if trouble := _unfit(program, order):
        return trouble
    role, orders = program.role, _orders(program)
    idle = common(common(_idle(program).get(role, EMPTY), program.left), orders)
    picked = idle.pick(order.resources)
    if picked is None:
        asks = f"resources: asks for {order.resources}"
        return f"{asks}; {idle} is reserved for {role} and not in use, and not fixed by the agent"
    _take(program, replace(order, resources=picked), orders - picked)
    return ""


def _unfit(program: "Program", order: Reserve | Unreserve) -> str:
    if order.role != program.role:
        return f"role: {order.role!r} is not that of the accept, {program.role!r}"
    if not order.resources:
        return "resources: asks for nothing"
    if order.resources.gpu_millis % MILLIS:
        return f"resources.gpus: {WHOLE}"
    if order.role in program.agent.changes:
        return f"role: an operator is changing what is reserved for {order.role}; try again"
    if trouble := too_many(program.agent, order.role):
        return f"role: {trouble}"
    return ""


def _take(program: "Program", order: Reserve | Unreserve, orders: Resources) -> None:
    program.reserved = orders
    program.spare = program.spare.without(order.resources)
    program.operations.append(order)


def _known(program: "Program") -> Reservation:
    role = program.role
    return program.agent.reservations.get(role, Reservation(role, EMPTY))


def _orders(program: "Program") -> Resources:
    """What is reserved for its role by now, without what is fixed."""
    return _known(program).resources if program.reserved is None else program.reserved


def _idle(program: "Program") -> dict[Role, Resources]:
    """Of each reservation, as the operations so far will have left it."""
    agent, role = program.agent, program.role
    reserved = reserved_on(agent)
    reserved[role] = _orders(program) + _known(program).fixed
    held = held_on(agent)
    held[role] = held.get(role, EMPTY).without(program.left)
    return settle(reserved, held)[0]
