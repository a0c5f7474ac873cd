"""Accept connections, limit their number and time, and let them finish at the end.

`serve` binds first, so a port in use is an OSError at once. After `stop`, it returns when the last request in flight is
answered; cancelling it cuts everything off.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio
from attrs import define, evolve, field

from daemon.listener.http.connection import FULL, HttpConnection
from daemon.listener.http.limits import Limits, raise_file_limit
from daemon.listener.http.messages import Fault, Request, Response
from daemon.listener.http.parser import Parser
from daemon.listener.http.stream import SocketStream

log = structlog.get_logger(__name__)

Address = tuple[str, int]

TICK = 0.25
"""Seconds between two checks of the connections, and so the most by which a time limit may be late."""

BROKEN = Fault(500, "Something broke here.")


@define(eq=False)
class Server:
    """An HTTP/1.1 server. `answer` and `refuse` are those of `Routes`."""

    _answer: Callable[[Request], Awaitable[Response]]
    _refuse: Callable[[Fault], Response]
    _limits: Limits = field(factory=Limits)
    _largest: Callable[[str], int] | None = None
    """See `Routes.largest`."""
    _overrun: Callable[[], None] = lambda: None
    """Called after connections were turned away, seldom: each of them may have been a delivery."""
    _was_full: bool = field(init=False, default=False)
    _connections: set[HttpConnection] = field(init=False, factory=set)
    _order: list[tuple[float, HttpConnection]] = field(init=False, factory=list)
    """The eviction order at the last check: sorting all connections for each new one would help a flood."""
    _held: int = field(init=False, default=0)
    _turned_away: int = field(init=False, default=0)
    _accepting: trio.CancelScope = field(init=False, factory=trio.CancelScope)
    _stopping: bool = field(init=False, default=False)

    async def serve(
        self,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until stopped; report the bound addresses. Port 0 means any free port. Raises OSError."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        self._fit_files(raise_file_limit())
        async with trio.open_nursery() as keeper:
            keeper.start_soon(self.keep_time)
            async with trio.open_nursery() as clients:
                task_status.started([listener.socket.getsockname()[:2] for listener in listeners])
                with self._accepting:
                    await trio.serve_listeners(self.handle, listeners, handler_nursery=clients)
            keeper.cancel_scope.cancel()

    def stop(self) -> None:
        """Accept no more connections, close idle ones, and announce the end in every answer from now on."""
        self._stopping = True
        self._accepting.cancel()
        for connection in self._connections:
            connection.stop()

    async def keep_time(self) -> None:
        """End phases that have lasted too long. Runs beside `handle`; `serve` starts it."""
        while True:
            await trio.sleep(TICK)
            now = trio.current_time()
            if self._was_full:
                self._was_full = False
                self._overrun()
            self._order.clear()  # outdated: some connections are idle by now
            for connection in self._connections:
                if connection.due <= now:
                    connection.expire()

    async def handle(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Serve one client, then close the stream. Raises only Cancelled."""
        connection = HttpConnection(
            SocketStream(stream) if isinstance(stream, trio.SocketStream) else stream,
            self._limits,
            self._answer,
            self._refuse,
            self._weigh,
            Parser(self._limits, self._largest),
            trio.current_time(),
        )
        try:
            if self._make_room():
                self._connections.add(connection)
                if self._stopping:
                    connection.stop()
                await connection.run()
            else:
                await self._turn_away(connection)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone
        except Exception:  # the connection's edge: logged and counted, harms no other client
            log.exception("connection failed")
            self._refuse(BROKEN)  # only to count it: part of another answer may have been sent
        finally:
            self._forget(connection)
            await trio.aclose_forcefully(stream)

    def _make_room(self) -> bool:
        """Make room for one more connection; return False if a handler runs for every one."""
        if len(self._connections) < self._limits.connections:
            return True
        for _ in range(2):
            while self._order:
                since, connection = self._order.pop()
                if connection.since == since and connection in self._connections and connection.dispensable:
                    self._evict(connection)
                    return True
            self._order = self._ordered()
        return False

    def _ordered(self) -> list[tuple[float, HttpConnection]]:
        """Return the connections that may be evicted, the first to go at the end."""
        now = trio.current_time()
        others = [connection for connection in self._connections if connection.dispensable]
        others.sort(key=lambda connection: connection.eviction_key(now), reverse=True)
        return [(connection.since, connection) for connection in others]

    def _weigh(self, connection: HttpConnection, held: int) -> bool:
        """Note the bytes that a connection holds; return False if it must be evicted because it holds the most."""
        self._held += held - connection.held
        connection.held = held
        while self._held > self._limits.held:
            others = [other for other in self._connections if other.dispensable]
            largest = max(others, key=lambda other: other.held, default=connection)
            if largest is connection or largest.held == 0:
                return largest is not connection
            self._evict(largest)
        return True

    def _evict(self, connection: HttpConnection) -> None:
        """End a connection; it no longer counts from now on."""
        connection.give_way()
        self._forget(connection)

    def _forget(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        self._held -= connection.held
        connection.held = 0

    def _fit_files(self, files: int) -> None:
        """Leave half of the open files to the database and to the API clients."""
        most = max(1, files // 2)
        if most < self._limits.connections:
            log.warning("connections limited by open files", files=files, connections=most)
            self._limits = evolve(self._limits, connections=most)

    async def _turn_away(self, connection: HttpConnection) -> None:
        """Answer 503, to at most a tenth of the limit at a time; beyond that a flood gets no answer at all."""
        self._was_full = True
        if self._turned_away * 10 >= self._limits.connections:
            return
        self._turned_away += 1
        try:
            await connection.part(FULL, linger=self._limits.linger_seconds)
        finally:
            self._turned_away -= 1
