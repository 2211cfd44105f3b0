"""Orders, deaths and silences in any order, from seeds; then peace, and all must end well."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.agent_harness import AgentHarness, launch

from fairlead.agent.events import DiskMeasured, SandboxRemoved
from fairlead.agent.settings import AgentSettings
from fairlead.common.ids import FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import ChangeReservation
from fairlead.common.resources import Resources, total
from fairlead.common.values import (
    Gang,
    LaunchGroup,
    Operation,
    Reservation,
    Reserve,
    Resize,
    Resume,
    Suspend,
    TaskState,
    Unreserve,
)

STEPS = 60
ML, OPS = Role("ml"), Role("ops")


class Chance:
    """One story. The seed tells which."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        fixed = (Reserve(OPS, Resources.of(cpus=0.5)),) if self.draw.random() < 0.3 else ()
        settings = AgentSettings(boot_id="boot-1", sandboxes="/srv/sandboxes", reserved=fixed)
        self.h = AgentHarness(cpus=3, gpus={"gpu-1": 1}, settings=settings)
        self.names: list[str] = []
        self.groups: dict[str, list[str]] = {}
        self.whole = 0
        """Groups that ran when peace was made."""
        self.h.acknowledges = self.draw.random() < 0.7
        self.moves: list[Callable[[], object]] = [
            self.launches,
            self.launches,
            self.gathers,
            self.gathers,
            self.swaps,
            self.swaps,
            self.kills,
            self.reserves,
            self.shuts_down,
            self.goes_away,
            self.hangs_up,
            self.waits,
            self.answers,
            self.exits,
            self.disk_is_looked_at,
            self.h.crash,
            self.master_comes_or_goes,
        ]

    def play(self) -> None:
        h, draw = self.h, self.draw
        for _ in range(STEPS):
            h.crash_at = h.performed + draw.randrange(12) if draw.random() < 0.25 else -1
            h.confirms, h.starts_answer, h.dies = (draw.random() < 0.8 for _ in range(3))
            h.steps_answer = draw.random() < 0.8
            h.starts_fail, h.suspends_fail, h.resumes_fail, h.updates_fail = (
                "no" if draw.random() < 0.1 else "" for _ in range(4)
            )
            draw.choice(self.moves)()

    def make_peace(self) -> None:
        h = self.h
        h.crash_at = -1
        h.starts_fail = h.suspends_fail = h.resumes_fail = h.updates_fail = ""
        h.master_is_up = h.confirms = h.starts_answer = h.steps_answer = True
        h.dies = h.acknowledges = True
        h.answers().registered().passes(70).registered()
        self.check_groups()
        for name in self.names:
            if LaunchUuid(f"u-{name}") in h.processes:
                h.exits(name, 0)
        h.passes(40)

    def is_heard(self) -> bool:
        return self.h.session is not None and self.h.master_is_up

    def launches(self) -> None:
        if self.is_heard():
            new = [f"t{len(self.names) + number}" for number in range(self.draw.randint(1, 3))]
            self.names += new
            names = [self.draw.choice(self.names)] if self.draw.random() < 0.2 else new
            cpus = self.draw.choice([0, 0.5, 1, 2])
            if self.draw.random() < 0.3:
                one = launch(names[0], resources=Resources.of(cpus=cpus, gpus={"gpu-1": 1}))
                limit_s = self.draw.choice([0, 0, 2, 20])
                self.h.run([replace(one, task=replace(one.task, max_completion_s=limit_s))])
            else:
                self.h.launch(*names, cpus=cpus, framework=self.draw.choice(["f1", "f1", "f2"]))

    def gathers(self) -> None:
        """A group, which may not fit."""
        if self.is_heard():
            new = [f"t{len(self.names) + number}" for number in range(self.draw.randint(2, 3))]
            self.names += new
            gang, cpus = Gang(f"g-{new[0]}", len(new)), self.draw.choice([0, 0.5, 1])
            self.groups[gang.gang_id] = new
            orders = (launch(name, cpus=cpus) for name in new)
            members = (replace(order, task=replace(order.task, gang=gang)) for order in orders)
            self.h.run([LaunchGroup(tuple(members))])

    def check_groups(self) -> None:
        """Whoever runs, the others of its group do or have finished."""
        values = {
            name: self.h.agent.look_up(FrameworkId("f1"), TaskId(name), LaunchUuid(""))
            for names in self.groups.values()
            for name in names
        }
        for gang_id, names in self.groups.items():
            states = [value.latest.state for name in names if (value := values[name]) is not None]
            if TaskState.RUNNING in states:
                well = (TaskState.RUNNING, TaskState.SUSPENDED, TaskState.FINISHED)
                assert len(states) == len(names), f"{gang_id}: {states}"
                assert all(state in well for state in states), f"{gang_id}: {states}"
                self.whole += 1

    def swaps(self) -> None:
        """Any operations in any order, on tasks that are there or not."""
        if self.is_heard() and self.names:
            operations = [self.operation() for _ in range(self.draw.randint(1, 4))]
            offered = self.draw.choice([None, Resources.of(cpus=1, gpus={"gpu-1": 1})])
            self.h.run(operations, offered=offered)

    def operation(self) -> Operation:
        draw, name = self.draw, TaskId(self.draw.choice(self.names))
        if draw.random() < 0.2:
            self.names.append(f"t{len(self.names)}")
            return launch(self.names[-1], cpus=draw.choice([0, 1]))
        if draw.random() < 0.2:
            role, resources = draw.choice([ML, OPS]), Resources.of(cpus=draw.choice([0.5, 1]))
            binds = draw.random() < 0.5
            return Reserve(role, resources) if binds else Unreserve(role, resources)
        if draw.random() < 0.2:
            return Resize(name, Resources.of(cpus=draw.choice([0.5, 2])))
        if draw.random() < 0.5:
            return Resume(name, draw.choice([0, 2]))
        return Suspend(name, draw.random() < 0.5, draw.choice([0, 2]))

    def kills(self) -> None:
        if self.is_heard() and self.names:
            name, grace_s = self.draw.choice(self.names), self.draw.choice([0, 0.5, 3])
            self.h.kill(name, grace_s=grace_s, signal=self.draw.choice([0, 1, 2]))

    def reserves(self) -> None:
        if self.is_heard():
            resources = Resources.of(cpus=self.draw.choice([0, 0.5, 1, 9]))
            self.h.says(ChangeReservation("r-1", self.draw.choice([ML, OPS]), resources))

    def shuts_down(self) -> None:
        if self.is_heard() and self.draw.random() < 0.3:
            self.h.shut_down(self.draw.choice(["f1", "f2"]))

    def goes_away(self) -> None:
        if self.is_heard():
            back = self.draw.random() < 0.5
            self.h.away(self.draw.choice([0, 3]), self.draw.choice([5, 30]), back=back)

    def disk_is_looked_at(self) -> None:
        h = self.h
        h.tell(DiskMeasured(self.draw.randint(0, 30), 100))
        while h.removals and self.draw.random() < 0.8:
            h.tell(SandboxRemoved(h.removals.pop(0), self.draw.randint(0, 9)))

    def hangs_up(self) -> None:
        if self.h.session is not None:
            self.h.hangs_up()

    def waits(self) -> None:
        self.h.passes(self.draw.choice([0.1, 1, 6]))

    def answers(self) -> None:
        self.h.answers()

    def exits(self) -> None:
        running = self.h.running()
        if running:
            code, signal = self.draw.choice([(0, None), (3, None), (None, 9), (None, None)])
            self.h.exits(self.draw.choice(running).removeprefix("u-"), code, signal)

    def master_comes_or_goes(self) -> None:
        self.h.master_is_up = self.draw.random() < 0.6
        self.h.tick()


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_whatever_happens_each_launch_ends_once(first: int) -> None:
    starts = whole = 0
    for seed in range(first, first + 50):
        story = Chance(seed)
        story.play()
        story.make_peace()
        judge(story.h, seed)
        starts += len(story.h.starts)
        whole += story.whole
    assert starts > 100, "hardly anything ran"
    assert whole > 5, "hardly any group was left whole"


def judge_reservations(h: AgentHarness, seed: int) -> None:
    """No more than there is, and the same after another restart; of nothing there is no record."""
    before = reserved(h)
    assert h.info.resources.contains(total(each.whole for each in before)), f"seed {seed}: {before}"
    records = [value for value in h.records.values() if isinstance(value, Reservation)]
    assert all(value.resources for value in records), f"seed {seed}: {records}"
    h.crash().registered()
    assert reserved(h) == before, f"seed {seed}"


def reserved(h: AgentHarness) -> list[Reservation]:
    h.hangs_up().registered()
    return sorted(h.registrations()[-1].reservations, key=lambda each: each.role)


def judge(h: AgentHarness, seed: int) -> None:
    assert h.running() == [], f"seed {seed}"
    assert len(h.starts) == len(set(h.starts)), f"seed {seed}: started twice"
    left = {key.split("/")[0] for key in h.records}
    ledger = h.agent._context.ledger
    assert ledger._free == ledger.capacity, f"seed {seed}: {ledger._held}"
    assert h.frozen() == [], f"seed {seed}"
    kept = {"identity", "epoch", "place", "framework", "ended", "away", "reserved"}
    assert left <= kept, f"seed {seed}: {left}"
    judge_reservations(h, seed)
    ends: dict[str, object] = {}
    for update in h.all_updates():
        for status in (update.status, update.latest):
            if status.state.is_terminal:
                key = f"{status.framework_id}/{status.task_id}/{status.launch_uuid}"
                end = (status.state, status.exit_code, status.signal)
                assert ends.setdefault(key, end) == end, f"seed {seed}: {key} ended twice"
