"""What an operator says of how the cluster is shared becomes the settings of a master."""

import click
import pytest
from click.testing import CliRunner

from fairlead.cli.sharing import sharing_of, sharing_options
from fairlead.common.resources import NAMES
from fairlead.master.settings import MasterSettings


@click.command()
@sharing_options
@click.pass_context
def show(ctx: click.Context) -> None:
    click.echo(repr(MasterSettings(**sharing_of(ctx))))


def shown(*flags: str) -> str:
    done = CliRunner().invoke(show, flags)
    assert not done.exception, done.output
    return done.output.strip()


def test_what_is_said_becomes_settings() -> None:
    said = MasterSettings(
        sorter="random",
        excluded_resources=("gpus", "disk"),
        gpu_agents_for_all=True,
        hold_after_s=120.0,
    )
    flags = "--exclude gpus --exclude disk --gpu-agents-for-all --hold-after 2m --sorter random"
    assert shown(*flags.split()) == repr(said)


def test_what_is_not_said_is_left_to_the_master() -> None:
    assert shown() == repr(MasterSettings())


def test_holds_may_be_turned_off() -> None:
    assert shown("--hold-after", "0s") == repr(MasterSettings(hold_after_s=0.0))


@pytest.mark.parametrize("name", NAMES[:4])
def test_each_resource_that_counts_may_be_left_out(name: str) -> None:
    assert shown("--exclude", name) == repr(MasterSettings(excluded_resources=(name,)))


def test_whose_time_it_is_is_said_before_those_others_are_spoken_of() -> None:
    said = " ".join(CliRunner().invoke(show, ["--help"]).output.split())
    assert said.index("what others hold") < said.index("those others")
