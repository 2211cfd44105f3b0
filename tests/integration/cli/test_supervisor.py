"""The supervisor over made-up daemons: what dies comes back, what is ended is gone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead.agent import launcher_client
from fairlead.cli.cluster import Record, is_supervised, read_record, take_lock
from fairlead.cli.ending import end_launchers, take_down
from fairlead.common.errors import ConfigError, ContainerError
from fairlead.common.home import AgentHome, Home
from fairlead.common.processes import identity_of, is_alive

PROGRAM = Path(__file__).parents[2] / "support" / "supervised.py"
SLEEPS = ["sleep", "1000"]
DEADLINE_S = 15


def ended(processes: str) -> dict[str, str]:
    """What the supervisor says last."""
    return {"event": "ended", "line": f"ended 0 running tasks, stopped {processes}"}


def until(what: str, is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline, f"waited {DEADLINE_S} s: {what}"
        time.sleep(0.02)


class Up:
    """The process that stands where `fairlead up` does."""

    def __init__(self, process: "subprocess.Popen[str]", home: Home) -> None:
        self.process = process
        self.home = home

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def hear(self) -> Mapping[str, Any]:
        assert self.process.stdout is not None
        said: Mapping[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def record(self) -> Record:
        until("the record was written", lambda: read_record(self.home) is not None)
        record = read_record(self.home)
        assert record is not None
        return record


@contextmanager
def up(path: Path, daemons: Mapping[str, list[str]], *, temporary: bool = False) -> Iterator[Up]:
    plan = json.dumps({"daemons": daemons, "temporary": temporary})
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), str(path), plan],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Up(process, Home(path))
        finally:
            process.kill()


@pytest.fixture
def home(fairlead_home: Path) -> Iterator[Home]:
    home = Home(fairlead_home)
    yield home
    take_down(home)


def test_ends_all_when_told_and_says_how_many(home: Home) -> None:
    with up(home.path, {"master": SLEEPS, "a1": SLEEPS}) as cluster:
        daemons = cluster.record().daemons
        assert sorted(daemons) == ["a1", "master"]
        assert all(map(is_alive, daemons.values()))
        assert is_supervised(home)
        cluster.say("end")
        assert cluster.hear() == ended("2 processes")
        assert cluster.hear() == {"event": "gone"}
    assert not any(map(is_alive, daemons.values()))
    assert read_record(home) is None
    until("its lock is free", lambda: not is_supervised(home))


def test_what_dies_is_started_again_and_written_down(home: Home) -> None:
    with up(home.path, {"master": SLEEPS, "a1": SLEEPS}) as cluster:
        cluster.say("started")
        before = cluster.record()
        time.sleep(0.1)  # for "started" to arrive
        os.kill(before.daemons["master"].pid, signal.SIGKILL)
        until("another master runs", lambda: cluster.record().daemons.get("master") not in (
            None, before.daemons["master"]))  # fmt: skip
        after = cluster.record()
        assert is_alive(after.daemons["master"])
        assert after.daemons["a1"] == before.daemons["a1"]
        assert after.port == before.port
    log = home.log("supervisor").read_text()
    assert "was killed by signal 9" in log
    assert "again in 0.5 s" in log


def test_an_agent_that_was_marked_gone_is_not_started_again(home: Home) -> None:
    with up(home.path, {"a1": SLEEPS, "a2": SLEEPS}) as cluster:
        cluster.say("started")
        before = cluster.record()
        time.sleep(0.1)  # for "started" to arrive
        home.agent("a1").path.mkdir(parents=True)
        home.agent("a1").removed.touch()
        os.kill(before.daemons["a1"].pid, signal.SIGKILL)
        until("its end was noticed", lambda: "for good" in home.log("supervisor").read_text())
        os.kill(before.daemons["a2"].pid, signal.SIGKILL)
        a2 = before.daemons["a2"]
        until("the other runs again", lambda: cluster.record().daemons["a2"] != a2)
        log = home.log("supervisor").read_text()
        assert log.count("started a1") == 1
        cluster.say("end")
        assert cluster.hear() == ended("1 process")


def test_a_failure_at_the_start_is_told_with_its_last_line_and_ends_all(home: Home) -> None:
    fails = ["sh", "-c", "echo 'fairlead: port 7 is taken'; echo 'hint: another'; exit 78"]
    with up(home.path, {"a1": SLEEPS, "master": fails}) as cluster:
        said = cluster.hear()
        assert said["event"] == "failed"
        assert (said["name"], said["how"]) == ("master", "ended with code 78")
        assert said["line"] == "port 7 is taken"
        assert cluster.hear() == ended("1 process")
    assert read_record(home) is None


def test_a_daemon_that_cannot_be_started_at_all(home: Home) -> None:
    with up(home.path, {"a1": SLEEPS, "master": ["/no/such/program"]}) as cluster:
        said = cluster.hear()
        assert said["event"] == "failed"
        assert "/no/such/program" in said["line"]
        assert cluster.hear()["event"] == "ended"


def test_ends_all_when_up_is_killed(home: Home) -> None:
    with up(home.path, {"master": SLEEPS}) as cluster:
        cluster.say("started")
        daemons = cluster.record().daemons
        cluster.process.kill()
        until("the master has ended", lambda: not is_alive(daemons["master"]))
        until("the home is free", lambda: not is_supervised(home))


def test_a_cluster_whose_home_is_deleted_ends_when_a_daemon_does(home: Home) -> None:
    with up(home.path, {"master": SLEEPS, "a1": SLEEPS}) as cluster:
        cluster.say("started")
        record = cluster.record()
        cluster.say("detach")
        cluster.say("leave")
        assert cluster.process.wait(DEADLINE_S) == 0
    time.sleep(0.1)  # for "detach" to arrive
    shutil.rmtree(home.path)
    os.kill(record.daemons["a1"].pid, signal.SIGKILL)
    until("the master has ended", lambda: not is_alive(record.daemons["master"]))
    until("the supervisor has ended", lambda: not is_alive(record.supervisor))
    home.ensure()  # for whoever removes it


def test_a_lock_that_cannot_be_written_is_one_line_and_can_be_asked_for(home: Home) -> None:
    home.ensure()
    (home.path / "cluster.lock").mkdir()
    with pytest.raises(ConfigError, match=r"cannot open .*cluster\.lock: Is a directory"):
        take_lock(home)
    assert not is_supervised(home)


@pytest.mark.parametrize(("life_s", "problems"), [("0.1", ()), ("100", ("it hung up",))])
def test_a_launcher_that_hangs_up_and_ends_is_no_problem(
    home: Home, monkeypatch: pytest.MonkeyPatch, life_s: str, problems: tuple[str, ...]
) -> None:
    """As one does that another `down` has told to end."""

    def hang_up(_work_dir: Path, _grace_s: float) -> int:
        raise ContainerError("it hung up")

    with subprocess.Popen(["sleep", life_s]) as launcher:
        identity = identity_of(launcher.pid)
        reaper = threading.Thread(target=launcher.wait)
        reaper.start()
        monkeypatch.setattr(
            launcher_client,
            "find_launcher",
            lambda _: identity if launcher.returncode is None else None,
        )
        monkeypatch.setattr(launcher_client, "shutdown_launcher", hang_up)
        ended = end_launchers(home, [AgentHome(home.agents / "a1")])
        reaper.join(DEADLINE_S)
    assert (ended.processes, ended.problems) == (1, problems)


def test_stays_when_detached_and_goes_with_down(home: Home) -> None:
    with up(home.path, {"master": SLEEPS, "a1": SLEEPS}) as cluster:
        record = cluster.record()
        cluster.say("detach")
        cluster.say("leave")
        assert cluster.process.wait(DEADLINE_S) == 0
    time.sleep(0.1)
    assert is_alive(record.supervisor)
    assert all(map(is_alive, record.daemons.values()))
    assert take_lock(home) is None
    ended = take_down(home)
    assert (ended.tasks, ended.processes, ended.problems) == (0, 3, ())
    assert not is_alive(record.supervisor)
    assert not any(map(is_alive, record.daemons.values()))
    assert take_down(home).processes == 0


def test_down_ends_what_a_killed_supervisor_left(home: Home) -> None:
    with up(home.path, {"master": SLEEPS, "a1": SLEEPS}) as cluster:
        record = cluster.record()
        cluster.say("detach")
        cluster.say("leave")
        cluster.process.wait(DEADLINE_S)
    os.kill(record.supervisor.pid, signal.SIGKILL)
    os.kill(record.daemons["a1"].pid, signal.SIGKILL)
    killed = (record.supervisor, record.daemons["a1"])
    until("they are gone", lambda: not any(map(is_alive, killed)))
    assert is_alive(record.daemons["master"])
    assert take_down(home).processes == 1
    assert not is_alive(record.daemons["master"])


def test_term_ends_all(home: Home) -> None:
    with up(home.path, {"master": SLEEPS}) as cluster:
        cluster.say("started")
        record = cluster.record()
        os.kill(record.supervisor.pid, signal.SIGTERM)
        assert cluster.hear() == ended("1 process")


def test_a_daemon_that_ignores_term_is_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    with up(home.path, {"master": stubborn}) as cluster:
        cluster.say("detach")
        record = cluster.record()
        cluster.say("leave")
        cluster.process.wait(DEADLINE_S)
    monkeypatch.setattr("fairlead.cli.ending.DAEMON_S", 0.3)
    time.sleep(0.2)  # for its trap to be set
    assert take_down(home).processes == 2
    assert not is_alive(record.daemons["master"])


def test_a_temporary_home_goes_with_its_cluster(fairlead_home: Path) -> None:
    path = fairlead_home / "temporary"
    with up(path, {"master": SLEEPS}, temporary=True) as cluster:
        record = cluster.record()
        cluster.process.kill()
        until("the supervisor has ended", lambda: not is_alive(record.supervisor))
        assert not path.exists()
