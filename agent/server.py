"""The agent's shell: one loop that takes an event, steps the core and performs the actions.

Everything that needs a socket, a clock, a disk or a process is here or in the modules below;
every decision is in `core`. When this process ends, however it ends, its tasks go on.
"""

import asyncio
import logging
import os
import re
import secrets
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fairlead.common import clock, processes, records
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError, FairleadError, UnavailableError
from fairlead.common.events import CloseSession, Send
from fairlead.common.home import AgentHome, Home
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, TaskId
from fairlead.common.loop import StepLoop
from fairlead.common.messages import Code
from fairlead.common.outbox import Outbox
from fairlead.common.resources import Resources, total
from fairlead.common.rpc import READ_LOG
from fairlead.common.server import Server
from fairlead.common.store import Store
from fairlead.common.values import AgentInfo, AgentTask, Reserve

from .checkpoint import KINDS
from .containers import PROCESSES, Containers
from .core import Agent
from .dialer import Dialer
from .discovery import Host, Overrides, discover
from .docker_start import DockerOptions, DockerPlace, open_docker
from .events import (
    Confirm,
    Confirmed,
    ContainerExited,
    DestroyContainer,
    Dial,
    Event,
    Exit,
    ForgetContainer,
    RemoveSandbox,
    ResumeContainer,
    SignalContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
    UsageMeasured,
)
from .housekeeping import Housekeeping
from .logs import Logs
from .mixed_containerizer import MixedContainerizer
from .process_containerizer import ProcessContainerizer
from .rotation_files import weaknesses_of
from .settings import AgentSettings
from .usage import HostSampler

_log = logging.getLogger(__name__)

USAGE_S = 1.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What `fairlead agent` is told. Without a master's address the home knows who leads."""

    home: Home
    name: str = "a1"
    overrides: Overrides = Overrides()
    master: str = ""
    port: int = 0
    isolation: str = "auto"
    processes: int = PROCESSES
    docker: DockerOptions = DockerOptions()
    settings: AgentSettings = AgentSettings()


class AgentServer:
    """One agent process over one work directory."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        work = options.home.agent(options.name)
        _prepare(work.path, options.name)
        self._server = Server.of(options.home, options.port)
        self._work_dir = work.path
        self._sandboxes = work.sandboxes
        self._checkpoint = work.checkpoint
        self._logs = Logs(work.sandboxes, self._look_up)
        self._store: Store | None = None
        self._loop: StepLoop[Event] = StepLoop(self._step, self._next_deadline, clock.boottime)
        self._dialer = Dialer(options.home, options.master, self._loop)
        self._is_checking = bool(os.environ.get("FAIRLEAD_CHECK"))
        self._failure: BaseException | None = None
        self._core: Agent | None = None
        self._outbox: Outbox | None = None
        self._containers: Containers | None = None
        self._housekeeping: Housekeeping | None = None

    async def run(self) -> None:
        """Serve until told to stop; raises what made it impossible to go on."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_failed)
        background: list[asyncio.Task[None]] = []
        try:
            host = await self._start(loop)
            assert self._housekeeping is not None, "it is there after the start"
            jobs = (self._measure(host), *self._housekeeping.jobs())
            background += [asyncio.create_task(self._guarded(job)) for job in jobs]
            await self._loop.run()
        finally:
            await self._end(background)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Say goodbye and end; the tasks go on."""
        self._loop.end()

    # --- the beginning and the end

    async def _start(self, loop: asyncio.AbstractEventLoop) -> Host:
        # Durable against every end of this process. Against a power failure only nearly so, but
        # that ends the tasks as well, and a start would wait for the disk twice.
        store = await asyncio.to_thread(Store.open, self._checkpoint, "checkpoint", "NORMAL")
        self._store = store
        rows = await asyncio.to_thread(store.load)
        known = records.decode(rows, KINDS, str(self._checkpoint))
        host = await asyncio.to_thread(discover, self._work_dir, self._options.overrides)
        _check_reserved(self._options.settings.reserved, host.resources)
        processes = self._options.processes
        containers = Containers(
            self._sandboxes, host.gpu_backend, self._loop.put, self._fail, processes
        )
        tasks = [value for value in known.values() if isinstance(value, AgentTask)]
        containerizer = await self._containerizer(containers, host, tasks)
        self._containers = containers
        found = await containers.recover(containerizer, tasks)
        self._server.add_stream(READ_LOG, self._logs.read)
        address = await self._server.start()
        info = _info(self._options.name, host, address, containerizer)
        weaknesses = await asyncio.to_thread(weaknesses_of, self._sandboxes)
        info = replace(info, warnings=(*info.warnings, *weaknesses))
        for warning in info.warnings:
            _log.warning("weakness: %s", warning)
        self._outbox = Outbox(self._perform, records.encode, store, loop, self._fail)
        settings = _settings(self._options.settings, self._sandboxes)
        self._core = Agent.restore(
            settings, info, secrets.token_hex(8), known, found, clock.boottime()
        )
        self._housekeeping = Housekeeping(
            self._sandboxes, settings, self._core, self._logs, self._loop.put
        )
        _log.info(
            "agent-up name=%s address=%s work_dir=%s resources=%s isolation=%s containers=%d",
            info.name,
            address,
            self._work_dir,
            info.resources,
            info.isolation,
            len(found),
        )
        return host

    async def _containerizer(
        self, containers: Containers, host: Host, tasks: Sequence[AgentTask]
    ) -> MixedContainerizer:
        options = self._options
        processes = ProcessContainerizer(
            self._work_dir,
            containers.exited,
            gpus=host.gpu_backend,
            isolation=options.isolation,
            cpus=host.resources.cpus,
        )
        place = DockerPlace(self._work_dir, options.home.reach.host, host.gpu_backend)
        is_needed = any(task.task.container and not task.latest.state.is_terminal for task in tasks)
        docker, reason = await open_docker(
            options.docker, place, containers.exited, is_needed=is_needed
        )
        if reason:
            _log.info("no-docker: %s", reason)
        return MixedContainerizer(processes, docker, reason)

    async def _end(self, background: list[asyncio.Task[None]]) -> None:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._dialer.close()
        await self._server.stop(grace_s=0.5)
        if self._housekeeping is not None:
            await self._housekeeping.close()
        if self._containers is not None:
            await self._containers.close()
        if self._store is not None:
            await asyncio.to_thread(self._store.close)
            _log.info("agent-down name=%s", self._options.name)

    # --- the loop

    def _next_deadline(self) -> float | None:
        assert self._core is not None, "the core is there before the loop"
        return self._core.next_deadline()

    def _step(self, event: Event, now: float) -> None:
        assert self._core is not None, "the core is there before the loop"
        assert self._outbox is not None, "and so is the way out"
        actions = self._core.step(event, now)
        if self._is_checking:
            self._core.check()
        self._outbox.push(actions)
        if isinstance(event, ContainerExited):
            self._logs.task_ended()

    def _perform(self, action: object) -> None:
        match action:
            case Send(session, message):
                self._dialer.send(session, message)
            case CloseSession(session, code, message):
                self._dialer.end(session, code, message)
            case Dial():
                self._dialer.dial()
            case Confirm(token):
                self._loop.put(Confirmed(token))
            case (
                StartContainer()
                | SignalContainer()
                | DestroyContainer()
                | SuspendContainer()
                | ResumeContainer()
                | UpdateContainer()
                | ForgetContainer()
            ):
                assert self._containers is not None, "no order comes before the start"
                self._containers.perform(action)
            case RemoveSandbox(key):
                assert self._housekeeping is not None, "no order comes before the start"
                self._housekeeping.remove(key)
            case Exit(message, code):
                if code is Code.AGENT_REMOVED:
                    with suppress(OSError):  # then it is told so again next time
                        AgentHome(self._work_dir).removed.touch()
                error = FairleadError(message)
                error.code = code
                raise error
            case _:
                raise AssertionError(f"no way to perform {action!r}")

    def _fail(self, error: BaseException) -> None:
        """Nothing more may leave; the next agent goes on from what is on disk."""
        self._failure = self._failure or error
        self._loop.end()

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A bug of ours in a callback: better a new agent than a half one."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        if isinstance(error, Exception):
            self._fail(error)

    # --- beside the loop

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - judged like any other failure
            self._fail(error)

    async def _measure(self, host: Host) -> None:
        """What the host and the tasks use, about once a second."""
        assert self._containers is not None, "measured after the start"
        sampler = await asyncio.to_thread(HostSampler, self._work_dir, host.gpu_backend)
        while True:
            await asyncio.sleep(USAGE_S)
            usage = await asyncio.to_thread(sampler.sample)
            self._loop.put(UsageMeasured(usage, self._containers.usage()))

    def _look_up(
        self, framework_id: FrameworkId, task_id: TaskId, launch_uuid: LaunchUuid
    ) -> AgentTask | None:
        if self._core is None:
            raise UnavailableError("the agent is starting", hint="try again in a moment")
        return self._core.look_up(framework_id, task_id, launch_uuid)


def _prepare(path: Path, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for an agent", hint="use letters, digits and _ . - only"
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (path / "sandboxes").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot use {path} as work directory: {error.strerror}") from error


def _check_reserved(reserved: Sequence[Reserve], there: Resources) -> None:
    wanted = total(each.resources for each in reserved)
    if not there.contains(wanted):
        raise ConfigError(f"--reserve asks for {wanted} in all; this agent has {there}")


def _info(name: str, host: Host, address: str, containerizer: MixedContainerizer) -> AgentInfo:
    return AgentInfo(
        AgentId(""),
        host.hostname,
        host.resources,
        {**containerizer.attributes, **host.attributes},
        host.zone,
        host.rack,
        host.gpus,
        address,
        containerizer.isolation,
        containerizer.warnings,
        name,
    )


def _settings(settings: AgentSettings, sandboxes: Path) -> AgentSettings:
    return replace(
        settings,
        software=settings.software or version("fairlead"),
        sandboxes=str(sandboxes),
        boot_id=clock.boot_id(),
        place_id=f"{clock.boot_id()}.{processes.pid_namespace()}",
        wall_offset_s=clock.wall() - clock.boottime(),
    )


async def serve(options: AgentOptions) -> int:
    """Run an agent until TERM or INT; the process's exit code."""
    agent = AgentServer(options)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, agent.stop)
    await agent.run()
    return 0
