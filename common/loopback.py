"""Which hosts are this machine itself: anything else is listened on or called over TLS only."""

from .errors import ConfigError

LOOPBACK = "127.0.0.1"
_USUAL = (LOOPBACK, "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Whether it is an address of the loopback interface, or its name."""
    if host in _USUAL:
        return True
    import ipaddress  # noqa: PLC0415 - takes longer than the rest, and is hardly ever needed

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(address: str, *, has_tls: bool = False) -> None:
    """ConfigError if the token would leave this machine in the clear, on its way there."""
    host = address.rpartition(":")[0].strip("[]")
    if not has_tls and not is_loopback(host):
        raise ConfigError(
            f"refusing to send the token to {address} without TLS",
            hint="name the cluster's certificates: --tls DIR or FAIRLEAD_TLS;"
            " they are made with: fairlead certs init DIR",
        )


def check_host(host: str, *, has_tls: bool = False) -> str:
    """The address to listen on; ConfigError if others could reach it without TLS."""
    if host == "localhost":
        return LOOPBACK
    if has_tls or is_loopback(host):
        return host
    raise ConfigError(
        f"refusing to listen on {host} without TLS",
        hint="make certificates with: fairlead certs init DIR; then name them: --tls DIR",
    )


def check_name(name: str) -> str:
    """By which others are to find this machine; ConfigError if it is no name and no address."""
    if not (set(name) & set(":/ []")) or _is_address(name):
        return name
    raise ConfigError(
        f"{name!r} is not the name of a machine",
        hint="write --advertise node-0, or an IP address; the port goes with --port",
    )


def _is_address(text: str) -> bool:
    import ipaddress  # noqa: PLC0415 - as above

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def advertised(host: str, name: str = "") -> str:
    """What others are told: the name given, or the host itself, or if that is any: this machine."""
    if name or host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        found = name or host
        return f"[{found}]" if ":" in found else found
    import socket  # noqa: PLC0415 - only daemons of several machines come here

    return socket.gethostname()
