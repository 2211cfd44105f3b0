"""What outlives the processes of a simulated cluster: machines, and where frameworks run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from fairlead.common.values import AgentInfo

from .disk import Disk
from .launcher import Launcher
from .nodes import AgentNode, FrameworkNode
from .plan import Plan, framework_info
from .schedulers import Bag, Job, Memory, Replayable, Service
from .swapping import Swapper

GUEST_LIMIT_S = 6.0
FOR_EVER_S = 1e6


@dataclass(slots=True)
class AgentHost:
    """A machine: what outlives its agent."""

    info: AgentInfo
    disk: Disk
    launcher: Launcher
    offset: float
    boots: int = 1
    places: int = 1
    lives: int = 0
    node: AgentNode | None = None


@dataclass(slots=True)
class FrameworkHost:
    """Where a framework runs, and its database."""

    name: str
    make: Callable[[Memory], Replayable]
    memory: Memory = field(default_factory=Memory)
    lives: int = 0
    node: FrameworkNode | None = None

    @property
    def has_stopped(self) -> bool:
        return self.node is not None and self.node.has_stopped


def framework_hosts(plan: Plan) -> list[FrameworkHost]:
    """One for each framework that the plan has, before its first life."""
    service = framework_info("service", FOR_EVER_S)
    bags = {"batch": plan.batch, **{f"bag-{n}": jobs for n, jobs in enumerate(plan.bags, 1)}}

    def bag(memory: Memory, name: str, jobs: tuple[Job, ...]) -> Replayable:
        random = Random(f"{plan.seed}/{name}/{memory.lives}")
        return Bag(framework_info(name, FOR_EVER_S), jobs, memory, random)

    def up(memory: Memory) -> Replayable:
        random = Random(f"{plan.seed}/service/{memory.lives}")
        return Service(service, plan.service, memory, random, plan.roll_s)

    def train(memory: Memory) -> Replayable:
        random = Random(f"{plan.seed}/training/{memory.lives}")
        info = framework_info("training", FOR_EVER_S)
        return Swapper(info, plan.training, memory, random, plan.slice_s)

    def visit(memory: Memory) -> Replayable:
        guest = plan.guest
        assert guest is not None
        limit = GUEST_LIMIT_S if guest.way == "vanishes" else FOR_EVER_S
        random = Random(f"{plan.seed}/guest/{memory.lives}")
        service = Service(framework_info("guest", limit), guest.jobs, memory, random, 0.0)
        service.states_demand = False
        return service

    hosts = [FrameworkHost(name, partial(bag, name=name, jobs=jobs)) for name, jobs in bags.items()]
    hosts.insert(1, FrameworkHost("service", up))
    if plan.training:
        hosts.append(FrameworkHost("training", train))
    return [*hosts, FrameworkHost("guest", visit)] if plan.guest else hosts
