"""What the books know of gangs: the members of each, and offers that were made together.

For `gangs`, which judges them, and for `offers`. A group of launches is a gang of one agent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, FrameworkId, Role, TaskId
from fairlead.common.values import Demand

if TYPE_CHECKING:
    from .entries import Task

GangKey = tuple[FrameworkId, str]
"""Whose, and its id."""


@dataclass(slots=True, eq=False)
class OfferSet:
    """Offers that together serve one gang: when one is taken back, so are the others."""

    demand: Demand
    is_distrusted: bool = False
    """It was not used, which counts once."""
    is_taken: bool = False
    """By the first of its accepts, which come all at once."""

    def serves(self, demands: Sequence[Demand]) -> Demand | None:
        """Which of these; one of its kind, if its own is stated otherwise by now."""
        if self.demand in demands:
            return self.demand
        gangs = (demand for demand in demands if demand.gang)
        return next((gang for gang in gangs if gang.each == self.demand.each), None)

    def take(self, demands: list[Demand]) -> None:
        """What it serves is wanted no more."""
        if not self.is_taken and (served := self.serves(demands)) is not None:
            demands.remove(served)
        self.is_taken = True


@dataclass(slots=True)
class GangHold:
    """Agents on which room is kept for a gang; see `gang_holds`."""

    framework_id: FrameworkId
    role: Role
    demand: Demand
    agents: dict[AgentId, None]
    until: float


@dataclass(slots=True)
class Gang:
    """A gang with members in the books. Once it has formed, members may be forgotten."""

    size: int
    members: dict[TaskId, "Task"] = field(default_factory=dict)
    until: float | None = None
    """By then, in time that we were awake, all have to run."""
    has_formed: bool = False
    is_said_to_have: bool = False
    """By an agent, under a master before this one."""
    told: dict[AgentId, None] = field(default_factory=dict)
    """Agents that know it."""
    broken: str = ""
    """Why; then no member is to live."""


@dataclass(slots=True)
class GangIndex:
    """All gangs, and those of whose members something has changed."""

    gangs: dict[GangKey, Gang] = field(default_factory=dict)
    _touched: dict[GangKey, None] = field(default_factory=dict)

    def add(self, task: "Task") -> None:
        if (key := _key(task)) is not None:
            assert task.launch.task.gang is not None
            gang = self.gangs.setdefault(key, Gang(task.launch.task.gang.size))
            gang.members[task.task_id] = task
            self._touched[key] = None

    def drop(self, task: "Task") -> None:
        """With its last member it is forgotten."""
        if (key := _key(task)) is not None and (gang := self.gangs.get(key)) is not None:
            gang.members.pop(task.task_id, None)
            if not gang.members:
                del self.gangs[key]

    def reported(self, task: "Task", *, has_formed: bool) -> None:
        """By its agent, when it registers."""
        if (key := _key(task)) is not None and (gang := self.gangs.get(key)) is not None:
            gang.is_said_to_have |= has_formed
            gang.told.pop(task.agent_id, None)
            if has_formed:
                gang.told[task.agent_id] = None

    def touch(self, task: "Task") -> None:
        if (key := _key(task)) is not None:
            self._touched[key] = None

    def take_touched(self) -> Iterator[tuple[GangKey, Gang]]:
        """Since it was asked last."""
        touched, self._touched = self._touched, {}
        return ((key, self.gangs[key]) for key in touched if key in self.gangs)


def _key(task: "Task") -> GangKey | None:
    gang = task.launch.task.gang
    return None if gang is None else (task.framework_id, gang.gang_id)
