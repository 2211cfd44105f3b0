"""Random programs (M7, M8, M10): done whole or not at all, and nothing is lost or twice."""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task
from tests.support.master_peers import GIB
from tests.support.master_programs import singly

from fairlead.common.ids import LaunchUuid, Role, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.messages import CallResult, Code, RunAccept
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import (
    Launch,
    LaunchGroup,
    Operation,
    Reserve,
    Resize,
    Resume,
    Suspend,
    TaskState,
    Unreserve,
)
from fairlead.master.settings import MasterSettings

DL = Role("dl")
KNOWN = tuple(map(TaskId, ("runs", "uses-a-gpu", "is-suspended", "has-finished")))
NEVER = (TaskState.ERROR, TaskState.DROPPED)
"""What is told of a launch that is not done."""
cpus = st.sampled_from((0, 0.5, 1, 2, 3, 4))


launches = st.builds(
    lambda c, g: Launch(task("unnamed", cpus=c, gpus=g), LaunchUuid("")),
    cpus,
    st.sampled_from((0, 0.5, 1)),
)
sizes = st.builds(lambda c, g: Resources.of(cpus=c, mem=GIB, gpus=g), cpus, st.sampled_from((0, 1)))
tasks = st.sampled_from(KNOWN)
bound = st.builds(lambda c: Resources.of(cpus=c), cpus)
operations = st.one_of(
    launches,
    st.builds(lambda some: LaunchGroup(tuple(some)), st.lists(launches, max_size=3)),
    st.builds(Suspend, tasks, st.booleans()),
    st.builds(Resume, tasks),
    st.builds(Resize, tasks, sizes),
    st.builds(lambda has: Reserve(DL, has), bound),
    st.builds(lambda has: Unreserve(DL, has), bound),
)


class Scene:
    """An agent where tasks of a framework run, rest and have ended, and an offer of a part of what
    is free there.
    """

    def __init__(self, halves: int) -> None:
        """Of GPUs in the offer: one is of the device of the task that is suspended, two are it."""
        self.h = MasterHarness(MasterSettings(offer_timeout_s=1000))
        self.agent: AgentDouble = self.h.agent(cpus=8, gpus=3)
        self.f: FrameworkDouble = self.h.framework()
        with_gpu = [task(name, gpus=1) for name in KNOWN[1:3]]
        self.f.launch(task(KNOWN[0]), *with_gpu, task(KNOWN[3]))
        self.f.wants()
        self.agent.runs(*KNOWN[:4])
        self.agent.finishes(KNOWN[3])
        self.f.orders(Suspend(KNOWN[2]))
        self.agent.programs.finish()
        self.h.advance(6)
        self.f.wants(demand(halves, gpus=0.5))
        self.offered = self.f.offered
        self.offers = self.f.offers
        self.before, self.was_free = self.held(), self.free()
        self.f.statuses.clear()
        self.agent.orders.clear()

    def held(self) -> dict[TaskId, Resources]:
        return {name: known.held for name, known in self.h.framework_books(self.f).tasks.items()}

    def free(self) -> Resources:
        return self.h.master.books.agents[self.agent.id].free

    def orders(self, program: Sequence[Operation]) -> CallResult:
        return self.f.orders(*program, offers=self.offers)

    def told(self) -> list[TaskId]:
        """That their launches are not done."""
        return [status.task_id for status in self.f.statuses if status.state in NEVER]

    def ordered(self) -> tuple[Sequence[Operation], Resources]:
        """What its agent is to do, and with what."""
        runs = [body for body in self.agent.orders if isinstance(body, RunAccept)]
        assert len(runs) < 2
        return (runs[0].operations, runs[0].resources) if runs else ((), EMPTY)


def replayed(
    scene: Scene, program: Sequence[Operation], ordered: Sequence[Operation], left: Resources
) -> dict[TaskId, Resources]:
    """What each task holds behind it; at no point is more taken than there is, by device, and no
    launch is left out that would have fitted.
    """
    held, to_do = dict(scene.before), deque(ordered)
    whole = {name: known.task.resources for name, known in scene.agent.living.items()}
    for asked in program:
        if names(asked) and not (to_do and names(to_do[0]) == names(asked)):
            fits = isinstance(asked, Launch) and left.pick(asked.task.resources)
            assert not fits, f"{asked} would have fitted"
            continue
        for operation in singly((to_do.popleft(),)):
            match operation:
                case Launch(info):
                    assert left.contains(info.resources), f"{info.task_id} fits into what is left"
                    held[info.task_id] = info.resources
                    left -= info.resources
                case Suspend(name, free_cpus) if held[name]:
                    kept = replace(held[name], cpus=0 if free_cpus else held[name].cpus, gpus=())
                    held[name], left = kept, left + (held[name] - kept)
                case Resume(name):
                    assert left.contains(whole[name] - held[name]), f"{name} has what it had"
                    left -= whole[name] - held[name]
                    held[name] = whole[name]
                case Resize(name, size):
                    assert (left + held[name]).contains(size), f"{name} fits"
                    left = left + held[name] - size
                    held[name] = whole[name] = size
                case _:
                    pass
    assert not to_do, "nothing was ordered that was not asked for"
    return held


def names(operation: Operation) -> list[TaskId]:
    """Of the tasks that it launches."""
    return [launch.task.task_id for launch in launches_in((operation,))]


def numbered(program: Sequence[Operation]) -> list[Operation]:
    """No two launches have the same name."""
    numbers = itertools.count(1)

    def named(launch: Launch) -> Launch:
        name = TaskId(f"n{next(numbers)}")
        return Launch(replace(launch.task, task_id=name), LaunchUuid(f"u-{name}"))

    return [
        named(each)
        if isinstance(each, Launch)
        else LaunchGroup(tuple(map(named, each.launches)))
        if isinstance(each, LaunchGroup)
        else each
        for each in program
    ]


def check_refused(scene: Scene, result: CallResult, program: Sequence[Operation]) -> int:
    """Nothing was done; which operation is wrong."""
    assert result.code is Code.REFUSED
    assert scene.ordered() == ((), EMPTY)
    assert (scene.held(), scene.free()) == (scene.before, scene.was_free + scene.offered)
    asked = [name for each in program for name in names(each)]
    assert scene.told() == asked, "each launch is told"
    return int(result.field.removeprefix("operations[").removesuffix("]"))


def check_done(scene: Scene, program: Sequence[Operation]) -> None:
    ordered, brought = scene.ordered()
    expected = replayed(scene, program, ordered, scene.offered)
    assert scene.offered.contains(brought)
    assert replayed(scene, program, ordered, brought) == expected, "it brings enough"
    asked, launched = ([name for each in of for name in names(each)] for of in (program, ordered))
    assert sorted(scene.told() + launched) == sorted(asked), "each is told or done, and once"
    scene.agent.programs.finish()
    held = {name: each for name, each in scene.held().items() if each}
    assert held == {name: each for name, each in expected.items() if each}
    assert scene.free() == scene.agent.info.resources - total(held.values())


def sized(cpus: float) -> Launch:
    return Launch(task("unnamed", cpus=cpus), LaunchUuid(""))


@hypothesis.settings(max_examples=80)
@hypothesis.example([Suspend(KNOWN[1]), Resume(KNOWN[2])], 1).via("another device will not do")
@hypothesis.example(numbered([LaunchGroup((sized(1), sized(4))), sized(1)]), 1).via("a group")
@hypothesis.given(st.lists(operations, min_size=3, max_size=7).map(numbered), st.integers(1, 3))
def test_m10_a_program_is_done_whole_or_not_at_all_and_loses_nothing(
    program: list[Operation], halves: int
) -> None:
    """What is refused is tried again without the operation that was wrong."""
    right = 0
    while (result := (scene := Scene(halves)).orders(program)).code is not Code.OK:
        wrong = check_refused(scene, result, program)
        assert wrong >= right, "what was behind it is no reason"
        del program[wrong]
        right = wrong
    check_done(scene, program)
