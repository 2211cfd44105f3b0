"""How long a task becomes in a message, near enough to keep messages below their limit.

Used by the cores, which do not know the wire: only what a user may make long is measured, and the
rest is a generous constant.
"""

from collections.abc import Iterator, Mapping

from .resources import EMPTY, Resources
from .values import TaskInfo

MAX_TASK_BYTES = 1 << 20
MAX_ACCEPT_BYTES = 3 << 20
"""Of the tasks of one accept: what goes to the agent is longer than what came, and a message beyond
4 MiB would cost the agent its session."""
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
    shares = sum(map(_shares_bytes, (info.resources, info.limits or EMPTY)))
    return TASK_BYTES + files + shares + sum(text_bytes(text) + 4 for text in texts)


def _shares_bytes(resources: Resources) -> int:
    """Devices and ranges of ports; amounts are part of the constant."""
    return sum(len(name) + 16 for name, _ in resources.gpus) + 10 * len(resources.ports)


def _pairs_of(texts: Mapping[str, str]) -> Iterator[str]:
    """Keys and values alike."""
    for key, value in texts.items():
        yield key
        yield value
