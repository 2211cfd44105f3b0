"""Who is owed something, and who may be taken from: the rules of revocation. `takings` plans by
them, `notices` carries it out; all is a pure function of the books.

A framework in a role is a **loser** while its demand is open and believed, and it holds less than
its fair share (`fair`), or its role less than is guaranteed to it. It is given one unit of its
demand at a time, whoever is furthest below its share first, each on the agent where that costs
least; what it costs are tasks of **takers**.

Who may be taken from: nobody loses what is guaranteed to its role. For a guarantee, everybody else
may. For a fair share, whoever in the end stands no lower than the loser: at the level of the tree
where the two part, the taker without its task must not be below the loser with its unit. One that
has stated no demand may fall below, if it stood higher before: it never asks to have anything back,
and it is offered all that is left over. So the lowest of two shares grows with each revocation, as
with each offer, and while nobody wants anything else there is a last one: nothing is taken back and
forth. Whoever holds all that there is with a single task keeps it: it could not start again.

Worked example: 8 cpus, A holds 8 with tasks of one, B holds none and wants 3, C holds none and
wants nothing. B's fair share is 3, A's is 5. A holds 8 > 5; with 7, 6, 5 it is not below B with 1,
2, 3: three of its tasks. Had B wanted all 8, it would get 4: with 3 A would stand below B with 5.

What costs least: what is beyond the fair share of its taker comes first, then what takers above
theirs hold, then the rest; among these revocable tasks, the lowest priority, the youngest. Agents
are compared in the same way, and then by the share that is lost. The members of a gang are taken
together, wherever they are, or not at all: none of them lives without the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairlead.common.resources import EMPTY, NAMES, Resources, total
from fairlead.common.roles import lineage
from fairlead.common.values import Demand

from ..allocation.demands import fitting, open_demand
from ..allocation.quota import is_owed
from ..books import Books
from ..entries import Agent, Task, anonymous
from ..settings import MasterSettings
from .fair import fair_shares, path
from .imagined import Imagined
from .revocations import Claim

Wants = Mapping[Claim, tuple[Demand, ...]]
Shares = Mapping[Claim, Resources]


def open_wants(books: Books, settings: MasterSettings) -> dict[Claim, tuple[Demand, ...]]:
    """Demand that is believed and not offered yet. Gangs revoke nothing: a place for one member
    would serve nobody.
    """
    wants = {}
    for framework in books.frameworks.values():
        if not framework.is_present or not settings.believes(framework.refusals):
            continue
        for role in framework.info.roles:
            if role in framework.suppressed or not framework.demands.get(role):
                continue
            if demands := open_demand(books, framework, role):
                wants[framework.framework_id, role] = demands
    return wants


def unserved(books: Books, wants: Wants) -> dict[Claim, tuple[Demand, ...]]:
    """What of these demands nothing is being taken back for."""
    left = dict(wants)
    for revocation in books.revocations.values():
        if (demands := left.get(revocation.claim)) is not None:
            given = (len(revocation.units) * (each.each == revocation.each) for each in demands)
            counts = (each.count - less for each, less in zip(demands, given, strict=True))
            left[revocation.claim] = tuple(
                replace(each, count=count)
                for each, count in zip(demands, counts, strict=True)
                if count > 0
            )
    return left


def shares_of(books: Books, wants: Wants) -> dict[Claim, Resources]:
    """The fair share of everybody who holds or wants anything."""
    useful: dict[Claim, Resources] = {
        (framework.framework_id, role): held
        for framework in books.frameworks.values()
        for role, held in framework.held.items()
    }
    for claim, demands in wants.items():
        for demand in demands:
            _, units = fitting(books.capacity, anonymous(demand.each), demand.count)
            useful[claim] = useful.get(claim, EMPTY) + units
    return fair_shares(books, useful)


# --- who is owed something


def losers(books: Books, wants: Wants, shares: Shares) -> list[Claim]:
    """With open demand, and below their guarantee or fair share."""
    with Imagined(books) as world:
        world.revoked()
        return [claim for claim in wants if is_loser(world, shares, claim, wants[claim])]


def is_loser(world: Imagined, shares: Shares, claim: Claim, demands: tuple[Demand, ...]) -> bool:
    """Whether it should have more, and has a use for it."""
    is_below = world.standing.beyond(claim, shares.get(claim, EMPTY)) < 0
    return bool(demands) and (is_below or is_guaranteed(world, claim, demands))


def is_guaranteed(world: Imagined, claim: Claim, demands: tuple[Demand, ...]) -> bool:
    """Whether some of what it wants is guaranteed to its role, and not had yet."""
    return any(is_owed(world.books, {}, claim[1], demand.each, world.outlook) for demand in demands)


# --- who may be taken from


def takeable(agent: Agent) -> list[Task]:
    """What could be taken of an agent, the cheapest first: revocable tasks, then the lowest
    priority, then the youngest.
    """
    tasks = [task for task in agent.tasks.values() if task.held]
    tasks.reverse()
    tasks.sort(key=cheapness)
    return tasks


def whole_of(books: Books, task: Task) -> tuple[Task, ...]:
    """It, and its gang, which ends with it. None: what an accept is under way with is let alone
    meanwhile.
    """
    whole: tuple[Task, ...] = (task,)
    if (gang := task.launch.task.gang) is not None:
        members = books.gangs.gangs[task.framework_id, gang.gang_id].members.values()
        whole += tuple(member for member in members if member.held and member is not task)
    return () if any(map(books.accepts_of, whole)) else whole


def cheapness(task: Task) -> tuple[bool, int]:
    """Lower is cheaper, among tasks with the youngest first."""
    info = task.launch.task
    return not info.revocable, info.priority


def owner(task: Task) -> Claim:
    """In whose name it runs."""
    return task.framework_id, task.role


def may_take(world: Imagined, claim: Claim, each: Resources, whole: Sequence[Task]) -> bool:
    """Whether these tasks, all of one framework, may end so that the claim gets a unit."""
    task, held = whole[0], total(anonymous(task.held) for task in whole)
    if task.framework_id == claim[0] or _is_kept(world, claim, task, held):
        return False
    is_due = is_owed(world.books, {}, claim[1], each, world.outlook)
    if is_due and not _share_a_guarantee(world, claim, task):
        return True
    standing = world.standing
    ours, theirs = next(
        nodes for nodes in zip(path(claim), path(owner(task)), strict=False) if len(set(nodes)) > 1
    )
    after = standing.level(ours, gets=each)
    if task.role in world.books.frameworks[task.framework_id].demands:
        return standing.level(theirs, loses=held) >= after
    return standing.level(theirs) > after


def _is_kept(world: Imagined, claim: Claim, task: Task, lost: Resources) -> bool:
    """Whether it is part of what is guaranteed to a role that would lose it."""
    books = world.books
    for role in lineage(task.role):
        if role in lineage(claim[1]) or (quota := books.quotas.get(role)) is None:
            continue
        held = books.held.get(role, EMPTY).vector
        for name, holds, loses in zip(NAMES, held, lost.vector, strict=False):
            if loses and holds - loses < quota.guarantees.get(name, 0):
                return True
    return False


def _share_a_guarantee(world: Imagined, claim: Claim, task: Task) -> bool:
    """Then one has what the other has not, and nothing is gained for their role."""
    return any(
        role in lineage(task.role) and (quota := world.books.quotas.get(role)) and quota.guarantees
        for role in lineage(claim[1])
    )
