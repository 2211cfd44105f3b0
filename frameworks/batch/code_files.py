"""The files of a directory that travel, read no oftener than they change.

Leaves out what is nobody's code (version control, caches, virtual environments) and what the
caller excludes. Which directories these are is `code_places`'s affair.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from fairlead.common.dataclass import dataclass

from .code_places import Place
from .payloads import NotPicklableError

LEFT_OUT = frozenset(
    (
        "__pycache__", ".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".mypy_cache",
        ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", "node_modules",
    )
)  # fmt: skip
"""Directories that never travel; nor does one that is a virtual environment, whatever its name."""
_SETTLED_NS = 2_000_000_000
"""A file older than this when it was read shows in its times that it changed after that."""
_IMPORT = re.compile(
    rb"(?:^|[;:])[ \t]*(?:from[ \t]+(\w+)[\w.]*[ \t]+import\b"
    rb"|import[ \t]+(\w+(?:[\w.]|[ \t]+as[ \t]+|[ \t]*,[ \t]*)*)[ \t]*(?=[\r\n;#\\]|$))"
    rb"|import_module\([ \t\n]*[\"'](\w+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file as it was when it was looked at."""

    digest: str
    data: bytes
    is_executable: bool
    imports: frozenset[str]
    """Top-level modules that it names in what look like import statements."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to travel, not read yet."""

    source: str
    target: str
    status: os.stat_result


class Files:
    """Reads files, and remembers them by path, times and size."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[tuple[int, ...], CodeFile]] = {}

    def read(self, found: Found) -> CodeFile:
        status = found.status
        signs = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        known = self._read.get(found.source)
        if known is not None and known[0] == signs:
            return known[1]
        before = time.time_ns()
        try:
            with open(found.source, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unreadable(found.target, error) from error
        digest = hashlib.sha256(data).hexdigest()
        if known is not None and known[1].digest == digest:
            data = known[1].data
        imports = _imports(data) if found.target.endswith(".py") else frozenset()
        file_now = CodeFile(digest, data, bool(status.st_mode & stat.S_IXUSR), imports)
        # Written again within one tick of the file system's clock, it would look the same.
        if before - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
            self._read[found.source] = (signs, file_now)
        else:
            self._read[found.source] = ((), file_now)
        return file_now

    def keep(self, sources: set[str]) -> None:
        """Forget the others."""
        if len(self._read) > len(sources):
            self._read = {path: read for path, read in self._read.items() if path in sources}


def walk(place: Place, exclude: Sequence[str]) -> Iterator[Found]:
    """All files of this place that are to travel, links followed."""
    try:
        status = os.stat(place.source)  # noqa: PTH116  (a Path takes four times as long)
    except OSError:
        return  # removed since it was imported
    if stat.S_ISREG(status.st_mode):
        yield Found(place.source, place.target, status)
    else:
        yield from _walk(place.source, place.target, exclude, frozenset())


def is_excluded(target: str, exclude: Sequence[str]) -> bool:
    """By a pattern for its path, for its name, or by the module's name."""
    name = target.rpartition("/")[2]
    for pattern in exclude:
        if fnmatchcase(target, pattern.rstrip("/")) or fnmatchcase(name, pattern):
            return True
        module = pattern.replace(".", "/")
        if "/" not in pattern and target in (module, f"{module}.py"):
            return True
    return False


def _walk(
    source: str, target: str, exclude: Sequence[str], above: frozenset[str]
) -> Iterator[Found]:
    real = os.path.realpath(source)
    if real in above:
        return  # a link to a directory that it lies in
    try:
        with os.scandir(source) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(target or source, error) from error
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        path = f"{target}/{entry.name}" if target else entry.name
        if entry.name in LEFT_OUT or is_excluded(path, exclude):
            continue
        try:
            if entry.is_dir():
                yield from _walk(entry.path, path, exclude, above | {real})
            elif entry.is_file():
                yield Found(entry.path, path, entry.stat())
        except FileNotFoundError:
            continue  # removed while we looked
        except OSError as error:
            raise _unreadable(path, error) from error


def _unreadable(target: str, error: OSError) -> NotPicklableError:
    return NotPicklableError(
        f"{target} cannot be sent to workers: {error}; leave it out: Executor(exclude=[{target!r}])"
    )


def _imports(source: bytes) -> frozenset[str]:
    """Quick and generous: a word too many is no module and does no harm."""
    names = set()
    for start, several, dynamic in _IMPORT.findall(source):
        for part in (start or dynamic or several).split(b","):
            names.add(part.strip().partition(b" ")[0].partition(b".")[0].decode())
    return frozenset(names - {""})
