"""What the host and tasks use, measured on processes that this test starts."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fairlead.agent.gpus import FakeGpus, FakeLoad
from fairlead.agent.launcher import MARK, MARK_DIRECTORY
from fairlead.agent.usage import HostSampler, TaskSampler
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Usage

TASK = LaunchUuid("a-task")
MIB = 2**20


@contextmanager
def running(*argv: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own, as a launcher starts it; it is ready once it has said a word."""
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, start_new_session=True, env={**os.environ, **env}
    )
    with process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()


def eventually(what: str, measure: Callable[[], Usage], holds: Callable[[Usage], bool]) -> Usage:
    deadline = time.monotonic() + 20
    while not holds(usage := measure()):
        assert time.monotonic() < deadline, f"waited 20 s for {what}; last was {usage}"
        time.sleep(0.01)
    return usage


def test_the_whole_tree_of_a_task_is_counted(tmp_path: Path) -> None:
    script = "sleep 60 & sh -c 'sleep 60; true' & setsid sleep 60 & echo; wait"
    with running("sh", "-c", script) as task:
        sampler = TaskSampler(tmp_path)
        usage = eventually(
            "two shells and three sleeps",
            lambda: sampler.sample({TASK: task.pid})[TASK],
            lambda usage: usage.processes == 5,
        )
        assert 0 < usage.memory_bytes < 1000 * MIB
        assert set(sampler.sample({TASK: task.pid})) == {TASK}


def test_who_left_the_tree_is_known_by_the_mark(tmp_path: Path) -> None:
    marks = {MARK: TASK, MARK_DIRECTORY: str(tmp_path.resolve())}
    with (
        running("sh", "-c", "echo; exec sleep 60") as task,
        running("sh", "-c", "sleep 60 & echo; wait", **marks),
    ):
        sampler = TaskSampler(tmp_path)
        mains = {TASK: task.pid}
        assert sampler.sample(mains)[TASK].processes == 1
        assert sampler.sample(mains, adopter=os.getpid())[TASK].processes == 3
        elsewhere = TaskSampler(tmp_path / "elsewhere")
        assert elsewhere.sample(mains, adopter=os.getpid())[TASK].processes == 1


def test_cpu_time_grows_and_never_shrinks(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])\n"
        "print(flush=True)\n"
        "time.sleep(60)\n"
    )
    with running(sys.executable, "-c", program) as task:
        sampler = TaskSampler(tmp_path)

        def measure() -> Usage:
            return sampler.sample({TASK: task.pid})[TASK]

        busy = eventually("the child's cpu time", measure, lambda usage: usage.cpu_s > 0.1)
        (child,) = psutil.Process(task.pid).children()
        child.kill()
        gone = eventually("its end", measure, lambda _: child.status() == psutil.STATUS_ZOMBIE)
        assert gone.cpu_s >= busy.cpu_s


def test_io_is_counted(tmp_path: Path) -> None:
    target = tmp_path / "written"
    script = f"dd if=/dev/zero of={target} bs=1M count=4 2>/dev/null; echo; exec sleep 60"
    with running("sh", "-c", script) as task:
        usage = TaskSampler(tmp_path).sample({TASK: task.pid})[TASK]
        on_disk = psutil.Process(task.pid).io_counters()
        assert usage.io_write_bytes == on_disk.write_bytes
        assert usage.io_read_bytes == on_disk.read_bytes


def test_gpus_are_counted_by_the_processes_of_a_task(tmp_path: Path) -> None:
    gpus = FakeGpus(3)
    first, second, third = (gpu.gpu_id for gpu in gpus.devices())
    with running("sh", "-c", "echo; exec sleep 60") as task:
        gpus.attach(task.pid, [first, second])
        gpus.script(task.pid, FakeLoad(memory_bytes=300 * MIB, utilisation=60.0))
        gpus.script_utilisation({second: 20.0, third: 99.0})
        usage = TaskSampler(tmp_path, gpus).sample({TASK: task.pid})[TASK]
        assert usage.gpu_memory_bytes == 600 * MIB
        assert usage.gpu_utilisation == pytest.approx(40.0)


def test_who_has_vanished_is_left_out(tmp_path: Path) -> None:
    sampler = TaskSampler(tmp_path)
    with running("sh", "-c", "echo; exec sleep 60") as task:
        assert TASK in sampler.sample({TASK: task.pid})
    assert sampler.sample({TASK: task.pid}) == {}
    assert sampler.sample({}) == {}


def test_the_table_is_read_once_for_any_number_of_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    scandir = os.scandir

    def counting(path: str) -> object:
        scans.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    me = os.getpid()
    sampler = TaskSampler(tmp_path)
    sampler.sample({LaunchUuid(str(number)): me for number in range(100)})
    assert scans == ["/proc"]


def test_the_host_is_measured(tmp_path: Path) -> None:
    gpus = FakeGpus(1)
    sampler = HostSampler(tmp_path, gpus)
    gpus.script_utilisation({gpus.devices()[0].gpu_id: 12.0})
    host = sampler.sample()
    assert 0.0 <= host.cpu_percent <= 100.0
    assert 0 < host.memory_bytes < psutil.virtual_memory().total
    assert 0 < host.disk_free_bytes <= psutil.disk_usage(str(tmp_path)).total
    assert host.load == pytest.approx(os.getloadavg()[0], abs=5.0)
    assert [gpu.utilisation for gpu in host.gpus] == [12.0]
    assert HostSampler(tmp_path).sample().gpus == ()
