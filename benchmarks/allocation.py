"""How long the allocator takes: `python benchmarks/allocation.py --agents 1000 --frameworks 200`.

The workload by which Mesos' own allocator was measured: agents of 24 cpus, 4 GiB of memory and of
disk and 1,001 ports, nothing used, and frameworks that state no demand, each in its own role or all
in one. Only the core of a master runs, in a process of its own for each point of the grid. Of Mesos
stand the medians beside, where they are known: of its C++ allocator, on a machine of 2 cores.

(6) would take as many rounds as there are frameworks; here the refusals of all of them are written
into the books at once, by what a decline does in the end, and the cycles after that are measured.

(7) and (8) are `--with-demand`. (7): every framework wants tasks, which for the first ten in the
order of shares are larger than any agent; 1 % of the agents become free, which every second
framework has refused. (8): all but a hundredth of the frameworks have suppressed offers, and a full
cycle is compared with that of those few alone.
"""

import argparse
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import NamedTuple

from measure import Report, arguments

from fairlead.common.events import Received, SessionOpened, Tick
from fairlead.common.ids import AgentId, CallId, FrameworkId, OfferId, Role, SessionId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AgentMessage,
    Decline,
    FrameworkBody,
    FrameworkMessage,
    Hello,
    RegisterAgent,
    SetDemand,
    Subscribe,
    Suppress,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import AgentInfo, Demand, FrameworkInfo, Offer, RoleDemand
from fairlead.master.core import Event, Master
from fairlead.master.entries import HeldOffer
from fairlead.master.settings import MasterSettings

GIB = 2**30
SIZE = Resources.of(cpus=24, mem=4 * GIB, disk=4 * GIB, ports=[(31000, 32000)])
GROWTH = Resources.of(cpus=1, mem=64 * 2**20)
FEW = 10
NOT_FITTING = 10
DAYS_30 = 30 * 86400.0


class Mesos(NamedTuple):
    """Its medians in seconds, and GiB after (6)."""

    add: float
    full: float
    idle: float
    freed: float
    grown: float
    declined: float | None
    memory: float | None


MESOS = {
    (1_000, 200): Mesos(0.22, 0.026, 0.0084, 0.012, 0.0056, 0.87, 0.8),
    (1_000, 1_000): Mesos(1.1, 0.079, 0.056, 0.057, 0.017, 3.0, 2.8),
    (5_000, 200): Mesos(1.5, 0.132, 0.045, 0.046, 0.0088, 3.5, 3.3),
    (10_000, 200): Mesos(4.6, 0.316, 0.105, 0.106, 0.0046, 5.5, 5.8),
    (10_000, 1_000): Mesos(27.0, 1.03, 0.648, 0.651, 0.028, 24.0, 9.5),
    (30_000, 200): Mesos(17.0, 1.38, 0.347, 0.326, 0.011, 11.9, 6.7),
}
"""By agents and frameworks, each framework in its own role."""
MESOS_ONE_ROLE = {(30_000, 1_000): Mesos(16.0, 1.22, 0.105, 0.117, 0.0094, None, None)}


class World:
    """A master's core, its agents and frameworks, and a clock that stands still."""

    def __init__(self, agents: int, frameworks: int, *, one_role: bool) -> None:
        self.random = Random(1)
        settings = MasterSettings(min_filter_s=0.0, hold_after_s=0.0)
        self.master = Master(settings, 1, "benchmark", Random(2))
        self.agents, self.frameworks, self.one_role = agents, frameworks, one_role
        self._sessions = 0
        self._spoken: dict[FrameworkId, SessionId] = {}

    def step(self, event: Event) -> None:
        self.master.step(event, 0.0)

    def _open(self) -> SessionId:
        self._sessions += 1
        self.step(SessionOpened(SessionId(self._sessions)))
        return SessionId(self._sessions)

    def add_agents(self) -> None:
        for number in range(self.agents):
            info = AgentInfo(AgentId(""), f"host-{number}", SIZE)
            hello = Hello(PROTOCOL_VERSION, "benchmark", f"agent-{number}", 1)
            self.step(Received(self._open(), AgentMessage(RegisterAgent(hello, info))))
        self.cycle()

    def add_frameworks(self) -> None:
        for number in range(self.frameworks):
            role = Role("all" if self.one_role else f"role-{number}")
            framework_id = FrameworkId(f"f{number}")
            info = FrameworkInfo(framework_id, f"framework-{number}", roles=(role,))
            hello = Hello(PROTOCOL_VERSION, "benchmark", f"framework-{number}", 1)
            session = self._spoken[framework_id] = self._open()
            message = FrameworkMessage(Subscribe(hello, info), CallId("c"))
            self.step(Received(session, message))

    def cycle(self) -> None:
        """Ticks until nothing more is to be offered."""
        books = self.master.books
        self.step(Tick())
        while books.is_due:
            self.step(Tick())

    def give_back(self, offers: Iterable[HeldOffer]) -> None:
        by_framework: dict[FrameworkId, list[OfferId]] = {}
        for held in offers:
            by_framework.setdefault(held.offer.framework_id, []).append(held.offer.offer_id)
        for framework_id, offer_ids in by_framework.items():
            call = Decline(tuple(offer_ids), 0.0)
            message = FrameworkMessage(call, CallId("c"))
            self.step(Received(self._spoken[framework_id], message))

    def free(self, count: int) -> None:
        agents = self.random.sample(list(self.master.books.agents.values()), count)
        self.give_back([held for agent in agents for held in agent.offers.values()])

    def grow(self, count: int) -> None:
        """As if these agents had said that they have more now."""
        books = self.master.books
        for agent in self.random.sample(list(books.agents.values()), count):
            agent.info = replace(agent.info, resources=agent.info.resources + GROWTH)
            books.count(agent)
            books.dirty[agent.info.agent_id] = None

    def decline_everything(self) -> None:
        """All frameworks have declined all agents for a long time, and nothing is offered."""
        books, offers = self.master.books, self.master._offers  # noqa: SLF001 - see above
        self.give_back(tuple(books.offers.values()))
        whole = SIZE + GROWTH + GROWTH
        for framework in books.frameworks.values():
            role = framework.info.roles[0]
            for agent_id in books.agents:
                offer = Offer(OfferId(""), agent_id, framework.framework_id, role, whole)
                offers.refuse(offer, whole, DAYS_30)
        self.cycle()
        assert not books.offers, f"{len(books.offers)} offers were made all the same"

    def step_call(self, framework_id: FrameworkId, call: FrameworkBody) -> None:
        message = FrameworkMessage(call, CallId("c"))
        self.step(Received(self._spoken[framework_id], message))

    def want(self) -> None:
        """Everybody wants tasks as large as an agent; of the first ten no agent could run one."""
        fitting, too_large = Resources(SIZE.cpus, GIB, GIB), Resources(SIZE.cpus + 1, GIB, GIB)
        standing = sorted(self.master.books.frameworks)
        for place, framework_id in enumerate(standing):
            each = too_large if place < NOT_FITTING else fitting
            framework = self.master.books.frameworks[framework_id]
            demand = RoleDemand(framework.info.roles[0], (Demand(each, self.agents),))
            self.step_call(framework_id, SetDemand((demand,)))

    def fill(self) -> None:
        """Something else has all agents."""
        books = self.master.books
        for agent in books.agents.values():
            books.hold_stray(agent, "x", SIZE)
        self.cycle()

    def change(self) -> None:
        """1 % of the agents are free again; every second framework has refused them."""
        books, offers = self.master.books, self.master._offers  # noqa: SLF001 - see above
        agents = self.random.sample(list(books.agents.values()), max(1, self.agents // 100))
        for place, framework in enumerate(books.frameworks.values()):
            for agent in agents if place % 2 else ():
                agent_id, role = agent.info.agent_id, framework.info.roles[0]
                offer = Offer(OfferId(""), agent_id, framework.framework_id, role, SIZE)
                offers.refuse(offer, SIZE, DAYS_30)
        for agent in agents:
            agent.refused_by.clear()
            books.hold_stray(agent, "x", EMPTY)

    def pairs_examined(self) -> int:
        return self.master._offers.standings.drawn  # noqa: SLF001 - see above

    def look_everywhere(self) -> None:
        self.master.books.look_everywhere()


def took(doing: Callable[[], None]) -> float:
    began = time.perf_counter()
    doing()
    return time.perf_counter() - began


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(report: Report, options: argparse.Namespace, agents: int, frameworks: int) -> None:
    """One point of the grid."""
    world = World(agents, frameworks, one_role=options.one_role)
    known = (MESOS_ONE_ROLE if options.one_role else MESOS).get((agents, frameworks))

    def told(name: str, values: Sequence[float], unit: str, mesos: float | None) -> None:
        scale = 1000 if unit == "ms" else 1
        report.add(f"{agents:,} x {frameworks:,} {name}", unit, [v * scale for v in values])
        if mesos is not None:
            report.note(f"Mesos: {mesos * scale:g} {unit}")

    world.add_agents()
    told("(1) add frameworks", [took(world.add_frameworks)], "s", known and known.add)
    gc.freeze()
    full = []
    for _ in range(3):
        full.append(took(world.cycle))
        counts = [len(each.offers) for each in world.master.books.frameworks.values()]
        assert max(counts) - min(counts) <= 1, f"from {min(counts)} to {max(counts)} agents"
        world.give_back(tuple(world.master.books.offers.values()))
    told("(2) full cycle", full, "ms", known and known.full)
    world.cycle()
    idle = [took(world.cycle) for _ in range(options.runs)]
    told("(3) idle cycle", idle, "ms", known and known.idle)
    for name, change, mesos in (
        ("(4) 10 agents freed", world.free, known and known.freed),
        ("(5) 10 agents grown", world.grow, known and known.grown),
    ):
        values = []
        for _ in range(options.runs):
            change(FEW)
            values.append(took(world.cycle))
        told(name, values, "ms", mesos)
    if options.without_declines:
        told("peak memory before (6)", [peak_gib()], "GiB", None)
        return
    world.decline_everything()
    world.look_everywhere()
    told("(6) all declined", [took(world.cycle)], "s", known and known.declined)
    world.grow(FEW)
    told("(6) 10 agents grown", [took(world.cycle)], "ms", None)
    told("peak memory", [peak_gib()], "GiB", known and known.memory)


def measure_demand(report: Report, options: argparse.Namespace, agents: int, many: int) -> None:
    """What (7) asks for."""
    world = World(agents, many, one_role=options.one_role)
    world.add_agents()
    world.fill()
    world.add_frameworks()
    world.want()
    world.cycle()
    values = []
    for _ in range(options.runs):
        world.change()
        before, offers = world.pairs_examined(), len(world.master.books.offers)
        values.append(took(world.cycle) * 1000)
        made = len(world.master.books.offers) - offers
        report.note(f"{world.pairs_examined() - before:,} pairs examined, {made} offers made")
        world.give_back(tuple(world.master.books.offers.values()))
        world.fill()
    report.add(f"{agents:,} x {many:,} (7) 1 % changed, with demand", "ms", values)


def measure_suppressed(report: Report, agents: int, many: int) -> None:
    """What (8) asks for."""
    few = max(1, many // 100)
    for name, number in (("99 % suppressed", many), ("without them", few)):
        world = World(agents, number, one_role=False)
        world.add_frameworks()
        for framework_id in list(world.master.books.frameworks)[few:]:
            world.step_call(framework_id, Suppress())
        world.add_agents()
        values = []
        for _ in range(3):
            world.give_back(tuple(world.master.books.offers.values()))
            values.append(took(world.cycle) * 1000)
        report.add(f"{agents:,} x {many:,} (8) full cycle, {name}", "ms", values)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[1_000])
    parser.add_argument("--frameworks", type=int, nargs="+", default=[200])
    parser.add_argument("--one-role", action="store_true", help="all frameworks in one role")
    parser.add_argument("--without-declines", action="store_true", help="leave out (6)")
    parser.add_argument("--with-demand", action="store_true", help="(7) and (8) instead")
    options = parser.parse_args()
    if options.with_demand:
        report = Report(options.output == "json")
        for agents in options.agents:
            for frameworks in options.frameworks:
                measure_demand(report, options, agents, frameworks)
                measure_suppressed(report, agents, frameworks)
        report.end()
        return
    points = [(a, f) for a in options.agents for f in options.frameworks]
    if len(points) == 1:
        report = Report(options.output == "json")
        measure(report, options, *points[0])
        report.end()
        return
    kept = ["--one-role"] * options.one_role + ["--without-declines"] * options.without_declines
    for agents, frameworks in points:  # each in a process of its own, for its memory
        point = ["--agents", str(agents), "--frameworks", str(frameworks)]
        others = ["--runs", str(options.runs), "-o", options.output, *kept]
        subprocess.run([sys.executable, Path(__file__), *point, *others], check=True)


if __name__ == "__main__":
    main()
