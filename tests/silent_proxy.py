"""A proxy in front of a server's socket that can fall silent: its peers' kernels still take what is sent."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import define, field


@define(kw_only=True)
class SilentProxy:
    """Passes bytes on between `folder`/.s.PGSQL.5432 and the server's socket while `passing` is set.

    `passed` counts the bytes to the server; `silent` is set when it has fallen silent by itself.
    """

    folder: Path
    server: Path
    passing: threading.Event = field(factory=threading.Event)
    silent: threading.Event = field(factory=threading.Event)
    passed: int = 0
    _left: int | None = None
    _open: list[socket.socket] = field(factory=list)
    _threads: list[threading.Thread] = field(factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Accept connections until the block ends."""
        self.passing.set()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / ".s.PGSQL.5432"))
            listener.listen()
            self._start(self._accept, listener)
            try:
                yield
            finally:
                self.passing.set()
                for end in [listener, *self._open]:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                for thread in self._threads:
                    thread.join(10)
                for end in self._open:
                    end.close()

    def fall_silent_after(self, count: int) -> None:
        """Fall silent when `count` more bytes have gone to the server."""
        self.silent.clear()
        self._left = count

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.server / ".s.PGSQL.5432"))
            self._open += [client, server]
            self._start(self._pass, client, server, self._count)
            self._start(self._pass, server, client, len)

    def _count(self, data: bytes) -> int:
        """Return how many bytes of `data` may go to the server now."""
        count = len(data) if self._left is None else min(len(data), self._left)
        self.passed += count
        if self._left is not None:
            self._left -= count
            if not self._left:
                self._left = None
                self.passing.clear()
                self.silent.set()
        return count

    def _pass(self, source: socket.socket, target: socket.socket, count: Callable[[bytes], int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while data:
                    self.passing.wait()
                    now = count(data)
                    target.sendall(data[:now])
                    data = data[now:]
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
