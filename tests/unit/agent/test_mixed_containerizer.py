"""Process tasks and Docker tasks side by side, each with a fake of its own."""

import asyncio
import signal
from pathlib import Path

import pytest

from fairlead.agent.containerizer import ContainerExit, LaunchSpec, Recovered
from fairlead.agent.fake_containerizer import FakeContainerizer, FakeMachine
from fairlead.agent.mixed_containerizer import MixedContainerizer
from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Container

PLAIN, BOXED = LaunchUuid("plain"), LaunchUuid("boxed")


def spec(uuid: LaunchUuid, container: Container | None = None) -> LaunchSpec:
    return LaunchSpec(uuid, ("sleep", "60"), {}, Path("/box"), container=container)


def test_each_order_goes_where_its_task_is() -> None:
    machines = FakeMachine(), FakeMachine()
    exits: list[ContainerExit] = []

    def make() -> MixedContainerizer:
        first, second = (FakeContainerizer(each, exits.append) for each in machines)
        return MixedContainerizer(first, second, "")

    async def life() -> None:
        mixed = make()
        assert await mixed.recover() == []
        await mixed.launch(spec(PLAIN))
        await mixed.launch(spec(BOXED, Container("i")))
        assert [list(each.tasks) for each in machines] == [[PLAIN], [BOXED]]
        assert mixed.attributes == {"docker": "true"}
        await mixed.close()
        mixed = make()
        assert {each.uuid for each in await mixed.recover([BOXED])} == {PLAIN, BOXED}
        for uuid in (PLAIN, BOXED):
            assert await mixed.pids(uuid)
            await mixed.suspend(uuid)
            await mixed.destroy(uuid)
        await asyncio.sleep(0)
        assert {(each.uuid, each.signal) for each in exits} == {
            (PLAIN, signal.SIGKILL),
            (BOXED, signal.SIGKILL),
        }
        for uuid in (PLAIN, BOXED):
            await mixed.forget(uuid)
        assert [each.tasks for each in machines] == [{}, {}]

    asyncio.run(life())


def test_without_an_engine_docker_tasks_are_refused_and_lost() -> None:
    async def life() -> None:
        processes = FakeContainerizer(FakeMachine(), lambda _ended: None)
        mixed = MixedContainerizer(processes, None, "nobody is there")
        assert await mixed.recover([BOXED]) == [Recovered(BOXED, None, ContainerExit(BOXED))]
        assert mixed.attributes == {}
        with pytest.raises(ContainerError, match="runs no Docker tasks: nobody is there"):
            await mixed.launch(spec(BOXED, Container("i")))
        await mixed.launch(spec(PLAIN))

    asyncio.run(life())
