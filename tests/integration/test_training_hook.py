"""The hook in real programs: whatever is done to one, it learns what it would have learnt.

The losses of a run that nobody disturbs are compared with those of others, to the last bit.
"""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.command import until
from tests.support.training_program import EXAMPLES, PATIENCE_S, TrainingProgram

EPOCHS = 3
STEPS = EPOCHS * 45
SLOW = ("--pause", "10")
DIGITS = (str(EXAMPLES / "train_digits.py"), "--epochs", str(EPOCHS))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Its losses; it is run by hand, outside of any cluster."""
    with TrainingProgram(tmp_path_factory.mktemp("undisturbed"), *DIGITS) as program:
        program.start(FAIRLEAD_JOB_DIR="")
        assert program.end() == 0, program.said
        assert "of 360 images" in program.said
        assert not program.directory.exists()
        losses = program.losses()
    assert [step for step, _ in losses] == list(range(STEPS))
    return losses


@pytest.fixture
def program(tmp_path: Path) -> Iterator[TrainingProgram]:
    with TrainingProgram(tmp_path, *DIGITS, *SLOW) as program:
        yield program


def test_a_job_undisturbed(undisturbed: list[tuple[int, str]], program: TrainingProgram) -> None:
    program.start()
    until("it shows that it calls the hook", lambda: program.progress().get("run") == 1, PATIENCE_S)
    assert program.end() == 0, program.said
    assert program.losses() == undisturbed
    result = json.loads((program.directory / "result.json").read_text())
    assert result["step"] == result["steps"] == STEPS
    assert result["metrics"].keys() == {"loss", "accuracy"}
    assert result["loss"] == float.fromhex(undisturbed[-1][1])
    assert program.progress().items() >= {"run": 1, "step": STEPS, "checkpoint_step": STEPS}.items()


def test_at_rest_and_frozen(undisturbed: list[tuple[int, str]], program: TrainingProgram) -> None:
    program.start()
    for step in (1, 60):
        program.until_step(step)
        program.rest()
        told = program.progress()
        assert told["step"] == told["checkpoint_step"] >= step
        before = program.losses()
        program.signal(signal.SIGSTOP)
        program.signal(signal.SIGCONT)
        program.go_on()
        program.until_step(told["step"] + 1)
        assert program.losses()[: len(before)] == before
    assert program.end() == 0, program.said
    assert program.losses() == undisturbed
    assert program.progress()["switch_s"] > 0


def test_saved_and_started_again(
    undisturbed: list[tuple[int, str]], program: TrainingProgram
) -> None:
    for step in (1, 30, 50):
        program.start()
        program.until_step(step)
        program.save_and_end()
        assert f"to be started again after step {program.progress()['step']}" in program.said
    program.start()
    assert program.end() == 0, program.said
    assert "copy 4 goes on after step" in program.said
    assert program.losses() == undisturbed, "nothing is repeated or lost"


def test_killed_while_it_runs_and_at_rest(
    undisturbed: list[tuple[int, str]], program: TrainingProgram
) -> None:
    """What was saved is not lost; what came after it is done again, exactly as before."""
    program.start(FAIRLEAD_JOB_CHECKPOINT_S="0.1")
    until("it has saved", lambda: program.progress().get("checkpoint_step", 0) > 20, PATIENCE_S)
    program.kill()
    program.start()
    program.until_step(40)
    program.rest()
    rested = program.progress()["step"]
    program.kill()
    program.at_rest.unlink()
    begun = len(program.losses())
    program.start()
    assert program.end() == 0, program.said
    losses = program.losses()
    assert losses[begun][0] == rested, "what is saved at rest is all that there is"
    assert dict(losses) == dict(undisturbed)
    assert set(losses) == set(undisturbed), "a step that was done twice had the same loss"
