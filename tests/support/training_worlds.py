"""Simulated clusters for training jobs: quiet ones to measure in, and rough ones by seed."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from fairlead.common.jobs import JobVerb, SubmitJob
from fairlead.common.values import AgentInfo
from fairlead.frameworks.training.events import TrainingSettings
from fairlead.master.settings import MasterSettings
from fairlead.sim.plan import Plan, draw
from fairlead.sim.training import TrainingWorld, job, machine

LONG = 10**6
"""Steps that take longer than any test."""
BRISK = TrainingSettings(
    slice_s=3.0, hook_timeout_s=30.0, rest_s=3.0, grace_s=5.0, switch_timeout_s=40.0, hope_s=2.0
)


def quiet(
    machines: Sequence[AgentInfo],
    submissions: Sequence[tuple[float, SubmitJob]],
    settings: TrainingSettings | None = None,
    seed: int = 1,
) -> TrainingWorld:
    """Nothing goes wrong there unless the test sees to it. Which agent is offered first is by
    chance, which the seed settles.
    """
    plan = Plan(seed, tuple(machines), MasterSettings(), 10.0, (), (), None, 0.0, 1e9, 1.0, 600.0)
    return TrainingWorld(plan, submissions, settings or TrainingSettings())


def rough(seed: int) -> TrainingWorld:
    """All kinds of fault, jobs of all kinds, people who change their minds."""
    random = Random(f"{seed}/training")
    plan = draw(seed)
    machines = [machine(n, random.choice((1, 2, 4)), 8) for n in range(1, random.choice((2, 3, 4)))]
    beside = plan.batch if random.random() < 0.5 else ()
    one = tuple(each for each in beside if each.resources.gpu_millis <= 1000)
    alone = replace(
        plan,
        agents=tuple(machines),
        batch=one,
        service=(),
        guest=None,
        training=(),
        others=(),
        orders=(),
        reserved={},
        gangs=(),
    )
    most = max(len(info.gpus) for info in machines)
    jobs = [_job(random, f"job-{n}", most) for n in range(random.randint(3, 9))]
    submissions = [(random.uniform(0, 25), each) for each in jobs]
    settings = replace(
        BRISK,
        slice_s=random.choice((1.0, 3.0, 10.0)),
        relocate_s=random.choice((5.0, 60.0)),
        hope_s=random.choice((2.0, 10.0)),
    )
    world = TrainingWorld(replace(alone, settle_s=900.0), submissions, settings)
    _people(random, world, [each.task.task_id for each in jobs])
    return world


def _job(random: Random, job_id: str, most: int) -> SubmitJob:
    return job(
        job_id,
        random.randint(20, 250),
        random.choice((0.05, 0.1, 0.3)),
        min(most, random.choice((1, 1, 1, 2))),
        random.choice((0, 0, 1)),
        random.choice((0.0, 1.0, 2.0)),
        start_s=random.choice((0.2, 1.0, 3.0)),
    )


def _people(random: Random, world: TrainingWorld, job_ids: Sequence[str]) -> None:
    """Orders are asked again until they are answered, so the last word comes when all is calm."""
    for _ in range(random.randint(0, 4)):
        at, job_id = random.uniform(5, 35), random.choice(job_ids)
        world.order_at(at, job_id, JobVerb.PAUSE)
        world.order_at(at + random.uniform(0.1, 10), job_id, JobVerb.RESUME)
    for job_id in job_ids:
        world.order_at(world.plan.faults_end + 40, job_id, JobVerb.RESUME)
    if random.random() < 0.3:
        world.order_at(random.uniform(5, 40), job_ids[0], JobVerb.CANCEL)
