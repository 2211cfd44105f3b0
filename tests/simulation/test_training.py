"""Training jobs on a simulated cluster: shares to the per cent, and no two living copies whatever
dies, at whatever step of a migration.
"""

import sys
from collections import Counter
from collections.abc import Callable

import pytest
from tests.support.training_worlds import BRISK, LONG, quiet, rough

from fairlead.common.jobs import JobState
from fairlead.frameworks.training.book import Book
from fairlead.frameworks.training.jobs import Job
from fairlead.sim.process import Process
from fairlead.sim.training import TrainingWorld, job, machine

SLICE_S = 60.0
ROUGH_SEEDS = range(1, 31)
ONCE_FAILED = (552, 759)
INTERVAL = 50
"""Steps between two checkpoints that a simulated program makes by itself."""


# --- shares


def gpu_time_over_twelve_slices(weights: list[float], gpus: int) -> list[float]:
    jobs = [(1.0, job(f"job-{n}", LONG, weight=weight)) for n, weight in enumerate(weights)]
    world = quiet([machine(1, gpus)], jobs)
    world.begin()
    world.clock.run_until(10.0)
    before = world.views()
    world.clock.run_until(10.0 + 12 * SLICE_S)
    after = world.views()
    assert all(view.state in (JobState.RUNNING, JobState.SUSPENDED) for view in after.values())
    return [after[job_id].gpu_time_s - before[job_id].gpu_time_s for job_id in after]


def test_six_jobs_on_four_gpus_get_four_sixths_each() -> None:
    shares = [got / (12 * SLICE_S) for got in gpu_time_over_twelve_slices([1.0] * 6, 4)]
    assert shares == pytest.approx([4 / 6] * 6, rel=0.05)


@pytest.mark.parametrize(
    ("weights", "gpus"), [([1.0, 2.0, 3.0], 1), ([1.0, 2.0, 3.0] * 2, 4), ([3.0, 1.0, 2.0], 2)]
)
def test_weights_are_the_ratio_of_gpu_time(weights: list[float], gpus: int) -> None:
    got = gpu_time_over_twelve_slices(weights, gpus)
    unit = gpus * 12 * SLICE_S / sum(weights)
    assert got == pytest.approx([weight * unit for weight in weights], rel=0.05)


def test_a_lower_priority_runs_only_when_no_higher_one_could() -> None:
    """Two of the lower ones run until both GPUs are wanted above them, and again afterwards."""
    low = [(1.0, job(f"low-{n}", LONG)) for n in range(2)]
    high = [(30.0, job(f"high-{n}", 2000, priority=1)) for n in range(3)]
    world = quiet([machine(1, 2)], [*low, *high])
    world.begin()
    world.clock.run_until(40.0)
    before = world.views()
    world.clock.run_until(300.0)
    after = world.views()
    for n in range(2):
        assert after[f"low-{n}"].gpu_time_s == before[f"low-{n}"].gpu_time_s
        assert after[f"low-{n}"].state is JobState.SUSPENDED
    assert sum(after[f"high-{n}"].gpu_time_s for n in range(3)) == pytest.approx(2 * 265, rel=0.05)
    world.clock.run_until(500.0)
    views = world.views()
    assert all(views[f"high-{n}"].state is JobState.FINISHED for n in range(3))
    assert all(views[f"low-{n}"].state is JobState.RUNNING for n in range(2))


# --- a migration, and what may die in it


def migrating() -> TrainingWorld:
    """Two jobs share the GPU of one agent until the short one on the other's has ended."""
    jobs = [
        (1.0, job("first", 200, start_s=0.5)),
        (1.2, job("short", 80, start_s=0.5)),
        (3.0, job("third", 200, start_s=0.5)),
    ]
    return quiet([machine(1, 1), machine(2, 1)], jobs, BRISK, seed=3)


def begun() -> TrainingWorld:
    world = migrating()
    world.begin()
    world.clock.run_until(MOVES_AFTER_S)
    views = world.views()
    assert not any(view.migrations for view in views.values())
    assert views["third"].agent_id == views["first"].agent_id
    return world


MOVES_AFTER_S = 9.0


def test_a_departure_first_lowers_the_highest_oversubscription() -> None:
    world = begun()
    world.clock.run_until(15.0)
    views = world.views()
    assert views["short"].state is JobState.FINISHED
    (moved,) = [view for view in views.values() if view.migrations]
    assert views["first"].agent_id != views["third"].agent_id
    assert moved.run == 2
    text = " | ".join(decision.text for decision in moved.decisions)
    assert "where a GPU is free: the load of agent-" in text
    assert "was 2.00" in text
    assert moved.runs[1].first_step == moved.progress.checkpoint_step > 0
    assert moved.runs[0].rate == pytest.approx(10)


def moments(world: TrainingWorld) -> list[float]:
    """When anything at all happens while one of the jobs moves."""
    found: list[float] = []
    while not any(view.progress.run == 2 for view in world.views().values()):
        assert world.now < 60, "nobody has moved within a minute"
        steps = world.journal.steps
        world.clock.run_until(world.clock.next_at())
        if any(view.migrations for view in world.views().values()) and world.journal.steps > steps:
            found.append(world.now)
    return found


def scheduler(world: TrainingWorld) -> None:
    assert world.trainer_node is not None
    world.kill(world.trainer_node, "kill -9")


def master(world: TrainingWorld) -> None:
    assert world.master is not None
    world.kill(world.master, "kill -9")


def agent(world: TrainingWorld, index: int) -> None:
    world.kill(world.agents()[index], "kill -9")


def job_process(world: TrainingWorld) -> None:
    """Of the job that moves, or of all if that has none now."""
    moving = [job_id for job_id, view in world.views().items() if view.migrations]
    living = dict(world.storage.living)
    for copy in [living[job_id] for job_id in moving if job_id in living] or living.values():
        world.launcher(copy.host).strike(copy.launch_uuid, None, 9)


VICTIMS: dict[str, Callable[[TrainingWorld], None]] = {
    "scheduler": scheduler,
    "master": master,
    "agent that it leaves": lambda world: agent(world, 1),
    "agent that it comes to": lambda world: agent(world, 0),
    "job's process": job_process,
}


def assert_all_finish(world: TrainingWorld, what: str) -> None:
    """The laws of the simulation hold on the way: never two living copies."""
    limit = world.now + 300
    while not all(view.state is JobState.FINISHED for view in world.views().values()):
        assert world.now < limit, f"{what}: {[v.state.name for v in world.views().values()]}"
        world.clock.run_until(world.now + 2)
    assert world.storage.saved == {"first": 200, "short": 80, "third": 200}
    assert world.storage.lost <= INTERVAL, f"{what}: {world.storage.lost} steps were lost"


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_is_killed_at_any_step_of_a_migration_every_job_finishes(victim: str) -> None:
    found = moments(begun())
    assert len(found) > 30
    for at in found:
        world = begun()
        world.clock.run_until(at)
        VICTIMS[victim](world)
        assert_all_finish(world, f"{victim} killed at {at:.4f} s")


@pytest.mark.parametrize("kind", ["scheduler", "master", "agent-1", "agent-2"])
def test_a_death_between_any_two_actions_of_a_migration(kind: str) -> None:
    """A step's actions leave one by one, Records among them; the process dies before the n-th."""
    for count in range(12):
        world = begun()
        world.clock.run_until(moments(begun())[0] - 0.1)
        mine: dict[str, Process | None] = {
            "scheduler": world.trainer_node,
            "master": world.master,
            "agent-1": world.agents()[0],
            "agent-2": world.agents()[1],
        }
        process = mine[kind]
        assert process is not None
        process.fuse = count
        assert_all_finish(world, f"{kind} dies before action {count}")


def test_the_scheduler_dies_while_its_records_are_on_their_way_to_the_disk() -> None:
    for at in moments(begun())[::2]:
        world = begun()
        world.clock.run_until(at - 0.001)
        assert world.trainer_node is not None
        world.trainer_node.is_mined = True
        assert_all_finish(world, f"the scheduler dies at its first commit after {at:.4f} s")


# --- everything at once


@pytest.mark.timeout(300)
def test_rough_lives(capsys: pytest.CaptureFixture[str]) -> None:
    """All faults that clusters have; every job comes to the end that it was to have."""
    states: Counter[str] = Counter()
    for seed in (*ROUGH_SEEDS, *ONCE_FAILED):
        world = rough(seed)
        report = world.run()
        assert not report.failure, f"seed {seed}: {report.failure}\n{report.settings}"
        views = world.views().values()
        states.update(view.state.name for view in views)
        states["copies"] += sum(view.run for view in views)
        states["migrations"] += sum(view.migrations for view in views)
    with capsys.disabled():
        sys.stdout.write(f"\n{dict(states)}\n")
    assert not states["FAILED"]
    assert states["FINISHED"] > 100
    assert states["migrations"] > 10


def test_the_same_seed_is_the_same_life() -> None:
    assert rough(3).run().digest == rough(3).run().digest


# --- bugs that must not pass


def test_a_launch_that_does_not_wait_for_the_end_of_the_last_copy_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(book: Book, moved: Job, why: str) -> None:
        book.end_copy(moved, why)
        moved.ended(book.wall, "not at all")
        moved.state = JobState.QUEUED
        moved.unplace()

    monkeypatch.setattr(Book, "move", hasty)
    failures = (rough(seed).run().failure for seed in range(1, 60))
    assert any("never two living copies" in failure for failure in failures)
