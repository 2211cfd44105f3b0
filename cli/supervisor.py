"""The supervisor of a local cluster: starts the daemons, starts again what dies, ends them all.

`up` forks it (see `tether.py` for how they talk) and it outlives `up` only if told so. It is a
plain loop over process descriptors, without grpc or asyncio, so that it costs next to nothing.
"""

import contextlib
import json
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import FrameType

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import FairleadError
from fairlead.common.home import Home
from fairlead.common.processes import ProcessIdentity, identity_of

from .cluster import LET_GO, Record
from .ending import Ended, agents_of, end, end_launchers, forget

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
SETTLED_S = 30.0  # a daemon that ran for so long starts its back-off anew
MAX_LOG_BYTES = 16 << 20
MAX_TAIL_BYTES = 64 << 10
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Daemon:
    """One process of the cluster: its name is that of its log."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run, and where."""

    home: Home
    port: int
    agents: tuple[str, ...]
    daemons: tuple[Daemon, ...]
    is_temporary: bool = False
    """The home goes with the cluster, and only with it."""


class Run:
    """One daemon while the cluster is up: its process now, or when the next one is due."""

    def __init__(self, daemon: Daemon, log: Path) -> None:
        self.daemon = daemon
        self.log = log
        self.log_start = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.identity: ProcessIdentity | None = None
        self.descriptor = -1
        self.started_at = 0.0
        self.due_at = 0.0
        self.pause_s = FIRST_PAUSE_S

    def start(self, now: float) -> None:
        environment = {key: os.environ[key] for key in os.environ if key != "FAIRLEAD_MASTER"}
        _rotate(self.log)
        with self.log.open("ab") as output:
            self.log_start = output.tell()
            self.process = subprocess.Popen(
                self.daemon.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
            )
        self.identity = identity_of(self.process.pid)
        self.descriptor = os.pidfd_open(self.process.pid)
        self.started_at = now

    def ended(self, now: float) -> int:
        """Reap it, and settle when it is due again: soon, later each time that it dies early."""
        assert self.process is not None
        code = self.process.wait()
        os.close(self.descriptor)
        self.process = self.identity = None
        self.descriptor = -1
        if now - self.started_at >= SETTLED_S:
            self.pause_s = FIRST_PAUSE_S
        self.due_at = now + self.pause_s
        self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        return code

    def last_line(self) -> str:
        """What it said last: its error if it gave one, without the hint under it."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self.log_start, size - MAX_TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:  # somebody has removed it
            return ""
        spoken = [line.strip() for line in lines if line.strip() and not line.startswith("hint:")]
        errors = [line for line in spoken if line.startswith("fairlead: ")]
        return (errors or spoken or [""])[-1].removeprefix("fairlead: ")


class Supervisor:
    """Runs in a process of its own; `channel` leads to the `up` that forked it."""

    def __init__(self, plan: Plan, channel: socket.socket) -> None:
        self.plan = plan
        self.home = plan.home
        self.channel = channel
        self.runs = [Run(each, plan.home.log(each.name)) for each in plan.daemons]
        self.is_starting = True
        self.is_bound = True  # to the life of `up`
        self.is_ending = False
        self.is_let_go = False
        self.failure = ""
        self.wakeup, self._signalled = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.began_at = time.time()

    def run(self) -> None:
        """Until told to end, or to let go."""
        self._listen_to_signals()
        try:
            for each in self.runs:
                self._start(each)
            self._write_record()
        except (FairleadError, OSError) as error:
            logger.exception("cannot start the daemons")
            self.tell(event="failed", name="the supervisor", how="failed", line=str(error))
            self.is_ending = True
        while not self.is_ending and not self.is_let_go:
            self._turn()
        if self.is_let_go:
            logger.info("let go: somebody else ends the cluster")
            self.tell(event="released")
            return
        ended = self._end_all()
        self.tell(event="ended", line=str(ended))

    def tell(self, **message: object) -> None:
        """A line to `up`, if it is still there."""
        with contextlib.suppress(OSError):
            self.channel.sendall(json.dumps(message).encode() + b"\n")

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._on_end)
        signal.signal(LET_GO, self._on_let_go)

    def _on_end(self, _signum: int, _frame: FrameType | None) -> None:
        self.is_ending = True

    def _on_let_go(self, _signum: int, _frame: FrameType | None) -> None:
        if self.plan.is_temporary:  # whoever made it waits for its end
            self.is_ending = True
        else:
            self.is_let_go = True

    def _turn(self) -> None:
        """Wait for whatever comes first, and deal with it."""
        poll = select.poll()
        poll.register(self.wakeup, select.POLLIN)
        if self.is_bound:
            poll.register(self.channel, select.POLLIN)
        running = {run.descriptor: run for run in self.runs if run.process is not None}
        for descriptor in running:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(self._patience_ms()):
            if descriptor == self.wakeup:
                os.read(self.wakeup, 4096)
            elif descriptor == self.channel.fileno():
                self._on_word()
            else:
                self._on_death(running[descriptor])
        if not self.is_ending and not self.is_let_go:
            self._restart_due()

    def _patience_ms(self) -> float | None:
        due = [run.due_at for run in self.runs if run.process is None]
        return max(0.0, 1000 * (min(due) - time.monotonic())) if due else None

    def _on_word(self) -> None:
        try:
            words = self.channel.recv(4096).split()
        except OSError:
            words = []
        if b"started" in words or b"detach" in words:
            self.is_starting = False
        if b"detach" in words:
            self.is_bound = False
        elif not words:
            logger.info("whoever started this cluster has gone: ending it")
            self.is_ending = True

    def _on_death(self, run: Run) -> None:
        pid = run.process.pid if run.process is not None else 0
        code = run.ended(time.monotonic())
        name = run.daemon.name
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        line = run.last_line()
        if self.is_starting:
            logger.error("%s %s while the cluster was starting: %s", name, how, line)
            self.tell(event="failed", name=name, how=how, line=line, log=str(run.log))
            self.is_ending = True
        elif name in self.plan.agents and self.home.agent(name).removed.exists():
            logger.info("%s (%d) %s, for good: %s", name, pid, how, line)
            self.runs.remove(run)
        else:
            pause_s = run.due_at - time.monotonic()
            logger.error("%s (%d) %s, again in %.1f s: %s", name, pid, how, pause_s, line)
        if not self.home.path.is_dir():
            logger.error(
                "%s is gone: ending the cluster that nobody can find any more", self.home.path
            )
            self.is_ending = True

    def _restart_due(self) -> None:
        now = time.monotonic()
        due = [run for run in self.runs if run.process is None and run.due_at <= now]
        try:
            for run in due:
                self._start(run)
            if due:
                self._write_record()
        except (FairleadError, OSError):  # no memory, no disk: that may pass
            logger.exception("cannot start a daemon again now")
            for run in due:
                run.due_at = now + LONGEST_PAUSE_S

    def _start(self, run: Run) -> None:
        run.start(time.monotonic())
        assert run.process is not None
        logger.info("started %s (%d)", run.daemon.name, run.process.pid)

    def _write_record(self) -> None:
        supervisor = identity_of(os.getpid())
        assert supervisor is not None
        daemons = {run.daemon.name: run.identity for run in self.runs if run.identity is not None}
        record = Record(supervisor, self.plan.port, self.began_at, self.plan.agents, daemons)
        self.home.write_cluster(record.to_json())

    def _end_all(self) -> Ended:
        count = end([run.identity for run in self.runs if run.identity is not None])
        for run in self.runs:
            if run.process is not None:
                run.ended(time.monotonic())
        ended = Ended(processes=count) + end_launchers(self.home, agents_of(self.home))
        for problem in ended.problems:
            logger.error("%s", problem)
        logger.info("%s", ended)
        forget(self.home)
        if self.plan.is_temporary:
            shutil.rmtree(self.home.path, ignore_errors=True)
        return ended


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
