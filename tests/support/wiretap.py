"""Stands between a client and a server, passes everything on, and keeps a copy."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wiretap:
    """`address` is where to dial instead; `heard` is all that went by, in either direction."""

    def __init__(self, towards: str) -> None:
        host, _, port = towards.rpartition(":")
        self._towards = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.heard = bytearray()
        self._sockets = [self._listening]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here = self._listening.accept()[0]
                there = socket.create_connection(self._towards)
                self._sockets += [here, there]
                for pair in ((here, there), (there, here)):
                    thread = threading.Thread(target=self._pass_on, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.heard += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def tapped(address: str) -> Iterator[Wiretap]:
    tap = Wiretap(address)
    try:
        yield tap
    finally:
        tap.close()
