"""`status` and the nouns: tables for people or JSON for programs, once or watched.

Each noun's shape is in `views`, its table in `tables`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import click

from fairlead.common.operators import StateReply

from .client import Place, connected, locate
from .options import cluster_options, home_of, master_of, output_option

REDRAW_S = 0.5
CLEAR = "\x1b[H\x1b[2J"
Shape = Callable[[StateReply], Any]
Printer = Callable[[Any], None]


def place_of(ctx: click.Context) -> Place:
    """The cluster that this verb is about."""
    return locate(home_of(ctx), master_of(ctx))


def watch_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--watch`: again whenever it changes."""
    return click.option("-w", "--watch", is_flag=True, help="Show it again whenever it changes.")(
        command
    )


all_option = click.option("-a", "--all", "ended", is_flag=True, help="Those that ended, too.")


def show(ctx: click.Context, output: str, watch: bool, shape: Shape, printer: Printer) -> None:
    """Print one state, or each new one until Ctrl-C."""
    place = place_of(ctx)
    if not watch:
        with connected(place) as client:
            _print(shape(client.state()), output, printer)
        return
    last = None
    with suppress(KeyboardInterrupt):  # that is how one ends watching
        for state in _changes(place):
            shaped = shape(state)
            if shaped != last:
                if output == "table" and sys.stdout.isatty():
                    sys.stdout.write(CLEAR)
                _print(shaped, output, printer, indent=None)
            last = shaped


def _print(shaped: Any, output: str, printer: Printer, indent: int | None = 2) -> None:
    if output == "json":
        print(json.dumps(shaped, indent=indent))
    else:
        printer(shaped)
    sys.stdout.flush()


def _changes(place: Place) -> Iterator[StateReply]:
    """The state, and again whenever it has changed."""
    from .changes import merged

    state: StateReply | None = None
    shown_at = 0.0
    with connected(place) as client:
        for change in client.watch():
            state = merged(state, change)
            # Changes come in bursts, eyes do not: what waits is shown with what follows it.
            pause_s = shown_at + REDRAW_S - time.monotonic()
            if pause_s > 0:
                time.sleep(pause_s)
            shown_at = time.monotonic()
            yield state


def table_of(name: str, empty: str) -> Printer:
    """Prints rows as that table, or that there are none."""

    def printer(rows: Any) -> None:
        from . import tables

        tables.print_table(getattr(tables, name), rows, empty, sys.stdout)

    return printer


# --- status


@click.command()
@output_option
@watch_option
@cluster_options
@click.pass_context
def status(ctx: click.Context, output: str, watch: bool) -> None:
    """The cluster on one screen: agents, frameworks, and tasks by state."""
    from . import views

    address = place_of(ctx).address
    show(ctx, output, watch, lambda state: views.cluster(state, address), _print_status)


def _print_status(cluster: Any) -> None:
    print(
        f"master {cluster['address']}, epoch {cluster['epoch']},"
        f" state version {cluster['version']}, cluster {cluster['cluster_id']}\n"
    )
    table_of("AGENTS", "no agents")(cluster["agents"])
    print()
    table_of("FRAMEWORKS", "no frameworks")(cluster["frameworks"])
    counts = ", ".join(f"{count} {state}" for state, count in cluster["tasks"].items())
    print(f"\ntasks: {counts or 'none'}")
    for warning in dict.fromkeys(text for each in cluster["agents"] for text in each["warnings"]):
        print(f"note: {warning}")


# --- nouns


@click.group()
def offers() -> None:
    """Resources that are held out to frameworks."""


@offers.command("list")
@output_option
@watch_option
@cluster_options
@click.pass_context
def list_offers(ctx: click.Context, output: str, watch: bool) -> None:
    """Offers that no framework has answered yet."""
    from . import views

    show(ctx, output, watch, views.offers, table_of("OFFERS", "no offers"))


@click.group()
def frameworks() -> None:
    """Who decides what to run."""


@frameworks.command("list")
@output_option
@watch_option
@all_option
@cluster_options
@click.pass_context
def list_frameworks(ctx: click.Context, output: str, watch: bool, ended: bool) -> None:
    """Frameworks that have not ended."""
    from . import views

    show(
        ctx,
        output,
        watch,
        lambda state: views.frameworks(state, ended=ended),
        table_of("FRAMEWORKS", "no frameworks"),
    )


@click.group()
def tasks() -> None:
    """What runs, and what ran."""


@tasks.command("list")
@output_option
@watch_option
@all_option
@cluster_options
@click.pass_context
def list_tasks(ctx: click.Context, output: str, watch: bool, ended: bool) -> None:
    """Tasks that have not ended."""
    from . import views

    empty = "no tasks" if ended else "no tasks run; see those that ended with --all"
    show(
        ctx, output, watch, lambda state: views.tasks(state, ended=ended), table_of("TASKS", empty)
    )


def _add_verbs() -> None:
    """Verbs of nouns that stand in modules of their own."""
    from .daemons import host_frameworks, run_framework
    from .offer_log import log_offers
    from .tasks import kill, logs, show_task

    for verb in (run_framework, host_frameworks):
        frameworks.add_command(verb)
    offers.add_command(log_offers)
    for verb in (show_task, logs, kill):
        tasks.add_command(verb)


_add_verbs()
