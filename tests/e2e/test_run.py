"""`fairlead run`: the program's output, its exit code, its signals, and nothing left of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.command import Command, running_cluster, until


@pytest.fixture(scope="module")
def fairlead() -> Iterator[Command]:
    with running_cluster("--agents", "2", "--cpus", "4", "--mem", "1GiB", "--gpus", "fake:2") as up:
        yield up


def test_output_and_exit_code_are_the_programs(fairlead: Command) -> None:
    done = fairlead("run", "--", "sh", "-c", "echo hi; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("hi\n", "", 7)
    ended = fairlead.json("tasks", "list", "--all")
    assert [(each["state"], each["exit_code"]) for each in ended] == [("FAILED", 7)]
    assert fairlead.running() == []


def test_stdout_and_stderr_stay_apart(fairlead: Command) -> None:
    done = fairlead("run", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 0)


def test_every_byte_arrives_before_it_ends(fairlead: Command) -> None:
    """More than any buffer on the way holds, the last of it written just before the end."""
    with fairlead.started("run", "--", "sh", "-c", "head -c 3000000 /dev/zero; printf end") as run:
        assert run.stdout is not None
        output = run.stdout.read()
        assert run.wait(30) == 0
    assert len(output) == 3000003
    assert output.endswith("\0end")


def test_output_comes_while_it_runs(fairlead: Command) -> None:
    with fairlead.started("run", "--", "sh", "-c", "echo first; exec sleep 1000") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "first\n"
        run.send_signal(signal.SIGINT)
        run.wait(15)


def test_a_signal_is_128_and_its_number(fairlead: Command) -> None:
    done = fairlead("run", "--", "sh", "-c", "kill -9 $$")
    assert done.returncode == 128 + 9


def test_environment_name_and_gpus_reach_the_task(fairlead: Command) -> None:
    done = fairlead(
        *("run", "--env", "COLOUR=blue", "--name", "paint", "--gpus", "1", "--"),
        *("sh", "-c", "echo $COLOUR; env | grep -c VISIBLE_DEVICES"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "blue"
    assert int(done.stdout.splitlines()[1]) >= 1
    (shown,) = [each for each in fairlead.json("tasks", "list", "--all") if each["name"] == "paint"]
    assert shown["gpus"] == 1


def interrupted(run: "subprocess.Popen[str]", signum: int) -> int:
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    run.send_signal(signum)
    return run.wait(15)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_goes_on_to_the_task(fairlead: Command, signum: signal.Signals) -> None:
    with fairlead.started("run", "--", "sh", "-c", "echo ready; exec sleep 1000") as run:
        assert interrupted(run, signum) == 128 + signum
    assert fairlead.running() == []


def test_ctrl_c_goes_on_to_the_program(fairlead: Command) -> None:
    """Its child dies of it too, or the shell would not come to its trap."""
    child = "sh -c 'echo ready; exec sleep 1000'"  # it is there when it says so
    program = f"trap 'echo got int; exit 9' INT; {child}; echo not interrupted"
    with fairlead.started("run", "--", "sh", "-c", program) as run:
        assert interrupted(run, signal.SIGINT) == 9
        assert run.stdout is not None
        assert run.stdout.read() == "got int\n"


@pytest.mark.parametrize(
    ("ending", "code"), [("raise", 128 + signal.SIGINT), ("sys.exit(0)", 0), ("sys.exit(4)", 4)]
)
def test_python_gets_its_keyboard_interrupt(fairlead: Command, ending: str, code: int) -> None:
    program = f"""
import sys, time
try:
    print("ready", flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    {ending}
"""
    with fairlead.started("run", "--", sys.executable, "-c", program) as run:
        assert interrupted(run, signal.SIGINT) == code
        assert run.stdout is not None
        assert run.stdout.read() == "interrupted\n"


def test_a_second_ctrl_c_does_not_wait(fairlead: Command) -> None:
    program = "trap '' INT; echo ready; while :; do sleep 0.05; done"
    with fairlead.started("run", "--", "sh", "-c", program) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        run.send_signal(signal.SIGINT)
        time.sleep(0.5)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        assert run.wait(15) == 128 + signal.SIGKILL
        assert time.monotonic() - began < 4  # the grace is 5 s
    assert fairlead.running() == []


def test_a_vanished_client_ends_its_task_within_10_s(fairlead: Command) -> None:
    with fairlead.started("run", "--", "sh", "-c", "echo ready; exec sleep 1000") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        (row,) = fairlead.running()
        run.kill()
    until("the task has gone", lambda: not fairlead.running(), patience_s=10)
    with pytest.raises(ProcessLookupError):
        os.kill(row["pid"], 0)


def test_a_closed_pipe_ends_it(fairlead: Command) -> None:
    with fairlead.started("run", "--", "yes") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "y\n"
        run.stdout.close()
        assert run.wait(15) != 0
    until("the task has gone", lambda: not fairlead.running(), patience_s=10)


@pytest.mark.parametrize("arguments", [("run", "--", "echo", "x"), ("tasks", "list", "--all")])
def test_output_that_cannot_be_written(fairlead: Command, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            fairlead.argv(*arguments),
            env=fairlead.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 74
    assert done.stderr == "fairlead: cannot write the output: No space left on device\n"


def test_closed_streams_lead_nowhere(fairlead: Command) -> None:
    words = " ".join(fairlead.argv("run", "--", "sh", "-c", "'echo x; exit 3'"))
    closed = ["sh", "-c", f"{words} <&- >&- 2>&-"]
    assert subprocess.run(closed, env=fairlead.environment, timeout=30, check=False).returncode == 3


def test_a_command_that_does_not_exist(fairlead: Command) -> None:
    done = fairlead("run", "--", "no-such-command")
    assert done.returncode == 127
    assert done.stdout == ""
    assert "no-such-command" in done.stderr.splitlines()[0]
    assert done.stderr.startswith("fairlead: ")


@pytest.mark.parametrize(
    "flags", [["--cpus", "100"], ["--mem", "999GiB"], ["--gpus", "3"]], ids=lambda flags: flags[0]
)
def test_more_than_any_agent_has_is_said_at_once(fairlead: Command, flags: list[str]) -> None:
    began = time.monotonic()
    done = fairlead("run", *flags, "--", "true")
    assert time.monotonic() - began < 10
    assert done.returncode == 80
    assert done.stdout == ""
    assert done.stderr.startswith("fairlead: ")
    assert fairlead.running() == []


def test_detached_prints_the_id_and_leaves_it(fairlead: Command) -> None:
    task_id = fairlead.ok("run", "-d", "--", "sh", "-c", "echo hello; exec sleep 1000").strip()
    assert fairlead.until_task(task_id, "RUNNING")["framework"] == "commands"
    until("it has written", lambda: fairlead.ok("tasks", "logs", task_id) == "hello\n")
    fairlead.ok("tasks", "kill", task_id)
    ended = fairlead.until_task(task_id, "KILLED")
    assert ended["exit_code"] is None
    assert fairlead.ok("tasks", "logs", task_id) == "hello\n"


def test_detached_too_big_is_said_at_once(fairlead: Command) -> None:
    done = fairlead("run", "-d", "--cpus", "100", "--", "true")
    assert done.returncode == 80
    assert done.stdout == ""


def test_logs_can_be_followed_to_the_end(fairlead: Command) -> None:
    program = "for i in 1 2 3; do echo $i; sleep 0.3; done; echo oops >&2"
    task_id = fairlead.ok("run", "-d", "--", "sh", "-c", program).strip()
    fairlead.until_task(task_id, "RUNNING", "FINISHED")
    assert fairlead.ok("tasks", "logs", "-f", task_id) == "1\n2\n3\n"
    assert fairlead.ok("tasks", "logs", "--stderr", task_id) == "oops\n"
    assert fairlead.ok("tasks", "logs", "--tail", "2", task_id) == "2\n3\n"
    assert fairlead.until_task(task_id, "FINISHED")["exit_code"] == 0


def test_many_at_once(fairlead: Command) -> None:
    """More than fit at the same time: each runs in its turn and ends with its own code."""
    runs = [
        subprocess.Popen(
            fairlead.argv("run", "--cpus", "2", "--", "sh", "-c", f"echo {number}; exit {number}"),
            env=fairlead.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    for number, run in enumerate(runs):
        output, _ = run.communicate(timeout=60)
        assert (output, run.returncode) == (f"{number}\n", number)


def test_a_detached_command_that_waits_can_be_taken_back(fairlead: Command) -> None:
    filler = [fairlead.ok("run", "-d", "--cpus", "4", "--", "sleep", "1000").strip() for _ in "12"]
    for task_id in filler:
        fairlead.until_task(task_id, "RUNNING")
    waiting = fairlead.ok("run", "-d", "--cpus", "4", "--", "true").strip()
    assert fairlead.ok("tasks", "kill", waiting) == f"{waiting} had not started yet, and will not\n"
    fairlead.ok("tasks", "kill", *filler)
    for task_id in filler:
        fairlead.until_task(task_id, "KILLED")
    assert waiting not in fairlead.ok("tasks", "list", "--all")
    assert fairlead("tasks", "kill", waiting).returncode == 66


def test_m35_why_a_command_waits(fairlead: Command) -> None:
    filler = [fairlead.ok("run", "-d", "--cpus", "4", "--", "sleep", "1000").strip() for _ in "12"]
    for task_id in filler:
        fairlead.until_task(task_id, "RUNNING")
    waiting = fairlead.ok("run", "-d", "--cpus", "4", "--", "true").strip()
    until("its wait is known", lambda: "nearest" in fairlead.ok("explain", "commands"))
    assert "2 agents: too little is free" in fairlead.ok("explain", "commands")
    assert fairlead.json("explain", "commands")["agents"] == {"in use": 2}
    assert "of framework commands" in fairlead.ok("explain", filler[0])
    said = fairlead.ok("explain", waiting)
    assert said.startswith(f"nothing named {waiting} is known")
    assert "wants 1 task of 4 cpus" in said
    fairlead.ok("tasks", "kill", waiting, *filler)
    for task_id in filler:
        fairlead.until_task(task_id, "KILLED")
    log = [json.loads(line) for line in fairlead.ok("offers", "log", "-o", "json").splitlines()]
    (taken,) = (event for event in log if event["message"] == f"launches {filler[0]}")
    life = [event["event"] for event in log if event["offer_id"] == taken["offer_id"]]
    assert life == ["MADE", "ACCEPTED"]


def test_a_waiting_command_can_be_interrupted(fairlead: Command) -> None:
    filler = [fairlead.ok("run", "-d", "--cpus", "4", "--", "sleep", "1000").strip() for _ in "12"]
    with fairlead.started("run", "--cpus", "4", "--", "true") as run:
        assert run.stderr is not None
        assert "no agent has 4 cpus" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        assert run.wait(10) == 128 + signal.SIGINT
    fairlead.ok("tasks", "kill", *filler)
    for task_id in filler:
        fairlead.until_task(task_id, "KILLED")


def test_no_time_at_all_is_no_limit(fairlead: Command) -> None:
    done = fairlead("run", "--max-time", "0s", "--", "true")
    assert done.returncode == 64
    assert "--max-time is 0: leave it out" in done.stderr


def test_nothing_to_run(fairlead: Command) -> None:
    done = fairlead("run")
    assert done.returncode == 64
    assert done.stderr.splitlines()[-1] == "hint: fairlead run --help"


def test_unknown_flags_are_the_programs_only_behind_the_command(fairlead: Command) -> None:
    done = fairlead("run", "--bogus", "--", "true")
    assert done.returncode == 64
    assert fairlead("run", "echo", "--bogus").stdout == "--bogus\n"
