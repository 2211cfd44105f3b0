"""How fast the simulator lives: `python benchmarks/simulator.py`, in steps of cores a second.

One world without faults, 1,000 agents and 20 frameworks around one master: they register, every
framework has its short tasks run, heartbeats go on. The auditor judges every step. With checks the
books of its core are checked too: after each step what it touched, and all of them once in as many
steps as there are agents.
"""

import argparse
import gc
import sys
import time
from functools import partial
from random import Random

from measure import Report, arguments, repeat

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, RoleWish
from fairlead.master.settings import MasterSettings
from fairlead.sim.crowd import Other
from fairlead.sim.plan import LONG, Plan
from fairlead.sim.schedulers import Job, Manner
from fairlead.sim.world import World

GIB = 2**30
SIZE = Resources.of(cpus=8, mem=16 * GIB)
TASK = Resources.of(cpus=1, mem=GIB)
NEVER_S = 1e9


def plan(options: argparse.Namespace) -> Plan:
    """One framework keeps long tasks up, the others have bags of short ones; all fit at once."""
    random = Random("benchmark")

    def bag() -> tuple[Job, ...]:
        return tuple(
            Job(f"job-{n}", TASK, ("work", f"{random.uniform(0.5, 10.0):.3f}", "0"))
            for n in range(options.tasks)
        )

    def other(number: int) -> Other:
        return Other(f"bag-{number}", RoleWish(Role(f"bag-{number}")), bag(), Manner())

    return Plan(
        seed=1,
        agents=tuple(
            AgentInfo(AgentId(""), f"agent-{n}", SIZE, name=f"agent-{n}")
            for n in range(options.agents)
        ),
        master=MasterSettings(),
        silent_s=10.0,
        batch=bag(),
        service=tuple(Job(f"up-{n}", TASK, ("work", LONG, "0")) for n in range(options.tasks)),
        guest=None,
        roll_s=0.0,
        fault_every_s=NEVER_S,
        faults_end=20.0,
        others=tuple(other(number) for number in range(1, options.frameworks - 1)),
    )


def speed(options: argparse.Namespace, *, is_checked: bool) -> float:
    """Steps a second of one life."""
    gc.collect()
    world = World(plan(options), check_every=options.agents if is_checked else 0)
    began = time.perf_counter()
    told = world.run()
    took_s = time.perf_counter() - began
    if told.failure:
        raise SystemExit(f"the life failed after {told.virtual_s:.1f} s: {told.failure}")
    return told.steps / took_s


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--frameworks", type=int, default=20, help="two at least")
    parser.add_argument("--tasks", type=int, default=100, help="of each framework")
    options = parser.parse_args()
    report = Report(options.output == "json")
    size = f"{options.agents:,} agents, {options.frameworks} frameworks"
    for name, is_checked, asked in (
        ("checks off", False, "≥ 20,000"),
        ("checks on", True, "≥ 5,000"),
    ):
        values = repeat(partial(speed, options, is_checked=is_checked), options.runs)
        report.add(f"simulator, {size}, {name}", "steps/s", values, asked)
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
