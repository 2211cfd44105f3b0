"""Faults of the network: sessions that break, stall or fall silent, hosts that are cut off."""

from .targets import Target, a_duration, a_link, anybody


def slow_link(target: Target) -> bool:
    process = anybody(target)
    if process is not None:
        until = target.now + a_duration(target)
        target.network.slow[process.host] = (target.random.uniform(0.05, 2.0), until)
    return process is not None


def break_session(target: Target) -> bool:
    link = a_link(target)
    if link is not None:
        target.network.cut(link)
    return link is not None


def half_open(target: Target) -> bool:
    link = a_link(target)
    if link is not None:
        near = target.random.random() < 0.5
        target.network.cut(link, tell_near=near, tell_far=not near)
    return link is not None


def silence(target: Target) -> bool:
    link = a_link(target)
    if link is not None:
        target.network.cut(link, tell_near=False, tell_far=False)
    return link is not None


def one_way(target: Target) -> bool:
    link = a_link(target)
    if link is not None:
        side = link if target.random.random() < 0.5 else link.far
        duration = a_duration(target)
        target.network.stall(side, target.now + duration)
        if target.random.random() < 0.5:
            target.later(duration, lambda: target.network.cut(link))
    return link is not None


def partition(target: Target) -> bool:
    process = anybody(target)
    if process is not None:
        target.network.isolate(process.host, target.now + a_duration(target))
    return process is not None


def one_way_partition(target: Target) -> bool:
    """All that a host says, or all that is said to it, does not get through for a while."""
    process = anybody(target)
    if process is not None:
        out = target.random.random() < 0.5
        until = target.now + a_duration(target)
        target.network.isolate(process.host, until, out=out, into=not out)
    return process is not None


def doubled_session(target: Target) -> bool:
    """All that a client has said on a session comes once more, on another one."""
    link = a_link(target)
    if link is not None:
        target.replay(link)
    return link is not None


def slow_consumer(target: Target) -> bool:
    """Its side of the session is full after a few messages, and it reads none."""
    link = a_link(target)
    if link is not None:
        lane = link.far.out
        lane.limit = 3
        target.network.stall(link.far, target.now + 12.0)
        target.later(12.0, lambda: setattr(lane, "limit", 1000))
    return link is not None
