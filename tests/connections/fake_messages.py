"""A server that passes messages on between nodes, without a network."""

from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from daemon.errors import StorageTrouble


def trouble() -> StorageTrouble:
    return StorageTrouble("no server", reason="storage_unreachable")


@define
class FakeMessages:
    """A server's messages: `passes` decides which arrive, as a pooler lets none, and no call fails."""

    passes: Callable[[str], bool] = lambda _message: True
    absent: bool = False
    ready: bool = True
    """False: a session is there, and is never told that it listens."""
    sent: list[tuple[float, list[str]]] = field(factory=list)
    sessions: list[float] = field(factory=list)
    _listeners: list[Callable[[str], None]] = field(factory=list)
    _broken: trio.Event = field(factory=trio.Event)

    async def send(self, messages: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        if self.absent:
            raise trouble()
        self.sent.append((trio.current_time(), list(messages)))
        for receive in self._listeners:
            for message in filter(self.passes, messages):
                receive(message)

    async def hear(self, ready: Callable[[], None], receive: Callable[[str], None]) -> None:
        await trio.lowlevel.checkpoint()
        self.sessions.append(trio.current_time())
        if self.absent:
            raise trouble()
        self._listeners.append(receive)
        try:
            if self.ready:
                ready()
            await self._broken.wait()
            raise trouble()
        finally:
            self._listeners.remove(receive)

    def hang_up(self) -> None:
        """End every session."""
        self._broken.set()
        self._broken = trio.Event()

    @property
    def told(self) -> list[list[str]]:
        """The messages of each sending, without echoes."""
        each = ([message for message in messages if not message.startswith("echo")] for _, messages in self.sent)
        return [messages for messages in each if messages]
