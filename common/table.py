"""The SQLite file under a store: how it is made, checked, read and written.

Only `common.store` uses it, from one thread at a time. SQLite checks its pages for form, not for
what they say; so the description holds a sum over all records and a seal over itself, and nothing
is believed that does not match them.
"""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from .disk_errors import damaged, explained
from .errors import RegistryError, StaleEpochError

Kind = Literal["registry", "checkpoint"]
Synchronous = Literal["FULL", "NORMAL"]
Change = tuple[str, bytes | None]

SCHEMA_VERSION = 2

_ABOUT = {"version", "kind", "cluster_id", "epoch", "commits", "sum"}
_BUSY_TIMEOUT_S = 5.0


class Table:
    """Rows of key and value, and a description: version, kind, cluster id, epoch, commits, sum."""

    def __init__(self, path: Path, kind: Kind, synchronous: Synchronous) -> None:
        self._path = path
        self._epoch: int | None = None
        self._about: dict[str, str] = {}
        self._hashes: dict[str, int] = {}
        """Of each record; modulo 2**64 they add up to the sum."""
        with explained(path, is_opened=False):
            _make_private(path)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with explained(path, is_opened=False):
                self._about = self._prepare(kind)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        except BaseException as error:
            self._connection.close()
            if isinstance(error, TypeError | ValueError):  # an answer that SQLite never gives
                raise damaged(path, "it cannot be understood") from error
            raise

    @property
    def cluster_id(self) -> str:
        return self._about["cluster_id"]

    @property
    def commits(self) -> int:
        """How many this file has seen in all its lives."""
        return int(self._about["commits"])

    def load(self) -> dict[str, bytes]:
        with explained(self._path):
            return dict(self._connection.execute("SELECT key, value FROM records ORDER BY key"))

    def begin_epoch(self) -> int:
        with explained(self._path), self._transaction():
            epoch = self._stored_epoch() + 1
            self._describe(epoch=str(epoch), commits=str(self.commits + 1))
        self._epoch = epoch
        return epoch

    def write(self, changes: Iterable[Change]) -> None:
        with explained(self._path), self._transaction():
            self._check_epoch()
            total = int(self._about["sum"])
            for key, value in changes:
                total -= self._hashes.pop(key, 0)
                if value is None:
                    self._connection.execute("DELETE FROM records WHERE key = ?", (key,))
                    continue
                self._hashes[key] = _hash(key, value)
                total += self._hashes[key]
                self._connection.execute(
                    "INSERT INTO records VALUES (?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (key, value),
                )
            self._describe(sum=str(total % 2**64), commits=str(self.commits + 1))

    def close(self) -> None:
        # What was committed is durable already; a last checkpoint that fails loses nothing.
        with suppress(sqlite3.Error):
            self._connection.close()

    def _prepare(self, kind: Kind) -> dict[str, str]:
        """The description, of a file that is whole."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        if not pages:
            return self._create(kind)
        (damage,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if damage != "ok":
            raise damaged(self._path, str(damage))
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if not {"about", "records"} <= tables:
            raise RegistryError(
                f"{self._path} is a database, but not one of Fairlead's",
                hint="move it away, or choose another home",
            )
        about = dict(self._connection.execute("SELECT name, value FROM about"))
        self._check_about(about, kind)
        self._check_records(about)
        return about

    def _create(self, kind: Kind) -> dict[str, str]:
        with self._transaction():
            self._connection.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)")
            self._connection.execute(
                "CREATE TABLE records (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
            )
            self._describe(
                version=str(SCHEMA_VERSION),
                kind=kind,
                cluster_id=secrets.token_hex(8),
                epoch="0",
                commits="0",
                sum="0",
            )
        return self._about

    def _check_about(self, about: dict[str, str], kind: Kind) -> None:
        version = about.get("version")
        if version != str(SCHEMA_VERSION) and _is_number(version):
            age = "a newer" if int(str(version)) > SCHEMA_VERSION else "an older"
            raise RegistryError(
                f"{self._path} was written by {age} Fairlead"
                f" (schema {version}, this one knows {SCHEMA_VERSION})",
                hint=f"start the {age.split()[1]} version, or choose another home",
            )
        if set(about) != {*_ABOUT, "seal"}:
            raise damaged(self._path, "its description is incomplete")
        if about.pop("seal") != _seal(about):
            raise damaged(self._path, "its description does not match its checksum")
        if about["kind"] != kind:
            raise RegistryError(
                f"{self._path} is a {about['kind']}, not a {kind}",
                hint="look at the path: it belongs to another daemon",
            )

    def _check_records(self, about: dict[str, str]) -> None:
        for key, value in self._connection.execute("SELECT key, value FROM records"):
            if not isinstance(key, str) or not isinstance(value, bytes):
                raise damaged(self._path, "a record is of the wrong kind")
            self._hashes[key] = _hash(key, value)
        if str(sum(self._hashes.values()) % 2**64) != about["sum"]:
            raise damaged(self._path, "its records do not match their checksum")

    def _describe(self, **changed: str) -> None:
        """In the transaction that is under way."""
        self._about = {**self._about, **changed}
        self._connection.executemany(
            "REPLACE INTO about VALUES (?, ?)",
            [*changed.items(), ("seal", _seal(self._about))],
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


def _is_number(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdigit()


def _hash(key: str, value: bytes) -> int:
    name = key.encode()
    told = len(name).to_bytes(4, "big") + name + value
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big")


def _seal(about: dict[str, str]) -> str:
    told = "\n".join(f"{name}={value}" for name, value in sorted(about.items()))
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
