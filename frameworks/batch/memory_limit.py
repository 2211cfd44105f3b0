"""Whether the kernel has ended a process for want of memory in this process's own cgroup."""

from pathlib import Path

_ROOTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


def memory_kills(cgroups: Path = Path("/proc/self/cgroup")) -> int:
    """How many there have been; 0 also where nobody counts them."""
    try:
        lines = cgroups.read_text().splitlines()
    except OSError:
        return 0
    return max((_count(path) for line in lines for path in _counters(line)), default=0)


def _counters(line: str) -> list[Path]:
    """Where a line of /proc/PID/cgroup says that they are counted."""
    _, controllers, path = line.split(":", 2)
    below = path.lstrip("/")
    if "memory" in controllers.split(","):
        return [_ROOTS[0] / "memory" / below / "memory.oom_control"]
    if not controllers:
        return [root / below / "memory.events" for root in _ROOTS]
    return []


def _count(counters: Path) -> int:
    try:
        pairs = [line.split() for line in counters.read_text().splitlines()]
    except OSError:
        return 0
    return max((int(value) for name, value in pairs if name == "oom_kill"), default=0)
