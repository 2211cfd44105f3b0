"""How long the allocator takes: `python benchmarks/allocation.py --agents 1000 --frameworks 200`.

The workload by which Mesos' own allocator was measured: agents of 24 cpus, 4 GiB of memory and of
disk and 1,001 ports, nothing used, and frameworks that state no demand, each in its own role or all
in one. Only the core of a master runs, in a process of its own for each point of the grid, and time
is that of the cpu. `--everything` is the whole grid and what `demand_costs.py` measures; `--beside
DIR` runs another checkout of Fairlead by turns.

(6): everybody has declined everything for 30 days. First as it is meant to be said of many agents
that are alike, all of whom one refusal holds for, until nothing is offered. Then of each agent by
itself, where these are not too many: the refusals are written into the books by what a decline does
in the end, since it would take as many rounds as there are frameworks. A cycle that goes through
all agents is none of the master's habits, as it is Mesos': it looks at what changed. So measured
are a Tick, what follows when one framework asks anew, and all agents looked at by everybody.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mesos
from core_world import GIB, World, took
from measure import Report, arguments

from fairlead.common.ids import FrameworkId, OfferId
from fairlead.common.messages import Revive, SetDemand
from fairlead.common.resources import Resources
from fairlead.common.values import Demand, Offer, RoleDemand

SIZE = Resources.of(cpus=24, mem=4 * GIB, disk=4 * GIB, ports=[(31000, 32000)])
GROWTH = Resources.of(cpus=1, mem=64 * 2**20)
ONE = Resources.of(cpus=1, mem=GIB)
FEW = 10
DAYS_30 = 30 * 86400.0
AGENTS = (1_000, 5_000, 10_000, 30_000, 50_000)
FRAMEWORKS = (1, 50, 200, 1_000)
MOST_ADDED_S = 1.0
"""For 1,000 frameworks that come to no more than 10,000 agents."""
MOST_PAIRS = 2_000_000
"""That refuse one by one: each takes some 250 bytes."""
HERE = Path(__file__)


class Point:
    """One of the grid: so many agents and frameworks."""

    def __init__(self, report: Report, options: argparse.Namespace) -> None:
        (self.agents,), (self.frameworks,) = options.agents, options.frameworks
        self.report, self.options = report, options
        self.world = World(SIZE)
        which = self.agents, self.frameworks
        known = (mesos.ONE_ROLE if options.one_role else mesos.OWN_ROLES).get(which)
        self.mesos: dict[str, Any] = {} if known is None else known._asdict()
        asked = mesos.most(*which, one_role=options.one_role)
        self.asked: dict[str, Any] = {} if asked is None else asked._asdict()

    def tell(self, name: str, unit: str, values: Sequence[float], part: str = "") -> None:
        """In seconds, or GiB; what is asked of a part may also be a number."""
        scale = 1000 if unit == "ms" else 1
        known, asked = self.mesos.get(part), self.asked.get(part)
        self.report.add(
            f"{self.agents:,} x {self.frameworks:,} {name}",
            unit,
            [value * scale for value in values],
            f"≤ {asked * scale:,.4g}".replace(",", "") if asked else "",
            f"Mesos {known * scale:,.4g} {unit}" if known else "",
        )

    def measure(self) -> None:
        self.asked |= {"idle": 0.001, "freed": 0.002, "grown": 0.002}
        self._come()
        self._full()
        self._changes()
        self.tell("peak memory until here", "GiB", [peak_gib()])
        if not self.options.without_declines:
            self._declined_alike()
            if self.agents * self.frameworks <= MOST_PAIRS:
                self._declined_one_by_one()

    def _come(self) -> None:
        world = self.world
        self.tell("add agents", "s", [took(lambda: world.add_agents(self.agents))])
        one_role, is_asked = self.options.one_role, self.agents <= 10_000
        self.asked["add"] = MOST_ADDED_S if is_asked else None
        seconds = took(lambda: world.add_frameworks(self.frameworks, one_role=one_role))
        self.tell("(1) add frameworks", "s", [seconds], "add")
        gc.freeze()

    def _full(self) -> None:
        values = []
        for _ in range(3):
            values.append(took(self.world.cycle))
            counts = [len(each.offers) for each in self.world.master.books.frameworks.values()]
            assert max(counts) - min(counts) <= 1, f"from {min(counts)} to {max(counts)} agents"
            self.world.give_all_back()
        self.tell("(2) full cycle", "ms", values, "full")

    def _changes(self) -> None:
        world, runs = self.world, self.options.runs
        world.cycle()
        self.tell("(3) idle cycle", "ms", [took(world.cycle) for _ in range(runs)], "idle")
        freed, grown = [], []
        for _ in range(runs):
            agents = world.random.sample(list(world.master.books.agents.values()), FEW)
            world.give_back([held for agent in agents for held in agent.offers.values()])
            freed.append(took(world.cycle))
        self.tell("(4) 10 agents freed", "ms", freed, "freed")
        for _ in range(runs):
            self._grow()
            grown.append(took(world.cycle))
        self.tell("(5) 10 agents grown", "ms", grown, "grown")

    def _grow(self) -> None:
        """As if ten agents had said that they have more now."""
        books = self.world.master.books
        for agent in self.world.random.sample(list(books.agents.values()), FEW):
            agent.info = replace(agent.info, resources=agent.info.resources + GROWTH)
            books.count(agent)
            books.dirty[agent.info.agent_id] = None

    # --- part (6), where everything is declined

    def _declined_alike(self) -> None:
        world, rounds, seconds = self.world, 0, 0.0
        while offers := tuple(world.master.books.offers.values()):
            rounds += 1
            seconds += took(lambda: world.give_back(offers, DAYS_30, alike=True))
            seconds += took(world.cycle)
        self.report.note(f"{rounds} rounds of declines until nothing was offered, {seconds:.2g} s")
        self._declined("alike", "memory")

    def _declined_one_by_one(self) -> None:
        """What was grown is refused with the rest."""
        world, offers = self.world, self.world.master._offers  # noqa: SLF001 - see above
        books = world.master.books
        for framework_id in books.frameworks:
            world.call(framework_id, Revive())
        whole = max((agent.info.resources for agent in books.agents.values()), key=_cpus)
        whole += GROWTH + GROWTH
        for framework in books.frameworks.values():
            role = framework.info.roles[0]
            for agent_id in books.agents:
                offer = Offer(OfferId(""), agent_id, framework.framework_id, role, whole)
                offers.refuse(offer, whole, DAYS_30)
        world.cycle()
        self._declined("one by one", "")

    def _declined(self, how: str, memory: str) -> None:
        world = self.world
        self._nothing_offered()
        self.tell(f"(6) declined {how}: a Tick", "s", [took(world.cycle)], "declined")
        world.call(FrameworkId("f0"), self._demand(1))
        self._nothing_offered()
        seconds = took(world.cycle)
        self._nothing_offered()
        self.tell(f"(6) declined {how}: one asks anew", "s", [seconds], "declined")
        world.master.books.look_everywhere()
        self.tell(f"(6) declined {how}: all look", "s", [took(world.cycle)], "declined")
        self._nothing_offered()
        world.call(FrameworkId("f0"), self._demand(0))
        if how == "alike":  # what is grown is more than was refused
            self._grow()
            self.tell("(6) 10 agents grown", "ms", [took(world.cycle)], "grown")
        self.tell(f"peak memory, declined {how}", "GiB", [peak_gib()], memory)

    def _demand(self, count: int) -> SetDemand:
        role = self.world.master.books.frameworks[FrameworkId("f0")].info.roles[0]
        return SetDemand((RoleDemand(role, (Demand(ONE, count),) if count else ()),))

    def _nothing_offered(self) -> None:
        offers = self.world.master.books.offers
        assert not offers, f"{len(offers)} offers were made all the same"


def _cpus(resources: Resources) -> int:
    return resources.cpus


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


# --- several points, each in a process of its own for its memory


def point(options: argparse.Namespace, agents: int, frameworks: int, root: Path) -> Any:
    """The figures of one, by the benchmark of that checkout."""
    kept = ["--one-role"] * options.one_role + ["--without-declines"] * options.without_declines
    argv = ("--agents", str(agents), "--frameworks", str(frameworks), "--runs", str(options.runs))
    done = subprocess.run(
        [sys.executable, root / "benchmarks" / HERE.name, *argv, "-o", "json", *kept],
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)["figures"]


def tell_point(report: Report, options: argparse.Namespace, agents: int, frameworks: int) -> None:
    for each in point(options, agents, frameworks, HERE.parents[1]):
        report.add(each["name"], each["unit"], each["runs"], each["asked"], each["beside"])


def compare(report: Report, options: argparse.Namespace, agents: int, frameworks: int) -> None:
    """With another checkout, by turns; what both of them measure, by the same name."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(options.turns):
        for place, root in enumerate((HERE.parents[1], options.beside)):
            for each in point(options, agents, frameworks, root):
                found.setdefault(each["name"], ([], []))[place].append(each["median"])
    for name, (ours, theirs) in found.items():
        if ours and theirs and (before := statistics.median(theirs)):
            report.add(f"{name}: ratio", "", [statistics.median(ours) / before])


def everything(report: Report, options: argparse.Namespace) -> None:
    """All that is asked of the allocator in one go."""
    for agents in AGENTS:
        for frameworks in FRAMEWORKS:
            tell_point(report, options, agents, frameworks)
    in_one = argparse.Namespace(**{**vars(options), "one_role": True, "without_declines": True})
    report.note("all frameworks in one role")
    tell_point(report, in_one, 30_000, 1_000)
    runs = ("--runs", str(options.runs))
    for argv in (("--agents", "10000"), ("--agents", "50000", "--only-demand")):
        done = subprocess.run(
            [sys.executable, HERE.with_name("demand_costs.py"), "-o", "json", *runs, *argv],
            stdout=subprocess.PIPE,
            check=True,
        )
        for each in json.loads(done.stdout)["figures"]:
            report.add(each["name"], each["unit"], each["runs"], each["asked"], each["beside"])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[1_000])
    parser.add_argument("--frameworks", type=int, nargs="+", default=[200])
    parser.add_argument("--one-role", action="store_true", help="all frameworks in one role")
    parser.add_argument("--without-declines", action="store_true", help="leave out (6)")
    parser.add_argument("--everything", action="store_true", help="the grid, and demand_costs.py")
    parser.add_argument("--beside", type=Path, help="another checkout, to compare with")
    parser.add_argument("--turns", type=int, default=2, help="of each of them (2)")
    options = parser.parse_args()
    report = Report(options.output == "json")
    points = [(a, f) for a in options.agents for f in options.frameworks]
    if options.everything:
        everything(report, options)
    elif options.beside:
        for each in points:
            compare(report, options, *each)
    elif len(points) > 1:
        for each in points:
            tell_point(report, options, *each)
    else:
        Point(report, options).measure()
    report.end()


if __name__ == "__main__":
    main()
