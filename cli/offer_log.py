"""`fairlead offers log`: what becomes of offers, a line for each event."""

import json
import sys
import time
from contextlib import suppress
from typing import Any

import click

from fairlead.common.errors import NotFoundError
from fairlead.common.operators import OfferEvent, OfferEvents, OffersQuery, StateReply

from .client import connected
from .exits import Exit
from .listing import place_of
from .options import cluster_options, output_option
from .problems import CommandError
from .quantities import TEXT
from .tables import visible
from .views import quantities


@click.command("log")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "-n", "--tail", type=click.IntRange(1, 2**62), help="Begin with the last so many [all kept]."
)
@click.option("--framework", type=TEXT, default="", help="Only those of this name or id.")
@output_option
@cluster_options
@click.pass_context
def log_offers(
    ctx: click.Context, follow: bool, tail: int | None, framework: str, output: str
) -> None:
    """Offers made, accepted, declined, withdrawn and timed out: who, where, how much.

    The master keeps the last 10,000 events of its own time; another one begins anew.
    """
    with suppress(KeyboardInterrupt), connected(place_of(ctx)) as client:
        is_any = not framework or _is_known(client.state(), framework)
        if not is_any and follow:
            print(f"there is no framework {framework!r} yet", file=sys.stderr)
        for batch in client.watch_offers(OffersQuery(follow, tail or 0)):
            for event in _events(batch):
                if framework in ("", event.framework, event.framework_id):
                    is_any = True
                    print(json.dumps(_plain(event)) if output == "json" else _line(event))
            sys.stdout.flush()
    if not is_any and not follow:
        raise NotFoundError(
            f"there is no framework {framework!r}", hint="see all: fairlead frameworks list --all"
        )


def _is_known(state: StateReply, framework: str) -> bool:
    known = (view.framework for view in state.frameworks)
    return any(framework in (info.name, info.framework_id) for info in known)


def _events(batch: OfferEvents) -> tuple[OfferEvent, ...]:
    if batch.goodbye is not None:
        raise CommandError(
            f"the master ended the log: {batch.goodbye.message}",
            Exit.UNAVAILABLE,
            hint="ask again",
        )
    return batch.events


def _line(event: OfferEvent) -> str:
    seconds, fraction = divmod(event.wall_time, 1)
    at = time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(fraction * 1000):03}"
    kind = event.kind.name.lower().replace("_", " ")
    who = f"{event.framework or event.framework_id} ({event.role})"
    what = f"{event.resources} of {event.agent or event.agent_id}"
    more = f"; {event.message}" if event.message else ""
    return visible(f"{at}  {kind:9}  {event.offer_id}  {who}: {what}{more}")


def _plain(event: OfferEvent) -> dict[str, Any]:
    return {
        "number": event.number,
        "event": event.kind.name,
        "offer_id": event.offer_id,
        "framework_id": event.framework_id,
        "framework": event.framework,
        "role": event.role,
        "agent_id": event.agent_id,
        "agent": event.agent,
        **quantities(event.resources),
        "gpu_ids": [gpu_id for gpu_id, _ in event.resources.gpus],
        "message": event.message,
        "at": event.wall_time,
    }
