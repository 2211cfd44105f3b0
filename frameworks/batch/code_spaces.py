"""Where a worker's child imports the driver's own modules from, one space for each version.

A space is a directory at the front of the way of imports, and the modules imported from it. When
the driver's code has changed, a new space takes the old one's place: its modules are imported
afresh, while what was installed stays loaded. Going back brings the old modules back as they were,
so calls of both versions may come in any order. What else has kept hold of an old module, such as
a thread that a call has left behind, goes on with it.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

from fairlead.common.dataclass import dataclass

from .code_store import FileStore, is_intact
from .frames import Buffer

Fetch = Callable[[list[str]], Mapping[str, Buffer]]
"""Asks the driver for the files with these digests."""
Listing = Sequence[tuple[str, str, bool]]
"""Path, digest and whether it is executable, of each file."""

_ADVICE = "Executor(include="
_OURS = __name__.partition(".")[0]


class CodeError(Exception):
    """The driver's code cannot be had on this worker: says why."""


@dataclass(slots=True, eq=False)
class _Space:
    root: Path
    files: dict[str, tuple[str, bool]] = field(default_factory=dict)
    modules: dict[str, ModuleType] = field(default_factory=dict)
    """What was imported from here, while another space is in use."""


class Spaces:
    """The spaces of one lease, below `directory`; the files outlive it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._store: FileStore | None = None
        self._made = 0
        self._spaces: dict[str, _Space | CodeError] = {}
        """By the digest of the code; or why that cannot be had."""
        self._current: _Space | None = None

    def add(self, digest: str, listing: Listing, fetch: Fetch) -> None:
        """Make it ready for use."""
        files = {path: (wanted, executable) for path, wanted, executable in listing}
        try:
            space = self._extendable(files) or self._new_space()
            self._fill(space, files, fetch)
        except OSError as error:
            self._spaces[digest] = CodeError(
                f"the code of this call cannot be stored on the worker: {error}"
            )
        else:
            self._spaces[digest] = space

    def use(self, digest: str) -> None:
        """From now on imports and pickles find these modules, unless there is a problem."""
        space = self._spaces[digest]
        if isinstance(space, CodeError):
            return
        if space is not self._current:
            if self._current is not None:
                self._leave(self._current)
            self._enter(space)
            self._current = space
        _give_way(space)
        importlib.invalidate_caches()

    def problem(self, digest: str) -> CodeError | None:
        """Why this code cannot be had."""
        space = self._spaces.get(digest)
        return space if isinstance(space, CodeError) else None

    def forget(self, digest: str) -> None:
        """It will not be used again before it was added again."""
        space = self._spaces.pop(digest)
        if isinstance(space, _Space) and space not in (self._current, *self._spaces.values()):
            _remove(space.root)

    def _extendable(self, files: Mapping[str, tuple[str, bool]]) -> _Space | None:
        """One that only lacks files: its modules can stay."""
        for space in self._spaces.values():
            if isinstance(space, _Space) and space.files.items() <= files.items():
                return space
        return None

    def _new_space(self) -> _Space:
        if not self._made:
            # A lease that ended, killed perhaps, has left its spaces here.
            _remove(self._directory / "spaces")
        self._made += 1
        return _Space(self._directory / "spaces" / str(self._made))

    def _fill(self, space: _Space, files: Mapping[str, tuple[str, bool]], fetch: Fetch) -> None:
        new = {path: file for path, file in files.items() if path not in space.files}
        store = FileStore(self._directory / "files")
        data: dict[str, Buffer] = {}
        for digest, _ in new.values():
            if digest not in data and (stored := store.get(digest)) is not None:
                data[digest] = stored
        fetched = fetch(sorted({digest for digest, _ in new.values()} - data.keys()))
        for digest, content in fetched.items():
            if not is_intact(digest, content):
                raise OSError("a file is not what was announced")
            store.put(digest, content)
        store.trim()
        data.update(fetched)
        space.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, (digest, executable) in new.items():
            _write(space.root, path, data[digest], executable)
        space.files.update(new)

    def _enter(self, space: _Space) -> None:
        sys.path.insert(0, str(space.root))
        for name, module in space.modules.items():
            sys.modules[name] = module
            parent, _, last = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], last, module)
        space.modules = {}

    def _leave(self, space: _Space) -> None:
        space.modules = _take(lambda name: _is_from(name, space))
        with contextlib.suppress(ValueError):  # calls may change that list, too
            sys.path.remove(str(space.root))


def _give_way(space: _Space) -> None:
    """If the worker has modules of its own under the same names, the driver's come first."""
    for top in {_module_of(path) for path in space.files} - {_OURS}:
        if _file_of(top) and not _is_from(top, space):
            _take(lambda name, top=top: name.partition(".")[0] == top)  # type: ignore[misc]


def _take(is_wanted: Callable[[str], bool]) -> dict[str, ModuleType]:
    """Take these modules out of the interpreter's; a namespace stays and loses its members."""
    taken = {name: sys.modules[name] for name in list(sys.modules) if is_wanted(name)}
    for name in taken:
        del sys.modules[name]
    for name, module in taken.items():
        parent, _, last = name.rpartition(".")
        if parent in sys.modules and sys.modules[parent].__dict__.get(last) is module:
            delattr(sys.modules[parent], last)
    return taken


def _file_of(name: str) -> str:
    return str(getattr(sys.modules.get(name), "__file__", None) or "")


def _is_from(name: str, space: _Space) -> bool:
    return _file_of(name).startswith(f"{space.root}/")


def _module_of(path: str) -> str:
    """Which top-level module this file belongs to; empty for mere data."""
    first, slash, _ = path.partition("/")
    if slash:
        return first
    for suffix in (".py", *EXTENSION_SUFFIXES):
        if path.endswith(suffix):
            return path.removesuffix(suffix)
    return ""


def _write(root: Path, path: str, data: Buffer, executable: bool) -> None:
    if ".." in Path(path).parts or path.startswith("/"):
        raise OSError(f"{path!r} lies outside")
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    if executable:
        target.chmod(0o700)


def _remove(directory: Path) -> None:
    if directory.exists():
        import shutil  # noqa: PLC0415  (it costs each worker a megabyte, and few need it)

        shutil.rmtree(directory, ignore_errors=True)


def explain_missing(error: BaseException) -> None:
    """Say what to do about a module that was not found."""
    if not isinstance(error, ModuleNotFoundError):
        return
    if not isinstance(error.name, str) or not isinstance(error.msg, str):
        return  # put together by hand
    if not error.name or _ADVICE in error.msg:
        return
    top = error.name.partition(".")[0]
    error.msg += (
        f" on the worker: if it is yours, name it in {_ADVICE}[{top!r}]); "
        "else install it where the agents run"
    )
    error.args = (error.msg,)
