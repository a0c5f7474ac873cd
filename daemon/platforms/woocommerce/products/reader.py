"""Reads products: pages, changes, and products by id, joined with their variations.

Variations are read by the ids that their products list, at most 100 in one call. A page of ours is several pages of the
API, so that the ids of many products fill these calls. A product whose variations cannot be read whole is a failure of
its own. The filter of ids leaves variations out, but a single answer tells a variation's product.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Raw

from daemon.entities import Mapped, Product, StoreFacts
from daemon.errors import Failure, Missing, Rejected, Retry
from daemon.model import ExternalId, Lane
from daemon.platforms.base import BAD_ID, Entity, IdPage, Page
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.shared.secondary import of_lists
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.platforms.woocommerce.client import RAW, Client, Listed
from daemon.platforms.woocommerce.ids import MOST_INCLUDED, is_id, listed
from daemon.platforms.woocommerce.included import read_readable
from daemon.platforms.woocommerce.products import mapping
from daemon.platforms.woocommerce.products.mapping import TRASH, RawProduct, is_variable
from daemon.platforms.woocommerce.products.schema import (
    PRODUCT_FIELDS,
    VARIATION_FIELDS,
    Variation,
    parent_of,
    read_product,
    read_variation,
)
from daemon.platforms.woocommerce.products.schema import Product as Read
from daemon.platforms.woocommerce.since import changed_since
from daemon.platforms.woocommerce.walk import Ask, Place, step
from daemon.transport.http import shortly

PATH, VARIATIONS = "/products", "/variations"
POOLED_PAGES = 4
"""Pages of the API in one of ours."""

EVERY_STATUS = {"include_status": "publish,draft,pending,private,future,trash"}
_FIELDS = {"_fields": PRODUCT_FIELDS}

Content = RawProduct | Failure | Unreadable | Odd
Rows = Mapping[int, Variation | Unreadable | Odd | Failure]


class ProductReader:
    """The products of one shop."""

    batch = MOST_INCLUDED

    def __init__(self, client: Client) -> None:
        self._client = client
        self._size = PageSize(MOST_INCLUDED)
        self._included = PageSize(MOST_INCLUDED)
        self._short_answers = ShortAnswers()

    async def page(self, cursor: str | None) -> Page:
        """Read the products that follow `cursor`, without those in the trash."""
        return await self._pages({}, cursor)

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read products changed at or after `since`; trashing one changes it."""
        return await self._pages({**changed_since(since), **EVERY_STATUS}, cursor)

    async def ids(self, cursor: str | None) -> IdPage:
        """Read a page of the ids of all products."""
        found = await step(self._asks({"_fields": "id"}), Place.read(cursor or ""), self._size)
        ids = [ExternalId(str(read_id(raw))) for raw in found.rows]
        return IdPage(ids=ids, cursor=found.following.text if found.following else None)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read products by id, also those in the trash."""
        wanted = [id_ for id_ in ids if is_id(id_)]
        rows = await read_readable(partial(self._some, lane=lane), wanted, self._included)
        return {entity.external_id: entity for entity in await self._entities(rows, lane)}

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one product; for a variation, its product, without content."""
        if not is_id(external_id):
            raise Rejected(f"{external_id!r} is not a WooCommerce product's id", reason=BAD_ID)
        try:
            raw = await shortly(partial(self._client.get, f"{PATH}/{external_id}", RAW, lane=lane, query=_FIELDS))
        except Missing:
            return None
        if str(read_id(raw)) != external_id:
            raise Retry("WooCommerce's answer is about another product", reason=OUT_OF_FILTER)
        parent = parent_of(raw)
        if parent is not None:
            return Entity(ExternalId(str(parent)), None)
        return (await self._entities([raw], lane))[0]

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Product]:
        """Map a product."""
        if entity.content is None:
            return Mapped(value=None, reasons=("It is a variation: its product is synced.",))
        if isinstance(entity.content, Odd):
            return mapping.unread(entity.content, facts)
        return mapping.product(entity.content, facts)

    async def _pages(self, narrowed: Mapping[str, str], cursor: str | None) -> Page:
        """Read some pages of the API, then the variations of all their products."""
        place: Place | None = Place.read(cursor or "")
        rows: list[Raw] = []
        for _ in range(POOLED_PAGES):
            if place is None:
                break
            found = await step(self._asks({**_FIELDS, **narrowed}), place, self._size)
            rows += found.rows
            place = found.following
        entities = await self._entities(rows, Lane.BACKFILL)
        return Page(entities=entities, cursor=place.text if place else None)

    def _asks(self, query: Mapping[str, str]) -> Ask:
        async def ask(place: dict[str, str]) -> Listed:
            return await self._client.page(PATH, lane=Lane.BACKFILL, query={**query, **place})

        return ask

    async def _some(self, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        query = {**_FIELDS, **EVERY_STATUS, "include": listed(ids), "per_page": str(MOST_INCLUDED)}
        rows = (await self._client.page(PATH, lane=lane, query=query)).rows
        return [raw for raw in with_ids(rows) if str(read_id(raw)) in ids]

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode products, with their variations."""
        products = [read_product(raw) for raw in with_ids(raws)]
        sold = [row for row in products if isinstance(row, Read) and row.status != TRASH and is_variable(row)]
        wanted = [id_ for product in sold for id_ in dict.fromkeys(product.variations)]
        rows = await self._variations(wanted, lane, beside=len(sold) < len(products))
        variable = {product.id for product in sold}

        def content(product: Read | Unreadable | Odd) -> Content:
            if not isinstance(product, Read):
                return product
            return self._whole(product, rows) if product.id in variable else RawProduct(product)

        return [Entity(ExternalId(str(product.id)), content(product)) for product in products]

    async def _variations(self, ids: Sequence[int], lane: Lane, *, beside: bool) -> Rows:
        """Read variations by id; the failure of a call stands for each of its variations."""
        found: dict[int, Variation | Unreadable | Odd | Failure] = {}
        rest = list(dict.fromkeys(ids))
        while rest:
            asked, rest = rest[: self._included.value], rest[self._included.value :]
            ask = partial(self._ask_variations, lane=lane)
            for some, answer in await of_lists(asked, ask, lane, beside=beside):
                if isinstance(answer, Failure):
                    found.update(dict.fromkeys(some, answer))
                else:
                    found.update((read_id(raw), read_variation(raw)) for raw in answer)
        return found

    async def _ask_variations(self, ids: Sequence[int], lane: Lane) -> list[Raw]:
        """Read some variations. A row that was not asked for is left out."""
        query = {"_fields": VARIATION_FIELDS, "include": listed(ids), "per_page": str(MOST_INCLUDED)}
        try:
            answer = await shortly(partial(self._client.page, VARIATIONS, lane=lane, query=query))
        except Retry as trouble:
            self._included.failed(len(ids), trouble)
            raise
        return [raw for raw in with_ids(answer.rows) if read_id(raw) in ids]

    def _whole(self, product: Read, rows: Rows) -> Content:
        """Return a product with its variations, or the substitute if one is missing or unreadable."""
        ids = list(dict.fromkeys(product.variations))
        found = [rows[id_] for id_ in ids if id_ in rows]
        for row in found:
            if isinstance(row, Failure):
                return row
            if isinstance(row, Unreadable):
                return Unreadable(product.id, f"its variation {row.id}: {row.why}", reason=row.reason)
        variations = [row for row in found if isinstance(row, Variation)]
        odd = tuple(f"variation {row.id}: {name}" for row in found if isinstance(row, Odd) for name in row.fields)
        strange = next((row for row in variations if row.parent_id != product.id), None)
        if strange is not None:
            why = f"its variation {strange.id} is of another product"
            return Unreadable(product.id, why, reason=OUT_OF_FILTER)
        doubt = self._short_answers.about(product.id, "variations", len(ids), len(found))
        return doubt or RawProduct(product, variations, odd)
