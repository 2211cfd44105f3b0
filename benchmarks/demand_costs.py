"""What demand, suppression and a mix of frameworks cost the allocator: `demand_costs.py`.

(7): every framework wants tasks, which for the first ten in the order of shares are larger than any
agent; 1 % of the agents become free, which every second framework has refused. (8): all but a
hundredth of the frameworks have suppressed offers, and a full cycle is compared with that of those
few alone. (9): 80 agents of 64 cpus; 4 services, 500 batches and 50 frameworks like Spark launch
their tasks, 4,300 cpus in all, each as much on an offer as fits, and refuse what is left of it for
5 s; a round is a second. Only the core of a master runs, and time is that of the cpu.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

from core_world import GIB, World, took
from measure import Report, arguments

from fairlead.common.ids import FrameworkId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.messages import Accept, Decline, SetDemand, Suppress
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Command, Demand, Launch, Offer, RoleDemand, TaskInfo

SIZE = Resources.of(cpus=24, mem=4 * GIB, disk=4 * GIB, ports=[(31000, 32000)])
FITTING = Resources(SIZE.cpus, GIB, GIB)
TOO_LARGE = Resources(SIZE.cpus + 1, GIB, GIB)
NOT_FITTING = 10
DAYS_30 = 30 * 86400.0
MOST_ROUNDS = 1000


# --- much that is wanted


class Wanting:
    """Something else has all agents, and everybody wants tasks as large as one."""

    def __init__(self, agents: int, frameworks: int) -> None:
        self.world = World(SIZE)
        self.world.add_agents(agents)
        self._fill()
        self.world.add_frameworks(frameworks)
        for place, framework_id in enumerate(sorted(self.world.master.books.frameworks)):
            each = TOO_LARGE if place < NOT_FITTING else FITTING
            role = self.world.master.books.frameworks[framework_id].info.roles[0]
            demand = RoleDemand(role, (Demand(each, agents),))
            self.world.call(framework_id, SetDemand((demand,)))
        self.world.cycle()

    def measure(self, report: Report, name: str, runs: int) -> None:
        values = []
        for _ in range(runs):
            self._change()
            before, offers = self._pairs_examined(), len(self.world.master.books.offers)
            values.append(took(self.world.cycle) * 1000)
            made = len(self.world.master.books.offers) - offers
            report.note(f"{self._pairs_examined() - before:,} pairs examined, {made} offers made")
            self.world.give_all_back()
            self._fill()
        report.add(f"{name} (7) 1 % changed, with demand", "ms", values, "≤ 50")

    def _fill(self) -> None:
        for agent in self.world.master.books.agents.values():
            self.world.master.books.hold_stray(agent, "x", SIZE)
        self.world.cycle()

    def _change(self) -> None:
        """1 % of the agents are free again; every second framework has refused them. Who was served
        before stands no further behind for it.
        """
        books, offers = self.world.master.books, self.world.master._offers  # noqa: SLF001
        agents = list(books.agents.values())
        changed = self.world.random.sample(agents, max(1, len(agents) // 100))
        for place, framework in enumerate(books.frameworks.values()):
            framework.allocations.clear()
            books.touch_framework(framework.framework_id)
            for agent in changed if place % 2 else ():
                agent_id, role = agent.info.agent_id, framework.info.roles[0]
                offer = Offer(OfferId(""), agent_id, framework.framework_id, role, SIZE)
                offers.refuse(offer, SIZE, DAYS_30)
        for agent in changed:
            agent.refused_by.clear()
            books.hold_stray(agent, "x", EMPTY)

    def _pairs_examined(self) -> int:
        return self.world.master._offers.standings.drawn  # noqa: SLF001 - counted for this


# --- many who are suppressed


def measure_suppressed(report: Report, agents: int, many: int, runs: int) -> None:
    few = max(1, many // 100)
    worlds = []
    for number in (few, many):
        world = World(SIZE)
        world.add_frameworks(number)
        for framework_id in list(world.master.books.frameworks)[few:]:
            world.call(framework_id, Suppress())
        world.add_agents(agents)
        worlds.append(world)
    values: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):  # by turns, for both alike
        for world, found in zip(worlds, values, strict=True):
            world.give_all_back()
            found.append(took(world.cycle) * 1000)
    name = f"{agents:,} x {many:,} (8) full cycle"
    report.add(f"{name}, those alone", "ms", values[0])
    report.add(f"{name}, 99 % suppressed", "ms", values[1])
    ratios = [after / before for before, after in zip(*values, strict=True)]
    report.add(f"{name}, the ratio", "", ratios, "≤ 1.1")


# --- a mix


class Kind(NamedTuple):
    """Of frameworks: so many, each with so many tasks of that size."""

    name: str
    frameworks: int
    tasks: int
    each: Resources


KINDS = (
    Kind("service", 4, 50, Resources.of(cpus=4, mem=16 * GIB)),
    Kind("batch", 500, 5, Resources.of(cpus=1, mem=2 * GIB)),
    Kind("spark", 50, 20, Resources.of(cpus=1, mem=4 * GIB)),
)


class Mix:
    """(9)."""

    def __init__(self, *, says_demand: bool) -> None:
        self.world = World(Resources.of(cpus=64, mem=256 * GIB))
        self.world.add_agents(80)
        self.left: dict[FrameworkId, int] = {}
        self.kinds: dict[FrameworkId, Kind] = {}
        for kind in KINDS:
            for _ in range(kind.frameworks):
                self._come(kind, says_demand=says_demand)

    def _come(self, kind: Kind, *, says_demand: bool) -> None:
        number = len(self.left)
        role = Role(f"{kind.name}-{number}")
        framework_id = self.world.add_framework(number, role)
        self.left[framework_id], self.kinds[framework_id] = kind.tasks, kind
        if says_demand:
            demand = RoleDemand(role, (Demand(kind.each, kind.tasks),))
            self.world.call(framework_id, SetDemand((demand,)))

    def run(self) -> tuple[int, float]:
        """Rounds until all has launched, and the master's seconds."""
        seconds = 0.0
        for number in range(1, MOST_ROUNDS):
            self.world.now += 1.0
            seconds += took(self.world.cycle)
            for held in tuple(self.world.master.books.offers.values()):
                answers = self._answers(held.offer)
                seconds += took(lambda: list(answers))  # noqa: B023 - called at once
            if not any(self.left.values()):
                return number, seconds
        sys.exit(f"{sum(self.left.values())} tasks have found no room in {MOST_ROUNDS} rounds")

    def _answers(self, offer: Offer) -> Iterator[None]:
        framework_id, kind = offer.framework_id, self.kinds[offer.framework_id]
        fitting = min(offer.resources.cpus // kind.each.cpus, offer.resources.mem // kind.each.mem)
        launches = []
        for _ in range(min(fitting, self.left[framework_id])):
            name = f"{framework_id}-{self.left[framework_id]}"
            self.left[framework_id] -= 1
            task = TaskInfo(TaskId(name), name, Command(("work",)), kind.each)
            launches.append(Launch(task, LaunchUuid(name)))
        if launches:
            yield self.world.call(framework_id, Accept((offer.offer_id,), tuple(launches)))
        else:
            yield self.world.call(framework_id, Decline((offer.offer_id,)))
        if launches and not self.left[framework_id]:
            yield self.world.call(framework_id, Suppress())


def measure_mix(report: Report) -> None:
    for says_demand in (False, True):
        rounds, seconds = Mix(says_demand=says_demand).run()
        name = f"(9) 80 agents, 554 frameworks, {'with' if says_demand else 'no'} stated demand"
        report.add(f"{name}: rounds", "", [rounds])
        report.add(f"{name}: the master's time", "s", [seconds])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--frameworks", type=int, default=1_000)
    parser.add_argument("--only-demand", action="store_true", help="leave out (8) and (9)")
    options = parser.parse_args()
    report = Report(options.output == "json")
    measure(report, options)
    report.end()


def measure(report: Report, options: argparse.Namespace) -> None:
    name = f"{options.agents:,} x {options.frameworks:,}"
    Wanting(options.agents, options.frameworks).measure(report, name, options.runs)
    if not options.only_demand:
        measure_suppressed(report, options.agents, options.frameworks, options.runs)
        measure_mix(report)


if __name__ == "__main__":
    main()
