"""Estimates that never fall short of what a message becomes."""

from fairlead.common import wire
from fairlead.common.ids import TaskId
from fairlead.common.resources import Resources
from fairlead.common.sizes import shorten, task_bytes
from fairlead.common.values import Command, TaskInfo


def test_a_task_is_not_longer_than_estimated() -> None:
    texts = {f"name{n}": "ö" * n for n in range(200)}
    command = Command(tuple("x" * n for n in range(300)), texts)
    info = TaskInfo(TaskId("t"), "täsk", command, Resources.of(cpus=1, mem=2**30), labels=texts)
    plain = TaskInfo(TaskId("t"), "", Command(("true",)), Resources.of(cpus=1))
    for task in (info, plain):
        length = len(wire.encode(task))
        assert length <= task_bytes(task) <= length + 3000


def test_what_is_short_stays_whole() -> None:
    assert shorten("four", 4) == "four"
    assert shorten("five!", 4) == "fiv…"
