"""Agents and frameworks as the messages of one master show them: what each has, holds and wants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from re import fullmatch

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.messages import RegisterAgent
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.roles import lineage
from fairlead.common.values import (
    AgentInfo,
    AllOf,
    Comparison,
    Constraints,
    Demand,
    FrameworkInfo,
    Offer,
    Reservation,
    RoleWish,
    TaskInfo,
)

from .laws import ViolationError
from .parts import Part
from .refusals import Refusals

Owner = tuple[FrameworkId, Role]


@dataclass(slots=True)
class Agent:
    """What it has, what runs, on which link it speaks."""

    info: AgentInfo
    link: int
    used: dict[LaunchUuid, Resources] = field(default_factory=dict)
    names: dict[tuple[FrameworkId, TaskId], LaunchUuid] = field(default_factory=dict)
    accepts: dict[str, Part] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    """Of launches and accepts."""
    refused_by: dict[Owner, None] = field(default_factory=dict)
    """Of what is free here, since something was given up."""
    reservations: dict[Role, Reservation] = field(default_factory=dict)
    changes: dict[Role, Resources] = field(default_factory=dict)
    """Ordered of what it reserves, and not answered yet."""
    idle: Resources = EMPTY
    """Held by tasks and not used, as it measured last."""
    lent: dict[LaunchUuid, int] = field(default_factory=dict)
    """Of that, thousandths of cpus to revocable tasks."""

    def lend(self, uuid: LaunchUuid, info: TaskInfo) -> None:
        """If that is what the task lives on."""
        if info.revocable and info.limits is not None:
            self.lent[uuid] = info.limits.cpus

    @property
    def has_reservations(self) -> bool:
        return bool(self.reservations or self.changes)

    @property
    def capacity(self) -> Resources:
        return self.info.resources

    def held(self) -> Iterator[tuple[Owner, str, Resources]]:
        """Whose, what, and how much: tasks, and what accepts have of their own."""
        for uuid, resources in self.used.items():
            yield self.owners.get(uuid, NOBODY), uuid, resources
        for accept_id, part in self.accepts.items():
            yield self.owners.get(accept_id, NOBODY), accept_id, part.own(self.used)

    def check_room(self, offers: Sequence[Offer]) -> None:
        """For all that is used or on offer here."""
        left = self.capacity
        parts: list[tuple[str, Resources]] = [*self.used.items()]
        parts += [(name, part.own(self.used)) for name, part in self.accepts.items()]
        for name, resources in [*parts, *((o.offer_id, o.resources) for o in offers)]:
            if not left.contains(resources):
                raise ViolationError(
                    "offered and used never exceed capacity",
                    f"{self.info.agent_id} has {self.capacity};"
                    f" {name} with {resources} is too much",
                )
            left = left - resources


def reported(
    calls: Sequence[RegisterAgent], agent_id: AgentId, link: int, before: Agent | None
) -> Agent:
    """What an agent said of itself, perhaps in several parts, when it registered."""
    agent = Agent(replace(calls[0].agent, agent_id=agent_id), link)
    if before is not None:
        agent.refused_by, agent.idle = before.refused_by, before.idle
    reservations = (each for call in calls for each in call.reservations)
    agent.reservations = {each.role: each for each in reservations}
    tasks = [task for call in calls for task in call.tasks]
    for task in tasks:
        if not task.latest.state.is_terminal:
            agent.used[task.launch_uuid] = task.resources
            agent.lend(task.launch_uuid, task.task)
            agent.owners[task.launch_uuid] = (task.framework_id, task.role)
            agent.names[task.framework_id, task.task.task_id] = task.launch_uuid
    for progress in (each for call in calls for each in call.accepts):
        launches = {
            task.launch_uuid: task.task.resources
            for task in tasks
            if task.accept_id == progress.accept_id and not task.resources
        }
        named = [(progress.framework_id, task_id) for task_id in progress.task_ids]
        uuids = [agent.names[name] for name in named if name in agent.names]
        part = Part.begun(progress.resources, uuids, launches, agent.used)
        agent.accepts[progress.accept_id] = part
        agent.owners[progress.accept_id] = (progress.framework_id, progress.role)
    return agent


NOBODY: Owner = (FrameworkId(""), Role(""))


@dataclass(slots=True)
class Framework:
    """On which link it speaks, what it wants and what it does not want."""

    link: int
    info: FrameworkInfo
    wishes: dict[Role, RoleWish] = field(default_factory=dict)
    demands: dict[Role, tuple[Demand, ...]] = field(default_factory=dict)
    """As it said last."""
    earlier: dict[Role, dict[OfferId, None]] = field(default_factory=dict)
    """What it had been offered by then."""
    launched: dict[Role, list[Resources]] = field(default_factory=dict)
    """Since then."""
    suppressed: dict[Role, None] = field(default_factory=dict)
    refused: Refusals = field(default_factory=Refusals)
    doubtful: dict[tuple[Role, AgentId], float] = field(default_factory=dict)
    """Perhaps it did not answer an offer of this agent; until when that counts as a refusal."""
    refusals: int = 0
    """Offers that it made no use of, one after another."""
    may_overstate: bool = False
    """Perhaps it ran more tasks than its last offer was to hold: that is no better."""

    @property
    def roles(self) -> tuple[Role, ...]:
        return self.info.roles

    def open_demand(self, role: Role, offered: Sequence[Resources]) -> list[Demand]:
        """What is left for certain: whatever any launch and any offer may have served is gone."""
        left = []
        for demand in self.demands.get(role, ()):
            served = sum(demand.each.covers(each) for each in self.launched.get(role, ()))
            served += sum(units(room, demand.each) for room in offered)
            if demand.count > served:
                left.append(demand)
        return left

    def holds_fewer(self, offers: Sequence[Offer], count: int) -> bool:
        """Whether these were perhaps for fewer tasks."""
        room = total(anonymous(offer.resources + offer.revocable) for offer in offers)
        demands = self.demands.get(offers[0].role, ())
        return any(units(room, demand.each) < count for demand in demands)

    def keeps_from(self, role: Role, other: Role) -> bool:
        wish = self.wishes.get(role)
        return wish is not None and any(each in wish.keep_apart for each in lineage(other))


def units(room: Resources, each: Resources) -> int:
    """How many fit at most, by amounts."""
    pairs = zip(room.vector, each.vector, strict=True)
    return min((have // want for have, want in pairs if want), default=0)


def anonymous(resources: Resources) -> Resources:
    """Amounts alone: devices of different agents are added up."""
    return Resources.of(
        resources.cpus / 1000, resources.mem, resources.disk, resources.gpu_millis / 1000
    )


def held_by(agents: Iterator[Agent]) -> Mapping[Owner, Resources]:
    """What tasks and accepts hold on all agents together."""
    held: dict[Owner, list[Resources]] = {}
    for agent in agents:
        for owner, _, resources in agent.held():
            held.setdefault(owner, []).append(anonymous(resources))
    return {owner: total(parts) for owner, parts in held.items()}


# --- constraints, as the nomenclature says what they mean


_MEANS: Mapping[Comparison, Callable[[str | None, tuple[str, ...]], bool]] = {
    Comparison.EXISTS: lambda value, _: value is not None,
    Comparison.NOT_EXISTS: lambda value, _: value is None,
    Comparison.EQUALS: lambda value, values: value == values[0],
    Comparison.NOT_EQUALS: lambda value, values: value != values[0],
    Comparison.MATCHES: lambda value, values: bool(value and fullmatch(values[0], value)),
    Comparison.NOT_MATCHES: lambda value, values: not (value and fullmatch(values[0], value)),
    Comparison.IN: lambda value, values: value in values,
    Comparison.NOT_IN: lambda value, values: value not in values,
}


def admits(constraints: Constraints, info: AgentInfo) -> bool:
    return not constraints.any_of or holds(constraints.any_of, info)


def holds(groups: Sequence[AllOf], info: AgentInfo) -> bool:
    """Any of them: each of its predicates."""
    place = {"hostname": info.hostname, "zone": info.zone, "rack": info.rack, "name": info.name}
    seen = {**{key: value for key, value in place.items() if value}, **info.attributes}
    return any(
        all(_MEANS[p.comparison](seen.get(p.attribute), p.values) for p in group.predicates)
        for group in groups
    )
