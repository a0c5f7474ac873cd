"""One BigCommerce store as the engine sees it.

Enumerations walk by id (`id:greater`), never by page number, so nothing is skipped or repeated when products
come and go meanwhile. What changed since a time is walked by id too: a product that changes during the walk
may be missed, but then its date lies after the walk began, and the next sweep, which starts there, sees it.

An answer is believed only when it agrees with itself: a page that is out of order, or empty although the
store says there is more, is tried again; a short page ends the walk only when the store says that it was the
last.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec import Raw

from daemon.errors import Blocked, Missing, Rejected, Retry
from daemon.http import Transport, shortly
from daemon.model import ExternalId, Kind, Lane, Mapped, StoreFacts
from daemon.platforms.base import Entity, Page
from daemon.platforms.bigcommerce import hooks, mapping, wire
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.mapping import Told
from daemon.platforms.bigcommerce.page_size import LARGEST, PageSize
from daemon.platforms.bigcommerce.refusal import SCOPE_MISSING
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import required_secret
from daemon.platforms.shelf import MemoryShelf, Shelf
from daemon.wire import Observe, ignore

PATH = "/v3/catalog/products"
ITEMS_LIMIT = 1000
"""What the inventory API allows (contract section 4)."""

_INCLUDE = {"include": "variants,images,custom_fields"}
_WITHOUT = {"exclude_fields": "description"}
"""The description is the bulk of a product and not used. (`include_fields` would lose fields we do use.)"""

LONGEST_ID = 18
"""Digits; the API's ids are integers."""

MARGIN = 1.0
"""Seconds to look back further than asked: whether `date_modified:min` includes its second is not documented."""


class BigCommerce:
    """Fulfils `daemon.platforms.base.Platform` for one store."""

    def __init__(
        self,
        settings: BigCommerceSettings,
        transport: Transport | None = None,
        observe: Observe = ignore,
        shelf: Shelf | None = None,
    ) -> None:
        self._settings = settings
        self._shelf = shelf or MemoryShelf()
        self._client = Client(settings, transport, observe)
        self.limiter = self._client.limiter
        self._size = PageSize()
        self._locations: int | None = None

    def batch(self, kind: Kind) -> int:
        """How many products are read at a time."""
        _require_products(kind)
        return LARGEST

    async def facts(self) -> StoreFacts:
        """Read the store's currency and unit of weight, and count its stock locations."""
        store = await shortly(partial(self._client.get, "/v2/store", wire.STORE, lane=Lane.LIVE))
        self._locations = await self._count_locations()
        panel = store.control_panel_base_url or f"https://store-{self._settings.store_hash}.mybigcommerce.com"
        return StoreFacts(
            currency=store.currency,
            weight_unit=store.weight_units,
            url=panel.rstrip("/"),
            locations=self._locations,
        )

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the products whose ids follow `cursor`."""
        _require_products(kind)
        return await self._walk(cursor, {})

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read products modified at or after `since` whose ids follow `cursor`.

        Always a full timestamp: BigCommerce completes a bare date with the present time of day.
        """
        _require_products(kind)
        start = datetime.fromtimestamp(max(0, int(since - MARGIN)), UTC)
        return await self._walk(cursor, {"date_modified:min": start.strftime("%Y-%m-%dT%H:%M:%SZ")})

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read products by id: in one call, or in several when the store bears only smaller pages.

        Ids that are none of BigCommerce's are left out.
        """
        _require_products(kind)
        rest = [id_ for id_ in ids if _is_id(id_)]
        found: dict[ExternalId, Entity] = {}
        while rest:
            asked, entities = await shortly(partial(self._read_some, rest, lane))
            found.update((entity.external_id, entity) for entity in entities)
            rest = rest[asked:]
        return found

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one product; None when BigCommerce itself answers that there is none."""
        _require_products(kind)
        if not _is_id(external_id):
            raise Rejected(f"{external_id!r} is not a BigCommerce product's id", reason="bad_id")
        path = f"{PATH}/{external_id}"
        try:
            answer = await shortly(partial(self._client.get, path, wire.PRODUCT, lane=lane, query=_INCLUDE))
        except Missing:
            return None
        return (await self._entities([answer.data], lane))[0]

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map a product. Raises Retry when what BigCommerce told about it is not what was agreed."""
        _require_products(kind)
        if isinstance(entity.content, wire.Unreadable):
            message = f"What BigCommerce tells about this product is not what was agreed: {entity.content.why}"
            raise Retry(message, reason="unexpected_shape")
        return mapping.product(entity.content, facts)

    async def probe(self) -> None:
        """Ask for the time."""
        await self._client.get("/v2/time", wire.ANYTHING, lane=Lane.LIVE)

    async def ensure_webhooks(self, destination: str) -> int:
        """Register what is missing and mend what is wrong. Raises ConfigError without a `webhook_secret`."""
        secret = required_secret(self._settings)
        return await hooks.ensure(self._client, hooks.Wanted(destination=destination, secret=secret))

    async def remove_webhooks(self, destination: str) -> None:
        """Delete the hooks that lead to `destination`."""
        await hooks.remove(self._client, destination)

    async def aclose(self) -> None:
        """Close the connections to the store."""
        await self._client.aclose()

    async def _walk(self, cursor: str | None, narrowed: Mapping[str, str]) -> Page:
        last = int(cursor or 0)
        entities, more = await shortly(partial(self._walk_once, last, narrowed))
        return Page(entities=entities, cursor=str(entities[-1].external_id) if more else None)

    async def _walk_once(self, last: int, narrowed: Mapping[str, str]) -> tuple[list[Entity], bool]:
        limit = self._size.value
        walk = {"sort": "id", "direction": "asc", "id:greater": str(last)}
        listing = await self._listing({**walk, **narrowed, "limit": str(limit)}, limit, Lane.BACKFILL)
        entities = await self._entities(listing.data, Lane.BACKFILL)
        return entities, _has_more(entities, last, limit, listing.pagination.total)

    async def _read_some(self, ids: Sequence[ExternalId], lane: Lane) -> tuple[int, list[Entity]]:
        """Read as many of `ids` as a page may have; return how many were asked for, and what was found."""
        asked = ids[: self._size.value]
        query = {"id:in": ",".join(asked), "limit": str(LARGEST)}
        listing = await self._listing(query, len(asked), lane)
        return len(asked), await self._entities(listing.data, lane)

    async def _listing(self, query: Mapping[str, str], expected: int, lane: Lane) -> wire.Listing[Raw]:
        """Read one page of `expected` products at most, and learn what size of page the store bears."""
        try:
            listing = await self._client.get(PATH, wire.PRODUCTS, lane=lane, query={**_INCLUDE, **_WITHOUT, **query})
        except Retry as trouble:
            self._size.failed(expected, trouble)
            raise
        self._size.succeeded(len(listing.data))
        return listing

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode products and join the stock of all locations to them."""
        products = [wire.read_product(raw) for raw in raws]
        levels = await self._levels(products, lane)
        return [Entity(ExternalId(str(one.id)), _told(one, levels)) for one in products]

    async def _levels(
        self, products: Sequence[wire.Product | wire.Unreadable], lane: Lane
    ) -> Mapping[int, mapping.Levels]:
        """Return by product what all locations can sell of each variant; nothing when there is only one."""
        if self._locations is None:
            self._locations = await self._count_locations()
        if self._locations == 1 or not products:
            return {}
        query = {"product_id:in": ",".join(str(one.id) for one in products)}
        path = "/v3/inventory/items"
        levels: dict[int, dict[int | None, int]] = defaultdict(dict)
        for item in await self._client.every(path, wire.ITEMS, lane=lane, limit=ITEMS_LIMIT, query=query):
            levels[item.identity.product_id][item.identity.variant_id] = item.level
        return levels

    async def _count_locations(self) -> int:
        """Count the enabled stock locations; a store that does not let us see them is taken to have one."""
        path = "/v3/inventory/locations"
        try:
            places = await self._client.every(path, wire.LOCATIONS, lane=Lane.LIVE, limit=LARGEST)
        except Missing:
            return 1
        except Blocked as refused:
            if refused.reason != SCOPE_MISSING:
                raise
            return 1
        return max(1, sum(place.enabled for place in places))


def _told(one: wire.Product | wire.Unreadable, levels: Mapping[int, mapping.Levels]) -> Any:
    return one if isinstance(one, wire.Unreadable) else Told(one, levels.get(one.id))


def _has_more(entities: Sequence[Entity], last: int, limit: int, total: int | None) -> bool:
    """Whether the walk goes on after this page. Raises Retry when the page contradicts itself.

    `total` counts what matches in all. The server may cap `limit`, so a short page alone ends nothing.
    """
    ids = [int(entity.external_id) for entity in entities]
    if any(second <= first for first, second in zip([last, *ids], ids, strict=False)):
        raise Retry("BigCommerce's page of products is out of order", reason="page_out_of_order")
    if not ids and total:
        raise Retry(f"BigCommerce's page is empty, yet {total} products are said to match", reason="page_empty")
    return len(ids) >= limit or (bool(ids) and (total is None or total > len(ids)))


def _is_id(external_id: str) -> bool:
    return external_id.isascii() and external_id.isdigit() and len(external_id) <= LONGEST_ID


def _require_products(kind: Kind) -> None:
    if kind is not Kind.PRODUCTS:
        raise NotImplementedError(f"BigCommerce's {kind} are not synced")
