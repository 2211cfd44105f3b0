"""A job's files as its program keeps them: what is damaged, full, or a newer copy's."""

import errno
import json
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from tests.support.command import until
from tests.support.copies import Copies, copies_in

from fairlead.frameworks.training import steps
from fairlead.frameworks.training.checkpoints import Checkpoints
from fairlead.frameworks.training.devices import Devices
from fairlead.frameworks.training.hook import Steps
from fairlead.frameworks.training.job_files import JobFiles, SupersededError

TOTAL = 20
EVERY_STEP = 1e-9


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    with copies_in(tmp_path / "job") as found:
        yield found


def new_steps(every_s: float = 1000.0) -> Steps[int]:
    return steps(range(TOTAL), state={"weights": np.zeros(1000)}, checkpoint_every_s=every_s)


def train(copies: Copies, count: int) -> None:
    copies.begin()
    assert copies.ended_after(count, new_steps(), lambda _: None)


def rest_of(copies: Copies) -> list[int]:
    """Of the batches, as the next copy gets them."""
    copies.begin()
    return list(new_steps())


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def put_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[Callable[[Path], object]] = [
    flip_a_bit,
    lambda path: os.truncate(path, 100),
    lambda path: os.truncate(path, path.stat().st_size - 1),
    lambda path: path.write_bytes(b""),
    put_a_directory,
]


def test_the_last_two_are_kept(copies: Copies) -> None:
    train(copies, 4)
    train(copies, 4)
    assert {path.name for path in copies.checkpoints()} == {"checkpoint-1-4", "checkpoint-2-8"}
    assert rest_of(copies) == list(range(8, TOTAL))


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_that_cannot_be_read_costs_what_came_after_the_one_before(
    copies: Copies, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    train(copies, 4)
    train(copies, 4)
    damage(copies.checkpoints()[-1])
    copies.begin()
    training = iter(new_steps())
    assert next(training) == 4
    said = capsys.readouterr().err
    assert "fairlead: checkpoint-2-8 cannot be read (" in said
    assert "copy 3 goes on after step 4" in said
    told = json.loads((copies.directory / "progress.json").read_text())
    assert told["trouble"].startswith("checkpoint-2-8 cannot be read")
    training.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", [*DAMAGES[:2], Path.unlink])
def test_nothing_to_go_on_from_is_no_reason_to_begin_anew(
    copies: Copies, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    train(copies, 4)
    train(copies, 4)
    for path in copies.checkpoints():
        damage(path)
    copies.begin()
    with pytest.raises(SystemExit) as end:
        list(new_steps())
    assert end.value.code == 65
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("fairlead: cannot go on: ")
    assert f"{copies.directory}; submit the job again to train from the start" in last


def test_a_checkpoint_of_an_unknown_class_says_which(
    copies: Copies, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "Gone", type("Gone", (), {"__module__": __name__}))
    copies.begin()
    for _ in steps(range(3), state={"it": globals()["Gone"]()}):
        pass
    monkeypatch.delitem(globals(), "Gone")
    copies.begin()
    with pytest.raises(SystemExit):
        list(new_steps())
    assert "Gone" in capsys.readouterr().err


def test_an_older_copy_ends_before_it_writes_anything(
    copies: Copies, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.begin()
    older = iter(new_steps(EVERY_STEP))
    assert [next(older) for _ in range(4)] == [0, 1, 2, 3]
    copies.begin()
    newer = iter(new_steps(EVERY_STEP))
    assert next(newer) == 3, "three steps were saved"
    before = {path: path.read_bytes() for path in copies.directory.iterdir()}
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(SystemExit) as end:
        next(older)
    assert end.value.code == 76
    assert "copy 1 of this job ends: copy 2 has begun" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in copies.directory.iterdir()} == before
    with pytest.raises(SupersededError):
        JobFiles(copies.directory, 1).claim()
    newer.close()  # type: ignore[attr-defined]


def test_what_an_older_copy_writes_all_the_same_is_not_preferred(tmp_path: Path) -> None:
    """It may have looked just before the newer one began."""
    older = JobFiles(tmp_path, 1)
    older.claim()
    newer = JobFiles(tmp_path, 2)
    newer.claim()
    Checkpoints(newer).save(5, {"by": 2})
    stray = JobFiles(tmp_path, 1)
    stray.check = lambda: None  # type: ignore[method-assign]
    Checkpoints(stray).save(50, {"by": 1})
    assert Checkpoints(newer).load(pytest.fail) == {"by": 2}
    with pytest.raises(SupersededError):
        Checkpoints(older).save(6, {})
    assert not list(tmp_path.glob("draft-*"))


def test_drafts_of_a_killed_copy_are_removed(tmp_path: Path) -> None:
    (tmp_path / "draft-checkpoint-1-7-1").write_bytes(b"half")
    JobFiles(tmp_path, 2).claim()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_number_is_taken_by_whoever_is_given_none(tmp_path: Path) -> None:
    for run in (1, 2):
        files = JobFiles(tmp_path)
        files.claim()
        assert files.run == run


def ended_at_rest(copies: Copies, act: Callable[[Path], object]) -> object:
    """The code with which a program ended that was brought to rest; `act` is done to the file that
    it makes then.
    """
    copies.begin()
    at_rest = copies.directory / "at-rest"

    def bring_to_rest() -> None:
        until("its steps have begun", (copies.directory / "progress.json").exists)
        os.kill(os.getpid(), signal.SIGUSR1)
        until("it is at rest", at_rest.exists)
        act(at_rest)

    agent = Thread(target=bring_to_rest)
    agent.start()
    with pytest.raises(SystemExit) as end:
        deque(steps(count(), total=10**9, checkpoint_every_s=1000.0), maxlen=0)
    agent.join()
    return end.value.code


def test_who_is_ended_at_rest_has_saved(copies: Copies) -> None:
    assert ended_at_rest(copies, lambda _: os.kill(os.getpid(), signal.SIGTERM)) == 75
    assert len(copies.checkpoints()) == 1


def test_a_device_that_has_no_room_any_more_is_left_to_another_copy(
    copies: Copies, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: Devices) -> None:
        raise RuntimeError("CUDA out of memory.\nTried much")

    monkeypatch.setattr(Devices, "come_back", no_room)
    assert ended_at_rest(copies, Path.unlink) == 75
    assert "cannot be had back: CUDA out of memory. Tried much\n" in capsys.readouterr().err
    assert len(copies.checkpoints()) == 1


def test_a_full_disk_stops_no_training(
    copies: Copies, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, training goes on, and saving is tried again."""
    copies.begin()
    training = iter(new_steps(EVERY_STEP))
    assert [next(training) for _ in range(4)] == [0, 1, 2, 3]
    with monkeypatch.context() as full:
        full.setattr(pickle, "dump", out_of_space)
        assert [next(training) for _ in range(4)] == [4, 5, 6, 7]
        told = json.loads((copies.directory / "progress.json").read_text())
    assert told["trouble"].startswith("cannot save: No space left on device")
    assert told["checkpoint_step"] == 3
    assert capsys.readouterr().err.count("cannot save: No space left on device") == 1
    assert not list(copies.directory.glob("draft-*"))
    assert next(training) == 8
    assert copies.checkpoints()[-1].name == "checkpoint-1-8"
    training.close()  # type: ignore[attr-defined]


def out_of_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_directory_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job").write_text("a file")
    with copies_in(tmp_path / "job") as copies:
        copies.begin()
        with pytest.raises(SystemExit) as end:
            list(new_steps())
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("fairlead: cannot go on without the job's directory: ")
    assert len(said.splitlines()) == 1
