"""Nothing leaves this machine without TLS."""

import socket

import pytest

from fairlead.common.errors import ConfigError
from fairlead.common.loopback import advertised, check_address, check_host, check_name

ELSEWHERE = [
    "192.0.2.1:1",
    "0.0.0.0:1",
    "127.0.0.1.example.com:1",
    "[2001:db8::1]:1",
    ":1",
    "",
]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.5:1", "localhost:1", "[::1]:1"])
def test_what_stays_here_is_called(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_token_goes_nowhere_else_without_tls(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^refusing to send the token to .*TLS") as caught:
        check_address(address)
    assert "fairlead certs init" in caught.value.hint
    check_address(address, has_tls=True)


def test_loopback_has_many_names() -> None:
    assert check_host("localhost") == "127.0.0.1"
    assert check_host("127.0.0.5") == "127.0.0.5"
    assert check_host("::1") == "::1"
    assert check_host("192.0.2.1", has_tls=True) == "192.0.2.1"


def test_what_others_are_told() -> None:
    assert advertised("127.0.0.1") == "127.0.0.1"
    assert advertised("192.0.2.1") == "192.0.2.1"
    assert advertised("192.0.2.1", "node-1") == "node-1"
    assert advertised("2001:db8::1") == "[2001:db8::1]"
    assert advertised("0.0.0.0") == socket.gethostname()  # noqa: S104 - not listened on


@pytest.mark.parametrize("name", ["", "node-0", "node-0.example.com", "192.0.2.1", "2001:db8::1"])
def test_names_of_machines(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["node-0:5050", "https://node-0", "node 0", "[::1]"])
def test_no_names_of_machines(name: str) -> None:
    with pytest.raises(ConfigError, match="is not the name of a machine"):
        check_name(name)
