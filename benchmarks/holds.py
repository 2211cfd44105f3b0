"""What room kept for large demands costs: `python benchmarks/holds.py`.

Agents of 24 cpus are full but for one cpu, and every framework, each in its own role, has waited
for half of an agent, so that an agent is to be chosen for each of them. Only the core of a master
runs. A minute passes in Ticks; nothing becomes free, so after half of it all choose once more.
`--too-large`: no agent could serve any of them. `--quota`: somebody has a guarantee, and a limit.
`--gangs`: each wants 30 of these at once.
"""

import argparse
import gc
import time
from random import Random

from measure import Report, arguments

from fairlead.common.events import Received, SessionOpened, Tick
from fairlead.common.ids import AgentId, CallId, FrameworkId, Role, SessionId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AgentMessage,
    FrameworkMessage,
    Hello,
    RegisterAgent,
    Subscribe,
)
from fairlead.common.operators import OperatorCall, SetQuota
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, Demand, FrameworkInfo, RoleDemand
from fairlead.master.core import Event, Master
from fairlead.master.settings import MasterSettings

GIB = 2**30
WHOLE = Resources.of(cpus=24, mem=24 * GIB)
USED = Resources.of(cpus=23, mem=23 * GIB)
HALF = Resources.of(cpus=12, mem=12 * GIB)
TOO_LARGE = Resources.of(cpus=25, mem=GIB)
GANG = 30
MINUTE_S = 60
GPU_AGENTS = 10
"""One of so many has GPUs."""
NEVER_S = 1e9
APART_S = 0.001
"""Between two agents that come: else all would be looked after in the same step."""


class World:
    """A master's core, with nobody who has to beat."""

    def __init__(self) -> None:
        settings = MasterSettings(silent_s=NEVER_S, agent_timeout_s=NEVER_S, revoke_after_s=0)
        self.master = Master(settings, 1, "benchmark", Random(1))
        self.now = 0.0
        self._sessions = 0

    def step(self, event: Event) -> float:
        began = time.process_time()
        self.master.step(event, self.now)
        return time.process_time() - began

    def open(self) -> SessionId:
        self._sessions += 1
        self.step(SessionOpened(SessionId(self._sessions)))
        return SessionId(self._sessions)

    def add_agents(self, count: int) -> None:
        for number in range(count):
            self.now += APART_S
            gpus = {f"GPU-{number}": 1.0} if number % GPU_AGENTS == 0 else {}
            resources = WHOLE + Resources.of(gpus=gpus)
            info = AgentInfo(AgentId(""), f"host-{number}", resources)
            hello = Hello(PROTOCOL_VERSION, "benchmark", f"agent-{number}", 1)
            self.step(Received(self.open(), AgentMessage(RegisterAgent(hello, info))))
        for agent in self.master.books.agents.values():
            self.master.books.hold_stray(agent, "x", USED)

    def add_frameworks(self, count: int, demand: Demand) -> None:
        for number in range(count):
            role = Role(f"role-{number}")
            info = FrameworkInfo(FrameworkId(f"f{number}"), f"framework-{number}", roles=(role,))
            hello = Hello(PROTOCOL_VERSION, "benchmark", f"framework-{number}", 1)
            subscribe = Subscribe(hello, info, demands=(RoleDemand(role, (demand,)),))
            self.step(Received(self.open(), FrameworkMessage(subscribe, CallId("c"))))

    def ticks(self) -> list[float]:
        """All that are due now, and how long each took."""
        took = [self.step(Tick())]
        while (due := self.master.next_deadline()) is not None and due <= self.now:
            took.append(self.step(Tick()))
        return took


def measure(report: Report, options: argparse.Namespace, agents: int, frameworks: int) -> None:
    """One minute."""
    world = World()
    world.add_agents(agents)
    if options.quota:
        quota = SetQuota(Role("role-0"), {"cpus": 1000}, {"cpus": 10**9})
        world.step(Received(SessionId(0), OperatorCall(quota)))
    each = TOO_LARGE if options.too_large else HALF
    gang = Demand(each, GANG, gang=True)
    world.add_frameworks(frameworks, gang if options.gangs else Demand(each, 1))
    world.ticks()
    gc.freeze()
    took: list[float] = []
    for _ in range(MINUTE_S):
        world.now += 1.0
        took += world.ticks()
    name = f"{agents:,} x {frameworks:,}"
    books = world.master.books
    kept = len(books.gang_hold.agents) if books.gang_hold is not None else 0
    report.note(f"{len(took):,} steps; {len(books.holds) + kept:,} agents are kept")
    report.add(f"{name} the longest step", "ms", [max(took) * 1000])
    report.add(f"{name} all steps of a minute", "s", [sum(took)])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--frameworks", type=int, nargs="+", default=[10, 1_000])
    parser.add_argument("--too-large", action="store_true", help="no agent could serve any")
    parser.add_argument("--quota", action="store_true", help="with a guarantee and a limit")
    parser.add_argument("--gangs", action="store_true", help="30 at once instead of one")
    options = parser.parse_args()
    report = Report(options.output == "json")
    for agents in options.agents:
        for frameworks in options.frameworks:
            measure(report, options, agents, frameworks)
    report.end()


if __name__ == "__main__":
    main()
