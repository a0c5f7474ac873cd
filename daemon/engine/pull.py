"""What SparkLayer pulls: a page of the store, or one entity, mapped and put into the same words as what is pushed.

What a platform tells only in lists is read when a full sync begins. Until the first one of a kind has, its pages would
be there and yet not whole, so whoever asks for them is told to come back.

What only one entity may have, a SKU or a cart, is told of that one alone, as it is pushed: the database knows who waits
for it. So is an e-mail address, but where SparkLayer has its customer already: that one must not seem to be gone.

A page's name is opaque to SparkLayer, and is taken back only from whom it was given to: it is the adapter's cursor
with a print of it, keyed and made for the connection and the type.

One entity is named by the platform's id, but a level of stock by its SKU: nothing else in it tells it from others, and
a product has as many as it has variants. That it is so is inferred.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from daemon.engine.context import ConnectionContext
from daemon.engine.writers.products.diff import without
from daemon.entities import Customer, Order, Product, PulledPage, StoreFacts
from daemon.errors import Failure, Invalid, NotFound, Rejected, Retry
from daemon.model import ExternalId, Kind, Lane, Sku
from daemon.platforms.base import BAD_ID, UNCACHED, Entity
from daemon.sparklayer.client import encode_json
from daemon.sparklayer.customers import CustomerWrite
from daemon.sparklayer.customers import merged as merged_customer
from daemon.sparklayer.products import ProductWrite
from daemon.sparklayer.products import encode as encode_product
from daemon.sparklayer.purchases import merged
from daemon.sparklayer.stock import StockRow
from daemon.sparklayer.stock import entry as stock_entry
from daemon.storage import full_syncs, ledger
from daemon.storage.stock_locations import place_of

PRINT_SIZE = 16

Encode = Callable[[Any, str | None], Iterator[bytes]]
"""Turns the value of an entity into what SparkLayer is told: perhaps nothing, perhaps several things.

The text is the stock location, for types that are `located`.
"""


@frozen
class PulledType:
    """Where the entities of a type come from, and how they are told. `located`: for each SKU at the stock location."""

    kind: Kind
    encode: Encode
    located: bool = False


def _product(product: Product, _location: str | None) -> Iterator[bytes]:
    write = ProductWrite(
        external_id=product.external_id, title=product.title, slug=product.slug, variants=product.variants
    )
    yield encode_product(write, clearing=False)


def _stock(product: Product, location: str | None) -> Iterator[bytes]:
    assert location is not None  # this type asks for it
    for sku, level in product.stock.items():
        yield encode_json(stock_entry(StockRow(sku, level), location))


def _customer(customer: Customer, _location: str | None) -> Iterator[bytes]:
    yield encode_json(merged_customer(CustomerWrite(customer=customer, email=customer.email), None))


def _purchase(order: Order, _location: str | None) -> Iterator[bytes]:
    yield encode_json(merged(order, None))


PULLED: Mapping[str, PulledType] = {
    "customers": PulledType(Kind.CUSTOMERS, _customer),
    "products": PulledType(Kind.PRODUCTS, _product),
    "purchases": PulledType(Kind.ORDERS, _purchase),
    "stock": PulledType(Kind.PRODUCTS, _stock, located=True),
}


async def pull(context: ConnectionContext, data_type: str, page: str | None) -> PulledPage:
    """Read one page. Raises CallerError, the failures of the platform and, where terms are needed, of SparkLayer.

    Raises Retry while the pages of the type would not be whole.
    """
    wanted = _wanted(context, data_type)
    cursor = _cursor(context, data_type, page)
    await _check_whole(context, wanted.kind)
    facts = await context.facts()
    location = (await context.terms()).stock_location if wanted.located else None
    found = await context.platform.page(wanted.kind, cursor)
    values = [value for entity in found.entities if (value := _mapped(context, wanted.kind, entity, facts)) is not None]
    entities = [told for value in await _own(context, wanted.kind, values) for told in wanted.encode(value, location)]
    return PulledPage(entities=entities, next_page=_name(context, data_type, found.cursor))


async def fetch(context: ConnectionContext, data_type: str, entity_id: str) -> bytes:
    """Read one entity, as its type's pages have it. Raises the failures of the platform, and NotFound.

    NotFound is what the pages leave out, but what cannot be mapped is raised. Writes nothing on either side.
    """
    wanted = _wanted(context, data_type)
    await _check_whole(context, wanted.kind)
    sku = Sku(entity_id) if wanted.located else None
    place = await context.storage.read(place_of, context.connection.id) if wanted.located else None
    external_id = ExternalId(entity_id) if sku is None else await _owner(context, sku)
    facts = await context.facts()
    entity = await _read_one(context, wanted.kind, external_id) if external_id else None
    value = None if entity is None else context.platform.map(wanted.kind, entity, facts).value
    values = [] if value is None else await _own(context, wanted.kind, [value])
    if sku is not None:
        values = [_with_only(one, sku) for one in values]
        if place is None:
            raise Retry("no stock has a place on the site yet", reason="first_full_sync")
    told = [one for value in values for one in wanted.encode(value, place.location if place else None)]
    if not told:
        raise NotFound("The store has no such entity, or it must not be in SparkLayer.")
    return told[0]


def _wanted(context: ConnectionContext, data_type: str) -> PulledType:
    wanted = PULLED.get(data_type)
    if wanted is None or wanted.kind not in context.kind_states:
        raise NotFound(f"There is no such type; known are: {', '.join(PULLED)}.")
    return wanted


async def _check_whole(context: ConnectionContext, kind: Kind) -> None:
    """Raise Retry while what the platform tells only in lists is not read yet."""
    if kind in context.platform_type.cached_kinds and not await context.storage.read(
        full_syncs.ever_read, context.connection.id, kind
    ):
        raise Retry("the first full sync has not read any of it yet", reason="first_full_sync")


async def _owner(context: ConnectionContext, sku: Sku) -> ExternalId | None:
    """Return the product that has a SKU in SparkLayer. Raises Retry while a full sync may still bring one."""
    mine = (context.connection.id, Kind.PRODUCTS)
    owners = await context.storage.read(ledger.owners, *mine, [sku])
    running = None if owners else await context.storage.read(full_syncs.current, *mine)
    if running:
        raise Retry("a full sync is on its way that may bring this SKU", reason="full_sync_running")
    return owners.get(sku)


async def _read_one(context: ConnectionContext, kind: Kind, external_id: ExternalId) -> Entity | None:
    """Read an entity as changes of it are read; an id that stands for another one is none of its kind."""
    entity = (await context.platform.read(kind, [external_id], Lane.LIVE)).get(external_id)
    if entity is None:
        try:
            entity = await context.platform.read_one(kind, external_id, Lane.LIVE)
        except Rejected as error:
            if error.reason != BAD_ID:
                raise
    return entity if entity is not None and entity.external_id == external_id else None


def _with_only(product: Product, sku: Sku) -> Product:
    return without(product, product.stock.keys() - {sku})


def _mapped(context: ConnectionContext, kind: Kind, entity: Entity, facts: StoreFacts) -> Any:
    """Map an entity. One that cannot be mapped is left out: pushing it makes that an issue."""
    try:
        return context.platform.map(kind, entity, facts).value
    except Failure:
        return None


async def _own(context: ConnectionContext, kind: Kind, values: Sequence[Any]) -> list[Any]:
    """Return `values` without what is another's: products without those variants, customers and orders not at all.

    A product without variants, and a customer, stays nevertheless where SparkLayer has it: it is not gone.
    """
    mine, storage = (context.connection.id, kind), context.storage
    lost = await storage.read(ledger.lost, *mine, [value.external_id for value in values])
    losers = {one for one, _ in lost}
    left = values
    if kind is Kind.PRODUCTS:
        left = [without(one, {Sku(key) for loser, key in lost if loser == one.external_id}) for one in values]
        losers = {product.external_id for product in left if not product.variants}
    known = await storage.read(ledger.look_up, *mine, losers) if losers and kind is not Kind.ORDERS else {}
    return [value for value in left if value.external_id not in losers or value.external_id in known]


def _name(context: ConnectionContext, data_type: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return urlsafe_b64encode(_print(context, data_type, cursor) + cursor.encode()).decode().rstrip("=")


def _cursor(context: ConnectionContext, data_type: str, page: str | None) -> str:
    if page is None:
        return UNCACHED
    try:
        content = urlsafe_b64decode((page + "=" * (-len(page) % 4)).encode("ascii"))
        cursor = content[PRINT_SIZE:].decode()
    except ValueError:
        cursor, content = "", b""
    if not hmac.compare_digest(content[:PRINT_SIZE], _print(context, data_type, cursor)):
        raise Invalid("page: is none that was given as next_page; begin without one")
    return cursor


def _print(context: ConnectionContext, data_type: str, cursor: str) -> bytes:
    return context.fingerprint(["page", context.connection.id, data_type, cursor])
