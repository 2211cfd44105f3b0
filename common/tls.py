"""TLS between machines: the files of `fairlead certs init`, and as whom a process shows itself.

Both ends show a certificate of the cluster's authority. A name in it stands for a party, not for
a host, so it does not matter where a process runs. No gRPC here: workers use it, too.
"""

import os
import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from .dataclass import dataclass
from .errors import ConfigError
from .loopback import LOOPBACK

if TYPE_CHECKING:  # a short command without TLS does not import it
    from ssl import SSLContext

VARIABLE = "FAIRLEAD_TLS"
AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca-key.pem"
TOKEN = "token"  # noqa: S105 - the name of a file


class Party(StrEnum):
    """Who somebody is in a cluster, as its certificate says."""

    MASTER = "master"
    AGENT = "agent"
    FRAMEWORK = "framework"
    CLIENT = "client"

    @property
    def host(self) -> str:
        """The name in its certificate, checked in place of a host's."""
        return f"{self}.fairlead"


@dataclass(frozen=True, slots=True)
class Pem:
    """What one party shows, and whom it believes."""

    authority: bytes
    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificates of one party. Another party's keys need not lie in the directory."""

    directory: Path
    party: Party = Party.CLIENT

    @classmethod
    def find(
        cls, party: Party = Party.CLIENT, environment: Mapping[str, str] = os.environ
    ) -> "Tls | None":
        """Those that the environment names; None: no TLS."""
        named = environment.get(VARIABLE)
        return cls(Path(named).expanduser().absolute(), party) if named else None

    @property
    def authority(self) -> Path:
        return self.directory / AUTHORITY

    @property
    def certificate(self) -> Path:
        return self.directory / f"{self.party}.pem"

    @property
    def key(self) -> Path:
        return self.directory / f"{self.party}-key.pem"

    @property
    def token(self) -> Path:
        """The cluster's secret, for machines whose home is not that of the master."""
        return self.directory / TOKEN

    def read(self) -> Pem:
        """ConfigError if one is missing, or others could read the key."""
        return Pem(*(self.part(path) for path in (self.authority, self.certificate, self.key)))

    def authority_text(self) -> str:
        """For workers, which prove themselves by a key of their own."""
        return self.part(self.authority).decode("ascii", errors="replace")

    def listening(self, *, asks_for_certificate: bool = True) -> "SSLContext":
        """For connections from others, who show a certificate too if they are asked for one."""
        import ssl  # noqa: PLC0415 - as above

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
        return self._load(context)

    def dialling(self) -> "SSLContext":
        """For connections to others."""
        import ssl  # noqa: PLC0415 - as above

        return self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def _load(self, context: "SSLContext") -> "SSLContext":
        pem = self.read()
        _harden(context)
        try:
            context.load_verify_locations(cadata=pem.authority.decode("ascii", errors="replace"))
        except (OSError, ValueError) as error:
            raise self.unusable(self.authority) from error
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # of which ssl.SSLError is one
            raise self.unusable(self.certificate) from error
        return context

    def unusable(self, path: Path) -> ConfigError:
        return ConfigError(
            f"{path} holds no usable certificate, or none that fits {self.key.name}",
            hint=f"remove it and have a new one made: fairlead certs init {self.directory}",
        )

    def part(self, path: Path) -> bytes:
        """One of its files; ConfigError says what is wrong with it."""
        try:
            with path.open("rb") as file:
                if path == self.key:
                    check_private(path, os.fstat(file.fileno()))
                return file.read()
        except FileNotFoundError:
            raise ConfigError(
                f"there is no {path.name} in {self.directory}",
                hint=f"make it where the cluster's authority is: fairlead certs init DIR;"
                f" {self.party} needs {AUTHORITY}, {self.certificate.name}, {self.key.name}"
                f" and {TOKEN}",
            ) from None
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Reach:
    """How a process and others reach one another: on loopback, or anywhere over TLS."""

    tls: Tls | None = None
    host: str = LOOPBACK
    """Where it listens."""
    advertise: str = ""
    """The name by which others find it; empty: the same, or this machine's name."""


def dialling_to(authority: str) -> "SSLContext":
    """For who has no certificate to show: the authority's own, as text."""
    import ssl  # noqa: PLC0415 - as above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    context.load_verify_locations(cadata=authority)
    return context


def _harden(context: "SSLContext") -> None:
    import ssl  # noqa: PLC0415 - as above

    context.minimum_version = ssl.TLSVersion.TLSv1_3


def check_private(path: Path, found: os.stat_result) -> None:
    """ConfigError if others than its owner could read it."""
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"{path} is open to other users (mode {mode:04o})", hint=f"close it: chmod 600 {path}"
        )
