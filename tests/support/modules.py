"""Modules that a test writes, edits and imports: its own code, as a user has it."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType


def write_files(directory: Path, files: Mapping[str, str | bytes]) -> None:
    """By their paths below the directory."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def load(name: str) -> ModuleType:
    """Import it as it is on disk now."""
    importlib.invalidate_caches()
    return importlib.import_module(name)


@contextlib.contextmanager
def imports_from(directory: Path) -> Iterator[Path]:
    """Imports find what lies there; afterwards nothing of it is left in the interpreter."""
    before, writes = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(directory))
    sys.dont_write_bytecode = True  # or an edit within the same second is not seen by `reload`
    try:
        yield directory
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(directory))
        for name in set(sys.modules) - before:
            del sys.modules[name]
        importlib.invalidate_caches()
