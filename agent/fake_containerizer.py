"""A containerizer in memory, for tests and for authors of what stands on one. It ships.

A `FakeMachine` holds the tasks, so that they outlive the `FakeContainerizer`s made on it. A task
runs until `finish` ends it, or does what the program of its name is scripted to do.
"""

import asyncio
import signal as signals
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from itertools import count

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.resources import format_bytes
from fairlead.common.values import Usage

from .containerizer import ContainerExit, LaunchSpec, OnExit, Recovered, Started, write_files
from .limits import Limits


@dataclass(frozen=True, slots=True)
class FakeProgram:
    """What a command does. `runs_s` None is until it is ended; a `problem` prevents the start.

    One that needs more memory than it may have ends as the kernel would end it.
    """

    runs_s: float | None = None
    code: int = 0
    signal: int | None = None
    ignores: tuple[int, ...] = ()
    memory_bytes: int = 0
    problem: str = ""
    cannot_rest: str = ""
    """Why it cannot be suspended."""
    temporary: bool = False


@dataclass(slots=True)
class FakeTask:
    """One launch. Lost means that nobody will know how it ends."""

    spec: LaunchSpec
    started: Started
    program: FakeProgram
    exit: ContainerExit | None = None
    is_lost: bool = False
    signals: list[int] = field(default_factory=list)
    acted: int = 0
    """How many of the signals it has seen: none while it is suspended."""
    is_suspended: bool = False
    ran_s: float = 0.0
    """Until it was last suspended."""
    goes_since: float = 0.0
    ending: asyncio.TimerHandle | None = None


class FakeMachine:
    """The tasks, and the programs that they may run by name. Others run until they are ended."""

    def __init__(self, programs: Mapping[str, FakeProgram] | None = None) -> None:
        self.programs = dict(programs or {})
        self.tasks: dict[LaunchUuid, FakeTask] = {}
        self.usage: dict[LaunchUuid, Usage] = {}
        self.containerizer: FakeContainerizer | None = None
        self._pids = count(1000)

    def start(self, spec: LaunchSpec) -> Started:
        if not spec.argv:
            raise ContainerError("cannot run nothing: the command is empty")
        program = self.programs.get(spec.argv[0], FakeProgram())
        if program.problem:
            raise ContainerError(program.problem, temporary=program.temporary)
        pid = next(self._pids)
        task = FakeTask(spec, Started("fake-boot", 1, pid, pid), program)
        self.tasks[spec.uuid] = task
        self._go_on(task)
        limit = spec.limits.memory_bytes
        if limit and program.memory_bytes > limit:
            asyncio.get_running_loop().call_soon(self.run_out_of_memory, spec.uuid, limit)
        return task.started

    def _go_on(self, task: FakeTask) -> None:
        loop = asyncio.get_running_loop()
        task.goes_since = loop.time()
        program = task.program
        if program.runs_s is not None:
            end = (task.spec.uuid, program.code, program.signal)
            task.ending = loop.call_later(program.runs_s - task.ran_s, self.finish, *end)

    def ran_s(self, uuid: LaunchUuid) -> float:
        """For how long it has run, the time suspended left out."""
        task = self.tasks[uuid]
        goes_s = 0.0 if task.is_suspended else asyncio.get_running_loop().time() - task.goes_since
        return task.ran_s + goes_s

    def suspend(self, uuid: LaunchUuid) -> None:
        task = self.tasks.get(uuid)
        if task is None or task.exit is not None or task.is_suspended:
            return
        if task.program.cannot_rest:
            raise ContainerError(task.program.cannot_rest)
        task.ran_s = self.ran_s(uuid)
        task.is_suspended = True
        if task.ending is not None:
            task.ending.cancel()

    def resume(self, uuid: LaunchUuid) -> None:
        """What was delivered meanwhile acts now."""
        task = self.tasks.get(uuid)
        if task is None or task.exit is not None or not task.is_suspended:
            return
        task.is_suspended = False
        self._go_on(task)
        waiting = task.signals[task.acted :]
        del task.signals[task.acted :]
        for signum in waiting:
            self.deliver(uuid, signum)

    def update(self, uuid: LaunchUuid, limits: Limits) -> None:
        task = self.tasks.get(uuid)
        if task is None or task.exit is not None:
            return
        if 0 < limits.memory_bytes < task.program.memory_bytes:
            limit, used = map(format_bytes, (limits.memory_bytes, task.program.memory_bytes))
            raise ContainerError(f"cannot hold it to {limit} of memory: it uses {used}")
        task.spec = replace(task.spec, limits=limits)

    def finish(self, uuid: LaunchUuid, code: int = 0, signal: int | None = None) -> None:
        """It ends, unless it has already."""
        task = self.tasks.get(uuid)
        peak = task.program.memory_bytes if task else 0
        self._end(ContainerExit(uuid, code if signal is None else None, signal, peak))

    def run_out_of_memory(self, uuid: LaunchUuid, limit: int) -> None:
        """All of it is killed at its limit."""
        self._end(ContainerExit(uuid, None, signals.SIGKILL, limit, is_out_of_memory=True))

    def _end(self, ended: ContainerExit) -> None:
        task = self.tasks.get(ended.uuid)
        if task is None or task.exit is not None:
            return
        if task.ending is not None:
            task.ending.cancel()
        task.exit = ContainerExit(ended.uuid) if task.is_lost else ended
        if self.containerizer is not None:
            self.containerizer.tell(task.exit)

    def deliver(self, uuid: LaunchUuid, signum: int) -> None:
        """A signal that the program does not ignore ends it."""
        task = self.tasks.get(uuid)
        if task is None or task.exit is not None:
            return
        task.signals.append(signum)
        if task.is_suspended and signum != signals.SIGKILL:
            return
        task.acted = len(task.signals)
        harmless = {signals.SIGCONT, signals.SIGSTOP, signals.SIGTSTP, signals.SIGCHLD}
        if signum == signals.SIGKILL or signum not in {*task.program.ignores, *harmless}:
            self.finish(uuid, signal=signum)

    def lose_launcher(self) -> None:
        """As if what sees tasks end were killed: those that run now end nobody knows how."""
        for task in self.tasks.values():
            task.is_lost = task.exit is None


class FakeContainerizer:
    """A `Containerizer` whose tasks exist on a `FakeMachine` only."""

    isolation = "fake"
    warnings = ("tasks are pretended",)

    def __init__(self, machine: FakeMachine, on_exit: OnExit, *, launch_s: float = 0.0) -> None:
        self._machine = machine
        self._on_exit = on_exit
        self._launch_s = launch_s
        self._told: set[LaunchUuid] = set()

    async def recover(self, known: Collection[LaunchUuid] = ()) -> list[Recovered]:
        self._machine.containerizer = self
        tasks = self._machine.tasks
        self._told = {uuid for uuid, task in tasks.items() if task.exit is not None}
        found = [Recovered(uuid, task.started, task.exit) for uuid, task in tasks.items()]
        lost = [Recovered(uuid, None, ContainerExit(uuid)) for uuid in known if uuid not in tasks]
        return found + lost

    async def launch(self, spec: LaunchSpec) -> Started:
        if spec.uuid in self._machine.tasks:
            return self._machine.tasks[spec.uuid].started
        if spec.files:
            write_files(spec.sandbox, spec.files)
        if self._launch_s:
            await asyncio.sleep(self._launch_s)
        return self._machine.start(replace(spec, files={}))

    async def signal(self, uuid: LaunchUuid, signum: int) -> None:
        self._machine.deliver(uuid, signum)

    async def suspend(self, uuid: LaunchUuid) -> None:
        self._machine.suspend(uuid)

    async def resume(self, uuid: LaunchUuid) -> None:
        self._machine.resume(uuid)

    async def update(self, uuid: LaunchUuid, limits: Limits) -> None:
        self._machine.update(uuid, limits)

    async def destroy(self, uuid: LaunchUuid) -> None:
        self._machine.deliver(uuid, signals.SIGKILL)

    async def forget(self, uuid: LaunchUuid) -> None:
        task = self._machine.tasks.get(uuid)
        if task is not None and task.exit is not None:
            del self._machine.tasks[uuid]
            self._told.discard(uuid)

    async def pids(self, uuid: LaunchUuid) -> frozenset[int]:
        task = self._machine.tasks.get(uuid)
        if task is None or task.exit is not None:
            return frozenset()
        return frozenset({task.started.pid})

    def usage(self, uuid: LaunchUuid) -> Usage | None:
        task = self._machine.tasks.get(uuid)
        if task is None or task.exit is not None:
            return None
        return self._machine.usage.get(uuid, Usage(processes=1))

    async def close(self) -> None:
        self._machine.containerizer = None

    def tell(self, ended: ContainerExit) -> None:
        """Called by the machine: once, and from the loop."""
        asyncio.get_running_loop().call_soon(self._tell, ended)

    def _tell(self, ended: ContainerExit) -> None:
        if self._machine.containerizer is self and ended.uuid not in self._told:
            self._told.add(ended.uuid)
            self._on_exit(ended)
