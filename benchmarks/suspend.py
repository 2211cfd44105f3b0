"""How soon one task gives way to another: `python benchmarks/suspend.py`, in milliseconds.

First a whole local cluster: two tasks, one of them suspended, and a scheduler over the kit's driver
that has them change places in one accept. A task works in steps and comes to rest between two.
Measured is from the boundary where the one stopped until the other goes on: by what both write
down, so the step that had to be finished does not count. With a device they share a fake one.

Then the containerizer alone: a tree of five processes is suspended and resumed.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from measure import Report, arguments

from fairlead.agent.containerizer import LaunchSpec
from fairlead.agent.launcher_client import shutdown_launcher
from fairlead.agent.process_containerizer import ProcessContainerizer
from fairlead.common.home import Home
from fairlead.common.ids import LaunchUuid, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Reason, Resume, Suspend, TaskInfo, TaskState, TaskStatus
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.scheduler import (
    Accept,
    CallRefused,
    Offer,
    OffersReceived,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Stop,
    Teardown,
    accept,
    decline,
    framework,
    launch,
    task,
    wanting,
)

EACH = Resources.of(cpus=0.2, mem=64 * 2**20)
GPU = Resources.of(gpus=1)
LONGEST_S = 60.0
STEP_S = 0.02
PROGRAM = f"""
import os, signal, sys, time
asked = False
def ask(*_):
    global asked
    asked = True
signal.signal(signal.SIGUSR1, ask)
sandbox = os.environ["FAIRLEAD_SANDBOX"]
fakes = os.environ.get("FAIRLEAD_FAKE_GPUS")
def hold(size):
    if fakes:
        os.makedirs(fakes, exist_ok=True)
        with open(f"{{fakes}}/fake-0.{{os.getpid()}}", "w") as file:
            file.write(str(size))
hold(1 << 30)
report = open(sys.argv[1], "a", buffering=1)
print("up", time.monotonic(), file=report)
while True:
    until = time.monotonic() + {STEP_S}
    while time.monotonic() < until:
        pass
    if asked:
        asked = False
        print("rest", time.monotonic(), file=report)
        hold(0)
        open(f"{{sandbox}}/at-rest", "w").close()
        while os.path.exists(f"{{sandbox}}/at-rest"):
            time.sleep(0.002)
        print("go", time.monotonic(), file=report)
        hold(1 << 30)
"""
TREE = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        break
while True:
    sum(range(1000))
    time.sleep(0.001)
"""


class Turns(SchedulerBase):
    """Has two tasks change places so many times, and stops."""

    def __init__(self, reports: Path, changes: int, gpus: Resources) -> None:
        self.framework = framework("turns")
        self.reports = reports
        self.changes_left = changes
        self.gpus = gpus
        self.demands = wanting(EACH + gpus, 1)
        self.has_second = False

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        match event:
            case OffersReceived(offers):
                return [self.use(offer) for offer in offers]
            case StatusReceived(status):
                return self.seen(status)
            case CallRefused():
                return [Teardown(), Stop(f"{event}", 1)]
            case _:
                return []

    def named(self, name: str) -> TaskInfo:
        program = [sys.executable, "-I", "-S", "-c", PROGRAM, str(self.reports / name)]
        return task(name, program, EACH + self.gpus)

    def use(self, offer: Offer) -> object:
        """The second takes the place of the first, which is suspended before."""
        if not self.demands:
            return decline([offer])
        is_first = self.demands == wanting(EACH + self.gpus, 1)
        self.demands = ()
        if is_first and not self.has_second:
            return accept([offer], self.named("a"))
        self.has_second = True
        return Accept((offer.offer_id,), (_suspend("a"), *launch(self.named("b"))), (TaskId("a"),))

    def seen(self, status: TaskStatus) -> list[object]:
        if status.state.is_terminal or status.reason in {
            Reason.OPERATION_FAILED,
            Reason.GPU_NOT_RELEASED,
        }:
            return [Teardown(), Stop(f"{status.task_id}: {status.reason.name} {status.message}", 1)]
        if status.state is not TaskState.RUNNING:
            return []
        self.await_up(status.task_id)
        if not self.has_second:
            self.has_second = True
            self.demands = wanting(EACH, 1)
            return []
        if not self.changes_left:
            return [Teardown(), Stop()]
        self.changes_left -= 1
        here, away = status.task_id, TaskId("b" if status.task_id == "a" else "a")
        return [Accept((), (_suspend(here), Resume(away)), (here, away))]

    def await_up(self, name: str) -> None:
        """Whoever is asked to rest before it listens ends; nothing else has to be done here."""
        until = time.monotonic() + LONGEST_S
        while not (self.reports / name).exists() or not (self.reports / name).stat().st_size:
            if time.monotonic() > until:
                raise SystemExit(f"waited {LONGEST_S:g} s in vain for the first word of {name}")
            time.sleep(0.01)


def _suspend(name: str) -> Suspend:
    return Suspend(TaskId(name), signal=signal.SIGUSR1, wait_s=10.0)


@contextmanager
def cluster(home: Path, options: argparse.Namespace) -> Iterator[None]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
    environment = {**kept, "FAIRLEAD_HOME": str(home)}

    def command(*words: str) -> None:
        argv = (sys.executable, "-P", "-m", "fairlead.cli", *words)
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)

    command("up", "--detach", "--gpus", "fake:1", "--isolation", options.isolation)
    try:
        yield
    finally:
        command("down")


def changes(home: Path, reports: Path, count: int, gpus: Resources) -> list[float]:
    """Milliseconds from the rest of the one until the other went on, each time."""
    reports.mkdir()
    runner = FrameworkRunner(Turns(reports, count, gpus), Whereabouts(Home(home)))
    if asyncio.run(asyncio.wait_for(runner.run(), LONGEST_S)):
        raise SystemExit(f"it did not work: {runner.stopped}")
    lines = [line.split() for name in "ab" for line in (reports / name).read_text().splitlines()]
    said = sorted((float(when), what) for what, when in lines)
    pairs = pairwise(said)
    return [1000 * (later - when) for (when, _), (later, what) in pairs if what == "go"]


async def tree(path: Path, options: argparse.Namespace) -> list[float]:
    """Milliseconds in which the containerizer suspends and resumes five processes."""
    path.mkdir()
    containerizer = ProcessContainerizer(path, lambda _end: None, isolation=options.isolation)
    await containerizer.recover()
    uuid, found = LaunchUuid("tree"), []
    argv = (sys.executable, "-I", "-S", "-c", TREE)
    try:
        await containerizer.launch(LaunchSpec(uuid, argv, {}, path / "sandbox"))
        await asyncio.wait_for(_have(containerizer, uuid, 5), LONGEST_S)
        for _ in range(options.changes):
            began = time.perf_counter()
            await containerizer.suspend(uuid)
            await containerizer.resume(uuid)
            found.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(0.01)
    finally:
        await containerizer.close()
        shutdown_launcher(path, grace_s=0)
    return found


async def _have(containerizer: ProcessContainerizer, uuid: LaunchUuid, processes: int) -> None:
    while True:
        if len(await containerizer.pids(uuid)) >= processes:
            return
        await asyncio.sleep(0.01)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--changes", type=int, default=30, help="how often (30)")
    parser.add_argument("--isolation", default="auto", help="auto, process or cgroups")
    options = parser.parse_args()
    report = Report(options.output == "json")
    with tempfile.TemporaryDirectory(prefix="fairlead-suspend-") as directory:
        path = Path(directory)
        with cluster(path / "home", options):
            for what, gpus in (
                ("one task for another", Resources()),
                ("the same on a fake GPU", GPU),
            ):
                reports = path / what.replace(" ", "-")
                values = changes(path / "home", reports, options.changes, gpus)
                report.add(f"{what}, beyond the boundary", "ms", values, "≤ 50")
        values = asyncio.run(tree(path / "agent", options))
        report.add("a tree of five suspended and resumed", "ms", values, "≤ 20")
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
