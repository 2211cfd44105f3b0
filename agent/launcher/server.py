"""Clients, signals and the one loop of the launcher; it never waits for a slow client."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import struct
import time

from .records import log
from .tasks import Launcher, RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]

MAX_REQUEST_BYTES = 8 << 20
MAX_BACKLOG_BYTES = 8 << 20
MAX_CLIENTS = 64
TERM_GRACE_S = 10.0
LOOK_AROUND_S = 30.0
WRITE_AGAIN_S = 1.0
SOON_S = 0.005


class Client:
    """One connection, and what could not be sent on it yet."""

    __slots__ = ("connection", "inbox", "outbox")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.inbox = b""
        self.outbox = bytearray()


class Loop:
    """Which descriptors to wait for, and who deals with them."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.handlers: dict[int, Callable[[int], None]] = {}

    def watch(self, descriptor: int, handler: Callable[[int], None]) -> None:
        self.handlers[descriptor] = handler
        self.poll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Before closing it: a child that has not reached exec yet may hold a copy open."""
        del self.handlers[descriptor]
        self.poll.unregister(descriptor)

    def turn(self, patience_s: float) -> None:
        for descriptor, mask in self.poll.poll(patience_s):
            handler = self.handlers.get(descriptor)
            if handler is not None:
                handler(mask)


class Server:
    """Clients, signals and the one loop."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.clients: set[Client] = set()
        self.unsent: set[Client] = set()
        self.is_soon = False
        self.launcher = Launcher(self.loop)
        self.launcher.reply = self.send
        self.launcher.tell_all = self.send_all
        self.ops = {
            name: getattr(self.launcher, f"do_{name}")
            for name in ("ping", "start", "signal", "destroy", "list", "forget", "shutdown")
        }
        self.wakeup, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.loop.watch(self.wakeup, self.on_signal)
        self.listener = listen()
        self.loop.watch(self.listener.fileno(), self.on_connection)

    def run(self) -> None:
        while not self.launcher.has_stopped():
            self.loop.turn(self.patience())
            self.launcher.write_waiting()
            self.is_soon = self.launcher.look_again()
            for client in list(self.unsent):
                self.flush(client)
            if not self.clients and self.launcher.stop_at is None and is_unreachable():
                log("the work directory is gone and nobody is connected: ending all tasks")
                self.launcher.stop(TERM_GRACE_S)
        self.farewell()

    def patience(self) -> float:
        if self.is_soon:
            return SOON_S
        if self.launcher.stop_at is None:
            return WRITE_AGAIN_S if self.launcher.unwritten else LOOK_AROUND_S
        left = self.launcher.stop_at - time.monotonic()
        return left if 0 < left < 0.05 else 0.05

    def farewell(self) -> None:
        self.launcher.endings.farewell()
        if os.path.exists("launcher.sock"):
            os.unlink("launcher.sock")
        for client, request_id in self.launcher.stop_waiting:
            self.send(client, {"id": request_id, "ok": {"ended": self.launcher.stop_count}})
        for client in list(self.unsent):
            self.flush(client)

    def on_signal(self, _mask: int) -> None:
        signals = os.read(self.wakeup, 4096)
        if signal.SIGTERM in signals:
            log("terminated: ending all tasks")
            self.launcher.stop(TERM_GRACE_S)
        self.launcher.reap()

    def on_connection(self, _mask: int) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError as problem:
            log(f"cannot accept: {problem}")
            return
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        uid = struct.unpack("3i", credentials)[1]
        if uid != os.geteuid() or len(self.clients) >= MAX_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        client = Client(connection)
        self.clients.add(client)
        self.loop.watch(connection.fileno(), lambda mask: self.on_client(client, mask))

    def on_client(self, client: Client, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self.flush(client)
        if client not in self.clients or not mask & ~select.EPOLLOUT:
            return
        try:
            received = client.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        *lines, client.inbox = (client.inbox + received).split(b"\n")
        for line in lines:
            self.on_request(client, line)
        if not received or len(client.inbox) > MAX_REQUEST_BYTES:
            self.drop(client)

    def on_request(self, client: Client, line: bytes) -> None:
        request: Any = None
        try:
            request = json.loads(line)
            request_id = request["id"]
            answer = self.ops[request["op"]](client, request)
        except RefusedError as refused:
            self.send(client, {"id": request_id, "error": refused.reply})
        except (ValueError, KeyError, TypeError, RecursionError, OSError) as problem:
            reply = {"step": "request", "errno": errno.EINVAL, "message": f"failed: {problem!r}"}
            request_id = request.get("id") if isinstance(request, dict) else None
            self.send(client, {"id": request_id, "error": reply})
        else:
            if answer is not None:
                self.send(client, {"id": request_id, "ok": answer})

    def send_all(self, message: Json) -> None:
        for client in self.clients:
            self.send(client, message)

    def send(self, client: Client, message: Json) -> None:
        if client in self.clients:
            client.outbox += json.dumps(message).encode() + b"\n"
            self.unsent.add(client)

    def flush(self, client: Client) -> None:
        """Never wait for a slow client; one that does not read at all is dropped."""
        self.unsent.discard(client)
        try:
            while client.outbox:
                del client.outbox[: client.connection.send(client.outbox)]
        except BlockingIOError:
            if len(client.outbox) > MAX_BACKLOG_BYTES:
                self.drop(client)
                return
        except OSError:
            self.drop(client)
            return
        wanted = select.EPOLLIN | (select.EPOLLOUT if client.outbox else 0)
        self.loop.poll.modify(client.connection.fileno(), wanted)

    def drop(self, client: Client) -> None:
        self.clients.discard(client)
        self.unsent.discard(client)
        self.loop.unwatch(client.connection.fileno())
        client.connection.close()


def is_unreachable() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def listen() -> socket.socket:
    """By a relative path, because a unix socket's address holds no more than 108 bytes."""
    if os.path.exists("launcher.sock"):
        os.unlink("launcher.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o177)
    listener.bind("launcher.sock")
    os.umask(0o077)
    listener.listen(MAX_CLIENTS)
    listener.setblocking(False)
    return listener
