"""Many clients at once, over real sockets and without a thread for each: what an attacker has.

Blocking calls, meant for a thread of their own: the server under test may live in trio's.
"""

import contextlib
import socket
from collections.abc import Iterator
from select import poll
from types import TracebackType
from typing import Self

from attrs import define, field

HEAD = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


@define
class Crowd:
    """Sockets to one port of loopback; all are closed with it."""

    port: int
    sockets: list[socket.socket] = field(factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in self.sockets:
            one.close()

    def come(self, count: int, first: bytes = b"") -> None:
        """Connect `count` more clients, each of which sends `first`, as much of it as goes at once."""
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", self.port), timeout=60)
            self.sockets.append(one)
            one.setblocking(False)
            self._send(one, first)

    def drip(self, data: bytes) -> None:
        """Have every client send a little more."""
        for one in self.sockets:
            self._send(one, data)

    def open(self) -> list[bool]:
        """Tell of every client whether the server still talks with it. What it was sent is read and dropped."""
        return [self._is_open(one) for one in self.sockets]

    def _send(self, one: socket.socket, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            one.send(data)

    def _is_open(self, one: socket.socket) -> bool:
        with contextlib.suppress(BlockingIOError):
            try:
                while one.recv(65536):
                    pass
            except ConnectionError:
                pass
            return False
        return True

    def answers(self, seconds: float) -> Iterator[bytes]:
        """Yield what each client was sent until the server ended it, or until it sent nothing for so long."""
        for one in self.sockets:
            yield _all_of(one, seconds)


def _all_of(one: socket.socket, seconds: float) -> bytes:
    watch, received = poll(), b""
    watch.register(one)
    with contextlib.suppress(ConnectionError):
        while watch.poll(seconds * 1000):
            piece = one.recv(65536)
            if not piece:
                break
            received += piece
    return received
