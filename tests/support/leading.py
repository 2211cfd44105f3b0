"""A real master in the test's own process, a real agent beside it, and schedulers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.agent_process import AgentProcess
from tests.support.sessions import until

from fairlead.agent.launcher_client import find_launcher, shutdown_launcher
from fairlead.common.client import Client, connect
from fairlead.common.home import Home
from fairlead.common.operators import StateQuery, StateReply
from fairlead.common.rpc import GET_STATE
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.scheduler import SchedulerBase
from fairlead.master.server import MasterServer
from fairlead.master.settings import MasterSettings


@dataclass(frozen=True, slots=True)
class Leading:
    """A master in this process, and a client of it."""

    home: Home
    client: Client

    async def state(self, at_least: int = 0) -> StateReply:
        return await self.client.call(GET_STATE, StateQuery(at_least))


@asynccontextmanager
async def leading(
    path: Path,
    settings: MasterSettings | None = None,
    prepare: Callable[[MasterServer], None] = lambda _server: None,
) -> AsyncIterator[Leading]:
    home = Home(path)
    home.ensure()
    home.make_token()
    server = await MasterServer.open(home, 0, settings or MasterSettings())
    prepare(server)
    serving = asyncio.create_task(server.run())
    try:
        await until(lambda: serving.done() or home.read_leader() is not None, "a master that leads")
        leader = home.read_leader()
        assert leader is not None
        async with connect(leader.address, home.token()) as client:
            yield Leading(home, client)
    finally:
        server.stop()
        await serving


@asynccontextmanager
async def an_agent(here: Leading) -> AsyncIterator[None]:
    """Of 4 cpus, 1 GiB and two fake GPUs, once the master knows it."""
    agent = AgentProcess(here.home)
    await agent.start()
    try:
        await holds(here, lambda state: bool(state.agents), "an agent")
        yield
    finally:
        said = await agent.end()
        if find_launcher(agent.work.path) is not None:
            await asyncio.to_thread(shutdown_launcher, agent.work.path, 0.0)
        print(said)  # noqa: T201 - shown by pytest when the test has failed


@asynccontextmanager
async def scheduling(here: Leading, scheduler: SchedulerBase) -> AsyncIterator[None]:
    runner = FrameworkRunner(scheduler, Whereabouts(here.home))  # type: ignore[arg-type]
    life = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        runner.stop()
        await life


async def holds(here: Leading, condition: Callable[[StateReply], bool], what: str) -> StateReply:
    """The first state of which this is true."""
    deadline = time.monotonic() + 20
    while not condition(state := await here.state()):
        assert time.monotonic() < deadline, f"waited 20 s in vain: {what}"
        await asyncio.sleep(0.02)
    return state
