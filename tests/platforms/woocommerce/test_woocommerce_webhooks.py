"""Deliveries of a real shop, signed again by our secret: each is verified and read for its ids, and none does harm."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest

from daemon.errors import ConfigError
from daemon.model import Change, ExternalId, Kind
from daemon.platforms.base import Delivery
from daemon.platforms.woocommerce.webhooks import TOPICS, WooCommerceWebhooks
from tests.each import each
from tests.platforms.woocommerce.recorded import SIGNING, WEBHOOKS, content_of, settings

FORM = "application/x-www-form-urlencoded"
READER = WooCommerceWebhooks(settings())

EDITS = {name: deliveries for name, deliveries in WEBHOOKS.items() if isinstance(deliveries, list)}
PRODUCT, ORDER, CUSTOMER = Kind.PRODUCTS, Kind.ORDERS, Kind.CUSTOMERS

HAMMER = {(PRODUCT, 782)}
LED_TO: Mapping[str, tuple[int, set[tuple[Kind, int]]]] = {
    "webhooks/01_registration": (17, set()),
    "webhooks/02_product_create_simple": (3, HAMMER),
    "webhooks/03_product_update_price": (1, HAMMER),
    "webhooks/04_product_update_no_change": (1, HAMMER),
    "webhooks/05_product_five_updates_before_a_tick": (1, HAMMER),
    "webhooks/06_product_three_updates_with_ticks": (6, HAMMER),
    "webhooks/07_product_create_draft": (2, {(PRODUCT, 783)}),
    "webhooks/08_product_publish_draft": (2, {(PRODUCT, 783)}),
    "webhooks/09_product_create_variable": (3, {(PRODUCT, 784)}),
    # Variations 785 and 786 are of product 784.
    "webhooks/10_variation_create": (3, {(PRODUCT, 784)}),
    "webhooks/11_variation_create_second": (3, {(PRODUCT, 784)}),
    "webhooks/12_variation_update_price": (1, {(PRODUCT, 784)}),
    "webhooks/13_variation_update_stock": (2, {(PRODUCT, 784)}),
    "webhooks/14_variation_force_delete": (0, set()),
    "webhooks/15_product_trash": (2, HAMMER),
    "webhooks/16_product_untrash_by_rest_status": (2, HAMMER),
    "webhooks/17_product_untrash_as_admin": (5, HAMMER),
    "webhooks/18_product_force_delete": (0, set()),
    # Only the id of variation 785 is told: reading it leads to its product.
    "webhooks/19_variable_product_trash": (4, {(PRODUCT, 784), (PRODUCT, 785)}),
    "webhooks/20_products_batch_update_50": (
        50,
        {(PRODUCT, id_) for id_ in (782, *range(13, 25), 31, 32, *range(569, 583), *range(591, 607), *range(610, 615))},
    ),
    "webhooks/21_customer_create": (2, {(CUSTOMER, 39)}),
    "webhooks/22_customer_update": (1, {(CUSTOMER, 39)}),
    "webhooks/23_customer_update_in_shop": (1, {(CUSTOMER, 39)}),
    "webhooks/24_customer_usermeta_only": (0, set()),
    "webhooks/25_customer_delete": (1, {(CUSTOMER, 39)}),
    "webhooks/26_order_create_pending": (2, {(ORDER, 787)}),
    "webhooks/27_order_to_processing_reduces_stock": (3, {(ORDER, 787), (PRODUCT, 782)}),
    "webhooks/28_order_meta_update": (1, {(ORDER, 787)}),
    "webhooks/29_order_note_only": (0, set()),
    "webhooks/30_order_completed": (1, {(ORDER, 787)}),
    "webhooks/31_order_partial_refund": (1, {(ORDER, 787)}),
    "webhooks/32_order_full_refund": (1, {(ORDER, 787)}),
    "webhooks/33_order_trash": (1, {(ORDER, 787)}),
    "webhooks/34_order_untrash_as_admin": (1, {(ORDER, 787)}),
    "webhooks/35_order_force_delete": (0, set()),
    "webhooks/36_stock_set_by_wc_update_product_stock": (2, HAMMER),
    "webhooks/37_postmeta_written_directly": (0, set()),
    "webhooks/38_wp_update_post_directly": (0, set()),
    "webhooks/39_answers_and_failure_counts": (7, HAMMER),
    "webhooks/40_nine_changes_answered_500": (14, HAMMER),
    "webhooks/41_after_disabling": (0, set()),
    "webhooks/42_reenable": (0, set()),
    "webhooks/43_after_reenabling": (1, HAMMER),
    "webhooks/44_tidy": (1, HAMMER),
    "webhooks2/01_registration": (5, set()),
    "webhooks2/02_blog_post_created": (0, set()),
    # A blog post: no read finds a product with its id.
    "webhooks2/03_blog_post_trashed": (2, {(PRODUCT, 790)}),
    "webhooks2/04_secret_with_special_characters": (1, HAMMER),
    "webhooks2/05_dead_receiver": (1, HAMMER),
    "webhooks2/06_unsafe_port_without_mu_plugin": (0, set()),
    "webhooks2/07_slow_receiver": (1, HAMMER),
    "webhooks3/01_registration": (5, set()),
    "webhooks3/02_created_then_force_deleted_before_delivery": (1, set()),
    "webhooks3/03_created_then_trashed_before_delivery": (2, {(PRODUCT, 784)}),
    "webhooks3/04_webhook_owner_lost_rights": (1, set()),
}
"""The number of deliveries of each edit, and the changes that they lead to."""

NOT_DELIVERIES = {"webhooks/disable_trail", "webhooks/webhook_invalid_topic", "webhooks/webhook_object"}


ODD: list[Any] = [0, None, "", -1, 3.5, [784], {}]


def raw(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


def signed(headers: Mapping[str, str], body: bytes, secret: str = SIGNING) -> dict[bytes, bytes]:
    """Return the headers of a delivery with our signature."""
    signature = b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))
    return {**raw(headers), b"x-wc-webhook-signature": signature}


def delivery(topic: str, body: Any) -> Delivery:
    """Return what the reader makes of a body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = signed({"x-wc-webhook-topic": topic}, content)
    assert READER.verify(headers, content)
    return READER.read(headers, content)


def test_every_recorded_edit_is_in_the_table() -> None:
    assert LED_TO.keys() == EDITS.keys()
    assert WEBHOOKS.keys() - EDITS.keys() == NOT_DELIVERIES
    every = [one for deliveries in EDITS.values() for one in deliveries]
    assert sum("x-wc-webhook-signature" in one["headers"] for one in every) == 141
    assert len(every) == 141 + 27


@each("name", [*EDITS])
def test_recorded_deliveries(name: str) -> None:
    changes: set[Change] = set()
    for one in EDITS[name]:
        body = one["body"].encode()
        if READER.is_ping(raw(one["headers"]), body):
            assert not READER.verify(raw(one["headers"]), body)
            continue
        headers = signed(one["headers"], body)
        assert READER.verify(headers, body)
        assert not READER.verify(raw(one["headers"]), body), "the shop's secret was another one"
        assert not READER.is_ping(headers, body)
        read = READER.read(headers, body)
        assert read.scope == one["headers"]["x-wc-webhook-topic"]
        assert read.known
        changes |= set(read.changes)
    count, led_to = LED_TO[name]
    assert len(EDITS[name]) == count
    assert changes == {Change(kind, ExternalId(str(id_))) for kind, id_ in led_to}


def test_all_recorded_pings_are_pings() -> None:
    pings = [one for name, every in EDITS.items() if name.endswith("registration") for one in every]
    assert len(pings) == 27
    assert all(READER.is_ping(raw(one["headers"]), one["body"].encode()) for one in pings)


@each(
    ("headers", "body"),
    [
        ({}, b"webhook_id=17"),
        ({"content-type": "application/json"}, b"webhook_id=17"),
        ({"content-type": FORM}, b"webhook_id="),
        ({"content-type": FORM}, b"webhook_id=17&id=1"),
        ({"content-type": FORM}, b"webhook_id=" + b"1" * 64),
        ({"content-type": FORM}, b'{"id":1}'),
        (
            {"content-type": FORM, "x-wc-webhook-topic": "product.updated"},
            b"webhook_id=1",
        ),
        ({"content-type": FORM, "x-wc-webhook-signature": "AAAA"}, b"webhook_id=1"),
        ({"content-type": FORM, "x-wc-webhook-source": "https://shop.example.com/"}, b"webhook_id=1"),
        ({"content-type": FORM}, b"webhook_id=1\n"),
        ({"content-type": FORM}, b"webhook_id=-1"),
        ({"content-type": FORM}, "webhook_id=\u0661".encode()),
    ],
)
def test_anything_more_is_no_ping(headers: dict[str, str], body: bytes) -> None:
    assert not READER.is_ping(raw(headers), body)


def test_a_signature_holds_for_the_raw_body_alone() -> None:
    body = '{"id":782,"name":"Weird \u00e9 & <b>"}'.encode()
    headers = signed({"x-wc-webhook-topic": "product.updated"}, body)
    assert READER.verify(headers, body)
    assert not READER.verify(headers, body + b" ")
    assert not READER.verify(signed({}, body, "another secret"), body)
    assert not READER.verify({}, body)
    assert not READER.verify({b"x-wc-webhook-signature": b"\xff\xfe"}, body)


@each(
    ("topic", "body", "led_to"),
    [
        ("product.updated", {"id": "782"}, [(PRODUCT, "782")]),
        ("product.updated", {"id": 785, "type": "variation", "parent_id": 784}, [(PRODUCT, "784")]),
        ("product.updated", {"id": 785, "type": "variation", "parent_id": "784"}, [(PRODUCT, "784")]),
        # Reading the variation leads to its product.
        *(
            ("product.updated", {"id": 785, "type": "variation", "parent_id": parent}, [(PRODUCT, "785")])
            for parent in ODD
        ),
        *(("product.updated", {"id": 5, "type": odd, "code": odd}, [(PRODUCT, "5")]) for odd in ODD),
        ("product.updated", b'\xef\xbb\xbf{"id":5}', [(PRODUCT, "5")]),
        ("product.updated", b'{"id":5,"name":"half of a character: \\ud83d"}', [(PRODUCT, "5")]),
        # A grouped product's parent is not its own product, and an order may have one.
        ("product.updated", {"id": 5, "type": "simple", "parent_id": 4}, [(PRODUCT, "5")]),
        ("order.updated", {"id": 5, "parent_id": 4}, [(ORDER, "5")]),
        ("product.created", {"code": "woocommerce_rest_cannot_view", "message": "", "data": {"status": 403}}, []),
        ("product.published", {"id": 1}, [(PRODUCT, "1")]),
        ("coupon.updated", {"id": 9}, []),
        ("action.woocommerce_x", {"action": "x", "arg": []}, []),
    ],
)
def test_bodies(topic: str, body: Any, led_to: list[tuple[Kind, str]]) -> None:
    read = delivery(topic, body)
    assert read.known
    assert read.changes == tuple(Change(kind, ExternalId(id_)) for kind, id_ in led_to)


@each(
    ("code", "broken"),
    [("woocommerce_rest_cannot_view", True), ("woocommerce_rest_product_invalid_id", False), (7, False)],
)
def test_a_delivery_says_that_its_owner_has_lost_the_right(*, code: Any, broken: bool) -> None:
    read = delivery("product.updated", {"code": code, "message": "", "data": {"status": 403}})
    assert (read.changes, read.registration_broken) == ((), broken)
    assert not delivery("product.updated", {"id": 1, "code": code}).registration_broken


@each(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"id":null}', b'{"id":0}', b'{"id":-1}', b'{"id":"x"}', b'{"id":1', b"[" * 5000],
)
def test_a_malformed_body_is_refused_with_one_line(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        delivery("product.updated", body)


def test_a_delivery_without_a_topic_is_refused() -> None:
    with pytest.raises(ValueError, match="X-WC-Webhook-Topic"):
        READER.read({}, b'{"id":1}')


def test_webhooks_need_a_secret() -> None:
    with pytest.raises(ConfigError, match="webhook_secret"):
        WooCommerceWebhooks(settings(webhook_secret=None))


def test_the_topics_are_those_that_a_shop_accepts() -> None:
    assert len(TOPICS) == 11
    assert "customer.restored" not in TOPICS
    assert WEBHOOKS["webhooks/webhook_invalid_topic"]["code"] == "woocommerce_rest_shop_webhook_invalid_topic"
    assert content_of("index") is not None
