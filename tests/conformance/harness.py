"""A stand-in and an adapter that is connected to it, with all that the adapter was given under watch."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import trio
from attrs import define, field

from daemon.errors import Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.adapter_state import Entry, MemoryAdapterState
from daemon.platforms.apps import App, TypedKeys
from daemon.platforms.base import Entity, Page, Platform, WebhookReader
from daemon.transport.http import ApiCall
from tests.conformance.kit import PUBLIC_URL, Kit, Stand
from tests.conformance.transport import RecordingTransport

T = TypeVar("T")

LONG = 3600.0
"""Seconds by the clock of the test: who takes longer hangs."""

DAY = 86400.0
MOST_PAGES = 200
MOST_TRIES = 30
PAUSE = 60.0


Wrap = Callable[[Any], Any]
"""Puts something in front of an adapter or a reader."""


def same(real: Any) -> Any:
    """Put nothing in front of it."""
    return real


class WatchedShelf(MemoryAdapterState):
    """A shelf whose every note was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Entry] = []

    async def put(self, state: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write notes."""
        self.seen += entries
        await super().put(state, entries, scan_id)

    def lose(self) -> None:
        """Lose all that is there, as with a new disk."""
        self._entries.clear()


@define(eq=False)
class ReaderHarness:
    """Test bed of a promise. `wrap` and `wrap_reader` put a broken adapter in front of the real one."""

    kit: Kit
    stand: Stand
    wrap: Wrap = same
    wrap_reader: Wrap = same
    wrap_door: Wrap = same
    """Put in front of what lets a platform's merchants connect: its app, and its typed keys."""
    state: WatchedShelf = field(factory=WatchedShelf)
    calls: list[ApiCall] = field(factory=list)
    wire: RecordingTransport = field(init=False)
    shop: Platform = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Connect an adapter."""
        self.wire = RecordingTransport(self.stand.transport)
        self.shop = self.connect()

    def connect(self) -> Platform:
        """Connect one more adapter, as after a restart: what was in the adapter's state is there."""
        connected: Platform = self.wrap(
            self.kit.platform.connect(self.stand.settings, self.wire, self.calls.append, self.state)
        )
        return connected

    def reader(self, settings: Any = None) -> WebhookReader:
        """Return the reader of the store's webhooks."""
        reader: WebhookReader = self.wrap_reader(self.kit.platform.reader(settings or self.stand.settings))
        return reader

    def app(self) -> App:
        """Return the platform's app."""
        assert self.kit.platform.app is not None
        app: App = self.wrap_door(self.kit.platform.app.connect(self.stand.app_settings, PUBLIC_URL, self.wire))
        return app

    def typed_keys(self) -> TypedKeys:
        """Return what reads and tries the keys that a merchant types."""
        keys: TypedKeys = self.wrap_door(self.kit.platform.typed_keys)
        return keys

    def fill(self, kind: Kind) -> list[ExternalId]:
        """Add more than two pages of a kind."""
        return self.stand.add(kind, 2 * self.kit.page[kind] + 3)

    async def walk(self, kind: Kind, *, shop: Platform | None = None, since: float | None = None) -> list[Entity]:
        """Enumerate to the end, as patiently as the engine."""
        return [entity async for page in self.pages(kind, shop=shop, since=since) for entity in page.entities]

    async def pages(
        self, kind: Kind, *, shop: Platform | None = None, since: float | None = None, cursor: str | None = None
    ) -> AsyncIterator[Page]:
        """Yield the pages from `cursor` on."""
        shop = shop or self.shop
        for _ in range(MOST_PAGES):
            page = await patiently(_turn(shop, kind, since, cursor))
            yield page
            cursor = page.cursor
            if cursor is None:
                return
        raise AssertionError("the enumeration does not end")

    async def seen(self, kind: Kind, since: float | None = None) -> list[ExternalId]:
        """Return the ids of an enumeration in the order they came."""
        return [entity.external_id for entity in await self.walk(kind, since=since)]

    async def listed(self, kind: Kind, *, patient: bool = True) -> list[ExternalId]:
        """Return the ids of a list to its end; if not `patient`, a failure is raised at once."""
        ids: list[ExternalId] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            call = partial(self.shop.ids, kind, cursor)
            page = await (patiently(call) if patient else soon(call()))
            ids += page.ids
            cursor = page.cursor
            if cursor is None:
                return ids
        raise AssertionError("the list does not end")

    async def mapped(self, kind: Kind, shop: Platform | None = None) -> dict[ExternalId, Any]:
        """Return all values of a kind, enumerated, by id."""
        shop = shop or self.shop
        facts = await shop.facts()
        return {entity.external_id: shop.map(kind, entity, facts) for entity in await self.walk(kind, shop=shop)}

    async def read_all(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane = Lane.LIVE) -> dict[ExternalId, Entity]:
        """Read entities by id, a batch at a time."""
        found: dict[ExternalId, Entity] = {}
        size = self.shop.batch(kind)
        for start in range(0, len(ids), size):
            found.update(await self.shop.read(kind, ids[start : start + size], lane))
        return found


def _turn(shop: Platform, kind: Kind, since: float | None, cursor: str | None) -> Callable[[], Awaitable[Page]]:
    async def turn() -> Page:
        return await (shop.page(kind, cursor) if since is None else shop.changed_since(kind, since, cursor))

    return turn


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call until it succeeds, as the engine does with what has nobody else to retry it."""
    for _ in range(MOST_TRIES):
        try:
            return await soon(call())
        except Retry as error:
            trouble = error
            await trio.sleep(max(PAUSE, error.after or 0))
    raise AssertionError(f"it is never done: {trouble.reason}")


async def soon(call: Awaitable[T]) -> T:
    """Await something that must end."""
    with trio.move_on_after(LONG):
        return await call
    raise AssertionError("it hangs")


@contextlib.asynccontextmanager
async def open_harness(
    kit: Kit, wrap: Wrap = same, wrap_reader: Wrap = same, wrap_door: Wrap = same
) -> AsyncIterator[ReaderHarness]:
    """Open a stand-in and connect to it."""
    async with kit.open() as stand:
        harness = ReaderHarness(kit, stand, wrap, wrap_reader, wrap_door)
        yield harness
        await harness.shop.aclose()
