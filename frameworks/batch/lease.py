"""What a worker's child does: dial the driver, run its calls one by one, answer each at once.

One thread, so that user code may fork. A result leaves before the next call starts: whatever the
next call does, nothing that is done waits for it or is lost with it.
"""

import contextlib
import importlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .claims import ClaimPage
from .code_spaces import Spaces, explain_missing
from .failures import dump_error
from .frames import DATA_LIMIT, Buffer, Frame, FrameTooLargeError
from .handshake import FrameError
from .payloads import code_of_key, dump_value
from .protocol import Kind
from .sync_channel import ChannelClosedError, ServerTls, SyncChannel

NO_DRIVER = 70
"""Exit code of a child that could not reach its driver."""
CODE_DIRECTORY = ".code"
"""In the worker's sandbox: the drivers' own modules."""
_DIAL_S = 5.0


class _Broken:
    """Stands for a function that could not be loaded: every call of it fails the same way."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._trace = error.__traceback__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        raise self._error.with_traceback(self._trace)


class Lease:
    """The calls of one driver, until it hangs up."""

    def __init__(self, channel: SyncChannel, claims: ClaimPage) -> None:
        self._channel = channel
        self._claims = claims
        self._functions: dict[str, Callable[..., Any]] = {}
        self._code = Spaces(Path.cwd() / CODE_DIRECTORY)
        self._pid = os.getpid()

    def run(self) -> None:
        """Returns when the driver has gone."""
        handlers = {
            Kind.WELCOME: self._on_welcome,
            Kind.CODE: self._on_code,
            Kind.CALLS: self._on_calls,
        }
        try:
            while True:
                frame = self._channel.receive()
                handlers[Kind(frame.kind)](frame)
        except ChannelClosedError:
            return

    def _on_welcome(self, frame: Frame) -> None:
        """Import from where the driver imports, too: on its own machine that helps."""
        sys.path.extend(path for path in frame.fields["paths"] if path not in sys.path)
        importlib.invalidate_caches()

    def _on_code(self, frame: Frame) -> None:
        """The calls that follow use this version of the driver's own modules."""
        digest, files = frame.fields["set"], frame.fields["files"]
        for forgotten in frame.fields["forget"]:
            self._code.forget(forgotten)
            for key in [key for key in self._functions if code_of_key(key) == forgotten]:
                del self._functions[key]
        if files is not None:
            self._code.add(digest, files, lambda missing: self._fetch(digest, missing))
        self._code.use(digest)

    def _fetch(self, digest: str, missing: list[str]) -> Mapping[str, Buffer]:
        self._channel.send(Kind.MISSING, {"set": digest, "digests": missing})
        if not missing:
            return {}
        frame = self._channel.receive_first(Kind.FILES)
        return dict(zip(frame.fields["digests"], frame.buffers, strict=True))

    def _on_calls(self, frame: Frame) -> None:
        buffers = iter(frame.buffers)
        digests = []
        for digest in frame.fields["forget"]:
            self._functions.pop(digest, None)
        for digest, is_new in frame.fields["functions"]:
            digests.append(digest)
            if is_new:
                problem = self._code.problem(code_of_key(digest))
                data = next(buffers)
                self._functions[digest] = _Broken(problem) if problem else _load_function(data)
        timed = frame.fields["timed"]
        for sequence, index in frame.fields["calls"]:
            arguments = next(buffers)
            if self._claims.claim(sequence):
                if sequence in timed:
                    self._channel.send(Kind.STARTED, {"sequence": sequence})
                self._run(sequence, self._functions[digests[index]], arguments)
            else:
                self._channel.send(Kind.SKIPPED, {"sequence": sequence})

    def _run(self, sequence: int, function: Callable[..., Any], arguments: Buffer) -> None:
        started = time.perf_counter()
        ok = True
        try:
            args, kwargs = pickle.loads(arguments)
            answer = dump_value(function, function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  (SystemExit too is the call's own affair)
            explain_missing(error)
            ok, answer = False, dump_error(error, skip=1)
        seconds = time.perf_counter() - started
        _flush()
        if os.getpid() != self._pid:
            # The call forked, and this is the copy: the connection belongs to the original.
            os._exit(0)
        fields = {"sequence": sequence, "seconds": seconds, "ok": ok}
        try:
            self._channel.send(Kind.RESULT, fields, (answer,))
        except FrameTooLargeError as error:
            self._channel.send(Kind.RESULT, {**fields, "ok": False}, (dump_error(error),))


def run_lease(
    address: str, key: bytes, identity: str, claims: ClaimPage, tls: ServerTls | None = None
) -> int:
    """The child's whole life; returns its exit code."""
    try:
        channel = SyncChannel.dial(
            address, key, identity, limit=DATA_LIMIT, timeout_s=_DIAL_S, tls=tls
        )
    except (OSError, FrameError, ChannelClosedError) as error:
        print(f"cannot reach the driver at {address}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return NO_DRIVER
    Lease(channel, claims).run()
    channel.close()
    return 0


def _load_function(data: Buffer) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = pickle.loads(data)
    except BaseException as error:  # noqa: BLE001  (loading runs imports: anything may come out)
        return _Broken(error)
    return function


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # calls may close them, or put anything there
            stream.flush()
