"""How fast separate tasks go by: `python benchmarks/tasks.py`, in tasks a second.

A local cluster of real processes, one or more agents; here a scheduler over the kit's driver that
has N tasks of /bin/true, each with a launch, a sandbox, limits and two acknowledged updates of its
own. A run lasts from dialling the master until the master has answered the Teardown that is said
behind the last acknowledgement.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from measure import Report, arguments

from fairlead.common.home import Home
from fairlead.common.values import TaskState, TaskStatus
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.scheduler import (
    Offer,
    OffersReceived,
    Resources,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Stop,
    Teardown,
    accept,
    decline,
    fitting,
    framework,
    task,
    wanting,
)

EACH = Resources.of(cpus=0.05, mem=16 * 2**20)
LONGEST_S = 120.0


class Trues(SchedulerBase):
    """Runs its tasks, as many at once as fit, and stops when all have finished."""

    def __init__(self, count: int) -> None:
        self.framework = framework("trues")
        self.waiting = [task(f"true-{n}", ["/bin/true"], EACH) for n in range(count)]
        self.unfinished = count
        self.demands = wanting(EACH, count)

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        match event:
            case OffersReceived(offers):
                return [self.use(offer) for offer in offers]
            case StatusReceived(status) if status.state.is_terminal:
                return self.ended(status)
            case _:
                return []

    def use(self, offer: Offer) -> object:
        chosen = fitting(offer.resources, self.waiting)
        self.waiting = self.waiting[len(chosen) :]  # all alike, so they fit in order
        self.demands = wanting(EACH, len(self.waiting))
        return accept([offer], *chosen) if chosen else decline([offer])

    def ended(self, status: TaskStatus) -> list[object]:
        if status.state is not TaskState.FINISHED:
            return [Teardown(), Stop(f"{status.task_id}: {status.state.name} {status.message}", 1)]
        self.unfinished -= 1
        return [] if self.unfinished else [Teardown(), Stop()]


@contextmanager
def cluster(home: Path, options: argparse.Namespace) -> Iterator[None]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
    environment = {**kept, "FAIRLEAD_HOME": str(home)}

    def command(*words: str) -> None:
        argv = (sys.executable, "-P", "-m", "fairlead.cli", *words)
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)

    agents, isolation = str(options.agents), options.isolation
    command("up", "--detach", "--agents", agents, "--isolation", isolation)
    try:
        yield
    finally:
        command("down")


def speed(home: Home, count: int) -> float:
    """Tasks a second of one framework's life."""
    runner = FrameworkRunner(Trues(count), Whereabouts(home))
    began = time.monotonic()
    code = asyncio.run(asyncio.wait_for(runner.run(), LONGEST_S))
    took_s = time.monotonic() - began
    if code:
        raise SystemExit(f"a task did not finish: {runner.stopped}")
    return count / took_s


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--isolation", default="auto", help="auto, process or cgroups")
    options = parser.parse_args()
    report = Report(options.output == "json")
    with tempfile.TemporaryDirectory(prefix="fairlead-tasks-") as directory:
        path = Path(directory, "home")
        with cluster(path, options):
            values = [speed(Home(path), options.tasks) for _ in range(options.runs)]
    agents = "1 agent" if options.agents == 1 else f"{options.agents} agents"
    what = f"{options.tasks} separate /bin/true, {agents}, isolation {options.isolation}"
    report.add(what, "tasks/s", values, "≥ 150")
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
