"""Live values of open pages, as server-sent events.

The status is read only while a page is open, at most every `EVERY` seconds, once for all pages; a reading that takes
long makes the next one wait. A stream sends what has changed since its last event, so a slow reader misses states, and
no queue grows. With several nodes each reads the database, so the page lives on every one of them.
"""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from math import inf

import msgspec
import trio
from attrs import define, field

from daemon.errors import StorageTrouble

Spots = Mapping[str, str]
"""Texts of one connection by the names of their places on a page."""

EVERY = 2.0
SHARE = 20.0
"""A reading waits this many times as long as the last one took: it takes at most a twentieth of the time."""

BEAT = 15.0
"""Seconds after which a silent stream sends a sign of life. It finds readers that are gone, and readers miss it."""

SIGN = b"event: beat\ndata:\n\n"

LASTS = 3600.0
"""Seconds of a stream. The browser then asks again, with its session."""

MOST_STREAMS = 100


@define(eq=False)
class Live:
    """The streams of one node; `read` returns the spots of every connection by its site."""

    _read: Callable[[], Awaitable[Mapping[str, Spots]]]
    streams: int = field(init=False, default=0)
    """Open streams of this node's page, of dry runs too."""
    _reading: trio.Lock = field(init=False, factory=trio.Lock)
    _shown: Mapping[str, Spots] = field(init=False, factory=dict)
    _due: float = field(init=False, default=-inf)
    _over: trio.Event = field(init=False, factory=trio.Event)

    @property
    def over(self) -> bool:
        """True from the moment at which every stream ends, because settings were reloaded: a token may be gone."""
        return self._over.is_set()

    def end(self) -> None:
        """End every stream. Browsers ask again, with their sessions."""
        self._over.set()

    async def events(self, site: str = "") -> AsyncGenerator[bytes, None]:
        """Yield the events of one stream: of a site, or of all."""
        sent: dict[str, Spots] = {}
        ends = trio.current_time() + LASTS
        yield b"retry: 5000\n\n"
        beat_at = trio.current_time() + BEAT
        while trio.current_time() < ends:
            shown = await self._present()
            if self.over:
                return
            chosen = {name: spots for name, spots in shown.items() if site in {"", name}}
            news = {name: spots for name, spots in chosen.items() if sent.get(name) != spots}
            gone = [name for name in sent if name not in chosen]
            if news or gone:
                yield b"data: %s\n\n" % msgspec.json.encode({"spots": news, "gone": gone})
                sent = dict(chosen)
                beat_at = trio.current_time() + BEAT
            elif trio.current_time() >= beat_at:
                yield SIGN
                beat_at = trio.current_time() + BEAT
            with trio.move_on_at(min(self._due, beat_at)):
                await self._over.wait()

    async def counted(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Yield what `stream` yields, and count it as open meanwhile."""
        self.streams += 1
        try:
            async with contextlib.aclosing(stream):
                async for piece in stream:
                    yield piece
        finally:
            self.streams -= 1

    async def _present(self) -> Mapping[str, Spots]:
        async with self._reading:  # one stream reads for all
            began = trio.current_time()
            if began >= self._due:
                try:
                    self._shown = await self._read()
                except StorageTrouble:
                    pass  # the page keeps what it shows
                finally:
                    ended = trio.current_time()
                    self._due = ended + max(EVERY, SHARE * (ended - began))
            return self._shown
