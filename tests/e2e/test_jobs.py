"""`fairlead jobs` on real processes and fake GPUs: jobs share them by slices, and whatever is
killed, each is trained as if nothing had happened, by one copy at a time.
"""

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest
from tests.support.command import Command, running_cluster, until
from tests.support.training_jobs import TrainingWitness, all_finish, job_of, until_job

from fairlead.frameworks.training.events import TrainingSettings

SLICE_S = 1.0
INTERVAL_S = 0.5
STEP_S = 0.02
"""Of a job of the witness."""
INTERVAL = int(INTERVAL_S / STEP_S) + 1
"""So many steps at most lie between two checkpoints, and the one that is under way."""


@pytest.fixture(scope="module")
def fairlead() -> Iterator[Command]:
    """Two agents with a device each."""
    settings = {
        "FAIRLEAD_TRAINING_SLICE_S": str(SLICE_S),
        "FAIRLEAD_TRAINING_CHECKPOINT_S": str(INTERVAL_S),
        "FAIRLEAD_CHECK": "1",
    }
    machines = ("--agents", "2", "--cpus", "4", "--mem", "1GiB", "--gpus", "fake:1")
    with running_cluster(*machines, **settings) as command:
        yield command


@pytest.fixture
def witness(tmp_path: Path) -> TrainingWitness:
    return TrainingWitness(tmp_path / "witness")


def nothing_runs(fairlead: Command) -> None:
    until("no task of a job is left", lambda: not fairlead.running())
    assert fairlead.json("jobs", "list") == []


def kill(fairlead: Command, *words: str) -> None:
    """A daemon of the cluster, by the words of its command line; its supervisor starts it again."""
    (victim,) = [
        process
        for process in psutil.process_iter()
        if is_daemon(process, str(fairlead.home), *words)
    ]
    victim.kill()
    until(f"{words} is no more", lambda: not victim.is_running())


def is_daemon(process: psutil.Process, home: str, *words: str) -> bool:
    try:
        argv = process.cmdline()
    except psutil.Error:
        return False
    return home in argv and "fairlead.cli" in argv and {*words} <= {*argv}


FRAMEWORK, MASTER = ("frameworks", "host"), ("master",)
AGENTS = ("agent", "a1"), ("agent", "a2")


def test_a_job_from_submission_to_its_end(fairlead: Command, witness: TrainingWitness) -> None:
    job_id = witness.submit(fairlead, "plain")
    assert job_id.startswith("plain-")
    until_job(fairlead, job_id, "RUNNING")
    (row,) = fairlead.json("jobs", "list")
    assert (row["job_id"], row["gpus"], row["run"]) == (job_id, 1, 1)
    assert row["agent"] in {"a1", "a2"}
    assert row["gpu_ids"] == ["fake-0"]
    assert f"{row['agent']}:fake-0" in fairlead.ok("jobs", "list")

    with fairlead.started("jobs", "list", "--watch", "-o", "json") as watching:
        assert watching.stdout is not None
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        assert first[0]["step"] < second[0]["step"], "it is shown again when it has changed"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(15) == 0

    witness.finish("plain")
    said = fairlead.ok("jobs", "logs", "-f", "plain")
    shown = until_job(fairlead, "plain", "FINISHED")
    assert said == f"done {shown['step']}\n"
    assert shown["loss"] == pytest.approx(1 / shown["step"])
    assert [run["run"] for run in shown["runs"]] == [1]
    assert Path(shown["directory"]).is_dir()
    assert witness.check("plain") == [1]
    assert fairlead.json("jobs", "why", "plain")["decisions"]
    assert "FINISHED" in fairlead.ok("jobs", "why", "plain")
    nothing_runs(fairlead)
    assert [row["job_id"] for row in fairlead.json("jobs", "list", "--all")] == [job_id]


def test_three_jobs_share_two_devices_by_slices(
    fairlead: Command, witness: TrainingWitness
) -> None:
    names = ("red", "green", "blue")
    ids = [witness.submit(fairlead, name) for name in names]
    seen = set[str]()

    def has_shared() -> bool:
        rows = fairlead.json("jobs", "list")
        seen.update(row["name"] for row in rows if row["state"] == "SUSPENDED")
        held = [(row["agent"], *row["gpu_ids"]) for row in rows if row["state"] == "RUNNING"]
        assert len(held) == len(set(held)), f"two run on one device: {rows}"
        return len(seen) > 1

    until("two of them have been suspended", has_shared, 60)
    for name in names:
        witness.until_step(name, 1)
    witness.finish(*names)
    all_finish(fairlead, ids)
    for name in names:
        witness.check(name)
    assert sum(job_of(fairlead, job_id)["slices"] for job_id in ids) > len(ids)
    nothing_runs(fairlead)


def test_a_job_is_paused_resumed_and_cancelled(fairlead: Command, witness: TrainingWitness) -> None:
    job_id = witness.submit(fairlead, "obedient")
    witness.until_step("obedient", 10)
    fairlead.ok("jobs", "pause", "obedient")
    fairlead.ok("jobs", "pause", "obedient")
    until_job(fairlead, job_id, "PAUSED")
    until("its device is free", lambda: not fairlead.running() or is_at_rest(fairlead))
    paused_at = witness.step("obedient")
    fairlead.ok("jobs", "resume", "obedient")
    witness.until_step("obedient", paused_at + 10)
    assert "is" in fairlead.ok("jobs", "cancel", "obedient")
    until_job(fairlead, job_id, "CANCELLED")
    done = [mark.number for mark in witness.marks("obedient") if mark.word == "step"]
    assert done == list(range(len(done))), "a step was lost or repeated"
    assert Path(job_of(fairlead, job_id)["directory"]).is_dir(), "its checkpoints stay"
    nothing_runs(fairlead)


def is_at_rest(fairlead: Command) -> bool:
    return all(task["state"] == "SUSPENDED" for task in fairlead.running())


def test_whatever_is_killed_every_job_finishes(fairlead: Command, witness: TrainingWitness) -> None:
    """One after the other, while three jobs share two devices."""
    names = ("one", "two", "three")
    ids = [witness.submit(fairlead, name) for name in names]
    for name in names:
        witness.until_step(name, 1)
    for words in (FRAMEWORK, MASTER, *AGENTS):
        kill(fairlead, *words)
        witness.until_more(*names)
    witness.kill("two")
    witness.finish(*names)
    all_finish(fairlead, ids)
    runs = {name: witness.check(name, most_lost=INTERVAL) for name in names}
    assert len(runs["two"]) > 1, "it was killed, and yet it had no other copy"
    nothing_runs(fairlead)


@pytest.mark.parametrize(
    "victims",
    [[FRAMEWORK], [MASTER, *AGENTS], []],
    ids=["framework", "master and agents", "copy"],
)
def test_a_migration_survives_the_end_of_whoever_takes_part(
    fairlead: Command, witness: TrainingWitness, victims: Sequence[Sequence[str]]
) -> None:
    """The job beside it ends, so one of those that share a device moves to the free one."""
    names = ("left", "right", "third")
    ids = {name: witness.submit(fairlead, name) for name in names}
    for name in names:
        witness.until_step(name, 1)
    until("two share a device, and one has its own", lambda: alone_of(fairlead, ids))
    (alone,) = alone_of(fairlead, ids)
    fairlead.ok("jobs", "cancel", ids.pop(alone))
    until("one of them moves", lambda: moving_of(fairlead, ids))
    moving = moving_of(fairlead, ids)
    for words in victims:
        kill(fairlead, *words)
    if not victims:
        witness.kill(moving[0])
    witness.until_more(*ids)
    witness.finish(*ids)
    all_finish(fairlead, list(ids.values()))
    for name in ids:
        witness.check(name, most_lost=INTERVAL)
    nothing_runs(fairlead)


def alone_of(fairlead: Command, ids: Mapping[str, str]) -> list[str]:
    """Those that share their agent with nobody."""
    places = {name: job_of(fairlead, job_id)["agent"] for name, job_id in ids.items()}
    return [name for name in ids if list(places.values()).count(places[name]) == 1]


def moving_of(fairlead: Command, ids: Mapping[str, str]) -> list[str]:
    """Those that are on their way to another device, or have just come there."""
    found = {name: job_of(fairlead, job_id) for name, job_id in ids.items()}
    return [name for name, job in found.items() if job["state"] == "MIGRATING" or job["run"] > 1]


def test_a_program_that_fails_is_not_started_again(fairlead: Command, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("import sys\nprint('so far so good')\nsys.exit('no data')")
    done = fairlead("jobs", "submit", "--wait", "--", sys.executable, str(script))
    assert done.returncode == 81
    job_id = done.stdout.strip()
    assert f"the job {job_id} failed: " in done.stderr
    assert fairlead.ok("jobs", "logs", job_id) == "so far so good\n"
    assert fairlead.ok("jobs", "logs", "--stderr", job_id) == "no data\n"
    hint = f"fairlead: there is more on stderr: fairlead jobs logs --stderr {job_id}\n"
    assert fairlead("jobs", "logs", job_id).stderr == hint
    assert fairlead.ok("jobs", "why", job_id).endswith("\nstderr    no data\n")
    assert fairlead.ok("jobs", "show", job_id).endswith("\nstderr    no data\n")
    assert job_of(fairlead, job_id)["run"] == 1
    nothing_runs(fairlead)


def test_a_program_that_never_calls_the_hook_fails_with_the_reason(
    fairlead: Command, tmp_path: Path
) -> None:
    script = tmp_path / "hookless.py"
    script.write_text("print('trained, in a way')")
    done = fairlead("jobs", "submit", "--wait", "--", sys.executable, str(script))
    assert done.returncode == 81
    assert "hook" in done.stderr
    nothing_runs(fairlead)


def test_a_checkpoint_that_cannot_be_read_fails_the_job(
    fairlead: Command, witness: TrainingWitness
) -> None:
    """It does not begin anew as if nothing had been."""
    job_id = witness.submit(fairlead, "damaged")
    witness.until_step("damaged", 3 * INTERVAL)
    fairlead.ok("jobs", "pause", job_id)
    until_job(fairlead, job_id, "PAUSED")
    for path in Path(job_of(fairlead, job_id)["directory"]).glob("checkpoint-*"):
        path.write_bytes(b"garbage")
    fairlead.ok("jobs", "resume", job_id)
    found = until_job(fairlead, job_id, "FAILED", "FINISHED")
    assert found["state"] == "FAILED", found
    assert "checkpoint" in found["message"] + fairlead.ok("jobs", "logs", "--stderr", job_id)
    nothing_runs(fairlead)


def test_ctrl_c_ends_the_waiting_and_not_the_job(
    fairlead: Command, witness: TrainingWitness
) -> None:
    program = (sys.executable, str(witness.script), str(witness.path / "left"), "100000", "0.02")
    with fairlead.started("jobs", "submit", "--wait", "--name", "left", "--", *program) as waiting:
        assert waiting.stdout is not None
        job_id = waiting.stdout.readline().strip()
        witness.until_step("left", 1)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(15) == 130
    until_job(fairlead, job_id, "RUNNING")
    fairlead.ok("jobs", "cancel", job_id)
    until_job(fairlead, job_id, "CANCELLED")
    nothing_runs(fairlead)


# --- fair shares


def test_six_jobs_on_four_devices_have_equal_shares(tmp_path: Path) -> None:
    """Each is within one slice of its share at any moment, for as long as twelve slices last. All
    begin at once, when a job goes that held all devices.
    """
    slices = 12
    witness = TrainingWitness(tmp_path / "witness")
    machine = ("--cpus", "4", "--mem", "1GiB", "--gpus", "fake:4")
    with running_cluster(*machine, FAIRLEAD_TRAINING_SLICE_S=str(SLICE_S)) as fairlead:
        first = witness.submit(fairlead, "first", "--gpus", "4", "--priority", "1")
        witness.until_step("first", 1)
        names = [f"job-{number}" for number in range(6)]
        ids = [witness.submit(fairlead, name) for name in names]
        time.sleep(TrainingSettings().patience_s)  # for so long each waits for a device of its own
        fairlead.ok("jobs", "cancel", first)

        def are_over() -> bool:
            rows = fairlead.json("jobs", "list")
            had = {row["name"]: row["gpu_time_s"] for row in rows if row["job_id"] in ids}
            fair = sum(had.values()) / 6
            assert all(abs(each - fair) <= SLICE_S for each in had.values()), had
            return bool(fair >= 4 / 6 * slices * SLICE_S)

        until("twelve slices are over", are_over, 120)
        steps = [witness.step(name) for name in names]
        fairlead.ok("jobs", "cancel", *ids)
        for job_id in ids:
            until_job(fairlead, job_id, "CANCELLED")
    # Who moves to another device starts anew, which takes a slow machine long.
    assert min(steps) > 0.4 * max(steps), steps
