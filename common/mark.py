"""How many commits a database has seen, told beside it: in its lock file, behind the holder's name.

SQLite takes a journal that is cut or damaged for one that was never finished, and goes back to an
older state without a word. Only `common.store` uses this, to notice.
"""

import os
from contextlib import suppress
from pathlib import Path

from . import clock
from .errors import RegistryError

HOLDER_BYTES = 32
"""The first line of the file: who has it locked."""
_MARK_BYTES = 96


class Mark:
    """Counts for one boot: after a power failure the disk may have the one without the other."""

    def __init__(self, path: Path, lock: int) -> None:
        self._path = path
        self._lock = lock
        told = os.pread(lock, _MARK_BYTES, HOLDER_BYTES).decode("ascii", "replace").split()
        self._told = told if len(told) == 3 and told[2].isdigit() else []

    def set(self, cluster_id: str, commits: int) -> None:
        """These are written. If this is not, less will be noticed, and nothing is lost."""
        self._tell(f"{clock.boot_id()} {cluster_id} {commits}")

    def check_not_empty(self) -> None:
        """A file that is not there was put away; one without content was damaged."""
        if self._told and not self._path.exists():
            # Now, or who dies while it is begun anew leaves an empty one that looks damaged.
            self._tell("")
        elif self._told and self._path.is_file() and not self._path.stat().st_size:
            raise self._damaged("it is empty")

    def check_complete(self, cluster_id: str, commits: int) -> None:
        """Of this file, in this boot, everything that was once written is there."""
        if self._told[:2] == [clock.boot_id(), cluster_id] and commits < int(self._told[2]):
            lost = int(self._told[2]) - commits
            raise self._damaged(f"its last {lost} commits are missing")

    def _tell(self, line: str) -> None:
        with suppress(OSError):
            os.pwrite(self._lock, f"{line:<{_MARK_BYTES - 1}}\n".encode(), HOLDER_BYTES)

    def _damaged(self, how: str) -> RegistryError:
        return RegistryError(
            f"{self._path} is damaged: {how}",
            hint=f"put a newer copy of it back; to go on without: rm {self._path}.lock",
        )
