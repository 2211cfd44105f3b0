"""What `up` says first."""

from dataclasses import replace
from pathlib import Path

from tests.support.states import agent, framework, state, task

from fairlead.cli.banner import banner
from fairlead.cli.plan import Wanted, make_plan
from fairlead.cli.start import missing_of
from fairlead.common.home import Home
from fairlead.common.operators import AgentState
from fairlead.common.resources import Resources
from fairlead.common.tls import Reach, Tls
from fairlead.common.values import TaskState

PLAN = make_plan(
    Home("/h"), 5050, Wanted(agents=2), Resources.of(cpus=2, mem=2, disk=2, ports=[(1, 9)])
)


def test_it_names_address_isolation_weaknesses_home_and_what_to_try() -> None:
    weak = ("nothing is enforced",)
    there = state(
        agent("a1", isolation="process", warnings=weak),
        agent("a2", isolation="process", warnings=weak),
        agent("elsewhere", isolation="docker"),
    )
    said = "\n".join(banner(there, PLAN, is_detached=True))
    assert "master at 127.0.0.1:5050, 2 agents with 8 cpus, 16 GiB mem" in said
    assert said.count("process") == 1
    assert said.count("nothing is enforced") == 1
    assert "docker" not in said
    assert "/h" in said
    assert "fairlead run -- echo hi" in said
    assert "fairlead down" in said
    assert "Ctrl-C" not in said
    assert "Ctrl-C" in "\n".join(banner(there, PLAN, is_detached=False))


def test_it_says_what_whoever_calls_it_needs() -> None:
    home = Home("/h", Reach(Tls(Path("/certificates"))))
    said = banner(state(), replace(PLAN, home=home), is_detached=True)
    assert "  tls        export FAIRLEAD_TLS=/certificates" in said
    assert not any("TLS" in line for line in banner(state(), PLAN, is_detached=True))


def test_it_says_how_many_tasks_were_adopted() -> None:
    there = state(agent("a1"), task("t"), task("u", TaskState.FINISHED))
    assert any("1 running task" in line for line in banner(there, PLAN, is_detached=True))


def test_it_waits_for_every_agent_and_framework() -> None:
    agents = agent("a1"), agent("a2", AgentState.RECOVERING)
    built_in = framework("commands"), framework("batch"), framework("training")
    assert missing_of(state(*agents, *built_in), PLAN.agents) == "not there yet: agent a2"
    away = framework("batch", is_connected=False)
    assert missing_of(state(agents[0], built_in[0], built_in[2], away), ("a1",)) == (
        "not there yet: framework batch"
    )
    assert missing_of(state(agents[0], *built_in), ("a1",)) == ""
