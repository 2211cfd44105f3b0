"""The flags of `up` and of the agents it starts are the same, and say the same."""

import click
from click.testing import CliRunner

from fairlead.agent.settings import AgentSettings
from fairlead.cli.keeping import keeping_flags, keeping_of, keeping_options

SAID = ("--log-limit", "1MiB", "--keep-ended", "12h", "--min-free", "2.5")


@click.command()
@keeping_options
@click.pass_context
def show(ctx: click.Context) -> None:
    click.echo(repr((AgentSettings(**keeping_of(ctx)), keeping_flags(ctx))))


def shown(*flags: str) -> str:
    done = CliRunner().invoke(show, flags)
    assert not done.exception, done.output
    return done.output


def test_what_up_is_told_its_agents_are_told_too() -> None:
    handed_on = ("--log-limit", "1048576B", "--keep-ended", "43200.000s", "--min-free", "2.5")
    settings = AgentSettings(
        log_limit_bytes=1 << 20, keep_ended_s=12 * 3600.0, min_free_percent=2.5
    )
    assert shown(*SAID) == repr((settings, handed_on)) + "\n"
    assert shown(*handed_on) == shown(*SAID)


def test_what_is_not_said_is_left_to_the_agent() -> None:
    assert shown() == repr((AgentSettings(), ())) + "\n"
