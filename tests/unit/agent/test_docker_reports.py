"""What an engine says of an end, and of what is in use, in our words."""

import signal

from fairlead.agent.docker_reports import exit_of, peak_of, started_of, usage_of
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Usage

UUID = LaunchUuid("u")


def ended(code: int, *, was_watched: bool = True, **state: object) -> tuple[int | None, int | None]:
    told = exit_of(UUID, {"ExitCode": code, **state}, was_watched=was_watched)
    return told.code, told.signal


def test_a_code_above_128_is_a_signal_if_there_is_such_a_signal() -> None:
    assert ended(0) == (0, None)
    assert ended(127) == (127, None)
    assert ended(128) == (128, None)
    assert ended(143) == (None, signal.SIGTERM)
    assert ended(250) == (250, None)


def test_255_is_believed_of_whom_was_watched_only() -> None:
    assert ended(255) == (255, None)
    assert exit_of(UUID, {"ExitCode": 255}, was_watched=False).is_unknown
    assert ended(7, was_watched=False) == (7, None)


def test_the_want_of_memory_is_told() -> None:
    assert exit_of(UUID, {"ExitCode": 137, "OOMKilled": True}, was_watched=True).is_out_of_memory


def test_a_process_that_cannot_be_seen_from_here_has_a_pid_and_no_start() -> None:
    started = started_of({"Pid": 2**22 + 1})
    assert started is not None
    assert (started.pid, started.start_time) == (2**22 + 1, 0)
    assert started_of({"Pid": 0}) is None


def test_usage_leaves_out_caches_and_the_engines_own_init() -> None:
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}},
        "memory_stats": {"usage": 100, "max_usage": 120, "stats": {"total_inactive_file": 40}},
        "pids_stats": {"current": 3},
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"op": "Read", "value": 5},
                {"op": "write", "value": 6},
                {"op": "Total", "value": 11},
            ]
        },
    }
    assert usage_of(stats) == Usage(1.5, 60, 2, 5, 6)
    assert peak_of(stats) == 120
    assert peak_of({"memory_stats": {"usage": 100}}) == 100
    assert usage_of({"pids_stats": {}, "cpu_stats": {}}) is None
