"""What a fault may strike, and how it chooses there; every kind of fault uses this."""

from collections.abc import Callable
from random import Random
from typing import Protocol

from fairlead.common.ids import FrameworkId

from .launcher import Launcher
from .network import End, Network
from .nodes import AgentNode, FrameworkNode, MasterNode
from .process import Process


class Target(Protocol):
    """What faults may strike; `world.World` is one."""

    random: Random
    network: Network

    @property
    def now(self) -> float: ...

    @property
    def master(self) -> MasterNode | None: ...

    def agents(self) -> list[AgentNode]: ...

    def frameworks(self) -> list[FrameworkNode]: ...

    def launcher(self, host: str) -> Launcher: ...

    def later(self, delay: float, call: Callable[[], None]) -> None: ...

    def kill(
        self, process: Process, why: str, *, away_s: float | None = None, silently: bool = False
    ) -> None: ...

    def pause(self, process: Process, duration: float) -> None: ...

    def usurp(self, duration: float) -> None: ...

    def replay(self, link: End) -> None: ...

    def leap(self, process: Process, seconds: float) -> None: ...

    def slow_disk(self, process: Process, duration: float) -> None: ...

    def full_disk(self, process: Process, duration: float) -> None: ...

    def lose_disk(self, process: Process) -> None: ...

    def guest_id(self) -> FrameworkId: ...


Fault = Callable[[Target], bool]
"""Whether it found something to strike."""


def pick(target: Target, processes: list[Process]) -> Process | None:
    standing = [process for process in processes if process.is_alive and not process.is_stopped]
    return target.random.choice(standing) if standing else None


def an_agent(target: Target) -> Process | None:
    return pick(target, list(target.agents()))


def a_framework(target: Target) -> Process | None:
    return pick(target, list(target.frameworks()))


def the_master(target: Target) -> Process | None:
    return pick(target, [] if target.master is None else [target.master])


def anybody(target: Target) -> Process | None:
    master = [] if target.master is None else [target.master]
    return pick(target, [*master, *target.agents(), *target.frameworks()])


def a_link(target: Target) -> End | None:
    links = target.network.links()
    return target.random.choice(links) if links else None


def a_framework_id(target: Target) -> FrameworkId:
    process = a_framework(target)
    assert process is None or isinstance(process, FrameworkNode)
    return FrameworkId("") if process is None else process.core.framework_id


def a_duration(target: Target) -> float:
    """Mostly short, sometimes beyond every patience."""
    return target.random.choice((0.3, 1.0, 3.0, 6.0, 14.0, 25.0)) * target.random.uniform(0.5, 1.0)
