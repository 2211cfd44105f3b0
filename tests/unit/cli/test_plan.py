"""What `up` runs: shares that promise nothing twice, and a port that is free."""

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairlead.cli.plan import Wanted, choose_port, make_plan
from fairlead.cli.quantities import parse_bytes, parse_millis
from fairlead.common.errors import ConfigError
from fairlead.common.home import Home
from fairlead.common.resources import EMPTY, Resources

MACHINE = Resources.of(cpus=3, mem=2**30 + 1, disk=2**31, ports=[(31000, 31009)])


def flags_of(wanted: Wanted, machine: Resources = MACHINE) -> list[dict[str, str]]:
    """Per agent."""
    plan = make_plan(Home("/h"), 5050, wanted, machine)
    return [flags(daemon.argv) for daemon in plan.daemons if daemon.name in plan.agents]


def flags(argv: Sequence[str]) -> dict[str, str]:
    words = argv[argv.index("fairlead.cli") + 2 :]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_one_agent_finds_out_by_itself_what_it_has() -> None:
    assert flags_of(Wanted(), EMPTY) == [{"--home": "/h", "--name": "a1"}]


def test_every_agent_is_told_how_to_isolate() -> None:
    for agent in flags_of(Wanted(agents=2, isolation="cgroups")):
        assert agent["--isolation"] == "cgroups"


def test_several_agents_share_the_machine() -> None:
    first, second = flags_of(Wanted(agents=2))
    assert (first["--name"], second["--name"]) == ("a1", "a2")
    for agent in (first, second):
        assert parse_millis(agent["--cpus"]) == 1500
        assert parse_bytes(agent["--mem"]) == 2**29
        assert parse_bytes(agent["--disk"]) == 2**30
    assert (first["--ports"], second["--ports"]) == ("31000-31004", "31005-31009")
    assert (first["--gpus"], second["--gpus"]) == ("auto", "none")


def test_names_of_agents_that_were_marked_gone_are_not_used_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.agent("a2").path.mkdir(parents=True)
    home.agent("a2").removed.touch()
    assert make_plan(home, 5050, Wanted(agents=3), MACHINE).agents == ("a1", "a3", "a4")


def test_what_was_asked_for_is_of_each_agent() -> None:
    for agent in flags_of(Wanted(2, cpus_millis=500, mem_bytes=7, disk_bytes=9, gpus="fake:4")):
        assert agent["--cpus"] == "500m"
        assert (agent["--mem"], agent["--disk"], agent["--gpus"]) == ("7B", "9B", "fake:4")


def test_real_gpus_are_not_promised_twice() -> None:
    assert [agent["--gpus"] for agent in flags_of(Wanted(3, gpus="nvml"))] == [
        "nvml",
        "none",
        "none",
    ]


def test_the_plan_names_master_agents_and_frameworks() -> None:
    plan = make_plan(Home("/h"), 5050, Wanted(agents=0), EMPTY)
    assert [daemon.name for daemon in plan.daemons] == ["master", "frameworks"]
    assert flags(plan.daemons[0].argv)["--port"] == "5050"


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            choose_port(port)
        assert choose_port(0, before=port) != port


def test_the_port_from_before_is_kept_if_it_is_free() -> None:
    port = choose_port(0)
    assert choose_port(port) == port
    assert choose_port(0, before=port) == port
