"""The end of what a lease wrote, for whoever is told that its process died."""

from collections.abc import Mapping
from pathlib import Path

LINES = 20
_BYTES = 8192
STREAMS = ("stdout", "stderr")
_OURS = ("/frameworks/batch/lease.py", "/frameworks/batch/worker.py", "<frozen runpy>")
"""A crash is written with its stack, whose end is always the same and tells nobody anything."""


def sizes(sandbox: Path) -> dict[str, int]:
    """Of the files that a worker's output goes to, to be taken when a lease begins."""
    return {name: _size(sandbox / name) for name in STREAMS}


def last_words(sandbox: Path, before: Mapping[str, int]) -> str:
    """Of each, without what was there before."""
    parts = [in_lines(name, _tail(sandbox / name, before[name])) for name in STREAMS]
    return "\n".join(line for lines in parts for line in lines)


def in_lines(stream: str, data: bytes) -> list[str]:
    """The last ones, as a person is shown them."""
    lines = data.decode(errors="replace").splitlines()
    wanted = [line for line in lines if line and not _is_ours(line)]
    return [f"  {stream}: {line}" for line in wanted[-LINES:]]


def _tail(path: Path, before: int) -> bytes:
    size = _size(path)
    if before > size:  # it was rotated meanwhile
        before = 0
    try:
        with path.open("rb") as file:
            file.seek(max(before, size - _BYTES))
            return file.read(_BYTES)
    except OSError:
        return b""


def _is_ours(line: str) -> bool:
    return line.startswith("  File ") and any(place in line for place in _OURS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
