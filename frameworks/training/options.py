"""What an operator may choose of the training framework, by the environment of its host."""

import os
from collections.abc import Mapping
from pathlib import Path

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.home import Home

SLICE = "FAIRLEAD_TRAINING_SLICE_S"
CHECKPOINTS = "FAIRLEAD_TRAINING_CHECKPOINTS"
INTERVAL = "FAIRLEAD_TRAINING_CHECKPOINT_S"
OF_JOB_INTERVAL = "FAIRLEAD_JOB_CHECKPOINT_S"
"""What the programs of jobs are told."""
MOST_S = 86400.0


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """`interval_s` is how often a job saves while it runs."""

    checkpoints: str
    slice_s: float = 60.0
    interval_s: float = 60.0


def read_options(home: Home, environment: Mapping[str, str] = os.environ) -> TrainingOptions:
    """ConfigError names what cannot be used."""
    checkpoints = environment.get(CHECKPOINTS, "") or str(home.path / "training")
    if not Path(checkpoints).is_absolute():
        raise ConfigError(
            f"{CHECKPOINTS} is {checkpoints!r}, which is no absolute path",
            hint="name a directory on storage that the agents share",
        )
    seconds = {name: _seconds(name, environment.get(name, "")) for name in (SLICE, INTERVAL)}
    return TrainingOptions(checkpoints, seconds[SLICE], seconds[INTERVAL])


def _seconds(name: str, text: str, default: float = 60.0) -> float:
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_S:
        raise ConfigError(
            f"{name} is {text!r}, not a number of seconds between 0 and {MOST_S:g}",
            hint=f"leave it out for {default:g}",
        )
    return seconds
