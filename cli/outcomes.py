"""How each verb may end: when, with which line, with which exit code.

docs/cli.md is made of it by `make docs`, which runs this module; a test compares the two and tries
every row on a real command. `…` stands for what differs from case to case.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fairlead.common.dataclass import dataclass

from .exits import MEANINGS, Exit

ASKS = "all that ask a cluster"
"""All but those that start, end or are daemons, and `frameworks run`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way to end; `line` is the first that is said, without the `fairlead: ` before it."""

    verb: str
    when: str
    line: str
    exit: Exit | str


OUTCOMES: Sequence[Outcome] = (
    Outcome("all", "a verb that there is not", "no such command '…'", Exit.USAGE),
    Outcome("all", "a flag that there is not", "no such option…", Exit.USAGE),
    Outcome("all", "an argument is missing", "missing argument '…'", Exit.USAGE),
    Outcome("all", "a value that cannot be read", "invalid value for '…': …", Exit.USAGE),
    Outcome("all", "the reader of the output has gone", "", "141"),
    Outcome("all", "the disk of the output is full", "cannot write the output: …", Exit.OUTPUT),
    Outcome("all", "Ctrl-C", "", Exit.INTERRUPTED),
    Outcome("all", "a mistake in Fairlead", "an error inside Fairlead: …", Exit.INTERNAL),
    Outcome(ASKS, "nothing runs in the home", "no cluster runs in …", Exit.UNAVAILABLE),
    Outcome(ASKS, "the cluster was killed", "nobody answers at …", Exit.UNAVAILABLE),
    Outcome(ASKS, "`--master` leads nowhere", "nobody answers at …", Exit.UNAVAILABLE),
    Outcome("all", "`--master` is no address", "'…' is not the address of a master", Exit.CONFIG),
    Outcome(
        "all",
        "`--master` is not loopback, without `--tls`",
        "refusing to send the token to … without TLS",
        Exit.CONFIG,
    ),
    Outcome("all", "`--tls` lacks a file", "there is no … in …", Exit.CONFIG),
    Outcome(
        ASKS,
        "`--tls` is of another cluster",
        "no answer from …: the certificate shown there was not made by the authority of …",
        Exit.CONFIG,
    ),
    Outcome(
        ASKS,
        "no `--tls`, and the cluster has it",
        "no answer from …: it speaks TLS only: name --tls DIR",
        Exit.CONFIG,
    ),
    Outcome(
        ASKS,
        "`--master`, and a home without a token",
        "there is no token in … to show to the master at …",
        Exit.UNAUTHENTICATED,
    ),
    Outcome(ASKS, "a wrong token", "the token was refused by …", Exit.UNAUTHENTICATED),
    Outcome(ASKS, "others may read the token", "… is open to other users (mode …)", Exit.CONFIG),
    Outcome(
        "status, list",
        "`--watch`, and the master ends",
        "the master ended the watch: …",
        Exit.UNAVAILABLE,
    ),
    Outcome("status, list", "`--watch`, and Ctrl-C", "", Exit.OK),
    Outcome("up", "a cluster runs there", "a cluster already runs in …", Exit.ALREADY_RUNNING),
    Outcome(
        "up",
        "daemons run there that `up` did not start",
        "daemons that were started by hand run in … and hold …",
        Exit.ALREADY_RUNNING,
    ),
    Outcome("up", "the home is no directory", "cannot use … as home: …", Exit.CONFIG),
    Outcome("up", "`--port` is taken", "port … is in use by another program", Exit.CONFIG),
    Outcome(
        "up",
        "a daemon ends at once",
        "… ended with code … while the cluster was starting: …",
        Exit.NOT_STARTED,
    ),
    Outcome(
        "up",
        "a daemon takes too long",
        "the cluster did not come up within 20 s: not there yet: …",
        Exit.NOT_STARTED,
    ),
    Outcome("up", "SIGTERM or SIGHUP while it starts", "", "128 + n"),
    Outcome("up", "Ctrl-C, SIGTERM or SIGHUP in the foreground", "", Exit.OK),
    Outcome(
        "up",
        "its supervisor is killed, in the foreground",
        "the supervisor of the cluster was killed",
        Exit.NOT_STARTED,
    ),
    Outcome("down", "nothing runs there", "", Exit.OK),
    Outcome("run", "the program ends with n", "", "n"),
    Outcome("run", "the program dies of signal n", "", "128 + n"),
    Outcome(
        "run",
        "there is no such program",
        "the command was not started: …",
        Exit.COMMAND_NOT_STARTED,
    ),
    Outcome("run", "the command is empty", "the command is an empty word", Exit.USAGE),
    Outcome(
        "run",
        "no agent is large enough",
        "the task asks for …, the largest agent has …",
        Exit.TOO_BIG,
    ),
    Outcome(
        "run",
        "Ctrl-C while it waits for room",
        "waiting: no agent has … free for it now (Ctrl-C gives up)",
        Exit.INTERRUPTED,
    ),
    Outcome("run", "the task is killed by somebody else", "the task was killed", "143"),
    Outcome(
        "run",
        "`--max-time` is over",
        "the task ended: ran for longer than its limit of … s",
        "143",
    ),
    Outcome(
        "run",
        "the cluster is ended meanwhile",
        "the cluster was ended, and the task with it",
        Exit.TASK_LOST,
    ),
    Outcome("offers log", "`-f`, and Ctrl-C", "", Exit.OK),
    Outcome(
        "offers log",
        "`--framework` that nobody is named",
        "there is no framework '…'",
        Exit.NOT_FOUND,
    ),
    Outcome("explain", "no such framework before the /", "there is no task '…'", Exit.NOT_FOUND),
    Outcome("tasks", "no task of that name", "there is no task '…'", Exit.NOT_FOUND),
    Outcome("tasks", "a name that fits several", "'…' may be any of … tasks: …", Exit.CONFIG),
    Outcome("tasks kill", "it has ended already", "", Exit.OK),
    Outcome("agents drain, gone", "no agent of that name", "there is no agent '…'", Exit.NOT_FOUND),
    Outcome(
        "agents gone",
        "it is connected and not drained, without `--force`",
        "… is connected, and runs …",
        Exit.CONFIG,
    ),
    Outcome("reservations set", "no agent of that name", "there is no agent '…'", Exit.NOT_FOUND),
    Outcome(
        "reservations set",
        "the agent has not so much left for the role",
        "… has … that … could have, not …",
        Exit.REFUSED,
    ),
    Outcome("jobs", "no job of that name", "there is no job '…'", Exit.NOT_FOUND),
    Outcome("jobs", "a name that fits several", "'…' may be any of … jobs: …", Exit.CONFIG),
    Outcome("jobs submit", "no such script", "cannot read the script …: …", Exit.CONFIG),
    Outcome(
        "jobs submit",
        "it is too large to travel",
        "the script … is too large to travel: no more than … do",
        Exit.CONFIG,
    ),
    Outcome("jobs submit", "no agent is large enough", "the job asks for …, …", Exit.TOO_BIG),
    Outcome(
        "jobs submit",
        "`--checkpoints` cannot be made",
        "checkpoints: cannot make …: …",
        Exit.REFUSED,
    ),
    Outcome(
        "jobs submit",
        "`--wait`, and the job fails",
        "the job … failed: …",
        Exit.JOB_FAILED,
    ),
    Outcome("jobs submit", "`--wait`, and Ctrl-C: the job goes on", "", Exit.INTERRUPTED),
    Outcome(
        "jobs logs",
        "no copy of it has run yet",
        "no copy of … has been launched yet",
        Exit.NOT_FOUND,
    ),
    Outcome(
        "jobs logs",
        "`--run` of a copy that there is not",
        "no copy … of … has been launched; the last one is …",
        Exit.NOT_FOUND,
    ),
    Outcome("jobs pause, resume", "it has ended", "job '…' is …, for good", Exit.REFUSED),
    Outcome(
        "quota set",
        "more than all agents have is guaranteed, without `--force`",
        "… would be guaranteed, and all agents have …; ask for less, or force it",
        Exit.REFUSED,
    ),
    Outcome(
        "quota set",
        "neither `--guarantee`, `--limit` nor `--none`",
        "say --guarantee, --limit or both; or --none",
        Exit.USAGE,
    ),
    Outcome(
        "frameworks run", "no such scheduler", "no scheduler is called '…' (…)", Exit.NOT_FOUND
    ),
    Outcome(
        "frameworks run", "no such module", "cannot import …: No module named '…'", Exit.NOT_FOUND
    ),
    Outcome(
        "frameworks run",
        "a class that is none",
        "… is no scheduler: it has no framework and no step",
        Exit.CONFIG,
    ),
    Outcome(
        "frameworks run",
        "its step raises an exception",
        "the scheduler … failed in its step: …",
        Exit.INTERNAL,
    ),
    Outcome(
        "frameworks host",
        "no cluster was ever begun there",
        "there is no cluster in … (no token)",
        Exit.CONFIG,
    ),
    Outcome(
        "frameworks host",
        "a length of slices that is none",
        "FAIRLEAD_TRAINING_SLICE_S is '…', not a number of seconds between 0 and 86400",
        Exit.CONFIG,
    ),
    Outcome(
        "master, agent, frameworks host",
        "`--host` is not loopback, without `--tls`",
        "refusing to listen on … without TLS",
        Exit.CONFIG,
    ),
    Outcome(
        "master, agent, frameworks host",
        "its certificate has expired, or is not its own",
        "… has expired",
        Exit.CONFIG,
    ),
    Outcome(
        "health frameworks",
        "one of them is not there",
        "not connected to the master: …",
        Exit.UNAVAILABLE,
    ),
    Outcome(
        "certs init",
        "the authority was made elsewhere",
        "… has ca.pem and no ca-key.pem",
        Exit.CONFIG,
    ),
    Outcome("master", "`--port` is taken, by hand", "port … is already in use (…): …", Exit.CONFIG),
    Outcome(
        "master, agent, frameworks",
        "`FAIRLEAD_LOG` is none of its levels",
        "FAIRLEAD_LOG is '…', which is no level",
        Exit.CONFIG,
    ),
    Outcome("master", "another runs there", "… is in use by process …", Exit.CONFIG),
    Outcome("agent", "another of that name runs there", "… is in use by process …", Exit.CONFIG),
    Outcome(
        "agent",
        "`--reserve` of more than it has",
        "--reserve asks for … in all; this agent has …",
        Exit.CONFIG,
    ),
    Outcome("agent", "a name that is none", "'…' is no name for an agent", Exit.CONFIG),
    Outcome(
        "agent",
        "it belongs to another cluster",
        "the master refuses this agent: it belongs to cluster …, this is …: …",
        Exit.CONFIG,
    ),
    Outcome(
        "agent",
        "its home has another token",
        "the master refuses this agent, whose home is not that of its cluster: …",
        Exit.UNAUTHENTICATED,
    ),
)


# --- the document


def document(text: str) -> str:
    """The same text with both tables as they should be, each between its two comments."""
    for name, lines in (("codes", _codes()), ("outcomes", _outcomes())):
        begin, end = f"<!-- {name}: made by `make docs` -->\n", f"<!-- end of {name} -->\n"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        made = begin + "".join(f"{line}\n" for line in lines) + end
        assert pattern.search(text), f"the document has no place for the {name}"
        text = pattern.sub(lambda _, made=made: made, text)  # type: ignore[misc]
    return text


def _codes() -> Iterator[str]:
    return _table(("code", "when"), ((str(code.value), why) for code, why in MEANINGS.items()))


def _outcomes() -> Iterator[str]:
    rows = (
        (
            f"`{each.verb}`" if each.verb not in {ASKS, "all"} else each.verb,
            each.when,
            f"`{each.line}`" if each.line else "",
            each.exit if isinstance(each.exit, str) else str(each.exit.value),
        )
        for each in OUTCOMES
    )
    return _table(("verb", "when", "says", "code"), rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (titles, ["---"] * len(titles), *rows):
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(document(path.read_text(encoding="utf-8")), encoding="utf-8")
