"""How long a call will probably take, by what others of its kind took lately."""

from collections import OrderedDict

_LEAST_S = 20e-6
"""What even the smallest call costs."""
_KINDS_REMEMBERED = 1000


class Estimates:
    """By kind; `unknown_s` for those never seen, or not for long."""

    def __init__(self, unknown_s: float) -> None:
        self._unknown_s = unknown_s
        self._seconds: OrderedDict[str, float] = OrderedDict()

    def expected(self, kind: str) -> float:
        return self._seconds.get(kind, self._unknown_s)

    def learn(self, kind: str, seconds: float) -> None:
        seconds = max(seconds, _LEAST_S)
        known = self._seconds.pop(kind, seconds)
        self._seconds[kind] = known + (seconds - known) / 4
        if len(self._seconds) > _KINDS_REMEMBERED:
            self._seconds.popitem(last=False)
