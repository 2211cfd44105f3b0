"""Who runs on a server for the next slice, and on which of its devices: a pure function.

The rule is stride scheduling: each job has a virtual time, its GPU time ÷ its weight, and those run
whose virtual time will be lowest in the middle of the slice to come, so that of equals the
weightiest begins. Of others those come first that have waited: jobs of one weight go round.
Priorities are strict: a job runs only if no job of a higher priority on its server waits for
devices that it could have.

A suspended copy goes on only on its own devices. If those are taken by another that is chosen, it
must *move*: end, and start anew on other devices of the server. Six jobs of one GPU on four need
this (with two on each of two devices and one on each of the others nobody has 4/6), but seldom:
who could go on where it is comes before who must move, unless that one is further behind by more
than a part of a slice (`tolerance`). To have waited counts for as much.
"""

from collections.abc import Iterable, Mapping, Sequence

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import GpuId

Seats = dict[str, tuple[GpuId, ...]]
"""The devices of each job that is to run."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A job of the server that could run."""

    job_id: str
    size: int
    priority: int
    virtual_s: float
    slice_s: float
    """What a slice adds to it."""
    number: int
    bound: tuple[GpuId, ...] = ()
    """Where its copy is; empty: it has none, and may start anywhere."""
    is_running: bool = False


def choose(
    contenders: Iterable[Contender],
    devices: Sequence[GpuId],
    tolerance: float,
    seated: Mapping[str, tuple[GpuId, ...]] | None = None,
) -> Seats:
    """Those that run, in order of rank. `seated`: in the midst of a slice they stay."""
    left = list(contenders)
    room, taken = len(devices), set[GpuId]()
    chosen: list[Contender] = []
    while left:
        best = min(left, key=lambda each: _rank(each, taken, tolerance, seated or {}))
        left.remove(best)
        if best.size <= room:
            chosen.append(best)
            room -= best.size
            taken.update(best.bound)
    return _seat(chosen, devices, seated or {})


def _rank(
    each: Contender,
    taken: set[GpuId],
    tolerance: float,
    seated: Mapping[str, tuple[GpuId, ...]],
) -> tuple[object, ...]:
    must_move = any(gpu_id in taken for gpu_id in each.bound)
    middle = 0.5 + tolerance * (must_move + each.is_running)
    stays = each.job_id in seated
    return (-each.priority, not stays, each.virtual_s + middle * each.slice_s, each.number)


def _seat(
    chosen: Sequence[Contender],
    devices: Sequence[GpuId],
    seated: Mapping[str, tuple[GpuId, ...]],
) -> Seats:
    """Who runs stays where it is, then who can go on where it was; the others take what is left."""
    free = dict.fromkeys(devices)
    seats: Seats = {}
    for each in sorted(chosen, key=lambda each: (not each.is_running, not each.bound)):
        wish = each.bound or seated.get(each.job_id, ())
        if not wish or not all(gpu_id in free for gpu_id in wish):
            continue
        seats[each.job_id] = wish
        for gpu_id in wish:
            del free[gpu_id]
    for each in chosen:
        if each.job_id not in seats:
            seats[each.job_id] = tuple(list(free)[: each.size])
            for gpu_id in seats[each.job_id]:
                del free[gpu_id]
    return {each.job_id: seats[each.job_id] for each in chosen}
