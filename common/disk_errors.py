"""What goes wrong between a store and its disk, in a line and a hint for whoever owns the disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import RegistryError


@contextmanager
def explained(path: Path, *, is_opened: bool = True) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error, is_opened=is_opened) from error


def explain(path: Path, error: sqlite3.Error, *, is_opened: bool = True) -> RegistryError:
    """What a SQLite error means for the person whose file it is.

    Before it `is_opened`, what nobody expects means that the file is not as it was written.
    """
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
        return damaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RegistryError(
            f"{path} is held by another program: {error}", hint="close that program, then try again"
        )
    if not is_opened:
        return damaged(path, str(error))
    return RegistryError(f"{path} failed: {error}", hint="look at the disk, then start again")


def damaged(path: Path, how: str) -> RegistryError:
    return RegistryError(
        f"{path} is damaged: {' '.join(how.split())}",
        hint="put a copy of it back, or move it away to start without what it held",
    )
