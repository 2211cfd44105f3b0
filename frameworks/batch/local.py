"""Workers as plain child processes: a `WorkerSource` for tests and measurements, no cluster."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import Resources

from .exits import Exit
from .launch import worker_command, worker_pass
from .service import BatchService


@dataclass(frozen=True, slots=True)
class _Process:
    size: Resources
    popen: subprocess.Popen[bytes]
    watch: int


class LocalWorkers:
    """Starts what is wanted, up to `limit` in all, each in a directory of its own."""

    def __init__(self, key: bytes, limit: int = 2) -> None:
        self._key = key
        self._limit = limit
        self._wanted: dict[Resources, int] = {}
        self._processes: dict[str, _Process] = {}
        self._started = 0
        self._directory = tempfile.TemporaryDirectory(prefix="fairlead-workers-")
        self._service: BatchService | None = None
        self._address = ""

    async def serve(self, service: BatchService, port: int = 0) -> str:
        """Start the service, the first one or its successor; returns its address."""
        self._service = service
        self._address = await service.start(port=port)
        return self._address

    @property
    def pids(self) -> dict[str, int]:
        """Of the workers that run now, by name."""
        return {name: process.popen.pid for name, process in self._processes.items()}

    def output(self, stream: str = "stdout") -> str:
        """What all workers have written there."""
        paths = sorted(Path(self._directory.name).glob(f"*/{stream}"))
        return "".join(path.read_text() for path in paths)

    def want(self, size: Resources, count: int) -> None:
        self._wanted[size] = count
        self._start_missing(size)

    def joined(self, worker: str, size: Resources) -> None:
        """It was started here, so it is known."""

    def left(self, worker: str) -> None:
        """When its process ends that is noticed here."""

    def release(self, worker: str) -> None:
        """It exits by itself."""

    def kill(self, worker: str) -> None:
        if worker in self._processes:
            os.killpg(self._processes[worker].popen.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End every worker, with whatever its calls have left."""
        self._wanted.clear()
        for name in list(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._processes[name].popen.pid, signal.SIGKILL)
            self._forget(name)
        self._directory.cleanup()

    def _start_missing(self, size: Resources) -> None:
        have = sum(process.size == size for process in self._processes.values())
        room = self._limit - len(self._processes)
        for _ in range(min(self._wanted.get(size, 0) - have, room)):
            self._start(size)

    def _start(self, size: Resources) -> None:
        self._started += 1
        name = f"worker-{self._started}"
        sandbox = Path(self._directory.name) / name
        sandbox.mkdir()
        worker_pass(self._key, name, size).write(sandbox)
        with (sandbox / "stdout").open("wb") as stdout, (sandbox / "stderr").open("wb") as stderr:
            popen = subprocess.Popen(
                worker_command(self._address),
                cwd=sandbox,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        watch = os.pidfd_open(popen.pid)
        self._processes[name] = _Process(size, popen, watch)
        asyncio.get_running_loop().add_reader(watch, self._on_ended, name)

    def _on_ended(self, name: str) -> None:
        size = self._processes[name].size
        self._forget(name)
        assert self._service is not None
        self._service.worker_ended(name, Exit())
        self._start_missing(size)

    def _forget(self, name: str) -> None:
        process = self._processes.pop(name)
        asyncio.get_running_loop().remove_reader(process.watch)
        os.close(process.watch)
        process.popen.wait()
