"""A client's socket, read and written with as few steps as trio allows.

trio's own stream tries to receive before it waits, which fails for a client that waits for our answer. It also lets
every other task run after each send. Here reading waits first, and sending does not wait if the socket's buffer has
room: a third less CPU for a small request (benchmarks.listener). Only one task may use a stream, as `connection` does.
"""

import os

import trio


class SocketStream(trio.abc.HalfCloseableStream):
    """The stream of a connected socket. Raises the errors of trio's own stream, except ConflictDetected."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._socket = stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the bytes that have arrived, at least one; b"" at the end of the stream."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return os.read(self._socket.fileno(), max_bytes or 65536)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError("the client is gone") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all bytes. Not a checkpoint if they fit into the socket's buffer."""
        try:
            sent = os.write(self._socket.fileno(), data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise trio.BrokenResourceError("the client is gone") from error
        if sent < len(data):
            await self._stream.send_all(memoryview(data)[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until something can be sent."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Signal the end of the stream."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the socket."""
        await self._stream.aclose()
