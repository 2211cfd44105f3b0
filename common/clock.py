"""The clocks of this machine, one function each, so that every shell names the one it means.

Shells read them and hand `now` to the cores, which never look at a clock themselves.
"""

import time
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def monotonic() -> float:
    """Seconds that never run backwards; of this boot only, and they stand still in suspend."""
    return time.monotonic()


def boottime() -> float:
    """Seconds since boot, suspend included; means the same in every process of one boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall() -> float:
    """Seconds since 1970: for people, never for decisions."""
    return time.time()


@cache
def boot_id() -> str:
    """Differs after each boot; `boottime` of two processes compares only where this is equal."""
    return _BOOT_ID.read_text(encoding="ascii").strip()
