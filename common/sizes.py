"""How long a task becomes in a message, near enough to keep messages below their limit.

Used by the cores, which do not know the wire: only what a user may make long is measured, and the
rest is a generous constant.
"""

from collections.abc import Iterator, Mapping

from .values import TaskInfo

TASK_BYTES = 1024
"""Ids, paths, numbers and names of resources of one task."""


def shorten(text: str, most: int) -> str:
    """At most so many characters of it, and visibly so."""
    return text if len(text) <= most else text[: most - 1] + "…"


def text_bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def task_bytes(info: TaskInfo) -> int:
    """Command, environment, labels and files, and everything else of it as a constant."""
    texts = [*info.command.argv, *_pairs_of(info.command.env), *_pairs_of(info.labels), info.name]
    files = sum(text_bytes(name) + len(content) for name, content in info.files.items())
    return TASK_BYTES + files + sum(text_bytes(text) + 4 for text in texts)


def _pairs_of(texts: Mapping[str, str]) -> Iterator[str]:
    """Keys and values alike."""
    for key, value in texts.items():
        yield key
        yield value
