"""Draws further frameworks: in roles that form a tree, picky about agents and offers, some of them
bad company. For `plan`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from fairlead.common.ids import Role
from fairlead.common.operators import SetQuota
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, AllOf, Comparison, Constraints, Predicate, RoleWish

from .schedulers import Job, Manner

GIB = 2**30
LOANS = Role("loans")
ROLES = (
    Role("research"),
    Role("research/vision"),
    Role("research/vision/maps"),
    Role("research/speech"),
    Role("product/web"),
    Role("product"),
    Role("ops"),
)


@dataclass(frozen=True, slots=True)
class Other:
    """A framework of the crowd."""

    name: str
    wish: RoleWish
    jobs: tuple[Job, ...]
    manner: Manner
    works_in_gangs: bool = False
    borrows: bool = False
    """Whether it can bear to lose what it is lent."""

    def __str__(self) -> str:
        wish = self.wish
        says = [f"{self.name} in {wish.role}, {len(self.jobs)} jobs"]
        says += ["in gangs"] if self.works_in_gangs else []
        says += ["borrows"] if self.borrows else []
        says += ["picky"] if wish.constraints != Constraints() or wish.minimum_offers else []
        says += [f"not beside {', '.join(wish.keep_apart)}"] if wish.keep_apart else []
        says += [self.manner.name] if self.manner.name else []
        return " ".join(says)


MANNERS = (
    Manner(),
    Manner(),
    Manner("declining", declines=0.9),
    Manner("silent", forgets=0.6),
    Manner("without demand", states_demand=False),
    Manner("declining without demand", declines=0.9, states_demand=False),
)


def others(random: Random, agents: Sequence[AgentInfo]) -> tuple[Other, ...]:
    names = [f"bag-{number}" for number in range(1, random.choice((1, 2, 3, 4, 5)))]
    return tuple(_other(random, name, agents) for name in names)


def borrower(random: Random) -> tuple[tuple[Other, ...], tuple[SetQuota, ...]]:
    """Now and then somebody who may hold little and wants more: the rest it can only be lent."""
    if random.random() < 0.5:
        return (), ()
    resources = Resources.of(0.25, GIB // 4)
    jobs = tuple(
        Job(f"loan-{number}", resources, ("work", f"{random.uniform(2.0, 9.0):.3f}", "0"))
        for number in range(random.randint(12, 18))
    )
    other = Other("loan", RoleWish(LOANS), jobs, Manner(), borrows=True)
    return (other,), (SetQuota(LOANS, limits={"cpus": 500}),)


def weights(random: Random) -> Mapping[Role, float]:
    named = random.sample((*ROLES, Role("batch"), Role("service")), random.choice((0, 2, 4)))
    return {role: random.choice((0.25, 0.5, 2.0, 3.0)) for role in named}


def quotas(random: Random) -> tuple[SetQuota, ...]:
    """Limits that bind, and leave room for any one job beside what is reserved idly; guarantees
    that any cluster here can hold.
    """
    calls = []
    for role in random.sample((*ROLES, Role("batch")), random.choice((0, 0, 1, 3))):
        limits = {"cpus": random.choice((3, 4, 5)) * 1000, "mem": random.choice((3, 4)) * GIB}
        guarantees = {"cpus": random.choice((1000, 2000))} if random.random() < 0.3 else {}
        calls.append(SetQuota(role, guarantees, limits if random.random() < 0.7 else {}))
    return tuple(calls)


def _other(random: Random, name: str, agents: Sequence[AgentInfo]) -> Other:
    role = random.choice(ROLES)
    jobs = tuple(_job(random, name, number) for number in range(random.randint(3, 12)))
    apart = (random.choice(ROLES),) if random.random() < 0.15 else ()
    manner = random.choice(MANNERS)
    wish = RoleWish(
        role,
        constraints=_constraints(random, random.choice(agents)),
        minimum_offers=_minimum(jobs) if random.random() < 0.2 else (),
        keep_apart=tuple(other for other in apart if other != role),
    )
    return Other(name, wish, jobs, manner)


def _job(random: Random, name: str, number: int) -> Job:
    resources = Resources.of(random.choice((0.5, 1, 2)), random.choice((1, 2)) * GIB // 2)
    argv = ("work", f"{random.uniform(0.2, 4.0):.3f}", "0")
    limit_s = random.uniform(0.3, 3.0) if random.random() < 0.15 else 0.0
    return Job(f"{name}-{number}", resources, argv, limit_s=limit_s)


def _minimum(jobs: Sequence[Job]) -> tuple[Resources, ...]:
    """Who states a demand is offered no more than that, so it cannot ask for larger offers."""
    sizes = [job.resources for job in jobs]
    return (Resources(min(size.cpus for size in sizes), min(size.mem for size in sizes)),)


def _constraints(random: Random, one: AgentInfo) -> Constraints:
    """Mostly none; else such that at least this agent will do."""
    disk = one.attributes["disk"]
    groups: Sequence[Predicate] = (
        Predicate("zone", Comparison.EQUALS, (one.zone,)),
        Predicate("disk", Comparison.NOT_EQUALS, ("tape",)),
        Predicate("disk", Comparison.IN, (disk, "tape")),
        Predicate("hostname", Comparison.MATCHES, (f"{one.hostname}|agent-[12]",)),
        Predicate("tape", Comparison.NOT_EXISTS),
    )
    kind = random.random()
    if kind < 0.55:
        return Constraints()
    group = (AllOf((random.choice(groups),)),)
    return Constraints(group) if kind < 0.85 else Constraints(preferred=group)
