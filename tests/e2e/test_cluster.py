"""A cluster's life: up, found, asked, ended; and whatever may stand in the way."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.command import Command, processes_of, sockets_of, until

from fairlead.cli.cluster import Record, read_record, start_embedded
from fairlead.common.errors import FairleadError
from fairlead.common.home import Home
from fairlead.common.processes import is_alive

SMALL = ("--cpus", "2", "--mem", "512MiB")


@pytest.fixture
def fairlead(fairlead_home: Path) -> Iterator[Command]:
    command = Command(fairlead_home)
    yield command
    command("down")
    assert processes_of(fairlead_home) == []


def record_of(command: Command) -> Record:
    record = read_record(Home(command.home))
    assert record is not None
    return record


def nothing_is_left(command: Command) -> None:
    assert processes_of(command.home) == []
    assert sockets_of(command.home) == []
    home = Home(command.home)
    assert home.read_cluster() is None
    assert home.read_leader() is None


def test_up_work_down(fairlead: Command) -> None:
    """The whole story, as the README tells it."""
    said = fairlead.ok("up", "--detach", "--agents", "2", "--gpus", "fake:4")
    port = record_of(fairlead).port
    assert f"127.0.0.1:{port}" in said
    assert "2 agents" in said
    assert "isolation" in said
    assert str(fairlead.home) in said
    assert "fairlead run" in said

    shown = fairlead.json("status")
    assert [(each["name"], each["state"]) for each in shown["agents"]] == [
        ("a1", "CONNECTED"),
        ("a2", "CONNECTED"),
    ]
    assert sum(each["cpus"] for each in shown["agents"]) == len(os.sched_getaffinity(0))
    assert [each["gpus"] for each in shown["agents"]] == [4, 4]
    assert "commands" in {each["name"] for each in shown["frameworks"]}

    done = fairlead("run", "--", "sh", "-c", "echo hi; exit 7")
    assert (done.stdout, done.returncode) == ("hi\n", 7)
    (ended,) = fairlead.json("tasks", "list", "--all")
    assert (ended["state"], ended["exit_code"]) == ("FAILED", 7)

    again = fairlead("up")
    assert again.returncode == 79
    assert "already runs" in again.stderr
    assert "fairlead status" in again.stderr
    assert "fairlead down" in again.stderr

    running = fairlead.ok("run", "-d", "--", "sleep", "1000").strip()
    pid = fairlead.until_task(running, "RUNNING")["pid"]
    said = fairlead.ok("down")
    assert said.startswith("ended 1 running task, stopped ")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    nothing_is_left(fairlead)
    assert fairlead.ok("down") == f"nothing runs in {fairlead.home}\n"
    gone = fairlead("status")
    assert (gone.returncode, "fairlead up" in gone.stderr) == (69, True)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_in_the_foreground_ends_it(fairlead: Command, signum: signal.Signals) -> None:
    with fairlead.started("up", *SMALL) as up:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("Fairlead is up")
        task_id = fairlead.ok("run", "-d", "--", "sleep", "1000").strip()
        fairlead.until_task(task_id, "RUNNING")
        os.killpg(up.pid, signum)  # a terminal tells the whole group
        assert up.wait(30) == 0
        assert "ended 1 running task, " in up.stdout.read()
    nothing_is_left(fairlead)


def test_a_foreground_cluster_ends_with_a_killed_up(fairlead: Command) -> None:
    with fairlead.started("up", *SMALL) as up:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("Fairlead is up")
        up.kill()
    until("all has ended", lambda: not processes_of(fairlead.home), 20)
    nothing_is_left(fairlead)


def test_down_from_elsewhere_ends_a_foreground_cluster(fairlead: Command) -> None:
    with fairlead.started("up", *SMALL) as up:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("Fairlead is up")
        fairlead.ok("down")
        assert up.wait(15) == 0
        assert "fairlead down" in up.stdout.read()


def test_daemons_that_are_killed_come_back_and_the_task_runs_on(fairlead: Command) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    task_id = fairlead.ok("run", "-d", "--", "sh", "-c", "sleep 4; exit 5").strip()
    pid = fairlead.until_task(task_id, "RUNNING")["pid"]
    before = record_of(fairlead)
    for name in ("master", "a1"):
        os.kill(before.daemons[name].pid, signal.SIGKILL)
    until(
        "both have been started again",
        lambda: all(
            record_of(fairlead).daemons.get(name, before.daemons[name]) != before.daemons[name]
            for name in ("master", "a1")
        ),
    )
    assert record_of(fairlead).port == before.port
    until("the master answers", lambda: fairlead("tasks", "show", task_id).returncode == 0)
    assert fairlead.task(task_id)["pid"] == pid
    assert fairlead.until_task(task_id, "FAILED")["exit_code"] == 5


def test_output_goes_on_over_a_killed_master_and_agent(fairlead: Command) -> None:
    """Each line once, and the true exit code."""
    fairlead.ok("up", "--detach", *SMALL)
    program = "for i in $(seq 12); do echo $i; sleep 0.5; done; exit 9"
    with fairlead.started("run", "--", "sh", "-c", program) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "1\n"
        before = record_of(fairlead)
        for name in ("master", "a1"):
            os.kill(before.daemons[name].pid, signal.SIGKILL)
        assert run.stdout.read() == "".join(f"{number}\n" for number in range(2, 13))
        assert run.wait(15) == 9


def test_down_ends_a_run_that_is_watched(fairlead: Command) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    with fairlead.started("run", "--", "sh", "-c", "echo ready; exec sleep 1000") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        assert fairlead.ok("down").startswith("ended 1 running task, ")
        assert run.wait(15) == 71
        assert run.stderr is not None
        assert run.stderr.read().startswith("fairlead: the cluster was ended")


def test_ctrl_c_while_it_starts_leaves_nothing(fairlead: Command) -> None:
    with fairlead.started("up", *SMALL) as up:
        until("the supervisor runs", lambda: Home(fairlead.home).read_cluster() is not None)
        os.killpg(up.pid, signal.SIGINT)
        assert up.wait(20) in {0, 130}
    nothing_is_left(fairlead)


SCHEDULER = """
from fairlead.common.ids import FrameworkId
from fairlead.common.values import FrameworkInfo
from fairlead.frameworks.kit.scheduler import SchedulerBase, Stop, Subscribed

class Passing(SchedulerBase):
    def __init__(self):
        self.framework = FrameworkInfo(FrameworkId(""), "passing")

    def step(self, event, now):
        return [Stop("seen enough", 5)] if isinstance(event, Subscribed) else []
"""


def test_a_scheduler_is_run_by_name(
    fairlead: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    (tmp_path / "visitors.py").write_text(SCHEDULER)
    monkeypatch.chdir(tmp_path)
    done = fairlead("frameworks", "run", "visitors:Passing")
    assert done.returncode == 5, done.stderr
    rows = fairlead.json("frameworks", "list", "--all")
    assert "passing" in {each["name"] for each in rows}
    missing = fairlead("frameworks", "run", "no-such-scheduler")
    assert missing.returncode == 66
    assert missing.stderr.startswith("fairlead: no scheduler is called 'no-such-scheduler'")


def test_a_stale_home_is_started_again_and_its_tasks_adopted(fairlead: Command) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    task_id = fairlead.ok("run", "-d", "--", "sleep", "1000").strip()
    pid = fairlead.until_task(task_id, "RUNNING")["pid"]
    record = record_of(fairlead)
    for identity in (record.supervisor, *record.daemons.values()):
        os.kill(identity.pid, signal.SIGKILL)
    until("they are gone", lambda: not any(map(is_alive, record.daemons.values())))
    said = fairlead.ok("up", "--detach", *SMALL)
    assert "did not end properly" in said
    shown = fairlead.until_task(task_id, "RUNNING")
    assert shown["pid"] == pid
    assert record_of(fairlead).port == record.port


def test_down_ends_what_is_left_when_all_daemons_are_dead(fairlead: Command) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    task_id = fairlead.ok("run", "-d", "--", "sleep", "1000").strip()
    fairlead.until_task(task_id, "RUNNING")
    record = record_of(fairlead)
    for identity in (record.supervisor, *record.daemons.values()):
        os.kill(identity.pid, signal.SIGKILL)
    assert fairlead.ok("down").startswith("ended 1 running task, ")
    nothing_is_left(fairlead)


@pytest.mark.parametrize("is_removed", [False, True], ids=["damaged", "removed"])
def test_down_needs_no_record_to_end_the_supervisor(fairlead: Command, is_removed: bool) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    supervisor = record_of(fairlead).supervisor
    path = Home(fairlead.home).cluster_path
    if is_removed:
        path.unlink()
    else:
        path.write_text("x\n")
    assert fairlead.ok("down").startswith("ended 0 running tasks, stopped 5 processes")
    assert not is_alive(supervisor)
    nothing_is_left(fairlead)


def test_a_cluster_outlives_the_reader_of_its_banner(fairlead: Command) -> None:
    with fairlead.started("up", "--detach", *SMALL) as up:
        assert up.stdout is not None
        up.stdout.close()
        assert up.wait(30) == 141
    assert len(fairlead.json("status")["agents"]) == 1


def test_daemons_that_were_started_by_hand(fairlead: Command) -> None:
    with contextlib.ExitStack() as daemons:
        agent = daemons.enter_context(fairlead.started("agent", "--rack", "r7"))
        until("it waits for its master", (fairlead.home / "token").exists)
        master = daemons.enter_context(fairlead.started("master"))
        until(
            "the agent is there", lambda: '"r7"' in fairlead("agents", "list", "-o", "json").stdout
        )
        done = fairlead("up")
        assert done.returncode == 79
        assert f"pid {master.pid}" in done.stderr
        assert fairlead("run", "--", "echo", "hi").stdout == "hi\n"
        assert fairlead.ok("down") == "ended 0 running tasks, stopped 3 processes\n"
        assert (master.wait(10), agent.wait(10)) == (0, 0)
    nothing_is_left(fairlead)


def test_a_port_in_use(fairlead: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fairlead("up", "--detach", "--port", str(port))
    assert done.returncode == 78
    assert done.stderr.splitlines()[0] == f"fairlead: port {port} is in use by another program"
    nothing_is_left(fairlead)


def test_a_daemon_that_fails_at_the_start_says_why(fairlead: Command) -> None:
    registry = Home(fairlead.home).registry
    registry.parent.mkdir(mode=0o700)
    registry.write_bytes(b"this is no database" * 100)
    done = fairlead("up", "--detach", *SMALL)
    assert done.returncode == 73
    first = done.stderr.splitlines()[0]
    assert first.startswith("fairlead: master ended with code ")
    assert "registry" in first
    nothing_is_left(fairlead)


def test_two_at_once(fairlead: Command) -> None:
    detached = ("up", "--detach", *SMALL)
    with fairlead.started(*detached) as one, fairlead.started(*detached) as other:
        codes = sorted([one.wait(60), other.wait(60)])
    assert codes == [0, 79]
    assert len(fairlead.json("agents", "list")) == 1


def test_a_wrong_token(fairlead: Command, tmp_path: Path) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    address = f"127.0.0.1:{record_of(fairlead).port}"
    stranger = Command(tmp_path)
    tmp_path.chmod(0o700)
    (tmp_path / "token").write_text("wrong\n")
    (tmp_path / "token").chmod(0o600)
    for arguments in (["status"], ["run", "--", "true"], ["run", "-d", "--", "true"]):
        done = stranger(*arguments, "--master", address) if arguments[0] == "status" else stranger(
            "run", "--master", address, *arguments[1:]
        )  # fmt: skip
        assert done.returncode == 77, done.stderr
        assert "token was refused" in done.stderr.splitlines()[0]
        assert done.stderr.splitlines()[1].startswith("hint: ")
    named = Command(fairlead.home, FAIRLEAD_MASTER=address)
    assert len(named.json("agents", "list")) == 1


def test_a_home_that_others_can_read_is_refused(fairlead: Command) -> None:
    fairlead.home.chmod(0o755)
    done = fairlead("up", "--detach")
    assert done.returncode == 78
    assert "open to other users" in done.stderr
    assert f"hint: close it: chmod 700 {fairlead.home}" in done.stderr


def test_nobody_answers(fairlead: Command) -> None:
    for arguments in (["status"], ["run", "--", "true"], ["run", "-d", "true"], ["tasks", "list"]):
        done = fairlead(*arguments)
        assert done.returncode == 69, done.stderr
        assert "fairlead up" in done.stderr


def test_watching_shows_what_changes(fairlead: Command) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    with fairlead.started("tasks", "list", "--all", "--watch", "-o", "json") as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline()) == []
        fairlead.ok("run", "--", "true")
        states: list[str] = []
        deadline = time.monotonic() + 15
        while states[-1:] != ["FINISHED"]:
            left = deadline - time.monotonic()
            assert select.select([watch.stdout], [], [], left)[0], f"no change after {states}"
            states += [each["state"] for each in json.loads(watch.stdout.readline())]
        watch.send_signal(signal.SIGINT)
        assert watch.wait(15) == 0


def test_an_embedded_cluster_goes_with_its_owner(fairlead: Command) -> None:
    cluster = start_embedded(*SMALL)
    assert cluster.home.stat().st_mode & 0o777 == 0o700
    inside = Command(cluster.home)
    until("it works", lambda: inside("run", "--", "echo", "hi").stdout == "hi\n")
    cluster.stop()
    assert not cluster.home.exists()
    assert processes_of(cluster.home) == []


def test_an_embedded_cluster_that_cannot_start_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FairleadError, match=r"no local cluster could be started .*exit code 64"):
        start_embedded("--bogus")
    assert capfd.readouterr().err.startswith("fairlead: no such option")


OWNER = """
import os, signal, sys
from fairlead.cli.cluster import start_embedded
cluster = start_embedded("--cpus", "1")
print(cluster.home, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_embedded_cluster_goes_with_a_killed_owner(fairlead: Command) -> None:
    argv = fairlead.argv()
    owner = subprocess.run(
        [argv[0], "-c", OWNER], capture_output=True, text=True, timeout=60, check=False
    )
    home = Path(owner.stdout.strip())
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    until("its cluster has ended", lambda: not processes_of(home), 20)
    until("its home is gone", lambda: not home.exists())


def test_warm_workers_are_no_running_tasks(fairlead: Command) -> None:
    fairlead.ok("up", "--detach", *SMALL)
    fairlead.ok("run", "-d", "--cpus", "0.1", "--", "sleep", "1000")
    program = (
        "from fairlead.frameworks.batch import Executor\n"
        "with Executor(max_workers=1, cpus=0.1, mem=128 << 20) as executor:\n"
        "    executor.submit(abs, -1).result()\n"
    )
    subprocess.run(
        (sys.executable, "-c", program), env=fairlead.environment, check=True, timeout=60
    )
    said = fairlead.ok("down")
    assert said.startswith("ended 1 running task and 1 worker, stopped ")


def test_a_start_that_is_called_off_says_nothing(fairlead: Command) -> None:
    with fairlead.started("up", *SMALL) as up:
        until("it has begun", (fairlead.home / "cluster.lock").exists)
        up.terminate()
        _, said = up.communicate(timeout=30)
    assert (up.returncode, said) == (128 + signal.SIGTERM, "")
    nothing_is_left(fairlead)
