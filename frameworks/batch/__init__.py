"""The batch framework: an Executor whose calls run in workers obtained through offers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import (
        CallKilledError,
        CallTimeoutError,
        NoSuchWorkerError,
        ServiceLostError,
        WorkerDiedError,
    )
    from .executor import Executor
    from .failures import RemoteError, RemoteTraceback
    from .payloads import NotLoadableError, NotPicklableError

__all__ = [
    "CallKilledError",
    "CallTimeoutError",
    "Executor",
    "NoSuchWorkerError",
    "NotLoadableError",
    "NotPicklableError",
    "RemoteError",
    "RemoteTraceback",
    "ServiceLostError",
    "WorkerDiedError",
]

_HOMES = {
    "CallKilledError": "errors",
    "CallTimeoutError": "errors",
    "Executor": "executor",
    "NoSuchWorkerError": "errors",
    "NotLoadableError": "payloads",
    "NotPicklableError": "payloads",
    "RemoteError": "failures",
    "RemoteTraceback": "failures",
    "ServiceLostError": "errors",
    "WorkerDiedError": "errors",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: a worker imports this package too, and needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415  (the same reason)

    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
