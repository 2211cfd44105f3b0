"""Somebody who should not get in: tries what JSON on stdin says, as another user if it can be one.

In: uid, files, directories, sockets, calls as [address, method], ports as [port, identity, key].
Out: for each of these what came of it: "got in", or how it was kept out.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from fairlead.frameworks.batch.handshake import Dialler, KeyRefusedError

GOT_IN = "got in"
NOBODY = 65534
PATIENCE_S = 10.0


def attempts(plan: dict[str, Any]) -> dict[str, str]:
    """What is tried, by name, and what came of it."""
    found = {}
    for path in plan["files"]:
        found[path] = _attempt(Path(path).read_bytes)
    for path in plan["directories"]:
        found[path] = _attempt(lambda: list(Path(path).iterdir()))  # noqa: B023 - called at once
    for path in plan["sockets"]:
        found[path] = _attempt(_knock, path)
    for address, method in plan["calls"]:
        found[method] = _attempt(_call, address, method)
    for number, (port, identity, key) in enumerate(plan["ports"], 1):
        found[f"{number}: shakes hands as {identity}"] = _attempt(_shake, port, identity, key)
        found[f"{number}: shouts"] = _attempt(_shout, port)
    return found


def _attempt(what: Callable[..., object], *arguments: Any) -> str:
    try:
        what(*arguments)
    except grpc.RpcError as error:
        call: Any = error  # it is both
        return str(call.code().name)
    except (OSError, KeyRefusedError) as error:
        return type(error).__name__
    return GOT_IN


def _knock(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(path)


def _call(address: str, method: str) -> None:
    """With a token of our own making."""
    with grpc.insecure_channel(address) as channel:
        metadata = (("authorization", f"Bearer {'x' * 43}"),)
        ask: Any = channel.unary_unary(method)
        ask(b"", metadata=metadata, timeout=PATIENCE_S)


def _shake(port: int, identity: str, key: str) -> None:
    """As a worker or a driver would, with this key."""
    dialler = Dialler(bytes.fromhex(key), identity)
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as there:
        while dialler.keys is None:
            data = b""
            while len(data) < dialler.needed:
                part = there.recv(dialler.needed - len(data))
                if not part:
                    raise ConnectionAbortedError("hung up on us")
                data += part
            there.sendall(dialler.feed(data))


def _shout(port: int) -> None:
    """Say anything at all, and listen until they hang up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as there:
        there.sendall(b"\x80\x04." * 1000)
        with suppress(ConnectionResetError):
            while there.recv(1000):
                pass
        raise ConnectionAbortedError("hung up on us")


def _load() -> None:
    """Now what is else loaded on first use: another user may not be able to read it."""
    "localhost".encode("idna")
    with grpc.insecure_channel("127.0.0.1:1"):
        pass


def main() -> None:
    plan = json.load(sys.stdin)
    _load()
    if plan["uid"] != os.geteuid():
        os.setgroups([])
        os.setgid(plan["uid"])
        os.setuid(plan["uid"])
    json.dump(attempts(plan), sys.stdout)


def other_uid() -> int:
    """Another user if we may become one, else ourselves."""
    return NOBODY if os.geteuid() == 0 else os.geteuid()


def stranger(
    uid: int,
    *,
    files: Sequence[Path] = (),
    directories: Sequence[Path] = (),
    sockets: Sequence[Path] = (),
    calls: Sequence[tuple[str, str]] = (),
    ports: Sequence[tuple[int, str, bytes]] = (),
) -> dict[str, str]:
    """Let somebody try all this."""
    plan = {
        "uid": uid,
        "files": [str(path) for path in files],
        "directories": [str(path) for path in directories],
        "sockets": [str(path) for path in sockets],
        "calls": list(calls),
        "ports": [(port, identity, key.hex()) for port, identity, key in ports],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.stranger"],
        cwd=Path(__file__).parents[2],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
