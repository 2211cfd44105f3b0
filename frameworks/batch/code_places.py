"""Which modules are the caller's own, and where on the caller's disk they lie.

A module is the caller's own when its file is neither of Python nor installed (in a `site-packages`
or `dist-packages`) nor of Fairlead; an editable install is the caller's own. Only top-level
modules are judged: a package belongs together.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairlead.common.dataclass import dataclass

from .payloads import NotPicklableError

_INSTALLED = frozenset(("site-packages", "dist-packages"))
_PYTHON = os.path.realpath(Path(os.__file__).parent)
_FAIRLEAD = "fairlead"


@dataclass(frozen=True, slots=True)
class Place:
    """A file or a directory, and the path under which workers will find it."""

    source: str
    target: str


def is_known(module: str) -> bool:
    """It can be imported here, from wherever; one that is loaded may be gone from disk."""
    found = _find(module)
    if found is None:
        return False
    paths = [path for path in (*found[0], *found[1:]) if path]
    return not paths or any(Path(path).exists() for path in paths)


def places_of(module: str, *, even_installed: bool = False) -> tuple[Place, ...]:
    """Where a top-level module lies: several for a namespace, none if it is not the caller's."""
    if module in sys.builtin_module_names or module in (_FAIRLEAD, "__main__", ""):
        return ()
    found = _find(module)
    if found is None:
        return ()
    directories, origin, archive = found
    if archive:
        if not _is_own(archive, even_installed):
            return ()
        raise NotPicklableError(
            f"module {module} cannot be sent to workers: it is imported from the archive "
            f"{archive}; unpack that, or leave the module out: Executor(exclude=[{module!r}])"
        )
    if directories:
        if origin and not _is_own(origin, even_installed):
            return ()
        if not origin and module not in sys.modules and not _has_python(directories):
            return ()  # a directory of data: that something imports it is a misunderstanding
        return tuple(Place(path, module) for path in directories if _is_own(path, even_installed))
    if origin and _is_own(origin, even_installed):
        return (Place(origin, Path(origin).name),)
    return ()


def places_of_path(path: Path) -> Place:
    """A file or directory that was asked for: it keeps its place below where imports start."""
    source = _absolute(path)
    starts = [start for start in import_paths() if _is_below(source, start)]
    start = max(starts, key=len, default=str(Path.cwd()))
    if not _is_below(source, start):
        return Place(source, Path(source).name)
    target = os.path.relpath(source, start)
    return Place(source, "" if target == "." else target)


def import_paths() -> list[str]:
    """Where imports look, without what they pass over: no string, or below a directory gone."""
    paths = []
    for path in sys.path:
        if isinstance(path, str):
            with contextlib.suppress(FileNotFoundError):
                paths.append(_absolute(path))
    return paths


def _absolute(path: str | Path) -> str:
    return os.path.normpath(Path(path).absolute())


def _is_below(path: str, start: str) -> bool:
    return path == start or path.startswith(start.rstrip("/") + "/")


def _is_own(path: str, even_installed: bool) -> bool:
    if not Path(path).exists():
        return False
    if not _INSTALLED.isdisjoint(Path(path).parts):
        return even_installed
    return not _is_below(os.path.realpath(path), _PYTHON)


def _has_python(directories: Sequence[str]) -> bool:
    return any(
        any(Path(directory).glob(pattern))
        for directory in directories
        for pattern in ("*.py", "*/*.py")
    )


def _find(module: str) -> tuple[Sequence[str], str, str] | None:
    """Directories if it is a package, its own file, and its archive; as it is loaded here."""
    for spec in _specs(module):
        loader = spec.loader
        if type(loader).__name__ == "zipimporter":
            return (), "", str(getattr(loader, "archive", ""))
        directories = [_absolute(path) for path in spec.submodule_search_locations or ()]
        origin = _absolute(spec.origin) if spec.has_location and spec.origin else ""
        if directories or origin:
            return directories, origin, ""
        if spec.origin in ("built-in", "frozen"):
            return (), "", ""
    return None


def _specs(module: str) -> Iterator[importlib.machinery.ModuleSpec]:
    """What the loaded module says of itself; then what an import would find."""
    loaded = getattr(sys.modules.get(module), "__spec__", None)
    if isinstance(loaded, importlib.machinery.ModuleSpec):
        yield loaded
    try:
        # Modules that were put together by hand, as test runners do, have no or an empty spec.
        found = (
            importlib.machinery.PathFinder.find_spec(module)
            if module in sys.modules
            else importlib.util.find_spec(module)
        )
    except Exception:  # noqa: BLE001  (finders of others; what they cannot find is not there)
        return
    if found is not None:
        yield found
