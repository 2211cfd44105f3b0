"""Draws a world from a seed: who is in it, what they want, how patient and how rough it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from fairlead.common.ids import AgentId, FrameworkId, GpuId, Role
from fairlead.common.operators import OperatorBody, SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, FrameworkInfo, Gpu, Reserve
from fairlead.master.settings import MasterSettings

from .bindings import own_of
from .crowd import GIB, ROLES, Other, borrower, others, quotas, weights
from .ganging import draw_gangs
from .schedulers import Job
from .show import brief

LONG = "100000"
"""Seconds that a service's task would run: longer than any world."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A third framework, that may not stay."""

    way: str
    """stays, leaves (tears itself down), or vanishes (is away beyond its limit)."""
    at: float
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a world is built from."""

    seed: int
    agents: tuple[AgentInfo, ...]
    master: MasterSettings
    silent_s: float
    batch: tuple[Job, ...]
    service: tuple[Job, ...]
    guest: Guest | None
    roll_s: float
    fault_every_s: float
    faults_end: float
    settle_s: float = 200.0
    others: tuple[Other, ...] = ()
    """Further frameworks, each with short jobs of its own."""
    orders: tuple[OperatorBody, ...] = ()
    """Of an operator, in the first seconds."""
    training: tuple[Job, ...] = ()
    """That share devices."""
    slice_s: float = 1.0
    most_faults: int = 1_000_000
    """No more of them, whatever the time."""
    reserved: Mapping[str, tuple[Reserve, ...]] = field(default_factory=dict)
    """By agents, for as long as they live."""
    gangs: tuple[Job, ...] = ()
    """Of which several run at the same time, or none."""

    def size(self) -> str:
        jobs = [*self.batch, *self.service, *self.training, *self.gangs]
        return (
            f"{len(self.agents)} agents, {len(jobs)} jobs, {len(self.others)} other frameworks,"
            f" {len(self.orders)} orders, {min(self.most_faults, 999)} faults at most until"
            f" {self.faults_end:.1f} s"
        )

    def describe(self) -> str:
        master = self.master
        agents = "; ".join(str(info.resources) for info in self.agents)
        guest = "nobody" if self.guest is None else f"{self.guest.way} at {self.guest.at:.1f} s"
        return (
            f"agents: {agents}\n"
            f"timeouts: silent {self.silent_s:g}, agent {master.agent_timeout_s:g},"
            f" offer {master.offer_timeout_s:g}, filter {master.min_filter_s:g},"
            f" revoke {master.revoke_after_s:g} + {master.revoke_grace_s:g}\n"
            f"jobs: {len(self.batch)} short, {len(self.service)} long,"
            f" one replaced every {self.roll_s:g} s; guest: {guest}\n"
            f"others: {'; '.join(map(str, self.others)) or 'none'}\n"
            f"orders: {'; '.join(map(brief, self.orders)) or 'none'}\n"
            f"reserved by agents: {brief(self.reserved) if self.reserved else 'nothing'}\n"
            f"training: {len(self.training)} jobs, slices of {self.slice_s:.1f} s\n"
            f"in gangs: {len(self.gangs)} jobs\n"
            f"faults: one in {self.fault_every_s:.2f} s until {self.faults_end:.1f} s"
        )


def draw(seed: int) -> Plan:
    random = Random(f"{seed}/plan")
    agents = tuple(_agent(random, number) for number in range(1, random.choice((3, 3, 4, 5))))
    gpus = max(len(info.gpus) for info in agents)
    borrowers, limits = borrower(Random(f"{seed}/borrower"))
    silent_s = random.choice((5.0, 10.0))
    master = MasterSettings(
        silent_s=silent_s,
        agent_timeout_s=random.choice((12.0, 20.0, 75.0)),
        offer_timeout_s=random.choice((3.0, 8.0, 30.0)),
        min_filter_s=random.choice((0.0, 0.5, 1.0)),
        fair_refusals=random.choice((1, 3, 3)),
        minimum_offers=random.choice(((), (), (Resources.of(cpus=0.25),))),
        excluded_resources=random.choice(((), (), ("gpus",), ("mem", "disk"))),
        sorter=random.choice(("drf", "drf", "drf", "random")),
        gpu_agents_for_all=random.random() < 0.3,
        hold_after_s=random.choice((0.0, 4.0, 30.0)),
        max_grants=random.choice((1, 3, 500)),
        revoke_after_s=Random(f"{seed}/revocation").choice((0.0, 3.0, 10.0, 60.0)),
        revoke_grace_s=Random(f"{seed}/notice").choice((0.5, 3.0)),
    )
    return Plan(
        seed,
        agents,
        master,
        silent_s,
        tuple(_short(random, number, gpus) for number in range(random.randint(8, 16))),
        tuple(_long(random, "up", number) for number in range(random.randint(2, 4))),
        _guest(random),
        random.choice((0.0, 6.0, 12.0)),
        random.uniform(0.7, 3.0),
        random.uniform(25.0, 45.0),
        training=tuple(_training(random, number) for number in range(random.choice((0, 4, 8, 10))))
        if gpus
        else (),
        slice_s=random.choice((0.3, 0.6, 2.0)),
        gangs=draw_gangs(random, "gang") if sum(not info.gpus for info in agents) > 1 else (),
        others=(*others(random, agents), *borrowers),
        reserved=_reserved(Random(f"{seed}/reserved"), agents),
        orders=(
            *(SetWeight(role, weight) for role, weight in weights(random).items()),
            *quotas(random),
            *limits,
        ),
    )


def _reserved(random: Random, agents: Sequence[AgentInfo]) -> Mapping[str, tuple[Reserve, ...]]:
    found = {info.name: own_of(random, ROLES) for info in agents}
    return {name: own for name, own in found.items() if own}


def _agent(random: Random, number: int) -> AgentInfo:
    count = random.choice((0, 0, 1, 2, 4))
    # Where the gpus are there is room for long tasks beside those that need one.
    # Where none are there is room for all long tasks and any short one: those with gpus are kept.
    cpus = 8 if count else random.choice((6, 8))
    mem = (16 if count else random.choice((12, 16))) * GIB
    gpus = {f"gpu-{number}-{index}": 1.0 for index in range(count)}
    return AgentInfo(
        AgentId(""),
        f"agent-{number}",
        Resources.of(cpus, mem, 100 * GIB, gpus),
        gpus=tuple(Gpu(GpuId(name), "fake", 16 * GIB) for name in gpus),
        name=f"agent-{number}",
        zone=random.choice(("east", "west")),
        attributes={"disk": random.choice(("ssd", "hdd"))},
    )


def _short(random: Random, number: int, gpus: int) -> Job:
    wanted = random.choice((0, 0, 0.5, 1, 2)) if gpus else 0
    resources = Resources.of(
        random.choice((0.5, 1, 2)), random.choice((1, 2)) * GIB, gpus=min(wanted, gpus)
    )
    kind = "stubborn" if random.random() < 0.1 else "work"
    return Job(f"job-{number}", resources, (kind, f"{random.uniform(0.2, 6.0):.3f}", "0"))


def _long(random: Random, name: str, number: int) -> Job:
    kind = "stubborn" if random.random() < 0.2 else "work"
    resources = Resources.of(random.choice((0.25, 0.5)), random.choice((0, 1)) * GIB)
    return Job(f"{name}-{number}", resources, (kind, LONG, "0"), random.choice((0.5, 2.0)))


def _training(random: Random, number: int) -> Job:
    kind = random.choice(("train", "train", "train", "train", "clinging", "work"))
    resources = Resources.of(random.choice((0.25, 0.5)), random.choice((0, 1)) * GIB, gpus=1)
    argv = (kind, f"{random.uniform(2.0, 8.0):.3f}", "0", random.choice(("0.01", "0.1", "1.0")))
    limit_s = random.uniform(1.0, 6.0) if random.random() < 0.15 else 0.0
    return Job(f"net-{number}", resources, argv, limit_s=limit_s)


def _guest(random: Random) -> Guest | None:
    way = random.choice(("", "stays", "leaves", "vanishes"))
    jobs = tuple(_long(random, "visit", number) for number in range(random.randint(1, 3)))
    return Guest(way, random.uniform(5.0, 25.0), jobs) if way else None


def framework_info(name: str, failover_timeout_s: float, role: str = "") -> FrameworkInfo:
    """In a role of its own, unless another is named."""
    roles = (Role(role or name),)
    return FrameworkInfo(FrameworkId(""), name, roles=roles, failover_timeout_s=failover_timeout_s)
