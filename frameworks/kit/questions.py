"""When the driver asks the master where its tasks are: at each subscribe, every ten minutes, and
again, ever more patiently, while the fate of some launch is unknown.
"""

from .events import DriverSettings


class Questions:
    """Two timers; `None` while there is no session to ask on."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._all_at: float | None = None
        self._unsettled_at: float | None = None
        self._delay_s = settings.ask_s

    def began(self, now: float) -> None:
        """Everything has just been asked."""
        self._all_at = now + self._settings.reconcile_s
        self._delay_s = self._settings.ask_s
        self._unsettled_at = now + self._delay_s

    def asked_again(self, now: float) -> None:
        self._delay_s = min(2 * self._delay_s, self._settings.max_ask_s)
        self._unsettled_at = now + self._delay_s

    def settled(self) -> None:
        """Nothing is left to ask again."""
        self._unsettled_at = None

    def reopened(self, now: float) -> None:
        """Something new is to be asked until it is answered."""
        self._delay_s = self._settings.ask_s
        self._unsettled_at = now + self._delay_s

    def stopped(self) -> None:
        self._all_at = self._unsettled_at = None

    def is_all_due(self, now: float) -> bool:
        return self._all_at is not None and now >= self._all_at

    def is_unsettled_due(self, now: float) -> bool:
        return self._unsettled_at is not None and now >= self._unsettled_at

    def next_deadline(self) -> float | None:
        due = [when for when in (self._all_at, self._unsettled_at) if when is not None]
        return min(due, default=None)
