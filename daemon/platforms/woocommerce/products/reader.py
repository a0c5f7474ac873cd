"""Reads products: pages, changes, and products by id, joined with their variations.

Variations are read by the ids that their products list, at most 100 in one call. A page of ours is several pages of the
API, so that the ids of many products fill these calls. A product whose variations cannot be read whole is a failure of
its own. The filter of ids leaves variations out, but a single answer tells a variation's product.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Raw

from daemon.entities import Mapped, Product, StoreFacts
from daemon.errors import Failure
from daemon.model import ExternalId, Lane
from daemon.platforms.base import Entity, IdPage, Page
from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Unreadable, read_id, with_ids
from daemon.platforms.shared.secondary import of_lists
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.products import mapping
from daemon.platforms.woocommerce.products.mapping import TRASH, RawProduct, is_variable
from daemon.platforms.woocommerce.products.schema import (
    PRODUCT_FIELDS,
    PRODUCTS,
    VARIATION_FIELDS,
    VARIATIONS,
    Variation,
    parent_of,
)
from daemon.platforms.woocommerce.products.schema import Product as Read
from daemon.platforms.woocommerce.reader import WooCommerceReader, changed_since
from daemon.platforms.woocommerce.values import MOST_INCLUDED, listed
from daemon.platforms.woocommerce.walk import asks_for, step
from daemon.transport.http import shortly

PATH = "/products"
POOLED_PAGES = 4
"""Pages of the API in one of ours."""

EVERY_STATUS = {"include_status": "publish,draft,pending,private,future,trash"}

Content = RawProduct | Failure | Unreadable | Odd
Rows = Mapping[int, Variation | Unreadable | Odd | Failure]


class ProductReader(WooCommerceReader):
    """The products of one shop, also those in the trash if they are read by id."""

    path = PATH
    every = EVERY_STATUS

    def __init__(self, client: Client) -> None:
        super().__init__(client, {"_fields": PRODUCT_FIELDS})
        self._short_answers = ShortAnswers()

    async def page(self, cursor: str | None) -> Page:
        """Read the products that follow `cursor`, without those in the trash."""
        return await self._pages({}, cursor)

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read products changed at or after `since`; trashing one changes it."""
        return await self._pages({**changed_since(since), **EVERY_STATUS}, cursor)

    async def ids(self, cursor: str | None) -> IdPage:
        """Read a page of the ids of all products."""
        found = await step(asks_for(self._client, PATH, {"_fields": "id"}), cursor, self._size)
        return IdPage(ids=[ExternalId(str(read_id(raw))) for raw in found.rows], cursor=found.cursor)

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Product]:
        """Map a product."""
        if entity.content is None:
            return Mapped(value=None, reasons=("It is a variation: its product is synced.",))
        return mapping.product(entity.content, facts)

    async def _pages(self, narrowed: Mapping[str, str], cursor: str | None) -> Page:
        """Read some pages of the API, then the variations of all their products."""
        ask = asks_for(self._client, PATH, {**self._fields, **narrowed})
        rows: list[Raw] = []
        for _ in range(POOLED_PAGES):
            found = await step(ask, cursor, self._size)
            rows += found.rows
            cursor = found.cursor
            if cursor is None:
                break
        return Page(entities=await self._entities(rows, Lane.BACKFILL), cursor=cursor)

    async def _entity(self, raw: Raw, lane: Lane) -> Entity:
        """Decode the answer about one product; for a variation, name its product, without content."""
        parent = parent_of(raw)
        return await super()._entity(raw, lane) if parent is None else Entity(ExternalId(str(parent)), None)

    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode products, with their variations."""
        products = [PRODUCTS.read(raw) for raw in with_ids(raws)]
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
                    found.update((read_id(raw), VARIATIONS.read(raw)) for raw in answer)
        return found

    async def _ask_variations(self, ids: Sequence[int], lane: Lane) -> list[Raw]:
        """Read some variations. A row that was not asked for is left out."""
        query = {"_fields": VARIATION_FIELDS, "include": listed(ids), "per_page": str(MOST_INCLUDED)}
        with self._included.shrinking(len(ids)):
            answer = await shortly(partial(self._client.page, "/variations", lane=lane, query=query))
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
