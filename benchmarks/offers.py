"""How soon what a task gives up is offered again: `python benchmarks/offers.py`.

One real master process. A second process holds real agent sessions, each full with one task, and
says every 20 ms that one of the tasks has ended. Here a framework, over the kit's driver, waits for
room. Measured is the time from what the agent says until the scheduler has the offer: at rest, and
while a third process registers 50 new agents a second.
"""

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measure import Report, arguments, quantile
from sessions import SIZE, IdleAgent, until

from fairlead.common.client import connect
from fairlead.common.home import Home
from fairlead.common.ids import AgentId, UpdateUuid
from fairlead.common.messages import AgentMessage, MasterToAgent, RunAccept, TaskUpdated
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Launch, Reason, Source, TaskState, TaskStatus
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    accept,
    framework,
    task,
    wanting,
)

END_EVERY_S = 0.02
JOIN_EVERY_S = 0.02
LIVED_S = 0.3
"""A task is up so long at least before it is said to have ended."""
MANY = 1000
WHOLE = SIZE + Resources.of(disk=1 << 40)
"""Of an agent: something is always left, as on real ones, so each has to be looked at."""


# --- the process that holds the agents


@dataclass
class BusyAgent(IdleAgent):
    """Runs what it is told, as far as the master can see."""

    running: TaskStatus | None = None
    since: float = 0.0

    def hear(self, message: object) -> None:
        super().hear(message)
        if isinstance(message, MasterToAgent) and isinstance(message.body, RunAccept):
            launch = message.body.operations[0]
            assert isinstance(launch, Launch)
            self.since = time.monotonic()
            self.running = TaskStatus(
                message.body.framework.framework_id,
                launch.task.task_id,
                launch.launch_uuid,
                self.agent_id,
                TaskState.RUNNING,
                Source.AGENT,
                sequence=1,
                update_uuid=UpdateUuid(f"{launch.launch_uuid}.1"),
            )
            self._say(self.running)

    def end(self) -> None:
        assert self.running is not None
        before, self.running = self.running, None
        self._say(
            TaskStatus(
                before.framework_id,
                before.task_id,
                before.launch_uuid,
                before.agent_id,
                TaskState.FINISHED,
                Source.AGENT,
                Reason.COMMAND_EXITED,
                sequence=2,
                update_uuid=UpdateUuid(f"{before.launch_uuid}.2"),
                exit_code=0,
            )
        )

    def _say(self, status: TaskStatus) -> None:
        assert self.session is not None
        held = EMPTY if status.state.is_terminal else SIZE
        self.session.send(AgentMessage(TaskUpdated(status, status, held)))


async def hold(home: Home, count: int, first: int, join_every_s: float) -> None:
    """Register agents, one every so often, until told to go on: then end tasks until told to stop;
    prints when which agent's task was said to have ended.
    """
    leader = home.read_leader()
    assert leader is not None
    background = []
    began = time.monotonic()
    agents = []
    for number in range(count):
        await asyncio.sleep(began + number * join_every_s - time.monotonic())
        client = connect(leader.address, home.token())
        agents.append(BusyAgent(client, first + number, size=WHOLE))
        agents[-1].open()
        if not join_every_s:
            await until(lambda: agents[-1].interval_s > 0, "registration")
        background.append(asyncio.create_task(agents[-1].beat()))
    await end_when_told(agents)
    os._exit(0)  # so many polite farewells are not what is measured


async def end_when_told(agents: Sequence[BusyAgent]) -> None:
    """For so many seconds as each line of input says, until there is none."""
    print("ready", flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        print(json.dumps(await end_tasks(agents, float(line))), flush=True)


async def end_tasks(agents: Sequence[BusyAgent], lasts_s: float) -> list[tuple[AgentId, float]]:
    """One after another for so long; whose, and when."""
    ended: list[tuple[AgentId, float]] = []
    began = time.monotonic()
    for agent in itertools.cycle(agents):
        now = time.monotonic()
        if now > began + lasts_s:
            return ended
        if agent.running is not None and now > agent.since + LIVED_S:
            ended.append((agent.agent_id, now))
            agent.end()
        await asyncio.sleep(END_EVERY_S)
    raise AssertionError("there are no agents")


# --- the framework that waits


@dataclass
class Waiting(SchedulerBase):
    """Always wants more than there is, and notes when an agent was offered."""

    launched: int = 0
    running: int = 0
    offered: list[tuple[AgentId, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.framework = framework("waiting")
        self.demands = wanting(SIZE, MANY)

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        if isinstance(event, StatusReceived):
            self.running += event.status.state is TaskState.RUNNING
        if not isinstance(event, OffersReceived):
            return ()
        now = time.monotonic()
        self.offered += [(offer.agent_id, now) for offer in event.offers]
        orders = []
        for offer in event.offers:
            self.launched += 1
            orders.append(accept([offer], task(f"t-{self.launched}", ["true"], SIZE)))
        return orders


# --- the measurement


@contextmanager
def master(home: Home) -> Iterator[None]:
    words = ("master", "--home", str(home.path), "--port", "0")
    with Path(home.path, "master.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fairlead.cli", *words], stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def holder(home: Home, count: int, first: int, join_every_s: float) -> "subprocess.Popen[str]":
    words = ("--hold", str(home.path), str(count), str(first), str(join_every_s))
    return subprocess.Popen(
        [sys.executable, __file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def delays(waiting: Waiting, holding: "subprocess.Popen[str]", lasts_s: float) -> list[float]:
    """From each end of a task to the offer of what it held."""
    assert holding.stdin is not None
    assert holding.stdout is not None
    del waiting.offered[:]
    print(lasts_s, file=holding.stdin, flush=True)
    ends = json.loads(await asyncio.to_thread(holding.stdout.readline))
    await asyncio.sleep(0.5)
    took = []
    for agent_id, ended in ends:
        offered = [when for who, when in waiting.offered if who == agent_id and when > ended]
        took.append(min(offered) - ended if offered else float("inf"))
    return took


async def measured(report: Report, home: Home, options: argparse.Namespace) -> None:
    await until(lambda: home.read_leader() is not None, "a leader")
    waiting = Waiting()
    runner = FrameworkRunner(waiting, Whereabouts(home))
    running = asyncio.create_task(runner.run())
    rest, busy = [], []
    with holder(home, options.agents, 0, 0.0) as holding:
        assert holding.stdout is not None
        await asyncio.to_thread(holding.stdout.readline)
        await until(lambda: waiting.running >= options.agents, "a task on every agent")
        for number in range(options.runs):
            rest.append(await delays(waiting, holding, options.seconds))
            count = int(options.seconds / JOIN_EVERY_S) * 2  # it goes on until it is killed
            with holder(home, count, (number + 1) * 1_000_000, JOIN_EVERY_S) as joining:
                await asyncio.sleep(0.5)
                before, began = waiting.running, time.monotonic()
                busy.append(await delays(waiting, holding, options.seconds))
                joined = waiting.running - before - len(busy[-1])
                report.note(f"{joined / (time.monotonic() - began):.0f} agents joined a second")
                joining.kill()
        assert holding.stdin is not None
        holding.stdin.close()
    runner.stop()
    await running
    for name, runs in (("at rest", rest), ("50 agents/s register", busy)):
        for share, asked in ((0.5, ""), (0.99, "≤ 20")):
            values = [quantile(took, share) * 1e3 for took in runs]
            what = f"{options.agents} agents, {name}: end to offer, p{share * 100:.0f}"
            report.add(what, "ms", values, asked)


def main() -> int:
    if sys.argv[1:2] == ["--hold"]:
        path, count, first, join_every_s = sys.argv[2:]
        asyncio.run(hold(Home(path), int(count), int(first), float(join_every_s)))
        return 0
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    options = parser.parse_args()
    report = Report(options.output == "json")
    with tempfile.TemporaryDirectory(prefix="fairlead-offers-") as path:
        home = Home(path)
        home.ensure()
        home.make_token()
        with master(home):
            asyncio.run(measured(report, home, options))
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
