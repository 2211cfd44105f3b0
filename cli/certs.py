"""`fairlead certs init`: what machines need to trust one another, made once and copied."""

from pathlib import Path

import click

from .options import debug_option

LEAST_DAYS, USUAL_DAYS = 1, 825


@click.group()
def certs() -> None:
    """The certificates with which machines trust one another."""


@certs.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--days",
    type=click.IntRange(LEAST_DAYS),
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
        until = f"{found.expires:%Y-%m-%d}" if found.expires else ""
        good = "  has expired: remove it, run this again" if found.has_expired else ""
        if until and not good:
            good = f"  good until {until}"
        print(f"{word}  {found.path}{good}")
    print(f"next: --tls {directory} or FAIRLEAD_TLS, on every machine. Keep ca-key.pem here.")
