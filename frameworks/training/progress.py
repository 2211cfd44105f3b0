"""What a job's program says of itself, as the service reads it: `progress.json` in the directory
of the job, whose keys are the fields of JobProgress.

The program replaces the file in one step. It is the user's, so nothing in it is believed unseen.
"""

import json
import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from fairlead.common.jobs import JobProgress
from fairlead.common.sizes import shorten

FILE = "progress.json"
MOST_BYTES = 64 * 1024
MOST_METRICS = 100
MOST_NAME = 100
MOST_WORDS = 500
MOST = 2**56


def read_progress(directory: str) -> JobProgress | None:
    """The latest of a job; None if there is no file, or none that can be understood."""
    try:
        with open(Path(directory) / FILE, "rb", opener=_open) as file:
            data = file.read(MOST_BYTES + 1)
        found = json.loads(data) if len(data) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return understood(found) if isinstance(found, dict) else None


def _open(path: str, flags: int) -> int:
    """A pipe does not hold us up, and a link leads nowhere."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def understood(found: dict[str, Any]) -> JobProgress:
    """What is of the right kind; the rest is as if it had not been said."""
    said: dict[str, Any] = {}
    for each in fields(JobProgress):
        value = found.get(each.name)
        if each.name == "metrics":
            said["metrics"] = _metrics(value)
        elif each.name == "loss":
            said["loss"] = _number(value)
        elif each.name == "trouble":
            said["trouble"] = _words(value)
        elif (number := _number(value)) is not None and 0 <= number <= MOST:
            said[each.name] = number if isinstance(each.default, float) else int(number)
    return JobProgress(**said)


def _words(value: object) -> str:
    return shorten(value, MOST_WORDS) if isinstance(value, str) and value.isprintable() else ""


def _metrics(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    named = {name: _number(each) for name, each in value.items() if name.isprintable()}
    numbers = {name[:MOST_NAME]: each for name, each in named.items() if each is not None}
    return dict(list(numbers.items())[:MOST_METRICS])


def _number(value: object) -> float | None:
    """A loss that is no number is what people look for, but it cannot travel."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
