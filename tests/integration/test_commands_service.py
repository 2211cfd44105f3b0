"""The host of built-in frameworks and the service of `commands`, beside a scripted master."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_master import make_home, served
from tests.support.hosted import client_of, hosting
from tests.support.sessions import run, until

from fairlead.common.client import connect
from fairlead.common.errors import (
    ConfigError,
    InvalidFieldError,
    NotFoundError,
    RegistryError,
    UnauthenticatedError,
    UnavailableError,
)
from fairlead.common.home import Home
from fairlead.common.ids import TaskId
from fairlead.common.messages import Accept, Acknowledge, Code, Goodbye, Subscribe
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    SubmitCommand,
    WithdrawCommand,
)
from fairlead.common.resources import Resources
from fairlead.common.store import Store
from fairlead.common.values import TaskInfo, TaskState
from fairlead.frameworks.commands.methods import SUBMIT, WITHDRAW, address_of
from fairlead.frameworks.host import host_all
from fairlead.frameworks.kit.scheduler import task


@pytest.fixture
def home(fairlead_home: Path) -> Home:
    return make_home(fairlead_home)


def a_task(task_id: str) -> TaskInfo:
    return task(task_id, ["true"], Resources.of(cpus=1))


def test_a_command_from_submission_to_its_end(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("commands", home), client_of(master) as client:
            reply = await client.call(SUBMIT, SubmitCommand(a_task("a")))
            assert reply == CommandSubmitted(master.books.framework_id, TaskId("a"))
            master.offer("o1")
            await master.hears(Accept)
            master.status("a", TaskState.RUNNING)
            master.status("a", TaskState.FINISHED, exit_code=0)
            await master.hears(Acknowledge, 2)
            with pytest.raises(InvalidFieldError, match="no command 'a' is known"):
                await client.call(WITHDRAW, WithdrawCommand(TaskId("a")))

    run(scenario)


def test_submissions_outlive_the_process_and_its_id_too(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master:
            async with hosting("commands", home), client_of(master) as client:
                await client.call(SUBMIT, SubmitCommand(a_task("a")))
                await client.call(SUBMIT, SubmitCommand(a_task("b")))
                reply = await client.call(WITHDRAW, WithdrawCommand(TaskId("a")))
                assert reply == CommandWithdrawn(was_waiting=True)
            async with hosting("commands", home), client_of(master, lives=2):
                master.offer("o1")
                (accept,) = await master.hears(Accept)
                assert accept.operations[0].task.task_id == "b"
            first, second = master.of(Subscribe)
            assert first.framework.framework_id == ""
            assert second.framework.framework_id == "f-1-1"

    run(scenario)


def test_torn_down_it_begins_anew_and_its_launches_are_over(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("commands", home):
            async with client_of(master) as client:
                await client.call(SUBMIT, SubmitCommand(a_task("launched")))
                master.offer("o1")
                await master.hears(Accept)
                await client.call(SUBMIT, SubmitCommand(a_task("waiting")))
            master.say(Goodbye(Code.FRAMEWORK_REMOVED, "an operator ended it"))
            async with client_of(master, lives=2):
                assert master.of(Subscribe)[-1].framework.framework_id == ""
                master.offer("o2", cpus=4)
                accepts = await master.hears(Accept, 2)
                names = [launch.task.task_id for launch in accepts[-1].operations]
                assert names == ["waiting"]

    run(scenario)


def test_a_bad_submission_and_a_wrong_token_are_refused(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("commands", home):
            async with client_of(master) as client:
                bad = task("a", ["true"], Resources())
                with pytest.raises(InvalidFieldError, match=r"task\.resources: asks for nothing"):
                    await client.call(SUBMIT, SubmitCommand(bad))
                address = client.address
            async with connect(address, "wrong") as stranger:
                with pytest.raises(UnauthenticatedError):
                    await stranger.call(SUBMIT, SubmitCommand(a_task("a")))

    run(scenario)


def test_two_hosts_of_one_home_are_one_too_many(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("commands", home):
            await master.hears(Subscribe)
            with pytest.raises(RegistryError, match="in use by process"):
                await host_all(["commands"], home, "", asyncio.Event())

    run(scenario)


@pytest.mark.parametrize("name", ["open", "load", "close"])
def test_a_slow_disk_holds_up_nobody_else(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The loop is shared with other frameworks; each turn of it sets the event."""
    turned = threading.Event()
    turns: list[bool] = []
    original = getattr(Store, name)

    def slow(*arguments: Any) -> Any:
        turned.clear()
        turns.append(turned.wait(5))
        return original(*arguments)

    async def turn() -> None:
        while True:
            await asyncio.sleep(0.01)
            turned.set()

    async def scenario() -> None:
        turning = asyncio.create_task(turn())
        async with served(home) as master, hosting("commands", home):
            await master.hears(Subscribe)
        turning.cancel()
        assert turns == [True]

    monkeypatch.setattr(Store, name, slow)
    run(scenario)


def test_a_host_that_is_cancelled_at_its_start_lets_go_of_its_file(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, going_on = threading.Event(), threading.Event()
    original = Store.open

    def slow(*arguments: Any) -> Store:
        opening.set()
        assert going_on.wait(5)
        return original(*arguments)

    async def scenario() -> None:
        task = asyncio.create_task(host_all(["commands"], home, "", asyncio.Event()))
        await until(opening.is_set, "the file is being opened")
        task.cancel()
        await asyncio.sleep(0.01)
        going_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    monkeypatch.setattr(Store, "open", slow)
    run(scenario)
    original(home.path / "frameworks" / "commands.db", "checkpoint").close()


def test_a_host_waits_for_a_master_that_comes_later(home: Home) -> None:
    async def scenario() -> None:
        async with hosting("commands", home):
            await asyncio.sleep(0.2)
            async with served(home) as master:
                await master.hears(Subscribe)
                await until((home.path / "frameworks/commands.id.json").exists, "the id")

    run(scenario)


def test_what_cannot_be_hosted_is_said_in_one_line(home: Home, tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(NotFoundError, match="no built-in framework is called 'x'") as caught:
            await host_all(["x"], home, "", asyncio.Event())
        assert caught.value.hint == "there are: batch, commands, training"
        with pytest.raises(ConfigError, match="there is no cluster in"):
            await host_all(["commands"], Home(tmp_path / "none"), "", asyncio.Event())

    run(scenario)


def test_clients_are_told_when_it_does_not_run() -> None:
    with pytest.raises(UnavailableError, match="'commands' is not connected"):
        address_of([])
