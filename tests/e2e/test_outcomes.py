"""Every row of docs/cli.md's table of endings, tried: its first line, and its exit code."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.command import Command, running_cluster, until

from fairlead.cli.cluster import read_record
from fairlead.cli.exits import MEANINGS, Exit
from fairlead.cli.outcomes import ASKS, OUTCOMES, Outcome, document
from fairlead.common.home import Home, Leader

ROOT = Path(__file__).parents[2]
SMALL = ("--cpus", "1", "--mem", "256MiB")
NOWHERE = "127.0.0.1:1"
Ending = tuple[int, str]
"""Exit code, and what was said on stderr."""


@dataclass(frozen=True)
class Stage:
    """A cluster that runs, and a home where none does."""

    cluster: Command
    away: Command

    @property
    def address(self) -> str:
        leader = Home(self.cluster.home).read_leader()
        assert leader is not None
        return leader.address


@pytest.fixture(scope="module")
def cluster() -> Iterator[Command]:
    with running_cluster("--cpus", "2", "--mem", "512MiB") as command:
        yield command


@pytest.fixture
def stage(cluster: Command) -> Iterator[Stage]:
    away = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    yield Stage(cluster, Command(away))
    shutil.rmtree(away)


def ended(done: "subprocess.CompletedProcess[str]") -> Ending:
    return done.returncode, done.stderr


def run(*arguments: str) -> Callable[[Stage], Ending]:
    """Where the cluster is."""
    return lambda stage: ended(stage.cluster(*arguments))


def run_away(*arguments: str) -> Callable[[Stage], Ending]:
    """Where none is."""
    return lambda stage: ended(stage.away(*arguments))


# --- what needs more than a command line


def without_reader(stage: Stage) -> Ending:
    with stage.cluster.started("status") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        return process.wait(30), process.stderr.read()


def on_a_full_disk(stage: Stage) -> Ending:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            stage.cluster.argv("status"),
            env=stage.cluster.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    return ended(done)


def with_a_token(stage: Stage) -> Home:
    home = Home(stage.away.home)
    home.ensure()
    home.make_token()
    return home


def killed(stage: Stage) -> Ending:
    with_a_token(stage).write_leader(Leader(NOWHERE, 1, "c"))
    return ended(stage.away("status"))


def with_another_token(stage: Stage) -> Ending:
    with_a_token(stage)
    return ended(stage.away("status", "--master", stage.address))


def with_an_open_token(stage: Stage) -> Ending:
    with_a_token(stage).token_path.chmod(0o644)
    return ended(stage.away("status", "--master", NOWHERE))


def watched(stage: Stage) -> Ending:
    with stage.cluster.started("status", "--watch", "-o", "json") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("{")
        process.send_signal(signal.SIGINT)
        return process.wait(30), process.communicate()[1]


def followed(stage: Stage) -> Ending:
    stage.cluster.ok("run", *SMALL, "--", "true")
    with stage.cluster.started("offers", "log", "--follow", "--tail", "2") as process:
        assert process.stdout is not None
        assert "made" in process.stdout.readline()
        assert "accepted" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        return process.wait(30), process.communicate()[1]


def in_a_file(stage: Stage) -> Ending:
    return ended(stage.away("up", "--home", __file__))


def on_a_taken_port(*arguments: str) -> Callable[[Stage], Ending]:
    def attempt(stage: Stage) -> Ending:
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            return ended(stage.away(*arguments, "--port", str(taken.getsockname()[1])))

    return attempt


def with_an_agent_that_cannot_start(stage: Stage) -> Ending:
    (Home(stage.away.home).agents).mkdir()
    Home(stage.away.home).agents.joinpath("a1").write_text("in the way")
    return ended(stage.away("up", "--detach"))


def loudly(stage: Stage) -> Ending:
    return ended(Command(stage.away.home, FAIRLEAD_LOG="loud")("master"))


def killed_by_somebody(stage: Stage) -> Ending:
    with stage.cluster.started("run", "--name", "victim", "--", "sleep", "1000") as process:
        until("it runs", lambda: any(each["name"] == "victim" for each in stage.cluster.running()))
        stage.cluster.ok("tasks", "kill", "victim")
        return process.wait(30), process.communicate()[1]


def twice(stage: Stage) -> Ending:
    for _ in range(2):
        stage.cluster.ok("run", "--name", "twin", "--", "true")
    return ended(stage.cluster("tasks", "show", "twin"))


def when_it_has_ended(stage: Stage) -> Ending:
    stage.cluster.ok("run", "--name", "over", "--", "true")
    return ended(stage.cluster("tasks", "kill", "over"))


def as_an_agent_with_another_token(stage: Stage) -> Ending:
    with_a_token(stage)
    ending = ended(stage.away("agent", "--gpus", "none", "--master", stage.address))
    stage.away.ok("down")
    return ending


def with_a_killed_supervisor(stage: Stage) -> Ending:
    with stage.away.started("up", *SMALL) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Fairlead is up")
        record = read_record(Home(stage.away.home))
        assert record is not None
        os.kill(record.supervisor.pid, signal.SIGKILL)
        ending = process.wait(30), process.communicate()[1]
    stage.away.ok("down")
    return ending


def in_a_cluster_that_ends(stage: Stage) -> Ending:
    stage.away.ok("up", "--detach", *SMALL)
    with stage.away.started("run", "--", "sleep", "1000") as process:
        until("it runs", stage.away.running)
        stage.away.ok("down")
        return process.wait(30), process.communicate()[1]


def submitted(stage: Stage, *options: str, source: str = "raise SystemExit(3)") -> Ending:
    """A job of that program."""
    script = stage.away.home / "train.py"
    script.write_text(source)
    return ended(stage.cluster("jobs", "submit", *options, "--", sys.executable, str(script)))


def with_a_script_too_large(stage: Stage) -> Ending:
    return submitted(stage, "--gpus", "0", source="#" * (1 << 20))


def with_a_file_in_the_way(stage: Stage) -> Ending:
    return submitted(stage, "--gpus", "0", "--checkpoints", __file__)


def awaited(stage: Stage) -> Ending:
    return submitted(stage, "--gpus", "0", "--wait")


def with_a_name_of_two_jobs(stage: Stage) -> Ending:
    for _ in range(2):
        assert submitted(stage, "--gpus", "0", "--name", "twin")[0] == 0
    return ended(stage.cluster("jobs", "show", "twin"))


def with_a_job_that_ended(stage: Stage) -> Ending:
    assert submitted(stage, "--gpus", "0", "--name", "ended", "--wait")[0] == Exit.JOB_FAILED
    return ended(stage.cluster("jobs", "pause", "ended"))


def with_a_copy_too_many(stage: Stage) -> Ending:
    assert submitted(stage, "--gpus", "0", "--name", "once", "--wait")[0] == Exit.JOB_FAILED
    return ended(stage.cluster("jobs", "logs", "--run", "2", "once"))


def with_a_job_that_waits(stage: Stage) -> Ending:
    """All that the agent has is one task's."""
    everything = ("--cpus", "2", "--", "sleep", "1000")
    stage.cluster.ok("run", "-d", "--name", "all", *everything)
    assert submitted(stage, "--gpus", "0", "--name", "waiting")[0] == 0
    ending = ended(stage.cluster("jobs", "logs", "waiting"))
    stage.cluster.ok("jobs", "cancel", "waiting")
    stage.cluster.ok("tasks", "kill", "all")
    return ending


def sliced_by_a_word(stage: Stage) -> Ending:
    with_a_token(stage)
    return ended(stage.away("frameworks", "host", "training", "--slice", "long"))


# --- all rows


TRIED: Mapping[tuple[str, str], Callable[[Stage], Ending]] = {
    ("all", "a verb that there is not"): run_away("frobnicate"),
    ("all", "a flag that there is not"): run_away("status", "--bogus"),
    ("all", "an argument is missing"): run_away("tasks", "show"),
    ("all", "a value that cannot be read"): run_away("run", "--cpus", "many", "--", "true"),
    ("all", "the reader of the output has gone"): without_reader,
    ("all", "the disk of the output is full"): on_a_full_disk,
    (ASKS, "nothing runs in the home"): run_away("status"),
    (ASKS, "the cluster was killed"): killed,
    (ASKS, "`--master` leads nowhere"): run("status", "--master", NOWHERE),
    ("all", "`--master` is no address"): run_away("agent", "--master", "nowhere"),
    ("all", "`--master` is not loopback, without `--tls`"): run_away(
        "status", "--master", "192.0.2.1:5050"
    ),
    ("all", "`--tls` lacks a file"): run_away("status", "--tls", "/nonexistent"),
    (ASKS, "`--master`, and a home without a token"): run_away("status", "--master", NOWHERE),
    (ASKS, "a wrong token"): with_another_token,
    (ASKS, "others may read the token"): with_an_open_token,
    ("status, list", "`--watch`, and Ctrl-C"): watched,
    ("up", "a cluster runs there"): run("up"),
    ("up", "the home is no directory"): in_a_file,
    ("up", "`--port` is taken"): on_a_taken_port("up"),
    ("up", "a daemon ends at once"): with_an_agent_that_cannot_start,
    ("up", "its supervisor is killed, in the foreground"): with_a_killed_supervisor,
    ("down", "nothing runs there"): run_away("down"),
    ("run", "the program ends with n"): run("run", "--", "sh", "-c", "exit 3"),
    ("run", "the program dies of signal n"): run("run", "--", "sh", "-c", "kill -9 $$"),
    ("run", "there is no such program"): run("run", "--", "no-such-program"),
    ("run", "the command is empty"): run("run", "--", ""),
    ("run", "no agent is large enough"): run("run", "--cpus", "1000", "--", "true"),
    ("run", "the task is killed by somebody else"): killed_by_somebody,
    ("run", "`--max-time` is over"): run("run", "--max-time", "0.5s", "--", "sleep", "100"),
    ("run", "the cluster is ended meanwhile"): in_a_cluster_that_ends,
    ("offers log", "`-f`, and Ctrl-C"): followed,
    ("offers log", "`--framework` that nobody is named"): run(
        "offers", "log", "--framework", "nobody"
    ),
    ("explain", "no such framework before the /"): run("explain", "nobody/t1"),
    ("tasks", "no task of that name"): run("tasks", "show", "nobody"),
    ("tasks", "a name that fits several"): twice,
    ("tasks kill", "it has ended already"): when_it_has_ended,
    ("quota set", "more than all agents have is guaranteed, without `--force`"): run(
        "quota", "set", "ml", "--guarantee", "cpus=1000"
    ),
    ("quota set", "neither `--guarantee`, `--limit` nor `--none`"): run("quota", "set", "ml"),
    ("agents drain, gone", "no agent of that name"): run("agents", "drain", "nobody"),
    ("agents gone", "it is connected and not drained, without `--force`"): run(
        "agents", "gone", "a1"
    ),
    ("reservations set", "no agent of that name"): run(
        "reservations", "set", "nobody", "ml", "--cpus", "1"
    ),
    ("reservations set", "the agent has not so much left for the role"): run(
        "reservations", "set", "a1", "ml", "--cpus", "1000"
    ),
    ("jobs", "no job of that name"): run("jobs", "show", "nobody"),
    ("jobs", "a name that fits several"): with_a_name_of_two_jobs,
    ("jobs submit", "no such script"): run("jobs", "submit", "--", "python", "/no/such.py"),
    ("jobs submit", "it is too large to travel"): with_a_script_too_large,
    ("jobs submit", "no agent is large enough"): run("jobs", "submit", "--", "python", "-m", "x"),
    ("jobs submit", "`--checkpoints` cannot be made"): with_a_file_in_the_way,
    ("jobs submit", "`--wait`, and the job fails"): awaited,
    ("jobs logs", "no copy of it has run yet"): with_a_job_that_waits,
    ("jobs logs", "`--run` of a copy that there is not"): with_a_copy_too_many,
    ("jobs pause, resume", "it has ended"): with_a_job_that_ended,
    ("frameworks run", "no such scheduler"): run("frameworks", "run", "nobody"),
    ("frameworks run", "no such module"): run("frameworks", "run", "nowhere:Class"),
    ("frameworks run", "a class that is none"): run("frameworks", "run", "builtins:object"),
    ("frameworks run", "its step raises an exception"): run(
        "frameworks", "run", "tests.support.schedulers:Failing"
    ),
    ("frameworks host", "no cluster was ever begun there"): run_away("frameworks", "host", "batch"),
    ("frameworks host", "a length of slices that is none"): sliced_by_a_word,
    ("master, agent, frameworks host", "`--host` is not loopback, without `--tls`"): run_away(
        "master",
        "--host",
        "0.0.0.0",  # noqa: S104 - refused
    ),
    ("master", "`--port` is taken, by hand"): on_a_taken_port("master"),
    ("master, agent, frameworks", "`FAIRLEAD_LOG` is none of its levels"): loudly,
    ("master", "another runs there"): run("master"),
    ("agent", "another of that name runs there"): run("agent", "--name", "a1"),
    ("agent", "`--reserve` of more than it has"): run_away("agent", "--reserve", "ml:cpus=1000000"),
    ("agent", "a name that is none"): run_away("agent", "--name", "../x"),
    ("agent", "its home has another token"): as_an_agent_with_another_token,
}
NUMBERS = {"n": 3, "128 + n": 128 + signal.SIGKILL}
ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("all", "Ctrl-C"): "unit/cli/test_door.py",
    ("all", "a mistake in Fairlead"): "unit/cli/test_problems.py",
    ("status, list", "`--watch`, and the master ends"): "unit/cli/test_changes.py",
    ("up", "daemons run there that `up` did not start"): "e2e/test_cluster.py",
    ("up", "a daemon takes too long"): "unit/cli/test_start.py",
    ("up", "SIGTERM or SIGHUP while it starts"): "e2e/test_cluster.py",
    ("up", "Ctrl-C, SIGTERM or SIGHUP in the foreground"): "e2e/test_cluster.py",
    ("run", "Ctrl-C while it waits for room"): "e2e/test_run.py",
    ("jobs submit", "`--wait`, and Ctrl-C: the job goes on"): "e2e/test_jobs.py",
    ("agent", "it belongs to another cluster"): "e2e/test_daemons.py",
    (ASKS, "`--tls` is of another cluster"): "e2e/test_tls.py",
    (ASKS, "no `--tls`, and the cluster has it"): "e2e/test_tls.py",
    ("master, agent, frameworks host", "its certificate has expired, or is not its own"): (
        "e2e/test_tls.py"
    ),
    ("health frameworks", "one of them is not there"): "e2e/test_tls.py",
    ("certs init", "the authority was made elsewhere"): "unit/cli/test_certificates.py",
}
"""Where a row has a test of its own, because it takes a cluster of its own or no process at all."""
ROWS = {(each.verb, each.when): each for each in OUTCOMES}


def test_the_document_is_what_the_code_says() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert document(text) == text, "run: make docs"
    assert MEANINGS.keys() == set(Exit)


def test_every_row_is_tried() -> None:
    assert len(ROWS) == len(OUTCOMES)
    assert {*TRIED, *ELSEWHERE} == ROWS.keys()
    assert all((ROOT / "tests" / name).is_file() for name in ELSEWHERE.values())


@pytest.mark.parametrize("row", TRIED, ids=lambda row: re.sub(r"\W+", "-", " ".join(row)))
def test_it_ends_as_the_document_says(stage: Stage, row: tuple[str, str]) -> None:
    outcome = ROWS[row]
    code, said = TRIED[row](stage)
    assert code == code_of(outcome), said
    if not outcome.line:
        assert said == ""
        return
    first, *others = said.splitlines()
    while not first.startswith("fairlead: ") and others:  # a daemon's log comes before
        first, *others = others
    pattern = "fairlead: " + ".+".join(map(re.escape, outcome.line.split("…")))
    assert re.fullmatch(pattern, first), f"{first!r} is not {outcome.line!r}"
    assert len(others) <= 1, f"more than a hint: {others}"
    assert all(line.startswith("hint: ") for line in others)


def code_of(outcome: Outcome) -> int:
    if isinstance(outcome.exit, str):
        return NUMBERS.get(outcome.exit) or int(outcome.exit)
    return outcome.exit
