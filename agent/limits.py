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
    """Its limits, and its request where that is more: it may have grown."""
    limits, request = info.limits or EMPTY, info.resources
    cpus, memory_bytes = max(limits.cpus, request.cpus), max(limits.mem, request.mem)
    return Limits(request.cpus, cpus, memory_bytes, processes)
