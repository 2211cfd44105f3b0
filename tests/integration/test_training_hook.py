"""The hook in real programs: whatever is done to one, it learns what it would have learnt.

The losses of a run that nobody disturbs are compared with those of others, to the last bit.
"""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.training_program import EXAMPLES, SUPPORT, TrainingProgram

LEARNER = SUPPORT / "learner.py"
STEPS = 64
EPOCH = 16
Losses = list[tuple[int, str]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Losses:
    """Of a program that is run by hand, outside of any cluster."""
    with TrainingProgram(tmp_path_factory.mktemp("undisturbed"), LEARNER) as program:
        program.start(FAIRLEAD_JOB_DIR="")
        assert program.end() == 0, program.said
        losses = program.losses()
        assert not program.directory.exists()
    assert [step for step, _ in losses] == list(range(STEPS))
    assert len({loss for _, loss in losses}) == STEPS
    return losses


@pytest.fixture
def program(tmp_path: Path) -> Iterator[TrainingProgram]:
    with TrainingProgram(tmp_path, LEARNER) as program:
        yield program


def test_at_rest_and_frozen(undisturbed: Losses, program: TrainingProgram) -> None:
    at = (0, 20, 2 * EPOCH - 1, 2 * EPOCH, STEPS - 1)
    program.start(*at)
    for step in at:
        program.until_held(step)
        program.rest()
        told = program.progress()
        assert told["step"] == told["checkpoint_step"] == step + 1
        program.signal(signal.SIGSTOP)
        program.signal(signal.SIGCONT)
        assert len(program.losses()) == step + 1
        program.go_on()
    assert program.end() == 0, program.said
    assert program.losses() == undisturbed
    assert program.progress()["switch_s"] > 0


def test_saved_and_started_again(undisturbed: Losses, program: TrainingProgram) -> None:
    for step in (0, 20, 2 * EPOCH - 1, STEPS - 1):
        program.start(step)
        program.until_held(step)
        program.save_and_end()
        assert f"to be started again after step {step + 1}" in program.said
    program.start()
    assert program.end() == 0, program.said
    assert f"copy 5 goes on after step {STEPS}" in program.said
    assert program.losses() == undisturbed, "nothing is repeated or lost"


def test_killed_while_it_runs_and_at_rest(undisturbed: Losses, program: TrainingProgram) -> None:
    """What was saved is not lost; what came after it is done again, exactly as before."""
    program.start(EPOCH + 3, FAIRLEAD_JOB_CHECKPOINT_S="0.001")
    program.until_held(EPOCH + 3)
    program.kill()
    assert program.progress()["checkpoint_step"] == EPOCH + 3
    program.start(40)
    program.until_held(40)
    program.rest()
    program.kill()
    program.go_on()
    program.start()
    assert program.end() == 0, program.said
    assert "copy 3 goes on after step 41" in program.said
    again = [step for step, _ in program.losses()]
    assert again == [*range(EPOCH + 4), *range(EPOCH + 3, STEPS)]
    assert set(program.losses()) == set(undisturbed), "a step that was done again was the same"


def test_an_older_copy_that_lives_on_ends_itself(
    undisturbed: Losses, program: TrainingProgram, tmp_path: Path
) -> None:
    program.start(10)
    program.until_held(10)
    older, held = program.process, program.place / "held-10"
    program.process = None
    try:
        program.curve = tmp_path / "newer"
        program.argv[-1] = str(program.curve)
        program.start()
        assert program.end() == 0, program.said
        assert program.losses() == undisturbed, "the older one had saved nothing yet"
        before = {path: path.read_bytes() for path in program.directory.iterdir()}
        assert older is not None
        older.send_signal(signal.SIGTERM)
        held.unlink()
        _, said = older.communicate(timeout=60)
    finally:
        if older is not None:
            older.kill()
            older.communicate()
    assert older.returncode == 76
    assert said == "fairlead: copy 1 of this job ends: copy 2 has begun\n"
    assert {path: path.read_bytes() for path in program.directory.iterdir()} == before


def test_fake_devices_are_told_what_is_held(program: TrainingProgram, tmp_path: Path) -> None:
    fakes = tmp_path / "fakes"
    program.start(5, 10, FAIRLEAD_GPUS="fake-0,fake-3", FAIRLEAD_FAKE_GPUS=str(fakes))

    def held() -> dict[str, int]:
        return {path.name.partition(".")[0]: int(path.read_text()) for path in fakes.iterdir()}

    program.until_held(5)
    assert held() == {"fake-0": 1 << 30, "fake-3": 1 << 30}
    program.rest()
    assert held() == {"fake-0": 0, "fake-3": 0}
    assert program.progress()["gpu_memory_bytes"] == 2 << 30
    program.go_on()
    program.until_held(10)
    assert held() == {"fake-0": 1 << 30, "fake-3": 1 << 30}
    program.let_go()
    assert program.end() == 0, program.said


def test_the_example_by_hand_and_as_a_job(tmp_path: Path) -> None:
    digits = EXAMPLES / "train_digits.py"
    losses = []
    for place, environment in (("by-hand", {"FAIRLEAD_JOB_DIR": ""}), ("job", {})):
        with TrainingProgram(tmp_path / place, digits, "--epochs", "8") as program:
            program.start(**environment)
            assert program.end() == 0, program.said
            losses.append(program.losses())
        accuracy = float(program.said.split("accuracy: ")[1].split("%")[0])
        assert accuracy > 90, "it learns"
    assert losses[0] == losses[1]
    result = json.loads((program.directory / "result.json").read_text())
    assert result["step"] == result["steps"] == len(losses[0])
    assert round(100 * result["metrics"]["accuracy"], 1) == accuracy
