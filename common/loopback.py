"""Which hosts are this machine itself: without TLS, nothing is listened on or called elsewhere."""

from .errors import ConfigError

_USUAL = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Whether it is an address of the loopback interface, or its name."""
    if host in _USUAL:
        return True
    import ipaddress  # noqa: PLC0415 - takes longer than the rest, and is hardly ever needed

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(address: str) -> None:
    """ConfigError if the token would leave this machine on its way to this host:port."""
    host = address.rpartition(":")[0].strip("[]")
    if not is_loopback(host):
        raise ConfigError(
            f"refusing to send the token to {address}: TLS is not available yet",
            hint="name a master on this machine, such as 127.0.0.1:5050",
        )
