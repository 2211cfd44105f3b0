"""What readers of the whole state cost those who wait for offers: `python benchmarks/polling.py`.

As in `offers.py`: a real master, agents in a second process whose tasks end one by one, and here a
framework that waits for room; but 1,000 agents, each with nine tasks of somebody else besides. At
rest, and while 50 clients in a third process ask for the state of it all, each once a second: they
leave it as bytes: what they make of it is not done on the master's machine.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from measure import Report, arguments, quantile
from offers import WHOLE, BusyAgent, Waiting, delays, end_when_told, master
from sessions import until

from fairlead.common import wire
from fairlead.common.client import Client, connect
from fairlead.common.home import Home
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId, UpdateUuid
from fairlead.common.messages import PROTOCOL_VERSION, AgentMessage, Hello, RegisterAgent
from fairlead.common.operators import StateQuery
from fairlead.common.resources import Resources
from fairlead.common.rpc import AGENT_SESSION, GET_STATE
from fairlead.common.session import Callbacks
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    Command,
    FrameworkInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts

OTHER = FrameworkInfo(FrameworkId("f-0-1"), "somebody else", roles=(Role("other"),))
SMALL = Resources.of(cpus=0.1, mem=64 * 2**20)
TASKS = 9


@dataclass
class FullAgent(BusyAgent):
    """Comes with tasks that go on for ever."""

    def open(self) -> None:
        callbacks = Callbacks(self.hear, self.lost, lambda *_: None)
        self.session = self.client.dial(AGENT_SESSION, callbacks)
        agent_id = AgentId(f"a-0-{self.number}")
        info = AgentInfo(agent_id, f"host-{self.number}", self.size, name=f"host-{self.number}")
        hello = Hello(PROTOCOL_VERSION, "benchmark", f"instance-{self.number}", 1)
        tasks = tuple(_task(agent_id, f"{self.number}-{n}") for n in range(TASKS))
        call = RegisterAgent(hello, info, tasks, frameworks=(OTHER,))
        self.session.send(AgentMessage(call))


def _task(agent_id: AgentId, name: str) -> AgentTask:
    task_id, uuid = TaskId(name), LaunchUuid(f"launch-{name}")
    status = TaskStatus(
        OTHER.framework_id,
        task_id,
        uuid,
        agent_id,
        TaskState.RUNNING,
        Source.AGENT,
        sequence=1,
        update_uuid=UpdateUuid(f"{uuid}.1"),
    )
    info = TaskInfo(task_id, f"task {name}", Command(("sleep", "infinity")), SMALL)
    role = OTHER.roles[0]
    return AgentTask(OTHER.framework_id, info, uuid, status, SMALL, f"/sandboxes/{uuid}", role)


async def hold(home: Home, count: int) -> None:
    """Register the agents; then end tasks whenever told to."""
    leader = home.read_leader()
    assert leader is not None
    size = WHOLE + Resources(SMALL.cpus * TASKS, SMALL.mem * TASKS)
    agents = []
    background = []
    for number in range(count):
        agent = FullAgent(connect(leader.address, home.token()), number, size=size)
        agent.open()
        await until(lambda: agent.interval_s > 0, "registration")  # noqa: B023 - awaited at once
        agents.append(agent)
        background.append(asyncio.create_task(agent.beat()))
    await end_when_told(agents)
    os._exit(0)  # no session needs a farewell


async def poll(home: Home, clients: int, every_s: float, lasts_s: float) -> None:
    """Prints how many answers came, and the size of the last."""
    leader = home.read_leader()
    assert leader is not None
    end = time.monotonic() + lasts_s
    sizes: list[int] = []

    async def one(number: int) -> None:
        async with connect(leader.address, home.token()) as client:
            await asyncio.sleep(every_s * number / clients)
            while time.monotonic() < end:
                began = time.monotonic()
                sizes.append(len(await whole_state(client)))
                await asyncio.sleep(max(0.0, began + every_s - time.monotonic()))

    await asyncio.gather(*(one(number) for number in range(clients)))
    print(len(sizes), sizes[-1], flush=True)


async def whole_state(client: Client) -> bytes:
    """Not decoded."""
    ask = client._channel(GET_STATE.server).unary_unary(GET_STATE.path)  # noqa: SLF001
    metadata = client._metadata  # noqa: SLF001 - what `call` does but for the last step
    data: bytes = await ask(wire.encode(StateQuery()), timeout=30.0, metadata=metadata)
    return data


def another(*words: object) -> "subprocess.Popen[str]":
    argv = [sys.executable, __file__, *map(str, words)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def measured(report: Report, home: Home, options: argparse.Namespace) -> None:
    count, clients, lasts_s = options.agents, options.clients, options.seconds
    await until(lambda: home.read_leader() is not None, "a leader")
    waiting = Waiting()
    runner = FrameworkRunner(waiting, Whereabouts(home))
    running = asyncio.create_task(runner.run())
    rest, busy = [], []
    with another("--hold", home.path, count) as holding:
        assert holding.stdin is not None
        assert holding.stdout is not None
        await asyncio.to_thread(holding.stdout.readline)
        await until(lambda: waiting.running >= count, "a task on every agent")
        for _ in range(options.runs):
            rest.append(await delays(waiting, holding, lasts_s))
            with another("--poll", home.path, clients, options.every, lasts_s + 3.0) as polling:
                assert polling.stdout is not None
                await asyncio.sleep(2.0)
                busy.append(await delays(waiting, holding, lasts_s))
                answers, size = map(int, (await asyncio.to_thread(polling.stdout.readline)).split())
            each_s = answers / (lasts_s + 3.0)
            report.note(f"{each_s:.0f} answers a second of {size / 2**20:.1f} MiB")
        holding.stdin.close()
    runner.stop()
    await running
    name = f"{count:,} agents, {count * (TASKS + 1):,} tasks"
    for what, found in (("at rest", rest), (f"{clients} clients poll", busy)):
        for share in (0.5, 0.99):
            values = [quantile(took, share) * 1e3 for took in found]
            report.add(f"{name}, {what}: end to offer, p{share * 100:.0f}", "ms", values)
    ratios = [quantile(b, 0.99) / quantile(r, 0.99) for r, b in zip(rest, busy, strict=True)]
    report.add(f"{name}: p99 grows by", "", ratios, "≤ 2")


def main() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 65536)), hard))
    if sys.argv[1:2] == ["--hold"]:
        asyncio.run(hold(Home(sys.argv[2]), int(sys.argv[3])))
    if sys.argv[1:2] == ["--poll"]:
        path, clients, every_s, lasts_s = sys.argv[2:]
        asyncio.run(poll(Home(path), int(clients), float(every_s), float(lasts_s)))
        return 0
    parser = arguments(__doc__)
    parser.set_defaults(runs=3)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between questions of one")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    options = parser.parse_args()
    report = Report(options.output == "json")
    with tempfile.TemporaryDirectory(prefix="fairlead-polling-") as path:
        home = Home(path)
        home.ensure()
        home.make_token()
        with master(home):
            asyncio.run(measured(report, home, options))
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
