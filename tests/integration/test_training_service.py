"""The service of the training framework beside a scripted master, with the files of its jobs."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.fake_master import ends, make_home, served
from tests.support.hosted import client_of, hosting
from tests.support.sessions import run

from fairlead.common.client import Client
from fairlead.common.errors import ConfigError, FairleadError, NotFoundError, RegistryError
from fairlead.common.home import Home
from fairlead.common.jobs import (
    JobOrdered,
    JobsQuery,
    JobState,
    JobSubmitted,
    JobVerb,
    JobView,
    OrderJob,
    SubmitJob,
)
from fairlead.common.messages import Accept, Code, Goodbye, Kill, Subscribe
from fairlead.common.resources import Resources
from fairlead.common.store import Store
from fairlead.common.values import TaskInfo, TaskState
from fairlead.frameworks.host import host_all
from fairlead.frameworks.kit.scheduler import task
from fairlead.frameworks.training import options, watching
from fairlead.frameworks.training.methods import LIST, ORDER, SUBMIT


@pytest.fixture
def home(fairlead_home: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(watching, "LOOK_S", 0.02)
    return make_home(fairlead_home)


def a_job(job_id: str, checkpoints: str = "") -> SubmitJob:
    return SubmitJob(task(job_id, ["train"], Resources.of(cpus=1)), 2.0, checkpoints)


async def view_of(client: Client, job_id: str) -> JobView:
    (view,) = (await client.call(LIST, JobsQuery(job_id))).jobs
    return view


async def until_state(client: Client, job_id: str, state: JobState) -> JobView:
    for _ in range(1000):
        view = await view_of(client, job_id)
        if view.state is state:
            return view
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited 10 s for {state}: {view}")


def launched(accept: Accept) -> TaskInfo:
    (launch,) = accept.operations
    launched_task: TaskInfo = launch.task  # type: ignore[union-attr]
    return launched_task


def write_progress(directory: str, **said: object) -> None:
    draft = Path(directory) / "draft"
    draft.write_text(json.dumps(said))
    draft.rename(Path(directory) / "progress.json")


def test_a_job_from_submission_to_its_end(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("training", home), client_of(master) as client:
            assert await client.call(SUBMIT, a_job("a")) == JobSubmitted("a")
            assert await client.call(SUBMIT, a_job("a")) == JobSubmitted("a"), "said again"
            master.offer("o1")
            (accept,) = await master.hears(Accept)
            started = launched(accept)
            assert started.task_id == "a.1"
            directory = str(home.path / "training/a")
            assert started.command.env == {
                "FAIRLEAD_JOB": "a",
                "FAIRLEAD_JOB_DIR": directory,
                "FAIRLEAD_JOB_RUN": "1",
                "FAIRLEAD_JOB_CHECKPOINT_S": "60",
            }
            master.status("a.1", TaskState.RUNNING)
            write_progress(directory, run=1, step=3, steps=4, loss=0.5)
            view = await until_state(client, "a", JobState.RUNNING)
            assert (view.progress.step, view.progress.loss, view.weight) == (3, 0.5, 2.0)
            assert view.framework_id == master.books.framework_id
            (listed,) = (await client.call(LIST, JobsQuery())).jobs
            assert (listed.runs, listed.decisions) == ((), ()), "a list leaves out what is long"
            write_progress(directory, run=1, step=4, steps=4)
            master.status("a.1", TaskState.FINISHED, exit_code=0)
            view = await until_state(client, "a", JobState.FINISHED)
            assert view.progress.step == 4, "what was said last is known at the end"
            assert view.decisions
            with pytest.raises(FairleadError, match="job 'a' is FINISHED, for good"):
                await client.call(ORDER, OrderJob("a", JobVerb.PAUSE))

    run(scenario)


def test_jobs_outlive_the_process(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master:
            async with hosting("training", home), client_of(master) as client:
                await client.call(SUBMIT, a_job("a"))
                await client.call(SUBMIT, a_job("b"))
                master.offer("o1")
                await master.hears(Accept)
                master.status("a.1", TaskState.RUNNING)
                ordered = await client.call(ORDER, OrderJob("b", JobVerb.CANCEL))
                assert ordered == JobOrdered(JobState.CANCELLED)
            async with hosting("training", home), client_of(master, lives=2) as client:
                found = (await client.call(LIST, JobsQuery())).jobs
                assert [view.job_id for view in found] == ["a", "b"]
                assert found[0].run == 1
                assert found[1].state is JobState.CANCELLED
                await client.call(ORDER, OrderJob("a", JobVerb.CANCEL))
                assert (await master.hears(Kill))[-1].task_id == "a.1"
                master.status("a.1", TaskState.KILLED, exit_code=75)
                await until_state(client, "a", JobState.CANCELLED)
            first, second = master.of(Subscribe)
            assert (first.framework.framework_id, second.framework.framework_id) == ("", "f-1-1")
            assert len(master.of(Accept)) == 1, "a copy that lives is not launched again"

    run(scenario)


def test_torn_down_it_begins_anew_with_its_jobs(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("training", home):
            async with client_of(master) as client:
                await client.call(SUBMIT, a_job("a"))
                master.offer("o1")
                await master.hears(Accept)
            master.say(Goodbye(Code.FRAMEWORK_REMOVED, "an operator ended it"))
            async with client_of(master, lives=2) as client:
                assert master.of(Subscribe)[-1].framework.framework_id == ""
                assert (await view_of(client, "a")).state is not JobState.FAILED
                for number in range(2, 100):  # it may not want one yet
                    master.offer(f"o{number}")
                    await asyncio.sleep(0.1)
                    if len(master.of(Accept)) > 1:
                        break
                assert launched(master.of(Accept)[-1]).task_id == "a.2"

    run(scenario)


def test_a_refused_submission_leaves_nothing_behind(home: Home, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("training", home), client_of(master) as client:
            (tmp_path / "file").write_text("")
            with pytest.raises(FairleadError, match=r"checkpoints: cannot make .*/file"):
                await client.call(SUBMIT, a_job("a", str(tmp_path / "file")))
            half = Resources.of(cpus=1, gpus=0.5)
            bad = replace(a_job("b"), task=task("b", ["train"], half))
            with pytest.raises(FairleadError, match="a job takes whole GPUs"):
                await client.call(SUBMIT, bad)
            assert list((home.path / "training").iterdir()) == []
            assert (await client.call(LIST, JobsQuery())).jobs == ()
            with pytest.raises(NotFoundError, match="there is no job 'nobody'"):
                await client.call(LIST, JobsQuery("nobody"))
            with pytest.raises(FairleadError, match="no job 'nobody' is known"):
                await client.call(ORDER, OrderJob("nobody", JobVerb.CANCEL))

    run(scenario)


def test_who_removes_the_directory_of_an_ended_job_is_done_with_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOKS_TO_SWEEP", 2)

    async def scenario() -> None:
        async with served(home) as master, hosting("training", home), client_of(master) as client:
            for job_id in ("a", "b"):
                await client.call(SUBMIT, a_job(job_id))
                await client.call(ORDER, OrderJob(job_id, JobVerb.CANCEL))
            (home.path / "training/a").rmdir()
            for _ in range(1000):
                found = [view.job_id for view in (await client.call(LIST, JobsQuery())).jobs]
                if found == ["b"]:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(f"waited 10 s until a is forgotten: {found}")

    run(scenario)


def test_two_hosts_of_one_home_are_one_too_many(home: Home) -> None:
    async def scenario() -> None:
        async with served(home) as master, hosting("training", home):
            await master.hears(Subscribe)
            with pytest.raises(RegistryError, match="in use by process"):
                await host_all(["training"], home, "", asyncio.Event())

    run(scenario)


def test_what_an_operator_mistyped_is_said_before_anything_starts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(options.SLICE, "long")

    async def scenario() -> None:
        with pytest.raises(ConfigError, match="FAIRLEAD_TRAINING_SLICE_S is 'long'"):
            await host_all(["training"], home, "", asyncio.Event())
        assert list((home.path / "frameworks").iterdir()) == []

    run(scenario)


def test_whoever_looks_at_the_directories_of_jobs_does_not_fail_in_silence(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A framework that sees no progress any more would take all programs for broken."""

    async def broken(_self: watching.Watcher) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(watching.Watcher, "look_at_all", broken)

    async def scenario() -> None:
        async with served(home):
            hosted = asyncio.create_task(host_all(["training"], home, "", asyncio.Event()))
            with pytest.raises(RuntimeError, match="planted"):
                await ends(hosted)

    run(scenario)


def test_a_record_of_another_version_is_refused(home: Home) -> None:
    (home.path / "frameworks").mkdir()
    with Store.open(home.path / "frameworks/training.db", "checkpoint") as store:
        store.commit([("job/a", b"\xff\xff")], lambda _error: None)

    async def scenario() -> None:
        with pytest.raises(RegistryError, match=r"the store of training has a record 'job/a' that"):
            await host_all(["training"], home, "", asyncio.Event())

    run(scenario)
