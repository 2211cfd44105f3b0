"""Keeps Python's collector of cyclic garbage from going through all that a master knows.

The collector stops everything while it looks at each object there is, whenever these have become a
quarter more: for most of a second with 50,000 agents, and the more often the faster tasks come and
go. Entries of the books are freed by their counts alone, without it. So what has lived for some
seconds is put out of its sight; cycles among that, as of sessions that have ended since, are looked
for once in a long while.
"""

import asyncio
import gc
from itertools import count

EVERY_S = 10.0
ALL = 360
"""One look in so many, once an hour, is at everything."""


async def spare() -> None:
    """Until it is cancelled; of a process that is a master and nothing else."""
    for number in count(1):
        await asyncio.sleep(EVERY_S)
        hide(is_all=number % ALL == 0)


def hide(*, is_all: bool = False) -> None:
    """From now on nothing that lives is looked at; what came in the last moments is, once."""
    if is_all:
        gc.unfreeze()
        gc.collect()
    else:
        gc.collect(1)
    gc.freeze()
