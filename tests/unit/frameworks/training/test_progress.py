"""A job's own words are read with care: it is a user's program that writes them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fairlead.common import wire
from fairlead.common.jobs import JobProgress
from fairlead.frameworks.training.progress import FILE, MOST_BYTES, read_progress, understood


def test_what_is_said_is_read(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "run": 2,
        "step": 30,
        "steps": 100,
        "epoch": 1,
        "loss": 0.25,
        "metrics": {"accuracy": 0.9},
        "rate": 12.5,
        "gpu_memory_bytes": 7,
        "switch_s": 0.5,
        "wall_time": 1.5,
        "checkpoint_step": 20,
        "trouble": "cannot save",
        "a later version's": "own",
    }
    (tmp_path / FILE).write_text(json.dumps(said))
    del said["a later version's"]
    assert read_progress(str(tmp_path)) == JobProgress(**said)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "[" * 10**5, "\xff", " " * (MOST_BYTES + 1), '{"a": ' * 10000]
)
def test_what_cannot_be_understood_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    assert read_progress(str(tmp_path)) is None


def test_what_is_no_file_is_nothing(tmp_path: Path) -> None:
    assert read_progress(str(tmp_path)) is None
    os.mkfifo(tmp_path / FILE)
    assert read_progress(str(tmp_path)) is None, "and nobody waits at a pipe"
    (tmp_path / FILE).unlink()
    (tmp_path / "secret").write_text('{"step": 3}')
    (tmp_path / FILE).symlink_to(tmp_path / "secret")
    assert read_progress(str(tmp_path)) is None


def test_a_directory_in_its_place_costs_nothing_however_often_it_is_looked_at(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE).mkdir()
    before = len([*Path("/proc/self/fd").iterdir()])
    assert [read_progress(str(tmp_path)) for _ in range(3)] == [None] * 3
    assert len([*Path("/proc/self/fd").iterdir()]) == before


@pytest.mark.parametrize(
    "found",
    [
        {"step": -1, "loss": float("nan"), "rate": float("inf"), "run": 10**400},
        {"step": "3", "loss": [], "metrics": 3, "wall_time": None, "epoch": True, "trouble": 3},
        {"trouble": "a\nb", "metrics": {"a\0b": 1, "\ud800": 2, "x": "y", "nan": float("nan")}},
    ],
)
def test_what_is_of_the_wrong_kind_was_not_said(found: dict[str, Any]) -> None:
    assert understood(found) == JobProgress()


def test_whatever_was_said_can_travel() -> None:
    many = {f"{number:0200}": number for number in range(1000)}
    progress = understood({"step": 1.0, "trouble": "x" * 9999, "metrics": {**many, "é": 10**300}})
    assert progress.step == 1
    assert wire.decode(JobProgress, wire.encode(progress)) == progress
