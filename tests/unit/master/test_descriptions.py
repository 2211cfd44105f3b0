"""`master/descriptions.py`: what is said of oneself is judged before it travels on."""

from dataclasses import replace

import pytest
from tests.support.master_harness import MasterHarness, task

from fairlead.common.ids import AgentId, GpuId
from fairlead.common.messages import Code, TaskUpdated
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, FrameworkInfo, TaskState
from fairlead.master.descriptions import MAX_BYTES, bad_framework, bad_update

LONG = "x" * (MAX_BYTES + 1)


def test_a_framework_says_only_so_much_of_itself() -> None:
    info = FrameworkInfo(framework_id=MasterHarness().framework().id, name="good")
    assert bad_framework(info) is None
    assert bad_framework(replace(info, labels={"a": LONG})) == (
        "labels",
        f"has {MAX_BYTES + 2} bytes of text; {MAX_BYTES} are allowed",
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"attributes": {"a": LONG}}, "agent.attributes"),
        ({"warnings": (LONG,)}, "agent.warnings"),
        ({"resources": Resources(1, gpus=((GpuId("g"), 1001),))}, "agent.resources.gpus"),
    ],
)
def test_an_agent_that_cannot_be_is_not_registered(changes: dict[str, object], field: str) -> None:
    h = MasterHarness()
    agent = h.agent(connects=False)
    agent.info = replace(agent.info, **changes)  # type: ignore[arg-type]
    agent.connects()
    assert agent.session is None
    assert not h.master.books.agents
    assert isinstance(agent.info, AgentInfo)
    (goodbye,) = agent.goodbyes
    assert goodbye.code is Code.INVALID
    assert goodbye.message.startswith(f"register.{field}: ")


def test_an_agent_speaks_for_its_own_tasks_only() -> None:
    h = MasterHarness()
    agent = h.agent()
    framework = h.framework()
    framework.launch(task("t1"))
    agent.runs("t1")
    forger = h.agent()
    status = replace(h.believes(framework, "t1").latest, state=TaskState.FINISHED, sequence=9)
    forger.says(TaskUpdated(status, status))
    assert forger.session is None
    assert forger.goodbyes[0].message.startswith("task_updated.status.agent_id: is 'a-1-1'")
    assert framework.state("t1") is TaskState.RUNNING


def test_an_update_is_about_one_launch_and_what_an_agent_can_see() -> None:
    h = MasterHarness()
    agent = h.agent()
    framework = h.framework()
    framework.launch(task("t1"))
    agent.runs("t1")
    good = h.believes(framework, "t1").latest
    assert bad_update(agent.info, TaskUpdated(good, good)) is None
    other = replace(good, agent_id=AgentId("elsewhere"))
    assert bad_update(agent.info, TaskUpdated(good, other)) == (
        "latest.agent_id",
        "is not that of the status, 'a-1-1'",
    )
    unseen = replace(good, state=TaskState.UNREACHABLE)
    assert bad_update(agent.info, TaskUpdated(unseen, unseen)) == (
        "status.state",
        "UNREACHABLE is nothing that an agent can see",
    )


def test_what_an_agent_uses_beyond_what_was_known_is_not_offered_any_longer() -> None:
    h = MasterHarness()
    agent = h.agent(cpus=4)
    framework = h.framework()
    framework.launch(task("t1"))
    agent.runs("t1")
    h.advance(6)
    assert framework.offers
    known = h.believes(framework, "t1").latest
    agent.says(TaskUpdated(known, known, Resources.of(cpus=4)))
    assert not framework.offers
