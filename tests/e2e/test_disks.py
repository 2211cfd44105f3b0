"""Registries and checkpoints that are damaged while tasks run: refused in a line, adopted never.

`unit/common/test_store_damage.py` flips every byte; here a few are shown to whole daemons.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from tests.support.bag import Bag, living
from tests.support.command import until, words
from tests.support.daemons import Daemons, daemons_of
from tests.support.witness import Witness

from fairlead.common.store import Store

AGENT = ("--cpus", "4", "--mem", "1GB", "--disk", "1MB", "--gpus", "none")
CONFIG = 78


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        yield found


def journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def say_another_id(path: Path) -> None:
    """Everywhere, so that SQLite finds nothing wrong."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    path.write_bytes(before.replace(b"a-1-1", b"a-1-2"))
    assert path.read_bytes() != before


def cut(path: Path) -> None:
    file = journal(path)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def lose_the_journal(path: Path) -> None:
    journal(path).unlink()


def empty(path: Path) -> None:
    journal(path).unlink()
    path.write_bytes(b"")


def of_another_program(path: Path) -> None:
    journal(path).unlink()
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")


def of_another_version(path: Path) -> None:
    with Store.open(path, "registry" if path.name == "registry.db" else "checkpoint") as store:
        store.commit([("dream/1", b"")], lambda _error: None)


DAMAGES: dict[Callable[[Path], None], str] = {
    say_another_id: "its records do not match their checksum",
    cut: "commits are missing",
    lose_the_journal: "commits are missing",
    empty: "it is empty",
    of_another_program: "not one of Fairlead's",
    of_another_version: "a record 'dream/1' that cannot be used: its kind is not known",
}


@contextmanager
def damaged(path: Path, damage: Callable[[Path], None]) -> Iterator[None]:
    """So, and then as it was."""
    before = {each: each.read_bytes() for each in path.parent.glob(f"{path.name}*")}
    damage(path)
    try:
        yield
    finally:
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()
        for each, content in before.items():
            each.write_bytes(content)


def test_what_is_damaged_is_refused_and_what_runs_runs_on(daemons: Daemons, tmp_path: Path) -> None:
    witness = Witness(tmp_path / "witness")
    daemons.master()
    daemons.agent("a1", *AGENT)
    bag = Bag("bag", [witness.waits("kept", 5), witness.waits("meanwhile", 6)])
    with living(bag, daemons.home):
        until("its tasks run", lambda: len(bag.running()) == 2)
        pid = witness.began("kept").pid
        daemons.kill("master", "a1")
        witness.release("meanwhile")
        for path, verb in (
            (daemons.home.registry, ("master",)),
            (daemons.home.agent("a1").checkpoint, ("agent", "--name", "a1", *AGENT)),
        ):
            for damage, what in DAMAGES.items():
                with damaged(path, damage):
                    code, said = words(daemons.command, *verb)
                assert code == CONFIG, damage
                assert str(path) in said, damage
                assert what in said, damage
                assert "\nhint: " in said, damage
        assert psutil.pid_exists(pid)
        daemons.again("master", "a1")
        until("the end meanwhile is told", lambda: "meanwhile" in bag.ended())
        assert daemons.tasks()["kept"].latest.pid == pid
        witness.release("kept")
        until("the other has ended", lambda: "kept" in bag.ended())
    assert {name: end.exit_code for name, end in bag.ended().items()} == {"kept": 5, "meanwhile": 6}
    for name in ("kept", "meanwhile"):
        witness.ran_once(name)
