"""Deliveries of BigCommerce: verification, and the change of each scope."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks

from daemon.errors import ConfigError
from daemon.model import Change, ExternalId, Kind, Secret
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import REGISTERED, BigCommerceWebhooks
from tests.each import each

CLIENT_SECRET = "client-secret-of-the-api-account"
SECRET = "our-own-secret"
SETTINGS = BigCommerceSettings(
    store_hash="abc",
    access_token=Secret("token"),
    client_secret=Secret(CLIENT_SECRET),
    webhook_secret=Secret(SECRET),
)
READER = BigCommerceWebhooks(SETTINGS)
KNOWN = {b"x-ignite-sync-secret": SECRET.encode()}
BODY = b'{"scope":"store/product/updated","store_id":"1025646","data":{"type":"product","id":205}}'

PRODUCT = (Change(Kind.PRODUCTS, ExternalId("118")),)
PRODUCT_FIELDS = (Change(Kind.PRODUCTS, ExternalId("metafields:product:118")),)
ORDER_FIELDS = (Change(Kind.ORDERS, ExternalId("metafields:order:173")),)
VARIANT_FIELDS = (Change(Kind.PRODUCTS, ExternalId("metafields:variant:118")),)
CUSTOMER = (Change(Kind.CUSTOMERS, ExternalId("32")),)
ORDER = (Change(Kind.ORDERS, ExternalId("173")),)
STORE = (Change(Kind.STORE, ExternalId("store")),)

BY_ID = {"type": "product", "id": 118}
BY_STOCK = {"type": "product", "id": 118, "inventory": {"product_id": 118, "method": "absolute", "value": 7}}
BY_SKU = {"type": "sku", "id": 461, "sku": {"product_id": 118, "variant_id": 509}}
BY_SKU_STOCK = {"type": "sku", "id": 461, "inventory": {"product_id": 118, "method": "relative", "variant_id": 509}}
BY_CHANNEL = {"variant_id": 509, "product_id": 118, "location_id": 1}
BY_METAFIELD = {"type": "metafield", "metafield_id": 6, "resource_id": "118", "resource_type": "product"}
CHANGES = ("created", "updated", "deleted")
BY_CUSTOMER = {"type": "customer", "id": 32}
BY_ADDRESS = {"type": "customer", "id": 60, "address": {"customer_id": 32}}
BY_ORDER = {"type": "order", "id": 173}
OF_ORDER = {"type": "metafield", "metafield_id": 6, "resource_id": "173", "resource_type": "order"}
OF_VARIANT = {**BY_METAFIELD, "resource_type": "variant"}
OF_STORE = ("store/information/updated", "store/inventory/location/created", "store/inventory/location/updated")

TABLE: list[tuple[str, Any, tuple[Change, ...], bool]] = [
    ("store/product/created", BY_ID, PRODUCT, True),
    ("store/product/updated", BY_ID, PRODUCT, True),
    ("store/product/updated", {**BY_ID, "properties": ["name"], "context": {"channel_id": 1}}, PRODUCT, True),
    ("store/product/deleted", BY_ID, PRODUCT, True),
    ("store/product/inventory/updated", BY_STOCK, PRODUCT, True),
    ("store/product/inventory/order/updated", BY_STOCK, PRODUCT, True),
    ("store/sku/created", BY_SKU, PRODUCT, True),
    ("store/sku/updated", BY_SKU, PRODUCT, True),
    ("store/sku/deleted", BY_SKU, PRODUCT, True),
    ("store/sku/inventory/updated", BY_SKU_STOCK, PRODUCT, True),
    ("store/sku/inventory/order/updated", BY_SKU_STOCK, PRODUCT, True),
    ("store/channel/*/inventory/product/stock_changed", BY_CHANNEL, PRODUCT, True),
    ("store/channel/1/inventory/product/stock_changed", BY_CHANNEL, PRODUCT, True),
    ("store/channel/1/inventory/product/low_stock_reached", BY_CHANNEL, PRODUCT, True),
    ("store/channel/1/inventory/product/out_of_stock_reached", BY_CHANNEL, PRODUCT, True),
    ("store/channel/*/inventory/product/settings_changed", BY_CHANNEL, PRODUCT, True),
    ("store/metafield/created", BY_METAFIELD, PRODUCT_FIELDS, True),
    ("store/metafield/updated", BY_METAFIELD, PRODUCT_FIELDS, True),
    ("store/metafield/deleted", BY_METAFIELD, PRODUCT_FIELDS, True),
    ("store/metafield/updated", OF_VARIANT, VARIANT_FIELDS, True),
    ("store/metafield/updated", {**BY_METAFIELD, "resource_type": "category"}, (), True),
    ("store/metafield/updated", {"metafield_id": 6}, (), True),
    *((f"store/product/metafield/{event}", BY_METAFIELD, PRODUCT_FIELDS, True) for event in CHANGES),
    *((f"store/product/variant/metafield/{event}", OF_VARIANT, VARIANT_FIELDS, True) for event in CHANGES),
    ("store/information/updated", {"type": "store"}, STORE, True),
    ("store/inventory/location/created", {"location_id": 2}, STORE, True),
    ("store/inventory/location/updated", {"location_id": 2}, STORE, True),
    *((scope, None, STORE, True) for scope in OF_STORE),
    *((scope, {"type": "store", "id": 0}, STORE, True) for scope in OF_STORE),
    *((scope, {"type": "store", "id": "abc"}, STORE, True) for scope in OF_STORE),
    ("store/inventory/location/metafield/updated", {"metafield_id": 1, "resource_id": "2"}, (), False),
    *((f"store/customer/{event}", BY_CUSTOMER, CUSTOMER, True) for event in CHANGES),
    *((f"store/customer/address/{event}", BY_ADDRESS, CUSTOMER, True) for event in CHANGES),
    *((f"store/order/{event}", BY_ORDER, ORDER, True) for event in ("created", "updated", "archived")),
    ("store/order/statusUpdated", {**BY_ORDER, "status": {"new_status_id": 2}}, ORDER, True),
    ("store/order/refund/created", BY_ORDER, ORDER, True),
    *((f"store/order/metafield/{event}", BY_ORDER, ORDER_FIELDS, True) for event in CHANGES),
    ("store/order/metafield/created", OF_ORDER, ORDER_FIELDS, True),
    *((f"store/metafield/{event}", OF_ORDER, ORDER_FIELDS, True) for event in CHANGES),
    ("store/order/transaction/created", BY_ORDER, ORDER, True),
    ("store/order/message/created", BY_ORDER, (), True),
    *((f"store/shipment/{event}", {"type": "shipment", "id": 12, "orderId": 173}, ORDER, True) for event in CHANGES),
    ("store/priceList/record/created", {"price_list_id": 1}, (), False),
    ("store/priceList/records/created", [{"price_list_id": 1}, {"price_list_id": 2}], (), False),
    ("store/channel/1/product/assigned", {"product_id": 118}, (), False),
    ("store/category/updated", {"type": "category", "id": 42}, (), False),
    ("store/option/updated", {"type": "option", "id": 42}, (), False),
    ("store/app/uninstalled", None, (), False),
    ("store/hook/deliveryException", {"type": "webhook", "id": 9, "error_code": 90001}, (), False),
    ("something/of/tomorrow", "text", (), False),
    ("store/channel/", {}, (), False),
]


@each(("scope", "data", "changes", "known"), TABLE)
def test_what_a_scope_leads_to(scope: str, data: Any, changes: tuple[Change, ...], *, known: bool) -> None:
    envelope = {"scope": scope, "store_id": "1025646", "data": data, "hash": "a833", "producer": "stores/abc"}
    delivery = READER.read(KNOWN, json.dumps(envelope).encode())
    assert (delivery.changes, delivery.known, delivery.scope) == (changes, known, scope)


def test_every_registered_scope_leads_to_a_change() -> None:
    leading = {scope for scope, _, changes, _ in TABLE if changes}
    assert set(REGISTERED) <= leading


@each(
    "body",
    [
        b"",
        b"webhook_id=17",
        b"[]",
        b"{}",
        b'{"scope":7,"data":{}}',
        b'{"scope":"store/product/updated"}',
        b'{"scope":"store/product/updated","data":null}',
        b'{"scope":"store/product/updated","data":[]}',
        b'{"scope":"store/product/updated","data":{"id":0}}',
        b'{"scope":"store/product/updated","data":{"id":-1}}',
        b'{"scope":"store/product/updated","data":{"id":"../1"}}',
        b'{"scope":"store/product/updated","data":{"id":99999999999999999999}}',
        b'{"scope":"store/sku/updated","data":{"id":461}}',
        b'{"scope":"store/customer/address/updated","data":{"id":60}}',
        b'{"scope":"store/shipment/created","data":{"id":12}}',
        b'{"scope":"store/order/metafield/created","data":{}}',
        b'{"scope":"store/product/metafield/created","data":{"resource_type":"product"}}',
        b'{"scope":"store/product/updated","data":{"id":1}',
        b'{"scope":"store/\xff","data":{}}',
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_what_is_no_envelope_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        READER.read(KNOWN, body)
    assert "\n" not in str(refused.value)


def signed(body: bytes, at: float, secret: str = CLIENT_SECRET) -> dict[bytes, bytes]:
    """Sign as BigCommerce documents: the library's own signature, with the secret in base64 as the key."""
    library = standardwebhooks.Webhook(base64.b64encode(secret.encode()).decode())
    signature = library.sign("msg_1", datetime.fromtimestamp(at, UTC), body.decode())
    stamp = str(int(at)).encode()
    return {**KNOWN, b"webhook-id": b"msg_1", b"webhook-timestamp": stamp, b"webhook-signature": signature.encode()}


NOW = 1_790_000_000.0


def test_the_secret_header_alone_is_enough() -> None:
    assert READER.verify(KNOWN, BODY)


@each("secret", [b"", b"wrong", SECRET.encode()[:-1], SECRET.encode() + b"x", "ü".encode()])
def test_a_wrong_secret_is_refused(secret: bytes) -> None:
    assert not READER.verify({b"x-ignite-sync-secret": secret}, BODY)


def test_without_the_secret_header_even_a_right_signature_is_refused() -> None:
    headers = {name: value for name, value in signed(BODY, NOW).items() if name != b"x-ignite-sync-secret"}
    assert len(headers) == 3
    assert not READER.verify(headers, BODY)


def test_a_signature_of_the_standard_library_is_accepted() -> None:
    assert READER.verify(signed(BODY, NOW), BODY)


def test_one_right_signature_among_several_is_enough() -> None:
    headers = signed(BODY, NOW)
    headers[b"webhook-signature"] = b"v1,AAAA v1a,BBBB " + headers[b"webhook-signature"]
    assert READER.verify(headers, BODY)


@each(
    "changed",
    [
        {b"webhook-id": b"msg_2"},
        {b"webhook-timestamp": b"1790000001"},
        {b"webhook-signature": b"v1,AAAA"},
        {b"webhook-signature": b""},
        {b"webhook-signature": b"v2,AAAA nonsense"},
    ],
)
def test_a_signature_that_is_there_must_match(changed: dict[bytes, bytes]) -> None:
    assert not READER.verify({**signed(BODY, NOW), **changed}, BODY)


def test_a_tampered_body_or_another_key_is_refused() -> None:
    assert not READER.verify(signed(BODY, NOW), BODY.replace(b"205", b"206"))
    assert not READER.verify(signed(BODY, NOW, "another"), BODY)


def test_without_a_client_secret_signatures_cannot_be_checked() -> None:
    settings = BigCommerceSettings(store_hash="abc", access_token=Secret("t"), webhook_secret=Secret(SECRET))
    reader = BigCommerceWebhooks(settings)
    assert reader.verify(signed(BODY, NOW, "another"), BODY)
    assert not reader.read(signed(BODY, NOW - 9999), BODY).stale


@each(("age", "stale"), [(-400.0, False), (0.0, False), (299.0, False), (301.0, True)])
def test_an_old_signature_is_reported_not_refused(age: float, *, stale: bool) -> None:
    reader = BigCommerceWebhooks(SETTINGS, clock=lambda: NOW)
    headers = signed(BODY, NOW - age)
    assert reader.verify(headers, BODY)
    assert reader.read(headers, BODY).stale is stale


def test_a_reader_needs_the_secret() -> None:
    with pytest.raises(ConfigError, match="webhook_secret"):
        BigCommerceWebhooks(BigCommerceSettings(store_hash="abc", access_token=Secret("t")))
