"""What the host and each task use, sampled about once a second.

Tasks are measured in one pass over the process table, whose cost depends on the number of
processes, not of tasks. Nothing here may be called on an event loop: reading /proc takes
milliseconds, and a driver may take longer.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import HostUsage, Usage

from .gpus import GpuBackend, GpuSample
from .launcher.tree import mark_of, read_file, stat_of

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class HostSampler:
    """The whole machine, and the disk on which the agent works."""

    def __init__(self, work_dir: Path, gpus: GpuBackend | None = None) -> None:
        self._work_dir = work_dir
        self._gpus = gpus
        psutil.cpu_percent()  # what it returns next is measured from here

    def sample(self) -> HostUsage:
        memory = psutil.virtual_memory()
        return HostUsage(
            cpu_percent=psutil.cpu_percent(),
            memory_bytes=memory.total - memory.available,
            disk_free_bytes=psutil.disk_usage(str(self._work_dir)).free,
            load=os.getloadavg()[0],
            gpus=self._gpus.usage().devices if self._gpus else (),
        )


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One line of the process table; cpu time includes that of children waited for."""

    pid: int
    parent: int
    session: int
    cpu_s: float
    start_time: int
    memory_bytes: int


class TaskSampler:
    """The processes of each task: its session, what descends from it, what bears its mark."""

    def __init__(self, work_dir: Path, gpus: GpuBackend | None = None) -> None:
        self._directory = str(work_dir.resolve())
        self._gpus = gpus
        self._cpu_s: dict[LaunchUuid, float] = {}
        self._marks: dict[tuple[int, int], LaunchUuid] = {}

    def sample(
        self, mains: Mapping[LaunchUuid, int], adopter: int | None = None
    ) -> dict[LaunchUuid, Usage]:
        """By launch; those that have vanished are left out. The adopter is the launcher."""
        self._cpu_s = {uuid: cpu_s for uuid, cpu_s in self._cpu_s.items() if uuid in mains}
        if not mains:
            return {}
        rows = {row.pid: row for row in _process_table()}
        alive = {(row.pid, row.start_time) for row in rows.values()}
        self._marks = {key: mark for key, mark in self._marks.items() if key in alive}
        members: dict[LaunchUuid, list[ProcessRow]] = defaultdict(list)
        for pid, uuid in self._owners(rows, mains, adopter).items():
            members[uuid].append(rows[pid])
        gpus = self._gpus.usage() if self._gpus else GpuSample()
        return {uuid: self._usage(uuid, processes, gpus) for uuid, processes in members.items()}

    def _usage(self, uuid: LaunchUuid, processes: list[ProcessRow], gpus: GpuSample) -> Usage:
        cpu_s = sum(process.cpu_s for process in processes)
        self._cpu_s[uuid] = max(cpu_s, self._cpu_s.get(uuid, 0.0))  # orphans take theirs along
        io = [_io_bytes(process.pid) for process in processes]
        pids = {process.pid for process in processes}
        held = [each for each in gpus.processes if each.pid in pids]
        devices = {each.gpu_id for each in held}
        busy = [each.utilisation for each in gpus.devices if each.gpu_id in devices]
        return Usage(
            cpu_s=self._cpu_s[uuid],
            memory_bytes=sum(process.memory_bytes for process in processes),
            processes=len(processes),
            io_read_bytes=sum(read for read, _ in io),
            io_write_bytes=sum(written for _, written in io),
            gpu_memory_bytes=sum(each.memory_bytes for each in held),
            gpu_utilisation=sum(busy) / len(busy) if busy else 0.0,
        )

    def _owners(
        self, rows: Mapping[int, ProcessRow], mains: Mapping[LaunchUuid, int], adopter: int | None
    ) -> dict[int, LaunchUuid]:
        """Of each process that belongs to a task: its own claim, or that of its parents."""
        sessions = {pid: uuid for uuid, pid in mains.items() if pid in rows}
        owners: dict[int, LaunchUuid | None] = {}
        for first in rows:
            pid, path = first, []
            while pid in rows and pid not in owners:
                row = rows[pid]
                path.append(pid)
                owners[pid] = sessions.get(row.session)
                if owners[pid] is None and row.parent == adopter:
                    owners[pid] = self._marked(row, mains)
                if owners[pid] is not None:
                    break
                pid = row.parent
            owners.update(dict.fromkeys(path, owners.get(pid)))
        return {pid: owner for pid, owner in owners.items() if owner is not None}

    def _marked(self, row: ProcessRow, mains: Mapping[LaunchUuid, int]) -> LaunchUuid | None:
        """Read once: an environment does not change."""
        key = (row.pid, row.start_time)
        if key not in self._marks:
            self._marks[key] = LaunchUuid(mark_of(row.pid, self._directory))
        return self._marks[key] if self._marks[key] in mains else None


def _process_table() -> Iterator[ProcessRow]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = stat_of(int(entry.name))
            if len(fields) > 21:  # it may have ended meanwhile
                yield _row(int(entry.name), fields)


def _row(pid: int, fields: list[bytes]) -> ProcessRow:
    return ProcessRow(
        pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_s=sum(map(int, fields[11:15])) / TICKS,
        start_time=int(fields[19]),
        memory_bytes=int(fields[21]) * PAGE,
    )


def _io_bytes(pid: int) -> tuple[int, int]:
    """Read from and written to disks; nothing where that may not be read."""
    values = dict(_pairs(read_file(f"/proc/{pid}/io").splitlines()))
    return values.get(b"read_bytes", 0), values.get(b"write_bytes", 0)


def _pairs(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    for line in lines:
        name, _, value = line.partition(b": ")
        yield name, int(value)
