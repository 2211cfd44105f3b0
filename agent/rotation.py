"""When a growing log is looked at again, and how much of its oldest part goes; pure.

A log is never copied or moved: the disk under its oldest part is given back and the file keeps its
length, so offsets stay what they are, for the task that appends and for whoever reads.
"""

FOLLOWED = 16
"""How many times the limit is kept at most for somebody who is still reading it."""
SHORTEST_S = 0.05
LONGEST_S = 0.5
_STEPS = 4
"""It goes by a quarter of the limit at a time, or more."""
_BLOCK = 1 << 16
"""No file system has larger ones; what does not fill a block could not be given back."""


def cut(size: int, used: int, limit: int, unread: int = 0) -> int:
    """Up to which offset a log goes; 0: it stays. `used` is what it takes on the disk."""
    kept = max(limit, min(unread, FOLLOWED * limit))
    if used <= kept + limit // _STEPS:
        return 0
    return max(0, size - kept) // _BLOCK * _BLOCK


def pause_s(grown: int, elapsed_s: float, limit: int) -> float:
    """So long that at the same pace it grows by no more than such a step."""
    if grown <= 0:
        return LONGEST_S
    return min(LONGEST_S, max(SHORTEST_S, limit / _STEPS * elapsed_s / grown))
