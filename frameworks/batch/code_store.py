"""Files that a worker was sent, under their digests: what one lease has brought others find here.

Lies in the worker's sandbox and goes with it. Calls run as the same user and might write here, so
whatever is taken out is checked against its digest.
"""

import hashlib
import os
from pathlib import Path

from .frames import Buffer

LIMIT = 512 << 20


class FileStore:
    """Keeps at most so many bytes: what was not used for longest goes first."""

    def __init__(self, directory: Path, limit: int = LIMIT) -> None:
        self._directory = directory
        self._limit = limit
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, digest: str) -> bytes | None:
        """None if it is not here, or is not what it was."""
        path = self._directory / digest
        try:
            data = path.read_bytes()
            if is_intact(digest, data):
                os.utime(path)
                return data
        except FileNotFoundError:
            return None
        path.unlink()
        return None

    def put(self, digest: str, data: Buffer) -> None:
        draft = self._directory / "draft"
        draft.write_bytes(data)
        draft.replace(self._directory / digest)

    def trim(self) -> None:
        """Make sure of the limit."""
        kept = []
        for path in self._directory.iterdir():
            status = path.stat()
            kept.append((status.st_mtime_ns, status.st_size, path))
        surplus = sum(size for _, size, _ in kept) - self._limit
        for _, size, path in sorted(kept):
            if surplus <= 0:
                return
            path.unlink()
            surplus -= size


def is_intact(digest: str, data: Buffer) -> bool:
    return hashlib.sha256(data).hexdigest() == digest
