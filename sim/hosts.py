"""What outlives the processes of a simulated cluster: machines, and where frameworks run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from fairlead.common.values import AgentInfo

from .crowd import Other
from .disk import Disk
from .ganging import Ganging
from .launcher import Launcher
from .nodes import AgentNode, FrameworkNode
from .plan import Plan, framework_info
from .schedulers import Bag, Manner, Memory, Replayable, Service
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

    def dice(memory: Memory, name: str) -> Random:
        return Random(f"{plan.seed}/{name}/{memory.lives}")

    def run(memory: Memory) -> Replayable:
        info = framework_info("batch", FOR_EVER_S)
        return Bag(info, plan.batch, memory, dice(memory, "batch"))

    def up(memory: Memory) -> Replayable:
        return Service(service, plan.service, memory, dice(memory, "service"), plan.roll_s)

    def train(memory: Memory) -> Replayable:
        info = framework_info("training", FOR_EVER_S)
        return Swapper(info, plan.training, memory, dice(memory, "training"), plan.slice_s)

    def gather(memory: Memory) -> Replayable:
        info = framework_info("gangs", FOR_EVER_S)  # its members need more agents than one
        info = replace(info, capabilities=("gpus",))
        return Ganging(info, plan.gangs, memory, dice(memory, "gangs"))

    def visit(memory: Memory) -> Replayable:
        guest = plan.guest
        assert guest is not None
        limit = GUEST_LIMIT_S if guest.way == "vanishes" else FOR_EVER_S
        info = framework_info("guest", limit)
        guests = Service(info, guest.jobs, memory, dice(memory, "guest"), 0.0)
        guests.manner = Manner(states_demand=False)
        return guests

    def come(memory: Memory, other: Other) -> Replayable:
        info = framework_info(other.name, FOR_EVER_S, other.wish.role)
        info = replace(info, capabilities=("revocable",) if other.borrows else ())
        kind = Ganging if other.works_in_gangs else Bag
        scheduler = kind(info, other.jobs, memory, dice(memory, other.name))
        scheduler.wishes, scheduler.manner = (other.wish,), other.manner
        return scheduler

    hosts = [FrameworkHost("batch", run), FrameworkHost("service", up)]
    hosts += [FrameworkHost(other.name, partial(come, other=other)) for other in plan.others]
    if plan.gangs:
        hosts.append(FrameworkHost("gangs", gather))
    if plan.training:
        hosts.append(FrameworkHost("training", train))
    return [*hosts, FrameworkHost("guest", visit)] if plan.guest else hosts
