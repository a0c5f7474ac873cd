"""Verifies and reads the webhooks of one shop. Pure, and written for a hot path.

A delivery is signed over its raw body with our secret. Its body is the whole entity, but it is read for ids alone: the
values may be old, and the entity is read again anyway. The ids of deliveries are not unique (woocommerce.md,
Webhooks 1), so they are not used. A delivery may be about another thing than its topic says, such as a blog post or an
order under `product.deleted`, or have an error object as its body. Then it names an id that no read finds, or none.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from daemon.model import Change, ExternalId, Kind
from daemon.model.byte_order_mark import without_mark
from daemon.platforms.base import Delivery
from daemon.platforms.shared.hooks import required_secret
from daemon.platforms.shared.rows import decode
from daemon.platforms.woocommerce.settings import WooCommerceSettings

TOPIC, SIGNATURE = b"x-wc-webhook-topic", b"x-wc-webhook-signature"
OF_DELIVERIES = b"x-wc-"
"""Beginning of the names of headers that only deliveries have."""

FORM = b"application/x-www-form-urlencoded"
PING = b"webhook_id="
LONGEST_PING = 40
CANNOT_VIEW = "cannot_view"
"""End of the code in a delivery whose webhook's owner has lost the right to see the entity."""

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


_KINDS = {"product": Kind.PRODUCTS, "order": Kind.ORDERS, "customer": Kind.CUSTOMERS}

TOPICS: Mapping[str, Kind] = {
    f"{resource}.{event}": kind
    for resource, kind in _KINDS.items()
    for event in ("created", "updated", "deleted", "restored")
    if (resource, event) != ("customer", "restored")
}
"""The topics that we register, and their kinds. There is no topic customer.restored (woocommerce.md, Webhooks 14)."""

_CONCERN_NOTHING = frozenset({"coupon", "action"})
"""Resources of topics that people may have registered by hand."""


class _Body(Struct, frozen=True):
    """The ids of a body. Only a variation has a product as its parent; orders have other parents.

    A field beside the id may have any type: plugins change bodies, and a delivery that is refused is never sent again.
    """

    id: Id | None = None
    parent_id: Any = None
    type: Any = None
    code: Any = None


_BODY = msgspec.json.Decoder(_Body, strict=False)


class WooCommerceWebhooks:
    """Reads one connection's webhooks. Raises ConfigError if its settings have no `webhook_secret`."""

    def __init__(self, settings: WooCommerceSettings) -> None:
        self._key = required_secret(settings.webhook_secret, "woocommerce").reveal().encode()

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Return True if the signature of `body` is ours."""
        ours = b2a_base64(hmac.digest(self._key, body, "sha256"), newline=False)
        return hmac.compare_digest(ours, headers.get(SIGNATURE, b""))

    def is_ping(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Return True for the request by which a shop tries an address: `webhook_id=17` as a form, without more."""
        form = headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == FORM
        if not form or len(body) > LONGEST_PING or any(name.startswith(OF_DELIVERIES) for name in headers):
            return False
        return body.startswith(PING) and body.removeprefix(PING).isdigit()

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        """Return the changes in a delivery. Raises ValueError, with one line, if it is malformed."""
        topic = headers.get(TOPIC, b"").decode("latin-1")
        if not topic:
            raise ValueError("X-WC-Webhook-Topic: is missing")
        resource = topic.partition(".")[0]
        if resource not in _KINDS:
            return Delivery(changes=(), scope=topic, known=resource in _CONCERN_NOTHING)
        try:
            content = decode(without_mark(body), _BODY)
        except RecursionError:
            raise ValueError("the body is nested too deeply") from None
        changes = _changes(_KINDS[resource], content)
        # The shop asks for its owner's rights when it builds a delivery: without them, all its deliveries are as empty.
        broken = content.id is None and str(content.code).endswith(CANNOT_VIEW)
        return Delivery(changes=changes, scope=topic, registration_broken=broken)


def _changes(kind: Kind, content: _Body) -> tuple[Change, ...]:
    if content.id is None:
        if content.code is None:
            raise ValueError(f"the body names none of the {kind}")
        # The entity was deleted, or hidden from the webhook's owner, before the shop built the delivery.
        return ()
    parent = _parent(content) if kind is Kind.PRODUCTS and content.type == "variation" else None
    return (Change(kind, ExternalId(str(parent or content.id))),)


def _parent(variation: _Body) -> int | None:
    """Return the id of a variation's product; None if there is none: reading the variation then leads to it."""
    try:
        return msgspec.convert(variation.parent_id, Id, strict=False)
    except msgspec.ValidationError:
        return None
