"""A random walk through a master's life: agents, frameworks, failures, failovers, time.

After each step the books are checked, and the harness's own ledger. At the end the faults stop,
and everything must finish. Run as a program it prints the digest of all that the master ordered.
"""

import hashlib
import random
import sys
from collections.abc import Callable
from dataclasses import replace

if __name__ == "__main__":
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import LaunchUuid, Role
from fairlead.common.messages import Revive, SetDemand, Suppress, Teardown
from fairlead.common.operators import SetQuota, SetReservation, SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Launch,
    Operation,
    Predicate,
    Reserve,
    Resize,
    Resume,
    RoleDemand,
    RoleWish,
    Suspend,
    TaskState,
    Unreserve,
)
from fairlead.master.settings import MasterSettings

STEPS = 200
MOVABLE = (TaskState.RUNNING, TaskState.SUSPENDED)


class Walk:
    """One seed's life."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.h = MasterHarness(MasterSettings(revoke_after_s=20.0, revoke_grace_s=5.0))
        self.tasks = 0
        self.counts: dict[str, int] = {}
        self.deeds: list[tuple[int, Callable[[], None]]] = [
            (2, self.an_agent_comes),
            (2, self.a_framework_comes),
            (12, self.a_framework_accepts),
            (8, self.a_framework_orders_its_tasks_about),
            (4, self.a_framework_declines),
            (4, self.a_framework_wants),
            (2, self.a_framework_suppresses_or_revives),
            (3, self.a_framework_kills),
            (2, self.a_framework_asks),
            (3, self.a_framework_breaks_or_returns),
            (1, self.a_framework_is_torn_down),
            (16, self.a_task_moves),
            (16, self.an_accept_goes_on),
            (4, self.an_agent_lends),
            (1, self.an_accept_fails),
            (3, self.an_agent_breaks_or_returns),
            (1, self.an_agent_forgets_a_launch),
            (1, self.somebody_falls_silent),
            (1, self.the_master_stands_still),
            (1, self.the_master_fails_over),
            (1, self.a_weight_changes),
            (1, self.a_quota_changes),
            (2, self.an_operator_reserves),
            (3, self.a_framework_reserves),
            (6, self.time_passes),
        ]

    def run(self) -> str:
        for _ in range(2):
            self.an_agent_comes()
            self.a_framework_comes()
        deeds = [deed for weight, deed in self.deeds for _ in range(weight)]
        for _ in range(STEPS):
            deed = self.random.choice(deeds)
            self.counts[deed.__name__] = self.counts.get(deed.__name__, 0) + 1
            deed()
            if self.random.random() < 0.7:
                self.h.tick()
        self.come_to_an_end()
        text = "\n".join(repr(action) for action in self.h.actions)
        return hashlib.sha256(text.encode()).hexdigest()

    # --- whom

    def some_agent(self) -> AgentDouble:
        return self.random.choice(self.h.agents)

    def some_framework(self) -> FrameworkDouble | None:
        here = [f for f in self.h.frameworks if f.session is not None]
        return self.random.choice(here) if here else None

    # --- deeds

    def an_agent_comes(self) -> None:
        if len(self.h.agents) < 5:
            cpus = self.random.choice([1, 2, 4])
            self.h.agent(cpus=cpus, mem=f"{cpus}GiB", gpus=self.random.choice([0, 0, 2]))

    def a_framework_comes(self) -> None:
        if len(self.h.frameworks) < 6:
            wanted = self.random.choice([None, [demand(3)], [demand(2, cpus=0.5), demand(1)]])
            timeout_s = self.random.choice([5.0, 60.0, 3600.0])
            role = self.random.choice(["a", "b", "c"])
            apart = self.random.choice([(), (), (Role("a"),)])
            hosts = self.random.choice(["host[12]", "host3", "nowhere"])
            group = AllOf((Predicate("hostname", Comparison.MATCHES, (hosts,)),))
            preferred = self.random.choice([(), (group,)])
            any_of = self.random.choice([(), (), (), (group,)])
            constraints = Constraints(any_of, preferred)
            wish = RoleWish(Role(role), constraints=constraints, keep_apart=apart)
            self.h.framework(
                role=role,
                demands=wanted,
                wishes=[wish],
                failover_timeout_s=timeout_s,
                capabilities=self.random.choice([(), ("revocable",)]),
            )

    def a_framework_accepts(self) -> None:
        framework = self.some_framework()
        if framework is None or not framework.offers:
            return
        offer = self.random.choice(framework.offers)
        offers = [o for o in framework.offers if o.agent_id == offer.agent_id]
        tasks = []
        for _ in range(self.random.randint(1, 3)):
            self.tasks += 1
            cpus, gpus = self.random.choice([0.5, 1, 2]), self.random.choice([0, 0, 0.5, 1])
            info = task(f"t{self.tasks}", cpus=cpus, mem="0.5GiB", gpus=gpus)
            is_lent = bool(offer.revocable) and self.random.random() < 0.8
            tasks.append(replace(info, revocable=is_lent))
        framework.accept(offers, *tasks, refuse_s=self.random.choice([0, 5]))

    def a_framework_orders_its_tasks_about(self) -> None:
        """Mostly what can be; the rest is refused as a whole."""
        pairs = [
            (framework, agent)
            for framework in self.h.frameworks
            for agent in self.h.agents
            if framework.session is not None and agent.session is not None
            for known in agent.living.values()
            if known.framework_id == framework.id and known.latest.state in MOVABLE
        ]
        if not pairs:
            return
        framework, agent = self.random.choice(pairs)
        mine = [
            known
            for known in agent.living.values()
            if known.framework_id == framework.id
            and (known.latest.state in MOVABLE or self.random.random() < 0.1)
        ]
        offers = [o for o in framework.offers if o.agent_id == agent.id]
        operations: list[Operation] = []
        for known in self.random.sample(mine, min(len(mine), 2)):
            task_id, free_cpus = known.task.task_id, self.random.random() < 0.5
            cpus = self.random.choice([0.5, 1, 2])
            resized = replace(known.task.resources, cpus=int(cpus * 1000))
            orders: tuple[Operation, ...] = (Suspend(task_id, free_cpus), Resize(task_id, resized))
            if known.latest.state is TaskState.SUSPENDED:
                orders = (Resume(task_id),)
            operations.append(self.random.choice(orders))
        if self.random.random() < 0.5:
            self.tasks += 1
            info = task(f"t{self.tasks}", cpus=0.5, mem="0.5GiB", gpus=self.random.choice([0, 1]))
            operations.append(Launch(info, LaunchUuid(f"u-{info.task_id}")))
        framework.orders(*operations, offers=offers, refuse_s=self.random.choice([0, 5]))

    def a_framework_declines(self) -> None:
        framework = self.some_framework()
        if framework is not None and framework.offers:
            refuse_s = self.random.choice([0, 5, 3600])
            framework.decline(self.random.choice(framework.offers), refuse_s=refuse_s)

    def a_framework_wants(self) -> None:
        framework = self.some_framework()
        if framework is not None:
            count = self.random.choice([0, 1, 5])
            framework.demands = (RoleDemand(framework.role, (demand(count, cpus=1),)),)
            framework.call(SetDemand(framework.demands))

    def a_framework_suppresses_or_revives(self) -> None:
        framework = self.some_framework()
        if framework is not None:
            framework.call(Suppress() if self.random.random() < 0.3 else Revive())

    def a_framework_kills(self) -> None:
        framework = self.some_framework()
        if framework is not None and self.tasks:
            framework.kill(f"t{self.random.randint(1, self.tasks)}")

    def a_framework_asks(self) -> None:
        framework = self.some_framework()
        if framework is not None:
            known = self.h.framework_books(framework).tasks.values()
            refs = [known_task.ref for known_task in known]
            framework.asks(*self.random.sample(refs, min(2, len(refs))))

    def a_framework_breaks_or_returns(self) -> None:
        if self.h.frameworks:
            self.break_or_return(self.random.choice(self.h.frameworks))

    def a_framework_is_torn_down(self) -> None:
        framework = self.some_framework()
        if framework is not None and self.random.random() < 0.5:
            framework.call(Teardown())
            self.h.frameworks.remove(framework)

    def a_task_moves(self) -> None:
        agent = self.some_agent()
        living = [t for t, k in agent.living.items() if k.resources]
        if not living:
            return
        task_id = self.random.choice(living)
        if task_id in agent.asked_to_kill():
            agent.kills(task_id)
        elif agent.living[task_id].latest.state is TaskState.STAGING:
            agent.runs(task_id)
        elif self.random.random() < 0.5:
            agent.finishes(task_id)

    def an_accept_goes_on(self) -> None:
        for agent in self.h.agents:
            if self.random.random() < 0.7:
                agent.programs.step()

    def an_agent_lends(self) -> None:
        """Less than before, too."""
        self.some_agent().revocable = Resources.of(cpus=self.random.choice([0, 1, 3]))

    def an_accept_fails(self) -> None:
        for agent in self.h.agents:
            if agent.programs.running:
                agent.programs.fail()

    def an_agent_breaks_or_returns(self) -> None:
        self.break_or_return(self.some_agent())

    def an_agent_forgets_a_launch(self) -> None:
        """The session broke with the RunAccept in it."""
        agent = self.some_agent()
        staging = [t for t, k in agent.living.items() if k.latest.state is TaskState.STAGING]
        staging = [t for t in staging if agent.living[t].resources]
        if agent.session is not None and staging:
            agent.disconnects()
            for task_id in staging:
                del agent.living[task_id]

    def somebody_falls_silent(self) -> None:
        peer = self.random.choice([*self.h.agents, *self.h.frameworks])
        peer.is_silent = True

    def the_master_stands_still(self) -> None:
        self.h.stop_the_master(self.random.choice([3.0, 300.0]))

    def the_master_fails_over(self) -> None:
        self.h.fail_over(returns=self.random.random() < 0.5)

    def a_quota_changes(self) -> None:
        role, limit = self.random.choice("abc"), self.random.choice([None, 0, 1, 2, 4])
        guarantees = {"cpus": 1000 * self.random.choice([0, 0, 1, 2])}
        limits = {} if limit is None else {"cpus": 1000 * limit, "gpus": 500 * limit}
        self.h.orders(SetQuota(Role(role), guarantees, limits))

    def an_operator_reserves(self) -> None:
        """Now and then the agent is slow, or never answers."""
        agent = self.some_agent()
        agent.answers_changes = self.random.random() < 0.8
        role = Role(self.random.choice(["a", "b", "c", "a/x"]))
        amount = Resources.of(
            cpus=self.random.choice([0, 0.5, 1, 8]), gpus=self.random.choice([0, 0, 1])
        )
        self.h.say(SetReservation(agent.id, role, amount))

    def a_framework_reserves(self) -> None:
        """Or the reverse; alone, or behind a launch."""
        framework = self.some_framework()
        if framework is None or not framework.offers:
            return
        offer = self.random.choice(framework.offers)
        half = Resources.of(cpus=0.5)
        is_reserved = offer.reserved.contains(half) and self.random.random() < 0.8
        operations: list[Operation] = [(Unreserve if is_reserved else Reserve)(offer.role, half)]
        if self.random.random() < 0.5:
            self.tasks += 1
            info = task(f"t{self.tasks}", cpus=0.5, mem="0.5GiB")
            operations.insert(0, Launch(info, LaunchUuid(f"u-{info.task_id}")))
        framework.orders(*operations, offers=[offer], refuse_s=self.random.choice([0, 5]))

    def a_weight_changes(self) -> None:
        role, weight = self.random.choice("abc"), self.random.choice([0.5, 1.0, 3.0])
        self.h.orders(SetWeight(Role(role), weight))

    def time_passes(self) -> None:
        self.h.advance(self.random.choice([0.1, 1.5, 6.0, 31.0]))

    def break_or_return(self, peer: AgentDouble | FrameworkDouble) -> None:
        if peer.session is not None:
            peer.disconnects()
        elif not any(goodbye.code.name == "FRAMEWORK_REMOVED" for goodbye in peer.goodbyes):
            peer.is_silent = False
            peer.connects()

    # --- the end

    def come_to_an_end(self) -> None:
        """The faults are off: every task ends, and everything is free."""
        peers: list[AgentDouble | FrameworkDouble] = [*self.h.agents, *self.h.frameworks]
        for peer in peers:
            peer.is_silent = False
            if peer.session is None:
                self.break_or_return(peer)
        for framework in self.h.frameworks:
            if framework.session is not None:
                framework.call(Suppress())
        self.h.tick()
        for agent in self.h.agents:
            agent.programs.finish()
            for task_id in [t for t, k in agent.living.items() if not k.latest.state.is_terminal]:
                agent.finishes(task_id)
        for framework in self.h.frameworks:
            if framework.session is not None:
                framework.decline()
        self.h.tick()
        for agent in self.h.agents:
            books = self.h.master.books.agents[agent.id]
            assert not books.used, f"{agent.id} still uses {books.used}: {books.strays}"
            assert books.free == agent.info.resources
            assert not agent.updates or self._waits(agent), f"{agent.updates} never acknowledged"

    def _waits(self, agent: AgentDouble) -> bool:
        """For frameworks that are away, or went for good before they could acknowledge."""
        here = {f.id for f in self.h.frameworks if f.session is not None}
        waiting = {agent.living[task_id].framework_id for task_id in agent.updates}
        return not waiting & here


def main() -> None:
    walk = Walk(int(sys.argv[1]))
    sys.stdout.write(walk.run() + "\n")


if __name__ == "__main__":
    main()
