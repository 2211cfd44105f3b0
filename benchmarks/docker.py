"""How soon a Docker task runs: `python benchmarks/docker.py --image IMAGE`, in milliseconds.

A local cluster with one agent on the machine's Docker engine, or that of `--docker`; here a
scheduler over the kit's driver that launches tasks of `sleep`, one after the other. Measured is
from its accept until RUNNING has come back; the image is there already, a first task is not
counted. Without an engine, or without the image, nothing is measured and that is said.
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
from dataclasses import replace
from pathlib import Path

from measure import Report, arguments

from fairlead.common.home import Home
from fairlead.common.ids import TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Container, TaskState, TaskStatus
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.scheduler import (
    Kill,
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
    task,
    wanting,
)

EACH = Resources.of(cpus=0.1, mem=32 * 2**20)
LONGEST_S = 120.0


class Sleepers(SchedulerBase):
    """One task after the other, each killed as soon as it runs."""

    def __init__(self, image: str, count: int) -> None:
        self.framework = framework("sleepers")
        self.image = image
        self.left = count
        self.began = 0.0
        self.took_ms: list[float] = []
        self.demands = wanting(EACH, 1)

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        match event:
            case OffersReceived(offers):
                return [
                    self.use(offer) if n == 0 else decline([offer])
                    for n, offer in enumerate(offers)
                ]
            case StatusReceived(status):
                return self.followed(status)
            case _:
                return []

    def use(self, offer: Offer) -> object:
        self.demands = wanting(EACH, 0)
        self.left -= 1
        plain = task(f"sleeper-{self.left}", ["sleep", "60"], EACH)
        self.began = time.monotonic()
        return accept([offer], replace(plain, container=Container(self.image)))

    def followed(self, status: TaskStatus) -> list[object]:
        if status.state is TaskState.RUNNING:
            self.took_ms.append((time.monotonic() - self.began) * 1000)
            return [Kill(TaskId(status.task_id), grace_s=0.0)]
        if status.state is TaskState.KILLED:
            self.demands = wanting(EACH, 1 if self.left else 0)
            return [] if self.left else [Teardown(), Stop()]
        if status.state.is_terminal:
            return [Teardown(), Stop(status.message, 1)]
        return []


@contextmanager
def cluster(home: Path, docker: str) -> Iterator[None]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
    environment = {**kept, "FAIRLEAD_HOME": str(home)}

    def command(*words: str) -> None:
        argv = (sys.executable, "-P", "-m", "fairlead.cli", *words)
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)

    command("up", "--detach", "--docker", docker)
    try:
        yield
    finally:
        command("down")


def measure(options: argparse.Namespace) -> list[float] | str:
    """Or why nothing was measured."""
    with tempfile.TemporaryDirectory(prefix="fairlead-docker-") as directory:
        path = Path(directory, "home")
        with cluster(path, options.docker):
            scheduler = Sleepers(options.image, options.runs + 1)
            runner = FrameworkRunner(scheduler, Whereabouts(Home(path)))
            code = asyncio.run(asyncio.wait_for(runner.run(), LONGEST_S))
            why = "" if runner.stopped is None else runner.stopped.message
            return why if code else scheduler.took_ms[1:]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--docker", default="auto", help="the engine, such as unix://PATH (auto)")
    parser.add_argument("--image", default="debian:stable-slim", help="with sh and sleep")
    options = parser.parse_args()
    found = measure(options)
    if isinstance(found, str):
        print(f"docker: not measured: {found}", file=sys.stderr)
        return 0
    report = Report(options.output == "json")
    report.add(f"a Docker task of {options.image}, accept to RUNNING", "ms", found, "≤ 1000")
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
