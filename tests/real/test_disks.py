"""A disk that is full or may only be read: said in a line, no task pays for it, nothing is lost.

Needs root, for a small file system of its own.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.bag import Bag, More, living
from tests.support.command import Command, processes_of, until
from tests.support.daemons import Daemons, daemons_of
from tests.support.witness import Witness

from fairlead.common.home import Home
from fairlead.common.values import TaskState

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root, who alone may mount")

AGENT = ("--cpus", "4", "--mem", "100MB", "--disk", "1MB", "--gpus", "none")
CONFIG = 78
SIZE = "16m"
FULL = "checkpoint.db cannot grow: the disk is full"
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@pytest.fixture
def small() -> Iterator[Path]:
    """A home on a file system of its own."""
    home = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    mount("-t", "tmpfs", "-o", f"size={SIZE},mode=700", "fairlead-test", str(home))
    try:
        yield home
    finally:
        subprocess.run(["umount", home], check=True)
        home.rmdir()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


def fill(home: Path) -> Path:
    """Not a byte is left."""
    path = home / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    assert not shutil.disk_usage(home).free
    return path


def test_a_full_disk_costs_time_and_nothing_else(
    small: Path, witness: Witness, tmp_path: Path
) -> None:
    """The agent ends rather than forget; when there is room, the cluster goes on by itself."""
    command = Command(small)
    (tmp_path / "logs").mkdir(mode=0o700)
    (small / "logs").symlink_to(tmp_path / "logs")  # so that there is something to read
    bag = Bag("bag", [witness.waits("kept", 5), witness.waits("ends", 6)])
    command.ok("up", "--detach", "--agents", "1", "--cpus", "4")
    try:
        with living(bag, Home(small)) as life:
            until("both run", lambda: len(bag.running()) == 2)
            pid = witness.began("kept").pid
            filler = fill(small)
            witness.release("ends")
            life.feed(More((witness.waits("late", 7),)))
            until("the agent has given up", lambda: FULL in (tmp_path / "logs/a1.log").read_text())
            assert psutil.pid_exists(pid)
            filler.unlink()
            until("its end is told", lambda: "ends" in bag.ended(), 60)
            until("the new one runs or was dropped", lambda: "late" in bag.told(), 60)
            witness.release("kept", *bag.running().keys() & {"late"})
            until("all is told", lambda: len(bag.ended()) == 3, 60)
        assert command.ok("run", "--", "echo", "hi") == "hi\n"
    finally:
        command("down")
        left = processes_of(small)
    assert not left
    codes = {"kept": 5, "ends": 6}
    if bag.ended()["late"].state is TaskState.DROPPED:
        assert not witness.marks("late"), "it was said that it never ran"
    else:
        codes["late"] = 7
    assert {name: bag.ended()[name].exit_code for name in codes} == codes
    for name in codes:
        witness.ran_once(name)
    said = [line for line in (tmp_path / "logs/a1.log").read_text().splitlines() if FULL in line]
    assert said[0].startswith("fairlead: ")
    assert "Traceback" not in (tmp_path / "logs/a1.log").read_text()


def test_a_home_that_may_only_be_read(small: Path, witness: Witness) -> None:
    bag = Bag("bag", [witness.waits("kept", 5)])
    with daemons_of(small) as daemons:
        daemons.master()
        daemons.agent("a1", *AGENT)
        with living(bag, daemons.home):
            until("its task runs", bag.running)
            pid = witness.began("kept").pid
            daemons.kill("master", "a1")
            for verb in (("master",), ("agent", "--name", "a1", *AGENT)):
                done = read_only(daemons, *verb)
                assert done.returncode == CONFIG, done
                assert done.stderr.startswith("fairlead: cannot "), done.stderr
                assert "Read-only file system" in done.stderr
                assert len(done.stderr.splitlines()) <= 2, done.stderr
            assert psutil.pid_exists(pid)
            daemons.again("master", "a1")
            until("it is shown again", lambda: daemons.tasks()["kept"].latest.pid == pid)
            witness.release("kept")
            until("its end is told", bag.ended)
    assert [status.state.name for status in bag.statuses] == ["RUNNING", "FAILED"]
    witness.ran_once("kept")


def read_only(daemons: Daemons, *verb: str) -> "subprocess.CompletedProcess[str]":
    """A daemon to whose eyes the home cannot be written; nobody else's are changed."""
    argv = ["unshare", "-m", "sh", "-c", READ_ONLY, str(daemons.home.path)]
    return subprocess.run(
        [*argv, *daemons.command.argv(*verb)],
        env=daemons.command.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
