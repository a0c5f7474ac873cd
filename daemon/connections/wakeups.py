"""Wake-ups between nodes: what one node has committed, the node that works on it sees at once.

A message carries no data, so a lost one delays and never loses anything:

    work ID KIND    rows of a connection's outbox may be due
    run ID KIND     a full sync of it was started or cancelled
    gap ID KIND     a gap in its webhooks was noted
    word ID         a last word about it was stored
    heard ID        a delivery of it was answered 2xx
    arrived ID KIND ENTITY  that delivery told of this entity
    connections     a connection came or went, or has other credentials
    leases          a lease is free
    echo NODE N     a node asks itself whether it hears anything

Messages are sent after the commit, at most every `COALESCE` seconds. Whether they arrive, only an echo shows: behind a
pooler that hands sessions to other clients a listener hears nothing, and no call fails. While echoes stay away the
database is asked once a second, by `look`, and the listener connects again. Each change of the way is followed by one
look, for messages that came between.
"""

import math
import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Protocol

import structlog
import trio
from attrs import define, field

from daemon.engine.signal import Signal
from daemon.errors import StorageTrouble

COALESCE = 0.05
ECHO_EVERY = 20.0
ECHO_SECONDS = 2.0
"""Time until an echo counts as lost."""

LISTEN_SECONDS = 10.0
"""Time until a session that does not listen yet is given up."""

POLL_EVERY = 1.0
LONGEST_REST = 20.0
"""Seconds between two tries to listen at most. Behind a pooler they never succeed."""

log = structlog.get_logger()


class Way(StrEnum):
    """The way by which a node learns what other nodes have committed."""

    NOTIFY = "notify"
    POLL = "poll"


class Messages(Protocol):
    """Sends and hears messages; see `daemon.storage.notify`."""

    async def send(self, messages: Sequence[str]) -> None:
        """Send messages to all nodes. Raises StorageTrouble."""

    async def hear(self, ready: Callable[[], None], receive: Callable[[str], None]) -> None:
        """Call `ready` once messages arrive, and `receive` with each of them. Raises StorageTrouble at the end."""


class Wakeups(Protocol):
    """Tells other nodes what was committed here."""

    @property
    def way(self) -> Way | None:
        """The way that is in use; None where there is no other node."""

    def tell(self, *words: object) -> None:
        """Send a message soon; the words are those of this module's table."""


class NoWakeups:
    """The wake-ups of a daemon that has its database for itself."""

    way: Way | None = None

    def tell(self, *words: object) -> None:
        """Tell no other node, since there is none."""


@define(kw_only=True, eq=False)
class NodeWakeups:
    """The wake-ups of one node among several; `listen_to` says what follows from a message, and how to look."""

    messages: Messages
    node: str = field(factory=lambda: secrets.token_hex(8))
    way: Way | None = field(init=False, default=Way.POLL)
    _receive: Callable[[Sequence[str]], None] = field(init=False, default=lambda _words: None)
    _look: Callable[[], Awaitable[None]] = field(init=False, default=trio.lowlevel.checkpoint)
    _waiting: dict[str, None] = field(init=False, factory=dict)
    """Messages to be sent, each once."""
    _news: Signal = field(init=False, factory=Signal)
    _turned: Signal = field(init=False, factory=Signal)
    """Set when the way has changed."""
    _asked: int = field(init=False, default=0)
    _answered: Signal = field(init=False, factory=Signal)
    _last_answer: int = field(init=False, default=0)

    def listen_to(self, receive: Callable[[Sequence[str]], None], look: Callable[[], Awaitable[None]]) -> None:
        """Call `receive` with the words of each message, and `look` while none arrive; it may raise StorageTrouble."""
        self._receive, self._look = receive, look

    def tell(self, *words: object) -> None:
        """Send a message soon."""
        self._waiting[" ".join(map(str, words))] = None
        self._news.set()

    async def run(self) -> None:
        """Send, listen and look until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            nursery.start_soon(self._listen)
            nursery.start_soon(self._watch)

    async def _send(self) -> None:
        troubled = False
        while True:
            await self._news.wait()
            waiting, self._waiting = self._waiting, {}
            try:
                await self.messages.send(list(waiting))
                troubled = False
            except StorageTrouble as error:
                if not troubled:  # one line for an outage, not one a second
                    log.info("wake-ups not sent", reason=error.reason)
                troubled = True
                self._waiting = waiting | self._waiting
                self._news.set()
            await trio.sleep(POLL_EVERY if troubled else COALESCE)

    async def _listen(self) -> None:
        """Listen in one session after the other."""
        fruitless = 0
        while True:
            before = self._last_answer
            await self._session()
            fruitless = fruitless + 1 if self._last_answer == before else 0
            await trio.sleep(min(POLL_EVERY * 2.0**fruitless, LONGEST_REST))

    async def _session(self) -> None:
        """Listen until the session ends, or an echo stays away."""
        ready = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask, ready, nursery.cancel_scope)
            try:
                await self.messages.hear(ready.set, self._hear)
            except StorageTrouble as error:
                log.info("wake-ups cannot be heard", reason=error.reason)
            nursery.cancel_scope.cancel()
        self._turn(Way.POLL)

    async def _ask(self, ready: trio.Event, session: trio.CancelScope) -> None:
        """Ask for echoes while they come, and else end the session."""
        with trio.move_on_after(LISTEN_SECONDS):
            await ready.wait()
        while ready.is_set():
            self._asked += 1
            self.tell("echo", self.node, self._asked)
            with trio.move_on_after(ECHO_SECONDS):
                while self._last_answer < self._asked:
                    await self._answered.wait()
            if self._last_answer < self._asked:
                break
            self._turn(Way.NOTIFY)
            await trio.sleep(ECHO_EVERY)
        session.cancel()

    def _hear(self, message: str) -> None:
        words = message.split(" ", 3)
        if words[0] != "echo":
            self._receive(words)
        elif words[1] == self.node:
            self._last_answer = max(self._last_answer, int(words[2]))
            self._answered.set()

    def _turn(self, way: Way) -> None:
        if way is not self.way:
            log.info("wake-ups turned", way=way.value)
            self.way = way
            self._turned.set()

    async def _watch(self) -> None:
        """Look in the database: once a second while no echo comes, and whenever the way has changed."""
        while True:
            try:
                await self._look()
            except StorageTrouble as error:
                log.info("the database cannot be asked now", reason=error.reason)
            pause = POLL_EVERY if self.way is Way.POLL else math.inf
            await self._turned.wait_until(trio.current_time() + pause)
