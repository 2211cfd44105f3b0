"""Removing sandboxes, whatever tasks have left in them; used from threads.

A sandbox is first moved aside in one step, so that it is there wholly or not at all, and what a
crash leaves there goes with the next sweep. Its directories are not descended into but moved up
beside it, one by one: no depth exhausts anything, no link is followed, and what is mounted in
there cannot be moved and stays. `shutil.rmtree` gives up on depth, and on what is read-only.
"""

import contextlib
import errno
import logging
import os
import secrets
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from .sandboxes import LOOK, REMOVED, names_in, opened

_log = logging.getLogger(__name__)

PASSES = 3
"""Over a directory in which something still writes."""


class Removal:
    """Below one root. What cannot be removed now is left to the next sweep."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._is_stopping = False

    def stop(self) -> None:
        """Whatever is under way is left as it is."""
        self._is_stopping = True

    def remove(self, key: str) -> int:
        """The sandbox of one launch; returns how many bytes of the disk that gave back."""
        with self._lock:
            self._move_aside(key)
            return self._clear()

    def remove_all(self, keys: Collection[str], frameworks: Collection[str]) -> int:
        """And what a crash has left, but not the directories of these frameworks."""
        with self._lock:
            for key in keys:
                self._move_aside(key)
            self._prune(frameworks)
            return self._clear()

    def _move_aside(self, key: str) -> None:
        parent, _, launch = key.rpartition("/")
        try:
            with opened(self._root, parent) as above, self._aside() as aside:
                _move(above, launch, aside)
            (self._root / parent).rmdir()
        except (FileNotFoundError, NotADirectoryError):
            return  # it has gone already, or was never there
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # else other launches are in there
                _log.warning("sandbox-not-removed key=%s: %s", key, error)

    def _prune(self, frameworks: Collection[str]) -> None:
        """Directories that have become empty."""
        for framework in names_in(self._root, ""):
            if framework == REMOVED:
                continue
            for task in names_in(self._root, framework):
                with contextlib.suppress(OSError), opened(self._root, framework) as directory:
                    os.rmdir(task, dir_fd=directory)
            if framework not in frameworks:
                with contextlib.suppress(OSError):
                    (self._root / framework).rmdir()

    # --- what lies aside

    @contextlib.contextmanager
    def _aside(self) -> Iterator[int]:
        (self._root / REMOVED).mkdir(0o700, exist_ok=True)
        with opened(self._root, REMOVED) as directory:
            yield directory

    def _clear(self) -> int:
        freed = 0
        with self._aside() as aside:
            waiting = names_in(self._root, REMOVED)
            while waiting and not self._is_stopping:
                name = waiting.pop()
                try:
                    freed += self._empty(aside, name, waiting)
                except OSError as error:
                    _log.warning("sandbox-not-removed part=%s/%s: %s", REMOVED, name, error)
        return freed

    def _empty(self, aside: int, name: str, waiting: list[str]) -> int:
        """And remove it; directories in it are moved aside, and wait for their turn."""
        freed = 0
        try:
            _make_writable(aside, name)
        except NotADirectoryError:
            return _unlink(aside, name)
        for _ in range(PASSES):
            freed += self._take_out(aside, name, waiting)
            if self._is_stopping:
                return freed
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=aside)
                return freed
        raise OSError("it does not become empty: something is mounted there, or still writes")

    def _take_out(self, aside: int, name: str, waiting: list[str]) -> int:
        freed = 0
        with opened(self._root, f"{REMOVED}/{name}") as directory, os.scandir(directory) as entries:
            for entry in entries:
                if self._is_stopping:
                    break
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(_move(directory, entry.name, aside))
                    else:
                        freed += _unlink(directory, entry.name)
        return freed


def _move(above: int, name: str, aside: int) -> str:
    """Returns its name there."""
    with contextlib.suppress(NotADirectoryError):
        _make_writable(above, name)  # a directory that is read-only cannot be moved
    there = secrets.token_hex(8)
    os.rename(name, there, src_dir_fd=above, dst_dir_fd=aside)
    return there


def _make_writable(parent: int, name: str) -> None:
    """A directory, unless another file system begins there."""
    found = os.open(name, LOOK | os.O_DIRECTORY, dir_fd=parent)
    try:
        status = os.fstat(found)
        if status.st_dev != os.fstat(parent).st_dev:
            raise OSError(errno.EXDEV, "another file system is mounted there")
        if status.st_mode & 0o700 != 0o700:
            Path(f"/proc/self/fd/{found}").chmod(0o700)
    finally:
        os.close(found)


def _unlink(directory: int, name: str) -> int:
    """Returns how many bytes of the disk that gives back."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    os.unlink(name, dir_fd=directory)
    return 512 * status.st_blocks if status.st_nlink == 1 else 0
