"""The platforms that can be measured.

Each says how a daemon is connected to its stores, what their webhooks look like, and how few calls can read them. The
fewest calls follow from the largest answers of an API. They are goals, not promises: a part of a page or of a list
of ids costs a call too.

    BigCommerce    pages of 250, one list of metafields for products, for variants and for orders; the groups and the
                   names of attributes before customers; a read for the shipments of each shipped order
    WooCommerce    pages of 100, each of which begins one row early; variations by 100 of their ids; the roles before
                   customers. Half of these show another role first, so each page of them is asked for by another role
                   too. An order brings its tracking along
"""

import base64
import hmac
import math
from collections.abc import Callable, Mapping

import msgspec
from attrs import frozen

from daemon.platforms.bigcommerce.schema import LARGEST_PAGE
from daemon.platforms.woocommerce.values import MOST_INCLUDED
from daemon.platforms.woocommerce.walk import OVERLAP
from daemon.sandbox.samples.synthetic import SHIPPED_EVERY

WEBHOOK_SECRET = "the-secret-header's-value"  # noqa: S105  it opens a daemon that lives for a minute on loopback
SIGNING_KEY = b"the-client-secret"

DESCRIPTION = "A product that nobody needs, described in one sentence of ordinary length. " * 30
"""Makes a body of WooCommerce as large as a recorded one, 2.6 KB."""


@frozen(kw_only=True)
class Size:
    """Sizes of a store, three variants a product on average."""

    products: int = 1_000
    customers: int = 2_000
    orders: int = 2_000

    @property
    def variations(self) -> int:
        """Number of variants that are no product of their own: of 1 to 5, a single one is none."""
        counts = (1 + number % 5 for number in range(1, self.products + 1))
        return sum(count for count in counts if count > 1)


@frozen(kw_only=True)
class BenchPlatform:
    """One platform. `nowhere` are the addresses and keys of a connection that never calls its store.

    `section` returns the table `[connections.<name>]` for a stand-in. `delivery` returns a signed request for a site
    (such as test/bench) about a product, at a time. `most_per_second` of them is more than can be sent, so that no id
    comes twice. `least` returns the fewest calls that a full sync of each kind takes. `quota` is the number of requests
    that a store allows in 30 s. `promised` are goal and floor of the durable webhooks per second, if there are any.
    """

    name: str
    nowhere: Mapping[str, str]
    section: Callable[[Mapping[str, str]], Mapping[str, str]]
    delivery: Callable[[str, int, bytes], bytes]
    most_per_second: int
    least: Callable[[Size], Mapping[str, int]]
    quota: int | None
    promised: tuple[str, str] = ("", "")


def _request(site: str, body: bytes, headers: Mapping[str, str | bytes]) -> bytes:
    head = [
        b"POST /webhooks/%b HTTP/1.1" % site.encode(),
        b"host: sync.example.com",
        b"accept: */*",
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        *(
            b"%b: %b" % (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in headers.items()
        ),
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def _of_bigcommerce(site: str, number: int, stamp: bytes) -> bytes:
    body = msgspec.json.encode(
        {
            "scope": "store/product/updated",
            "store_id": "1025646",
            "data": {"type": "product", "id": number},
            "hash": "a833a57f31b1ff6b5c2b4e8f1d8b2f2c0d9a8d3e",
            "created_at": int(stamp),
            "producer": "stores/bench",
        }
    )
    identity = b"msg_%d" % number
    signature = base64.b64encode(hmac.digest(SIGNING_KEY, b"%b.%b.%b" % (identity, stamp, body), "sha256"))
    headers: dict[str, str | bytes] = {
        "user-agent": "akka-http/10.0.10",
        "x-ignite-sync-secret": WEBHOOK_SECRET,
        "webhook-id": identity,
        "webhook-timestamp": stamp,
        "webhook-signature": b"v1," + signature,
    }
    return _request(site, body, headers)


def _of_woocommerce(site: str, number: int, stamp: bytes) -> bytes:
    product = {
        "id": number,
        "name": f"Product {number}",
        "slug": f"product-{number}",
        "date_modified_gmt": "2026-11-23T10:00:00",
        "type": "simple",
        "status": "publish",
        "description": DESCRIPTION,
        "sku": f"SKU-{number}",
        "regular_price": "19.99",
        "manage_stock": True,
        "stock_quantity": number % 100,
        "parent_id": 0,
        "variations": [],
        "meta_data": [{"id": number, "key": "_note", "value": "none"}],
    }
    body = msgspec.json.encode(product)
    headers: dict[str, str | bytes] = {
        "user-agent": "WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
        "x-wc-webhook-source": "https://shop.example.com/",
        "x-wc-webhook-topic": "product.updated",
        "x-wc-webhook-resource": "product",
        "x-wc-webhook-event": "updated",
        "x-wc-webhook-signature": base64.b64encode(hmac.digest(WEBHOOK_SECRET.encode(), body, "sha256")),
        "x-wc-webhook-id": "17",
        "x-wc-webhook-delivery-id": stamp,
    }
    return _request(site, body, headers)


def _bigcommerce_section(told: Mapping[str, str]) -> Mapping[str, str]:
    names = {"api_url": "url", "store_hash": "store_hash", "access_token": "access_token"}
    section = {name: told[source] for name, source in names.items()}
    return {**section, "client_secret": told["client_secret"], "webhook_secret": WEBHOOK_SECRET}


def _woocommerce_section(told: Mapping[str, str]) -> Mapping[str, str]:
    names = {"store_url": "url", "consumer_key": "consumer_key", "consumer_secret": "consumer_secret"}
    return {**{name: told[source] for name, source in names.items()}, "webhook_secret": WEBHOOK_SECRET}


def _least_of_bigcommerce(size: Size) -> Mapping[str, int]:
    facts, metafields, groups = 2, 2, 2
    return {
        "store": facts,
        "products": facts + metafields + math.ceil(size.products / LARGEST_PAGE),
        "customers": groups + math.ceil(size.customers / LARGEST_PAGE),
        "orders": 2 * math.ceil(size.orders / LARGEST_PAGE) + size.orders // SHIPPED_EVERY,
    }


def _least_of_woocommerce(size: Size) -> Mapping[str, int]:
    facts, roles = 4, 1
    return {
        "store": facts,
        "products": facts + _pages(size.products) + math.ceil(size.variations / MOST_INCLUDED),
        "customers": roles + 2 * _pages(size.customers),
        "orders": _pages(size.orders),
    }


def _pages(rows: int) -> int:
    """Return the pages of a walk in which each page but the first begins one row early."""
    return 1 + math.ceil(max(0, rows - MOST_INCLUDED) / (MOST_INCLUDED - OVERLAP))


BIGCOMMERCE = BenchPlatform(
    name="bigcommerce",
    nowhere={
        "url": "http://127.0.0.1:9",
        "store_hash": "bench",
        "access_token": "unused",
        "client_secret": SIGNING_KEY.decode(),
    },
    section=_bigcommerce_section,
    delivery=_of_bigcommerce,
    most_per_second=40_000,
    least=_least_of_bigcommerce,
    quota=150,
    promised=("15,000", "10,000"),
)
WOOCOMMERCE = BenchPlatform(
    name="woocommerce",
    nowhere={"url": "http://127.0.0.1:9", "consumer_key": "ck_unused", "consumer_secret": "cs_unused"},
    section=_woocommerce_section,
    delivery=_of_woocommerce,
    # Their bodies are ten times as large, and all of them are in memory before the load begins.
    most_per_second=20_000,
    least=_least_of_woocommerce,
    quota=None,
)

PLATFORMS: Mapping[str, BenchPlatform] = {platform.name: platform for platform in (BIGCOMMERCE, WOOCOMMERCE)}
