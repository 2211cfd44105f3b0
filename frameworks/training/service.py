"""The calls of clients to the training framework: taken to its scheduler, its answers back.

Looking is answered from what the scheduler knows at that moment, without a step of it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.common import clock
from fairlead.common.errors import FairleadError, InvalidFieldError, NotFoundError
from fairlead.common.home import Home
from fairlead.common.jobs import (
    JobOrdered,
    JobsQuery,
    JobsReply,
    JobSubmitted,
    OrderJob,
    SubmitJob,
)
from fairlead.common.server import Server
from fairlead.frameworks.kit.driver import FrameworkRunner
from fairlead.frameworks.kit.waiting import Waiting

from .directories import make_directory, remove_if_empty
from .events import Answered, Asked, LookAt
from .methods import LIST, NAME, ORDER, SUBMIT
from .options import OF_JOB_INTERVAL, TrainingOptions
from .scheduler import TrainingScheduler
from .watching import Watcher

Reply = JobSubmitted | JobOrdered


class TrainingService:
    """What stands between clients, the files of jobs, and the scheduler."""

    def __init__(self, home: Home, options: TrainingOptions) -> None:
        self._server = Server.of(home)
        self._server.add_call(SUBMIT, self._submit)
        self._server.add_call(ORDER, self._order)
        self._server.add_call(LIST, self._list)
        self._options = options
        self._waiting: Waiting[Reply] = Waiting(NAME)
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduler: TrainingScheduler | None = None
        self._runner: FrameworkRunner | None = None
        self._watcher: Watcher | None = None

    async def start(self) -> str:
        """The address to be told to clients."""
        return await self._server.start()

    def attach(self, scheduler: TrainingScheduler, runner: FrameworkRunner) -> None:
        """From now on somebody decides."""
        self._scheduler, self._runner = scheduler, runner
        self._watcher = Watcher(scheduler, runner.feed)
        self._keep(self._watcher.run())

    async def stop(self) -> None:
        """Hang up, and look at no file any more. What went wrong with looking is raised here."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop(0.5)
        for mistake in ended:
            if isinstance(mistake, Exception):
                raise mistake

    def perform(self, action: object) -> None:
        """What the scheduler orders beside calls to the master."""
        match action:
            case Answered(number, reply, field, refusal):
                self._waiting.answered(number, reply, field, refusal)
            case LookAt(job_id, directory):
                assert self._watcher is not None
                self._keep(self._watcher.look(job_id, directory))
            case _:
                raise AssertionError(f"no way to perform {action!r}")

    # --- calls

    async def _submit(self, call: SubmitJob) -> JobSubmitted:
        """The job's directory is there before the job is."""
        checkpoints = call.checkpoints or self._options.checkpoints
        directory = Path(checkpoints) / call.task.task_id
        is_new = bool(call.task.task_id) and await asyncio.to_thread(make_directory, directory)
        try:
            reply = await self._ask(self._completed(call, checkpoints))
        except InvalidFieldError:
            if is_new:
                await asyncio.to_thread(remove_if_empty, directory)
            raise
        assert isinstance(reply, JobSubmitted)
        return reply

    def _completed(self, call: SubmitJob, checkpoints: str) -> SubmitJob:
        """With what the client left to us."""
        command = call.task.command
        env = {OF_JOB_INTERVAL: f"{self._options.interval_s:g}", **command.env}
        task = replace(call.task, command=replace(command, env=env))
        return replace(call, task=task, checkpoints=checkpoints)

    async def _order(self, call: OrderJob) -> JobOrdered:
        try:
            reply = await self._ask(call)
        except InvalidFieldError as error:
            if error.field != "job_id":
                raise
            raise FairleadError(error.reason) from None
        assert isinstance(reply, JobOrdered)
        return reply

    async def _list(self, query: JobsQuery) -> JobsReply:
        assert self._scheduler is not None
        assert self._runner is not None
        now, framework_id = clock.monotonic(), self._runner.driver.framework_id
        if query.job_id:
            view = self._scheduler.view(query.job_id, now)
            if view is None:
                raise NotFoundError(
                    f"there is no job {query.job_id!r}", hint="see all: fairlead jobs list --all"
                )
            views = [view]
        else:
            found = self._scheduler.views(now)
            views = [replace(view, runs=(), decisions=()) for view in found]
        named = tuple(replace(view, framework_id=framework_id) for view in views)
        return JobsReply(named, self._options.slice_s)

    async def _ask(self, call: SubmitJob | OrderJob) -> Reply:
        def ask(number: int) -> None:
            if self._runner is not None:
                self._runner.feed(Asked(number, call))

        return await self._waiting.answer_to(ask)

    def _keep(self, looking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(looking)
        self._tasks.add(task)
        task.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        """Without its eyes the framework would take all programs for broken: it ends, with why."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
        elif self._runner is not None:
            self._runner.stop("the directories of jobs cannot be looked at", 1)
