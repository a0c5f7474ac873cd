"""The pages that SparkLayer pulls: a page of the store, mapped and put into the same words as what is pushed.

What a platform tells only in lists is read when a full sync begins. Until the first one of a kind has, its pages would
be there and yet not whole, so whoever asks for them is told to come back.

What only one entity may have, a SKU or a cart, is told of that one alone, as it is pushed: the database knows who waits
for it. So is an e-mail address, but where SparkLayer has its customer already: that one must not seem to be gone.

A page's name is opaque to SparkLayer, and is taken back only from whom it was given to: it is the adapter's cursor
with a print of it, keyed and made for the connection and the type.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from daemon.engine.line import Line
from daemon.engine.products.diff import without
from daemon.engine.products.entry import Terms
from daemon.errors import Failure, Retry
from daemon.listener.ignite import PulledPage
from daemon.listener.routes import Refused
from daemon.model import Customer, Kind, Order, Product, Sku, StoreFacts
from daemon.platforms.base import BESIDE, Entity
from daemon.sparklayer.client import encode_json
from daemon.sparklayer.customers import CustomerWrite
from daemon.sparklayer.customers import body as customer_body
from daemon.sparklayer.products import ProductWrite
from daemon.sparklayer.products import encode as encode_product
from daemon.sparklayer.purchases import merged
from daemon.sparklayer.stock import StockRow
from daemon.sparklayer.stock import entry as stock_entry
from daemon.storage import full_syncs, ledger

PRINT_SIZE = 16

Encode = Callable[[Any, Terms | None], Iterator[bytes]]
"""Turns the value of an entity into what SparkLayer is told: perhaps nothing, perhaps several things."""


@frozen
class PulledType:
    """Where the entities of a type come from, and how they are told. `terms`: the encoder needs the site's terms."""

    kind: Kind
    encode: Encode
    terms: bool = False


def _product(product: Product, _terms: Terms | None) -> Iterator[bytes]:
    write = ProductWrite(
        external_id=product.external_id, title=product.title, slug=product.slug, variants=product.variants
    )
    yield encode_product(write, clearing=False)


def _stock(product: Product, terms: Terms | None) -> Iterator[bytes]:
    assert terms is not None  # this type asks for them
    for sku, level in product.stock.items():
        yield encode_json(stock_entry(StockRow(sku, level), terms.stock_location))


def _customer(customer: Customer, _terms: Terms | None) -> Iterator[bytes]:
    yield encode_json(customer_body(CustomerWrite(customer=customer, email=customer.email)))


def _purchase(order: Order, _terms: Terms | None) -> Iterator[bytes]:
    yield encode_json(merged(order, None))


PULLED: Mapping[str, PulledType] = {
    "customers": PulledType(Kind.CUSTOMERS, _customer),
    "products": PulledType(Kind.PRODUCTS, _product),
    "purchases": PulledType(Kind.ORDERS, _purchase),
    "stock": PulledType(Kind.PRODUCTS, _stock, terms=True),
}


async def pull(line: Line, data_type: str, page: str | None) -> PulledPage:
    """Read one page. Raises Refused, the failures of the platform and, where terms are needed, of SparkLayer.

    Raises Retry while the pages of the type would not be whole.
    """
    wanted = PULLED.get(data_type)
    if wanted is None or wanted.kind not in line.desks:
        raise Refused(404, f"There is no such type; known are: {', '.join(PULLED)}.")
    cursor = _cursor(line, data_type, page)
    if wanted.kind in line.platform_type.remembered and not await line.storage.read(
        full_syncs.ever_read, line.connection.id, wanted.kind
    ):
        raise Retry("the first full sync has not read any of it yet", reason="first_full_sync")
    facts = await line.facts()
    terms = await line.terms() if wanted.terms else None
    found = await line.platform.page(wanted.kind, cursor)
    values = [value for entity in found.entities if (value := _mapped(line, wanted.kind, entity, facts)) is not None]
    entities = [told for value in await _own(line, wanted.kind, values) for told in wanted.encode(value, terms)]
    return PulledPage(entities=entities, next_page=_name(line, data_type, found.cursor))


def _mapped(line: Line, kind: Kind, entity: Entity, facts: StoreFacts) -> Any:
    """Map an entity. One that cannot be mapped is left out: pushing it makes that an issue."""
    try:
        return line.platform.map(kind, entity, facts).value
    except Failure:
        return None


async def _own(line: Line, kind: Kind, values: Sequence[Any]) -> list[Any]:
    """Return `values` without what is another's: products without those variants, customers and orders not at all.

    A product without variants, and a customer, stays nevertheless where SparkLayer has it: it is not gone.
    """
    mine, storage = (line.connection.id, kind), line.storage
    lost = await storage.read(ledger.lost, *mine, [value.external_id for value in values])
    losers = {one for one, _ in lost}
    left = values
    if kind is Kind.PRODUCTS:
        left = [without(one, {Sku(key) for loser, key in lost if loser == one.external_id}) for one in values]
        losers = {product.external_id for product in left if not product.variants}
    known = await storage.read(ledger.look_up, *mine, losers) if losers and kind is not Kind.ORDERS else {}
    return [value for value in left if value.external_id not in losers or value.external_id in known]


def _name(line: Line, data_type: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return urlsafe_b64encode(_print(line, data_type, cursor) + cursor.encode()).decode().rstrip("=")


def _cursor(line: Line, data_type: str, page: str | None) -> str:
    if page is None:
        return BESIDE
    try:
        content = urlsafe_b64decode((page + "=" * (-len(page) % 4)).encode("ascii"))
        cursor = content[PRINT_SIZE:].decode()
    except ValueError:
        cursor, content = "", b""
    if not hmac.compare_digest(content[:PRINT_SIZE], _print(line, data_type, cursor)):
        raise Refused(400, "page: is none that was given as next_page; begin without one")
    return cursor


def _print(line: Line, data_type: str, cursor: str) -> bytes:
    return line.fingerprint(["page", line.connection.id, data_type, cursor])
