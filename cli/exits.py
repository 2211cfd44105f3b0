"""The exit codes of the `fairlead` command: one for each thing that a script may tell apart.

`fairlead run` ends with the code of its program, so Fairlead's own codes stay away from the usual
ones of programs (0 to 2) and of shells (126 and more); they begin where sysexits.h does.

| code | name | when |
|---|---|---|
| 0 | OK | done; also `fairlead down` when nothing runs |
| 64 | USAGE | a flag or an argument that cannot be understood |
| 66 | NOT_FOUND | no such task, framework or scheduler |
| 69 | UNAVAILABLE | nobody answers: no cluster runs there, or its master is away |
| 70 | INTERNAL | a mistake in Fairlead itself; `--debug` shows where |
| 71 | TASK_LOST | the task ended and its exit code will never be known, or it was never run |
| 73 | NOT_STARTED | the cluster did not come up |
| 74 | OUTPUT | the output cannot be written, as where the disk is full |
| 76 | REFUSED | the master understood, and said no |
| 77 | UNAUTHENTICATED | the token was refused, or belongs to somebody else |
| 78 | CONFIG | a setting, a file or a port that cannot be used as it is |
| 79 | ALREADY_RUNNING | `fairlead up` while a cluster runs in that home |
| 80 | TOO_BIG | `fairlead run` asked for more than any agent has |
| 127 | COMMAND_NOT_STARTED | `fairlead run`: no such command, as a shell says it |
| 128+n | | ended by signal n: the program in `fairlead run`, or the command itself (130: Ctrl-C) |
"""

from enum import IntEnum


class Exit(IntEnum):
    """See the table above."""

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
    COMMAND_NOT_STARTED = 127
    SIGNALLED = 128
    INTERRUPTED = 130
