"""Logs and sandboxes under real tasks that flood, cut, replace and leave behind what they can."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from tests.support.agent_process import (
    F1,
    AgentProcess,
    FakeMaster,
    agent_and_master,
    until,
)

from fairlead.common.client import connect
from fairlead.common.errors import NotFoundError, UnavailableError
from fairlead.common.ids import TaskId
from fairlead.common.messages import AgentHeartbeat
from fairlead.common.operators import LogChunk, LogQuery
from fairlead.common.rpc import READ_LOG

MIB = 1 << 20
LIMIT = 4 * MIB
FLOOD = 600 * MIB
LINE = b"a line of a flood that goes on and on\n"
LONG_S = 120.0
HEARTBEAT_S = 0.5
"""What the fake master asks for."""


def used(path: Path) -> int:
    return path.stat().st_blocks * 512


def matches(chunk: LogChunk) -> bool:
    """Whether these bytes stand where the flood has them."""
    shift = chunk.offset_bytes % len(LINE)
    repeated = LINE * (len(chunk.data) // len(LINE) + 2)
    return chunk.data == repeated[shift : shift + len(chunk.data)]


async def address_of(master: FakeMaster) -> str:
    return master.registrations()[-1].agent.address


async def longest_silence(master: FakeMaster, story: Awaitable[None]) -> float:
    """Between two heartbeats while the story is played."""
    moments = [time.monotonic()]
    seen = len(master.heard)

    async def listen() -> None:
        nonlocal seen
        while True:
            await asyncio.sleep(0.01)
            if any(isinstance(body, AgentHeartbeat) for body in master.heard[seen:]):
                moments.append(time.monotonic())
            seen = len(master.heard)

    listening = asyncio.create_task(listen())
    try:
        await story
    finally:
        listening.cancel()
    moments.append(time.monotonic())
    return max(after - before for before, after in itertools.pairwise(moments))


def test_a_flood_is_bounded_costs_no_memory_and_delays_nothing(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        process = psutil.Process(agent.pid)
        before = process.memory_info().rss
        log = agent.sandbox("flood") / "stdout"

        async def flood() -> None:
            await until(
                lambda: log.stat().st_size >= FLOOD and used(log) <= FLOOD // 3,
                f"{FLOOD} bytes written and most of them given back",
                LONG_S,
            )

        master.shell("flood", f"exec yes {LINE.decode().strip()!r}")
        await master.running("flood")
        address = await address_of(master)
        async with connect(address, agent.home.token()) as client:
            query = LogQuery(F1, TaskId("flood"), follow=True)
            chunks = aiter(client.stream(READ_LOG, query))
            first = await anext(chunks)  # and then this reader stands still
            assert await longest_silence(master, flood()) < 10 * HEARTBEAT_S
            master.kill("flood")
            await master.ended("flood")
            read = [first, *[chunk async for chunk in chunks]]
        assert all(matches(chunk) for chunk in read), "every byte where the task has put it"
        ends = [0, *(chunk.offset_bytes + len(chunk.data) for chunk in read)]
        gaps = [c.offset_bytes - end for c, end in zip(read, ends, strict=False)]
        assert min(gaps) == 0
        assert max(gaps) > 0, "what was not kept for the slow reader"
        assert ends[-1] == log.stat().st_size, "to the very end"
        assert process.memory_info().rss - before < 64 * MIB
        await until(lambda: used(log) <= LIMIT * 5 // 4, "no more than the limit after the end")
        await after_the_end(agent, master, log)

    async def after_the_end(agent: AgentProcess, master: FakeMaster, log: Path) -> None:
        """The same from another agent, to another master."""
        size = log.stat().st_size
        last = await agent.log(await address_of(master), "flood", tail_lines=3)
        whole = await agent.log(await address_of(master), "flood", follow=True)
        await agent.crash()
        await agent.start()
        await master.registered(2)
        address = await address_of(master)
        assert await agent.log(address, "flood", follow=True) == whole
        assert await agent.log(address, "flood", tail_lines=3) == last
        assert whole.endswith(last)
        assert last.count(b"\n") in {2, 3}, "three lines; the last may have been cut by the kill"
        assert await agent.log(address, "flood", offset_bytes=size - 5) == whole[-5:]
        assert len(whole) >= LIMIT

    play(fairlead_home, story, log_limit_bytes=LIMIT)


def test_whatever_a_task_makes_of_its_log_no_reader_hangs_or_gets_out(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        replaced = {
            "link": "ln -s /etc/passwd stdout",
            "hard": "ln ../../../../../../token stdout",
            "fifo": "mkfifo stdout",
            "device": "mknod stdout c 1 5 || mkfifo stdout",
            "directory": "mkdir stdout",
        }
        for name, command in replaced.items():
            master.shell(name, f"rm stdout; {command}; sleep 1000")
        master.shell("away", "cd ..; mv u-away gone; ln -s /etc u-away; sleep 1000")
        cuts = "for i in 1 2 3 4; do echo a long line; sleep 0.1; : > stdout; done; echo end"
        master.shell("cuts", cuts)
        address = await address_of(master)
        await master.running("cuts")
        followed = await asyncio.wait_for(agent.log(address, "cuts", follow=True), 30)
        assert followed.endswith(b"end\n")
        for name in replaced:
            log = agent.sandbox(name) / "stdout"
            await master.running(name)
            await until(lambda log=log: is_replaced(log), f"{name} replaced its log")  # type: ignore[misc]
            with pytest.raises(UnavailableError, match="cannot read"):
                await agent.log(address, name, follow=True)
        await until(agent.sandbox("away").is_symlink, "the sandbox replaced")
        with pytest.raises(UnavailableError, match="cannot read"):
            await agent.log(address, "away", stream="stdout")
        assert Path("/etc/passwd").read_bytes()

    play(fairlead_home, story)


def is_replaced(log: Path) -> bool:
    try:
        status = log.lstat()
    except FileNotFoundError:
        return False
    return status.st_nlink > 1 or not log.is_file() or log.is_symlink()


EVIL = """
mkdir -p a/b/c many; touch a/b/c/f; echo said; chmod 000 a/b/c; chmod 555 a/b a
ln -s {outside} link; ln -s {outside}/precious stderr2
i=0; d=.; while [ $i -lt 300 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d
chmod 555 .
"""


def fill(sandbox: Path) -> None:
    directory = os.open(sandbox, os.O_RDONLY)
    for number in range(100_000):
        os.mknod(str(number), dir_fd=directory)
    os.close(directory)


def test_sandboxes_of_ended_tasks_go_on_a_full_disk_and_nothing_else(
    fairlead_home: Path, tmp_path: Path
) -> None:
    """The disk is always fuller than it shall be, from the second agent on."""
    (tmp_path / "precious").write_text("precious")

    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("lives", "echo here; sleep 1000")
        master.shell("evil", EVIL.format(outside=tmp_path))
        master.shell("swaps", f"cd ..; mv u-swaps other; ln -s {tmp_path} u-swaps")
        master.shell("large", "echo said")
        for name in ("evil", "swaps", "large"):
            assert (await master.ended(name)).exit_code == 0
        await asyncio.to_thread(fill, agent.sandbox("large"))
        await master.running("lives")
        await agent.end()
        agent.settings["min_free_percent"] = 100.0
        await agent.start()
        await master.registered(2)

        async def removed() -> None:
            left = [agent.sandbox(name) for name in ("evil", "swaps", "large")]
            aside = agent.work.sandboxes / ".removed"
            await until(
                lambda: (
                    not any(path.is_symlink() or path.exists() for path in left)
                    and not any(aside.iterdir())
                ),
                "sandboxes removed",
                LONG_S,
            )

        assert await longest_silence(master, removed()) < 10 * HEARTBEAT_S
        assert (tmp_path / "precious").read_text() == "precious"
        await is_said(agent, master)
        await agent.crash()
        await agent.start()
        await master.registered(3)
        await is_said(agent, master)

    async def is_said(agent: AgentProcess, master: FakeMaster) -> None:
        address = await address_of(master)
        assert await agent.log(address, "lives") == b"here\n"
        for name in ("evil", "large"):
            with pytest.raises(NotFoundError, match=r"removed: only .* % of the disk was free"):
                await agent.log(address, name)
        listed = {task.task.task_id for task in master.registrations()[-1].ended}
        assert {"evil", "swaps", "large"} <= listed

    play(fairlead_home, story, disk_every_s=0.2, min_free_percent=0.0, keep_least_s=0.0)


def test_sandboxes_of_ended_tasks_go_when_they_are_old(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("lives", "echo here; sleep 1000")
        master.shell("old", "echo said")
        await master.running("lives")
        await master.ended("old")
        await until(lambda: not agent.sandbox("old").exists(), "the old sandbox removed")
        address = await address_of(master)
        with pytest.raises(NotFoundError, match="ended more than 1 s ago"):
            await agent.log(address, "old")
        assert await agent.log(address, "lives") == b"here\n"

    play(fairlead_home, story, keep_ended_s=1.0, disk_every_s=0.2, min_free_percent=0.0)


def play(
    path: Path, story: Callable[[AgentProcess, FakeMaster], Awaitable[None]], **settings: float
) -> None:
    async def run() -> None:
        async with agent_and_master(path, **settings) as (agent, master):
            await story(agent, master)

    asyncio.run(run())
