"""PyTorch under the hook: to the last bit on the cpu; on a GPU, what is held at rest.

Where no Python has PyTorch and we are root on Debian, Debian's is installed: 1 to 3 minutes, once.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.torch_python import NoTorchError, torch_python
from tests.support.training_program import EXAMPLES, ROOT, SUPPORT, TrainingProgram

pytestmark = pytest.mark.timeout(1200)  # the first one installs PyTorch

DIGITS = EXAMPLES / "train_digits_torch.py"
EPOCHS = 3
EPOCH = 45
STEPS = EPOCHS * EPOCH
Losses = list[tuple[int, str]]


@pytest.fixture(scope="module")
def python() -> str:
    try:
        return torch_python()
    except NoTorchError as error:
        pytest.skip(str(error))


def training(place: Path, python: str) -> TrainingProgram:
    return TrainingProgram(place, DIGITS, "--epochs", str(EPOCHS), python=python)


@pytest.fixture(scope="module")
def undisturbed(python: str, tmp_path_factory: pytest.TempPathFactory) -> Losses:
    """Of the example, run by hand."""
    with training(tmp_path_factory.mktemp("undisturbed"), python) as program:
        program.start(FAIRLEAD_JOB_DIR="", CUDA_VISIBLE_DEVICES="")
        assert program.end() == 0, program.said
        assert float(program.said.split("accuracy: ")[1].split("%")[0]) > 80, program.said
        losses = program.losses()
    assert [step for step, _ in losses] == list(range(STEPS))
    return losses


@pytest.fixture
def program(python: str, tmp_path: Path) -> Iterator[TrainingProgram]:
    with training(tmp_path, python) as program:
        yield program


def check(python: str, name: str, place: Path, **environment: str) -> str:
    """One of those in torch_checks.py; what it printed."""
    done = subprocess.run(
        [python, str(SUPPORT / "torch_checks.py"), name, str(place)],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_at_rest_and_frozen(undisturbed: Losses, program: TrainingProgram) -> None:
    at = (0, 20, EPOCH - 1, STEPS - 1)
    program.start(*at, CUDA_VISIBLE_DEVICES="")
    for step in at:
        program.until_held(step)
        program.rest()
        program.signal(signal.SIGSTOP)
        program.signal(signal.SIGCONT)
        program.go_on()
    assert program.end() == 0, program.said
    assert program.losses() == undisturbed


def test_saved_killed_and_started_again(undisturbed: Losses, program: TrainingProgram) -> None:
    """Model, optimizer, scheduler, sampler and dropout's chance: all of them go on."""
    for step in (20, EPOCH - 1):
        program.start(step, CUDA_VISIBLE_DEVICES="")
        program.until_held(step)
        program.save_and_end()
    assert program.losses() == undisturbed[:EPOCH]
    program.start(EPOCH + 9, FAIRLEAD_JOB_CHECKPOINT_S="0.001", CUDA_VISIBLE_DEVICES="")
    program.until_held(EPOCH + 9)
    program.kill()
    program.start(CUDA_VISIBLE_DEVICES="")
    assert program.end() == 0, program.said
    assert "copy 4 goes on after step 54" in program.said
    assert set(program.losses()) == set(undisturbed)


@pytest.mark.parametrize("name", ["loaders", "skipping", "workers", "device"])
def test_beside_pytorch(python: str, name: str, tmp_path: Path) -> None:
    check(python, name, tmp_path, CUDA_VISIBLE_DEVICES="")


@pytest.mark.gpu
def test_a_gpu_is_given_up_at_rest(python: str, tmp_path: Path) -> None:
    asked = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([python, "-c", asked], check=False, capture_output=True).returncode:
        pytest.skip(f"no GPU that the PyTorch of {python} can use")
    sys.stdout.write(check(python, "gpu", tmp_path))
