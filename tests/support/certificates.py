"""Directories of certificates: good ones, and each kind that is not."""

from pathlib import Path

from fairlead.cli.certificates import make
from fairlead.common.tls import Party


def certificates(directory: Path, days: int = 2) -> Path:
    """All that `fairlead certs init` makes and that is not there yet."""
    assert list(make(directory, days))
    return directory


def renewed(directory: Path, party: Party, days: int) -> None:
    """Another certificate for that party; of the past, if the days are negative."""
    (directory / f"{party}.pem").unlink()
    certificates(directory, days)


def passed_off(directory: Path, party: Party, other: Party) -> None:
    """One party's certificate under the name of another."""
    for suffix in (".pem", "-key.pem"):
        (directory / f"{party}{suffix}").replace(directory / f"{other}{suffix}")
