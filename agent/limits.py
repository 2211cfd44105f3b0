"""What a task is held to, from what it asked for: containerizers enforce it, the core names it."""

from dataclasses import dataclass

from fairlead.common.resources import EMPTY
from fairlead.common.values import TaskInfo


@dataclass(frozen=True, slots=True)
class Limits:
    """Zero is as much as there is. Cpus are in thousandths."""

    cpus_request: int = 0
    """Its weight against others, when all of them want more than there is."""
    cpus: int = 0
    memory_bytes: int = 0
    processes: int = 0
    """Threads count as well."""


def limits_of(info: TaskInfo, processes: int = 0) -> Limits:
    """Its limits, and its request where it names none."""
    limits, request = info.limits or EMPTY, info.resources
    return Limits(request.cpus, limits.cpus or request.cpus, limits.mem or request.mem, processes)
