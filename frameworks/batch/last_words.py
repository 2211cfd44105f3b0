"""The end of what a lease wrote, for whoever is told that its process died."""

from collections.abc import Mapping
from pathlib import Path

LINES = 20
_BYTES = 4096
_STREAMS = ("stdout", "stderr")


def sizes(sandbox: Path) -> dict[str, int]:
    """Of the files that a worker's output goes to, to be taken when a lease begins."""
    return {name: _size(sandbox / name) for name in _STREAMS}


def last_words(sandbox: Path, before: Mapping[str, int]) -> str:
    """At most so many lines of each, without what was there before."""
    parts = [(name, _tail(sandbox / name, before[name])) for name in _STREAMS]
    return "\n".join(f"  {name}: {line}" for name, lines in parts for line in lines)


def _tail(path: Path, before: int) -> list[str]:
    size = _size(path)
    if before > size:  # it was rotated meanwhile
        before = 0
    try:
        with path.open("rb") as file:
            file.seek(max(before, size - _BYTES))
            text = file.read(_BYTES).decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-LINES:]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
