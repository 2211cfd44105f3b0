"""Two schedulers, a hundred real tasks: the simulator's auditor judges what goes over gRPC."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.support.audited import Audited
from tests.support.bag import Bag
from tests.support.leading import Leading, an_agent, leading, scheduling
from tests.support.sessions import run, until

from fairlead.common.ids import Role
from fairlead.common.messages import Code
from fairlead.common.operators import OperatorBody, OperatorCall, SetQuota, SetWeight
from fairlead.common.resources import Resources
from fairlead.common.rpc import OPERATE
from fairlead.common.values import TaskInfo, TaskState
from fairlead.frameworks.kit.scheduler import Kill, SchedulerEvent, StatusReceived, task
from fairlead.master.server import MasterServer
from fairlead.sim.auditor import Terms

EACH = 50
HALF = Resources.of(cpus=0.5, mem=10**7)


class Mixed(Bag):
    """Of ten tasks seven finish, two fail, and one, which would not end, is killed once it runs."""

    def __init__(self, name: str) -> None:
        super().__init__(name, [self._one(number) for number in range(EACH)], role=name)

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        orders = list(super().step(event, now))
        match event:
            case StatusReceived(status) if status.state is TaskState.RUNNING:
                if status.task_id.endswith("9"):
                    orders.append(Kill(status.task_id, grace_s=0.5))
        return orders

    def _one(self, number: int) -> TaskInfo:
        words = {3: "exit 3", 6: "exit 3", 9: "sleep 1000"}.get(number % 10, "sleep 0.1")
        return task(f"{number}", ("sh", "-c", words), HALF)


async def ordered(here: Leading, body: OperatorBody) -> None:
    reply = await here.client.call(OPERATE, OperatorCall(body))
    assert reply.result.code is Code.OK, reply


def test_two_schedulers_and_a_hundred_tasks_keep_the_rules_of_the_simulator(
    fairlead_home: Path,
) -> None:
    heavy, light = Mixed("heavy"), Mixed("light")
    judges: list[Audited] = []

    def prepare(server: MasterServer) -> None:
        judges.append(Audited.of(server, Terms()))

    def is_over() -> bool:
        has_ended = all(len(bag.ended()) == EACH for bag in (heavy, light))
        return judges[0].is_broken or (has_ended and not judges[0].restless())

    async def story() -> None:
        async with leading(fairlead_home, prepare=prepare) as here:
            await ordered(here, SetWeight(Role("heavy"), 2.0))
            await ordered(here, SetQuota(Role("light"), limits={"cpus": 1500}))
            async with scheduling(here, heavy), scheduling(here, light), an_agent(here):
                await until(is_over, "a hundred ends, each acknowledged", 50)

    run(story)
    judges[0].finish({"heavy": heavy.statuses, "light": light.statuses})
    for bag in (heavy, light):
        ends = Counter(status.state for status in bag.ended().values())
        assert ends == {TaskState.FINISHED: 35, TaskState.FAILED: 10, TaskState.KILLED: 5}
    assert judges[0].heard > 1000
