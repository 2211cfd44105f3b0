"""The kernel's count of processes that it ended for want of memory."""

from pathlib import Path

import pytest

from fairlead.frameworks.batch import memory_limit
from fairlead.frameworks.batch.memory_limit import memory_kills


@pytest.mark.parametrize(
    ("line", "file", "text"),
    [
        ("9:memory:/a/b", "memory/a/b/memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("9:cpu,memory:/a/b", "memory/a/b/memory.oom_control", "oom_kill 3\n"),
        ("0::/a/b", "a/b/memory.events", "low 0\noom 1\noom_kill 3\n"),
        ("0::/a/b", "unified/a/b/memory.events", "oom_kill 3\n"),
    ],
)
def test_it_is_found_in_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, file: str, text: str
) -> None:
    monkeypatch.setattr(memory_limit, "_ROOTS", (tmp_path, tmp_path / "unified"))
    cgroups = tmp_path / "cgroup"
    cgroups.write_text(f"8:pids:/elsewhere\n{line}\n")
    assert memory_kills(cgroups) == 0
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert memory_kills(cgroups) == 3


def test_nobody_counts(tmp_path: Path) -> None:
    assert memory_kills(tmp_path / "missing") == 0
