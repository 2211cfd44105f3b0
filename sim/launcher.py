"""The containers of one host: they outlive the agent, and how they ended is kept for it.

What an agent's shell does step by step (ask a program to come to rest, freeze it, look whether its
devices are free) is done here, and stops where it was when the agent dies. What a task's argv says
of its program: see `container`.
"""

from collections.abc import Callable
from random import Random

from fairlead.agent.events import (
    ContainerExited,
    ContainerNotResumed,
    ContainerNotStarted,
    ContainerNotSuspended,
    ContainerResumed,
    ContainerStarted,
    ContainerSuspended,
    ContainerUpdated,
    Recovered,
    ResumeContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
)
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Reason, Usage

from .auditor import Auditor
from .clock import Clock
from .container import Container
from .journal import Journal, count

TERM, KILL = 15, 9
LOOKS_S = 2.0
"""So long devices are looked at for what a suspended container still holds of them."""
DONE_ALL_THE_SAME = 0.5
"""So many of the resumes that are said to have failed: an engine that hangs does them later."""
BUSY = (0.0, 0.0, 0.1, 0.5, 1.0)
"""Parts of its cpus that a program uses,"""
MOODS = 0.1
"""and how often that is another one when it is measured."""
IN_USE = "memory: more than that is in use"


class Launcher:
    """Requests are dealt with in order, each after a moment; whoever asked may be gone by then."""

    def __init__(
        self, host: str, clock: Clock, random: Random, auditor: Auditor, journal: Journal
    ) -> None:
        self.host = host
        self.fails: dict[str, int] = {}
        """So many of the next orders of a kind (see FAILURES) will fail."""
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
        self._measured_at = 0.0

    # --- what agents ask for

    def start(self, order: StartContainer) -> None:
        self._later(lambda: self._start(order))

    def signal(self, launch_uuid: LaunchUuid, signum: int) -> None:
        self._later(lambda: self._signal(launch_uuid, signum))

    def suspend(self, order: SuspendContainer) -> None:
        self._later(lambda: self._suspend(order))

    def resume(self, order: ResumeContainer) -> None:
        self._later(lambda: self._resume(order))

    def update(self, order: UpdateContainer) -> None:
        self._later(lambda: self._update(order))

    def forget(self, launch_uuid: LaunchUuid) -> None:
        self._later(lambda: self._forget(launch_uuid))

    def recovered(self) -> list[Recovered]:
        """What runs, and what ended and was not forgotten."""
        return [
            Recovered(c.launch_uuid, c.pid, c.start_time, c.exit) for c in self._containers.values()
        ]

    def left_alone(self) -> None:
        """The agent is dead: a suspension that was under way stays where it is."""
        self.tell = None
        for container in self._containers.values():
            container.cancel_suspension()

    # --- what befalls them

    def running(self) -> list[LaunchUuid]:
        return [c.launch_uuid for c in self._containers.values() if c.is_running]

    def usage(self) -> tuple[tuple[LaunchUuid, Usage], ...]:
        """Of each that runs. How busy it is changes now and then."""
        since, self._measured_at = self._measured_at, self._clock.now
        found = []
        for container in self._containers.values():
            if container.is_running:
                container.work(self._clock.now - since)
                if self._random.random() < MOODS:
                    container.busy = self._random.choice(BUSY)
                used = Usage(container.cpu_s, 1 << 20, 1)
                found.append((container.launch_uuid, used))
        return tuple(found)

    def has_devices_in_use(self) -> bool:
        """Or had, by somebody who is suspended."""
        return any(c.gpu_ids for c in self._containers.values() if c.is_running)

    def container(self, launch_uuid: LaunchUuid) -> Container | None:
        """To be looked at."""
        return self._containers.get(launch_uuid)

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

    # --- inside: starting and ending

    def _later(self, call: Callable[[], None]) -> None:
        boot = self._boots
        delay = self._random.uniform(0.001, 0.02)
        self._last_due = max(self._last_due, self._clock.now + delay)
        self._clock.at(self._last_due, lambda: call() if boot == self._boots else None)

    def _fails(self, kind: str) -> bool:
        left = self.fails.get(kind, 0)
        if left:
            self.fails[kind] = left - 1
        return left > 0

    def _start(self, order: StartContainer) -> None:
        uuid = order.launch_uuid
        container = self._containers.get(uuid)
        if container is not None:
            self._say(ContainerStarted(uuid, container.pid, container.start_time))
            if container.exit is not None:
                self._say(container.exit)
            return
        if self._fails("start"):
            self._note("not started", uuid)
            self._say(ContainerNotStarted(uuid, "cannot run 'work': no such file in PATH"))
            return
        self._pids += 1
        container = Container(
            self._clock, self._pids, order, lambda it: self._end(it, it.program.exit_code, None)
        )
        self._containers[uuid] = container
        self._note("started", uuid)
        self._auditor.container_started(self._clock.now, self.host, uuid, order.resources)
        self._say(ContainerStarted(uuid, container.pid, container.start_time))

    def _signal(self, launch_uuid: LaunchUuid, signum: int) -> None:
        container = self._containers.get(launch_uuid)
        if container is None or not container.is_running:
            return
        self._note(f"signal {signum}", launch_uuid)
        self._auditor.container_signalled(self._clock.now, self.host, launch_uuid, signum)
        self._deliver(container, signum)

    def _deliver(self, container: Container, signum: int) -> None:
        if container.is_frozen and signum != KILL:
            container.signals.append(signum)
        elif signum == KILL or not container.program.is_stubborn:
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
        ending = ContainerExited(container.launch_uuid, exit_code, signum, 1 << 20)
        container.ended(ending)
        self._note("ended", ending)
        self._auditor.container_ended(self._clock.now, container.launch_uuid)
        if told:
            self._say(ending)

    # --- inside: suspending, resuming, other limits

    def _living(self, launch_uuid: LaunchUuid) -> Container | None:
        """Of one that has ended its exit was told; there is no other answer."""
        container = self._containers.get(launch_uuid)
        return container if container is not None and container.is_running else None

    def _suspend(self, order: SuspendContainer) -> None:
        container = self._living(order.launch_uuid)
        if container is None:
            return
        container.cancel_suspension()
        if container.is_frozen or container.is_at_rest or not order.signum:
            self._freeze(container, order)
            return
        rest_s = self._random.uniform(0.0, container.program.batch_s)
        if container.program.comes_to_rest and rest_s <= order.wait_s:
            self._next(container, rest_s, lambda: self._rest(container, order))
        else:
            self._next(container, order.wait_s, lambda: self._freeze(container, order))

    def _next(self, container: Container, delay: float, call: Callable[[], None]) -> None:
        container.suspension = self._clock.after(delay, call)

    def _rest(self, container: Container, order: SuspendContainer) -> None:
        keeps_memory = container.program.kind == "clinging" or self._fails("release")
        container.rest(keeps_memory=keeps_memory)
        self._note("at rest", container.launch_uuid)
        delay = self._random.uniform(0.0, 0.005)
        self._next(container, delay, lambda: self._freeze(container, order))

    def _freeze(self, container: Container, order: SuspendContainer) -> None:
        container.suspension = None
        if self._fails("freeze"):
            self._note("freeze stuck", container.launch_uuid)
            return
        container.freeze()
        self._note("frozen", container.launch_uuid)
        if order.gpu_ids and container.holds_memory:
            self._next(container, LOOKS_S, lambda: self._give_up(container))
            return
        self._auditor.container_suspended(self._clock.now, self.host, container.launch_uuid)
        self._say(ContainerSuspended(container.launch_uuid))

    def _give_up(self, container: Container) -> None:
        self._wake(container)
        self._note("gpu not released", container.launch_uuid)
        message = f"{container.gpu_ids[0]} still holds 4096 MiB of it"
        uuid = container.launch_uuid
        self._say(ContainerNotSuspended(uuid, Reason.GPU_NOT_RELEASED, message))

    def _wake(self, container: Container) -> None:
        container.cancel_suspension()
        container.go_on()
        signals, container.signals = container.signals, []
        for signum in signals:
            self._deliver(container, signum)

    def _resume(self, order: ResumeContainer) -> None:
        container = self._living(order.launch_uuid)
        if container is None:
            return
        is_heard = not self._fails("resume")
        if is_heard or self._random.random() < DONE_ALL_THE_SAME:
            self._wake(container)
            self._note("resumed", order.launch_uuid)
            self._auditor.container_resumed(self._clock.now, self.host, order.launch_uuid)
        if is_heard:
            self._say(ContainerResumed(order.launch_uuid))
        else:
            self._note("not resumed", order.launch_uuid)
            self._say(ContainerNotResumed(order.launch_uuid, "its freezer does not answer"))

    def _update(self, order: UpdateContainer) -> None:
        container = self._living(order.launch_uuid)
        if container is None:
            return
        if self._fails("update"):
            self._note("not updated", order.launch_uuid)
            self._say(ContainerUpdated(order.launch_uuid, IN_USE, order.token))
            return
        self._note("updated", order)
        cpus, mem = order.limits.cpus_request, order.limits.memory_bytes
        self._auditor.container_updated(self.host, order.launch_uuid, cpus, mem)
        self._say(ContainerUpdated(order.launch_uuid, token=order.token))

    def _say(self, event: object) -> None:
        if self.tell is not None:
            self.tell(event)

    def _note(self, what: str, thing: object) -> None:
        count(self._journal.effects, what)
        self._journal.note(self._clock.now, self.host, what, thing)


FAILURES = ("start", "freeze", "release", "resume", "update")
"""A start that fails; a freeze that is never done; a program that keeps its devices' memory;
a thaw and other limits that cannot be had."""
