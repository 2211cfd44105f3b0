"""The checkpoints of a job: written whole or not at all, checked when read, the last two kept.

Their names carry the number of the copy that wrote them, and a newer copy's stand above an older
one's: what a copy writes that does not know yet that it was superseded is never preferred.
They are pickled, by the program that reads them and nobody else.
"""

import hashlib
import io
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from .job_files import JobFiles, discard

KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)-(\d+)")
_SEAL = re.compile(rb"\nfairlead (pickle|torch ) ([0-9a-f]{64})\n")
_SEAL_BYTES = 1 + 8 + 1 + 6 + 1 + 64 + 1


class DamagedError(Exception):
    """A checkpoint that is not as it was written."""


class Checkpoints:
    """Of one job, in its directory."""

    def __init__(self, files: JobFiles) -> None:
        self._files = files

    def save(self, step: int, content: dict[str, Any]) -> None:
        """Durable when this returns. OSError if it cannot be, and then the former ones remain."""
        name = f"checkpoint-{self._files.run}-{step}"
        draft = self._files.draft(name)
        try:
            with draft.open("wb", buffering=1 << 20) as file:
                sealed = _Sealed(file)
                sealed.seal(_dump(content, sealed))
            self._files.check()  # it may have taken long
            self._files.publish(draft, name)
        except BaseException:
            discard(draft)
            raise
        self._forget_old()

    def load(self, warn: Callable[[str], None]) -> dict[str, Any] | None:
        """The latest that can be read, None if there is none; DamagedError if none can be read."""
        paths = self._latest_first()
        for path in paths:
            try:
                return _read(path)
            except Exception as error:  # noqa: BLE001  (unpickling raises anything)
                warn(f"{path.name} cannot be read ({_in_words(error)}); taking the one before it")
        if paths:
            raise DamagedError(f"none of the {len(paths)} checkpoints can be read")
        return None

    def _latest_first(self) -> list[Path]:
        found = [
            (int(match[1]), int(match[2]), path)
            for path in self._files.directory.glob("checkpoint-*")
            if (match := _NAME.fullmatch(path.name))
        ]
        return [path for _, _, path in sorted(found, reverse=True)]

    def _forget_old(self) -> None:
        for path in self._latest_first()[KEPT:]:
            discard(path)


class _Sealed(io.RawIOBase):
    """Writes on, and keeps the sum of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sum.update(data)
        self._file.write(data)
        return memoryview(data).nbytes

    def seal(self, kind: str) -> None:
        self._file.write(f"\nfairlead {kind:<6} {self._sum.hexdigest()}\n".encode())


def _torch() -> ModuleType | None:
    """If the program uses it: tensors are then written by their own library."""
    return sys.modules.get("torch")


def _dump(content: dict[str, Any], file: _Sealed) -> str:
    if torch := _torch():
        torch.save(content, file)
        return "torch"
    pickle.dump(content, file, pickle.HIGHEST_PROTOCOL)
    return "pickle"


def _read(path: Path) -> dict[str, Any]:
    data = memoryview(path.read_bytes())
    seal = _SEAL.fullmatch(data[-_SEAL_BYTES:])
    if seal is None:
        raise DamagedError("it is cut off")
    body = data[:-_SEAL_BYTES]
    if hashlib.sha256(body).hexdigest() != seal[2].decode():
        raise DamagedError("its checksum is another")
    if seal[1] == b"pickle":
        content = pickle.loads(body)  # noqa: S301  (written by this very program, and sealed)
    else:
        import torch  # noqa: PLC0415  (the program that wrote it had it)

        # It is the program's own, and holds more than tensors.
        content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=False)
    assert isinstance(content, dict)
    return content


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
