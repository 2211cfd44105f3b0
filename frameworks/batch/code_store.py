"""Files that a worker was sent, under their digests: what one lease has brought others find here.

Lies in the worker's sandbox and goes with it. Calls run as the same user and might write here, so
whatever is taken out is checked against its digest.
"""

import contextlib
import hashlib
import os

from .frames import Buffer

LIMIT = 512 << 20


class FileStore:
    """Keeps at most so many bytes: what was not used for longest goes first."""

    def __init__(self, directory: str, limit: int = LIMIT) -> None:
        self._directory = directory
        self._limit = limit
        os.makedirs(directory, mode=0o700, exist_ok=True)

    def get(self, digest: str) -> bytes | None:
        """None if it is not here, or is not what it was."""
        path = os.path.join(self._directory, digest)
        try:
            with open(path, "rb") as file:
                data = file.read()
            if is_intact(digest, data):
                os.utime(path)
                return data
        except FileNotFoundError:
            return None
        os.unlink(path)
        return None

    def put(self, digest: str, data: Buffer) -> None:
        draft = os.path.join(self._directory, "draft")
        with open(draft, "wb") as file:
            file.write(data)
        os.replace(draft, os.path.join(self._directory, digest))

    def trim(self) -> None:
        """Make sure of the limit."""
        kept = []
        with os.scandir(self._directory) as listing:
            for entry in listing:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat()
                    kept.append((status.st_mtime_ns, status.st_size, entry.path))
        surplus = sum(size for _, size, _ in kept) - self._limit
        for _, size, path in sorted(kept):
            if surplus <= 0:
                return
            os.unlink(path)
            surplus -= size


def is_intact(digest: str, data: Buffer) -> bool:
    return hashlib.sha256(data).hexdigest() == digest
