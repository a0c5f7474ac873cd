"""Verifies and reads the webhooks of one store. Pure except for a clock, and written for a hot path.

Every webhook that we register carries our secret in a header; a delivery without it is refused. BigCommerce says that
deliveries are also signed by Standard Webhooks, with the API account's client secret. Its pages contradict each other,
so a signature is optional, but if present it must match. The age of a signature is reported, not judged, because
BigCommerce redelivers for two days.

A delivery only names the entity to read again. Its values are not used, its `hash` cannot be recomputed, and deliveries
may come twice and in any order (contract section 12).
"""

import hmac
import time
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct, field

from daemon.model import Change, ExternalId, Kind
from daemon.model.byte_order_mark import without_mark
from daemon.platforms.base import STORE, Delivery
from daemon.platforms.bigcommerce.ids import RESOURCES, MetafieldsId
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.shared.hooks import required_secret

SECRET_HEADER = "X-Ignite-Sync-Secret"  # noqa: S105  the header's name
STALE_AFTER = 300.0
"""Age in seconds at which a timestamp is old (Standard Webhooks)."""

_SECRET = SECRET_HEADER.lower().encode()
_ID, _TIMESTAMP, _SIGNATURE = b"webhook-id", b"webhook-timestamp", b"webhook-signature"

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class _Envelope(Struct, frozen=True):
    scope: str
    data: Raw = Raw(b"{}")


class _Ref(Struct, frozen=True):
    product_id: Id | None = None


class _Customer(Struct, frozen=True):
    customer_id: Id | None = None


class _Data(Struct, frozen=True):
    """The ids that `data` may have; the scope decides which one is the entity's."""

    id: Id | None = None
    product_id: Id | None = None
    resource_id: Id | None = None
    resource_type: str | None = None
    order_id: Id | None = field(default=None, name="orderId")
    sku: _Ref = _Ref()
    inventory: _Ref = _Ref()
    address: _Customer = _Customer()


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_DATA = msgspec.json.Decoder(_Data, strict=False)  # ids of metafield events are strings

Finder = Callable[[_Data], int | str | None]
"""Returns the entity's id from `data`; None if it is missing, "" if no synced entity is concerned."""


def _by_metafield(data: _Data) -> str | None:
    """Return the id of one parent's metafields; they must be read to find the changed entity."""
    if data.resource_type not in RESOURCES:
        return ""
    return None if data.resource_id is None else MetafieldsId(data.resource_type, data.resource_id).text


def _by_order_metafield(data: _Data) -> str | None:
    """Return the id of an order's metafields: events have the shape of order events or of metafield events."""
    order = data.id if data.resource_id is None else data.resource_id
    return None if order is None else MetafieldsId("order", order).text


_STOCK = "store/channel/*/inventory/product"
_CHANGES = ("created", "updated", "deleted")


def _each(finder: Finder, scope: str, events: Iterable[str] = _CHANGES) -> Mapping[str, Finder]:
    return {f"{scope}/{event}": finder for event in events}


_REGISTERED: Mapping[Kind, Mapping[str, Finder]] = {
    # One by one: the coverage of `store/product/*` is not documented, nor whether metafields send the narrow scopes or
    # the common one.
    Kind.PRODUCTS: {
        **_each(attrgetter("id"), "store/product"),
        **_each(attrgetter("inventory.product_id"), "store/product/inventory", ("updated", "order/updated")),
        **_each(attrgetter("sku.product_id"), "store/sku"),
        **_each(attrgetter("inventory.product_id"), "store/sku/inventory", ("updated", "order/updated")),
        **_each(attrgetter("product_id"), _STOCK, ("stock_changed", "settings_changed")),
        **_each(_by_metafield, "store/product/metafield"),
        **_each(_by_metafield, "store/product/variant/metafield"),
        **_each(_by_metafield, "store/metafield"),
    },
    # Attributes have no events.
    Kind.CUSTOMERS: {
        **_each(attrgetter("id"), "store/customer"),
        **_each(attrgetter("address.customer_id"), "store/customer/address"),
    },
    Kind.ORDERS: {
        **_each(attrgetter("id"), "store/order", ("created", "updated", "archived", "statusUpdated", "refund/created")),
        **_each(_by_order_metafield, "store/order/metafield"),
        **_each(attrgetter("order_id"), "store/shipment"),
    },
    # The store's facts: currency, unit of weight, number of stock locations.
    Kind.STORE: {
        **_each(lambda _data: STORE, "store/information", ("updated",)),
        **_each(lambda _data: STORE, "store/inventory/location", ("created", "updated")),
    },
}
"""Scopes of all events that can change an entity, by its kind."""

_ALSO_READ: Mapping[Kind, Mapping[str, Finder]] = {
    Kind.PRODUCTS: _each(attrgetter("product_id"), _STOCK, ("low_stock_reached", "out_of_stock_reached")),
    Kind.ORDERS: _each(attrgetter("id"), "store/order/transaction", ("created", "updated")),
}
"""Scopes that are not registered by us, but a person may have registered them."""

KINDS: Mapping[str, Kind] = {scope: kind for kind, finders in _REGISTERED.items() for scope in finders}
"""The kind of each registered scope."""

REGISTERED = tuple(KINDS)

_LEADS_TO: Mapping[str, tuple[Kind, Finder]] = {
    scope: (kind, finder)
    for table in (_REGISTERED, _ALSO_READ)
    for kind, finders in table.items()
    for scope, finder in finders.items()
}

_MAY_CONCERN_NOTHING = ("store/order/message/", "store/metafield/")
"""Known scopes that are ignored where they lead to nothing: the common one of metafields covers other resources too."""


def _leads_to(scope: str) -> tuple[Kind, Finder] | None:
    """Return the kind and the finder of a scope. A channel's events are registered with a literal `*` for its id."""
    led = _LEADS_TO.get(scope)
    if led is None and scope.startswith("store/channel/"):
        store, channel, _, *event = scope.split("/")
        led = _LEADS_TO.get("/".join((store, channel, "*", *event)))
    return led


def _changes(envelope: _Envelope) -> tuple[Change, ...]:
    led = _leads_to(envelope.scope)
    if led is None:
        return ()
    kind, finder = led
    if kind is Kind.STORE:
        return (Change(kind, STORE),)  # whatever the delivery says of it
    data = _DATA.decode(envelope.data)
    external_id = finder(data)
    if external_id is None:
        raise ValueError(f"data: names none of the {kind}")
    if finder is _by_metafield and data.resource_type == "order":
        kind = Kind.ORDERS  # the common scope of metafields covers every resource
    return (Change(kind, ExternalId(str(external_id))),) if external_id else ()


class BigCommerceWebhooks:
    """Reads one connection's webhooks. Raises ConfigError if its settings have no `webhook_secret`."""

    def __init__(self, settings: BigCommerceSettings, clock: Callable[[], float] = time.time) -> None:
        self._secret = required_secret(settings.webhook_secret, "bigcommerce").reveal().encode()
        signing = settings.client_secret
        self._signing_key = signing.reveal().encode() if signing else None
        self._clock = clock

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Return True if the sender knows the secret, and any signature of `body` matches."""
        known = hmac.compare_digest(headers.get(_SECRET, b""), self._secret)
        key = self._signing_key
        return known and (key is None or _SIGNATURE not in headers or _is_signed(key, headers, body))

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        """Return the changes in a delivery. Raises ValueError, with one line, if `body` is malformed."""
        try:
            envelope = _ENVELOPE.decode(without_mark(body))
            changes = _changes(envelope)
        except RecursionError:
            raise ValueError("the body is nested too deeply") from None
        return Delivery(
            changes=changes,
            scope=envelope.scope,
            known=bool(changes) or envelope.scope.startswith(_MAY_CONCERN_NOTHING),
            stale=self._is_stale(headers),
        )

    def is_ping(self, _headers: Mapping[bytes, bytes], _body: bytes) -> bool:
        """Return False: BigCommerce sends no pings."""
        return False

    def _is_stale(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return True if the signature is old. Without a signature, no timestamp can be trusted."""
        if self._signing_key is None or _SIGNATURE not in headers:
            return False
        signed_at = headers.get(_TIMESTAMP, b"")
        return not signed_at.isdigit() or self._clock() - int(signed_at) > STALE_AFTER


def _is_signed(key: bytes, headers: Mapping[bytes, bytes], body: bytes) -> bool:
    """Return True if one of the signatures matches; key rotation can cause several."""
    content = b"%b.%b.%b" % (headers.get(_ID, b""), headers.get(_TIMESTAMP, b""), body)
    ours = b"v1," + b2a_base64(hmac.digest(key, content, "sha256"), newline=False)
    return any(hmac.compare_digest(ours, theirs) for theirs in headers[_SIGNATURE].split())
