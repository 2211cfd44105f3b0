"""The containers of one host: they outlive the agent, and how they ended is kept for it.

A task's argv says what it does here: `work SECONDS EXIT_CODE`, or `stubborn` for one that ignores
TERM.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fairlead.agent.events import (
    ContainerExited,
    ContainerNotStarted,
    ContainerStarted,
    Recovered,
    StartContainer,
)
from fairlead.common.ids import LaunchUuid

from .auditor import Auditor
from .clock import Clock, Timer
from .journal import Journal, count

TERM, KILL = 15, 9


@dataclass(slots=True)
class Container:
    """A task's process, running or ended."""

    launch_uuid: LaunchUuid
    pid: int
    start_time: int
    is_stubborn: bool
    timer: Timer | None = None
    exit: ContainerExited | None = None

    @property
    def is_running(self) -> bool:
        return self.exit is None


class Launcher:
    """Requests are dealt with in order, each after a moment; whoever asked may be gone by then."""

    def __init__(
        self, host: str, clock: Clock, random: Random, auditor: Auditor, journal: Journal
    ) -> None:
        self.host = host
        self.fails_next = 0
        """So many starts will fail."""
        self.tell: Callable[[object], None] | None = None
        """The agent that listens, if one does."""
        self._clock = clock
        self._random = random
        self._auditor = auditor
        self._journal = journal
        self._containers: dict[LaunchUuid, Container] = {}
        self._pids = 100
        self._boots = 0
        self._last_due = 0.0

    # --- what agents ask for

    def start(self, order: StartContainer) -> None:
        self._later(lambda: self._start(order))

    def signal(self, launch_uuid: LaunchUuid, signum: int) -> None:
        self._later(lambda: self._signal(launch_uuid, signum))

    def forget(self, launch_uuid: LaunchUuid) -> None:
        self._later(lambda: self._forget(launch_uuid))

    def recovered(self) -> list[Recovered]:
        """What runs, and what ended and was not forgotten."""
        return [
            Recovered(c.launch_uuid, c.pid, c.start_time, c.exit) for c in self._containers.values()
        ]

    # --- what befalls them

    def running(self) -> list[LaunchUuid]:
        return [c.launch_uuid for c in self._containers.values() if c.is_running]

    def strike(self, launch_uuid: LaunchUuid, exit_code: int | None, signum: int | None) -> None:
        """It fails by itself."""
        container = self._containers.get(launch_uuid)
        if container is not None and container.is_running:
            self._end(container, exit_code, signum)

    def vanish(self, *, told: bool) -> None:
        """All end and nobody knows how; with the whole host, nobody is left to be told."""
        if not told:
            self._boots += 1  # what was asked of a launcher is asked again of the one after it
        for container in list(self._containers.values()):
            if container.is_running:
                self._end(container, None, None, told=told)
        self._containers.clear()

    # --- inside

    def _later(self, call: Callable[[], None]) -> None:
        boot = self._boots
        delay = self._random.uniform(0.001, 0.02)
        self._last_due = max(self._last_due, self._clock.now + delay)
        self._clock.at(self._last_due, lambda: call() if boot == self._boots else None)

    def _start(self, order: StartContainer) -> None:
        uuid = order.launch_uuid
        container = self._containers.get(uuid)
        if container is not None:
            self._say(ContainerStarted(uuid, container.pid, container.start_time))
            if container.exit is not None:
                self._say(container.exit)
            return
        if self.fails_next > 0:
            self.fails_next -= 1
            self._note("not started", uuid)
            self._say(ContainerNotStarted(uuid, "cannot run 'work': no such file in PATH"))
            return
        self._pids += 1
        kind, seconds, exit_code = order.task.command.argv
        container = Container(uuid, self._pids, round(self._clock.now * 100), kind == "stubborn")
        self._containers[uuid] = container
        self._note("started", uuid)
        self._auditor.container_started(self.host, uuid, order.resources)
        container.timer = self._clock.after(
            float(seconds), lambda: self._end(container, int(exit_code), None)
        )
        self._say(ContainerStarted(uuid, container.pid, container.start_time))

    def _signal(self, launch_uuid: LaunchUuid, signum: int) -> None:
        container = self._containers.get(launch_uuid)
        if container is None or not container.is_running:
            return
        self._note(f"signal {signum}", launch_uuid)
        self._auditor.container_signalled(self._clock.now, self.host, launch_uuid, signum)
        if signum == KILL or not container.is_stubborn:
            delay = self._random.uniform(0.001, 0.05 if signum == KILL else 0.4)
            self._clock.after(delay, lambda: self._end(container, None, signum))

    def _forget(self, launch_uuid: LaunchUuid) -> None:
        container = self._containers.get(launch_uuid)
        if container is not None and not container.is_running:
            del self._containers[launch_uuid]

    def _end(
        self,
        container: Container,
        exit_code: int | None,
        signum: int | None,
        *,
        told: bool = True,
    ) -> None:
        if not container.is_running:
            return
        if container.timer is not None:
            container.timer.cancel()
        container.exit = ContainerExited(container.launch_uuid, exit_code, signum, 1 << 20)
        self._note("ended", container.exit)
        self._auditor.container_ended(container.launch_uuid)
        if told:
            self._say(container.exit)

    def _say(self, event: object) -> None:
        if self.tell is not None:
            self.tell(event)

    def _note(self, what: str, thing: object) -> None:
        count(self._journal.effects, what)
        self._journal.note(self._clock.now, self.host, what, thing)
