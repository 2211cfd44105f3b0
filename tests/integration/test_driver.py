"""The driver's shell against a scripted master behind a real server."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import certificates
from tests.support.fake_master import ends, make_home, served
from tests.support.schedulers import Scripted, one_cpu
from tests.support.sessions import TOKEN, run, until

from fairlead.common.errors import ConfigError, UnavailableError
from fairlead.common.events import Record
from fairlead.common.home import Home
from fairlead.common.ids import FrameworkId
from fairlead.common.messages import Accept, Acknowledge, Code, Goodbye, Subscribe, Teardown
from fairlead.common.store import Store
from fairlead.common.tls import Party, Reach, Tls
from fairlead.common.values import FrameworkInfo, TaskState
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.identity import Identity
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    StatusReceived,
    Stop,
    accept,
)


def one_task() -> Scripted:
    """Runs one task and stops with its exit code."""
    scripted = Scripted()
    scripted.on(OffersReceived, lambda e: [accept(e.offers, one_cpu("t1"))])

    def ended(event: StatusReceived) -> Sequence[object]:
        status = event.status
        return [Teardown(), Stop("", status.exit_code or 0)] if status.state.is_terminal else ()

    scripted.on(StatusReceived, ended)
    return scripted


@pytest.fixture
def home(fairlead_home: Path) -> Home:
    return make_home(fairlead_home)


def test_a_task_from_subscribe_to_teardown(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master:
            runner = FrameworkRunner(one_task(), Whereabouts(home))
            task = asyncio.create_task(runner.run())
            await master.hears(Subscribe)
            master.offer("o1")
            await master.hears(Accept)
            master.status("t1", TaskState.RUNNING)
            master.status("t1", TaskState.FAILED, exit_code=7)
            assert await ends(task) == 7
            assert [a.update_uuid for a in master.of(Acknowledge)] == [
                f"{runner.driver.instance_uuid}-1-1",
                f"{runner.driver.instance_uuid}-1-2",
            ]
            assert len(master.of(Teardown)) == 1

    run(scenario)


def test_the_next_leader_is_found_and_told_the_same_id(home: Home) -> None:
    async def scenario() -> None:
        scripted = one_task()
        runner = FrameworkRunner(scripted, Whereabouts(home))
        async with served(home) as first:
            task = asyncio.create_task(runner.run())
            await first.hears(Subscribe)
            first.offer("o1")
            await first.hears(Accept)
            first.status("t1", TaskState.RUNNING)
            await first.hears(Acknowledge)
        async with served(home, epoch=2) as second:
            second.books.tasks = first.books.tasks
            (subscribe,) = await second.hears(Subscribe)
            assert subscribe.framework.framework_id == "f-1-1"
            assert subscribe.hello.attempt > 1
            await until(lambda: runner.driver.epoch == 2, "the second epoch")
            second.status("t1", TaskState.FINISHED, exit_code=0)
            assert await ends(task) == 0
        assert scripted.states == ["RUNNING", "FINISHED"]
        assert first.of(Accept)
        assert not second.of(Accept)

    run(scenario)


def test_no_master_and_no_patience(home: Home) -> None:
    async def scenario() -> None:
        where = Whereabouts(home, "127.0.0.1:1")
        with pytest.raises(UnavailableError, match=r"no master answers at 127\.0\.0\.1:1 \(") as e:
            await FrameworkRunner(Scripted(), where, give_up_s=0.3).run()
        assert e.value.hint == "start one with: fairlead up"

    run(scenario)


def test_a_home_where_nobody_ever_led(tmp_path: Path) -> None:
    async def scenario() -> None:
        where = Whereabouts(Home(tmp_path / "nothing"))
        with pytest.raises(UnavailableError, match=r"there is no cluster in .*nothing"):
            await FrameworkRunner(Scripted(), where, give_up_s=0.1).run()

    run(scenario)


def test_a_master_that_comes_later_is_found(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        runner = FrameworkRunner(Scripted(), Whereabouts(home))
        task = asyncio.create_task(runner.run())
        await until(lambda: caplog.records, "a line about the missing master")
        await asyncio.sleep(0.3)
        assert len(caplog.records) == 1, "once, not at each attempt"
        async with served(home) as master:
            await master.hears(Subscribe)
            await until(lambda: runner.driver.is_subscribed, "the driver to be subscribed")
            runner.stop("enough")
            assert await ends(task) == 0
            await until(lambda: master.of(Goodbye), "the goodbye")

    run(scenario)


def test_certificates_that_are_being_renewed_are_waited_for(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        tls = Home(home.path, Reach(Tls(tmp_path, Party.FRAMEWORK)))
        runner = FrameworkRunner(Scripted(), Whereabouts(tls, "127.0.0.1:1"))
        task = asyncio.create_task(runner.run())
        await until(lambda: caplog.records, "a line about what is missing")
        certificates(tmp_path)
        runner.stop("enough")
        assert await ends(task) == 0
        assert "there is no ca.pem in" in caplog.text
        assert "trying again" in caplog.text

    run(scenario)


def test_a_wrong_token_is_final() -> None:
    async def scenario() -> None:
        async with served() as master:
            where = Whereabouts(master=master.address, token="wrong")
            runner = FrameworkRunner(Scripted(), where)
            assert await ends(asyncio.create_task(runner.run())) == 77
            assert runner.stopped is not None
            assert "the token of this call is wrong" in runner.stopped.message
            assert not master.heard

    run(scenario)


def test_a_goodbye_for_good_ends_it(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with served(home) as master:
            runner = FrameworkRunner(Scripted(), Whereabouts(home))
            task = asyncio.create_task(runner.run())
            await master.hears(Subscribe)
            master.say(Goodbye(Code.SUPERSEDED, "another instance has subscribed"))
            assert await ends(task) == 76
            assert runner.stopped is not None
            assert runner.stopped.message == "framework scripted: another instance has subscribed"

    run(scenario)
    assert [each.levelname for each in caplog.records if "stopped: " in each.message] == ["ERROR"]


class Witness:
    """A service that looks, at each order, whether what came before it is durable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[tuple[object, list[str]]] = []

    def perform(self, action: object) -> None:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM records")]
        self.seen.append((action, keys))


def test_a_record_is_durable_before_anything_behind_it_leaves(home: Home) -> None:
    scripted = Scripted()
    me = FrameworkInfo(FrameworkId("x"), "x")
    scripted.on(str, lambda _e: ["before", Record("key", me), "after", Stop()])

    witness = Witness(home.path / "s.db")

    async def scenario() -> None:
        runner = FrameworkRunner(scripted, Whereabouts(home), service=witness, store=store)
        runner.feed("go")
        assert await ends(asyncio.create_task(runner.run())) == 0

    with Store.open(witness.path, "checkpoint") as store:
        run(scenario)
    assert [order for order, _ in witness.seen] == ["before", "after"]
    assert witness.seen[1] == ("after", ["key"])


@pytest.mark.parametrize("keeps_id", [False, True])
def test_records_without_a_store_are_refused(home: Home, *, keeps_id: bool) -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [Record("key", FrameworkInfo(FrameworkId("x"), "x"))])
    identity = Identity.of(home, "scripted") if keeps_id else None

    async def scenario() -> None:
        runner = FrameworkRunner(scripted, Whereabouts(home), identity=identity)
        runner.feed("go")
        with pytest.raises(ConfigError, match="the scheduler records 'key', and has no store"):
            await ends(asyncio.create_task(runner.run()))

    run(scenario)


def test_another_thread_may_feed_it(home: Home) -> None:
    scripted = Scripted()
    scripted.on(str, lambda e: [Stop(e, 3)])

    async def scenario() -> None:
        runner = FrameworkRunner(scripted, Whereabouts(home))
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(0.05)
        thread = threading.Thread(target=runner.feed, args=("from a thread",))
        thread.start()
        assert await ends(task) == 3
        thread.join()
        runner.feed("too late")

    run(scenario)


def test_the_id_is_kept_for_the_next_life_and_forgotten_when_removed(home: Home) -> None:
    identity = Identity.of(home, "scripted")

    async def life(act: Any) -> str:
        async with served(home) as master:
            runner = FrameworkRunner(Scripted(), Whereabouts(home), identity=identity)
            task = asyncio.create_task(runner.run())
            (subscribe,) = await master.hears(Subscribe)
            await until(lambda: runner.driver.is_subscribed, "the driver to be subscribed")
            act(master, runner)
            await ends(task)
            return str(subscribe.framework.framework_id)

    async def scenario() -> None:
        assert await life(lambda _, runner: runner.stop()) == ""
        removed = Goodbye(Code.FRAMEWORK_REMOVED, "torn down")
        assert await life(lambda master, _: master.say(removed)) == "f-1-1"
        assert await life(lambda _, runner: runner.stop()) == ""

    run(scenario)


def test_a_mistake_of_the_scheduler_ends_its_driver(home: Home) -> None:
    scripted = Scripted()

    def divide(_event: str) -> Sequence[object]:
        return [1 // 0]

    scripted.on(str, divide)

    async def scenario() -> None:
        runner = FrameworkRunner(scripted, Whereabouts(home))
        runner.feed("go")
        with pytest.raises(ZeroDivisionError):
            await runner.run()

    run(scenario)


def test_tokens_are_read_again_at_each_attempt(home: Home) -> None:
    """A cluster that was begun anew in the same home has another token."""
    where = Whereabouts(home, "127.0.0.1:1")
    assert where.find() == ("127.0.0.1:1", TOKEN)
    home.token_path.write_text("another")
    assert where.find() == ("127.0.0.1:1", "another")
