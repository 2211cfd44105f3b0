"""What every containerizer keeps to: each test runs over real processes and over the fake."""

import asyncio
import errno
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest
from tests.support.kernel_limits import group_of, need_groups

from fairlead.agent import cgroups, freezing, process_containerizer
from fairlead.agent.cgroup_layout import Layout, find_layout
from fairlead.agent.containerizer import ContainerExit, Containerizer, LaunchSpec, OnExit
from fairlead.agent.fake_containerizer import FakeContainerizer, FakeMachine, FakeProgram
from fairlead.agent.launcher_client import (
    LaunchedTask,
    LauncherClient,
    find_launcher,
    shutdown_launcher,
    start_launcher,
)
from fairlead.agent.limits import Limits
from fairlead.agent.process_containerizer import ProcessContainerizer
from fairlead.agent.usage import TaskSampler
from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import ProcessIdentity, is_alive, send_signal
from fairlead.common.values import Container, Usage

MIB = 2**20
DEADLINE_S = 20.0
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
COUNTING = ("main", "child", "left")
COUNTERS = """
import os, time

def count(name, step):
    file = os.open(f"count-{name}", os.O_WRONLY | os.O_CREAT)
    number = 0
    while True:
        step()
        number += 1
        os.pwrite(file, b"%9d" % number, 0)

def pause():
    time.sleep(0.002)

def have_a_child():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    pause()

if os.fork() == 0:
    count("child", pause)
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork() == 0:
        count("left", pause)
    os._exit(0)
os.waitpid(middle, 0)
count("main", have_a_child)
"""
"""A process that has children all the time, one of them that stays, and one that left the session
and lost its parent.
"""


async def eventually(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S:g} s for {what}"
        await asyncio.sleep(0.01)


class Machine(Protocol):
    """One implementation, and commands that behave alike on it."""

    directory: Path
    container: Container | None

    def containerizer(self, on_exit: OnExit) -> Containerizer: ...
    def exits(self, code: int) -> tuple[str, ...]: ...
    def dies(self, signum: int) -> tuple[str, ...]: ...
    def runs(self) -> tuple[str, ...]: ...
    def missing(self) -> tuple[str, ...]: ...
    def allocates(self, size: int) -> tuple[str, ...]: ...
    def holds(self, size: int) -> tuple[str, ...]: ...
    def counts(self) -> tuple[str, ...]: ...
    def counted(self, session: "Session", uuid: str, /) -> tuple[float, ...]: ...
    def kill_launcher(self) -> None: ...


class RealMachine:
    """Processes under a launcher, in control groups where there are any."""

    isolation = "auto"
    container: Container | None = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def containerizer(self, on_exit: OnExit) -> Containerizer:
        return ProcessContainerizer(
            self.directory, on_exit, isolation=self.isolation, poll_s=0.02, usage_s=0.05
        )

    def exits(self, code: int) -> tuple[str, ...]:
        return ("sh", "-c", f"exit {code}")

    def dies(self, signum: int) -> tuple[str, ...]:
        return ("sh", "-c", f"kill -{int(signum)} $$")

    def runs(self) -> tuple[str, ...]:
        return ("sleep", "60")

    def missing(self) -> tuple[str, ...]:
        return ("no-such-program",)

    def allocates(self, size: int) -> tuple[str, ...]:
        return (sys.executable, "-I", "-S", "-c", f"x = bytearray({size})")

    def holds(self, size: int) -> tuple[str, ...]:
        program = f"x = bytearray({size}); open('ready', 'w'); import time; time.sleep(60)"
        return (sys.executable, "-I", "-S", "-c", program)

    def counts(self) -> tuple[str, ...]:
        return (sys.executable, "-I", "-S", "-c", COUNTERS)

    def counted(self, session: "Session", uuid: str) -> tuple[float, ...]:
        """By each of them; nothing until all count."""
        sandbox = session.spec(uuid, ()).sandbox
        try:
            found = [int((sandbox / f"count-{name}").read_text() or 0) for name in COUNTING]
        except FileNotFoundError:
            return ()
        return tuple(found) if all(found) else ()

    def kill_launcher(self) -> None:
        launcher = find_launcher(self.directory)
        assert launcher is not None
        assert send_signal(launcher, signal.SIGKILL)


class PlainMachine(RealMachine):
    """The same without control groups."""

    isolation = "process"


class PretendedMachine:
    """The fake, with scripted programs of the same behaviour."""

    container: Container | None = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        problem = "cannot run 'no-such-program': no such file in PATH"
        self.machine = FakeMachine({"no-such-program": FakeProgram(problem=problem)})

    def containerizer(self, on_exit: OnExit) -> Containerizer:
        return FakeContainerizer(self.machine, on_exit)

    def exits(self, code: int) -> tuple[str, ...]:
        self.machine.programs["exit"] = FakeProgram(runs_s=0.01, code=code)
        return ("exit",)

    def dies(self, signum: int) -> tuple[str, ...]:
        self.machine.programs["die"] = FakeProgram(runs_s=0.01, signal=signum)
        return ("die",)

    def runs(self) -> tuple[str, ...]:
        return ("sleep", "60")

    def missing(self) -> tuple[str, ...]:
        return ("no-such-program",)

    def allocates(self, size: int) -> tuple[str, ...]:
        self.machine.programs["allocate"] = FakeProgram(runs_s=0.01, memory_bytes=size)
        return ("allocate",)

    def holds(self, size: int) -> tuple[str, ...]:
        self.machine.programs["hold"] = FakeProgram(memory_bytes=size)
        return ("hold",)

    def counts(self) -> tuple[str, ...]:
        return ("count",)

    def counted(self, _session: "Session", uuid: str) -> tuple[float, ...]:
        return (self.machine.ran_s(LaunchUuid(uuid)),)

    def kill_launcher(self) -> None:
        self.machine.lose_launcher()


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    yield path
    shutdown_launcher(path, grace_s=0)
    shutil.rmtree(path)


@pytest.fixture(
    params=[RealMachine, PlainMachine, PretendedMachine], ids=["process", "plain", "fake"]
)
def machine(request: pytest.FixtureRequest, directory: Path) -> Machine:
    made: Machine = request.param(directory)
    return made


@pytest.fixture(params=[RealMachine, PlainMachine], ids=["process", "plain"])
def processes(request: pytest.FixtureRequest, directory: Path) -> RealMachine:
    made: RealMachine = request.param(directory)
    return made


class Session:
    """One containerizer on a machine, and the exits that it told."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.exits: list[ContainerExit] = []
        self.containerizer = machine.containerizer(self.exits.append)

    def spec(
        self, uuid: str, argv: tuple[str, ...], files: Mapping[str, bytes] | None = None
    ) -> LaunchSpec:
        sandbox = self.machine.directory / "sandboxes" / uuid
        return LaunchSpec(
            LaunchUuid(uuid), argv, ENV, sandbox, files or {}, container=self.machine.container
        )

    async def launch(self, uuid: str, argv: tuple[str, ...]) -> int:
        started = await self.containerizer.launch(self.spec(uuid, argv))
        assert uuid not in [each.uuid for each in self.exits], "told before launch had returned"
        return started.pid

    async def ended(self, uuid: str) -> ContainerExit:
        await eventually(f"the end of {uuid}", lambda: uuid in [each.uuid for each in self.exits])
        return next(each for each in self.exits if each.uuid == uuid)


def converse(machine: Machine, *conversations: Callable[[Session], Awaitable[None]]) -> None:
    """Each with a containerizer of its own, opened after the one before was closed."""

    async def all_of_them() -> None:
        for conversation in conversations:
            session = Session(machine)
            try:
                await conversation(session)
            finally:
                await session.containerizer.close()

    asyncio.run(asyncio.wait_for(all_of_them(), timeout=60))


def test_says_how_it_isolates(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        assert session.containerizer.isolation
        assert all(session.containerizer.warnings)

    converse(machine, conversation)


def test_an_exit_code_is_told_once(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        assert await session.containerizer.recover() == []
        await session.launch("a", machine.exits(7))
        ended = await session.ended("a")
        assert (ended.code, ended.signal) == (7, None)
        await session.launch("b", machine.exits(0))
        assert (await session.ended("b")).code == 0
        assert [each.uuid for each in session.exits] == ["a", "b"]

    converse(machine, conversation)


def test_a_death_by_signal_is_no_exit_code(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", machine.dies(signal.SIGUSR1))
        ended = await session.ended("a")
        assert (ended.code, ended.signal) == (None, signal.SIGUSR1)

    converse(machine, conversation)


def test_a_command_that_does_not_exist_is_named(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        with pytest.raises(
            ContainerError, match=r"^cannot run 'no-such-program': no such file in PATH$"
        ) as caught:
            await session.launch("a", machine.missing())
        assert not caught.value.temporary
        with pytest.raises(ContainerError, match="the command is empty"):
            await session.launch("b", ())
        await session.launch("c", machine.exits(0))  # nothing else is affected
        await session.ended("c")
        assert [each.uuid for each in session.exits] == ["c"]

    converse(machine, conversation)


def test_a_signal_reaches_the_task(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", machine.runs())
        await session.containerizer.signal(LaunchUuid("a"), signal.SIGTERM)
        assert (await session.ended("a")).signal == signal.SIGTERM
        await session.containerizer.signal(LaunchUuid("a"), signal.SIGTERM)
        await session.containerizer.signal(LaunchUuid("nobody"), signal.SIGTERM)

    converse(machine, conversation)


def test_who_needs_more_memory_than_it_may_have_ends(machine: Machine) -> None:
    need_groups()

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        for uuid, limit in (("large", 32), ("fits", 128)):
            spec = session.spec(uuid, machine.allocates(64 * MIB))
            limits = Limits(cpus_request=500, memory_bytes=limit * MIB)
            await session.containerizer.launch(replace(spec, limits=limits))
        large, fits = await session.ended("large"), await session.ended("fits")
        if session.containerizer.isolation == "process":  # accounted, not enforced
            assert (large.code, fits.code) == (0, 0)
            return
        assert (large.is_out_of_memory, large.signal) == (True, signal.SIGKILL)
        assert 30 * MIB <= large.max_rss_bytes <= 32 * MIB
        assert (fits.is_out_of_memory, fits.code) == (False, 0)
        if machine.container is not None:  # its peak is sampled
            return
        assert 64 * MIB <= fits.max_rss_bytes <= 128 * MIB

    converse(machine, conversation)


def test_destroy_kills_and_is_idempotent(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", machine.runs())
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.containerizer.destroy(LaunchUuid("a"))
        assert (await session.ended("a")).signal == signal.SIGKILL
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.containerizer.destroy(LaunchUuid("nobody"))
        assert len(session.exits) == 1

    converse(machine, conversation)


def test_a_launch_is_done_once_per_uuid(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        pid = await session.launch("a", machine.runs())
        assert await session.launch("a", machine.runs()) == pid
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")
        again = await session.containerizer.launch(session.spec("a", machine.runs()))
        assert again.pid == pid
        await asyncio.sleep(0.05)
        assert len(session.exits) == 1

    converse(machine, conversation)


def test_files_lie_in_the_sandbox_and_nowhere_else(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        spec = session.spec("a", machine.runs(), {"key": b"\0secret", "run.sh": b"true"})
        await session.containerizer.launch(spec)
        assert (spec.sandbox / "key").read_bytes() == b"\0secret"
        assert (spec.sandbox / "key").stat().st_mode & 0o777 == 0o600
        for name in ("../key", "a/b", "..", ".", "", "a\0b", "/etc/key"):
            with pytest.raises(ContainerError, match="no plain name"):
                await session.containerizer.launch(session.spec("b", machine.runs(), {name: b""}))
        assert not (machine.directory / "sandboxes" / "key").exists()
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")

    converse(machine, conversation)


def test_tasks_outlive_the_containerizer(machine: Machine) -> None:
    pids: dict[str, int] = {}

    async def before(session: Session) -> None:
        await session.containerizer.recover()
        pids["runs"] = await session.launch("runs", machine.runs())
        pids["told"] = await session.launch("told", machine.exits(3))
        await session.ended("told")
        pids["ends"] = await session.launch("ends", machine.exits(4))

    async def after(session: Session) -> None:
        await asyncio.sleep(0.2)
        known = [LaunchUuid(uuid) for uuid in ("runs", "ends", "told", "never-heard-of")]
        found = {each.uuid: each for each in await session.containerizer.recover(known)}
        assert set(found) == set(known)
        unknown = found.pop(LaunchUuid("never-heard-of"))
        assert unknown.exit is not None
        assert unknown.exit.is_unknown
        seen = {uuid: each.started.pid for uuid, each in found.items() if each.started}
        if machine.container is None:
            assert seen == pids
        else:  # an engine does not tell which process it was that ended
            assert seen == {"runs": pids["runs"]}
        codes = {uuid: each.exit.code if each.exit else None for uuid, each in found.items()}
        assert codes == {"runs": None, "ends": 4, "told": 3}
        await session.containerizer.signal(LaunchUuid("runs"), signal.SIGINT)
        assert (await session.ended("runs")).signal == signal.SIGINT
        assert len(session.exits) == 1

    converse(machine, before, after)


def test_what_is_not_known_is_found_too(machine: Machine) -> None:
    async def before(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("stranger", machine.runs())

    async def after(session: Session) -> None:
        (found,) = await session.containerizer.recover([])
        assert (found.uuid, found.exit) == ("stranger", None)
        await session.containerizer.destroy(found.uuid)
        await session.ended("stranger")

    converse(machine, before, after)


def test_what_is_forgotten_is_not_found_again(machine: Machine) -> None:
    async def before(session: Session) -> None:
        await session.containerizer.recover()
        for uuid in ("a", "b"):
            await session.launch(uuid, machine.exits(0))
            await session.ended(uuid)
        await session.containerizer.forget(LaunchUuid("a"))
        await session.containerizer.forget(LaunchUuid("nobody"))

    async def after(session: Session) -> None:
        assert [each.uuid for each in await session.containerizer.recover()] == ["b"]

    converse(machine, before, after)


async def told_as_far_as_seen(session: Session, uuid: str) -> None:
    """After the loss of what sees tasks end: an engine finds its containers again."""
    assert (await session.ended(uuid)).is_unknown is (session.machine.container is None)


def test_without_the_launcher_an_exit_is_unknown(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        pid = await session.launch("a", machine.runs())
        await session.launch("b", machine.runs())
        await session.launch("c", machine.exits(5))
        await session.ended("c")
        machine.kill_launcher()
        assert await session.launch("a", machine.runs()) == pid  # it still runs, and once only
        await session.launch("d", machine.exits(6))  # and life goes on
        assert (await session.ended("d")).code == 6
        await session.containerizer.signal(LaunchUuid("a"), signal.SIGTERM)
        await session.containerizer.destroy(LaunchUuid("b"))
        for uuid in ("a", "b"):
            await told_as_far_as_seen(session, uuid)
        assert sorted(each.uuid for each in session.exits) == ["a", "b", "c", "d"]

    converse(machine, conversation)


def test_without_launcher_and_agent_tasks_are_found_again(machine: Machine) -> None:
    pids = {}

    async def before(session: Session) -> None:
        await session.containerizer.recover()
        pids["runs"] = await session.launch("runs", machine.runs())
        await session.launch("told", machine.exits(3))
        await session.ended("told")

    async def after(session: Session) -> None:
        found = {each.uuid: each for each in await session.containerizer.recover()}
        told, runs = found[LaunchUuid("told")].exit, found[LaunchUuid("runs")]
        assert told is not None
        assert told.code == 3
        assert runs.exit is None
        assert runs.started is not None
        assert runs.started.pid == pids["runs"]
        await session.containerizer.destroy(LaunchUuid("runs"))
        await told_as_far_as_seen(session, "runs")

    async def kill_the_launcher(_session: Session) -> None:
        machine.kill_launcher()

    converse(machine, before, kill_the_launcher, after)


def test_usage_is_sampled_while_it_runs(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", machine.runs())
        uuid = LaunchUuid("a")
        await eventually("a sample", lambda: session.containerizer.usage(uuid) is not None)
        usage = session.containerizer.usage(uuid)
        assert usage is not None
        assert usage.processes == 1
        assert session.containerizer.usage(LaunchUuid("nobody")) is None
        await session.containerizer.destroy(uuid)
        await session.ended("a")
        await eventually("no sample", lambda: session.containerizer.usage(uuid) is None)

    converse(machine, conversation)


# --- suspended, resumed, held to other limits


async def count_on(session: Session, uuid: str) -> None:
    """Each of its processes is seen to run."""
    machine = session.machine
    await eventually("all of them to count", lambda: machine.counted(session, uuid))
    before = machine.counted(session, uuid)

    def have_all_gone_on() -> bool:
        now = machine.counted(session, uuid)
        return bool(now) and all(b > a for a, b in zip(before, now, strict=True))

    await eventually("all of them to count on", have_all_gone_on)


async def stand_still(session: Session, uuid: str) -> tuple[float, ...]:
    before = session.machine.counted(session, uuid)
    await asyncio.sleep(0.2)
    assert session.machine.counted(session, uuid) == before, "one of them runs"
    return before


def test_what_is_suspended_does_not_run(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        containerizer, uuid = session.containerizer, LaunchUuid("a")
        await containerizer.recover()
        await session.launch("a", machine.counts())
        await session.launch("other", machine.counts())
        await count_on(session, "a")
        for _ in range(2):
            await containerizer.suspend(uuid)
        before = await stand_still(session, "a")
        await count_on(session, "other")
        for _ in range(2):
            await containerizer.resume(uuid)
        await count_on(session, "a")
        await containerizer.suspend(uuid)
        after = await stand_still(session, "a")
        assert all(b > a for a, b in zip(before, after, strict=True)), "it goes on where it was"
        assert session.exits == []
        for name in ("a", "other"):
            await containerizer.destroy(LaunchUuid(name))
            assert (await session.ended(name)).signal == signal.SIGKILL

    converse(machine, conversation)


def test_what_is_suspended_stays_so_without_launcher_and_agent(machine: Machine) -> None:
    uuids = [LaunchUuid(name) for name in ("a", "b", "c")]

    async def before(session: Session) -> None:
        await session.containerizer.recover()
        for uuid in uuids:
            await session.launch(uuid, machine.counts())
            await count_on(session, uuid)
            await session.containerizer.suspend(uuid)

    async def between(session: Session) -> None:
        found = await session.containerizer.recover(uuids)
        assert [each.exit for each in found] == [None, None, None]
        await stand_still(session, "a")
        await session.containerizer.resume(uuids[0])
        await count_on(session, "a")
        await session.containerizer.suspend(uuids[0])
        machine.kill_launcher()

    async def after(session: Session) -> None:
        await session.containerizer.recover(uuids)
        for uuid in uuids:
            await stand_still(session, uuid)
        await session.containerizer.resume(uuids[0])
        await count_on(session, "a")
        await session.containerizer.suspend(uuids[0])
        await stand_still(session, "a")
        for uuid in uuids:
            await session.containerizer.destroy(uuid)
            await told_as_far_as_seen(session, uuid)

    converse(machine, before, between, after)


def test_nothing_is_lost_when_it_ends_while_it_is_suspended(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        for number in range(8):
            uuid = LaunchUuid(f"{number}")
            await session.launch(uuid, machine.exits(number))
            await asyncio.sleep(number / 500)
            await session.containerizer.suspend(uuid)
            await session.containerizer.resume(uuid)
            assert (await session.ended(uuid)).code == number
        assert len(session.exits) == 8

    converse(machine, conversation)


def test_whoever_does_not_run_is_not_suspended_either(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        containerizer = session.containerizer
        await containerizer.recover()
        await session.launch("ended", machine.exits(0))
        await session.ended("ended")
        for uuid in (LaunchUuid("ended"), LaunchUuid("nobody")):
            await containerizer.suspend(uuid)
            await containerizer.resume(uuid)
            await containerizer.update(uuid, Limits(cpus_request=500, memory_bytes=64 * MIB))
            assert await containerizer.pids(uuid) == frozenset()
        assert len(session.exits) == 1

    converse(machine, conversation)


def test_usage_and_processes_are_told_while_it_is_suspended(machine: Machine) -> None:
    async def conversation(session: Session) -> None:
        containerizer, uuid = session.containerizer, LaunchUuid("a")
        await containerizer.recover()
        main = await session.launch("a", machine.counts())
        await count_on(session, "a")
        await containerizer.suspend(uuid)
        pids = await containerizer.pids(uuid)
        assert main in pids
        assert len(pids) >= len(machine.counted(session, "a"))
        await eventually("a sample", lambda: containerizer.usage(uuid) is not None)
        usage = containerizer.usage(uuid)
        assert usage is not None
        assert usage.processes >= 1
        await containerizer.destroy(uuid)
        await session.ended("a")

    converse(machine, conversation)


def test_limits_change_but_never_below_what_it_uses(machine: Machine) -> None:
    need_groups()

    async def conversation(session: Session) -> None:
        containerizer, uuid = session.containerizer, LaunchUuid("a")
        await containerizer.recover()
        spec = session.spec("a", machine.holds(48 * MIB))
        wide = Limits(cpus_request=500, cpus=1000, memory_bytes=128 * MIB, processes=50)
        await containerizer.launch(replace(spec, limits=wide))
        if not isinstance(machine, PretendedMachine):
            await eventually("its memory", (spec.sandbox / "ready").exists)
        for limits in (replace(wide, memory_bytes=96 * MIB), wide, wide, Limits(), wide):
            await containerizer.update(uuid, limits)
        narrow = replace(wide, memory_bytes=32 * MIB)
        if containerizer.isolation == "process":  # accounted, not enforced
            await containerizer.update(uuid, narrow)
        else:
            for _ in range(2):
                with pytest.raises(
                    ContainerError, match=r"cannot hold it to 32 MiB of memory: it uses [45]\d"
                ):
                    await containerizer.update(uuid, narrow)
        await asyncio.sleep(0.05)
        assert session.exits == []
        await containerizer.destroy(uuid)
        assert not (await session.ended("a")).is_out_of_memory

    converse(machine, conversation)


# --- what only real processes can show


GRANDCHILDREN = """
setsid sleep 60 & echo left $! >>pids
(setsid sh -c 'sleep 60 & echo forked-twice $! >>pids' &)
env -i setsid sleep 60 & echo wiped $! >>pids
sleep 60 & echo stayed $! >>pids
while [ $(wc -l <pids) -lt 4 ]; do sleep 0.01; done
touch ready
"""


def family(session: Session, uuid: str) -> dict[str, int]:
    lines = (session.spec(uuid, ()).sandbox / "pids").read_text().splitlines()
    return {name: int(pid) for name, pid in (line.split() for line in lines)}


def living(pids: list[int]) -> list[int]:
    """Zombies hold nothing, and wait only for a parent to look."""
    found = []
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(") ")[2][0] not in "ZX":
            found.append(pid)
    return found


async def have_family(session: Session, uuid: str, then: str) -> list[int]:
    """One that left the session, one whose parents ended, one that wiped its marks, a plain one."""
    await session.launch(uuid, ("sh", "-c", GRANDCHILDREN + then))
    ready = session.spec(uuid, ()).sandbox / "ready"
    await eventually("the grandchildren", ready.exists)
    pids = family(session, uuid)
    assert set(pids) == {"left", "forked-twice", "wiped", "stayed"}
    return list(pids.values())


def test_what_does_not_stand_still_in_time_goes_on(
    processes: RealMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = freezing.freeze

    def never(work_dir: Path, uuid: LaunchUuid, main: ProcessIdentity) -> bool:
        frozen(work_dir, uuid, main)
        return False

    monkeypatch.setattr(freezing, "freeze", never)
    monkeypatch.setattr(freezing, "FREEZE_S", 0.05)

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", processes.counts())
        await count_on(session, "a")
        with pytest.raises(ContainerError, match="not all of its processes stand still") as caught:
            await session.containerizer.suspend(LaunchUuid("a"))
        assert caught.value.temporary
        await count_on(session, "a")
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")

    converse(processes, conversation)


def test_a_freezer_of_version_1_is_thawed_for_a_kill(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where version 2 cannot freeze or kill: what is frozen there does not even die."""
    need_groups()
    if group_of("self", "freezer") is None:  # this kernel has nothing but version 2
        return

    def first_alone(*, is_forced: bool = False) -> Layout:
        layout = find_layout(is_forced=is_forced)
        return replace(layout, parents={k: v for k, v in layout.parents.items() if k != "unified"})

    monkeypatch.setattr(cgroups, "find_layout", first_alone)
    machine = RealMachine(directory)
    pids: dict[str, int] = {}

    async def before(session: Session) -> None:
        await session.containerizer.recover()
        for name in ("a", "b", "c"):
            pids[name] = await session.launch(name, machine.counts())
            await count_on(session, name)
            await session.containerizer.suspend(LaunchUuid(name))
            await stand_still(session, name)
        state = group_of(pids["a"], "freezer")
        assert state is not None
        assert (state / "freezer.state").read_text() == "FROZEN\n"
        await session.containerizer.destroy(LaunchUuid("a"))
        assert (await session.ended("a")).signal == signal.SIGKILL
        await session.containerizer.resume(LaunchUuid("b"))
        await count_on(session, "b")
        machine.kill_launcher()

    async def after(session: Session) -> None:
        await session.containerizer.recover()
        await session.containerizer.suspend(LaunchUuid("b"))
        await stand_still(session, "b")
        for name in ("b", "c"):
            await session.containerizer.destroy(LaunchUuid(name))
            assert (await session.ended(name)).is_unknown
            assert living([pids[name]]) == []

    converse(machine, before, after)


def test_a_shutdown_does_not_wait_for_what_is_suspended(directory: Path) -> None:
    need_groups()
    machine = RealMachine(directory)
    stubborn = "trap '' TERM; touch ready; while :; do sleep 0.05; done"

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", ("sh", "-c", stubborn))
        await eventually("its start", (session.spec("a", ()).sandbox / "ready").exists)
        await session.containerizer.suspend(LaunchUuid("a"))

    converse(machine, conversation)
    began = time.monotonic()
    assert shutdown_launcher(directory, grace_s=2 * DEADLINE_S) == 1
    assert time.monotonic() - began < DEADLINE_S, "it was given time to hear"


def test_destroy_reaches_whoever_left_the_session(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("other", processes.runs())
        pids = await have_family(session, "a", "wait")
        assert living(pids) == pids
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")
        await eventually("all of them to be gone", lambda: not living(pids))
        await session.containerizer.destroy(LaunchUuid("other"))
        await session.ended("other")

    converse(processes, conversation)


def test_a_task_that_ends_takes_its_family_along(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        pids = await have_family(session, "a", "exit 9")
        assert (await session.ended("a")).code == 9
        await eventually("all of them to be gone", lambda: not living(pids))

    converse(processes, conversation)


def test_the_family_of_another_task_is_left_alone(processes: RealMachine) -> None:
    nobodys = "(env -i setsid sh -c 'echo $$ >nobodys; exec sleep 60' &); "

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        pids = await have_family(session, "a", nobodys + "wait")
        stray = session.spec("a", ()).sandbox / "nobodys"
        await eventually("the stray", lambda: stray.exists() and stray.read_text())
        pids.append(int(stray.read_text()))
        await session.launch("b", processes.exits(0))
        await session.ended("b")
        await session.launch("c", processes.runs())
        await session.containerizer.destroy(LaunchUuid("c"))
        await session.ended("c")
        assert living(pids) == pids
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")
        await eventually("all of them to be gone", lambda: not living(pids))

    converse(processes, conversation)


def test_a_watch_that_fails_is_not_silent(
    processes: RealMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks after the loop ends the agent: the next one starts with all its watches."""
    problems: list[object] = []

    def sample(*_arguments: object) -> dict[LaunchUuid, Usage]:
        raise OSError(errno.EMFILE, "Too many open files")

    async def conversation(session: Session) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: problems.append(context["exception"])
        )
        monkeypatch.setattr(TaskSampler, "sample", sample)
        await session.containerizer.recover()
        await eventually("somebody to be told", lambda: problems)

    converse(processes, conversation)
    assert [getattr(each, "errno", None) for each in problems] == [errno.EMFILE]


def test_an_exit_that_a_killed_launcher_wrote_but_did_not_tell(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", processes.runs())
        client = session.containerizer._client  # type: ignore[attr-defined]
        client._on_exit = lambda _ended: None
        await session.containerizer.signal(LaunchUuid("a"), signal.SIGTERM)
        exits = processes.directory / "exits"
        await eventually("the record", exits.read_bytes)
        processes.kill_launcher()
        assert (await session.ended("a")).signal == signal.SIGTERM

    converse(processes, conversation)


def test_a_start_that_a_killed_launcher_did_not_write(processes: RealMachine) -> None:
    pids: list[int] = []

    async def before(session: Session) -> None:
        await session.containerizer.recover()
        pids.append(await session.launch("a", processes.runs()))
        (processes.directory / "starts").write_bytes(b"")
        processes.kill_launcher()

    async def after(session: Session) -> None:
        (found,) = await session.containerizer.recover()
        assert found.started is not None
        assert (found.uuid, found.started.pid, found.exit) == ("a", pids[0], None)
        await session.containerizer.destroy(found.uuid)
        assert (await session.ended("a")).is_unknown

    converse(processes, before, after)


def test_a_launch_survives_a_launcher_that_cannot_be_replaced_at_once(
    processes: RealMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(range(4))

    def start_late(work_dir: Path) -> ProcessIdentity:
        if next(failures, None) is not None:
            raise ContainerError("it does not start", temporary=True)
        return start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        monkeypatch.setattr(process_containerizer, "start_launcher", start_late)
        launcher = find_launcher(processes.directory)
        assert launcher is not None
        assert send_signal(launcher, signal.SIGSTOP)
        launching = asyncio.create_task(session.launch("a", processes.runs()))
        await asyncio.sleep(0.1)  # asked, and not answered
        processes.kill_launcher()
        pid = await launching
        assert psutil.pid_exists(pid)
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")

    converse(processes, conversation)


def test_a_process_whose_launch_was_given_up_is_destroyed(
    processes: RealMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_containerizer, "LAUNCH_PAUSES_S", (0.01,))
    monkeypatch.setattr(process_containerizer, "RETRY_S", 0.01)
    is_broken = True

    def start(work_dir: Path) -> ProcessIdentity:
        if is_broken:
            raise ContainerError("it does not start", temporary=True)
        return start_launcher(work_dir)

    async def conversation(session: Session) -> None:
        nonlocal is_broken
        await session.containerizer.recover()
        kept = await session.launch("kept", processes.runs())
        answered = LauncherClient.start

        async def unanswered(client: LauncherClient, *args: Any, **options: Any) -> LaunchedTask:
            started.append(await answered(client, *args, **options))
            processes.kill_launcher()
            raise ContainerError("the launcher has gone away", temporary=True)

        started: list[LaunchedTask] = []
        monkeypatch.setattr(LauncherClient, "start", unanswered)
        monkeypatch.setattr(process_containerizer, "start_launcher", start)
        with pytest.raises(ContainerError, match="keeps going away"):
            await session.launch("lost", processes.runs())
        process = started[0].process
        assert is_alive(process)
        is_broken = False
        await eventually("the end of the stranger", lambda: not is_alive(process))
        assert psutil.pid_exists(kept)
        assert session.exits == []
        await session.containerizer.destroy(LaunchUuid("kept"))
        await session.ended("kept")

    converse(processes, conversation)


def test_orphans_are_destroyed_with_their_family(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        pids = await have_family(session, "a", "wait")
        processes.kill_launcher()
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")
        await eventually("all of them to be gone", lambda: not living(pids))

    converse(processes, conversation)


def test_an_orphan_that_wiped_its_environment_is_still_known(processes: RealMachine) -> None:
    async def before(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("a", ("sh", "-c", "touch ready; exec env -i sleep 60"))
        await eventually("its start", (session.spec("a", ()).sandbox / "ready").exists)
        processes.kill_launcher()

    async def after(session: Session) -> None:
        (found,) = await session.containerizer.recover()
        assert found.started is not None
        assert (found.uuid, found.exit) == ("a", None)
        await session.containerizer.destroy(found.uuid)
        assert (await session.ended("a")).is_unknown
        assert not is_alive(found.started)

    converse(processes, before, after)


def test_an_orphan_may_end_between_two_agents(processes: RealMachine) -> None:
    pids: dict[str, int] = {}

    async def before(session: Session) -> None:
        await session.containerizer.recover()
        await have_family(session, "a", "wait")
        pids.update(family(session, "a"))
        processes.kill_launcher()
        started = await session.containerizer.launch(session.spec("a", ()))
        await session.containerizer.close()
        assert send_signal(started, signal.SIGKILL)

    async def after(session: Session) -> None:
        (found,) = await session.containerizer.recover()
        assert found.exit is not None
        assert found.exit.is_unknown
        if not session.containerizer.isolation.startswith("cgroup"):
            # whoever wiped its marks and lost its parent is beyond us: only a group holds it
            os.kill(pids.pop("wiped"), signal.SIGKILL)
        await eventually("what it left to be gone", lambda: not living(list(pids.values())))

    converse(processes, before, after)


def test_why_a_command_cannot_run(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        files = {"plain": b"hello", "lost.sh": b"#!/no/such/interpreter\n", "rubbish": b"\x01\x02"}
        spec = session.spec("a", processes.runs(), files)
        await session.containerizer.launch(spec)
        for name in ("lost.sh", "rubbish"):
            (spec.sandbox / name).chmod(0o700)
        (spec.sandbox / "bin").mkdir()
        for program, why in {
            "./absent": "no such file",
            "./plain": "permission denied; make it executable with chmod +x",
            "./lost.sh": "its interpreter does not exist",
            "./rubbish": "neither a program for this machine nor a #! script",
            "./bin": "permission denied; make it executable with chmod +x",
        }.items():
            spec = LaunchSpec(LaunchUuid("b"), (program,), ENV, spec.sandbox)
            with pytest.raises(ContainerError) as caught:
                await session.containerizer.launch(spec)
            assert caught.value.message == f"cannot run '{program}': {why}"
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")

    converse(processes, conversation)


def test_output_and_environment_are_as_asked(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        script = "env | cut -d= -f1 | sort; pwd; umask; echo oops >&2; cat; ls -l /proc/$$/fd"
        spec = session.spec("a", ("sh", "-c", script))
        await session.containerizer.launch(spec)
        assert (await session.ended("a")).code == 0
        lines = (spec.sandbox / "stdout").read_text().splitlines()
        assert lines[:4] == ["FAIRLEAD_LAUNCHER_DIR", "FAIRLEAD_LAUNCH_UUID", "PATH", "PWD"]
        assert lines[4:6] == [str(spec.sandbox), "0022"]
        assert (spec.sandbox / "stderr").read_text() == "oops\n"
        descriptors = [line.split()[-3] for line in lines if "->" in line]
        assert descriptors == ["0", "1", "2"], "a descriptor of the launcher leaked"

    converse(processes, conversation)


def test_usage_counts_the_whole_family(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await have_family(session, "a", "wait")

        def processes_seen() -> int:
            usage = session.containerizer.usage(LaunchUuid("a"))
            return usage.processes if usage else 0

        await eventually("the shell and its four", lambda: processes_seen() == 5)
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")

    converse(processes, conversation)


def test_the_identity_of_a_task_is_its_process(processes: RealMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        started = await session.containerizer.launch(session.spec("a", processes.runs()))
        assert is_alive(started)
        assert os.getsid(started.pid) == started.pid
        await session.containerizer.destroy(LaunchUuid("a"))
        await session.ended("a")
        assert not is_alive(started)

    converse(processes, conversation)
