"""The caller's own code as a set of files under one digest, made anew when something changed.

Executors use it. A set is what lies on disk when a call is submitted (for `map`: when it begins):
the whole top-level packages and modules that the call's pickles refer to, what their files import
in turn, and what was included. `lease` has the other end.
"""

import contextlib
import glob
import hashlib
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fairlead.common.dataclass import dataclass

from .code_files import CodeFile, Files, Found, is_excluded, walk
from .code_places import Place, is_known, places_of, places_of_path
from .payloads import NotPicklableError

LIMIT = 100 << 20
"""Of one set, in bytes: more than this is hardly code."""
FILES_LIMIT = 20_000
_ALWAYS_LOOKED_AT = 64
_LOOK_S = 50e-6
"""A larger set is looked at again only after so long per file, or nothing else would be done."""


@dataclass(frozen=True, slots=True, eq=False)
class CodeSet:
    """Files by the path under which workers find them."""

    digest: str
    files: Mapping[str, CodeFile]
    modules: frozenset[str]
    """The names of top-level modules for which it was made."""

    def listing(self) -> list[tuple[str, str, bool]]:
        """What a worker has to know to ask for what it lacks."""
        return [(path, file.digest, file.is_executable) for path, file in self.files.items()]

    def data(self, digests: Iterable[str]) -> list[bytes]:
        by_digest = {file.digest: file.data for file in self.files.values()}
        return [by_digest[digest] for digest in digests]


class LocalCode:
    """Finds the code of the calls of one Executor. Any thread may ask."""

    def __init__(self, include: Sequence[str | Path] = (), exclude: Sequence[str] = ()) -> None:
        for name, value in (("include", include), ("exclude", exclude)):
            if isinstance(value, (str, bytes)):
                raise TypeError(f"{name} must be a list of names, not one string: {value!r}")
        self._exclude = tuple(str(pattern) for pattern in exclude)
        self._paths: list[str] = []
        self._wanted: set[str] = set()
        """Top-level modules that calls have needed so far, or that were included."""
        self._included: set[str] = set()
        for item in include:
            self._include(item)
        self._has_included = bool(include)
        self._foreign = {"__main__", "__mp_main__"}
        """Not the caller's own, or never imported by name."""
        self._missing: set[str] = set()
        self._places: dict[str, tuple[object, tuple[Place, ...]]] = {}
        self._files = Files()
        self._lock = threading.Lock()
        self._set: CodeSet | None = None
        self._looked_at = 0.0

    def now(self, modules: Iterable[str]) -> CodeSet | None:
        """What calls that need these modules need; None if workers have all of it."""
        wanted = {name.partition(".")[0] for name in modules}
        if wanted <= self._foreign and not self._has_included:
            return None
        with self._lock:
            own = {name for name in wanted if name in self._wanted or self._is_own(name)}
            if not own and not self._has_included:
                return None
            if own <= self._wanted and self._is_fresh():
                return self._set
            current = self._look(self._wanted | own)
            self._wanted |= own
            return current

    def complete(self, code: CodeSet | None, modules: Iterable[str]) -> CodeSet | None:
        """This code if it has these modules, too; else one that has them all, as they are now."""
        before = code.modules if code is not None else frozenset()
        names = {name.partition(".")[0] for name in modules} - self._foreign - before
        if not names:
            return code
        with self._lock:
            names = {name for name in names if self._is_own(name)}
        return self.now(names | before) if names else code

    def _include(self, item: str | Path) -> None:
        text = str(item)
        if isinstance(item, Path) or "/" in text or glob.has_magic(text) or Path(text).exists():
            if not _matches(text):
                raise ValueError(f"include: there is nothing at {text}")
            self._paths.append(text)
            return
        module = text.partition(".")[0]
        if not is_known(module):
            raise ValueError(f"include: there is neither a module nor a file called {text!r}")
        self._wanted.add(module)
        self._included.add(module)

    def _is_own(self, module: str) -> bool:
        """As far as is known: an import may be in vain, and what it names be written later."""
        if module in self._foreign or (module in self._missing and module not in sys.modules):
            return False
        if self._places_of(module) and not is_excluded(module, self._exclude):
            return True
        del self._places[module]
        (self._foreign if is_known(module) else self._missing).add(module)
        return False

    def _is_fresh(self) -> bool:
        if self._set is None or len(self._set.files) <= _ALWAYS_LOOKED_AT:
            return False
        return time.monotonic() - self._looked_at < len(self._set.files) * _LOOK_S

    def _look(self, wanted: set[str]) -> CodeSet | None:
        """The set as it is now: the same object while nothing has changed."""
        found, files = self._collect(wanted)
        self._looked_at = time.monotonic()
        self._files.keep({file.source for file in found.values()})
        before = self._set
        if before is None or before.modules != wanted or before.files != files:
            self._set = _make_set(files, frozenset(wanted))
            self._missing.clear()  # what was written since may be importable by now
            self._places.clear()
        return self._set

    def _collect(self, wanted: set[str]) -> tuple[dict[str, Found], dict[str, CodeFile]]:
        """Adds to `wanted` what the files of these modules import."""
        found: dict[str, Found] = {}
        files: dict[str, CodeFile] = {}
        size = 0
        places = [places_of_path(Path(path)) for path in self._included_paths()]
        waiting = sorted(wanted)
        while places or waiting:
            if not places:
                places += self._places_of(waiting.pop())
                continue
            imported: set[str] = set()
            for file in walk(places.pop(), self._exclude):
                if file.target in found:
                    continue  # it comes first on the way of imports
                found[file.target] = file
                size += file.status.st_size
                if len(found) > FILES_LIMIT:
                    raise _too_many(file.target)
                if size > LIMIT:
                    continue  # the largest are to be named, no more to be read
                with contextlib.suppress(FileNotFoundError):  # removed while we looked
                    files[file.target] = self._files.read(file)
                    imported |= files[file.target].imports
            new = sorted(name for name in imported - wanted if self._is_own(name))
            wanted.update(new)
            waiting += new
        if size > LIMIT:
            raise _too_large(found.values(), size)
        return found, files

    def _places_of(self, module: str) -> tuple[Place, ...]:
        """Judged again when it was loaded or reloaded, or anything else has changed."""
        spec = getattr(sys.modules.get(module), "__spec__", None)
        known = self._places.get(module)
        if known is None or known[0] is not spec:
            known = self._places[module] = (
                spec,
                places_of(module, even_installed=module in self._included),
            )
        return known[1]

    def _included_paths(self) -> list[str]:
        return [path for pattern in self._paths for path in _matches(pattern)]


def _matches(pattern: str) -> list[str]:
    # Path.glob would take no absolute pattern.
    return sorted(glob.glob(pattern, recursive=True, include_hidden=True))  # noqa: PTH207


def _make_set(files: Mapping[str, CodeFile], modules: frozenset[str]) -> CodeSet:
    whole = hashlib.sha256()
    for path in sorted(files):
        file = files[path]
        whole.update(f"{path}\0{file.digest}\0{file.is_executable}\0".encode(errors="replace"))
    return CodeSet(whole.hexdigest(), dict(files), modules)


def _too_large(found: Iterable[Found], size: int) -> NotPicklableError:
    largest = sorted(found, key=lambda file: file.status.st_size, reverse=True)[:3]
    names = ", ".join(f"{file.target} ({_mib(file.status.st_size)})" for file in largest)
    return NotPicklableError(
        f"the code of this call cannot be sent to workers: {_mib(size)} are more than "
        f"{_mib(LIMIT)}; the largest files are {names}; leave out what workers do not need: "
        f"Executor(exclude=[{largest[0].target!r}])"
    )


def _too_many(path: str) -> NotPicklableError:
    directory = path.partition("/")[0]
    return NotPicklableError(
        f"the code of this call cannot be sent to workers: it is more than {FILES_LIMIT} files, "
        f"many of them in {directory}; leave out what workers do not need: "
        f"Executor(exclude=[{directory!r}])"
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
