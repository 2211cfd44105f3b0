"""Giving back the oldest part of real files, on the file system under the tests."""

import asyncio
import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.agent import rotation_files as module
from fairlead.agent.rotation import FOLLOWED
from fairlead.agent.rotation_files import Rotation, punch, weaknesses_of

MIB = 1 << 20
LIMIT = MIB


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "NEW_S", 0.0)
    sandbox = tmp_path / "f" / "t" / "u"
    sandbox.mkdir(parents=True)
    return sandbox / "stdout"


def used(path: Path) -> int:
    return path.stat().st_blocks * 512


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - files do not tell
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited 30 s in vain: {what}") from None


def rotate(rotation: Rotation, log: Path, ended: tuple[str, ...] = ()) -> None:
    async def run() -> None:
        task = asyncio.create_task(rotation.run(ended))
        try:
            await until(lambda: used(log) <= LIMIT * 5 // 4, f"{log} of {used(log)} bytes is cut")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def unread(_key: str, _stream: str) -> int | None:
    return None


def no_punch(descriptor: int, mode: int, offset: int, length: int) -> int:
    ctypes.set_errno(errno.EOPNOTSUPP)
    return -1


def test_the_end_stays_and_so_do_offsets(log: Path) -> None:
    content = os.urandom(8 * MIB)
    log.write_bytes(content)
    rotate(Rotation(log.parents[3], LIMIT, lambda: {"f/t/u"}, unread), log)
    assert log.stat().st_size == 8 * MIB
    with log.open("rb") as file:
        file.seek(7 * MIB)
        assert file.read() == content[7 * MIB :]


def test_a_log_that_grew_while_nobody_looked_is_cut_although_its_task_has_ended(log: Path) -> None:
    log.write_bytes(b"x" * 8 * MIB)
    rotate(Rotation(log.parents[3], LIMIT, lambda: (), unread), log, ended=("f/t/u",))


def test_a_log_is_new_for_a_while_even_if_its_task_has_ended(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever started the task may be about to read all of it."""
    monkeypatch.setattr(module, "NEW_S", 3600.0)
    log.write_bytes(b"x" * 8 * MIB)
    log.with_name("stderr").write_bytes(b"x" * 40 * MIB)

    async def run() -> None:
        rotation = asyncio.create_task(
            Rotation(log.parents[3], LIMIT, lambda: (), unread).run(("f/t/u",))
        )
        stderr = log.with_name("stderr")
        await until(lambda: used(stderr) == FOLLOWED * LIMIT, "stderr is cut to what may be kept")
        rotation.cancel()
        await asyncio.gather(rotation, return_exceptions=True)

    asyncio.run(run())
    assert used(log) == 8 * MIB


def test_without_holes_the_log_is_begun_anew(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weaknesses_of(log.parent) == ()
    monkeypatch.setattr(module, "_fallocate", lambda: no_punch)
    (weakness,) = weaknesses_of(log.parent)
    assert "begun anew" in weakness
    log.write_bytes(b"x" * 8 * MIB)
    rotate(Rotation(log.parents[3], LIMIT, lambda: {"f/t/u"}, unread), log)
    assert log.stat().st_size == 0


def test_what_lies_outside_is_never_touched(log: Path, tmp_path: Path) -> None:
    """A task whose log became a link, or another name of a file, gains nothing by it."""
    for number, make in enumerate((Path.symlink_to, Path.hardlink_to)):
        outside = tmp_path / f"outside{number}"
        outside.write_bytes(b"x" * 4 * MIB)
        log.unlink(missing_ok=True)
        make(log, outside)
        other = log.with_name("stderr")
        other.write_bytes(b"x" * 4 * MIB)
        rotate(Rotation(log.parents[3], LIMIT, lambda: {"f/t/u"}, unread), other)
        assert used(outside) == 4 * MIB


def test_a_hole_needs_a_file_that_may_be_written(log: Path) -> None:
    log.write_bytes(b"x")
    with log.open("rb") as file, pytest.raises(OSError, match="Bad file descriptor"):
        punch(file.fileno(), 1)
