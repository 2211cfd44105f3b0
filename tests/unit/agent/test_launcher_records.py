"""What the launcher writes down about starts and exits, on disks that damage it or have no room."""

import errno
import os
from pathlib import Path

import pytest

from fairlead.agent.launcher.records import RecordFile

EXITS = [
    {"uuid": "a-1", "pid": 4711, "code": 0, "signal": None},
    {"uuid": "b-2", "pid": 4712, "code": None, "signal": 9},
]


@pytest.fixture
def name(tmp_path: Path) -> str:
    """Of a file with two exits."""
    path = str(tmp_path / "exits")
    file = RecordFile(path)
    file.begin(())
    for each in EXITS:
        assert file.append(each)
    os.close(file.descriptor)
    return path


def test_what_was_written_is_read(name: str) -> None:
    assert list(RecordFile(name).load().values()) == EXITS


def test_a_changed_byte_costs_a_record_and_makes_no_other(name: str) -> None:
    whole = Path(name).read_bytes()
    for at in range(len(whole)):
        for flipped in (1, 2, 128):
            damaged = bytearray(whole)
            damaged[at] ^= flipped
            Path(name).write_bytes(damaged)
            found = list(RecordFile(name).load().values())
            assert len(found) < len(EXITS) or at == len(whole) - 1, f"byte {at}"
            assert all(each in EXITS for each in found), f"byte {at}: {found}"


def test_a_line_cut_short_is_skipped_and_the_next_one_counts(name: str) -> None:
    whole = Path(name).read_bytes()
    for length in range(len(whole)):
        Path(name).write_bytes(whole[:length])
        assert all(each in EXITS for each in RecordFile(name).load().values())
    Path(name).write_bytes(whole[:-9])
    file = RecordFile(name)
    file.begin(file.load().values())
    assert file.append(EXITS[1])
    os.close(file.descriptor)
    assert list(RecordFile(name).load().values()) == EXITS


def test_a_full_disk_keeps_what_was_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is appended to, instead of a new one; behind a line that may have no end."""

    def no_room(*_names: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path(name).write_bytes(Path(name).read_bytes()[:-9])
    file = RecordFile(name)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", no_room)
        file.begin(file.load().values())
    assert file.append(EXITS[1])
    assert list(RecordFile(name).load().values()) == EXITS
    file.keep(())
    os.close(file.descriptor)
    assert not RecordFile(name).load()
