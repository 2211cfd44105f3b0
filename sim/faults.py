"""What goes wrong, as a table: kinds of fault by name, each drawn and applied from one seed.

A fault that finds nothing to strike does not count, and another one is drawn.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.operators import ExplainFramework, KillAnyTask, SetWeight, TeardownFramework
from fairlead.frameworks.kit.events import Happened

from .launcher import Launcher
from .network import End, Network
from .nodes import AgentNode, FrameworkNode, MasterNode
from .process import Process
from .schedulers import REPLACE, Service
from .traps import is_program, is_step


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

    def slow_disk(self, process: Process, duration: float) -> None: ...

    def guest_id(self) -> FrameworkId: ...


Fault = Callable[[Target], bool]


# --- what is drawn


def _pick(target: Target, processes: list[Process]) -> Process | None:
    standing = [process for process in processes if process.is_alive and not process.is_stopped]
    return target.random.choice(standing) if standing else None


def _agent(target: Target) -> Process | None:
    return _pick(target, list(target.agents()))


def _framework(target: Target) -> Process | None:
    return _pick(target, list(target.frameworks()))


def _master(target: Target) -> Process | None:
    return _pick(target, [] if target.master is None else [target.master])


def _anybody(target: Target) -> Process | None:
    master = [] if target.master is None else [target.master]
    return _pick(target, [*master, *target.agents(), *target.frameworks()])


def _link(target: Target) -> End | None:
    links = target.network.links()
    return target.random.choice(links) if links else None


def _framework_id(target: Target) -> FrameworkId:
    process = _framework(target)
    assert process is None or isinstance(process, FrameworkNode)
    return FrameworkId("") if process is None else process.core.framework_id


def _duration(target: Target) -> float:
    """Mostly short, sometimes beyond every patience."""
    return target.random.choice((0.3, 1.0, 3.0, 6.0, 14.0, 25.0)) * target.random.uniform(0.5, 1.0)


# --- the network


def _slow_link(target: Target) -> bool:
    process = _anybody(target)
    if process is not None:
        until = target.now + _duration(target)
        target.network.slow[process.host] = (target.random.uniform(0.05, 2.0), until)
    return process is not None


def _break_session(target: Target) -> bool:
    link = _link(target)
    if link is not None:
        target.network.cut(link)
    return link is not None


def _half_open(target: Target) -> bool:
    link = _link(target)
    if link is not None:
        near = target.random.random() < 0.5
        target.network.cut(link, tell_near=near, tell_far=not near)
    return link is not None


def _silence(target: Target) -> bool:
    link = _link(target)
    if link is not None:
        target.network.cut(link, tell_near=False, tell_far=False)
    return link is not None


def _one_way(target: Target) -> bool:
    link = _link(target)
    if link is not None:
        side = link if target.random.random() < 0.5 else link.far
        duration = _duration(target)
        target.network.stall(side, target.now + duration)
        if target.random.random() < 0.5:
            target.later(duration, lambda: target.network.cut(link))
    return link is not None


def _partition(target: Target) -> bool:
    process = _anybody(target)
    if process is not None:
        target.network.isolate(process.host, target.now + _duration(target))
    return process is not None


def _slow_consumer(target: Target) -> bool:
    """Its side of the session is full after a few messages, and it reads none."""
    link = _link(target)
    if link is not None:
        lane = link.far.out
        lane.limit = 3
        target.network.stall(link.far, target.now + 12.0)
        target.later(12.0, lambda: setattr(lane, "limit", 1000))
    return link is not None


# --- processes


def _crash(choose: Callable[[Target], Process | None]) -> Fault:
    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            target.kill(process, "kill -9")
        return process is not None

    return strike


def _fuse(choose: Callable[[Target], Process | None]) -> Fault:
    """Death between two actions that one step ordered."""

    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            process.fuse = target.random.choice((0, 0, 1, 2, 3, 5, 8))
        return process is not None

    return strike


def _trap(choose: Callable[[Target], Process | None], springs: Callable[[object], bool]) -> Fault:
    """Death around the next action of a kind, perhaps some actions later."""

    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            process.trap = springs
        return process is not None

    return strike


def _mine(choose: Callable[[Target], Process | None]) -> Fault:
    """Death around the moment at which a Record becomes durable."""

    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            process.is_mined = True
        return process is not None

    return strike


def _stop(choose: Callable[[Target], Process | None]) -> Fault:
    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            target.pause(process, _duration(target))
        return process is not None

    return strike


def _restart(target: Target) -> bool:
    process = _framework(target)
    if process is None:
        return False
    assert isinstance(process, FrameworkNode)
    process.restart()
    return True


def _long_absence(target: Target) -> bool:
    """An agent stays away until it is called unreachable, and perhaps longer."""
    process = _agent(target)
    if process is not None:
        target.kill(process, "kill -9, for long", away_s=target.random.uniform(15.0, 40.0))
    return process is not None


def _reboot(target: Target) -> bool:
    process = _agent(target)
    if process is not None:
        target.launcher(process.host).vanish(told=False)
        target.kill(process, "reboot", away_s=target.random.uniform(1.0, 15.0), silently=True)
    return process is not None


def _usurp(target: Target) -> bool:
    """The leader is stopped, another one begins, then the first goes on as if nothing had been."""
    if _master(target) is None:
        return False
    target.usurp(target.random.choice((0.5, 2.0, 8.0, 15.0)))
    return True


def _slow_disk(target: Target) -> bool:
    process = _pick(target, [*([target.master] if target.master else []), *target.agents()])
    if process is not None:
        target.slow_disk(process, _duration(target))
    return process is not None


# --- tasks


def _container_fails(target: Target) -> bool:
    process = _agent(target)
    if process is None or not (running := target.launcher(process.host).running()):
        return False
    code, signum = target.random.choice(((1, None), (137, None), (None, 9), (None, 11)))
    target.launcher(process.host).strike(target.random.choice(running), code, signum)
    return True


def _fails(kind: str) -> Fault:
    """The next order of a kind that comes to a launcher, one of FAILURES there, cannot be done."""

    def strike(target: Target) -> bool:
        process = _agent(target)
        if process is None:
            return False
        launcher = target.launcher(process.host)
        if kind != "start" and not launcher.has_devices_in_use():
            return False
        launcher.fails[kind] = launcher.fails.get(kind, 0) + 1
        return True

    return strike


def _launcher_dies(target: Target) -> bool:
    process = _agent(target)
    if process is None or not target.launcher(process.host).running():
        return False
    target.launcher(process.host).vanish(told=True)
    return True


# --- people


def _operator_kills(target: Target) -> bool:
    master = target.master
    if master is None or not master.is_alive:
        return False
    tasks = [
        (framework_id, task_id)
        for framework_id, framework in master.core.books.frameworks.items()
        for task_id, task in framework.tasks.items()
        if not task.is_terminal
    ]
    if not tasks:
        return False
    grace_s = target.random.choice((0.0, 1.0, 4.0))
    master.operate(KillAnyTask(*target.random.choice(tasks), grace_s))
    return True


def _operator_weighs(target: Target) -> bool:
    master = target.master
    if master is None or not master.is_alive:
        return False
    role = target.random.choice(("batch", "service"))
    master.operate(SetWeight(Role(role), target.random.choice((0.5, 1.0, 2.0))))
    return True


def _operator_ends_guest(target: Target) -> bool:
    master, guest_id = target.master, target.guest_id()
    if master is None or not master.is_alive or not guest_id:
        return False
    master.operate(TeardownFramework(guest_id))
    return True


def _operator_asks(target: Target) -> bool:
    master, framework_id = target.master, _framework_id(target)
    if master is None or not master.is_alive or not framework_id:
        return False
    master.operate(ExplainFramework(framework_id))
    return True


def _client_asks(target: Target) -> bool:
    for framework in target.frameworks():
        if framework.is_alive and isinstance(framework.scheduler, Service):
            framework.feed(Happened(REPLACE))
            return True
    return False


def _bad_call(target: Target) -> bool:
    master, framework_id = target.master, _framework_id(target)
    if master is None or not master.is_alive or not framework_id:
        return False
    return master.mishear(framework_id)


KINDS: Mapping[str, tuple[int, Fault]] = {
    "slow link": (6, _slow_link),
    "break session": (6, _break_session),
    "half open session": (4, _half_open),
    "silent session": (3, _silence),
    "one-way stall": (5, _one_way),
    "partition": (5, _partition),
    "slow consumer": (4, _slow_consumer),
    "agent dies in an accept": (8, _trap(_agent, is_step)),
    "master dies in an accept": (4, _trap(_master, is_program)),
    "crash master": (5, _crash(_master)),
    "crash agent": (5, _crash(_agent)),
    "crash framework": (3, _crash(_framework)),
    "master dies between actions": (4, _fuse(_master)),
    "agent dies between actions": (6, _fuse(_agent)),
    "restart framework": (2, _restart),
    "framework dies between actions": (4, _fuse(_framework)),
    "master dies at a commit": (2, _mine(_master)),
    "agent dies at a commit": (6, _mine(_agent)),
    "stop master": (4, _stop(_master)),
    "stop agent": (4, _stop(_agent)),
    "stop framework": (3, _stop(_framework)),
    "agent away for long": (3, _long_absence),
    "reboot": (2, _reboot),
    "second leader": (4, _usurp),
    "slow disk": (4, _slow_disk),
    "container fails": (5, _container_fails),
    "container not started": (4, _fails("start")),
    "freeze stuck": (2, _fails("freeze")),
    "gpu not released": (2, _fails("release")),
    "container not resumed": (4, _fails("resume")),
    "container not updated": (2, _fails("update")),
    "launcher dies": (2, _launcher_dies),
    "operator kills": (4, _operator_kills),
    "operator weighs": (1, _operator_weighs),
    "operator ends framework": (1, _operator_ends_guest),
    "operator asks": (1, _operator_asks),
    "client asks": (2, _client_asks),
    "bad call": (2, _bad_call),
}
"""Kind → how often, relative to the others, and what it does."""


def strike(target: Target) -> str:
    """One fault of a drawn kind; which one it was."""
    kinds = list(KINDS)
    weights = [weight for weight, _ in KINDS.values()]
    for _ in range(20):
        kind = target.random.choices(kinds, weights)[0]
        if KINDS[kind][1](target):
            return kind
    return ""
