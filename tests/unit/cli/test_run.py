"""What `fairlead run` says before it waits."""

import pytest

from fairlead.cli.run import tell_of_those_away
from fairlead.common.ids import AgentId
from fairlead.common.operators import AgentState, AgentView
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo


def agent(name: str, state: AgentState, gpus: int) -> AgentView:
    info = AgentInfo(AgentId(name), "host", Resources.of(cpus=4, gpus=gpus), name=name)
    return AgentView(info, state)


WANTED = Resources.of(cpus=1, gpus=1)
SMALL = agent("a1", AgentState.CONNECTED, 0)
AWAY = agent("a2", AgentState.UNREACHABLE, 2)


def test_that_only_an_agent_that_is_away_is_large_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell_of_those_away(WANTED, [SMALL, AWAY, agent("a3", AgentState.RECOVERING, 1)])
    assert capsys.readouterr().err == (
        "fairlead: who has 1 cpu, 1 gpu at all is away: a2 is UNREACHABLE, a3 is RECOVERING\n"
    )


def test_nothing_while_another_may_do_it_or_none_ever_could(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell_of_those_away(WANTED, [SMALL, AWAY, agent("a3", AgentState.CONNECTED, 1)])
    tell_of_those_away(WANTED, [SMALL])
    tell_of_those_away(WANTED, [])
    assert capsys.readouterr().err == ""
