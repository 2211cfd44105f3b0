"""A worker: a task that stays warm and runs the calls of one driver after another.

    python -m fairlead.frameworks.batch.worker SERVICE_ADDRESS

This parent holds the connection to the service and runs no user code. For each lease it forks a
child (about a millisecond, everything is imported) that dials the driver. Whatever a lease leaves
behind, processes it forked included, ends with it. If the service is away the worker looks for it
for a while; a running lease goes on meanwhile.
"""

import contextlib
import ctypes
import faulthandler
import gc
import os
import selectors
import signal
import sys
import time
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import format_bytes
from fairlead.common.tls import Party, dialling_to

from .claims import ClaimPage
from .exits import Exit
from .frames import CONTROL_LIMIT, Frame
from .handshake import FrameError, KeyRefusedError
from .keys import WorkerPass
from .last_words import last_words, sizes
from .lease import run_lease
from .memory_limit import memory_kills
from .orphans import adopt_orphans, end_orphans, is_stopped
from .protocol import VERSION, WORKER, Kind, connection_name
from .sync_channel import ChannelClosedError, ServerTls, SyncChannel

SERVICE_AWAY_S = 30.0
_DIAL_S = 3.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_PR_SET_PDEATHSIG = 1
_STOPPED_PINGS = 5
"""A lease whose process is found stopped so often in a row is ended."""


@dataclass(slots=True)
class _Running:
    """The lease that runs now."""

    job: str
    number: int
    pid: int
    process: int
    claims: ClaimPage = field(default_factory=ClaimPage)
    log_sizes: dict[str, int] = field(default_factory=dict)
    memory_kills: int = 0
    times_stopped: int = 0


class Worker:
    """The parent process of one worker."""

    def __init__(self, address: str, me: WorkerPass) -> None:
        self._address = address
        self._me = me
        self._context = dialling_to(me.authority) if me.authority else None
        self._sandbox = Path.cwd()
        self._selector = selectors.DefaultSelector()
        self._service: SyncChannel | None = None
        self._lease: _Running | None = None
        self._leases = 0
        self._unsent: list[dict[str, Any]] = []
        self._away_since = time.monotonic()
        self._pause_s = _FIRST_PAUSE_S
        self._is_done = False

    def run(self) -> int:
        """Until the service lets it go, or stays away."""
        try:
            while not self._is_done:
                if self._service is None and not self._find_service():
                    return 1
                timeout_s = None if self._service else self._pause_s
                for key, _ in self._selector.select(timeout_s):
                    key.data()
            return 0
        finally:
            self._end_lease()
            self._hang_up()
            self._selector.close()

    def _find_service(self) -> bool:
        """Try once; False when it has been away too long or does not want us."""
        try:
            self._service = SyncChannel.dial(
                self._address,
                self._me.key,
                WORKER + self._me.worker,
                limit=CONTROL_LIMIT,
                timeout_s=_DIAL_S,
                tls=self._tls_of(Party.FRAMEWORK),
            )
        except KeyRefusedError as error:
            _say(f"the service at {self._address} does not accept this worker: {error}")
            return False
        except (OSError, ChannelClosedError, FrameError) as error:
            if time.monotonic() - self._away_since > SERVICE_AWAY_S:
                _say(f"no service at {self._address} for {SERVICE_AWAY_S:.0f} s: {error}")
                return False
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            return True
        self._selector.register(self._service, selectors.EVENT_READ, self._on_service)
        self._pause_s = _FIRST_PAUSE_S
        self._greet()
        return True

    def _greet(self) -> None:
        unsent, self._unsent = self._unsent, []
        fields = {"version": VERSION, "size": self._me.size, "leases": self._leases}
        self._tell(Kind.HELLO, {**fields, "job": self._lease and self._lease.job})
        for report in unsent:
            self._tell(Kind.ENDED, report)

    def _on_service(self) -> None:
        if self._service is None:
            return  # lost while this event waited
        try:
            frames = self._service.receive_waiting()
        except (ChannelClosedError, FrameError):
            self._hang_up()
            return
        for frame in frames:
            self._on_frame(frame)

    def _on_frame(self, frame: Frame) -> None:
        match Kind(frame.kind):
            case Kind.LEASE:
                self._end_lease()
                self._start_lease(**frame.fields)
            case Kind.END:
                self._end_lease()
            case Kind.RECALL:
                fields = frame.fields
                self._recall(fields["number"], fields["upto"], fields["kill"])
            case Kind.PING:
                self._tell(Kind.PONG, {})
                self._look_after_child()
            case Kind.EXIT:
                self._is_done = True
            case kind:
                _say(f"the service said {kind!r}, which this worker does not know")

    def _start_lease(self, job: str, number: int, address: str, key: str) -> None:
        self._leases = number
        lease = _Running(job, number, 0, 0, log_sizes=sizes(self._sandbox))
        lease.memory_kills = memory_kills()
        identity = connection_name(self._me.worker, lease.number)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        lease.pid = os.fork()
        if lease.pid == 0:
            code = 1
            try:
                self._become_child(parent)
                tls = self._tls_of(Party.CLIENT)
                code = run_lease(address, bytes.fromhex(key), identity, lease.claims, tls)
            except BaseException:  # noqa: BLE001  (the child must never return into the parent's loop)
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        lease.process = os.pidfd_open(lease.pid)
        self._lease = lease
        self._selector.register(
            lease.process, selectors.EVENT_READ, partial(self._on_child_ended, lease)
        )

    def _tls_of(self, party: Party) -> ServerTls | None:
        return ServerTls(self._context, party.host) if self._context else None

    def _become_child(self, parent: int) -> None:
        """Forget the parent's business and die with it."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        if self._service is not None:
            self._service.close()
        self._selector.close()
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        faulthandler.enable()  # a crash says where, in the log
        gc.unfreeze()

    def _on_child_ended(self, lease: _Running) -> None:
        if self._lease is lease:
            self._end_lease(is_ordered=False)

    def _look_after_child(self) -> None:
        """One that was stopped would hold its lease for ever."""
        if (lease := self._lease) is not None:
            lease.times_stopped = lease.times_stopped + 1 if is_stopped(lease.pid) else 0
            if lease.times_stopped >= _STOPPED_PINGS:
                self._end_lease(is_ordered=False, said="was stopped, and did not go on")

    def _end_lease(self, *, is_ordered: bool = True, said: str = "") -> None:
        """Make sure that nothing of the lease is left, and say how it ended."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        self._selector.unregister(lease.process)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(lease.process, signal.SIGKILL)
        os.close(lease.process)
        _, status, usage = os.wait4(lease.pid, 0)
        end_orphans()
        lease.claims.close()
        is_at_limit = not is_ordered and memory_kills() > lease.memory_kills
        if is_at_limit:
            said = f"reached its memory limit of {format_bytes(self._me.size['mem'])}"
        how = Exit(
            os.waitstatus_to_exitcode(status),
            usage.ru_maxrss * 1024,
            is_at_limit=is_at_limit,
            is_ordered=is_ordered,
            said=said,
            log="" if is_ordered else last_words(self._sandbox, lease.log_sizes),
        )
        report = {"job": lease.job, "number": lease.number, "exit": how.to_fields()}
        if not self._tell(Kind.ENDED, report):
            self._unsent.append(report)

    def _recall(self, number: int, upto: int, kill: int | None) -> None:
        if self._lease is None or self._lease.number != number:
            return  # it has ended, which says more
        first = self._lease.claims.recall(upto)
        if kill is not None and first == kill + 1:
            # It is the last one claimed, and none will be from now on: nobody else is hit.
            self._end_lease()
            return
        self._tell(
            Kind.RECALLED,
            {
                "worker": self._me.worker,
                "number": number,
                "first": first,
                "upto": upto,
                "kill": kill,
            },
        )

    def _tell(self, kind: Kind, fields: dict[str, Any]) -> bool:
        if self._service is None:
            return False
        try:
            self._service.send(kind, fields)
        except ChannelClosedError:
            self._hang_up()
            return False
        return True

    def _hang_up(self) -> None:
        if self._service is not None:
            self._selector.unregister(self._service)
            self._service.close()
            self._service = None
            self._away_since = time.monotonic()


def _say(text: str) -> None:
    print(f"batch worker: {text}", file=sys.stderr, flush=True)  # noqa: T201


def main() -> int:
    """The command of a worker's task."""
    if len(sys.argv) != 2:
        _say("usage: python -m fairlead.frameworks.batch.worker SERVICE_ADDRESS")
        return 2
    adopt_orphans()
    worker = Worker(sys.argv[1], WorkerPass.take(Path.cwd()))
    gc.collect()
    gc.freeze()  # what is imported stays shared between parent and children
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
