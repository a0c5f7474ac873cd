"""Reads products: pages, changes, and products by id, joined with stock and metafields.

Enumerations walk by id (`id:greater`), never by page number, so no product is skipped or repeated when others come and
go. Changes are walked by id too: a product that changes during the walk may be missed, but its new date is after the
start of the walk, where the next sweep begins.

An inconsistent page is retried: one that is out of order, or empty although the store counts more. A short page ends
the walk only if the store says that it was the last.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from msgspec import Raw

from daemon.entities import Mapped, Product, StoreFacts
from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.base import Entity, Page
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import MetafieldsId, is_id, listed, since_text
from daemon.platforms.bigcommerce.metafields import ChangedParents, Metafields, ParentReader, walk_begins
from daemon.platforms.bigcommerce.owned_rows import OwnedList, read_owned_rows
from daemon.platforms.bigcommerce.products import mapping
from daemon.platforms.bigcommerce.products.mapping import TRACKED, Levels, RawProduct
from daemon.platforms.bigcommerce.products.schema import ITEMS, OWNERS, read_owner, read_product
from daemon.platforms.bigcommerce.products.schema import Product as Listed
from daemon.platforms.bigcommerce.store import StoreReader
from daemon.platforms.shared.page_size import PageSize, read_in_parts
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.shared.secondary import of_each
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.transport.http import shortly

PATH = "/v3/catalog/products"
VARIANTS = "/v3/catalog/variants"

_INVENTORY = OwnedList(
    path="/v3/inventory/items",
    owner_filter="product_id:in",
    limit=1000,
    name="inventory",
    shape=ITEMS,
    read_owner=read_owner,
)
_INCLUDE = {"include": "variants,images,custom_fields"}
_WITHOUT = {"exclude_fields": "description"}
"""The description is most of a product's size and is not used. (`include_fields` would lose fields that are.)"""


class ProductReader(ParentReader):
    """The products of one store."""

    def __init__(self, client: Client, store: StoreReader, state: AdapterState) -> None:
        self._client = client
        self._store = store
        self._size = PageSize(schema.LARGEST_PAGE)
        self._short_answers = ShortAnswers()
        self._own = Metafields(client, state, "product", f"{PATH}/metafields", _path_of)
        self._variants = Metafields(client, state, "variant", f"{VARIANTS}/metafields", self._path_of_variant)
        self._touched = ChangedParents(schema.LARGEST_PAGE, self._find_touched, self._caught_up)

    async def page(self, cursor: str | None) -> Page:
        """Read the products whose ids follow `cursor`."""
        if cursor is None:
            await self._own.read_all()
            await self._variants.read_all()
        return await self._walk(cursor, {})

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read products modified at or after `since` after `cursor`; first those with changed metafields."""
        touched = await self._touched.page(cursor)
        if touched is not None:
            ids, following = touched
            entities = list((await self.read([id_ for id_ in ids if is_id(id_)], Lane.BACKFILL)).values())
            later = Retry("BigCommerce does not name the product of this variant", reason="owner_unknown")
            entities += [Entity(id_, later) for id_ in ids if not is_id(id_)]
            return Page(entities=entities, cursor=following)
        return await self._walk(None if walk_begins(cursor) else cursor, {"date_modified:min": since_text(since)})

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read products by id: in one call, or in several if the store can handle only smaller pages.

        An id such as "metafields:variant:55" has those metafields read again.
        """
        found = await self.read_named(ids, lane)
        wanted = [id_ for id_ in ids if is_id(id_)]
        ask, decode = partial(self._some, lane=lane), partial(self._entities, lane=lane)
        entities: list[Entity] = await read_in_parts(ask, wanted, self._size, decode)
        return found | {entity.external_id: entity for entity in entities}

    async def _one(self, external_id: ExternalId, lane: Lane) -> Raw:
        path = f"{PATH}/{external_id}"
        return (await self._client.get(path, schema.RAW_SINGLE, lane=lane, query=_INCLUDE)).data

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Product]:
        """Map a product."""
        return mapping.product(entity.content, facts)

    async def _find_touched(self) -> set[ExternalId]:
        """Return the products with a changed metafield, also of a variant, since the lists were read last.

        If BigCommerce does not name a variant's product, the id of the variant's metafields is returned instead.
        """
        own = {ExternalId(str(product)) for product in await self._own.catch_up()}
        variants = sorted(await self._variants.catch_up())
        ask = partial(self._products_of, lane=Lane.BACKFILL)
        for variant, products in (await of_each(variants, ask, Lane.BACKFILL, beside=True)).items():
            if isinstance(products, Failure):
                own.add(MetafieldsId("variant", variant).text)
            else:
                own.update(ExternalId(str(product)) for product in products)
        return own

    async def _caught_up(self) -> None:
        await self._own.caught_up()
        await self._variants.caught_up()

    async def _products_of(self, variant: int, lane: Lane) -> list[int]:
        query = {"id": str(variant), "include_fields": "product_id"}
        ask = partial(self._client.every, VARIANTS, OWNERS, lane=lane, limit=schema.LARGEST_PAGE, query=query)
        owners = await shortly(ask)
        return [owner.product_id for owner in owners if owner.id in {None, variant}]

    async def _path_of_variant(self, variant: int) -> str | None:
        products = await self._products_of(variant, Lane.BACKFILL)
        return _path_within(products[0], variant) if products else None

    async def _read_again(self, named_id: MetafieldsId, lane: Lane) -> ExternalId | None:
        """Read the named metafields again; return their product, if it exists."""
        owner = named_id.id
        if named_id.resource == "product" and await self._own.read_again(owner, await _path_of(owner), lane):
            return ExternalId(str(owner))
        if named_id.resource == "variant":
            for product in await self._products_of(owner, lane):
                if await self._variants.read_again(owner, _path_within(product, owner), lane):
                    return ExternalId(str(product))
        return None

    async def _walk(self, cursor: str | None, narrowed: Mapping[str, str]) -> Page:
        last = int(cursor or 0)
        entities, more = await shortly(partial(self._walk_once, last, narrowed))
        return Page(entities=entities, cursor=str(entities[-1].external_id) if more else None)

    async def _walk_once(self, last: int, narrowed: Mapping[str, str]) -> tuple[list[Entity], bool]:
        """Read a page; return it, and True if the walk continues. Raises Retry if the page contradicts itself."""
        limit = self._size.value
        walk = {"sort": "id", "direction": "asc", "id:greater": str(last), "limit": str(limit)}
        with self._size.shrinking(limit):
            listing = await self._listing({**walk, **narrowed}, Lane.BACKFILL)
        self._size.succeeded(len(listing.data))
        entities = await self._entities(with_ids(listing.data), Lane.BACKFILL)
        ids, total = [int(entity.external_id) for entity in entities], listing.pagination.total
        if any(second <= first for first, second in pairwise([last, *ids])):
            raise Retry("BigCommerce's page of products is out of order", reason="page_out_of_order")
        if not listing.data and total:
            raise Retry(f"BigCommerce's page is empty but counts {total} products", reason="page_empty")
        # `total` counts all matches. The server may lower `limit`, so without it only an empty page is the last.
        return entities, bool(ids) and (total is None or total > len(ids))

    async def _some(self, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        query = {"id:in": listed(ids), "limit": str(schema.LARGEST_PAGE)}
        return [raw for raw in with_ids((await self._listing(query, lane)).data) if str(read_id(raw)) in ids]

    async def _listing(self, query: Mapping[str, str], lane: Lane) -> schema.Listing[Raw]:
        query = {**_INCLUDE, **_WITHOUT, **query}
        return await self._client.get(PATH, schema.RAW_LISTING, lane=lane, query=query)

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode products, with the stock of all locations and their metafields."""
        products = [read_product(raw) for raw in raws]
        readable = {product.id: product for product in products if isinstance(product, Listed)}
        # With one location, the catalogue already has its stock.
        several = bool(readable) and await self._store.locations() != 1
        inventory = {}
        if several:
            inventory = dict(await read_owned_rows(self._client, _INVENTORY, readable, lane, beside=False))
        own = await self._own.of(list(readable))
        variants = await self._variants.of(
            [variant.id for product in readable.values() for variant in product.variants]
        )

        def content_of(product: Listed) -> RawProduct | Failure | Unreadable | Odd:
            stock = inventory.get(product.id)
            fields = {variant.id: variants[variant.id] for variant in product.variants if variant.id in variants}
            if stock is None:
                return RawProduct(product, None, own.get(product.id, {}), fields)
            if stock.fault:
                return stock.fault
            levels = {item.identity.variant_id: item.level for item in stock.rows}
            doubt = self._doubt(product, levels, strays=stock.has_strays)
            return doubt or RawProduct(product, levels, own.get(product.id, {}), fields)

        contents: list[Any] = [content_of(product) if isinstance(product, Listed) else product for product in products]
        return [
            Entity(ExternalId(str(product.id)), content) for product, content in zip(products, contents, strict=True)
        ]

    def _doubt(self, product: Listed, levels: Levels, *, strays: bool) -> Unreadable | None:
        """Return the substitute for a product if the inventory omits tracked stock, or None.

        The catalogue's level is that of one location and may be much too low. It replaces a missing level only after
        the inventory has repeated the omission.
        """
        if product.inventory_tracking not in TRACKED:
            return None
        counted = [variant.id for variant in product.variants if variant.sku.strip()]
        listed_of = sum(id_ in levels for id_ in counted)
        if product.inventory_tracking == "product":
            counted, listed_of = [product.id], len(levels)
        if strays and listed_of < len(counted):
            return Unreadable(product.id, "the inventory has rows of unknown products", reason=OUT_OF_FILTER)
        return self._short_answers.about(product.id, "stock levels", len(counted), listed_of)


async def _path_of(product: int) -> str:
    """Return the path of a product's metafields."""
    return f"{PATH}/{product}/metafields"


def _path_within(product: int, variant: int) -> str:
    """Return the path of a variant's metafields."""
    return f"{PATH}/{product}/variants/{variant}/metafields"
