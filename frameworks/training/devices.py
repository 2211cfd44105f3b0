"""What a training program holds on GPUs: measured, given up at rest, and taken back.

PyTorch's memory if the program uses PyTorch. On fake GPUs nothing can be held, so it is told to
them instead, and they pretend.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

FAKE_BYTES = 1 << 30
"""Told of each fake device: more than what a program at rest may keep."""


class Devices:
    """Of this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        directory = environment.get("FAIRLEAD_FAKE_GPUS")
        names = environment.get("FAIRLEAD_GPUS", "").split(",")
        found = [name for name in names if name] if directory else []
        self._fakes = [Path(directory or "", f"{name}.{os.getpid()}") for name in found]
        self._left: list[tuple[Any, Any]] = []

    def take(self) -> None:
        """The program begins to use what it was given."""
        self._tell_fakes(FAKE_BYTES)

    def leave(self) -> None:
        """Nothing is held any more but what a driver keeps for every process."""
        if "torch" in sys.modules:
            from . import torch  # noqa: PLC0415  (only beside a program that uses it)

            self._left = torch.leave()
        self._tell_fakes(0)

    def come_back(self) -> None:
        """Everything is where it was."""
        if self._left:
            from . import torch  # noqa: PLC0415  (the same)

            torch.come_back(self._left)
        self._tell_fakes(FAKE_BYTES)

    def peak_memory_bytes(self) -> int:
        """Most that was held at a time, on all devices together."""
        if self._fakes:
            return FAKE_BYTES * len(self._fakes)
        if "torch" not in sys.modules:
            return 0
        from . import torch  # noqa: PLC0415  (the same)

        return torch.peak_memory_bytes()

    def _tell_fakes(self, memory_bytes: int) -> None:
        """They pretend something else if they cannot be told."""
        for path in self._fakes:
            with suppress(OSError):
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"{memory_bytes}\n")
