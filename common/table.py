"""The SQLite file under a store: how it is made, checked, read and written, and its errors.

Only `common.store` uses it, from one thread at a time.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from .errors import RegistryError, StaleEpochError

Kind = Literal["registry", "checkpoint"]
Synchronous = Literal["FULL", "NORMAL"]
Change = tuple[str, bytes | None]

SCHEMA_VERSION = 1

_BUSY_TIMEOUT_S = 5.0


class Table:
    """Rows of key and value, and a description: version, kind, cluster id, epoch."""

    def __init__(self, path: Path, kind: Kind, synchronous: Synchronous) -> None:
        self._path = path
        self._epoch: int | None = None
        with _explained(path):
            _make_private(path)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with _explained(path):
                self.cluster_id = self._prepare(kind, synchronous)
        except BaseException:
            self._connection.close()
            raise

    def load(self) -> dict[str, bytes]:
        with _explained(self._path):
            return dict(self._connection.execute("SELECT key, value FROM records ORDER BY key"))

    def begin_epoch(self) -> int:
        with _explained(self._path), self._transaction():
            epoch = self._stored_epoch() + 1
            self._connection.execute(
                "UPDATE about SET value = ? WHERE name = 'epoch'", (str(epoch),)
            )
        self._epoch = epoch
        return epoch

    def write(self, changes: Iterable[Change]) -> None:
        with _explained(self._path), self._transaction():
            self._check_epoch()
            for key, value in changes:
                if value is None:
                    self._connection.execute("DELETE FROM records WHERE key = ?", (key,))
                else:
                    self._connection.execute(
                        "INSERT INTO records VALUES (?, ?)"
                        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                        (key, value),
                    )

    def close(self) -> None:
        # What was committed is durable already; a last checkpoint that fails loses nothing.
        with suppress(sqlite3.Error):
            self._connection.close()

    def _prepare(self, kind: Kind, synchronous: Synchronous) -> str:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        (damage,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if damage != "ok":
            raise _damaged(self._path, str(damage))
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if not tables:
            self._create(kind)
        elif not {"about", "records"} <= tables:
            raise RegistryError(
                f"{self._path} is a database, but not one of Fairlead's",
                hint="move it away, or choose another home",
            )
        about = dict(self._connection.execute("SELECT name, value FROM about"))
        self._check_about(about, kind)
        return str(about["cluster_id"])

    def _create(self, kind: Kind) -> None:
        with self._transaction():
            self._connection.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)")
            self._connection.execute(
                "CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
            )
            self._connection.executemany(
                "INSERT INTO about VALUES (?, ?)",
                [
                    ("version", str(SCHEMA_VERSION)),
                    ("kind", kind),
                    ("cluster_id", secrets.token_hex(8)),
                    ("epoch", "0"),
                ],
            )

    def _check_about(self, about: dict[str, str], kind: Kind) -> None:
        if not {"version", "kind", "cluster_id", "epoch"} <= set(about):
            raise _damaged(self._path, "its description is incomplete")
        if int(about["version"]) > SCHEMA_VERSION:
            raise RegistryError(
                f"{self._path} was written by a newer Fairlead"
                f" (schema {about['version']}, this one knows {SCHEMA_VERSION})",
                hint="start the newer version, or choose another home",
            )
        if about["kind"] != kind:
            raise RegistryError(
                f"{self._path} is a {about['kind']}, not a {kind}",
                hint="look at the path: it belongs to another daemon",
            )

    def _stored_epoch(self) -> int:
        (epoch,) = self._connection.execute(
            "SELECT value FROM about WHERE name = 'epoch'"
        ).fetchone()
        return int(epoch)

    def _check_epoch(self) -> None:
        if self._epoch is None:
            return
        stored = self._stored_epoch()
        if stored != self._epoch:
            raise StaleEpochError(
                f"{self._path} is at epoch {stored}, mine is {self._epoch}: another master leads"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, a full disk for one.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _make_private(path: Path) -> None:
    """SQLite gives the files beside the database the mode of the database."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RegistryError(
            f"cannot open {path} for writing: {error.strerror}",
            hint="check that the file and its directory are yours and writable",
        ) from error
    os.fchmod(descriptor, 0o600)
    os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error


def explain(path: Path, error: sqlite3.Error) -> RegistryError:
    """What a SQLite error means for the person whose file it is."""
    # The low byte of an extended code is the code itself.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return RegistryError(
            f"{path} cannot grow: the disk is full", hint="make room, then start again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return RegistryError(
            f"{path} cannot be read or written: {error}",
            hint="check the disk, its free space and the limits on file sizes; then start again",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return RegistryError(
            f"{path} cannot be written: {error}",
            hint="check that the file and its directory are yours and writable",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RegistryError(
            f"{path} is held by another program: {error}", hint="close that program, then try again"
        )
    return RegistryError(f"{path} failed: {error}")


def _damaged(path: Path, how: str) -> RegistryError:
    return RegistryError(
        f"{path} is damaged: {how}",
        hint="put a copy of it back, or move it away to start without what it held",
    )
