"""The flags of containers: what a task asks for, what agents are told, and by `up` alike."""

import click
import pytest
from click.testing import CliRunner

from fairlead.agent.docker_start import DockerOptions
from fairlead.cli.containers import (
    docker_flags,
    docker_of,
    docker_options,
    read_volumes,
    who_runs,
)
from fairlead.cli.problems import CommandError
from fairlead.cli.run import run
from fairlead.common.ids import AgentId
from fairlead.common.operators import AgentState, AgentView
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, Container, Volume


@click.command()
@docker_options
@click.option("--volume", "volumes", multiple=True, callback=read_volumes)
@click.pass_context
def show(ctx: click.Context, volumes: tuple[Volume, ...]) -> None:
    click.echo(repr((docker_of(ctx), docker_flags(ctx), volumes)))


def shown(*flags: str) -> str:
    done = CliRunner().invoke(show, flags)
    assert not done.exception, done.output
    return done.output.strip()


def test_what_up_is_told_its_agents_are_told_too() -> None:
    said = ("--docker", "unix:///x", "--volume-allowed", "/a", "--volume-allowed", "/b:ro")
    assert shown(*said) == repr((DockerOptions("unix:///x", ("/a", "/b:ro")), said, ()))
    assert shown() == repr((DockerOptions(), (), ()))


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("/data", Volume("/data", "/data")),
        ("/data:ro", Volume("/data", "/data", True)),
        ("/data:/in", Volume("/data", "/in")),
        ("/data:/in:ro", Volume("/data", "/in", True)),
        ("/data:/in:rw", Volume("/data", "/in")),
    ],
)
def test_a_volume_in_words(text: str, volume: Volume) -> None:
    assert shown("--volume", text) == repr((DockerOptions(), (), (volume,)))


@pytest.mark.parametrize("text", ["data", "/data:in", "/data:/in:no", "", ":", "/a:/b:/c"])
def test_what_is_no_volume_is_refused(text: str) -> None:
    done = CliRunner().invoke(show, ["--volume", text])
    assert done.exit_code == 2
    assert "give absolute paths" in done.output


def view(name: str, **attributes: str) -> AgentView:
    info = AgentInfo(AgentId(name), name, Resources(), attributes, name=name)
    return AgentView(info, AgentState.CONNECTED)


@pytest.mark.parametrize("image", ["", " "])
def test_an_image_without_a_name_is_not_taken_for_none(image: str) -> None:
    """As of `--image "$IMAGE"` where that is not set: it would run outside of any container."""
    done = CliRunner().invoke(run, ["--image", image, "--", "true"])
    assert done.exit_code == 2
    assert "--image names no image" in done.output


def test_a_container_waits_for_no_agent_that_runs_none() -> None:
    plain, able = view("a1"), view("a2", docker="true")
    assert who_runs(None, [plain]) == [plain]
    assert who_runs(Container("i"), [plain, able]) == [able]
    assert who_runs(Container("i"), []) == []
    with pytest.raises(CommandError, match="no agent runs containers"):
        who_runs(Container("i"), [plain, view("a3", docker="false")])
