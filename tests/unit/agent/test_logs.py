"""Reading a log: a file that may come late, grow, shrink, or be something else altogether."""

import asyncio
from pathlib import Path

import pytest

from fairlead.agent.logs import LogReader, Logs
from fairlead.common.errors import NotFoundError, UnavailableError
from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.operators import LogChunk, LogQuery


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandboxes" / "f" / "t" / "u"
    path.mkdir(parents=True)
    return path


def reader_of(sandbox: Path, offset: int = 0) -> LogReader:
    return LogReader(sandbox.parents[2], sandbox / "stdout", offset)


def test_it_may_come_late_and_grow(sandbox: Path) -> None:
    reader = reader_of(sandbox)
    assert reader.next() is None
    log = sandbox / "stdout"
    log.write_bytes(b"one")
    assert reader.next() == LogChunk(b"one", 0)
    assert reader.next() is None
    with log.open("ab") as file:
        file.write(b"two")
    assert reader.next() == LogChunk(b"two", 3)
    log.write_bytes(b"")
    assert reader.next() is None
    log.write_bytes(b"new")
    assert reader.next() == LogChunk(b"new", 0)
    reader.close()


@pytest.mark.parametrize(("offset", "expected"), [(2, b"cd"), (-1, b"d"), (-9, b"abcd"), (9, b"")])
def test_from_wherever_is_asked(sandbox: Path, offset: int, expected: bytes) -> None:
    (sandbox / "stdout").write_bytes(b"abcd")
    reader = reader_of(sandbox, offset)
    chunk = reader.next()
    assert (chunk.data if chunk else b"") == expected
    reader.close()


def test_only_plain_files_are_served(sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (sandbox / "stdout").symlink_to(tmp_path / "secret")
    with pytest.raises(UnavailableError):
        reader_of(sandbox).next()
    (sandbox / "stdout").unlink()
    (sandbox / "stdout").mkdir()
    with pytest.raises(UnavailableError, match="not a plain file"):
        reader_of(sandbox).next()


def test_a_sandbox_that_became_a_link_leads_nowhere(sandbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stdout").write_text("secret")
    sandbox.rmdir()
    sandbox.symlink_to(outside)
    with pytest.raises(UnavailableError, match="lies outside"):
        reader_of(sandbox).next()


def test_an_unknown_task(tmp_path: Path) -> None:
    async def ask() -> None:
        logs = Logs(tmp_path, lambda *_: None)
        with pytest.raises(NotFoundError):
            await anext(logs.read(LogQuery(FrameworkId("f"), TaskId("t"))))

    asyncio.run(ask())
