"""Faults of masters, agents and frameworks, which die, stand still or come back as another, and of
containers and the launcher that keeps them.
"""

from collections.abc import Callable

from .nodes import FrameworkNode
from .process import Process
from .targets import Fault, Target, a_duration, a_framework, an_agent, anybody, pick, the_master


def crash(choose: Callable[[Target], Process | None]) -> Fault:
    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            target.kill(process, "kill -9")
        return process is not None

    return strike


def fuse(choose: Callable[[Target], Process | None]) -> Fault:
    """Death between two actions that one step ordered."""

    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            process.fuse = target.random.choice((0, 0, 1, 2, 3, 5, 8))
        return process is not None

    return strike


def trap(choose: Callable[[Target], Process | None], springs: Callable[[object], bool]) -> Fault:
    """Death around the next action of a kind, perhaps some actions later."""

    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            process.trap = springs
        return process is not None

    return strike


def mine(choose: Callable[[Target], Process | None]) -> Fault:
    """Death around the moment at which a Record becomes durable."""

    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            process.is_mined = True
        return process is not None

    return strike


def stop(choose: Callable[[Target], Process | None]) -> Fault:
    def strike(target: Target) -> bool:
        process = choose(target)
        if process is not None:
            target.pause(process, a_duration(target))
        return process is not None

    return strike


def restart(target: Target) -> bool:
    process = a_framework(target)
    if process is None:
        return False
    assert isinstance(process, FrameworkNode)
    process.restart()
    return True


def long_absence(target: Target) -> bool:
    """An agent stays away until it is called unreachable, and perhaps longer."""
    process = an_agent(target)
    if process is not None:
        target.kill(process, "kill -9, for long", away_s=target.random.uniform(15.0, 40.0))
    return process is not None


def reboot(target: Target) -> bool:
    process = an_agent(target)
    if process is not None:
        target.launcher(process.host).vanish(told=False)
        target.kill(process, "reboot", away_s=target.random.uniform(1.0, 15.0), silently=True)
    return process is not None


def usurp(target: Target) -> bool:
    """The leader is stopped, another one begins, then the first goes on as if nothing had been."""
    if the_master(target) is None:
        return False
    target.usurp(target.random.choice((0.5, 2.0, 8.0, 15.0)))
    return True


def slow_disk(target: Target) -> bool:
    process = pick(target, [*([target.master] if target.master else []), *target.agents()])
    if process is not None:
        target.slow_disk(process, a_duration(target))
    return process is not None


def full_disk(target: Target) -> bool:
    """It takes nothing: whoever writes ends, and whoever comes after it as well, for a while."""
    process = pick(target, [*([target.master] if target.master else []), *target.agents()])
    if process is not None:
        target.full_disk(process, target.random.choice((0.5, 3.0, 8.0)))
    return process is not None


def lost_disk(target: Target) -> bool:
    """A machine is set up anew: what its agent knew and what ran there is no more."""
    process = an_agent(target)
    if process is not None:
        target.lose_disk(process)
    return process is not None


def leap(target: Target) -> bool:
    """A host was asleep, and its clock says so: suddenly it is later there."""
    process = anybody(target)
    if process is not None:
        target.leap(process, target.random.choice((1.5, 4.0, 12.0, 40.0)))
    return process is not None


# --- containers, and the launcher that keeps them


def container_fails(target: Target) -> bool:
    process = an_agent(target)
    if process is None or not (running := target.launcher(process.host).running()):
        return False
    code, signum = target.random.choice(((1, None), (137, None), (None, 9), (None, 11)))
    target.launcher(process.host).strike(target.random.choice(running), code, signum)
    return True


def fails(kind: str) -> Fault:
    """The next order of a kind that comes to a launcher, one of FAILURES there, cannot be done."""

    def strike(target: Target) -> bool:
        process = an_agent(target)
        if process is None:
            return False
        launcher = target.launcher(process.host)
        if kind != "start" and not launcher.has_devices_in_use():
            return False
        launcher.fails[kind] = launcher.fails.get(kind, 0) + 1
        return True

    return strike


def launcher_dies(target: Target) -> bool:
    process = an_agent(target)
    if process is None or not target.launcher(process.host).running():
        return False
    target.launcher(process.host).vanish(told=True)
    return True
