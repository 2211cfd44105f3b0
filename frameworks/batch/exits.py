"""How a lease's process ended, as it travels from the worker to the driver, and in words."""

import signal
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import format_bytes

from .call_events import Blame


@dataclass(frozen=True, slots=True)
class Exit:
    """The less of it is known, the less it says."""

    code: int | None = None
    """-n: by signal n; None: nobody saw it."""
    peak_bytes: int = 0
    is_at_limit: bool = False
    """It used more memory than it may."""
    is_ordered: bool = False
    """The driver asked for it, or needs it no more."""
    said: str = ""
    """What somebody knows of it, and the code does not say."""
    log: str = ""
    """What it wrote last."""

    def to_fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> "Exit":
        return cls(**values)

    @property
    def blame(self) -> Blame:
        if self.is_ordered:
            return Blame.NOBODY
        return Blame.CALL if self.code is not None or self.is_at_limit else Blame.OUTSIDE

    def describe(self) -> str:
        """To follow "the last one"."""
        log = f"; the end of its log:\n{self.log}" if self.log else ""
        if self.said:
            how = self.said
        elif self.code is None:
            return "was lost (killed from outside, or its agent went away)"
        elif self.code >= 0:
            how = f"exited with code {self.code}"
        else:
            how = f"was killed by {_signal_name(-self.code)}"
        peak = f" having used {format_bytes(self.peak_bytes)}" if self.peak_bytes else ""
        return how + peak + log


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
