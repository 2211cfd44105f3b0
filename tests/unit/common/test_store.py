"""A store keeps what it said it kept, and says in one line why it cannot."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from fairlead.common.disk_errors import explain
from fairlead.common.errors import RegistryError, StaleEpochError
from fairlead.common.store import Store
from fairlead.common.table import Change

DEADLINE_S = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


def submit(store: Store, changes: Sequence[Change]) -> Future[None]:
    answer: Future[None] = Future()

    def on_done(error: BaseException | None) -> None:
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)

    store.commit(changes, on_done)
    return answer


def commit(store: Store, *changes: Change) -> None:
    submit(store, changes).result(DEADLINE_S)


def meddle(path: Path, statement: str) -> None:
    """Change the file as another program would."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.execute(statement)
    finally:
        connection.close()


# --- keeping


def test_what_was_committed_is_there_again(path: Path) -> None:
    with Store.open(path, "registry") as store:
        assert store.load() == {}
        commit(store, ("b", b"1"), ("a", b""))
        commit(store, ("b", b"2"), ("gone", b"x"))
        commit(store, ("gone", None), ("never-was", None))
        assert store.load() == {"a": b"", "b": b"2"}
    with Store.open(path, "registry") as store:
        assert store.load() == {"a": b"", "b": b"2"}


def test_close_writes_what_waits_and_answers_each_in_order(path: Path) -> None:
    answered: list[int] = []
    store = Store.open(path, "checkpoint", "NORMAL")
    for number in range(200):
        store.commit([(f"k{number}", b"v")], lambda _, number=number: answered.append(number))  # type: ignore[misc]
    store.close()
    store.close()
    assert answered == list(range(200))
    with Store.open(path, "checkpoint") as store:
        assert len(store.load()) == 200


def test_commits_that_wait_share_a_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(path, "registry") as store:
        groups: list[int] = []
        write = store._table.write
        started, release = threading.Event(), threading.Event()

        def counted(changes: Sequence[Change]) -> None:
            changes = list(changes)
            groups.append(len(changes))
            if len(groups) == 1:
                started.set()
                assert release.wait(DEADLINE_S), "nobody released the first transaction"
            write(changes)

        monkeypatch.setattr(store._table, "write", counted)
        answers = [submit(store, [("first", b"")])]
        assert started.wait(DEADLINE_S), "the writer did not start"
        answers += [submit(store, [(str(number), b"")]) for number in range(50)]
        release.set()
        for answer in answers:
            answer.result(DEADLINE_S)
        assert groups == [1, 50]


def test_a_callback_that_raises_keeps_no_other_from_its_answer(path: Path) -> None:
    def broken(_: BaseException | None) -> None:
        raise ValueError("broken callback")

    with Store.open(path, "registry") as store:
        store.commit([("a", b"")], broken)
        commit(store, ("b", b""))
        assert set(store.load()) == {"a", "b"}


def test_a_process_killed_keeps_what_it_was_told_is_durable(path: Path) -> None:
    script = """
import sys
from fairlead.common.store import Store
store = Store.open(sys.argv[1], "registry")
for number in range(1000):
    store.commit([(f"{number:04}", b"v")], lambda _, n=number: print(n, flush=True))
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        promised = int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()
    with Store.open(path, "registry") as store:
        kept = list(store.load())
    assert len(kept) > promised
    assert kept == [f"{number:04}" for number in range(len(kept))], "a later one without an earlier"


def test_the_files_are_private(path: Path) -> None:
    path.touch(mode=0o644)
    with Store.open(path, "registry") as store:
        commit(store, ("a", b""))
        modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert len(list(path.parent.iterdir())) >= 3  # the database, its journal, the lock
    assert modes == {0o600}


def test_a_closed_store_refuses(path: Path) -> None:
    store = Store.open(path, "registry")
    store.close()
    with pytest.raises(RegistryError, match="is closed"):
        commit(store, ("a", b""))
    with pytest.raises(RegistryError, match="is closed"):
        store.load()


# --- who may write


def test_the_cluster_id_is_made_once(path: Path, tmp_path: Path) -> None:
    with Store.open(path, "registry") as store:
        cluster_id = store.cluster_id
    with Store.open(path, "registry") as store:
        assert store.cluster_id == cluster_id
    with Store.open(tmp_path / "other.db", "registry") as store:
        assert store.cluster_id != cluster_id


def test_each_reign_has_a_higher_epoch(path: Path) -> None:
    with Store.open(path, "registry") as store:
        assert store.begin_epoch() == 1
    with Store.open(path, "registry") as store:
        assert store.begin_epoch() == 2
        commit(store, ("a", b""))


def test_after_another_reign_began_every_commit_fails_and_nothing_is_written(path: Path) -> None:
    with Store.open(path, "registry") as store:
        store.begin_epoch()
        meddle(path, "UPDATE about SET value = '7' WHERE name = 'epoch'")
        with pytest.raises(StaleEpochError, match="is at epoch 7, mine is 1: another master leads"):
            commit(store, ("a", b""))
        meddle(path, "UPDATE about SET value = '1' WHERE name = 'epoch'")
        with pytest.raises(StaleEpochError):  # once failed, always failed
            commit(store, ("b", b""))
        assert store.load() == {}


def test_a_second_opener_is_told_who_the_first_is(path: Path) -> None:
    with Store.open(path, "registry"):
        with pytest.raises(RegistryError, match=f"in use by process {os.getpid()}$") as caught:
            Store.open(path, "registry")
        assert "stop that process first" in caught.value.hint
    Store.open(path, "registry").close()


# --- files that cannot be used


def test_a_newer_file_is_refused(path: Path) -> None:
    Store.open(path, "registry").close()
    meddle(path, "UPDATE about SET value = '3' WHERE name = 'version'")
    with pytest.raises(RegistryError, match="written by a newer Fairlead") as caught:
        Store.open(path, "registry")
    assert "start the newer version" in caught.value.hint


def test_an_older_file_is_refused(path: Path) -> None:
    Store.open(path, "registry").close()
    meddle(path, "UPDATE about SET value = '1' WHERE name = 'version'")
    with pytest.raises(RegistryError, match="written by an older Fairlead") as caught:
        Store.open(path, "registry")
    assert "start the older version" in caught.value.hint


def test_a_file_of_the_other_kind_is_refused(path: Path) -> None:
    Store.open(path, "registry").close()
    with pytest.raises(RegistryError, match="is a registry, not a checkpoint"):
        Store.open(path, "checkpoint")


def test_an_incomplete_description_is_refused(path: Path) -> None:
    Store.open(path, "registry").close()
    meddle(path, "DELETE FROM about WHERE name = 'cluster_id'")
    with pytest.raises(RegistryError, match="its description is incomplete"):
        Store.open(path, "registry")


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    meddle(path, "CREATE TABLE theirs (x)")
    with pytest.raises(RegistryError, match="not one of Fairlead's"):
        Store.open(path, "registry")


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("dear diary " * 100)
    with pytest.raises(RegistryError, match="is damaged: file is not a database"):
        Store.open(path, "registry")
    assert path.read_text() == "dear diary " * 100


def test_a_damaged_file_is_refused(path: Path) -> None:
    with Store.open(path, "registry") as store:
        commit(store, *((f"k{number}", b"v" * 1000) for number in range(100)))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 8192)
    with pytest.raises(RegistryError, match="is damaged"):
        Store.open(path, "registry")


def test_a_refused_file_is_not_kept_locked(path: Path) -> None:
    Store.open(path, "registry").close()
    for _ in range(2):
        with pytest.raises(RegistryError, match="not a checkpoint"):
            Store.open(path, "checkpoint")


def test_a_missing_directory_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"cannot open .*: No such file or directory"):
        Store.open(tmp_path / "absent" / "registry.db", "registry")


def test_a_directory_in_its_place_is_one_clear_line(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RegistryError, match=r"cannot open .* for writing: Is a directory"):
        Store.open(path, "registry")


def test_another_program_that_holds_the_file_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.common.table._BUSY_TIMEOUT_S", 0.01)
    with Store.open(path, "registry") as store:
        other = sqlite3.connect(path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(RegistryError, match="held by another program"):
                commit(store, ("a", b""))
        finally:
            other.close()


def test_a_disk_that_takes_no_more_fails_that_commit_and_keeps_the_earlier(path: Path) -> None:
    # A limit on the size of files stands for the disk; Python turns its signal into an error.
    script = """
import resource, sys, threading
from fairlead.common.store import Store
store = Store.open(sys.argv[1], "registry")
resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))
failed = threading.Event()
def on_done(error):
    if error is not None:
        print(type(error).__name__, error)
        failed.set()
    else:
        print("durable")
store.commit([("a", b"x" * 1000)], lambda error: None)
store.load()
store.commit([("b", b"x" * 1000_000)], on_done)
store.commit([("c", b"x")], on_done)
store.close()
"""
    result = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=True
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"RegistryError {path} cannot") for line in lines), lines
    with Store.open(path, "registry") as store:
        assert list(store.load()) == ["a"]


def test_a_reign_that_could_not_begin_leaves_a_whole_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(path, "registry") as store:
        with monkeypatch.context() as patch:
            patch.setattr("fairlead.common.table._seal", fail)
            with pytest.raises(RegistryError, match="no room"):
                store.begin_epoch()
        with pytest.raises(RegistryError, match="no room"):
            commit(store, ("a", b"1"))
    with Store.open(path, "registry") as store:
        assert store.load() == {}


# --- errors that only the disk can make


def fail(*_: object) -> None:
    raise sqlite3.OperationalError("no room")


def raised_by(connection: sqlite3.Connection, statement: str) -> sqlite3.Error:
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement)
    connection.close()
    return caught.value


def test_a_full_disk_is_explained() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count = 2")
    connection.execute("CREATE TABLE t (x)")
    error = explain(Path("/r.db"), raised_by(connection, "INSERT INTO t VALUES (zeroblob(99999))"))
    assert error.message == "/r.db cannot grow: the disk is full"
    assert error.hint == "make room, then start again"


def test_a_read_only_file_is_explained(path: Path) -> None:
    Store.open(path, "registry").close()
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    error = explain(path, raised_by(connection, "DELETE FROM records"))
    assert "cannot be written: attempt to write a readonly database" in error.message


def test_any_other_error_keeps_its_words() -> None:
    error = explain(Path("/r.db"), sqlite3.OperationalError("odd"))
    assert error.message == "/r.db failed: odd"


def test_a_file_of_somebody_else_is_one_clear_line(path: Path) -> None:
    script = """
import os, sys
from fairlead.common.errors import RegistryError
from fairlead.common.store import Store
if os.geteuid() == 0:  # whom no mode keeps out
    os.seteuid(65534)
try:
    Store.open(sys.argv[1], "registry")
except RegistryError as error:
    print(error)
"""
    path.parent.chmod(0o500)
    try:
        result = subprocess.run(
            [sys.executable, "-c", script, path],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        path.parent.chmod(0o700)
    assert result.stdout.startswith(f"cannot open {path}: Permission denied")


# --- whom it may keep waiting


def test_nobody_waits_for_it_on_an_event_loop(path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(AssertionError, match="waited for on an event loop"):
            Store.open(path, "registry")
        store = await asyncio.to_thread(Store.open, path, "registry")
        with pytest.raises(AssertionError, match="waited for on an event loop"):
            store.load()
        await asyncio.to_thread(store.close)

    asyncio.run(scenario())
