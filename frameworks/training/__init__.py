"""The training framework: jobs share GPUs by slices; Gandiva-like. Start at `scheduler`.

What a job's own program calls is in `hook`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hook import Steps, report, steps

__all__ = ["Steps", "report", "steps"]


def __getattr__(name: str) -> object:
    """Import the hook for a program that trains: the framework itself is to unpickle nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import hook  # noqa: PLC0415  (the same reason)

    return getattr(hook, name)
