"""Nothing leaves this machine as long as there is no TLS."""

import pytest

from fairlead.common.errors import ConfigError
from fairlead.common.loopback import check_address


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.5:1", "localhost:1", "[::1]:1"])
def test_what_stays_here_is_called(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address", ["192.0.2.1:1", "0.0.0.0:1", "127.0.0.1.example.com:1", "[2001:db8::1]:1", ":1", ""]
)
def test_the_token_goes_nowhere_else(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^refusing to send the token to .*TLS"):
        check_address(address)
