"""Cuts what an agent knows of its tasks into registrations that a session can carry."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fairlead.common.sizes import shorten, task_bytes, text_bytes
from fairlead.common.values import AgentTask, Command

CHUNK_BYTES = 1 << 20
"""A quarter of what a session takes. A living task that is longer goes alone."""
_COMMAND_SHOWN = 200
"""Characters of the command of a task that has ended: enough to recognize it by."""

Chunk = tuple[list[AgentTask], list[AgentTask]]
"""Tasks that live, and tasks that have ended."""


def in_chunks(
    living: Iterable[AgentTask], ended: Iterable[AgentTask], most: int
) -> Iterator[Chunk]:
    """In order, `most` tasks to a chunk at the most; at least one chunk, maybe empty."""
    chunk: Chunk = [], []
    size = 0
    tasks = [(0, task) for task in living] + [(1, shortened(task)) for task in ended]
    for kind, task in tasks:
        length = task_bytes(task.task) + text_bytes(task.latest.message)
        count = len(chunk[0]) + len(chunk[1])
        if count and (count >= most or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = ([], []), 0
        chunk[kind].append(task)
        size += length
    yield chunk


def shortened(task: AgentTask) -> AgentTask:
    """Nobody runs it any more: without its environment, and with a command to look at."""
    command = task.task.command
    argv = command.argv
    if sum(len(argument) + 1 for argument in argv) > _COMMAND_SHOWN:
        argv = (shorten(" ".join(argv), _COMMAND_SHOWN),)
    info = replace(task.task, command=Command(argv), files={})
    return replace(task, task=info)
