"""When the driver asks the master where its tasks are: at each subscribe, every ten minutes, and
again, ever more patiently, while the fate of some launch is unknown.
"""

from collections.abc import Iterable

from fairlead.common.messages import Reconcile
from fairlead.common.values import TaskRef

from .conversation import Conversation
from .events import DriverSettings
from .ledger import Ledger

REFS_PER_CALL = 1000


class Questions:
    """Two timers; `None` while there is no session to ask on."""

    def __init__(self, ledger: Ledger, settings: DriverSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._all_at: float | None = None
        self._unsettled_at: float | None = None
        self._delay_s = settings.ask_s

    def ask_all(self, talk: Conversation) -> None:
        """Tell us of every task; and, by name, of those that a new master may not know."""
        self._all_at = talk.now + self._settings.reconcile_s
        self.ask_again_soon(talk.now)
        talk.call(Reconcile(), is_ours=True)
        _ask(talk, self._ledger.refs())

    def ask_what_is_due(self, talk: Conversation) -> None:
        if self._all_at is not None and talk.now >= self._all_at:
            self.ask_all(talk)
        elif self._unsettled_at is not None and talk.now >= self._unsettled_at:
            self._ask_again(talk)

    def ask_again_soon(self, now: float) -> None:
        """Something has been asked that must be answered."""
        self._delay_s = self._settings.ask_s
        self._unsettled_at = now + self._delay_s

    def stopped(self) -> None:
        """There is nobody to ask."""
        self._all_at = self._unsettled_at = None

    def next_deadline(self) -> float | None:
        due = [when for when in (self._all_at, self._unsettled_at) if when is not None]
        return min(due, default=None)

    def _ask_again(self, talk: Conversation) -> None:
        unsettled = self._ledger.unsettled()
        if not unsettled:
            self._unsettled_at = None
            return
        self._delay_s = min(2 * self._delay_s, self._settings.max_ask_s)
        self._unsettled_at = talk.now + self._delay_s
        _ask(talk, unsettled)


def _ask(talk: Conversation, refs: Iterable[TaskRef]) -> None:
    asked = tuple(refs)
    for start in range(0, len(asked), REFS_PER_CALL):
        talk.call(Reconcile(asked[start : start + REFS_PER_CALL]), is_ours=True)
