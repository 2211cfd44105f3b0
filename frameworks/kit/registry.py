"""Finds a scheduler by name: what installed packages register, or `module:Class`.

A package registers its scheduler in its pyproject.toml:

```toml
[project.entry-points."fairlead.schedulers"]
minimal = "scheduler_minimal:Minimal"
```
"""

import importlib
import re
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from fairlead.common.errors import ConfigError, NotFoundError

from .scheduler import Scheduler

GROUP = "fairlead.schedulers"
SEE_WHERE = "run it again with --debug to see where"


def names() -> list[str]:
    """The schedulers that are installed."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def make(name: str) -> Scheduler:
    """The scheduler of that name, made without arguments."""
    found = _load(_entry(name))
    try:
        scheduler = found()
    except TypeError as error:
        raise ConfigError(
            f"cannot make {name}: {error}", hint="a scheduler is made without arguments"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"cannot make {name}: {type(error).__name__}: {error}", hint=SEE_WHERE
        ) from error
    missing = [part for part in ("framework", "step") if not hasattr(scheduler, part)]
    if missing:
        raise ConfigError(
            f"{name} is no scheduler: it has no {' and no '.join(missing)}",
            hint="see fairlead.frameworks.kit.scheduler",
        )
    return cast(Scheduler, scheduler)


def _entry(name: str) -> EntryPoint:
    if ":" in name:
        if not re.fullmatch(r"[\w.]+:[\w.]+", name):
            raise NotFoundError(f"{name!r} does not name a scheduler: write module:Class")
        return EntryPoint(name, name, GROUP)
    for entry in entry_points(group=GROUP, name=name):
        return entry
    there = names()
    listed = f"installed: {', '.join(there)}" if there else "none is installed"
    raise NotFoundError(
        f"no scheduler is called {name!r} ({listed})",
        hint="install its package with pip, or name it as module:Class",
    )


def _load(entry: EntryPoint) -> Any:
    if "" not in sys.path:  # a module in the current directory, as `python -m` would find it
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(entry.module)
    except ImportError as error:
        raise NotFoundError(f"cannot import {entry.module}: {error}") from error
    found = module
    for part in entry.attr.split("."):
        if not hasattr(found, part):
            raise NotFoundError(f"{entry.module} has no {entry.attr}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"{entry.value} is no class")
    return found
