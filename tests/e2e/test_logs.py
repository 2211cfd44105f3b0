"""Logs as a person reads them: of a task that writes much, and whoever is killed meanwhile."""

import os
import signal
from collections.abc import Iterator

import pytest
from tests.support.command import Command, running_cluster, until

from fairlead.cli.cluster import read_record
from fairlead.common.home import Home

LAST = "1999999\n2000000\n"
PROGRAM = "seq 2000000; while [ ! -e stop ]; do sleep 0.1; done; echo the end"


@pytest.fixture(scope="module")
def fairlead() -> Iterator[Command]:
    with running_cluster("--cpus", "2", "--log-limit", "64KiB") as command:
        yield command


def test_the_end_of_a_long_log_is_read_whoever_is_killed(fairlead: Command) -> None:
    """The master and the agent, both while the task runs and after its end."""
    task_id = fairlead.ok("run", "-d", "--", "sh", "-c", PROGRAM).strip()
    shown = fairlead.until_task(task_id, "RUNNING")
    until("it has all been written", lambda: fairlead.ok(*tail(task_id)) == LAST)
    until("the beginning is gone", lambda: "not kept any more" in stderr_of(fairlead, task_id))
    done = fairlead("tasks", "logs", task_id)
    assert done.stdout.endswith(LAST)
    assert 1 << 16 <= len(done.stdout) <= 2 << 20
    assert done.stderr.startswith("fairlead: the first 1")
    assert done.stderr.count("\n") == 1
    for stop in (False, True):
        if stop:
            os.close(os.open(f"{shown['sandbox']}/stop", os.O_CREAT))
            fairlead.until_task(task_id, "FINISHED")
        kill(fairlead, "master", "a1")
        expected = "the end\n" if stop else LAST
        until("both are back", lambda: fairlead(*tail(task_id)).stdout.endswith(expected))  # noqa: B023
    assert fairlead.ok("tasks", "logs", "-f", task_id).endswith(LAST + "the end\n")


def tail(task_id: str) -> tuple[str, ...]:
    return "tasks", "logs", "--tail", "2", task_id


def stderr_of(fairlead: Command, task_id: str) -> str:
    return fairlead("tasks", "logs", task_id).stderr


def kill(fairlead: Command, *names: str) -> None:
    before = daemons(fairlead)
    for name in names:
        os.kill(before[name], signal.SIGKILL)
    until(
        f"others than {names}",
        lambda: all(daemons(fairlead).get(name, before[name]) != before[name] for name in names),
    )


def daemons(fairlead: Command) -> dict[str, int]:
    record = read_record(Home(fairlead.home))
    assert record is not None
    return {name: identity.pid for name, identity in record.daemons.items()}


def test_run_brings_the_whole_output_although_only_its_end_is_kept(fairlead: Command) -> None:
    lines = 100_000
    done = fairlead("run", "--", "seq", str(lines))
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout == "".join(f"{number}\n" for number in range(1, lines + 1))
