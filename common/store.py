"""A small durable table, key → bytes: the master's registry and each agent's checkpoint.

One thread owns the SQLite file; commits that wait are grouped into one transaction. What the keys
and bytes mean is their owner's business. After one failure nothing more is written: the owner
stops, and starts again from what is on disk.
"""

import asyncio
import fcntl
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from .dataclass import dataclass
from .errors import RegistryError
from .mark import HOLDER_BYTES, Mark
from .table import Change, Kind, Synchronous, Table

OnDone = Callable[[BaseException | None], None]
T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Commit:
    changes: Sequence[Change]
    on_done: OnDone


# A callable is a question that somebody waits for; None ends the thread.
_Job = _Commit | Callable[[], None] | None


class Store:
    """A durable table with one writer: load once, then commit changes."""

    def __init__(self, path: Path, lock: int, mark: Mark, table: Table) -> None:
        self._path = path
        self._lock = lock
        self._mark = mark
        self._table = table
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"store {path.name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], kind: Kind, synchronous: Synchronous = "FULL"
    ) -> "Store":
        """Open the file, made now if it is not there; RegistryError says why it cannot be."""
        _assert_beside_the_loop()
        path = Path(path)
        lock = _lock(path)
        try:
            mark = Mark(path, lock)
            mark.check_not_empty()
            table = Table(path, kind, synchronous)
            try:
                mark.check_complete(table.cluster_id, table.commits)
            except BaseException:
                table.close()
                raise
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock, mark, table)

    @property
    def cluster_id(self) -> str:
        """Made at random with the file, and never changed."""
        return self._table.cluster_id

    def load(self) -> dict[str, bytes]:
        """All that is durable, in the order of the keys. Waits for the disk."""
        return self._ask(self._table.load)

    def begin_epoch(self) -> int:
        """Start a new reign, durably; from now on commits fail once somebody starts another.

        Waits for the disk: call it before the loop runs.
        """
        return self._ask(self._begin_epoch)

    def commit(self, changes: Sequence[Change], on_done: OnDone) -> None:
        """Write these, all or none; None forgets a key. Never waits.

        `on_done` is called from the writer thread, in the order of the commits.
        """
        self._refuse_closed()
        self._jobs.put(_Commit(tuple(changes), on_done))

    def close(self) -> None:
        """Write what waits, and let go of the file. Waits for the disk."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise RegistryError(f"{self._path} is closed")

    def _ask(self, question: Callable[[], T]) -> T:
        _assert_beside_the_loop()
        self._refuse_closed()
        answer: Future[T] = Future()

        def job() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                answer.set_exception(error)

        self._jobs.put(job)
        return answer.result()

    # --- from here on: the writer thread

    def _begin_epoch(self) -> int:
        try:
            epoch = self._table.begin_epoch()
        except Exception as error:
            self._failure = error  # what the table believes of the file may no longer be so
            raise
        self._mark.set(self._table.cluster_id, self._table.commits)
        return epoch

    def _run(self) -> None:
        commits: list[_Commit] = []
        with closing(self._table):
            while True:
                for job in self._take_all():
                    if isinstance(job, _Commit):
                        commits.append(job)
                        continue
                    self._write(commits)
                    commits = []
                    if job is None:
                        return
                    job()
                self._write(commits)
                commits = []

    def _take_all(self) -> Iterator[_Job]:
        yield self._jobs.get()
        for _ in range(self._jobs.qsize()):
            yield self._jobs.get()

    def _write(self, commits: Sequence[_Commit]) -> None:
        """One transaction for all of them; a failure is the answer to every later one too."""
        if not commits:
            return
        if self._failure is None:
            try:
                self._table.write(change for commit in commits for change in commit.changes)
                self._mark.set(self._table.cluster_id, self._table.commits)
            except Exception as error:  # noqa: BLE001 - each commit gets it as its answer
                self._failure = error
        for commit in commits:
            try:
                commit.on_done(self._failure)
            except Exception:  # noqa: BLE001 - the rest of the group want their answers too
                _log.exception("commit callback failed: path=%s", self._path)


def _assert_beside_the_loop() -> None:
    """Whoever waits for a disk holds up all that share its event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise AssertionError("a store is waited for on an event loop: use asyncio.to_thread")


def _lock(path: Path) -> int:
    """Hold `<path>.lock` until the descriptor is closed; its first line names the holder."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RegistryError(
            f"cannot open {path}: {error.strerror} ({lock_path})",
            hint="check that the directory is there and is yours",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(lock, f"{os.getpid():<{HOLDER_BYTES - 1}}\n".encode(), 0)
    except OSError as error:
        holder = os.pread(lock, HOLDER_BYTES, 0).decode(errors="replace").strip()
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            raise RegistryError(f"cannot lock {lock_path}: {error.strerror}") from error
        raise RegistryError(
            f"{path} is in use by process {holder or 'unknown'}",
            hint="stop that process first, or choose another home",
        ) from None
    return lock
