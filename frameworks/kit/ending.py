"""How a framework ends: its Teardown, its Stop, and which waits for which."""

from fairlead.common.messages import Code

from .scheduler import Stop


class Ending:
    """A Stop waits until the Teardown before it is answered, though not for ever."""

    def __init__(self, patience_s: float) -> None:
        self.stop: Stop | None = None
        self.is_teardown_wanted = False
        """Ordered, and not answered yet."""
        self._is_torn_down = False
        self._is_due = False
        self._patience_s = patience_s
        self._until = 0.0

    def tear_down(self, *, is_subscribed: bool, is_known: bool) -> None:
        """To be said behind what led to it, or with the next Subscribe; never to a master that
        has not heard of us.
        """
        self.is_teardown_wanted = is_known
        self._is_due = is_subscribed

    def take_due(self) -> bool:
        """Whether the Teardown is to be said now; asked once the scheduler's other orders are."""
        is_due, self._is_due = self._is_due, False
        return is_due

    def answered(self, code: Code) -> None:
        self.is_teardown_wanted = False
        self._is_torn_down = code is Code.OK

    def is_expected(self, code: Code) -> bool:
        """Whether a session that ends so ends because we asked for it."""
        return code is Code.FRAMEWORK_REMOVED and (self.is_teardown_wanted or self._is_torn_down)

    def order(self, stop: Stop, now: float) -> None:
        """The first Stop counts."""
        if self.stop is None:
            self.stop = stop
            self._until = now + self._patience_s

    def ready(self, now: float) -> Stop | None:
        """The Stop, when nothing holds it up."""
        return None if self.is_teardown_wanted and now < self._until else self.stop

    def next_deadline(self) -> float | None:
        return self._until if self.stop is not None else None
