"""Whether a task that stands still has given up its devices, by what NVML or a fake shows of them.

Used by `suspensions`. A context cannot be given up by a process that lives: so much each may keep.
"""

import asyncio
from collections.abc import Collection

from fairlead.common.ids import GpuId
from fairlead.common.resources import format_bytes

from .gpus import GpuBackend, GpuSample

CONTEXT_BYTES = 600 * 2**20
PAUSES_S = (0.0, 0.05, 0.15, 0.3, 0.5, 1.0)
"""Before each look: a driver may need a moment to say it."""


async def unreleased(gpus: GpuBackend, pids: Collection[int], gpu_ids: Collection[GpuId]) -> str:
    """Which device is still held, and how much of it; empty as soon as a look finds none."""
    problem = ""
    for pause_s in PAUSES_S:
        await asyncio.sleep(pause_s)
        sample = await asyncio.to_thread(gpus.usage)
        problem = "; ".join(filter(None, (held(sample, pids, gpu_id) for gpu_id in gpu_ids)))
        if not problem:
            break
    return problem


def held(sample: GpuSample, pids: Collection[int], gpu_id: GpuId) -> str:
    """In words, if it is more than the contexts; empty if it is not.

    Where nobody can tell who holds what, the device has to be as good as empty: also where none of
    the task's processes is listed, for from within a pid namespace they may bear other numbers.
    """
    mine = [each for each in sample.processes if each.gpu_id == gpu_id and each.pid in pids]
    if gpu_id in sample.unknown or not mine:
        used = sum(each.memory_bytes for each in sample.devices if each.gpu_id == gpu_id)
        if used <= 2 * CONTEXT_BYTES:  # the driver's own included
            return ""
        return f"{format_bytes(used)} of {gpu_id} are in use, and nobody can tell by whom"
    used = sum(each.memory_bytes for each in mine)
    contexts = CONTEXT_BYTES * len({each.pid for each in mine})
    if used <= contexts:
        return ""
    return (
        f"it still holds {format_bytes(used)} of {gpu_id}, more than a context of"
        f" {format_bytes(contexts)}: it has to move that away first"
    )
