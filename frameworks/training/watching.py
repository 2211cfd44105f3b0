"""Looks at the directories of jobs, beside the loop, and tells the scheduler what it sees there:
what the program of a living copy says of itself, and which ended job was removed by its owner.
"""

import asyncio
from collections.abc import Callable, Mapping

from fairlead.common.jobs import JobProgress

from .directories import gone
from .events import Forget, Progressed
from .progress import read_progress
from .scheduler import TrainingScheduler

Directories = Mapping[str, str]
"""Of jobs, by their ids."""

LOOK_S = 0.5
LOOKS_TO_SWEEP = 60
"""So many looks lie between two at the directories of ended jobs."""


class Watcher:
    """One look after the other; a file system that hangs delays nothing but the next one."""

    def __init__(self, scheduler: TrainingScheduler, feed: Callable[[object], None]) -> None:
        self._scheduler = scheduler
        self._feed = feed
        self._told: dict[str, JobProgress] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for _ in range(LOOKS_TO_SWEEP):
                await self.look_at_all()
                await asyncio.sleep(LOOK_S)
            await self.sweep()

    async def look_at_all(self) -> None:
        """What has changed is told."""
        living = dict(self._scheduler.watched())
        self._told = {job_id: said for job_id, said in self._told.items() if job_id in living}
        if not living:
            return
        for job_id, said in (await asyncio.to_thread(_read_all, living)).items():
            if said is not None and said != self._told.get(job_id):
                self._told[job_id] = said
                self._feed(Progressed(job_id, said))

    async def look(self, job_id: str, directory: str) -> None:
        """Now, and tell in any case."""
        self._feed(Progressed(job_id, await asyncio.to_thread(read_progress, directory)))

    async def sweep(self) -> None:
        """Who removes the directory of an ended job is done with it."""
        ended = dict(self._scheduler.ended())
        if removed := await asyncio.to_thread(gone, ended):
            self._feed(Forget(removed))


def _read_all(directories: Directories) -> dict[str, JobProgress | None]:
    return {job_id: read_progress(directory) for job_id, directory in directories.items()}
