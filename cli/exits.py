"""The exit codes of the `fairlead` command: one for each thing that a script may tell apart.

`fairlead run` ends with the code of its program, so Fairlead's own codes stay away from the usual
ones of programs (0 to 2) and of shells (126 and more); they begin where sysexits.h does. Which
verb ends how is in `outcomes`; docs/cli.md is made of both.
"""

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    """What each means stands below."""

    OK = 0
    USAGE = 64
    NOT_FOUND = 66
    UNAVAILABLE = 69
    INTERNAL = 70
    TASK_LOST = 71
    NOT_STARTED = 73
    OUTPUT = 74
    REFUSED = 76
    UNAUTHENTICATED = 77
    CONFIG = 78
    ALREADY_RUNNING = 79
    TOO_BIG = 80
    JOB_FAILED = 81
    COMMAND_NOT_STARTED = 127
    SIGNALLED = 128
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.OK: "done; also `fairlead down` when nothing runs",
    Exit.USAGE: "a flag or an argument that cannot be understood",
    Exit.NOT_FOUND: "no such task, job, framework or scheduler",
    Exit.UNAVAILABLE: "nobody answers: no cluster runs there, or its master is away",
    Exit.INTERNAL: "a mistake in Fairlead itself, or in a scheduler's step; `--debug` shows where",
    Exit.TASK_LOST: "the task ended and its exit code will never be known, or it was never run",
    Exit.NOT_STARTED: "the cluster did not come up, or its supervisor was killed",
    Exit.OUTPUT: "the output cannot be written, as where the disk is full",
    Exit.REFUSED: "the master understood, and said no",
    Exit.UNAUTHENTICATED: "the token was refused, or there is none",
    Exit.CONFIG: "a setting, a name, a file or a port that cannot be used as it is",
    Exit.ALREADY_RUNNING: "`fairlead up` while a cluster runs in that home",
    Exit.TOO_BIG: "`fairlead run` or `jobs submit` asked for more than any agent has",
    Exit.JOB_FAILED: "`fairlead jobs submit --wait`: the job failed, or was cancelled",
    Exit.COMMAND_NOT_STARTED: "`fairlead run`: no such command, as a shell says it",
    Exit.SIGNALLED: "128 + n: ended by signal n, the program of `fairlead run` or the command",
    Exit.INTERRUPTED: "Ctrl-C; `fairlead run`: the program died of it, or had not been started",
}
