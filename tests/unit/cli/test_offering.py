"""The flags of what an agent offers become what it is told instead of finding out."""

import click
import pytest
from click.testing import CliRunner

from fairlead.agent.discovery import Overrides
from fairlead.cli.offering import offering_of, offering_options


@click.command()
@offering_options
@click.pass_context
def show(ctx: click.Context) -> None:
    click.echo(repr(offering_of(ctx)))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", Overrides()),
        ("--cpus 0.5 --mem 1KiB --disk 2KB", Overrides(cpus=500, mem=1024, disk=2000)),
        ("--gpus fake:2", Overrides(gpus="fake:2")),
        ("--ports 31000-31001,32000", Overrides(ports=((31000, 31001), (32000, 32000)))),
        ("--ports=", Overrides(ports=())),
        (
            "--attribute disk=ssd --attribute os=linux --zone east --rack r7",
            Overrides(attributes={"disk": "ssd", "os": "linux"}, zone="east", rack="r7"),
        ),
    ],
)
def test_what_is_said_is_told_and_nothing_else(line: str, told: Overrides) -> None:
    result = CliRunner().invoke(show, line.split(), catch_exceptions=False)
    assert result.output.strip() == repr(told)


def test_a_bad_attribute_is_a_bad_call() -> None:
    result = CliRunner().invoke(show, ["--attribute", "disk"])
    assert result.exit_code == 2
    assert "'disk' has no value; write disk=VALUE" in result.output
