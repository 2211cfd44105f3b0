"""A position in a log: a file that may come late, grow, shrink, lose its oldest part, or be
something else altogether.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.agent import log_reader
from fairlead.agent.log_reader import CHUNK_BYTES, LogReader
from fairlead.agent.rotation_files import punch
from fairlead.common.errors import UnavailableError
from fairlead.common.operators import LogChunk

MIB = 1 << 20


@pytest.fixture
def log(tmp_path: Path) -> Path:
    sandbox = tmp_path / "sandboxes" / "f" / "t" / "u"
    sandbox.mkdir(parents=True)
    return sandbox / "stdout"


@pytest.fixture
def reader(log: Path) -> Iterator[LogReader]:
    found = reader_of(log)
    yield found
    found.close()


def reader_of(log: Path, offset: int = 0, tail_lines: int = 0) -> LogReader:
    return LogReader(log.parents[3], "f/t/u", "stdout", offset, tail_lines)


def read_all(reader: LogReader) -> tuple[int, bytes]:
    """Where it began, and all until there was nothing more."""
    chunks = list(iter(reader.next, None))
    reader.close()
    return chunks[0].offset_bytes if chunks else -1, b"".join(chunk.data for chunk in chunks)


def give_back(log: Path, end: int) -> None:
    with log.open("r+b") as file:
        punch(file.fileno(), end)


def test_it_may_come_late_and_grow(log: Path, reader: LogReader) -> None:
    assert reader.next() is None
    assert not reader.is_open
    log.write_bytes(b"one")
    assert reader.next() == LogChunk(b"one", 0)
    assert reader.next() is None
    with log.open("ab") as file:
        file.write(b"two")
    assert reader.next() == LogChunk(b"two", 3)
    assert reader.next() is None


def test_a_log_that_is_cut_short_is_read_from_its_new_beginning(
    log: Path, reader: LogReader
) -> None:
    log.write_bytes(b"the first version")
    assert reader.next() == LogChunk(b"the first version", 0)
    assert reader.next() is None
    log.write_bytes(b"new")
    assert reader.next() == LogChunk(b"new", 0)
    log.write_bytes(b"")
    assert reader.next() is None
    log.write_bytes(b"newer")
    assert reader.next() == LogChunk(b"newer", 0)


def test_a_round_ends_where_the_log_ended_when_it_began(log: Path, reader: LogReader) -> None:
    """Whoever reads slower than the task writes comes to an end all the same."""
    log.write_bytes(b"x" * CHUNK_BYTES * 2)
    for _ in range(2):
        assert reader.next() is not None
        with log.open("ab") as file:
            file.write(b"y" * CHUNK_BYTES)
    assert reader.next() is None
    assert reader.next() == LogChunk(b"y" * CHUNK_BYTES, 2 * CHUNK_BYTES)


@pytest.mark.parametrize(("offset", "expected"), [(2, b"cd"), (-1, b"d"), (-9, b"abcd"), (9, b"")])
def test_from_wherever_is_asked(log: Path, offset: int, expected: bytes) -> None:
    log.write_bytes(b"abcd")
    assert read_all(reader_of(log, offset))[1] == expected


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        (b"", 3, b""),
        (b"a\nb\nc\n", 1, b"c\n"),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc\n", 3, b"a\nb\nc\n"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"a\nb\nc", 2, b"b\nc"),
        (b"\n\n\n", 2, b"\n\n"),
        (b"one line only", 1, b"one line only"),
        (b"long " * 50_000 + b"\nlast\n", 1, b"last\n"),
        (b"first\n" + b"long " * 50_000 + b"\nlast\n", 2, b"long " * 50_000 + b"\nlast\n"),
    ],
)
def test_the_last_lines(log: Path, content: bytes, lines: int, expected: bytes) -> None:
    log.write_bytes(content)
    assert read_all(reader_of(log, tail_lines=lines))[1] == expected


def test_the_last_lines_are_no_more_however_fast_the_log_grows(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(b"1\n2\n3\n")
    find = log_reader._start_of_lines

    def find_while_it_grows(descriptor: int, size: int, lines: int) -> int:
        with log.open("ab") as file:
            file.write(b"4\n5\n")
        return find(descriptor, size, lines)

    monkeypatch.setattr(log_reader, "_start_of_lines", find_while_it_grows)
    assert read_all(reader_of(log, tail_lines=2)) == (2, b"2\n3\n")


def test_what_was_given_back_is_passed_over(log: Path, reader: LogReader) -> None:
    content = os.urandom(4 * MIB)
    log.write_bytes(content)
    assert reader.next() == LogChunk(content[:CHUNK_BYTES], 0)
    give_back(log, MIB)
    assert reader.next() == LogChunk(content[MIB : MIB + CHUNK_BYTES], MIB)
    give_back(log, 3 * MIB)
    assert read_all(reader) == (3 * MIB, content[3 * MIB :])
    assert read_all(reader_of(log, 5)) == (3 * MIB, content[3 * MIB :])
    assert read_all(reader_of(log, -9)) == (4 * MIB - 9, content[-9:])


def test_lines_are_counted_up_to_what_was_given_back(log: Path) -> None:
    log.write_bytes(b"x\n" * MIB)
    give_back(log, MIB)
    assert read_all(reader_of(log, tail_lines=3)) == (2 * MIB - 6, b"x\n" * 3)
    assert read_all(reader_of(log, tail_lines=2 * MIB)) == (MIB, b"x\n" * (MIB // 2))


def test_nothing_but_a_hole(log: Path, reader: LogReader) -> None:
    log.touch()
    os.truncate(log, 1 << 40)
    assert reader.next() is None
    with log.open("ab") as file:
        file.write(b"end")
    chunk = reader.next()
    assert chunk is not None
    assert chunk.data.endswith(b"end")


def test_only_plain_files_are_served(log: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    log.symlink_to(tmp_path / "secret")
    with pytest.raises(UnavailableError, match="not a plain file"):
        reader_of(log).next()
    log.unlink()
    log.hardlink_to(tmp_path / "secret")
    with pytest.raises(UnavailableError, match="another name"):
        reader_of(log).next()
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(UnavailableError, match="not a plain file"):
        reader_of(log).next()
    log.unlink()
    log.mkdir()
    with pytest.raises(UnavailableError, match="not a plain file"):
        reader_of(log).next()


def test_a_sandbox_that_became_a_link_leads_nowhere(log: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "stdout").write_text("secret")
    log.parent.rmdir()
    log.parent.symlink_to(outside)
    with pytest.raises(UnavailableError, match="Not a directory"):
        reader_of(log).next()
