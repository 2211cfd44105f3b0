"""Other limits for a task that runs: written into the files of its control groups, all or none.

Used by `cgroups`. A task is never killed by the change of a limit: less memory than it uses is
refused, once the kernel has taken back what it can.
"""

import errno
from contextlib import suppress
from pathlib import Path

from fairlead.common.errors import ContainerError
from fairlead.common.resources import format_bytes

from .launcher import cgroup
from .launcher.tree import read_file

Writes = list[tuple[str, str]]
_WITH_SWAP = "memory.memsw.limit_in_bytes"
_USED = ("memory.usage_in_bytes", "memory.current")


def change(writes: Writes) -> None:
    """ContainerError if one cannot be done, then none is; nothing if its groups are gone."""
    done: Writes = []
    for path, value in _in_order(writes):
        former = read_file(path).decode().strip()
        try:
            _write(path, value)
        except OSError as problem:
            for each, before in reversed(done):
                with suppress(OSError):
                    cgroup.write(each, before)
            if Path(path).parent.exists():
                raise ContainerError(_explain(path, value, problem)) from None
            return
        done.append((path, former))


def _in_order(writes: Writes) -> Writes:
    """Version 1 wants the limit with swap never to be below the one without."""
    swap = next((each for each in writes if Path(each[0]).name == _WITH_SWAP), None)
    if swap is None:
        return writes
    former = cgroup.number(swap[0])
    is_raised = int(swap[1]) < 0 or (former is not None and int(swap[1]) > former)
    rest = [each for each in writes if each is not swap]
    return [swap, *rest] if is_raised else [*rest, swap]


def _write(path: str, value: str) -> None:
    """Version 2 would make room by killing: first it is asked to without."""
    high = Path(path).with_name("memory.high")
    if Path(path).name != "memory.max" or value == "max":
        cgroup.write(path, value)
        return
    cgroup.write(str(high), value)
    try:
        if _used(path) > int(value):
            raise OSError(errno.EBUSY, "it uses more")
        cgroup.write(path, value)
    finally:
        cgroup.write(str(high), "max")


def _used(path: str) -> int:
    numbers = (cgroup.number(str(Path(path).with_name(name))) for name in _USED)
    return next((each for each in numbers if each is not None), 0)


def _explain(path: str, value: str, problem: OSError) -> str:
    name = Path(path).name
    if name.startswith("memory.") and problem.errno == errno.EBUSY:
        limit, used = format_bytes(int(value)), format_bytes(_used(path))
        return f"cannot hold it to {limit} of memory: it uses {used}"
    return f"cannot set {name} to {value}: {problem.strerror}"
