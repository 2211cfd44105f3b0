"""Which task, or which agent, a person means."""

from dataclasses import replace

import pytest
from tests.support.states import agent, framework, state, task

from fairlead.cli.naming import find_agent, find_task
from fairlead.common.errors import ConfigError, NotFoundError
from fairlead.common.ids import AgentId
from fairlead.common.operators import AgentState, AgentView

CLUSTER = state(
    framework("commands"),
    framework("batch"),
    task("abc-1"),
    task("abc-10"),
    task("xyz"),
    task("xyz", of="batch"),
    task("w-1", of="batch"),
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("abc-10", "F-commands/abc-10"),
        ("abc-1", "F-commands/abc-1"),  # exact, though it begins another
        ("w", "F-batch/w-1"),
        ("batch/xyz", "F-batch/xyz"),
        ("F-commands/xyz", "F-commands/xyz"),
        ("commands/x", "F-commands/xyz"),
    ],
)
def test_a_name_that_fits_one(name: str, found: str) -> None:
    view = find_task(CLUSTER, name)
    assert f"{view.framework_id}/{view.task_id}" == found


def again(name: str, agent_id: str) -> AgentView:
    """An agent of that name, begun anew."""
    view = agent(name)
    return replace(view, agent=replace(view.agent, agent_id=AgentId(agent_id)))


def test_an_agent_by_name_or_id_the_one_that_is_there() -> None:
    lost = agent("a1", AgentState.UNREACHABLE)
    cluster = state(lost, again("a1", "A-2"), agent("a3", AgentState.DISCONNECTED))
    assert find_agent(cluster, "a1").agent.agent_id == "A-2"
    assert find_agent(cluster, "A-a1") is lost
    assert find_agent(cluster, "a3").state is AgentState.DISCONNECTED
    with pytest.raises(NotFoundError, match="there is no agent 'nobody'"):
        find_agent(cluster, "nobody")
    with pytest.raises(ConfigError, match="'a1' is the name of 2 agents"):
        find_agent(state(agent("a1"), again("a1", "A-2")), "a1")


@pytest.mark.parametrize("name", ["nope", "", "batch/abc-1", "nope/xyz", "batch/"])
def test_a_name_that_fits_none(name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no task"):
        find_task(CLUSTER, name)


@pytest.mark.parametrize("name", ["abc", "xyz"])
def test_a_name_that_fits_several_lists_them(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' may be any of 2 tasks: F-.*/{name}.*, F-"):
        find_task(CLUSTER, name)
