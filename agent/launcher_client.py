"""Talk to the launcher of an agent: start it, find it, end it, and order tasks over its socket.

The plain functions are for the command, which has no event loop; `LauncherClient` is for
`process_containerizer`. What is said on the socket is described in `launcher/__init__.py`.
"""

import asyncio
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ContainerError
from fairlead.common.processes import ProcessIdentity, identity_of, is_alive

from .launcher import ALREADY_RUNNING, VERSION

PROGRAM = Path(__file__).parent / "launcher"
MAX_LINE_BYTES = 64 << 20
ANSWER_S = 10.0
TEMPORARY = frozenset(
    (
        errno.EAGAIN,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ETXTBSY,
        errno.ESHUTDOWN,
        errno.EBUSY,
    )
)
"""What may work a moment later."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a task ended: a code or a signal, never both. Out of memory is something of it killed at
    its own limit.
    """

    uuid: str
    code: int | None
    signal: int | None
    time: float
    cpu_s: float
    max_rss_bytes: int
    is_out_of_memory: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Exit":
        return cls(**{each.name: value[each.name] for each in fields(cls) if each.name in value})


@dataclass(frozen=True, slots=True)
class LaunchedTask:
    """A task as the launcher knows it. It runs if it has no exit, and if it is not lost.

    A lost one was started by a former launcher, which was killed: nobody sees it end.
    """

    uuid: str
    process: ProcessIdentity
    exit: Exit | None = None
    is_lost: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LaunchedTask":
        process = ProcessIdentity.from_json(value)
        ended = Exit.from_json(value) if "code" in value else None
        return cls(value["uuid"], process, ended, "lost" in value)


# --- without an event loop


def find_launcher(work_dir: Path) -> ProcessIdentity | None:
    """The launcher that runs for this directory, if any does: whoever listens on its socket."""
    try:
        with _connect(work_dir, ANSWER_S) as connection:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        return None
    identity = identity_of(struct.unpack("3i", credentials)[0])
    return identity if identity is not None and is_alive(identity) else None


def start_launcher(work_dir: Path, timeout_s: float = 10.0) -> ProcessIdentity:
    """Of the launcher that listens there; it is started unless it runs already."""
    deadline = time.monotonic() + timeout_s
    log = work_dir / "launcher.log"
    while True:
        status = _run_launcher(work_dir, log, timeout_s)
        if status not in {0, ALREADY_RUNNING}:
            raise ContainerError(
                f"the launcher of {work_dir} did not start (status {status}); see {log}",
                temporary=True,
            )
        with suppress(OSError):
            with _connect(work_dir, timeout_s) as connection:
                _check_version(_ask(connection, {"op": "ping"}), work_dir)
            identity = find_launcher(work_dir)
            if identity is not None:
                return identity
        if time.monotonic() >= deadline:  # it holds the lock, but is starting or ending
            raise ContainerError(
                f"the launcher of {work_dir} does not answer after {timeout_s:g} s; see {log}",
                temporary=True,
            )
        time.sleep(0.02)


def shutdown_launcher(work_dir: Path, grace_s: float) -> int:
    """End its tasks, gently at first, and then the launcher itself. Says how many tasks it ended.

    No launcher means none. What a killed launcher left running is not this function's affair.
    """
    identity = find_launcher(work_dir)
    if identity is None:
        return 0
    timeout_s = grace_s + 15.0
    try:
        with _connect(work_dir, timeout_s) as connection:
            reply = _ask(connection, {"op": "shutdown", "grace_s": grace_s})
    except OSError as problem:
        raise ContainerError(
            f"the launcher of {work_dir} (pid {identity.pid}) did not end: {problem}; "
            f"end it with: kill {identity.pid}"
        ) from None
    _await_end(identity, timeout_s=5.0)
    return int(reply["ended"])


def _run_launcher(work_dir: Path, log: Path, timeout_s: float) -> int:
    """Returns as soon as it is ready, or has failed; it goes on as a process of its own."""
    # -S and -I: no site-packages and no user settings, so that it starts quickly and stays lean
    argv = [sys.executable, "-I", "-S", str(PROGRAM), str(work_dir)]
    # of the environment only our own, so that whoever looks for us by it finds it
    env = {name: value for name, value in os.environ.items() if name.startswith("FAIRLEAD_")}
    try:
        with log.open("ab") as output:
            return subprocess.run(
                argv,
                cwd=work_dir,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                timeout=timeout_s,
                check=False,
            ).returncode
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise ContainerError(
            f"the launcher of {work_dir} did not start: {problem}", temporary=True
        ) from None


def _check_version(reply: Mapping[str, Any], work_dir: Path) -> None:
    if reply["version"] != VERSION:
        raise ContainerError(
            f"the launcher of {work_dir} (pid {reply['pid']}) is of another version "
            f"({reply['version']}, this is {VERSION}); end its tasks with: kill {reply['pid']}"
        )


def _await_end(identity: ProcessIdentity, timeout_s: float) -> None:
    try:
        process = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(identity):
            select.select([process], [], [], timeout_s)
    finally:
        os.close(process)


@contextmanager
def _connect(work_dir: Path, timeout_s: float) -> Iterator[socket.socket]:
    connection = _open_connection(work_dir, timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def _open_connection(work_dir: Path, timeout_s: float) -> socket.socket:
    """Through a descriptor, because a unix socket's address holds no more than 108 bytes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    directory = -1
    try:
        directory = os.open(work_dir, os.O_PATH | os.O_DIRECTORY)
        connection.connect(f"/proc/self/fd/{directory}/launcher.sock")
    except OSError:
        connection.close()
        raise
    finally:
        if directory >= 0:
            os.close(directory)
    return connection


def _ask(connection: socket.socket, request: Mapping[str, object]) -> dict[str, Any]:
    """One question; what else is said meanwhile is passed over."""
    connection.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")
    with connection.makefile("rb") as lines:
        for line in lines:
            message = json.loads(line)
            if message.get("id") == 1:
                ok: dict[str, Any] = message["ok"]
                return ok
    raise ConnectionResetError("it hung up")


# --- with one


class LauncherClient:
    """A connection to the launcher. Exits are told as they happen, once, from the event loop.

    Made by `connect`. When the launcher goes away, whoever waits gets a temporary ContainerError,
    and `on_lost` is called once.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_exit: Callable[[Exit], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0
        self._is_open = True
        self._listening = asyncio.create_task(self._listen(reader))

    @classmethod
    async def connect(
        cls,
        work_dir: Path,
        on_exit: Callable[[Exit], None],
        on_lost: Callable[[], None],
    ) -> "LauncherClient":
        try:
            connection = _open_connection(work_dir, 0.0)  # at once, or not now: a loop waits
        except OSError as problem:
            raise ContainerError(
                f"no launcher answers in {work_dir}: {problem.strerror}", temporary=True
            ) from None
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=MAX_LINE_BYTES)
        client = cls(reader, writer, on_exit, on_lost)
        try:
            _check_version(await client._ask("ping"), work_dir)
        except ContainerError:
            await client.close()
            raise
        return client

    async def start(
        self,
        uuid: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        cwd: Path,
        stdout: Path,
        stderr: Path,
        groups: Mapping[str, str] | None = None,
        limits: Sequence[tuple[str, str]] = (),
    ) -> LaunchedTask:
        """Once per uuid: a second time tells what became of the first.

        `env` is all that it gets, apart from two marks by which its processes are known. `groups`
        and `limits` are its control groups, and what is written into their files.
        """
        paths = {"cwd": str(cwd), "stdout": str(stdout), "stderr": str(stderr)}
        more = {"groups": dict(groups), "limits": list(limits)} if groups else {}
        answer = await self._ask(
            "start", uuid=uuid, argv=list(argv), env=dict(env), **paths, **more
        )
        return LaunchedTask.from_json(answer)

    async def signal(self, uuid: str, signum: int) -> bool:
        """To all processes of the task's session; False if no such task runs."""
        return bool((await self._ask("signal", uuid=uuid, signal=int(signum)))["found"])

    async def destroy(self, uuid: str) -> bool:
        """SIGKILL to everything that descends from it; False if no such task runs."""
        return bool((await self._ask("destroy", uuid=uuid))["found"])

    async def list(self) -> list[LaunchedTask]:
        """All that run, and all that ended and were not forgotten."""
        answer = await self._ask("list")
        return [LaunchedTask.from_json(each) for each in answer["tasks"]]

    async def forget(self, *uuids: str) -> None:
        """Their exits are not needed any more."""
        await self._ask("forget", uuids=uuids)

    async def close(self) -> None:
        """Leave the launcher and its tasks alone."""
        self.abandon()
        await asyncio.gather(self._listening, return_exceptions=True)
        with suppress(OSError):
            await self._writer.wait_closed()

    def abandon(self) -> None:
        """The same, without waiting until it is done."""
        self._is_open = False
        self._listening.cancel()
        self._writer.close()
        self._fail_all()

    def check_open(self) -> None:
        """Raises a temporary ContainerError if the launcher has gone away."""
        if not self._is_open:
            raise ContainerError("the launcher has gone away", temporary=True)

    async def _ask(self, op: str, **arguments: object) -> dict[str, Any]:
        self.check_open()
        self._last_id += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._last_id] = answer
        request = {"id": self._last_id, "op": op, **arguments}
        self._writer.write(json.dumps(request).encode() + b"\n")
        return await answer

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            with suppress(OSError):
                while line := await reader.readline():
                    self._dispatch(json.loads(line))
        finally:
            if self._is_open:
                self._is_open = False
                self._fail_all()
                self._writer.close()
                self._on_lost()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "exit" in message:
            self._on_exit(Exit.from_json(message["exit"]))
            return
        answer = self._waiting.pop(message["id"])
        if answer.done():  # whoever asked was cancelled
            return
        if "ok" in message:
            answer.set_result(message["ok"])
        else:
            problem = message["error"]
            answer.set_exception(LauncherRefusedError(**problem))

    def _fail_all(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ContainerError("the launcher has gone away", temporary=True))
        self._waiting.clear()


class LauncherRefusedError(ContainerError):
    """The launcher could not do it: at which step, and the system's error number."""

    def __init__(self, step: str, errno: int, message: str) -> None:
        super().__init__(f"{step}: {message}", temporary=errno in TEMPORARY)
        self.reason = message
        self.step = step
        self.errno = errno
