"""What agents keep for roles, as a person sets it; daemons are killed and it is still there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.command import Command, words
from tests.support.daemons import Daemons, daemons_of

AGENT = ("--cpus", "4", "--mem", "1GiB", "--disk", "1GiB", "--gpus", "fake:2", "--ports", "")


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        found.master()
        found.agent("a1", *AGENT, "--reserve", "ops:cpus=0.5,gpus=1")
        yield found


def kept(command: Command) -> dict[str, tuple[float, tuple[str, ...]]]:
    """By role: cpus and devices."""
    rows = command.json("reservations", "list")
    return {row["role"]: (row["cpus"], tuple(row["gpu_ids"])) for row in rows}


def test_m25_what_is_reserved_outlives_agent_and_master_and_goes_to_its_role_alone(
    daemons: Daemons,
) -> None:
    """Commands are of the role `default`: they may have what is left."""
    command = daemons.command
    said = command.ok("reservations", "set", "a1", "research", "--cpus", "3", "--gpus", "1")
    assert said == "a1 keeps 3 cpus, 1 gpu for research\n"
    before = kept(command)
    assert before == {"ops": (0.5, ("fake-0",)), "research": (3, ("fake-1",))}
    assert words(command, "reservations", "set", "a1", "web", "--cpus", "1") == (
        76,
        "fairlead: a1 has 0.5 cpus, 1 GiB mem, 1 GiB disk that web could have, not 1 cpu",
    )
    daemons.kill("a1", "master")
    daemons.again("master", "a1")
    assert kept(command) == before
    assert command.ok("run", "--cpus", "0.5", "--", "echo", "hi") == "hi\n"
    with command.started("run", "--cpus", "1", "--", "echo", "hi") as process:
        assert process.stderr is not None
        assert "no agent has 1 cpu" in process.stderr.readline()
        command.ok("reservations", "set", "a1", "research", "--cpus", "0")
        assert process.wait(15) == 0


def test_m25_an_agent_that_has_less_than_it_is_to_reserve_does_not_start(
    fairlead_home: Path,
) -> None:
    several = ("--reserve", "ml:cpus=3", "--reserve", "x:cpus=2")
    code, line = words(Command(fairlead_home), "agent", *AGENT, *several)
    assert code == 78
    assert line.startswith("fairlead: --reserve asks for 5 cpus in all; this agent has 4 cpus")
