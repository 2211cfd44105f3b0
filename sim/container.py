"""One simulated process: what its program does, and how much of its work is left.

Its time runs only while it runs: not at rest, not frozen. A program holds memory of its devices
from its start to its end, less what it gives back when it comes to rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from fairlead.agent.events import ContainerExited, StartContainer
from fairlead.common.ids import GpuId, LaunchUuid
from fairlead.common.resources import MILLIS

from .clock import Clock, Timer


@dataclass(frozen=True, slots=True)
class Program:
    """`KIND SECONDS EXIT_CODE [BATCH_S]`: how long it works and how it ends then.

    `work` does its work; `stubborn` ignores TERM as well; `train` comes to rest when it is asked
    to, at the end of a batch; `clinging` comes to rest but keeps the memory of its devices.
    """

    kind: str
    seconds: float
    exit_code: int
    batch_s: float = 0.1

    @classmethod
    def of(cls, argv: tuple[str, ...]) -> Self:
        kind, seconds, exit_code, *batch_s = argv
        return cls(kind, float(seconds), int(exit_code), *map(float, batch_s))

    @property
    def is_stubborn(self) -> bool:
        return self.kind == "stubborn"

    @property
    def comes_to_rest(self) -> bool:
        return self.kind in ("train", "clinging")


class Container:
    """A task's process, running, at rest, frozen or ended."""

    def __init__(
        self, clock: Clock, pid: int, order: StartContainer, end: Callable[["Container"], None]
    ) -> None:
        self.launch_uuid: LaunchUuid = order.launch_uuid
        self.pid = pid
        self.start_time = round(clock.now * 100)
        self.program = Program.of(order.task.command.argv)
        self.gpu_ids: tuple[GpuId, ...] = tuple(gpu_id for gpu_id, _ in order.resources.gpus)
        self.holds_memory = bool(self.gpu_ids)
        self.cpus = order.resources.cpus
        self.busy = 0.0
        """Of its cpus it uses so much,"""
        self.cpu_s = 0.0
        """and has used so many seconds."""
        self.is_at_rest = False
        self.is_frozen = False
        self.signals: list[int] = []
        """Sent while it was frozen."""
        self.suspension: Timer | None = None
        """The next part of a suspension that is under way."""
        self.exit: ContainerExited | None = None
        self._clock = clock
        self._end = end
        self._left_s = self.program.seconds
        self._since: float | None = None
        self._timer: Timer | None = None
        self._go_on()

    @property
    def is_running(self) -> bool:
        """It has not ended."""
        return self.exit is None

    @property
    def worked_s(self) -> float:
        """Of the seconds that its work takes."""
        running_s = 0.0 if self._since is None else self._clock.now - self._since
        return self.program.seconds - self._left_s + running_s

    def work(self, seconds: float) -> None:
        """So long, if it does."""
        if self._since is not None:
            self.cpu_s += seconds * self.busy * self.cpus / MILLIS

    def rest(self, *, keeps_memory: bool) -> None:
        """It has stopped by itself, and goes on when it is told to."""
        self.is_at_rest = True
        self.holds_memory = self.holds_memory and keeps_memory
        self._stop()

    def freeze(self) -> None:
        self.is_frozen = True
        self._stop()

    def go_on(self) -> None:
        """Thawed, and its rest is over."""
        self.is_frozen = self.is_at_rest = False
        self.holds_memory = bool(self.gpu_ids)
        self._go_on()

    def ended(self, ending: ContainerExited) -> None:
        self.cancel_suspension()
        self._stop()
        self.is_frozen = self.is_at_rest = self.holds_memory = False
        self.exit = ending

    def cancel_suspension(self) -> None:
        if self.suspension is not None:
            self.suspension.cancel()
            self.suspension = None

    def _stop(self) -> None:
        self._left_s = self.program.seconds - self.worked_s
        self._since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        if self._since is None and self.is_running:
            self._since = self._clock.now
            self._timer = self._clock.after(max(0.0, self._left_s), lambda: self._end(self))
