"""Whatever becomes of a store's files: what it held comes back as it was, or it is refused."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.agent_harness import AgentHarness

from fairlead.agent.checkpoint import KINDS
from fairlead.common import records
from fairlead.common.errors import RegistryError
from fairlead.common.events import Record
from fairlead.common.store import Store

KILLED = """
import os, signal, sys
from fairlead.common.store import Store
store = Store.open(sys.argv[1], "checkpoint", "NORMAL")
def done(error):
    assert error is None
for number in range(4):
    store.commit([(f"task/f/t{number}/u", b"held by t%d" % number)], done)
    store.load()
os.kill(os.getpid(), signal.SIGKILL)
"""


class Kept:
    """A store's files as they lay on disk, put there again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = {each.name: each.read_bytes() for each in path.parent.iterdir()}
        self.rows = self.load()
        self.put()
        with Store.open(path, "checkpoint") as store:
            self.cluster_id = store.cluster_id

    def put(self, name: str = "", content: bytes | None = b"") -> None:
        """All as it was; that file in this state instead, or not at all."""
        for each in self.path.parent.iterdir():
            each.unlink()
        for file, was in self.files.items():
            now = content if file == name else was
            if now is not None:
                (self.path.parent / file).write_bytes(now)

    def load(self) -> dict[str, bytes]:
        with Store.open(self.path, "checkpoint", "NORMAL") as store:
            return store.load()

    def is_refused(self, why: str = "") -> str:
        """What is said; empty: all is there as it was."""
        refusal = self._try(why)
        if refusal is None:
            return ""
        assert "\n" not in refusal.message, why
        assert str(self.path) in refusal.message, why
        assert refusal.hint, why
        return refusal.message

    def _try(self, why: str) -> RegistryError | None:
        try:
            with Store.open(self.path, "checkpoint", "NORMAL") as store:
                assert store.load() == self.rows, why
                assert store.cluster_id == self.cluster_id, why
                assert store.begin_epoch() == 1, why
        except RegistryError as error:
            return error
        return None


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory where there is such a place: nothing here is about the disk's own speed."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as path:
        yield Path(path)


@pytest.fixture
def closed(place: Path) -> Kept:
    """What an agent with a task that runs and one that has ended keeps, after an orderly end."""
    h = AgentHarness().crash().registered().launch("t1", "t2").kill("t1").away(1, 10)
    h.exits("t2")
    changes = [records.encode(Record(key, value)) for key, value in h.records.items()]
    path = place / "closed" / "checkpoint.db"
    path.parent.mkdir()
    with Store.open(path, "checkpoint", "NORMAL") as store:
        store.commit(changes, lambda _error: None)
        store.load()
    kept = Kept(path)
    assert records.decode(kept.rows, KINDS, "x") == h.records
    return kept


@pytest.fixture
def killed(place: Path) -> Kept:
    """Four commits that are in the journal only, since their writer was killed."""
    path = place / "killed" / "checkpoint.db"
    path.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    kept = Kept(path)
    assert len(kept.rows) == 4
    return kept


def worth_flipping(content: bytes) -> Iterator[int]:
    """Every byte that says something, and of the free space in between one in 64."""
    for offset, byte in enumerate(content):
        if byte or offset % 64 == 0:
            yield offset


def flips(kept: Kept, name: str, mask: int) -> list[int]:
    """Where a flip was noticed; none may bring anything but what was written."""
    content = kept.files[name]
    noticed = []
    for offset in worth_flipping(content):
        damaged = bytearray(content)
        damaged[offset] ^= mask
        kept.put(name, bytes(damaged))
        if kept.is_refused(f"byte {offset} of {name} ^ {mask:#x}"):
            noticed.append(offset)
    return noticed


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_no_byte_flipped_brings_anything_but_what_was_written(closed: Kept, mask: int) -> None:
    assert len(flips(closed, "checkpoint.db", mask)) > 500


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_nor_does_any_of_the_journal(killed: Kept, mask: int) -> None:
    assert len(flips(killed, "checkpoint.db-wal", mask)) > 500


def test_nothing_cut_off_brings_anything_but_what_was_written(closed: Kept, killed: Kept) -> None:
    for kept in (closed, killed):
        for name, content in kept.files.items():
            for size in range(0, len(content), 509):
                kept.put(name, content[:size])
                said = kept.is_refused()
                if name == "checkpoint.db" and not size:
                    assert "it is empty" in said


def test_a_journal_that_is_gone_is_missed(killed: Kept) -> None:
    killed.put("checkpoint.db-wal", None)
    assert "its last 4 commits are missing" in killed.is_refused()


def test_a_file_put_away_is_begun_anew(killed: Kept) -> None:
    killed.put("checkpoint.db-wal", None)
    killed.path.unlink()
    with Store.open(killed.path, "checkpoint") as store:
        assert store.load() == {}
        assert store.cluster_id != killed.cluster_id


def test_nor_is_it_damaged_because_its_new_beginning_was_cut_short(
    killed: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path, *_: object) -> None:
        path.touch()
        raise RegistryError("the disk is full")

    killed.put("checkpoint.db-wal", None)
    killed.path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("fairlead.common.store.Table", die)
        with pytest.raises(RegistryError, match="is full"):
            Store.open(killed.path, "checkpoint")
    with Store.open(killed.path, "checkpoint") as store:
        assert store.load() == {}


def test_an_older_copy_is_taken_only_on_purpose(closed: Kept) -> None:
    with Store.open(closed.path, "checkpoint") as store:
        store.commit([("a", b"")], lambda _error: None)
    closed.path.write_bytes(closed.files["checkpoint.db"])
    with pytest.raises(RegistryError, match="its last 1 commits are missing") as caught:
        Store.open(closed.path, "checkpoint")
    lock = caught.value.hint.rpartition("rm ")[2]
    Path(lock).unlink()
    with Store.open(closed.path, "checkpoint") as store:
        assert store.load() == closed.rows


def test_after_a_power_failure_the_newest_state_on_disk_counts(
    killed: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.common.clock.boot_id", lambda: "another boot")
    killed.put("checkpoint.db-wal", None)
    assert killed.load() == {}


def test_a_disk_that_is_full_takes_no_start(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    script = """
import resource, sys
from fairlead.common.errors import RegistryError
from fairlead.common.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Store.open(sys.argv[1], "registry")
except RegistryError as error:
    print(error, "|", error.hint)
"""
    path = tmp_path / "registry.db"
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith(f"{path} cannot"), done
    Store.open(path, "registry").close()


def test_the_lock_of_another_file_says_nothing(closed: Kept, tmp_path: Path) -> None:
    """Or one that was overwritten: what cannot be understood is not believed."""
    Store.open(tmp_path / "other.db", "registry").close()
    other = (tmp_path / "other.db.lock").read_bytes()
    for content in (other, b"x" * 9000, b"", b"\xff" * 40):
        closed.put("checkpoint.db.lock", content)
        assert not closed.is_refused()
