"""The skeleton of a platform: one kind beside the store, without webhooks, and everything that the first promises ask.

Copy it to `daemon/platforms/<name>/`, and let the stand-in beside it become yours: see docs/adding-a-platform.md. The
imaginary API lists items after an id, filters them by ids and by the time of their change, and has one settings object:

    GET /shop                                   {"currency", "unit", "control_panel"}
    GET /items?after=&limit=&since=&ids=        [{"id", "name", "code", "price", "stock", "changed"}]
    GET /items/{id}                             one of them, or 404 {"error": "no such item"}
"""

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from attrs import field, frozen
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.entities import Mapped, Product, Status, StockLevel, StoreFacts, Variant
from daemon.errors import Blocked, Failure, Missing, Retry, Side
from daemon.issues import IssueType
from daemon.model import ExternalId, Kind, Lane, Secret, Sku, VariantId
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.base import Announce, Entity, Page, PlatformType, Registration, WebhookReader, tell_nobody
from daemon.platforms.shared.adapter import Adapter, OneStore, Reader, read_single
from daemon.platforms.shared.client import StoreClient
from daemon.platforms.shared.hooks import HookRegister
from daemon.platforms.shared.lookup import LookupByKind, Named
from daemon.platforms.shared.mapping import page_url
from daemon.platforms.shared.rows import Unreadable, decode, read_row, with_ids
from daemon.transport.client import Observe
from daemon.transport.http import Answer, Api, Transport, shortly
from daemon.transport.retry_after import retry_after
from daemon.transport.throttle import LatencyPolicy, Limiter
from daemon.transport.throttle.latency import MOST_AT_ONCE

T = TypeVar("T")

LABEL = "Skeleton"
MOST = 50
"""Rows of a page, and ids of a call."""


@frozen(kw_only=True)
class SkeletonSettings:
    """Settings of one store: `[connections.skeleton]`."""

    url: str
    token: Secret
    webhook_secret: Secret | None = field(default=None)


class _Shop(Struct, frozen=True):
    currency: str
    unit: str
    control_panel: str


class Item(Struct, frozen=True):
    """A row of `/items`: only the fields that mapping reads, each of them required."""

    id: int
    name: str
    code: str
    price: str
    stock: int | None


_SHOP, _LIST, _RAW = Decoder(_Shop), Decoder(list[Raw]), Decoder(Raw)
_ITEM: Decoder[Item | Unreadable] = Decoder(Item)


def refusal(answer: Answer) -> Failure:
    """Return the failure that an answer means: its class says what happens next (rule 10 of docs/design.md)."""
    if answer.status == 401:
        return Blocked("the token is not valid", reason="credentials", side=Side.PLATFORM)
    # Only the API's own words say that something does not exist: any proxy can answer 404.
    if answer.status == 404 and answer.body == b'{"error": "no such item"}':
        return Missing("there is no such item", reason="missing")
    unknown = answer.status >= 500
    after = retry_after(answer.headers, time.time())
    return Retry(f"answered {answer.status}", reason=f"http_{answer.status}", after=after, effect_unknown=unknown)


def product(item: Item, facts: StoreFacts) -> Mapped[Product]:
    """Map an item to SparkLayer's fields. Pure: no await, no clock."""
    url = page_url(facts, f"/items/{item.id}")
    name, sku = item.name or str(item.id), Sku(item.code.strip())
    if not sku:
        issue = IssueType.VARIANT_WITHOUT_SKU.issue(platform=LABEL, variant=f"The item (id {item.id})")
        return Mapped(value=None, issues=(issue,), name=name, url=url)
    variant = Variant(external_id=VariantId(str(item.id)), sku=sku, status=Status.LIVE, position=1)
    value = Product(
        external_id=ExternalId(str(item.id)),
        title=name,
        slug=f"item-{item.id}",
        variants=(variant,),
        stock={} if item.stock is None else {sku: StockLevel(item.stock)},
        prices={sku: Decimal(item.price)},
    )
    return Mapped(value=value, name=name, url=url)


class Client(StoreClient):
    """Calls one store's API. The throttle judges a refusal by the ids in the path and in `narrowing`."""

    narrowing = ("ids",)

    def __init__(self, settings: SkeletonSettings, transport: Transport | None, observe: Observe) -> None:
        headers = {"Authorization": f"Bearer {settings.token.reveal()}"}
        api = Api(settings.url, headers=headers, connections=MOST_AT_ONCE, timeout=60.0, transport=transport)
        policy = LatencyPolicy()
        limiter = Limiter(api="skeleton", side=Side.PLATFORM, policy=policy, concurrency=MOST_AT_ONCE, reserved=1)
        super().__init__("skeleton", api, limiter, observe)

    async def probe(self) -> None:
        """Make the cheapest call."""
        await self.get("/shop", _SHOP, Lane.LIVE)

    def refusal(self, answer: Answer, _path: str) -> Failure:
        """Return the failure that a refusal means."""
        return refusal(answer)

    async def get(self, path: str, decoder: Decoder[T], lane: Lane, **query: str) -> T:
        """Read and decode one answer; trouble that passes is tried again for a moment."""

        async def attempt() -> T:
            try:
                return decode((await self.read("GET", path, lane, query)).body, decoder)
            except (ValueError, RecursionError):
                raise Retry("the answer has another shape", reason="unexpected_shape") from None

        return await shortly(attempt)


class StoreReader(OneStore):
    """The store's settings."""

    label = LABEL

    def __init__(self, client: Client) -> None:
        self._client = client

    async def facts(self) -> StoreFacts:
        """Read the store's settings."""
        shop = await self._client.get("/shop", _SHOP, Lane.LIVE)
        return StoreFacts(currency=shop.currency, weight_unit=shop.unit, url=shop.control_panel)


class ItemReader(Reader):
    """The items of one store. This API lists nothing less than whole items, so `ids` reads pages too."""

    batch = MOST

    def __init__(self, client: Client) -> None:
        self._client = client

    def is_id(self, text: str) -> bool:
        """Return True if a text can be an item's id."""
        return text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0

    async def page(self, cursor: str | None) -> Page:
        """Read a page. A cursor is the last id: rows that come or go before it move nothing."""
        return await self._page(cursor)

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of changes."""
        return await self._page(cursor, since=f"{since:.3f}")

    async def _page(self, cursor: str | None, **query: str) -> Page:
        found = await self._client.get("/items", _LIST, Lane.BACKFILL, after=cursor or "0", limit=str(MOST), **query)
        entities = _entities(found)
        return Page(entities=entities, cursor=entities[-1].external_id if len(found) == MOST else None)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read by ids; what the API leaves out is left out."""
        found = await self._client.get("/items", _LIST, lane, ids=",".join(ids), limit=str(MOST)) if ids else []
        return {entity.external_id: entity for entity in _entities(found) if entity.external_id in ids}

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one; None only if the API itself says that it does not exist."""

        async def ask() -> Raw:
            return await self._client.get(f"/items/{external_id}", _RAW, lane)

        raw = await read_single(external_id, ask)
        return None if raw is None else _entities([raw])[0]

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Product]:
        """Map an item; `Adapter` has raised the failure of one that could not be read."""
        return product(entity.content, facts)


class Lookup(LookupByKind):
    """Finds items as a person names them: the promises of `finding` say how."""

    async def rows(self, _kind: Kind, _text: str) -> list[Named]:
        """Return the rows that the store finds by a text."""
        raise NotImplementedError


class Skeleton(Adapter):
    """One store. Webhooks, `find` and further kinds come next: see the other promises."""

    def __init__(
        self, settings: SkeletonSettings, transport: Transport | None, observe: Observe, _state: AdapterState
    ) -> None:
        client = Client(settings, transport, observe)
        super().__init__(
            settings,
            client,
            store=StoreReader(client),
            readers={Kind.PRODUCTS: ItemReader(client)},
            lookup=Lookup(),
            hooks=_no_hooks,
        )

    async def ensure_webhooks(self, _destination: str, _announce: Announce = tell_nobody) -> Registration:
        """Register nothing: this platform has no webhooks."""
        return Registration()

    async def remove_webhooks(self, _destination: str) -> None:
        """Remove nothing."""


def _entities(rows: Sequence[Raw]) -> list[Entity]:
    """Decode rows, each by itself: one that cannot be read is a failure of its own."""
    read = [read_row(raw, _ITEM) for raw in with_ids(rows)]
    if len(read) < len(rows):
        raise Retry("a row has no id", reason="unexpected_shape")
    return [Entity(ExternalId(str(row.id)), row) for row in read]


def _no_hooks(_destination: str, _secret: Secret) -> HookRegister[Any, Any]:
    raise NotImplementedError("the skeleton has no webhooks")


def _no_reader(_settings: SkeletonSettings) -> WebhookReader:
    raise NotImplementedError("the skeleton has no webhooks")


PLATFORM = PlatformType(
    name="skeleton",
    label=LABEL,
    settings=SkeletonSettings,
    identity=lambda settings: settings.url,
    connect=Skeleton,
    reader=_no_reader,
    kinds=frozenset({Kind.STORE, Kind.PRODUCTS}),
    # Without webhooks sweeps find what changed, and the census what went.
    webhook_kinds=frozenset(),
    census_kinds=frozenset({Kind.PRODUCTS}),
)
