"""Each clock is the one that its name says."""

import time
import uuid

from fairlead.common import clock


def test_monotonic_never_runs_backwards() -> None:
    first = clock.monotonic()
    assert first <= clock.monotonic()


def test_boottime_counts_suspend_so_it_is_never_behind_monotonic() -> None:
    monotonic = time.clock_gettime(time.CLOCK_MONOTONIC)
    assert clock.boottime() >= monotonic


def test_wall_is_about_now() -> None:
    assert abs(clock.wall() - time.time()) < 5


def test_boot_id_is_a_uuid() -> None:
    assert str(uuid.UUID(clock.boot_id())) == clock.boot_id()
