"""`fairlead agents`: the machines, and how an operator takes one away."""

import click

from fairlead.common.errors import ConfigError
from fairlead.common.operators import AgentState, AgentView, DrainAgent, MarkAgentGone
from fairlead.common.resources import counted

from .client import connected
from .listing import all_option, place_of, show, table_of, watch_option
from .naming import find_agent
from .options import cluster_options, output_option
from .quantities import TEXT, Number


@click.group()
def agents() -> None:
    """The machines: what they have, what is used."""


@agents.command("list")
@output_option
@watch_option
@all_option
@cluster_options
@click.pass_context
def list_agents(ctx: click.Context, output: str, watch: bool, ended: bool) -> None:
    """All agents that the master knows; those marked gone only with --all."""
    from . import views

    show(
        ctx,
        output,
        watch,
        lambda state: views.agents(state, gone=ended),
        table_of("AGENTS", "no agents"),
    )


@agents.command()
@click.argument("agent", type=TEXT)
@click.option(
    "--grace",
    "grace_s",
    type=Number(0, 86400),
    help="Seconds that each task has to end [its own].",
)
@click.option("--undo", is_flag=True, help="Offer it again; what was ended stays so.")
@cluster_options
@click.pass_context
def drain(ctx: click.Context, agent: str, grace_s: float | None, undo: bool) -> None:
    """Offer nothing more of an agent and end its tasks, so that it can be taken away.

    It is DRAINING until all have ended and their frameworks know, then DRAINED. That holds until
    it is undone, whatever is started again meanwhile.
    """
    if undo and grace_s is not None:
        raise click.UsageError("--undo takes no --grace", ctx)
    with connected(place_of(ctx)) as client:
        view = find_agent(client.state(), agent)
        client.operate(DrainAgent(view.agent.agent_id, grace_s, undo))
    if undo:
        print(f"{view.agent.name} is offered again")
    else:
        tasks = f", and {counted(view.tasks, 'task')} there to be ended" if view.tasks else ""
        print(f"nothing more of {view.agent.name} is offered{tasks}")


@agents.command()
@click.argument("agent", type=TEXT)
@click.option("--force", is_flag=True, help="Even if it is connected: its tasks are ended.")
@cluster_options
@click.pass_context
def gone(ctx: click.Context, agent: str, force: bool) -> None:
    """Say that an agent never comes back. For ever: it is refused if it does.

    Its tasks are GONE_BY_OPERATOR at once, so that their frameworks run them elsewhere. The machine
    may be used again by an agent of another name.
    """
    with connected(place_of(ctx)) as client:
        view = find_agent(client.state(), agent)
        if view.state is AgentState.CONNECTED and not (force or _is_drained(view)):
            raise ConfigError(
                f"{view.agent.name} is connected, and runs {counted(view.tasks, 'task')}",
                hint=f"first empty it: fairlead agents drain {agent}; or add --force",
            )
        client.operate(MarkAgentGone(view.agent.agent_id))
    print(f"{view.agent.name} is gone for ever, and {counted(view.tasks, 'task')} with it")


def _is_drained(view: AgentView) -> bool:
    return view.is_draining and not view.tasks
