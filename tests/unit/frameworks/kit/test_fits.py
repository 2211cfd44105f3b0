"""Why a task never fits, in one line that says what to do."""

import pytest

from fairlead.common.ids import AgentId
from fairlead.common.operators import AgentState, AgentView
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo
from fairlead.frameworks.kit.fits import why_never_fits

GIB = 2**30


def agent(**amounts: float) -> AgentView:
    resources = Resources.of(**amounts)  # type: ignore[arg-type]
    return AgentView(AgentInfo(AgentId("a"), "host", resources), AgentState.CONNECTED)


AGENTS = [agent(cpus=8, mem=GIB, gpus=0), agent(cpus=2, mem=16 * GIB, gpus=0)]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"cpus": 64}, "asks for 64 cpus, the largest agent has 8"),
        ({"cpus": 8.5}, "asks for 8.5 cpus, the largest agent has 8"),
        ({"mem": 17 * GIB}, "asks for 17 GiB of memory, the largest agent has 16 GiB"),
        ({"gpus": 1}, "asks for 1 gpu, no agent has any"),
        ({"cpus": 8, "mem": 16 * GIB}, "asks for 8 cpus, 16 GiB mem, and no agent has all"),
    ],
)
def test_what_no_agent_has(wanted: dict[str, float], why: str) -> None:
    line = why_never_fits(Resources.of(**wanted), AGENTS)  # type: ignore[arg-type]
    assert line is not None
    assert line.startswith(why)
    assert line.endswith(": ask for less or start a larger agent")


def test_what_fits_one_agent_only_waits() -> None:
    assert why_never_fits(Resources.of(cpus=8, mem=GIB), AGENTS) is None


def test_a_fraction_of_a_device_that_no_device_has() -> None:
    view = AgentView(
        AgentInfo(AgentId("a"), "host", Resources.of(gpus={"g0": 0.5, "g1": 0.5})),
        AgentState.CONNECTED,
    )
    line = why_never_fits(Resources.of(gpus=1), [view])
    assert line is not None
    assert "no agent has all of it at once" in line


def test_without_any_agent_nothing_is_said() -> None:
    assert why_never_fits(Resources.of(cpus=64), []) is None
