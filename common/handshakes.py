"""What is wrong when TLS does not come about, in words for a person: looked at once it has failed.

gRPC says no more than that a connection was lost. Blocks for a second or two.
"""

import socket
import ssl
from contextlib import suppress

from .errors import ConfigError
from .tls import Party, Tls

_WAIT_S = 2.0
_REFUSAL_S = 1.0
"""A refusal of our own certificate comes after our side of the handshake."""
_EXPIRED = "has expired"
_RENEW = "renew it there, with fairlead certs init"
_NEXT = "is it the right address, and --tls the directory of that cluster?"


def check(tls: Tls) -> None:
    """ConfigError if nobody would accept our own certificate: a handshake with ourselves."""
    listening, dialling = tls.listening(), tls.dialling()
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        dialling.wrap_bio(back, there, server_hostname=tls.party.host),
        listening.wrap_bio(there, back, server_side=True),
    ]
    try:
        for _ in range(4):  # each end speaks twice
            for end in ends:
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
    except ssl.SSLError as error:
        raise ConfigError(
            f"{tls.certificate} {_reason(error, tls, tls.party)}",
            hint="remove it and have a new one made where the cluster's authority is:"
            f" fairlead certs init {tls.directory}",
        ) from error


def why_not(address: str, tls: Tls | None, party: Party) -> str:
    """Why TLS with the party at `address` fails; empty if TLS is not what is wrong."""
    if tls is None:
        return "it speaks TLS only: name --tls DIR" if _speaks_tls(address) else ""
    try:
        check(tls)
        _shake_hands(address, tls.dialling(), party.host)
    except ConfigError as error:
        return f"{error.message}; {error.hint}"
    except ssl.SSLCertVerificationError as error:
        why = _reason(error, tls, party)
        return f"the certificate shown there {why}: {_RENEW if why == _EXPIRED else _NEXT}"
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            return f"{tls.certificate} was not accepted there: {_NEXT}"
        return f"it does not speak TLS: {_NEXT}"
    except OSError:
        return ""
    return ""


def _speaks_tls(address: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _shake_hands(address, context, None)
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False
    return True


def _shake_hands(address: str, context: ssl.SSLContext, name: str | None) -> None:
    host, _, port = address.rpartition(":")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host.strip("[]"), int(port)), _WAIT_S) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        secured.settimeout(_REFUSAL_S)
        with suppress(TimeoutError):
            secured.recv(1)


def _reason(error: ssl.SSLError, tls: Tls, party: Party) -> str:
    said = f"{getattr(error, 'verify_message', '')} {error.reason or ''}".lower()
    if "expired" in said:
        return _EXPIRED
    if "not yet valid" in said:
        return "is not valid yet: does every clock go right?"
    if "mismatch" in said:
        return f"is not that of the {party}"
    return f"was not made by the authority of {tls.directory}"
