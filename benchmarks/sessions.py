"""What idle agents cost a master: `python benchmarks/sessions.py 100 1000`.

One real master process; a second process holds N real agent sessions, each on a connection of its
own, and heartbeats as the master told it; a third part, here, asks for offers meanwhile. Printed:
the master's cpu per heartbeat, its memory per session, the time from a revive to its offer, and
how many agents one core could carry at the longest heartbeat interval.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from measure import Report, arguments, quantile

from fairlead.common.client import Client, connect
from fairlead.common.home import Home
from fairlead.common.ids import AgentId, CallId, FrameworkId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    Code,
    Decline,
    FrameworkBody,
    FrameworkMessage,
    Heartbeat,
    Hello,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    RegisterAgent,
    Revive,
    SetDemand,
    Subscribe,
)
from fairlead.common.resources import Resources
from fairlead.common.rpc import AGENT_SESSION, FRAMEWORK_SESSION
from fairlead.common.session import Callbacks, Session
from fairlead.common.values import AgentInfo, Demand, FrameworkInfo, RoleDemand

MEASURED_S = 20.0
OFFERS = 200
LONGEST_INTERVAL_S = 10.0
SIZE = Resources.of(cpus=4, mem=8 << 30)
UNIT = Resources.of(cpus=1, mem=1 << 30)


def ignore(*_: object) -> None:
    """Not of interest here."""


async def until(condition: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {limit_s:g} s")
        await asyncio.sleep(0.01)


# --- the process that holds the agents


@dataclass
class IdleAgent:
    """Registers and heartbeats, and does nothing else."""

    client: Client
    number: int
    interval_s: float = 0.0
    session: Session | None = None
    beats: int = 0
    agent_id: AgentId = AgentId("")
    size: Resources = SIZE

    def open(self) -> None:
        callbacks = Callbacks(self.hear, self.lost, ignore)
        self.session = self.client.dial(AGENT_SESSION, callbacks)
        hello = Hello(PROTOCOL_VERSION, "benchmark", f"instance-{self.number}", 1)
        info = AgentInfo(AgentId(""), f"host-{self.number}", self.size)
        self.session.send(AgentMessage(RegisterAgent(hello, info)))

    def hear(self, message: object) -> None:
        if isinstance(message, MasterToAgent) and isinstance(message.body, AgentRegistered):
            self.agent_id = message.body.agent_id
            self.interval_s = message.body.heartbeat_s

    def lost(self, code: Code, message: str) -> None:
        print(f"agent {self.number} lost its session: {code.name} {message}", file=sys.stderr)

    async def beat(self) -> None:
        assert self.session is not None
        await until(lambda: self.interval_s > 0, "registration")
        await asyncio.sleep(self.interval_s * (self.number % 997) / 997)
        while True:
            self.beats += 1
            self.session.send(AgentMessage(AgentHeartbeat(self.beats)))
            await asyncio.sleep(self.interval_s)


async def hold(home: Home, count: int) -> None:
    """Hold `count` sessions; says "ready INTERVAL", then the beats so far at each line of input."""
    leader = home.read_leader()
    assert leader is not None
    agents = [IdleAgent(connect(leader.address, home.token()), n) for n in range(count)]
    for start in range(0, count, 50):
        for agent in agents[start : start + 50]:
            agent.open()
        ready = agents[: start + 50]
        await until(lambda ready=ready: all(a.interval_s for a in ready), "registration")  # type: ignore[misc]
    beating = [asyncio.create_task(agent.beat()) for agent in agents]
    print("ready", agents[-1].interval_s, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(sum(agent.beats for agent in agents), flush=True)
    for task in beating:
        task.cancel()
    os._exit(0)  # three thousand polite farewells are not what is measured


# --- the framework that asks for offers


@dataclass
class Prober:
    """Revives, waits for the offer, declines it, again."""

    session: Session | None = None
    offered: asyncio.Queue[OffersMade] = field(default_factory=asyncio.Queue)

    def hear(self, message: object) -> None:
        if isinstance(message, MasterToFramework) and isinstance(message.body, OffersMade):
            self.offered.put_nowait(message.body)

    async def run(self, client: Client, times: int) -> list[float]:
        """Seconds from each revive to its offer."""
        session = client.dial(FRAMEWORK_SESSION, Callbacks(self.hear, ignore, ignore))
        hello = Hello(PROTOCOL_VERSION, "benchmark", "prober", 1)
        wanted = RoleDemand(FrameworkInfo(FrameworkId(""), "").roles[0], (Demand(UNIT, 1),))
        info = FrameworkInfo(FrameworkId(""), "prober")

        def say(body: FrameworkBody, call: str = "") -> None:
            session.send(FrameworkMessage(body, CallId(call)))

        say(Subscribe(hello, info, demands=(wanted,)), "subscribe")
        took = []
        for number in range(times):
            made = await asyncio.wait_for(self.offered.get(), 10)
            say(Decline(tuple(offer.offer_id for offer in made.offers), 3600.0))
            await asyncio.sleep(0.02)
            while not self.offered.empty():  # other agents, offered in place of the declined one
                more = self.offered.get_nowait()
                say(Decline(tuple(offer.offer_id for offer in more.offers), 3600.0))
            say(Heartbeat(number))
            say(SetDemand((wanted,)))
            started = time.monotonic()
            say(Revive())
            made = await asyncio.wait_for(self.offered.get(), 10)
            took.append(time.monotonic() - started)
            self.offered.put_nowait(made)
        return took


# --- the measurement


Figures = dict[tuple[str, str], float]
"""What was measured, and its unit → how much."""


def measure(count: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as path:
        home = Home(path)
        home.ensure()
        home.make_token()
        command = [sys.executable, "-m", "fairlead.cli", "master", "--home", path, "--port", "0"]
        log = Path(path, "master.log")
        with log.open("wb") as output:
            master = subprocess.Popen(command, stdout=output, stderr=output)
            try:
                return asyncio.run(measured(home, psutil.Process(master.pid), count))
            finally:
                master.terminate()
                master.wait(30)


def hold_elsewhere(home: Home, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, "--hold", str(home.path), str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def measured(home: Home, master: psutil.Process, count: int) -> Figures:
    await until(lambda: home.read_leader() is not None, "a leader")
    leader = home.read_leader()
    assert leader is not None
    await asyncio.sleep(0.5)
    memory = master.memory_info().rss
    holder = hold_elsewhere(home, count)
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        line = await asyncio.to_thread(holder.stdout.readline)
        interval_s = float(line.split()[1])

        async def beats() -> int:
            print("beats?", file=holder.stdin, flush=True)
            return int(await asyncio.to_thread(holder.stdout.readline))  # type: ignore[union-attr]

        grown = master.memory_info().rss - memory
        before, cpu_before = await beats(), sum(master.cpu_times()[:2])
        await asyncio.sleep(max(MEASURED_S, 2 * interval_s))
        cpu_s = sum(master.cpu_times()[:2]) - cpu_before
        beaten = await beats() - before
        async with connect(leader.address, home.token()) as client:
            took = await Prober().run(client, OFFERS)
        holder.stdin.close()
    each_s = cpu_s / max(1, beaten)
    return {
        ("heartbeat interval", "s"): interval_s,
        ("cpu a heartbeat", "µs"): each_s * 1e6,
        ("memory a session", "KiB"): grown / count / 1024,
        ("offer after a revive, p50", "ms"): quantile(took, 0.5) * 1e3,
        ("offer after a revive, p99", "ms"): quantile(took, 0.99) * 1e3,
        ("one core carries", "agents"): LONGEST_INTERVAL_S / each_s,
    }


def main() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 65536)), hard))
    if sys.argv[1:2] == ["--hold"]:
        asyncio.run(hold(Home(sys.argv[2]), int(sys.argv[3])))
        return 0
    parser = arguments(__doc__)
    parser.set_defaults(runs=1)  # each takes half a minute
    parser.add_argument("counts", nargs="*", type=int, default=[100, 1000, 3000])
    options = parser.parse_args()
    report = Report(options.output == "json")
    for count in options.counts:
        runs = [measure(count) for _ in range(options.runs)]
        for what, unit in runs[0]:
            values = [figures[what, unit] for figures in runs]
            report.add(f"{count} sessions: {what}", unit, values)
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
