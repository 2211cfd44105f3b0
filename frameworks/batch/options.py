"""What a caller asks of a call beside its function: how often, how long, and what for.

Two budgets, which do not touch each other. `retries` is for what the function raises, and its
timeouts; `loss_retries` for workers that are lost while they run the call. A call that ends its
worker's process by itself (an exit, a signal, the memory limit) is given up the third time,
whatever is left of that budget.
"""

from collections.abc import Callable
from typing import TypedDict

from fairlead.common.dataclass import dataclass

RetryOn = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
LONGEST_PAUSE_S = 60.0


class Options(TypedDict, total=False):
    """`CallOptions` as keywords, each of which may be left out."""

    retries: int
    backoff_s: float
    retry_on: RetryOn
    timeout_s: float | None
    loss_retries: int


def refuse_unknown(options: Options, where: str) -> None:
    """A TypeError as Python's own, for whoever misspelt one of them."""
    for name in options.keys() - Options.__annotations__.keys():
        raise TypeError(f"{where}() got an unexpected keyword argument {name!r}")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """`retry_on` says what is worth another try: types, or a function of the exception."""

    retries: int = 0
    backoff_s: float = 0.5
    """Before the first retry; doubled before each later one, up to a minute."""
    retry_on: RetryOn = Exception
    timeout_s: float | None = None
    """From when a worker begins the call, for each try."""
    loss_retries: int = 4

    def __post_init__(self) -> None:
        for name in ("retries", "loss_retries"):
            count = getattr(self, name)
            if type(count) is not int or count < 0:
                raise ValueError(f"{name} is {count!r}, not a number of times")
        for name in ("backoff_s", "timeout_s"):
            seconds = getattr(self, name)
            if seconds is not None and not _is_seconds(seconds):
                raise ValueError(f"{name} is {seconds!r}, not a number of seconds")
        if self.timeout_s == 0:
            raise ValueError("timeout_s is 0: no call could ever be done")

    def pause_s(self, error: BaseException, tries: int) -> float | None:
        """How long to wait before it is tried again after so many failed tries; None: not at all.

        Whatever a function given as `retry_on` raises comes out here.
        """
        if tries > self.retries or not self._is_worth_it(error):
            return None
        return min(self.backoff_s * 2.0 ** min(tries - 1, 64), LONGEST_PAUSE_S)

    def _is_worth_it(self, error: BaseException) -> bool:
        if isinstance(self.retry_on, tuple | type):
            return isinstance(error, self.retry_on)
        return bool(self.retry_on(error))


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < float("inf")
