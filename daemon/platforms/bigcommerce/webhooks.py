"""Verifies and reads the webhooks of one store: pure but for a clock, and made for a hot path.

Every webhook we register carries our secret in a header, and a delivery without it is refused. BigCommerce
says that deliveries are signed by Standard Webhooks too, keyed with the API account's client secret; its
pages do not agree, so a signature is not demanded, but one that is there must match. The age of a signature
is reported, not judged: BigCommerce redelivers for two days.

A delivery only says *which* product to read again. Values in it are hints at best, its `hash` cannot be
recomputed, and deliveries come twice and in any order (contract section 12).
"""

import hashlib
import hmac
import time
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from daemon.errors import ConfigError
from daemon.model import Change, ExternalId, Kind, Secret
from daemon.platforms.base import Delivery
from daemon.platforms.bigcommerce.settings import BigCommerceSettings

SECRET_HEADER = "X-Ignite-Sync-Secret"  # noqa: S105  the header's name
STALE_AFTER = 300.0
"""Seconds after which Standard Webhooks calls a timestamp old."""

_SECRET = SECRET_HEADER.lower().encode()
_ID, _TIMESTAMP, _SIGNATURE = b"webhook-id", b"webhook-timestamp", b"webhook-signature"

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class _Envelope(Struct, frozen=True):
    scope: str
    data: Raw = Raw(b"{}")


class _Ref(Struct, frozen=True):
    product_id: Id | None = None


class _Data(Struct, frozen=True):
    """The ids that `data` may have; which one is the product's depends on the scope."""

    id: Id | None = None
    product_id: Id | None = None
    resource_id: Id | None = None
    resource_type: str | None = None
    sku: _Ref = _Ref()
    inventory: _Ref = _Ref()


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_DATA = msgspec.json.Decoder(_Data, strict=False)  # ids of metafield events are strings

Finder = Callable[[_Data], int | None]
"""Tells the product's id from `data`."""


def _by_id(data: _Data) -> int | None:
    return data.id


def _by_sku(data: _Data) -> int | None:
    return data.sku.product_id


def _by_inventory(data: _Data) -> int | None:
    return data.inventory.product_id


def _by_product_id(data: _Data) -> int | None:
    return data.product_id


def _by_metafield(data: _Data) -> int | None:
    return data.resource_id


REGISTERED_FOR_PRODUCTS: Mapping[str, Finder] = {
    "store/product/created": _by_id,
    "store/product/updated": _by_id,
    "store/product/deleted": _by_id,
    "store/product/inventory/updated": _by_inventory,
    "store/product/inventory/order/updated": _by_inventory,
    "store/sku/created": _by_sku,
    "store/sku/updated": _by_sku,
    "store/sku/deleted": _by_sku,
    "store/sku/inventory/updated": _by_inventory,
    "store/sku/inventory/order/updated": _by_inventory,
    "store/channel/*/inventory/product/stock_changed": _by_product_id,
    "store/channel/*/inventory/product/settings_changed": _by_product_id,
}
"""All that can change a product, each scope by its name: what `store/product/*` covers is not documented."""

REGISTERED_FOR_STORE = frozenset(
    {
        "store/information/updated",
        "store/inventory/location/created",
        "store/inventory/location/updated",
    }
)
"""What can change the facts that mapping depends on: currency, unit of weight, number of stock locations."""

REGISTERED = (*REGISTERED_FOR_PRODUCTS, *sorted(REGISTERED_FOR_STORE))

_LEADS_TO_PRODUCT: Mapping[str, Finder] = {
    **REGISTERED_FOR_PRODUCTS,
    "store/channel/*/inventory/product/low_stock_reached": _by_product_id,
    "store/channel/*/inventory/product/out_of_stock_reached": _by_product_id,
    **{f"store/metafield/{event}": _by_metafield for event in ("created", "updated", "deleted")},
    **{f"store/product/metafield/{event}": _by_metafield for event in ("created", "updated", "deleted")},
}
"""Scopes that somebody may have registered besides are read too. Metafields of other things share the scope
of a product's and are unknown; a variant's names only the variant, whose product would have to be asked
for."""

_NOT_SYNCED_YET = ("store/customer/", "store/order/", "store/shipment/")
"""Scopes we know and need nothing of, as long as only products are synced."""

_STORE = (Change(Kind.STORE, ExternalId("store")),)


def required_secret(settings: BigCommerceSettings) -> Secret:
    """Return the secret of the header every webhook carries. Raises ConfigError when there is none."""
    if settings.webhook_secret is None:
        raise ConfigError("connections.bigcommerce.webhook_secret: is needed to register and verify webhooks")
    return settings.webhook_secret


def _changes(envelope: _Envelope) -> tuple[Change, ...]:
    if envelope.scope in REGISTERED_FOR_STORE:
        return _STORE
    finder = _finder(envelope.scope)
    return () if finder is None else _product(finder, _DATA.decode(envelope.data))


def _finder(scope: str) -> Finder | None:
    """Return how `scope` names its product. A channel's events are registered with a literal `*` for its id."""
    finder = _LEADS_TO_PRODUCT.get(scope)
    if finder is None and scope.startswith("store/channel/"):
        store, channel, _, *event = scope.split("/")
        finder = _LEADS_TO_PRODUCT.get("/".join((store, channel, "*", *event)))
    return finder


def _product(finder: Finder, data: _Data) -> tuple[Change, ...]:
    if finder is _by_metafield and data.resource_type != "product":
        return ()
    product_id = finder(data)
    if product_id is None:
        raise ValueError("data: names no product")
    return (Change(Kind.PRODUCTS, ExternalId(str(product_id))),)


class BigCommerceWebhooks:
    """Reads one connection's webhooks. Raises ConfigError when its settings have no `webhook_secret`."""

    def __init__(self, settings: BigCommerceSettings, clock: Callable[[], float] = time.time) -> None:
        self._secret = required_secret(settings).reveal().encode()
        signing = settings.client_secret
        self._mac = hmac.new(signing.reveal().encode(), digestmod=hashlib.sha256) if signing else None
        self._clock = clock

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Whether the sender knows the secret, and signed `body` with the client secret if it signed at all."""
        known = hmac.compare_digest(headers.get(_SECRET, b""), self._secret)
        return known and (_SIGNATURE not in headers or self._mac is None or self._is_signed(self._mac, headers, body))

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        """Tell which product to read again. Raises ValueError with one line when `body` is not an envelope."""
        try:
            envelope = _ENVELOPE.decode(body)
            changes = _changes(envelope)
        except RecursionError:
            raise ValueError("the body is nested too deeply") from None
        return Delivery(
            changes=changes,
            scope=envelope.scope,
            known=bool(changes) or envelope.scope.startswith(_NOT_SYNCED_YET),
            stale=self._is_stale(headers),
        )

    def _is_signed(self, mac: hmac.HMAC, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Whether one of the signatures is ours; keys may be rotated, so there can be several."""
        mac = mac.copy()
        mac.update(b"%b.%b.%b" % (headers.get(_ID, b""), headers.get(_TIMESTAMP, b""), body))
        ours = b"v1," + b2a_base64(mac.digest(), newline=False)
        return any(hmac.compare_digest(ours, theirs) for theirs in headers[_SIGNATURE].split())

    def _is_stale(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the signature is old. Without a signature there is no time that could be trusted."""
        if self._mac is None or _SIGNATURE not in headers:
            return False
        signed_at = headers.get(_TIMESTAMP, b"")
        return not signed_at.isdigit() or self._clock() - int(signed_at) > STALE_AFTER
