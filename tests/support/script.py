"""Scripts of conversations: prose, commands that begin with `> `, and under each, indented, what
the master says to whom. A script is run by comparing it with itself as it would be written now.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from tests.support.script_parts import ScriptError
from tests.support.script_words import Conversation

COMMAND, TRACE = "> ", "    "


def rewritten(text: str) -> str:
    """The same prose and the same commands, each with what comes of it now."""
    return "\n".join(_lines(text)) + "\n"


def _lines(text: str) -> Iterator[str]:
    conversation = Conversation()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(TRACE):
            continue
        yield line
        if line.startswith(COMMAND):
            try:
                said = conversation.hear(line.removeprefix(COMMAND))
            except ScriptError as error:
                raise ScriptError(f"line {number}: {error}") from None
            except Exception as error:
                error.add_note(f"line {number}: {line}")
                raise
            yield from (TRACE + each for each in said)


def difference(expected: str, got: str) -> str:
    """Side by side, the lines that differ marked; empty: none."""
    if expected == got:
        return ""
    width = max(map(len, expected.splitlines()))
    pairs = zip_longest(expected.splitlines(), got.splitlines(), fillvalue="")
    rows = (f"{'  ' if a == b else '! '}{a:<{width}} | {b}" for a, b in pairs)
    return "\n".join((f"  {'expected':<{width}} | got", *rows))


def check(path: Path, *, rewrite: bool) -> str:
    """What is wrong with a script; with `rewrite` nothing is, from now on."""
    text = path.read_text()
    got = rewritten(text)
    if rewrite and got != text:
        path.write_text(got)
        return ""
    return difference(text, got)
