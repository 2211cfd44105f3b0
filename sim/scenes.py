"""Four situations in which a master of offers may let somebody wait for ever, each in a quiet
cluster of four agents with eight cpus: how long that lasts. For `python -m fairlead.sim --scenes`.

All that a master may be set to is as it is when nobody says otherwise.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, RoleWish, TaskState
from fairlead.master.settings import MasterSettings

from .auditor import ViolationError
from .crowd import GIB, Other
from .plan import LONG, Plan
from .schedulers import Job, Manner, Memory
from .world import World

CPUS, AGENTS = 8, 4
LOOK_S = 0.1
COMES_AT_S = 10.0
"""Whoever is kept waiting comes when the others have made themselves at home."""
NO_FAULTS_S = 1e9


@dataclass(frozen=True, slots=True)
class Scene:
    """`who` are waited for, and what they need."""

    name: str
    others: tuple[Other, ...]
    late: tuple[str, ...]
    who: tuple[str, ...]
    needs: str
    is_served: Callable[[Memory], bool]
    within_s: float
    """Longer is a failure."""


def has_done(number: int) -> Callable[[Memory], bool]:
    return lambda memory: len(memory.done) >= number


def runs(number: int) -> Callable[[Memory], bool]:
    def is_served(memory: Memory) -> bool:
        running = [a for a in memory.attempts.values() if a.state is TaskState.RUNNING]
        return len(running) >= number

    return is_served


def jobs(name: str, count: int, cpus: float, seconds: str) -> tuple[Job, ...]:
    resources = Resources.of(cpus, GIB)
    return tuple(Job(f"{name}-{n}", resources, ("work", seconds, "0")) for n in range(count))


def other(name: str, work: tuple[Job, ...], manner: Manner, *, is_gang: bool = False) -> Other:
    return Other(name, RoleWish(Role(name)), work, manner, works_in_gangs=is_gang)


HONEST = Manner(forgets=0.0, binds=False)
DECLINING = Manner("declining without demand", forgets=0.0, declines=1.0, states_demand=False)
SILENT = Manner("silent", forgets=1.0)
GREEDY = Manner("accepting everything", forgets=0.0, states_demand=False, binds=False)
SHORT = "0.5"

SCENES = (
    Scene(
        "100 frameworks decline all that they are offered, one has demand for the whole cluster",
        (
            *(other(f"decliner-{n}", (), DECLINING) for n in range(100)),
            other("late", jobs("late", 32, 1, LONG), HONEST),
        ),
        ("late",),
        ("late",),
        "its 32 tasks run",
        runs(32),
        10.0,
    ),
    Scene(
        "two gangs of three, each of which needs more than half of the cluster for 10 s",
        tuple(
            other(name, jobs(f"{name}-1", 3, 6, "10.0"), HONEST, is_gang=True)
            for name in ("one", "two")
        ),
        (),
        ("one", "two"),
        "both have finished",
        has_done(3),
        40.0,
    ),
    Scene(
        "one never answers and is offered the whole cluster, another has demand for all of it",
        (
            other("silent", jobs("silent", 32, 1, SHORT), SILENT),
            other("late", jobs("late", 32, 1, LONG), HONEST),
        ),
        ("late",),
        ("late",),
        "its 32 tasks run",
        runs(32),
        100.0,
    ),
    Scene(
        "one accepts everything, for ever, and another has demand for its half",
        (
            other("greedy", jobs("greedy", 64, 1, LONG), GREEDY),
            other("late", jobs("late", 16, 1, LONG), HONEST),
        ),
        ("late",),
        ("late",),
        "its 16 tasks run",
        runs(16),
        120.0,
    ),
)


def play(scene: Scene, settings: MasterSettings | None = None) -> float:
    """Seconds from when those who wait come until they have what they need."""
    world = World(_plan(scene.others, settings or MasterSettings()))
    world.begin(late=scene.late, late_s=COMES_AT_S)
    began = COMES_AT_S if scene.late else 0.0
    memories = world.memories(scene.who)
    while not all(map(scene.is_served, memories)):
        if world.now > began + scene.within_s:
            raise ViolationError("nobody waits for ever", f"{scene.name}: {scene.needs}, not yet")
        world.clock.run_until(world.now + LOOK_S)
    return world.now - began


def lines() -> Iterator[str]:
    for scene in SCENES:
        yield f"{play(scene):6.1f} s  {scene.name}: {scene.needs}"


def _plan(others: Sequence[Other], settings: MasterSettings) -> Plan:
    size = Resources.of(CPUS, 16 * GIB, 100 * GIB)
    names = [f"agent-{number}" for number in range(1, AGENTS + 1)]
    agents = tuple(AgentInfo(AgentId(""), name, size, name=name) for name in names)
    return Plan(
        1,
        agents,
        settings,
        settings.silent_s,
        (),
        (),
        None,
        0.0,
        NO_FAULTS_S,
        NO_FAULTS_S,
        others=tuple(others),
    )
