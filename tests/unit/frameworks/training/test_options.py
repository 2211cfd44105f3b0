"""What the environment of the framework's host says, or why it cannot be used."""

from pathlib import Path

import pytest

from fairlead.common.errors import ConfigError
from fairlead.common.home import Home
from fairlead.frameworks.training.options import CHECKPOINTS, INTERVAL, SLICE, read_options

HOME = Home(Path("/somewhere"))


def test_unless_told_otherwise() -> None:
    options = read_options(HOME, {})
    assert options.checkpoints == "/somewhere/training"
    assert (options.slice_s, options.interval_s) == (60.0, 60.0)


def test_as_told() -> None:
    options = read_options(HOME, {SLICE: "1.5", INTERVAL: "0.25", CHECKPOINTS: "/shared"})
    assert (options.checkpoints, options.slice_s, options.interval_s) == ("/shared", 1.5, 0.25)


@pytest.mark.parametrize("name", [SLICE, INTERVAL])
@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "long", "86401", "1s"])
def test_what_is_no_length_of_time_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{text}', not a number of seconds"):
        read_options(HOME, {name: text})


def test_a_directory_must_be_the_same_from_everywhere() -> None:
    with pytest.raises(ConfigError, match="is 'here', which is no absolute path"):
        read_options(HOME, {CHECKPOINTS: "here"})
