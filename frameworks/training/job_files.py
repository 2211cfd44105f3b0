"""The directory of a job, as its own program writes there: which copy may write, and whole files.

Used by the hook alone; nothing but the standard library, for it runs inside people's programs. A
file is replaced in one step, so whoever reads never sees half of one.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

RUN = "run"
PROGRESS = "progress.json"
RESULT = "result.json"
DRAFT = "draft-"

SAVED = 75
"""The exit code of a program that has saved and is to be started again; EX_TEMPFAIL."""
SUPERSEDED = 76
"""Of one that has found a newer copy of itself."""
UNREADABLE = 65
"""Of one that cannot go on from where it was, and will not begin anew; EX_DATAERR."""


class SupersededError(Exception):
    """A newer copy of this job has begun: this one may not write any more."""


class JobFiles:
    """Of one copy of a job, whose number is `run`; a number of 0 takes the next one."""

    def __init__(self, directory: Path, run: int = 0) -> None:
        """OSError if there can be no such directory."""
        self.directory = directory
        self._run_path = directory / RUN
        directory.mkdir(parents=True, exist_ok=True)
        self.run = run or self._highest() + 1

    def claim(self) -> None:
        """From now on older copies may not write. SupersededError if this is an older one; OSError
        if that cannot be written.
        """
        self.check()
        self.replace(RUN, f"{self.run}\n".encode())
        for path in self.directory.glob(f"{DRAFT}*"):  # of copies that were killed
            path.unlink(missing_ok=True)

    def check(self) -> None:
        """Asked before anything is written, and after every pause."""
        highest = self._highest()
        if highest > self.run:
            raise SupersededError(f"copy {self.run} of this job ends: copy {highest} has begun")

    def replace(self, name: str, content: bytes, *, is_durable: bool = True) -> None:
        """OSError if there is no room, and then the former content is still there."""
        draft = self.draft(name)
        try:
            _write(draft, content)
            self.publish(draft, name, is_durable=is_durable)
        except OSError:
            discard(draft)
            raise

    def draft(self, name: str) -> Path:
        return self.directory / f"{DRAFT}{name}-{self.run}"

    def publish(self, draft: Path, name: str, *, is_durable: bool = True) -> None:
        """The draft becomes the file; durable means that a power failure does not undo it."""
        if is_durable:
            _sync(draft)
        draft.replace(self.directory / name)
        if is_durable:
            _sync(self.directory)

    def tell(self, name: str, said: Mapping[str, object], *, is_durable: bool = False) -> None:
        text = json.dumps(said, ensure_ascii=False)
        self.replace(name, f"{text}\n".encode(errors="replace"), is_durable=is_durable)

    def told(self, name: str) -> dict[str, object]:
        """What was said there last; empty if nothing was, or nothing that can be read."""
        with suppress(OSError, ValueError):
            found = json.loads((self.directory / name).read_bytes())
            if isinstance(found, dict):
                return found
        return {}

    def _highest(self) -> int:
        """0 before the first copy, and if it cannot be read: then nothing can be written either."""
        try:
            return int(_read(self._run_path))
        except (OSError, ValueError):
            return 0


def discard(draft: Path) -> None:
    with suppress(OSError):
        draft.unlink()


# Twice as fast as Path's own after a pause, which is when they are called.


def _read(path: Path) -> bytes:
    """A number; OSError if there is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 64)
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
