"""The driver's session with the master as a matter of time: when to dial, to speak, to give up.

Says nothing itself: `kit.core` does what is due.
"""

import hashlib
from enum import Enum

from fairlead.common.ids import SessionId
from fairlead.common.messages import LEAST_HEARTBEAT_S

from .events import DriverSettings


class Phase(Enum):
    """Where a driver is on its way to the master."""

    WAITING = "waiting"
    DIALING = "dialing"
    SUBSCRIBING = "subscribing"
    SUBSCRIBED = "subscribed"
    ENDED = "ended"


class Link:
    """One session at a time; the number of the attempt only grows."""

    def __init__(self, instance_uuid: str, settings: DriverSettings) -> None:
        self.phase = Phase.WAITING
        self.session: SessionId | None = None
        self.attempt = 0
        self._instance_uuid = instance_uuid
        self._settings = settings
        self._failures = 0
        self._dial_at = 0.0
        self._heartbeat_s = settings.silent_s
        self._heard = 0.0
        self._said = 0.0

    @property
    def is_open(self) -> bool:
        return self.phase in (Phase.SUBSCRIBING, Phase.SUBSCRIBED)

    @property
    def is_subscribed(self) -> bool:
        return self.phase is Phase.SUBSCRIBED

    # --- what happened

    def dialing(self) -> None:
        self.phase = Phase.DIALING
        self.attempt += 1

    def opened(self, session: SessionId, now: float) -> None:
        self.phase = Phase.SUBSCRIBING
        self.session = session
        self._heard = self._said = now

    def subscribed(self, heartbeat_s: float) -> None:
        self.phase = Phase.SUBSCRIBED
        self._heartbeat_s = max(LEAST_HEARTBEAT_S, heartbeat_s or self._settings.silent_s)
        self._failures = 0

    def heard(self, now: float) -> None:
        self._heard = now

    def said(self, now: float) -> None:
        self._said = now

    def lost(self, now: float) -> None:
        """Back off: twice as long each time, never quite as long as another driver does."""
        self.phase = Phase.WAITING
        self.session = None
        longest = self._settings.redial_s * 2 ** min(self._failures, 16)
        delay_s = min(longest, self._settings.max_redial_s)
        self._dial_at = now + delay_s * (0.5 + 0.5 * self._jitter())
        self._failures += 1

    def ended(self) -> None:
        self.phase = Phase.ENDED
        self.session = None

    def excuse_stall(self, now: float) -> None:
        """On a tick: if it came late, we stood still ourselves, and condemn nobody for it."""
        due = self.next_deadline()
        if due is not None and now - due > self._settings.stall_s:
            self._heard += now - due

    # --- what is due

    def is_dial_due(self, now: float) -> bool:
        return self.phase is Phase.WAITING and now >= self._dial_at

    def is_silent(self, now: float) -> bool:
        return self.is_open and now >= self._heard + self._silent_s

    def is_heartbeat_due(self, now: float) -> bool:
        return self.is_subscribed and now >= self._said + self._heartbeat_s

    def next_deadline(self) -> float | None:
        if self.phase is Phase.WAITING:
            return self._dial_at
        if not self.is_open:
            return None
        silence = self._heard + self._silent_s
        return min(silence, self._said + self._heartbeat_s) if self.is_subscribed else silence

    @property
    def _silent_s(self) -> float:
        """A master with thousands of agents beats more slowly."""
        return max(self._settings.silent_s, 2.5 * self._heartbeat_s if self.is_subscribed else 0.0)

    def _jitter(self) -> float:
        """Between 0 and 1: the same for the same attempt, different for each driver."""
        seed = f"{self._instance_uuid}/{self.attempt}".encode()
        return hashlib.blake2b(seed, digest_size=4).digest()[0] / 256
