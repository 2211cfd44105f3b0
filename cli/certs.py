"""`fairlead certs init|copy`: what machines need to trust one another, made once and handed out."""

from pathlib import Path

import click

from fairlead.common.tls import Party

from .options import debug_option

LEAST_DAYS, USUAL_DAYS, MOST_DAYS = 1, 825, 3650
PARTIES = [party.value for party in Party]
DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.group()
def certs() -> None:
    """The certificates with which machines trust one another."""


@certs.command()
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.option(
    "--days",
    type=click.IntRange(LEAST_DAYS, MOST_DAYS),
    default=USUAL_DAYS,
    show_default=True,
    help="That a party's certificate is good for.",
)
@debug_option
def init(directory: Path, days: int) -> None:
    """Make what is missing of a cluster's certificates and its token; change nothing.

    A certificate that has expired is made anew when it has been removed.
    """
    from .certificates import make

    for found in make(directory.absolute(), days):
        word = "made " if found.is_new else "there"
        good = f"  good until {found.expires:%Y-%m-%d}" if found.expires else ""
        if found.has_expired:
            good = "  has expired: remove it, run this again"
        if not found.fits:
            good = "  does not fit its key or the authority: remove it, run this again"
        print(f"{word}  {found.path}{good}")
    print(f"next: fairlead certs copy {directory} agent TARGET, for each machine; keep the rest")


@certs.command()
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("party", type=click.Choice([*PARTIES, "all"]))
@click.argument("target", metavar="TARGET", type=DIRECTORY)
@debug_option
def copy(directory: Path, party: str, target: Path) -> None:
    """Put what one party needs into TARGET: its certificate and key, the authority, the token.

    TARGET then goes to that party's machine, and is named there: --tls TARGET. For all parties
    there is a directory each in TARGET.
    """
    from .certificates import hand_out

    targets = {each: target / each for each in PARTIES} if party == "all" else {party: target}
    for each, own in targets.items():
        hand_out(directory.absolute(), Party(each), own.absolute())
        print(own)
