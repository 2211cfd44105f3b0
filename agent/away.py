"""Frameworks that have left: how long ago, and the end of their tasks when that is too long.

The master says how long a framework has been away; from there the agent counts by itself, over
its own restarts and those of masters, so the limit holds even when there is no master at all.
"""

from fairlead.common.ids import FrameworkId
from fairlead.common.messages import FrameworkAway
from fairlead.common.values import Reason

from .accepts import Accepts
from .context import Away, Context
from .life import Life


class Absences:
    """Who is away, and what follows."""

    def __init__(self, context: Context, life: Life, accepts: Accepts) -> None:
        self._context = context
        self._life = life
        self._accepts = accepts

    def told(self, message: FrameworkAway) -> None:
        framework_id = message.framework_id
        known = self._context.away.get(framework_id)
        if message.back:
            if known is not None:
                self._forget(framework_id, known)
        elif framework_id in self._context.frameworks:
            since = self._context.now - message.away_s
            if known is not None:
                since = min(since, known.since)
            self._remember(framework_id, since, message.limit_s)

    def recovered(self, framework_id: FrameworkId, boot_id: str, at: float, told: Away) -> None:
        """Of another boot nobody knows how long it lay still: at least what this one lasts."""
        context = self._context
        since = told.since if boot_id == context.settings.boot_id else told.since - at
        context.away[framework_id] = told
        self._remember(framework_id, since, told.limit_s)

    def _remember(self, framework_id: FrameworkId, since: float, limit_s: float) -> None:
        context = self._context
        known = context.away.get(framework_id)
        at_ms = round(context.now * 1000)
        key = f"away/{framework_id}/{context.settings.boot_id}/{at_ms}"
        context.away[framework_id] = Away(since, limit_s, key)
        away_s = _away_s(context.now, since, limit_s)
        context.record(key, FrameworkAway(framework_id, away_s, limit_s))
        if known is not None and known.key != key:
            context.record(known.key, None)
        context.timers.set("away", framework_id, since + limit_s)

    def _forget(self, framework_id: FrameworkId, known: Away) -> None:
        del self._context.away[framework_id]
        self._context.timers.cancel("away", framework_id)
        self._context.record(known.key, None)

    def limit_reached(self, framework_id: FrameworkId) -> None:
        limit_s = self._context.away[framework_id].limit_s
        self.shut_down(
            framework_id, f"its framework was away for longer than its limit of {limit_s:g} s"
        )

    def shut_down(
        self, framework_id: FrameworkId, message: str, reason: Reason = Reason.FRAMEWORK_REMOVED
    ) -> None:
        """End all its tasks, soon: its own patience counts no more."""
        self._accepts.abandon(framework_id)
        for task in self._context.living(framework_id):
            grace_s = min(task.info.kill_grace_s, self._context.settings.shutdown_grace_s)
            self._life.kill(task, grace_s, reason, message)

    def report(self) -> tuple[FrameworkAway, ...]:
        """For the master that registers us."""
        now = self._context.now
        return tuple(
            FrameworkAway(framework_id, _away_s(now, away.since, away.limit_s), away.limit_s)
            for framework_id, away in self._context.away.items()
        )


def _away_s(now: float, since: float, limit_s: float) -> float:
    """Beyond the limit it does not matter how far, and the wire takes no more than some years."""
    return min(max(0.0, now - since), limit_s)
