"""Offers of what tasks hold and do not use, to frameworks that can bear to lose it (M26).

An agent measures it and takes it back by itself (`agent/idle.py`); only cpus are lent. Such an
offer has memory and disk that are free like any other, and in `revocable` the cpus. A task that is
marked as revocable takes its cpus from there: they become its limit, and it holds none. So they
count in no share, no quota and nothing that is used; here they are counted for themselves.
"""

from collections.abc import Iterator
from dataclasses import replace

from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import TaskInfo

from ..books import Books
from ..entries import Agent, Framework
from ..settings import MasterSettings
from .allocator import Grant
from .demands import fitting, open_demand
from .rules import Case, part, passes, suits

CAPABILITY = "revocable"
"""Of a framework that may be offered it."""


def note_borrower(books: Books, framework: Framework) -> None:
    """Whether it is one, by what it said when it subscribed."""
    if CAPABILITY in framework.info.capabilities:
        books.borrowers[framework.framework_id] = None
    else:
        books.borrowers.pop(framework.framework_id, None)


def cpus_lent(agent: Agent) -> int:
    """Thousandths of cpus, to tasks and by offers."""
    tasks = (task.launch.task for task in agent.tasks.values() if not task.is_terminal)
    to_tasks = sum(borrows(info) for info in tasks)
    return to_tasks + sum(held.offer.revocable.cpus for held in agent.offers.values())


def borrows(info: TaskInfo) -> int:
    """The cpus of a revocable task, once it is launched."""
    return info.limits.cpus if info.revocable and info.limits is not None else 0


def as_borrower(info: TaskInfo, holds: Resources) -> TaskInfo:
    """As its agent is to run it: its cpus are a limit, and the rest is what it holds."""
    limits = replace(info.limits or EMPTY, cpus=info.resources.cpus)
    return replace(info, resources=holds, limits=limits)


def trouble_of(info: TaskInfo) -> str:
    """What is wrong with a revocable task by itself; empty: nothing."""
    if info.revocable and not info.resources.mem:
        return "revocable: only cpus are; it needs some memory of its own"
    return ""


def grants(books: Books, settings: MasterSettings, now: float, agent: Agent) -> Iterator[Grant]:
    """Units of stated demand, first for whoever has been lent least, then who has the lowest share;
    each is booked before the next is asked for.
    """
    if not _left(agent):
        return
    borrowers = (books.frameworks[framework_id] for framework_id in books.borrowers)
    able = [
        (_lent_to(framework), books.scale.of(framework.held.get(role, EMPTY)), framework, role)
        for framework in borrowers
        if framework.is_present
        if settings.believes(framework.refusals)
        for role in framework.info.roles
        if framework.demands.get(role) and role not in framework.suppressed
    ]
    for _, _, framework, role in sorted(able, key=lambda each: each[:2]):
        case = Case(books, settings, now, framework, role, agent, revocable=True)
        count, units = _units(case)
        if units and passes(case, units):
            cpus = Resources(cpus=units.cpus)
            yield Grant(agent, framework, role, units - cpus, True, count, revocable=cpus)


def _units(case: Case) -> tuple[int, Resources]:
    """What it wants and could have there, beside what nobody else may have."""
    agent, given, number = case.agent, EMPTY, 0
    own = part(case, Resources(mem=agent.free.mem, disk=agent.free.disk))
    room = replace(own, cpus=_left(agent), gpus=(), ports=())
    for demand in open_demand(case.books, case.framework, case.role):
        is_plain = demand.each.mem and not demand.gang
        if is_plain and demand.each.cpus and suits(case, demand):
            count, units = fitting(room, demand.each, demand.count)
            room, given, number = room - units, given + units, number + count
    return number, given


def _left(agent: Agent) -> int:
    """Thousandths of cpus that are idle there, and not lent."""
    idle = min(agent.revocable.cpus, agent.info.resources.cpus)
    return max(0, idle - cpus_lent(agent))


def _lent_to(framework: Framework) -> int:
    """Thousandths of cpus."""
    tasks = framework.tasks.values()
    return sum(borrows(task.launch.task) for task in tasks if not task.is_terminal)
