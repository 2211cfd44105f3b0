"""A real agent process over a real launcher, and a master that does as the test says."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.agent.launcher_client import find_launcher, shutdown_launcher
from fairlead.common.client import connect
from fairlead.common.home import AgentHome, Home, Leader
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import (
    AcknowledgeUpdate,
    AgentBody,
    AgentMessage,
    AgentRegistered,
    Goodbye,
    KillTask,
    MasterToAgent,
    RegisterAgent,
    RunAccept,
    TaskUpdated,
    ToAgentBody,
)
from fairlead.common.operators import LogQuery
from fairlead.common.resources import Resources, total
from fairlead.common.rpc import AGENT_SESSION, READ_LOG
from fairlead.common.server import Server
from fairlead.common.session import Callbacks, Session
from fairlead.common.values import Command, FrameworkInfo, Launch, TaskInfo, TaskState, TaskStatus

F1 = FrameworkId("f1")
DEADLINE_S = 20.0
PROGRAM = """
import asyncio, json, logging, sys
from fairlead.agent.discovery import Overrides
from fairlead.agent.server import AgentOptions, serve
from fairlead.agent.settings import AgentSettings
from fairlead.common.errors import FairleadError
from fairlead.common.home import Home
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
overrides = Overrides(cpus=4000, mem=2**30, disk=2**30, gpus="fake:2")
try:
    settings = AgentSettings(**json.loads(sys.argv[2]))
    home = Home(sys.argv[1])
    options = AgentOptions(home, "a1", overrides, settings=settings, processes=200)
    sys.exit(asyncio.run(serve(options)))
except FairleadError as error:
    sys.exit(f"error: {error.message}")
"""


async def until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    try:
        async with asyncio.timeout(deadline_s):
            while not condition():  # noqa: ASYNC110 - conditions of every kind, polled
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {deadline_s} s in vain: {what}") from None


@dataclass
class FakeMaster:
    """Answers registrations and acknowledges updates; orders are the test's."""

    home: Home
    epoch: int = 1
    cluster_id: str = "c1"
    acknowledges: bool = True
    heard: list[AgentBody] = field(default_factory=list)
    session: Session | None = None
    accepts: int = 0

    async def start(self) -> None:
        self.server = Server(self.home.token())
        self.server.add_sessions(AGENT_SESSION, self._accept)
        address = await self.server.start()
        self.home.write_leader(Leader(address, self.epoch, self.cluster_id))

    async def stop(self) -> None:
        self.session = None
        await self.server.stop(grace_s=0.5)

    def _accept(self, session: Session) -> Callbacks:
        def on_message(message: object) -> None:
            assert isinstance(message, AgentMessage)
            self._hear(session, message.body)

        def on_closed(*_: object) -> None:
            if self.session is session:
                self.session = None

        return Callbacks(on_message, on_closed, lambda error, _: self.heard.append(error))  # type: ignore[arg-type]

    def _hear(self, session: Session, body: AgentBody) -> None:
        self.heard.append(body)
        if isinstance(body, RegisterAgent) and not body.more:
            self.session = session
            self.say(AgentRegistered(AgentId("agent-1"), self.cluster_id, 0.5))
        if isinstance(body, TaskUpdated) and self.acknowledges:
            status = body.status
            self.say(AcknowledgeUpdate(status.framework_id, status.task_id, status.update_uuid))

    def say(self, body: ToAgentBody, epoch: int | None = None) -> None:
        assert self.session is not None, "no agent is there to be told"
        self.session.send(MasterToAgent(self.epoch if epoch is None else epoch, body))

    # --- orders

    def run(self, *launches: Launch, epoch: int | None = None) -> None:
        self.accepts += 1
        wanted = total(launch.task.resources for launch in launches)
        framework = FrameworkInfo(F1, "framework")
        accept_id = f"accept-{self.epoch}-{self.accepts}"
        self.say(RunAccept(accept_id, framework, Role("default"), launches, wanted), epoch)

    def shell(self, name: str, script: str, epoch: int | None = None) -> None:
        """A task that runs this script."""
        self.run(launch(name, "sh", "-c", script), epoch=epoch)

    def kill(self, name: str, grace_s: float = 5.0) -> None:
        self.say(KillTask(F1, TaskId(name), LaunchUuid(f"u-{name}"), grace_s))

    # --- what was heard

    def registrations(self) -> list[RegisterAgent]:
        return [body for body in self.heard if isinstance(body, RegisterAgent)]

    def goodbyes(self) -> list[Goodbye]:
        return [body for body in self.heard if isinstance(body, Goodbye)]

    def statuses(self, name: str) -> list[TaskStatus]:
        """Each update of a task once."""
        found = {
            body.status.update_uuid: body.status
            for body in self.heard
            if isinstance(body, TaskUpdated) and body.status.task_id == name
        }
        return list(found.values())

    def states(self, name: str) -> list[str]:
        return [status.state.name for status in self.statuses(name)]

    async def registered(self, count: int) -> None:
        await until(
            lambda: len(self.registrations()) >= count and self.session is not None,
            f"registration number {count}",
        )

    async def ended(self, name: str) -> TaskStatus:
        await until(
            lambda: any(status.state.is_terminal for status in self.statuses(name)),
            f"the end of {name}, of which was heard {self.statuses(name)}",
        )
        return self.statuses(name)[-1]

    async def running(self, name: str) -> TaskStatus:
        await until(lambda: "RUNNING" in self.states(name), f"{name} running")
        return next(s for s in self.statuses(name) if s.state is TaskState.RUNNING)


class AgentProcess:
    """`start`, and then whatever an operator or fate may do to it."""

    def __init__(self, home: Home, **settings: float) -> None:
        self.home = home
        self.settings = settings
        self.work: AgentHome = home.agent("a1")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            str(self.home.path),
            json.dumps(self.settings),
            env={**os.environ, "FAIRLEAD_CHECK": "1", "A_SECRET_OF_THE_AGENT": "1"},
            stderr=asyncio.subprocess.PIPE,
        )

    async def crash(self) -> None:
        await self.end(signal.SIGKILL)

    async def end(self, signum: int = signal.SIGTERM) -> str:
        """What it said on stderr."""
        process, self._process = self._process, None
        assert process is not None, "no agent runs"
        if process.returncode is None:
            process.send_signal(signum)
        _, said = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        return said.decode()

    async def wait(self) -> tuple[int, str]:
        """For an agent that ends by itself: its exit code, and its last words."""
        process, self._process = self._process, None
        assert process is not None, "no agent runs"
        _, said = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        return process.returncode or 0, said.decode()

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None, "no agent runs"
        return self._process.pid

    async def log(self, address: str, name: str, **query: object) -> bytes:
        """All that a log says."""
        async with connect(address, self.home.token()) as client:
            question = LogQuery(F1, TaskId(name), **query)  # type: ignore[arg-type]
            chunks = [chunk async for chunk in client.stream(READ_LOG, question)]
        return b"".join(chunk.data for chunk in chunks)

    def sandbox(self, name: str) -> Path:
        return self.work.sandbox("f1", name, f"u-{name}")


@asynccontextmanager
async def agent_and_master(
    path: Path, **settings: float
) -> AsyncIterator[tuple[AgentProcess, FakeMaster]]:
    """Both are up and know each other; afterwards nothing of them is left."""
    home = Home(path)
    home.ensure()
    home.make_token()
    master, agent = FakeMaster(home), AgentProcess(home, **settings)
    await master.start()
    try:
        await agent.start()
        await master.registered(1)
        yield agent, master
    finally:
        said = await agent.end() if agent.runs else ""
        if find_launcher(agent.work.path) is not None:
            await asyncio.to_thread(shutdown_launcher, agent.work.path, 0.0)
        await master.stop()
        print(said)  # noqa: T201 - shown by pytest when the test has failed


def launch(
    name: str,
    *argv: str,
    env: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    limits: Resources | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Launch:
    task = TaskInfo(
        TaskId(name),
        name,
        Command(argv, env or {}),
        Resources.of(cpus=0.1) if resources is None else resources,
        limits=limits,
        files=files or {},
    )
    return Launch(task, LaunchUuid(f"u-{name}"))
