"""How the script of a job travels: it is read here, lands in the sandbox of each copy, and the
command runs it there.

In `python train.py`, `train.py` is the script; of `python -m package` nothing travels, and whoever
calls another program has it on the agents' machines.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.resources import format_bytes
from fairlead.common.sizes import MAX_TASK_BYTES

_INTERPRETER = re.compile(r"(python|pypy)[0-9.]*|(ba|da)?sh|perl")
_TAKES_A_WORD = {"-X", "-W"}
"""Options of python whose value is a word of its own."""
_INLINE = re.compile(r"-([A-Za-z]*[cm])?|-[cm].*", re.DOTALL)
"""What runs is a module, a word or stdin."""
MOST_BYTES = MAX_TASK_BYTES * 3 // 4


@dataclass(frozen=True, slots=True)
class Program:
    """What a copy of a job runs: the command, and the files that it finds beside itself."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes]
    directory: str = ""
    """Of the script, where modules may stand that it imports."""


def pack(command: Sequence[str], more: Sequence[str] = ()) -> Program:
    """The command as it is to run in a sandbox, its script and `more` files with it."""
    argv, files, directory = list(command), dict[str, bytes](), ""
    index = script_index(command)
    if index is not None:
        script = Path(command[index])
        _put(files, script, "the script")
        argv[index] = script.name
        directory = str(script.resolve().parent)
        if index == 0:  # files of a sandbox are not executable
            argv.insert(0, "python3")
    for path in more:
        _put(files, Path(path), "the file")
    return Program(tuple(argv), files, directory)


def script_index(command: Sequence[str]) -> int | None:
    """Which word is the script; None if there is none that travels."""
    if not _INTERPRETER.fullmatch(Path(command[0]).name):
        return 0 if command[0].endswith(".py") else None
    index = 1
    while index < len(command) and command[index].startswith("-"):
        if _INLINE.fullmatch(command[index]):
            return None
        index += 2 if command[index] in _TAKES_A_WORD else 1
    return index if index < len(command) else None


def _put(files: dict[str, bytes], path: Path, what: str) -> None:
    if path.name in files:
        raise ConfigError(
            f"two files are called {path.name!r}", hint="all lie in one directory: rename one"
        )
    try:
        with path.open("rb") as file:
            room = MOST_BYTES - sum(map(len, files.values()))
            files[path.name] = file.read(room + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read {what} {path}: {error.strerror}",
            hint="it is looked for here and travels with the job: check the path",
        ) from None
    if len(files[path.name]) > room:
        raise ConfigError(
            f"{what} {path} is too large to travel: no more than {format_bytes(MOST_BYTES)} do",
            hint="put large data where the agents find it, and name it in the command",
        )
