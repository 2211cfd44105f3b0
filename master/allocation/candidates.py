"""Who may be offered something: a framework in one of its roles, and what it wants.

Kept by `standings` between allocations; on the agent at hand the allocator notes here what it gets.
"""

from collections.abc import Mapping
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand

from ..entries import Framework
from ..filters import Filter
from .tree import Level

FIRST, REST = 0, 1
"""Who believably wants something, and who does not."""
NO_LEVEL: Level = (0, 0, "")
Amounts = tuple[int, int, int, int, int]
"""A `Resources.vector`."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A framework in one role that may be offered something."""

    framework: Framework
    role: Role
    number: tuple[int, int]
    """In the order of the books, in which grants are made."""
    wants: tuple[Demand, ...] | None = ()
    """What is still open of its demand; None: nothing stated."""
    sizes: tuple[Resources, ...] = ()
    """Of the tasks that it wants."""
    needs: tuple[Amounts, ...] = ()
    """The same in numbers."""
    is_believed: bool = True
    level: Level = NO_LEVEL
    """Beside the other frameworks of its role."""
    order: int = -1
    """In which it stands; -1: in none."""
    refused: Mapping[str, tuple[Filter, ...]] = field(init=False)
    """Its filters, by places."""
    # --- on the agent at hand
    has_refused: bool = False
    """Of what is free there."""
    reasons: tuple[bool, ...] = ()
    """Why it comes before others, whatever their shares."""
    most: Resources = EMPTY
    """All that it could get there, if nobody else came."""
    here: Resources = EMPTY
    """What it got there."""
    served: tuple[Demand, ...] | None = None
    """`wants` without that."""

    def __post_init__(self) -> None:
        self.refused = self.framework.filters.of(self.role)

    @property
    def comes_first(self) -> bool:
        return self.wants is not None and self.is_believed

    def could_use(self, free: Amounts) -> bool:
        """Whether anything that it wants might fit, by amounts."""
        have_cpus, have_mem, have_disk, have_gpus, have_ports = free
        for cpus, mem, disk, gpus, ports in self.needs:
            is_enough = cpus <= have_cpus and mem <= have_mem and disk <= have_disk
            if is_enough and gpus <= have_gpus and ports <= have_ports:
                return True
        return self.wants is None
