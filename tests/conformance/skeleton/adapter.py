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
from daemon.errors import Blocked, Missing, Rejected, Retry, Side
from daemon.issues import IssueType
from daemon.model import ExternalId, Kind, Lane, Secret, Sku, VariantId
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.base import (
    BAD_ID,
    STORE,
    Announce,
    Entity,
    IdPage,
    Match,
    Page,
    PlatformType,
    Registration,
    WebhookReader,
    tell_nobody,
)
from daemon.platforms.shared.rows import Unreadable, decode, read_row, with_ids
from daemon.transport.client import Observe, ThrottledApi
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


def refusal(answer: Answer) -> Exception:
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
    url = f"{facts.url}/items/{item.id}" if facts.url else ""
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


class Skeleton:
    """Reads one store. Webhooks, `find` and further kinds come next: see the other promises."""

    def __init__(
        self, settings: SkeletonSettings, transport: Transport | None, observe: Observe, _state: AdapterState
    ) -> None:
        self.limiter = Limiter(
            api="skeleton", side=Side.PLATFORM, policy=LatencyPolicy(), concurrency=MOST_AT_ONCE, reserved=1
        )
        headers = {"Authorization": f"Bearer {settings.token.reveal()}"}
        api = Api(settings.url, headers=headers, connections=MOST_AT_ONCE, timeout=60.0, transport=transport)
        self._api = ThrottledApi("skeleton", api, self.limiter, observe)

    async def _get(self, path: str, decoder: Decoder[T], lane: Lane, **query: str) -> T:
        """Read and decode one answer; trouble that passes is tried again for a moment."""

        async def attempt() -> T:
            answer = await self._api.send("GET", path, lane, query=query)
            if not answer.ok:
                raise refusal(answer)
            try:
                return decode(answer.body, decoder)
            except (ValueError, RecursionError):
                raise Retry("the answer has another shape", reason="unexpected_shape") from None

        return await shortly(attempt)

    def batch(self, kind: Kind) -> int:
        """Return the most entities of a call."""
        return 1 if kind is Kind.STORE else MOST

    async def facts(self) -> StoreFacts:
        """Read the store's settings."""
        shop = await self._get("/shop", _SHOP, Lane.LIVE)
        return StoreFacts(currency=shop.currency, weight_unit=shop.unit, url=shop.control_panel)

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read a page. A cursor is the last id: rows that come or go before it move nothing."""
        return await self._page(kind, cursor)

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of changes."""
        return await self._page(kind, cursor, since=f"{since:.3f}")

    async def _page(self, kind: Kind, cursor: str | None, **query: str) -> Page:
        if kind is Kind.STORE:
            return Page(entities=[Entity(STORE, await self.facts())], cursor=None)
        found = await self._get("/items", _LIST, Lane.BACKFILL, after=cursor or "0", limit=str(MOST), **query)
        entities = _entities(found)
        return Page(entities=entities, cursor=entities[-1].external_id if len(found) == MOST else None)

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        """Read a page of ids: this API lists nothing less than whole items."""
        page = await self._page(kind, cursor)
        return IdPage(ids=[entity.external_id for entity in page.entities], cursor=page.cursor)

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read by ids; what the API leaves out is left out."""
        if kind is Kind.STORE:
            return {STORE: Entity(STORE, await self.facts())} if STORE in ids else {}
        asked = [id_ for id_ in ids if _is_id(id_)]
        found = await self._get("/items", _LIST, lane, ids=",".join(asked), limit=str(MOST)) if asked else []
        return {entity.external_id: entity for entity in _entities(found) if entity.external_id in asked}

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one; None only if the API itself says that it does not exist."""
        if kind is Kind.STORE:
            return Entity(STORE, await self.facts()) if external_id == STORE else None
        if not _is_id(external_id):
            raise Rejected(f"{external_id!r} is not an item's id", reason=BAD_ID)
        try:
            return _entities([await self._get(f"/items/{external_id}", _RAW, lane)])[0]
        except Missing:
            return None

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity. Raises Retry for one that could not be read."""
        if isinstance(entity.content, Unreadable):
            raise Retry(f"unexpected: {entity.content.why}", reason=entity.content.reason)
        if kind is Kind.STORE:
            return _settings(entity.content)
        return product(entity.content, facts)

    async def probe(self) -> None:
        """Make the cheapest call."""
        await self.facts()

    async def find(self, _kind: Kind, _text: str) -> Sequence[Match]:
        """Find entities as a person names them: the promises of `finding` say how."""
        raise NotImplementedError

    async def ensure_webhooks(self, _destination: str, _announce: Announce = tell_nobody) -> Registration:
        """Register nothing: this platform has no webhooks."""
        return Registration()

    async def remove_webhooks(self, _destination: str) -> None:
        """Remove nothing."""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _settings(facts: StoreFacts) -> Mapped[StoreFacts]:
    issues = () if facts.weight_unit in {"kg", "g"} else (_unknown(facts),)
    return Mapped(value=facts, issues=issues, name="Store settings", url=facts.url)


def _unknown(facts: StoreFacts) -> Any:
    return IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform=LABEL, unit=facts.weight_unit)


def _entities(rows: Sequence[Raw]) -> list[Entity]:
    """Decode rows, each by itself: one that cannot be read is a failure of its own."""
    read = [read_row(raw, _ITEM) for raw in with_ids(rows)]
    if len(read) < len(rows):
        raise Retry("a row has no id", reason="unexpected_shape")
    return [Entity(ExternalId(str(row.id)), row) for row in read]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0


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
