"""Frameworks that have left: how long they may be away, the end of those that do not come back.

What has ended is refused for ever, and forgotten after a while: first what ended first.
"""

from fairlead.common.ids import FrameworkId
from fairlead.common.messages import Code, FrameworkAway, ShutdownFramework

from .allocation.gang_holds import end_gang_hold
from .allocation.holds import end_waits
from .context import Context
from .entries import Agent, Framework
from .offers import Offers

NEWS_S = 1.0
"""By so much more than was known a framework has been away."""


class Departures:
    """Counts absences, and ends frameworks."""

    def __init__(self, context: Context, offers: Offers) -> None:
        self._context = context
        self._offers = offers

    def count_away(self, framework: Framework, away_s: float) -> None:
        """It has been away for so long already; its agents count on if we cannot."""
        context = self._context
        framework.away_since = context.awake - away_s
        self._tell_agents(framework, _away(framework, away_s))
        left = context.left(self._may_be_away_until(framework))
        context.timers.at(context.now + left, "failover", framework.framework_id)

    def still_away(self, framework: Framework, agent: Agent, away_s: float) -> None:
        """An agent with tasks of it has come, and has counted so far. The others are told only what
        is news to them: a new leader hears this of every framework from every agent.
        """
        since, awake = framework.away_since, self._context.awake
        if since is None or away_s > awake - since + NEWS_S:
            self.count_away(framework, away_s)
        else:
            framework.away_since = min(since, awake - away_s)
            self._context.to_agent(agent, _away(framework, awake - framework.away_since))

    def is_back(self, framework: Framework) -> None:
        """Nobody need count any longer."""
        self._tell_agents(framework, FrameworkAway(framework.framework_id, back=True))

    def _may_be_away_until(self, framework: Framework) -> float:
        """Of one that has not come to this leader yet, an agent's count may be stale."""
        assert framework.away_since is not None
        until = framework.away_since + framework.info.failover_timeout_s
        if framework.instance_uuid:
            return until
        return max(until, self._context.began + self._context.settings.return_s)

    def _tell_agents(self, framework: Framework, body: FrameworkAway) -> None:
        agent_ids = dict.fromkeys(task.agent_id for task in framework.tasks.values())
        for agent_id in agent_ids:
            self._context.to_agent(self._context.books.agents[agent_id], body)

    def failover_due(self, framework: Framework) -> None:
        if framework.away_since is None or framework.is_ended:
            return
        context = self._context
        left = context.left(self._may_be_away_until(framework))
        if left:  # we stood still meanwhile, or this timer is of an absence before
            context.timers.at(context.now + left, "failover", framework.framework_id)
        else:
            self.tear_down(framework, "it was away beyond its failover timeout")

    def tear_down(self, framework: Framework, why: str) -> None:
        """Its tasks end everywhere, its id is refused from now on."""
        if not framework.is_ended:
            self.end(framework)
            self.release(framework, why)

    def end(self, framework: Framework) -> None:
        context, framework_id = self._context, framework.framework_id
        context.record(f"removed/{framework_id}", framework.info)
        context.books.removed[framework_id] = framework.info
        self._offers.void(framework)
        framework.is_ended = True
        framework.away_since = None
        end_waits(context.books, framework)
        end_gang_hold(context.books, framework)
        for agent in self._agents_of(framework):
            context.to_agent(agent, ShutdownFramework(framework_id))
        context.books.touch_framework(framework_id)
        context.books.touch_roles(framework)
        self.forget_later(framework_id)
        self._forget_oldest()

    def _agents_of(self, framework: Framework) -> list[Agent]:
        """Where something of it runs or is begun, or may run without our knowing whose it is; of
        the others there may be very many.
        """
        living = [task.agent_id for task in framework.tasks.values() if not task.is_terminal]
        known = {*living, *(agent_id for agent_id, _ in framework.accepts)}
        agents = self._context.books.agents.items()
        return [agent for agent_id, agent in agents if agent.strays or agent_id in known]

    def release(self, framework: Framework, why: str) -> None:
        """Whoever still speaks for it is told that it is over."""
        if framework.session is not None:
            session, framework.session = framework.session, None
            self._context.dismiss(session, Code.FRAMEWORK_REMOVED, why, agent=False)

    def _forget_oldest(self) -> None:
        kept = self._context.settings.ended_frameworks_kept
        while len(self._context.books.removed) > 10 * kept:
            oldest = next(iter(self._context.books.removed))
            del self._context.books.removed[oldest]
            self._context.record(f"removed/{oldest}", None)
        known = self._context.books.frameworks
        ended = [known[each] for each in self._context.books.removed if each in known]
        for framework in ended[: max(0, len(ended) - kept)]:
            self._forget(framework)

    def forget_later(self, framework_id: FrameworkId) -> None:
        context = self._context
        forget_at = context.now + context.settings.ended_framework_s
        context.timers.at(forget_at, "forget", framework_id)

    def forget_due(self, framework: Framework) -> None:
        if framework.is_ended and not self._forget(framework):
            self.forget_later(framework.framework_id)

    def _forget(self, framework: Framework) -> bool:
        """A finished framework is forgotten, once its tasks and accepts have ended too."""
        context = self._context
        if len(framework.ended) < len(framework.tasks) or framework.accepts:
            return False
        for task in tuple(framework.tasks.values()):
            context.books.drop_task(task)
        del context.books.frameworks[framework.framework_id]
        context.books.apart.pop(framework.framework_id, None)
        context.books.borrowers.pop(framework.framework_id, None)
        context.books.touch_framework(framework.framework_id)
        context.books.touch_roles(framework)
        return True


def _away(framework: Framework, away_s: float) -> FrameworkAway:
    limit_s = framework.info.failover_timeout_s
    return FrameworkAway(framework.framework_id, min(away_s, limit_s), limit_s)
