"""Worlds of divisible, unconstrained demand: after trouble, shares are those of the weights."""

from random import Random

import pytest

from fairlead.common.ids import Role
from fairlead.common.operators import SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, RoleWish
from fairlead.master.settings import MasterSettings
from fairlead.sim.crowd import GIB, Other
from fairlead.sim.plan import Plan
from fairlead.sim.schedulers import Job, Manner
from fairlead.sim.world import World

UNIT = Resources.of(cpus=1, mem=GIB)
BACK_S = 40.0
"""After the last fault: everybody is back, and what ran then has ended."""
SAMPLES = 30


def plan(seed: int) -> Plan:
    """More than agents can hold, for longer than anybody looks."""
    random = Random(f"{seed}/even")
    roles = [Role(f"team-{number}") for number in range(random.choice((2, 3, 4)))]

    def jobs(role: Role) -> tuple[Job, ...]:
        lengths = [f"{random.uniform(1.0, 5.0):.3f}" for _ in range(400)]
        return tuple(
            Job(f"{role}-{n}", UNIT, ("work", length, "0")) for n, length in enumerate(lengths)
        )

    names = [f"agent-{number}" for number in range(1, random.choice((3, 4)))]
    size = Resources.of(cpus=8, mem=16 * GIB)
    others = [Other(role, RoleWish(role), jobs(role), Manner()) for role in roles]
    return Plan(
        seed,
        tuple(AgentInfo("", name, size, name=name) for name in names),  # type: ignore[arg-type]
        MasterSettings(agent_timeout_s=12.0),
        5.0,
        (),
        (),
        None,
        0.0,
        random.uniform(1.0, 3.0),
        20.0,
        others=tuple(others),
        orders=tuple(SetWeight(role, float(n + 1)) for n, role in enumerate(roles)),
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shares_come_within_one_task_of_the_weights(seed: int) -> None:
    world = World(plan(seed))
    world.trouble()
    world.clock.run_until(world.now + BACK_S)
    assert world.master is not None
    books = world.master.core.books
    weights = {role: books.weights.get(role, 1.0) for role in books.weights}
    unit = 1000 / books.capacity.cpus
    for _ in range(SAMPLES):
        world.clock.run_until(world.now + 0.5)
        shares = {
            role: share / weights.get(role, 1.0)
            for (_, role), share in world.auditor.shares(world.now, world.master.name).items()
        }
        teams = [role for role in shares if role.startswith("team")]
        assert sum(shares[role] * weights.get(role, 1.0) for role in teams) > 1 - 3 * unit
        for above in teams:
            for below in teams:
                gap = shares[above] - shares[below]
                one = unit / min(weights.get(above, 1.0), weights.get(below, 1.0))
                assert gap <= one * (1 + 1e-9), f"at {world.now:.1f} s: {shares}"
