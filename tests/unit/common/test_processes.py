"""Who a process is: pid reuse, reboot and another pid namespace are recognised."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.common.processes import ProcessIdentity, identity_of, is_alive, send_signal


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


def found(pid: int) -> ProcessIdentity:
    identity = identity_of(pid)
    assert identity is not None
    return identity


def test_a_running_process_is_alive_and_keeps_its_identity() -> None:
    me = found(os.getpid())
    assert is_alive(me)
    assert identity_of(os.getpid()) == me
    assert me.pid_namespace == Path("/proc/self/ns/pid").stat().st_ino


def test_a_zombie_counts_as_dead_and_a_reaped_process_has_no_identity() -> None:
    process = subprocess.Popen(["true"])
    identity = found(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, not reaped
    assert identity_of(process.pid) == identity
    assert not is_alive(identity)
    process.wait(timeout=10)
    assert identity_of(process.pid) is None
    assert not is_alive(identity)


@pytest.mark.parametrize(
    "difference",
    [{"start_time": 1}, {"boot_id": "another boot"}, {"pid_namespace": 1}],
    ids=["pid reused", "rebooted", "another pid namespace"],
)
def test_another_process_with_the_same_pid_is_recognised(
    difference: dict[str, object], sleeper: subprocess.Popen[bytes]
) -> None:
    identity = found(sleeper.pid)
    other = replace(identity, **difference)  # type: ignore[arg-type]
    assert not is_alive(other)
    assert not send_signal(other, signal.SIGKILL)
    assert is_alive(identity)


def test_a_signal_reaches_the_process_it_is_meant_for(sleeper: subprocess.Popen[bytes]) -> None:
    identity = found(sleeper.pid)
    assert send_signal(identity, signal.SIGTERM)
    assert sleeper.wait(timeout=10) == -signal.SIGTERM
    assert not send_signal(identity, signal.SIGTERM)


def test_a_name_with_parentheses_and_blanks_does_not_confuse() -> None:
    program = "import time; open('/proc/self/comm', 'w').write('a) R (b'); print(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = found(process.pid)
        assert 0 < identity.start_time <= time.clock_gettime(time.CLOCK_BOOTTIME) * 100 + 1
        process.kill()


def test_json_and_back() -> None:
    me = found(os.getpid())
    assert ProcessIdentity.from_json(json.loads(json.dumps(me.to_json()))) == me
    assert ProcessIdentity.from_json({**me.to_json(), "version": 7}) == me


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"boot_id": "x"},
        {"boot_id": "x", "pid_namespace": 1, "pid": "1", "start_time": 1},
    ],
)
def test_what_is_no_identity_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a process identity"):
        ProcessIdentity.from_json(value)
