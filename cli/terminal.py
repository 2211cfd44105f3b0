"""`fairlead run` in the foreground: a framework of one task whose output and signals are ours.

The scheduler decides (`frameworks.commands.run`); here is what it cannot: file descriptors,
signals, and the logs, which come from the task's agent.
"""

import asyncio
import logging
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from fairlead.common.client import Client, connect
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import FairleadError, NotFoundError
from fairlead.common.operators import LogQuery, StateQuery
from fairlead.common.rpc import GET_STATE, READ_LOG
from fairlead.common.values import Reason, TaskInfo, TaskState, TaskStatus
from fairlead.frameworks.commands.run import (
    Interrupted,
    MasterAway,
    MasterBack,
    RunScheduler,
    StillWaiting,
    TaskEnded,
    TaskRunning,
)
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts

from .client import Place, explain
from .exits import Exit
from .gaps import gap_before
from .problems import CommandError

MASTER_S = 10.0  # what the first answer of a master may take
OUTPUT_S = 15.0  # what the rest of the output may take when the task has ended
AGAIN_S = 0.2
STREAMS = (("stdout", 1), ("stderr", 2))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_here(task: TaskInfo, place: Place, user: str) -> int:
    """Until the task has ended and all it wrote is written; its exit code."""
    logging.getLogger("fairlead").addHandler(logging.NullHandler())  # stderr is the program's
    return asyncio.run(Terminal(task, place, user).run())


@dataclass(slots=True)
class Log:
    """One stream of a task, and how much of it has been written here."""

    status: TaskStatus
    stream: str
    descriptor: int
    offset: int = 0

    def query(self) -> LogQuery:
        """From where we are to the end of the task."""
        of = self.status
        return LogQuery(
            of.framework_id, of.task_id, of.launch_uuid, self.stream, self.offset, follow=True
        )


class Terminal:
    """One task, and the process that stands for it here."""

    def __init__(self, task: TaskInfo, place: Place, user: str) -> None:
        self._place = place
        where = Whereabouts(place.home, place.address if place.is_named else "", place.token)
        self._runner = FrameworkRunner(
            RunScheduler(task, user=user), where, service=self, give_up_s=MASTER_S
        )
        self._ended: TaskEnded | None = None
        self._ended_at = 0.0
        self._unwritten: OSError | None = None
        self._signals = 0
        self._is_away = False
        self._work: set[asyncio.Task[None]] = set()
        self._agents: dict[str, Client] = {}
        self._follows = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for signum in SIGNALS:
            loop.add_signal_handler(signum, self._signalled, signum)
        try:
            code = await self._runner.run()
            if self._ended is not None:
                await self._finish()
        except FairleadError as error:
            raise explain(error, self._place, self._place.address) from error
        finally:
            for work in self._work:
                work.cancel()
            await asyncio.gather(*self._work, return_exceptions=True)
            for agent in self._agents.values():
                await agent.close()
        return self._verdict(code)

    def perform(self, action: object) -> None:
        """What the scheduler wants the terminal to know."""
        match action:
            case TaskRunning(status, address):
                self._follow(status, address)
            case TaskEnded(status, address):
                self._ended = action
                self._ended_at = time.monotonic()
                if status.reason is not Reason.COMMAND_NOT_STARTED and status.sequence:
                    self._follow(status, address)
            case StillWaiting(task):
                there = f"no agent has {task.resources} free for it now"
                sys.stderr.write(f"fairlead: waiting: {there} (Ctrl-C gives up)\n")
            case MasterAway(message):
                self._is_away = True
                _note(f"the master is away, what runs goes on ({message})")
                self._start(self._look_for_the_cluster())
            case MasterBack():
                self._is_away = False
                _note("the master is back")
            case _:
                raise AssertionError(f"no way to tell a terminal {action!r}")

    def _verdict(self, code: int) -> int:
        """Its exit code, or an error of ours if it has none of its own."""
        if self._unwritten is not None:
            raise self._unwritten
        if self._ended is not None:
            if self._ended.message:
                raise CommandError(
                    self._ended.message, self._ended.exit_code, hint=self._hint(self._ended)
                )
            return self._ended.exit_code
        stopped = self._runner.stopped
        if self._is_away and code == Exit.REFUSED:  # suspended, or the machine was asleep
            raise CommandError(
                "this terminal was away for too long and the task was ended", Exit.TASK_LOST
            )
        if code > Exit.SIGNALLED or stopped is None:
            return code
        raise CommandError(stopped.message or "the task was not run", code or Exit.TASK_LOST)

    def _hint(self, ended: TaskEnded) -> str:
        if ended.exit_code != Exit.TASK_LOST:
            return ""
        return f"see fairlead tasks show {ended.status.task_id}, and {self._place.home.logs}"

    # --- signals

    def _signalled(self, signum: signal.Signals) -> None:
        """The first goes on to the task, the second ends it, the third waits for nobody."""
        self._signals += 1
        if self._signals == 1:
            self._runner.feed(Interrupted(signum))
        elif self._signals == 2:
            self._runner.feed(Interrupted(signum, 0.0))
        else:
            os._exit(Exit.SIGNALLED + signum)

    async def _look_for_the_cluster(self) -> None:
        """A master that is away comes back; a cluster that was ended does not."""
        while self._is_away and not self._place.is_named:
            if self._place.home.read_leader() is None:
                self._runner.stop("the cluster was ended, and the task with it", Exit.TASK_LOST)
                return
            await asyncio.sleep(1.0)

    # --- output

    def _follow(self, status: TaskStatus, address: str) -> None:
        if not self._follows:
            self._follows = True
            for stream, descriptor in STREAMS:
                self._start(self._copy(status, address, stream, descriptor))

    def _start(self, work: Any) -> None:
        self._work.add(asyncio.create_task(work))

    async def _finish(self) -> None:
        """What the task wrote is all there, it only has to come here."""
        if self._work:
            _, late = await asyncio.wait(self._work)
            assert not late
        for work in self._work:
            work.result()

    async def _copy(self, status: TaskStatus, address: str, stream: str, descriptor: int) -> None:
        """All of one stream, across restarts of the agent: each byte once."""
        log = Log(status, stream, descriptor)
        try:
            while not await self._copy_from(address, log):
                await asyncio.sleep(AGAIN_S)
                address = await self._address_of_agent(status) or address
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self._unwritten = error
            self._runner.feed(Interrupted(signal.SIGPIPE, 0.0))
        except FairleadError as error:
            sys.stderr.write(f"fairlead: the rest of {stream} is lost: {error.message}\n")

    async def _copy_from(self, address: str, log: "Log") -> bool:
        """Whether all is here; else the agent went away meanwhile, and may come back."""
        if address not in self._agents:  # both streams share a connection
            self._agents[address] = connect(address, self._place.token, self._place.home.tls)
        agent = self._agents[address]
        try:
            async for chunk in agent.stream(READ_LOG, log.query()):
                if gap := gap_before(chunk, log.offset, log.stream):
                    sys.stderr.write(f"fairlead: {gap}\n")
                # In a thread: a reader that has stopped must not stop our heartbeats.
                await asyncio.to_thread(write_all, log.descriptor, chunk.data)
                log.offset = chunk.offset_bytes + len(chunk.data)
        except NotFoundError:
            raise
        except FairleadError:
            if self._ended is not None and time.monotonic() > self._ended_at + self._patience_s:
                raise
            return False
        return True

    @property
    def _patience_s(self) -> float:
        """With an agent that may come back; one that is gone for ever does not."""
        assert self._ended is not None
        is_gone = self._ended.status.state is TaskState.GONE_BY_OPERATOR
        return 0.0 if is_gone else OUTPUT_S

    async def _address_of_agent(self, status: TaskStatus) -> str:
        """Where it listens now: it may have been started again."""
        leader = None if self._place.is_named else self._place.home.read_leader()
        master = leader.address if leader is not None else self._place.address
        with suppress(FairleadError):
            async with connect(master, self._place.token, self._place.home.tls) as client:
                return await _agent_address(client, status)
        return ""


async def _agent_address(client: Client, status: TaskStatus) -> str:
    state = await client.call(GET_STATE, StateQuery())
    addresses = {view.agent.agent_id: view.agent.address for view in state.agents}
    return addresses.get(status.agent_id, "")


def write_all(descriptor: int, data: bytes) -> None:
    """However the descriptor was opened, and by whomever."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def _note(text: str) -> None:
    """For a person who waits; a program that reads stderr wants the task's alone."""
    if sys.stderr.isatty():
        sys.stderr.write(f"fairlead: {text}\n")
