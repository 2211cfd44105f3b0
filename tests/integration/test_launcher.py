"""The launcher as a real process: it outlives its clients, reaps exactly, and leaves nothing."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fairlead.agent.launcher import ALREADY_RUNNING
from fairlead.agent.launcher.records import RecordFile
from fairlead.agent.launcher_client import (
    PROGRAM,
    Exit,
    LaunchedTask,
    LauncherClient,
    LauncherRefusedError,
    find_launcher,
    shutdown_launcher,
    start_launcher,
)
from fairlead.common.errors import ContainerError
from fairlead.common.processes import ProcessIdentity, identity_of, is_alive, send_signal

DEADLINE_S = 20.0
MIB = 2**20
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def work_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    yield path
    if path.exists():
        shutdown_launcher(path, grace_s=0)
        shutil.rmtree(path)


def wait_for(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:g} s for {what}"
        time.sleep(0.01)


def records_of(path: Path) -> dict[str, dict[str, object]]:
    return RecordFile(str(path)).load()


class Session:
    """A client, and the exits that it was told."""

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.exits: list[Exit] = []
        self.is_lost = False
        self.client: LauncherClient

    def lost(self) -> None:
        self.is_lost = True

    async def start(self, uuid: str, *argv: str) -> LaunchedTask:
        out, err = self.work_dir / f"{uuid}.out", self.work_dir / f"{uuid}.err"
        return await self.client.start(uuid, argv, ENV, cwd=self.work_dir, stdout=out, stderr=err)

    async def until(self, what: str, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline, f"waited {DEADLINE_S:g} s for {what}"
            await asyncio.sleep(0.01)

    async def ended(self, uuid: str) -> Exit:
        def found() -> list[Exit]:
            return [each for each in self.exits if each.uuid == uuid]

        await self.until(f"the end of {uuid}", found)
        (ended,) = found()
        return ended


def converse(work_dir: Path, conversation: Callable[[Session], Awaitable[None]]) -> None:
    async def run() -> None:
        session = Session(work_dir)
        session.client = await LauncherClient.connect(work_dir, session.exits.append, session.lost)
        try:
            await conversation(session)
        finally:
            await session.client.close()

    asyncio.run(asyncio.wait_for(run(), timeout=60))


# --- one launcher, found again


def test_there_is_one_however_many_start_it(work_dir: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        started = set(pool.map(lambda _: start_launcher(work_dir), range(4)))
    assert started == {find_launcher(work_dir)}
    second = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), str(work_dir)], timeout=20, check=False
    )
    assert second.returncode == ALREADY_RUNNING
    assert started == {start_launcher(work_dir)}


def test_it_is_lean_and_alone(work_dir: Path) -> None:
    launcher = psutil.Process(start_launcher(work_dir).pid)
    assert launcher.memory_info().rss <= 12 * MIB
    assert launcher.num_threads() == 1
    assert os.getsid(launcher.pid) == launcher.pid
    assert launcher.cwd() == str(work_dir)
    assert (work_dir / "launcher.sock").stat().st_mode & 0o777 == 0o600
    maps = Path(f"/proc/{launcher.pid}/maps").read_text()
    assert "grpc" not in maps
    assert "site-packages" not in maps


def test_a_path_longer_than_a_socket_address(work_dir: Path) -> None:
    deep = work_dir / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    async def conversation(session: Session) -> None:
        await session.start("a", "sh", "-c", "exit 3")
        assert (await session.ended("a")).code == 3

    start_launcher(deep)
    converse(deep, conversation)
    assert shutdown_launcher(deep, grace_s=1) == 0
    assert find_launcher(deep) is None


def test_without_one_there_is_nothing_to_find_or_to_end(work_dir: Path) -> None:
    assert find_launcher(work_dir) is None
    assert shutdown_launcher(work_dir, grace_s=1) == 0
    with pytest.raises(ContainerError, match="no launcher answers") as caught:
        converse(work_dir, lambda _session: asyncio.sleep(0))
    assert caught.value.temporary


def test_one_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match=r"did not start: .*No such file or directory"):
        start_launcher(tmp_path / "nowhere")
    (tmp_path / "launcher.lock").mkdir()
    with pytest.raises(ContainerError, match=r"did not start \(status 1\); see .*launcher\.log"):
        start_launcher(tmp_path)
    assert "IsADirectoryError" in (tmp_path / "launcher.log").read_text()


def test_what_a_killed_one_left_is_not_taken_for_it(work_dir: Path) -> None:
    first = start_launcher(work_dir)
    send_signal(first, signal.SIGKILL)
    wait_for("its end", lambda: not is_alive(first))
    assert (work_dir / "launcher.sock").exists()
    assert find_launcher(work_dir) is None
    assert start_launcher(work_dir) != first


def test_one_that_is_stopped_is_found(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    send_signal(launcher, signal.SIGSTOP)
    try:
        assert find_launcher(work_dir) == launcher
    finally:
        send_signal(launcher, signal.SIGCONT)


# --- tasks


def test_two_hundred_quick_tasks_are_reaped_exactly(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        names = [f"task-{number}" for number in range(200)]
        tasks = await asyncio.gather(
            *(session.start(name, "sh", "-c", f"exit {n}") for n, name in enumerate(names))
        )
        assert len({task.process.pid for task in tasks}) == 200
        await session.until("200 exits", lambda: len(session.exits) >= 200)
        assert {each.uuid: each.code for each in session.exits} == {
            name: number for number, name in enumerate(names)
        }
        assert len(session.exits) == 200
        assert sorted(records_of(work_dir / "exits")) == sorted(names)
        assert psutil.Process(launcher.pid).children() == []
        assert psutil.Process(launcher.pid).memory_info().rss <= 16 * MIB
        await session.client.forget(*names)
        assert await session.client.list() == []
        assert (work_dir / "exits").read_bytes() == b""
        assert (work_dir / "starts").read_bytes() == b""

    converse(work_dir, conversation)


def test_an_exit_is_on_disk_before_it_is_told(work_dir: Path) -> None:
    start_launcher(work_dir)
    was_there: list[bool] = []

    def check(ended: Exit) -> None:
        was_there.append(ended.uuid in (work_dir / "exits").read_text())

    async def run() -> None:
        session = Session(work_dir)
        session.client = await LauncherClient.connect(work_dir, check, session.lost)
        await session.start("a", "true")
        await session.until("its end", lambda: was_there)
        await session.client.close()

    asyncio.run(run())
    assert was_there == [True]


@contextmanager
def full_disk(launcher: ProcessIdentity) -> Iterator[None]:
    """Nothing that it writes to a file gets there."""
    before = resource.prlimit(launcher.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(launcher.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(launcher.pid, resource.RLIMIT_FSIZE, before)


def test_an_exit_that_cannot_be_written_is_told_later(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    waits = f"while [ ! -e {work_dir}/go ]; do sleep 0.01; done; exit 7"

    async def conversation(session: Session) -> None:
        started = await session.start("a", "sh", "-c", waits)
        with full_disk(launcher):
            (work_dir / "go").touch()
            await session.until("its death", lambda: not is_alive(started.process))
            again = await session.start("a", "sh", "-c", waits)  # nobody knows of its end
            assert again == started
            assert [each.exit for each in await session.client.list()] == [None]
            assert session.exits == []
            assert (work_dir / "exits").read_bytes() == b""
        assert (await session.ended("a")).code == 7
        assert [each["code"] for each in records_of(work_dir / "exits").values()] == [7]
        (listed,) = await session.client.list()
        assert listed.exit == session.exits[0]

    converse(work_dir, conversation)


def test_a_start_that_cannot_be_written_is_told_later(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        with full_disk(launcher):
            starts = [asyncio.create_task(session.start("a", "true")) for _ in range(2)]
            done, _ = await asyncio.wait(starts, timeout=0.5)
            assert not done
            assert session.exits == []
        first, second = await asyncio.gather(*starts)
        assert first == second
        assert first.exit is None
        assert (await session.ended("a")).code == 0
        assert "a" in (work_dir / "exits").read_text()

    converse(work_dir, conversation)


def test_what_a_task_used_is_recorded(work_dir: Path) -> None:
    start_launcher(work_dir)
    program = "x = bytearray(64 << 20)\nwhile __import__('time').process_time() < 0.2: pass"

    async def conversation(session: Session) -> None:
        before = time.time()
        await session.start("a", sys.executable, "-c", program)
        ended = await session.ended("a")
        assert (ended.code, ended.signal) == (0, None)
        assert 0.2 <= ended.cpu_s < 20
        assert 64 * MIB < ended.max_rss_bytes < 256 * MIB
        assert before <= ended.time <= time.time()

    converse(work_dir, conversation)


def test_a_failed_exec_says_where_and_why_and_leaves_nothing(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        with pytest.raises(LauncherRefusedError, match="No such file") as caught:
            await session.start("a", "no-such-program")
        assert (caught.value.step, caught.value.errno) == ("exec", 2)
        with pytest.raises(LauncherRefusedError) as caught:
            await session.client.start(
                "b", ["true"], ENV, cwd=work_dir / "nowhere", stdout=work_dir, stderr=work_dir
            )
        assert caught.value.step == "cwd"
        with pytest.raises(LauncherRefusedError) as caught:
            await session.client.start(
                "c", ["true"], ENV, cwd=work_dir, stdout=work_dir, stderr=work_dir
            )
        assert caught.value.step == "stdout"
        with pytest.raises(LauncherRefusedError, match="null byte"):
            await session.start("d", "true", "a\0b")
        assert await session.client.list() == []
        await session.until("its children", lambda: not psutil.Process(launcher.pid).children())
        await session.start("a", "true")  # a failed launch may be tried again
        assert (await session.ended("a")).code == 0

    converse(work_dir, conversation)


def test_a_uuid_is_started_once(work_dir: Path) -> None:
    start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        same = await asyncio.gather(*(session.start("a", "sleep", "60") for _ in range(5)))
        assert len(set(same)) == 1
        await session.client.signal("a", signal.SIGTERM)
        ended = await session.ended("a")
        again = await session.start("a", "sleep", "60")
        assert (again.process, again.exit) == (same[0].process, ended)
        assert not await session.client.signal("a", signal.SIGTERM)

    converse(work_dir, conversation)


def test_signals_are_as_a_fresh_program_expects_them(work_dir: Path) -> None:
    start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        await session.start("a", "grep", "^Sig[BI]", "/proc/self/status")
        await session.ended("a")
        masks = dict(line.split() for line in (work_dir / "a.out").read_text().splitlines())
        # 32 and 33 are glibc's own: no program can change what it inherited there.
        changeable = ~(0b11 << 31)
        assert {int(mask, 16) & changeable for mask in masks.values()} == {0}, masks

    converse(work_dir, conversation)


def test_a_signal_reaches_every_group_of_the_session(work_dir: Path) -> None:
    start_launcher(work_dir)
    child = 'trap "echo child >>hits; exit" USR1; touch up; sleep 60 & wait'
    script = f"trap 'echo main >>hits' USR1; set -m; sh -c '{child}' & wait; wait; exit 5"

    async def conversation(session: Session) -> None:
        await session.start("a", "bash", "-c", script)
        await session.until("the child", (work_dir / "up").exists)
        assert await session.client.signal("a", signal.SIGUSR1)
        assert (await session.ended("a")).code == 5
        assert sorted((work_dir / "hits").read_text().split()) == ["child", "main"]

    converse(work_dir, conversation)


def test_orphans_come_to_the_launcher_and_die_with_their_task(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    script = "(setsid sh -c 'echo $$ >pid; exec sleep 60' &) ; while true; do sleep 0.05; done"

    def orphan() -> int:
        path = work_dir / "pid"
        return int(path.read_text() or 0) if path.exists() else 0

    async def conversation(session: Session) -> None:
        await session.start("a", "sh", "-c", script)
        await session.until("the orphan", orphan)
        identity = identity_of(orphan())
        assert identity is not None
        await session.until(
            "its adoption", lambda: psutil.Process(identity.pid).ppid() == launcher.pid
        )
        await session.client.signal("a", signal.SIGTERM)
        await session.ended("a")
        await session.until("the orphan's end", lambda: not is_alive(identity))

    converse(work_dir, conversation)


# --- clients that fail


CLIENT = """
import asyncio, sys
from pathlib import Path
from fairlead.agent.launcher_client import LauncherClient

async def main(work_dir):
    client = await LauncherClient.connect(work_dir, print, print)
    for uuid, command in (("quick", "exit 7"), ("slow", "sleep 0.5; exit 8"), ("long", "sleep 60")):
        await client.start(uuid, ["sh", "-c", command], {"PATH": "/usr/bin:/bin"}, cwd=work_dir,
                           stdout=work_dir / "out", stderr=work_dir / "err")
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(Path(sys.argv[1])))
"""


def test_tasks_outlive_a_client_that_is_killed(work_dir: Path) -> None:
    start_launcher(work_dir)
    argv = [sys.executable, "-c", CLIENT, str(work_dir)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as killed:
        assert killed.stdout is not None
        while killed.stdout.readline() not in {b"ready\n", b""}:
            pass
        os.killpg(killed.pid, signal.SIGKILL)

    async def conversation(session: Session) -> None:
        found = {task.uuid: task for task in await session.client.list()}
        assert set(found) == {"quick", "slow", "long"}
        assert is_alive(found["long"].process)
        quick = found["quick"].exit or await session.ended("quick")
        slow = found["slow"].exit or await session.ended("slow")
        assert (quick.code, slow.code) == (7, 8)
        await session.client.destroy("long")
        assert (await session.ended("long")).signal == signal.SIGKILL

    converse(work_dir, conversation)


def test_a_client_that_does_not_read_holds_nobody_up(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(work_dir / "launcher.sock"))
        deaf.settimeout(DEADLINE_S)
        question = json.dumps({"id": "x" * 100_000, "op": "ping"}).encode() + b"\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            deaf.sendall(question * 1000)

    async def conversation(session: Session) -> None:
        await session.start("a", "true")
        assert (await session.ended("a")).code == 0

    converse(work_dir, conversation)
    assert find_launcher(work_dir) == launcher


def test_nonsense_is_answered_and_harms_nobody(work_dir: Path) -> None:
    start_launcher(work_dir)
    nonsense = [
        b"not json",
        b"[1]",
        b"7",
        b"{}",
        b'{"id": 1}',
        b'{"id": 2, "op": "dance"}',
        b'{"id": 3, "op": "start"}',
        b'{"id": 4, "op": "signal"}',
        b'{"id": 5, "op": "forget", "uuids": 7}',
        b'{"id": 6, "op": "shutdown", "grace_s": "soon"}',
        b"[" * 100_000,
    ]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(work_dir / "launcher.sock"))
        with client.makefile("rb") as answers:
            for line in nonsense:
                client.sendall(line + b"\n")
                assert "error" in json.loads(answers.readline()), line[:50]
            client.sendall(b'{"id": 7, "op": "ping"}\n')
            assert "ok" in json.loads(answers.readline())


@pytest.mark.parametrize("is_open_to_all", [False, True], ids=["by mode", "by credentials"])
def test_another_user_is_refused(work_dir: Path, is_open_to_all: bool) -> None:
    start_launcher(work_dir)
    path = work_dir / "launcher.sock"
    if os.geteuid() != 0:  # then nobody here can become somebody else: the mode must do
        assert path.stat().st_mode & 0o077 == 0
        return
    work_dir.chmod(0o755)
    if is_open_to_all:
        path.chmod(0o666)
    program = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "try:\n"
        "    s.connect(sys.argv[1])\n"
        '    s.sendall(b\'{"id": 1, "op": "ping"}\\n\')\n'
        "    print(s.recv(1000) or 'refused')\n"
        "except OSError:\n"
        "    print('refused')\n"
    )
    argv = [sys.executable, "-I", "-S", "-c", program, str(path)]
    said = subprocess.run(argv, capture_output=True, timeout=20, check=True, text=True).stdout
    assert said == "refused\n"


# --- the end


def test_shutdown_ends_all_tasks_and_leaves_no_process_or_socket(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    tasks: list[LaunchedTask] = []

    async def conversation(session: Session) -> None:
        tasks.append(
            await session.start(
                "gentle", "sh", "-c", "trap 'exit 4' TERM; touch g; sleep 60 & wait"
            )
        )
        tasks.append(
            await session.start(
                "stubborn", "sh", "-c", "trap '' TERM; touch s; while :; do sleep 1; done"
            )
        )
        tasks.append(await session.start("stopped", "sleep", "60"))
        await session.client.signal("stopped", signal.SIGSTOP)
        await session.start("ended", "true")
        await session.ended("ended")
        await session.until(
            "traps", lambda: (work_dir / "g").exists() and (work_dir / "s").exists()
        )

    converse(work_dir, conversation)
    assert shutdown_launcher(work_dir, grace_s=0.5) == 3
    assert not is_alive(launcher)
    assert not any(is_alive(task.process) for task in tasks)
    left = {path.name for path in work_dir.iterdir()}
    assert "launcher.sock" not in left
    exits = records_of(work_dir / "exits")
    assert {uuid: (each["code"], each["signal"]) for uuid, each in exits.items()} == {
        "ended": (0, None),
        "gentle": (4, None),
        "stopped": (None, signal.SIGTERM),
        "stubborn": (None, signal.SIGKILL),
    }


def test_the_next_launcher_knows_what_the_one_before_saw(work_dir: Path) -> None:
    start_launcher(work_dir)

    async def before(session: Session) -> None:
        await session.start("a", "sh", "-c", "exit 6")
        await session.ended("a")

    async def after(session: Session) -> None:
        (task,) = await session.client.list()
        assert task.exit is not None
        assert (task.uuid, task.exit.code, task.is_lost) == ("a", 6, False)

    converse(work_dir, before)
    shutdown_launcher(work_dir, grace_s=1)
    with (work_dir / "exits").open("ab") as exits:
        exits.write(b'{"uuid": "torn", "co')
    start_launcher(work_dir)
    converse(work_dir, after)


def test_a_killed_launcher_is_missed_and_its_tasks_are_listed_as_lost(work_dir: Path) -> None:
    killed = start_launcher(work_dir)
    started: list[LaunchedTask] = []

    async def before(session: Session) -> None:
        started.append(await session.start("runs", "sleep", "60"))
        await session.start("ended", "sh", "-c", "exit 2")
        await session.ended("ended")
        send_signal(killed, signal.SIGKILL)
        await session.until("the loss to be seen", lambda: session.is_lost)
        with pytest.raises(ContainerError, match="gone away") as caught:
            await session.start("more", "true")
        assert caught.value.temporary

    async def after(session: Session) -> None:
        found = {task.uuid: task for task in await session.client.list()}
        assert set(found) == {"runs", "ended"}
        assert found["ended"].exit is not None
        assert found["runs"] == LaunchedTask("runs", started[0].process, is_lost=True)
        assert is_alive(found["runs"].process)
        again = await session.start("runs", "sleep", "60")
        assert again.process == started[0].process
        await session.client.forget("runs", "ended")
        assert await session.client.list() == []

    converse(work_dir, before)
    wait_for("the launcher's end", lambda: not is_alive(killed))
    assert find_launcher(work_dir) is None
    assert start_launcher(work_dir) != killed
    converse(work_dir, after)
    assert send_signal(started[0].process, signal.SIGKILL)


def test_terminating_the_launcher_is_a_shutdown(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    tasks: list[LaunchedTask] = []

    async def conversation(session: Session) -> None:
        tasks.append(await session.start("a", "sleep", "60"))
        send_signal(launcher, signal.SIGTERM)
        assert (await session.ended("a")).signal == signal.SIGTERM

    converse(work_dir, conversation)
    wait_for("the launcher's end", lambda: not is_alive(launcher))
    assert not (work_dir / "launcher.sock").exists()


def test_a_launcher_whose_directory_is_gone_ends(work_dir: Path) -> None:
    launcher = start_launcher(work_dir)
    tasks: list[LaunchedTask] = []

    async def conversation(session: Session) -> None:
        tasks.append(await session.start("a", "sleep", "60"))
        tasks.append(await session.start("b", "sleep", "0.3"))  # its end wakes the launcher

    converse(work_dir, conversation)
    shutil.rmtree(work_dir)
    wait_for("the launcher's end", lambda: not is_alive(launcher))
    assert not any(is_alive(task.process) for task in tasks)
