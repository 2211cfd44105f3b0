"""How calls that wait behind a slow one are taken back from a worker that cannot listen.

A child that runs user code has one thread and hears nothing until the call ends. So parent and
child share a page: before each call the child writes that it claims it, then looks whether it was
recalled; the parent writes what is recalled, waits long enough for both to see each other's
writes, then looks how far the child has come. Whatever the child claimed meanwhile it settles
itself: it runs it or tells the driver that it skipped it.
"""

import mmap
import time

_SETTLE_S = 0.001
"""Far longer than one core's writes take to be seen by another."""
_CLAIMED, _FIRST, _UPTO = 0, 8, 16  # each number on a cache line of its own


class ClaimPage:
    """Shared by fork. Calls are numbered as they were sent to this child."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, mmap.PAGESIZE)
        self._numbers = memoryview(self._map).cast("Q")

    def claim(self, sequence: int) -> bool:
        """For the child, before it runs a call: False if the call was recalled."""
        numbers = self._numbers
        numbers[_CLAIMED] = sequence + 1
        return not numbers[_FIRST] <= sequence < numbers[_UPTO]

    def recall(self, upto: int) -> int:
        """For the parent: no call from the returned one on, before `upto`, will be claimed."""
        numbers = self._numbers
        # What was recalled earlier stays recalled at every moment: the child may just have claimed
        # one of those and not looked yet. Only a range that it has left behind is given up.
        claimed = numbers[_CLAIMED]
        if claimed > numbers[_UPTO]:
            numbers[_FIRST] = claimed
        numbers[_UPTO] = upto
        time.sleep(_SETTLE_S)
        return numbers[_CLAIMED]

    def close(self) -> None:
        self._numbers.release()
        self._map.close()
