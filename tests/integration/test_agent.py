"""A real agent over real processes, with a master that does as the test says."""

import asyncio
import json
import sqlite3
import stat
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.support.agent_process import (
    F1,
    AgentProcess,
    FakeMaster,
    agent_and_master,
    launch,
    until,
)

from fairlead.agent.server import AgentOptions, AgentServer
from fairlead.common.client import connect
from fairlead.common.errors import (
    InvalidFieldError,
    NotFoundError,
    RegistryError,
    UnauthenticatedError,
    UnavailableError,
)
from fairlead.common.home import Home
from fairlead.common.ids import TaskId
from fairlead.common.messages import AgentHeartbeat, Code
from fairlead.common.operators import LogQuery
from fairlead.common.resources import Resources
from fairlead.common.rpc import READ_LOG
from fairlead.common.store import Store
from fairlead.common.values import Reason, TaskState

Story = Callable[[AgentProcess, FakeMaster], Awaitable[None]]


def play(path: Path, story: Story) -> None:
    async def run() -> None:
        async with agent_and_master(path) as (agent, master):
            await story(agent, master)

    asyncio.run(run())


def test_tasks_end_with_their_codes_and_leave_their_logs(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t0", "echo hi; echo low >&2; exit 0")
        master.shell("t7", "exit 7")
        master.shell("t9", "kill -9 $$")
        master.run(launch("tx", "/no/such/program"))
        statuses = {name: await master.ended(name) for name in ("t0", "t7", "t9", "tx")}
        assert {name: (s.state.name, s.exit_code, s.signal) for name, s in statuses.items()} == {
            "t0": ("FINISHED", 0, None),
            "t7": ("FAILED", 7, None),
            "t9": ("FAILED", None, 9),
            "tx": ("FAILED", None, None),
        }
        assert statuses["tx"].reason is Reason.COMMAND_NOT_STARTED
        assert "/no/such/program" in statuses["tx"].message
        address = master.registrations()[0].agent.address
        assert await agent.log(address, "t0") == b"hi\n"
        assert await agent.log(address, "t0", stream="stderr") == b"low\n"
        assert await agent.log(address, "t0", offset_bytes=1) == b"i\n"
        assert await agent.log(address, "t0", offset_bytes=-2) == b"i\n"
        assert await agent.log(address, "t0", offset_bytes=-99, follow=True) == b"hi\n"

    play(fairlead_home, story)


def test_a_task_starts_in_a_clean_private_place(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        dump = "import os, json; print(json.dumps([dict(os.environ), os.getcwd()]))"
        gpus = Resources.of(gpus={"fake-1": 1})
        env = {"MINE": "1", "CUDA_VISIBLE_DEVICES": "0"}
        python = ("python3", "-c", dump)
        master.run(launch("t1", *python, env=env, resources=gpus, files={"key": b"s3cret"}))
        assert (await master.ended("t1")).state is TaskState.FINISHED
        address = master.registrations()[0].agent.address
        env, directory = json.loads(await agent.log(address, "t1"))
        sandbox = agent.sandbox("t1")
        assert directory == env["HOME"] == env["FAIRLEAD_SANDBOX"] == str(sandbox)
        assert env["FAIRLEAD_TASK_ID"] == "t1"
        assert env["FAIRLEAD_FRAMEWORK_ID"] == "f1"
        assert env["FAIRLEAD_LAUNCH_UUID"] == "u-t1"
        assert env["FAIRLEAD_GPUS"] == "fake-1"
        assert env["CUDA_VISIBLE_DEVICES"] == "", "no choice of the task"
        assert env["MINE"] == "1"
        assert not [name for name in env if name.startswith("PYTHON") or "SECRET" in name]
        assert (sandbox / "key").read_bytes() == b"s3cret"
        assert stat.S_IMODE((sandbox / "key").stat().st_mode) == 0o600
        assert stat.S_IMODE(sandbox.stat().st_mode) == 0o700

    play(fairlead_home, story)


def test_a_kill_is_gentle_then_final(fairlead_home: Path) -> None:
    async def story(_agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("kind", "trap 'exit 3' TERM; while :; do sleep 0.05; done")
        master.shell("deaf", "trap '' TERM; while :; do sleep 0.05; done")
        await master.running("kind")
        deaf = await master.running("deaf")
        await asyncio.sleep(0.3)  # until the shells have set their traps
        master.kill("kind")
        master.kill("deaf", grace_s=0.3)
        kind = await master.ended("kind")
        assert (kind.state, kind.exit_code) == (TaskState.KILLED, 3)
        ended = await master.ended("deaf")
        assert (ended.state, ended.signal) == (TaskState.KILLED, 9)
        assert master.states("deaf") == ["RUNNING", "KILLING", "KILLED"]
        assert not psutil.pid_exists(deaf.pid)

    play(fairlead_home, story)


def test_an_agent_that_was_killed_finds_everything_again(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("stays", "while [ ! -e stop ]; do sleep 0.05; done; exit 5")
        master.shell("ends", "while [ ! -e stop ]; do sleep 0.02; done; exit 6")
        master.shell("ended", "echo over; exit 4")
        pid = (await master.running("stays")).pid
        await master.running("ends")
        await master.ended("ended")
        await agent.crash()
        (agent.sandbox("ends") / "stop").touch()
        await asyncio.sleep(0.3)
        await agent.start()
        await master.registered(2)
        registration = master.registrations()[-1]
        assert registration.agent.agent_id == "agent-1"
        known = {str(task.task.task_id): task.latest for task in registration.tasks}
        assert known["stays"].state is TaskState.RUNNING
        assert known["stays"].pid == pid
        assert psutil.pid_exists(pid)
        # Whether the acknowledgement was recorded before the crash is chance.
        brought = {task.task.task_id for task in (*registration.ended, *registration.tasks)}
        assert brought == {"stays", "ends", "ended"}
        assert (await master.ended("ends")).exit_code == 6
        (agent.sandbox("stays") / "stop").touch()
        assert (await master.ended("stays")).exit_code == 5
        assert master.states("stays") == ["RUNNING", "FAILED"]
        assert await agent.log(registration.agent.address, "ended") == b"over\n"

    play(fairlead_home, story)


def test_a_graceful_end_leaves_tasks_and_updates(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t1", "while [ ! -e stop ]; do sleep 0.05; done; exit 5")
        pid = (await master.running("t1")).pid
        master.acknowledges = False
        master.shell("t2", "exit 2")
        await master.running("t2")
        said = await agent.end()
        assert "agent-down" in said
        assert [goodbye.code for goodbye in master.goodbyes()] == [Code.SHUTTING_DOWN]
        assert psutil.pid_exists(pid)
        master.acknowledges = True
        await agent.start()
        assert (await master.ended("t2")).exit_code == 2
        assert master.states("t2") == ["RUNNING", "FAILED"]

    play(fairlead_home, story)


def test_a_former_leader_is_not_obeyed_by_a_restarted_agent(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.epoch = 7
        master.shell("t1", "while :; do sleep 0.05; done")
        pid = (await master.running("t1")).pid
        master.shell("t2", "touch ../obeyed", epoch=6)
        await until(master.goodbyes, "the agent's goodbye")
        assert master.goodbyes()[0].code is Code.STALE_EPOCH
        await master.registered(2)
        await agent.crash()
        master.epoch = 6
        await agent.start()
        await until(lambda: len(master.goodbyes()) >= 2, "a second goodbye")
        assert {goodbye.code for goodbye in master.goodbyes()} == {Code.STALE_EPOCH}
        assert master.registrations()[-1].highest_epoch == 7
        assert not list(fairlead_home.rglob("obeyed"))
        assert psutil.pid_exists(pid)

    play(fairlead_home, story)


def test_the_agent_follows_the_leader_to_another_address(fairlead_home: Path) -> None:
    async def story(_agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t1", "while :; do sleep 0.05; done")
        await master.running("t1")
        await master.stop()
        successor = FakeMaster(master.home, epoch=2)
        await successor.start()
        try:
            await successor.registered(1)
            (task,) = successor.registrations()[0].tasks
            assert task.task.task_id == "t1"
            successor.kill("t1", grace_s=0.0)
            await successor.ended("t1")
        finally:
            await successor.stop()

    play(fairlead_home, story)


def test_a_log_is_followed_to_the_end_of_its_task(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        script = "echo one; while [ ! -e stop ]; do sleep 0.05; done; echo two"
        master.shell("t1", script)
        await master.running("t1")
        address = master.registrations()[0].agent.address
        async with connect(address, agent.home.token()) as client:
            stream = client.stream(READ_LOG, LogQuery(F1, TaskId("t1"), follow=True))
            first = await asyncio.wait_for(anext(stream), 10)
            assert (first.data, first.offset_bytes) == (b"one\n", 0)
            (agent.sandbox("t1") / "stop").touch()
            second = await asyncio.wait_for(anext(stream), 10)
            assert (second.data, second.offset_bytes) == (b"two\n", 4)
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(stream), 10)

    play(fairlead_home, story)


def test_logs_are_for_those_with_the_token_and_only_from_the_sandbox(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t1", "rm stdout; ln -s /etc/passwd stdout; rm stderr; mkfifo stderr")
        await master.ended("t1")
        address = master.registrations()[0].agent.address
        async with connect(address, "another-token") as client:
            with pytest.raises(UnauthenticatedError):
                await anext(client.stream(READ_LOG, LogQuery(F1, TaskId("t1"))))
        for stream in ("stdout", "stderr"):
            with pytest.raises(UnavailableError):
                await agent.log(address, "t1", stream=stream)
        with pytest.raises(InvalidFieldError, match=r"stream: .*token"):
            await agent.log(address, "t1", stream="../../../../token")
        with pytest.raises(NotFoundError, match="nobody"):
            await agent.log(address, "nobody")

    play(fairlead_home, story)


def test_usage_of_host_and_tasks_travels_in_heartbeats(fairlead_home: Path) -> None:
    async def story(_agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t1", "while :; do :; done")

        def measured() -> bool:
            beats = [body for body in master.heard if isinstance(body, AgentHeartbeat)]
            return any(
                beat.host.memory_bytes > 0 and each.task_id == "t1" and each.usage.cpu_s > 0.1
                for beat in beats
                for each in beat.tasks
            )

        await until(measured, "a heartbeat with the task's usage")

    play(fairlead_home, story)


def test_one_agent_per_work_directory(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        second = AgentProcess(agent.home)
        await second.start()
        code, said = await second.wait()
        assert code == 1
        (line,) = said.splitlines()
        assert line.startswith("error:")
        assert "is in use by process" in line
        assert master.session is not None

    play(fairlead_home, story)


def test_a_slow_disk_does_not_hold_up_the_loop(
    fairlead_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = threading.Event()

    def slow(*_arguments: object) -> Store:
        assert turned.wait(5), "the loop turns while the file is opened"
        raise RegistryError("that is all")

    async def turn() -> None:
        while not turned.is_set():
            await asyncio.sleep(0.01)
            turned.set()

    async def scenario() -> None:
        turning = asyncio.create_task(turn())
        with pytest.raises(RegistryError, match="that is all"):
            await AgentServer(AgentOptions(home)).run()
        await turning

    home = Home(fairlead_home)
    home.ensure()
    home.make_token()
    monkeypatch.setattr(Store, "open", slow)
    asyncio.run(scenario())


def test_a_checkpoint_that_cannot_be_written_ends_the_agent_and_no_task(
    fairlead_home: Path,
) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t1", "while :; do sleep 0.05; done")
        pid = (await master.running("t1")).pid
        connection = _lock_forever(agent.work.checkpoint)
        try:
            master.shell("t2", "touch ../started")
            code, said = await agent.wait()
        finally:
            connection.close()
        assert code == 1
        assert "checkpoint.db is held by another program" in said.splitlines()[-1]
        assert psutil.pid_exists(pid)
        assert not list(agent.work.sandboxes.rglob("started"))

    play(fairlead_home, story)


def _lock_forever(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def test_m34_a_time_limit_holds_though_the_agent_is_dead_meanwhile(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        one = launch("t1", "sleep", "1000")
        master.run(replace(one, task=replace(one.task, max_completion_s=1.0)))
        pid = (await master.running("t1")).pid
        await agent.crash()
        await asyncio.sleep(1.5)  # over by then, and nobody there to end it
        assert psutil.pid_exists(pid)
        await agent.start()
        status = await master.ended("t1")
        assert (status.state, status.reason) == (TaskState.FAILED, Reason.MAX_COMPLETION_TIME)
        assert status.signal == 15

    play(fairlead_home, story)


def test_sandboxes_of_nobody_are_removed(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("t1", "exit 0")
        await master.ended("t1")
        stray = agent.work.sandbox("f9", "t9", "u-t9")
        stray.mkdir(parents=True)
        (stray.parent / "link").symlink_to("/etc")
        await agent.end()
        await agent.start()
        await until(lambda: not stray.exists(), "the stray sandbox removed")
        assert agent.sandbox("t1").is_dir()
        assert Path("/etc/passwd").exists()

    play(fairlead_home, story)
