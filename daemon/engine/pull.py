"""Answers SparkLayer's pulls: a page of the store, or one entity, mapped and encoded as it would be pushed.

Some parts of entities come only in lists, which a platform reads when a full sync begins. Until the first full sync of
a kind has begun, pages would lack them, so the caller is told to come back.

A unique key is shown at its owner only, as it is pushed.

A page's name is opaque to SparkLayer: the adapter's cursor with a keyed fingerprint, made for the connection and the
type, so that no other connection can use it.

An entity is named by the platform's id, but a level of stock by its SKU: a product has one for each variant. The
latter is inferred.
"""

import contextlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from daemon.engine.context import ConnectionContext
from daemon.engine.writers.products.diff import without
from daemon.entities import Customer, Order, Product, PulledPage
from daemon.errors import Failure, Invalid, NotFound, Rejected, Retry
from daemon.model import ExternalId, Key, Kind, Lane, Sku
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
from daemon.storage.resync import place_of

FINGERPRINT_SIZE = 16

Encode = Callable[[Any, str | None], Iterator[bytes]]
"""Encodes the value of an entity as none, one or several JSON objects. The text is the stock location, for types that
are `located`."""


@frozen
class PulledType:
    """The kind and the encoding of a type that SparkLayer pulls. `located`: one entity per SKU and stock location."""

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
    """Read one page. Raises CallerError, and the failures of either side.

    Raises Retry while the pages of the type would not be whole.
    """
    wanted = _wanted(context, data_type)
    cursor = _cursor(context, data_type, page)
    await _check_whole(context, wanted.kind)
    facts = await context.facts()
    place = None
    if wanted.located:
        # The location is found or made if that is yet to be done; a guest leaves that to another process.
        if not context.guest:
            await context.kind_states[wanted.kind].writer.prepare()
        place = await context.storage.read(place_of, context.connection.id)
        if place is None and context.guest:
            raise Retry("no stock has a place on the site yet", reason="first_full_sync")
    location = place.location if place else None
    read = await context.platform.page(wanted.kind, cursor)
    values = []
    for entity in read.entities:
        # One that cannot be mapped is left out: pushing it makes that an issue.
        with contextlib.suppress(Failure):
            values.append(context.platform.map(wanted.kind, entity, facts).value)
    values = [value for value in values if value is not None]
    entities = [body for value in await _own(context, wanted.kind, values) for body in wanted.encode(value, location)]
    return PulledPage(entities=entities, next_page=_name(context, data_type, read.cursor))


async def fetch(context: ConnectionContext, data_type: str, entity_id: str) -> bytes:
    """Read one entity, as its type's pages have it. Writes nothing on either side.

    Raises the failures of the platform, also of mapping, and NotFound for an entity that the pages leave out.
    """
    wanted = _wanted(context, data_type)
    await _check_whole(context, wanted.kind)
    sku = Sku(entity_id) if wanted.located else None
    # Only looked up: a fetch must not set up the site.
    place = await context.storage.read(place_of, context.connection.id) if wanted.located else None
    external_id = ExternalId(entity_id) if sku is None else await _owner(context, wanted.kind, sku)
    facts = await context.facts()
    entity = await _read_one(context, wanted.kind, external_id) if external_id else None
    value = None if entity is None else context.platform.map(wanted.kind, entity, facts).value
    values = [] if value is None else await _own(context, wanted.kind, [value])
    if sku is not None:
        values = [without(product, product.stock.keys() - {sku}) for product in values]
        if place is None:
            raise Retry("no stock has a place on the site yet", reason="first_full_sync")
    bodies = [body for value in values for body in wanted.encode(value, place.location if place else None)]
    if not bodies:
        raise NotFound("The store has no such entity, or it must not be in SparkLayer.")
    return bodies[0]


def _wanted(context: ConnectionContext, data_type: str) -> PulledType:
    wanted = PULLED.get(data_type)
    if wanted is None or wanted.kind not in context.kind_states:
        known = (name for name, pulled in PULLED.items() if pulled.kind in context.kind_states)
        raise NotFound(f"There is no such type; known are: {', '.join(known)}.")
    return wanted


async def _check_whole(context: ConnectionContext, kind: Kind) -> None:
    """Raise Retry while the lists that complete the platform's entities are not read yet."""
    if kind in context.platform_type.cached_kinds and not await context.storage.read(
        full_syncs.ever_read, context.connection.id, kind
    ):
        raise Retry("the first full sync has not read any of it yet", reason="first_full_sync")


async def _owner(context: ConnectionContext, kind: Kind, sku: Sku) -> ExternalId | None:
    """Return the product that has a SKU in SparkLayer. Raises Retry while a full sync may still bring one."""
    owners = await context.storage.read(ledger.owners, context.connection.id, kind, [sku])
    running = None if owners else await context.storage.read(full_syncs.current, context.connection.id, kind)
    if running is not None:
        raise Retry("a full sync is on its way that may bring this SKU", reason="full_sync_running")
    return owners.get(sku)


async def _read_one(context: ConnectionContext, kind: Kind, external_id: ExternalId) -> Entity | None:
    """Read an entity as its changes are read. An id that leads to another entity is none of its kind."""
    entity = (await context.platform.read(kind, [external_id], Lane.LIVE)).get(external_id)
    if entity is None:
        # A list that leaves an entity out proves nothing.
        try:
            entity = await context.platform.read_one(kind, external_id, Lane.LIVE)
        except Rejected as error:
            if error.reason != BAD_ID:
                raise
    return entity if entity is not None and entity.external_id == external_id else None


async def _own(context: ConnectionContext, kind: Kind, values: Sequence[Any]) -> list[Any]:
    """Return the parts of `values` that are their entities' own, as they would be pushed."""
    connection_id, storage, writer = context.connection.id, context.storage, context.kind_states[kind].writer
    lost: dict[ExternalId, set[Key]] = {value.external_id: set() for value in values}
    for external_id, key in await storage.read(ledger.lost, connection_id, kind, list(lost)):
        lost[external_id].add(key)
    known = await storage.read(ledger.look_up, connection_id, kind, list(lost))
    own = [writer.own(value, lost[value.external_id], known=value.external_id in known) for value in values]
    return [value for value in own if value is not None]


def _name(context: ConnectionContext, data_type: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return urlsafe_b64encode(_fingerprint(context, data_type, cursor) + cursor.encode()).decode().rstrip("=")


def _cursor(context: ConnectionContext, data_type: str, page: str | None) -> str:
    if page is None:
        return UNCACHED
    try:
        content = urlsafe_b64decode((page + "=" * (-len(page) % 4)).encode("ascii"))
        cursor = content[FINGERPRINT_SIZE:].decode()
    except ValueError:
        cursor, content = "", b""
    # In constant time, so that a fingerprint cannot be guessed byte by byte.
    if not hmac.compare_digest(content[:FINGERPRINT_SIZE], _fingerprint(context, data_type, cursor)):
        raise Invalid("page: is none that was given as next_page; begin without one")
    return cursor


def _fingerprint(context: ConnectionContext, data_type: str, cursor: str) -> bytes:
    return context.fingerprint(["page", context.connection.id, data_type, cursor])
