"""A small store that trades: products, B2B customers and orders, with ids and SKUs that are small and known.

    store = trade_store()       # customers BRANCH (a sub-account), HEAD (its parent), SHOP; BUYER is a retail customer
    writes(h)                   # what SparkLayer was told so far, by route; sync-log and tokens aside
    asked(h, "GET /v3/orders*") # how often the store was asked for something
    problems(h, "customers")    # what stands in the sync-log of a kind, by external id

SparkLayer knows the cart of order `FIRST` from its storefront, as it does in life; see `place`.
"""

import uuid
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.customer_book import NO_GROUP
from daemon.sandbox.company import WHOLESALE
from tests.e2e.harness import ProcessHarness, small_store

BRANCH, HEAD, SHOP, BUYER = 1, 2, 3, 4
PARENT = "sparklayer_parent_customer_id"
FIRST = 101
"""The number of a store's first order."""

LINES: list[dict[str, Any]] = [{"sku": "J-S", "quantity": 5}, {"sku": "MUG", "quantity": 3, "discount": "1.01"}]

HOME: dict[str, Any] = {"address1": "1 High Street", "city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}


def trade_store() -> Store:
    """Return the small store with customers, one of them known to be another's sub-account before that is there."""
    store = small_store()
    book = store.customers
    for name, group, addresses in (("branch", WHOLESALE, 1), ("head", WHOLESALE, 2), ("shop", WHOLESALE, 0)):
        homes = [HOME | {"address2": f"Pause {number}"} for number in range(addresses)]
        book.add(f"{name}@example.com", group_id=group, company=f"The {name}", addresses=homes)
    book.add("buyer@example.com", group_id=NO_GROUP, first_name="Bea", addresses=[HOME])
    book.set_attribute(BRANCH, PARENT, str(HEAD))
    store.orders.place(HEAD, [{"sku": "J-S", "quantity": 2}, {"sku": "MUG"}], cart_id=cart(FIRST), tax_rate="0.2")
    return store


def cart(number: int) -> str:
    """Return the cart that an order was placed from."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"cart {number}"))


def writes(h: ProcessHarness) -> Counter[str]:
    """Return how often SparkLayer was told something, by route. To fetch in bulk is a POST."""
    calls = h.site.statistics.calls.items()
    passing = ("GET *", "* /api/auth/*", "*/sync-log*", "*/batch-fetch-*")
    return Counter({route: count for route, count in calls if not any(fnmatchcase(route, one) for one in passing)})


def asked(h: ProcessHarness, pattern: str = "GET *") -> int:
    """Return how often the store was asked for what `pattern`, a glob on method and route, means."""
    return sum(count for route, count in h.shop.statistics.calls.items() if fnmatchcase(route, pattern))


def problems(h: ProcessHarness, kind: str) -> dict[str, Any]:
    """Return what stands in the sync-log of a kind, by external id."""
    log = h.state.sync_log.logs.get(("bigcommerce", kind))
    return dict(log.errors) if log else {}


def waiting(h: ProcessHarness, number: int) -> dict[str, Any]:
    """Place an order in SparkLayer's storefront, and return what only SparkLayer knows of it."""
    h.state.purchases.place(cart(number), customer="cu_3", reference=f"PO-{number}")
    held: dict[str, Any] = h.state.comparable()["purchases"][cart(number)]
    own = ("customer_identifiers", "payment_method", "customer_reference", "custom_fields", "metadata")
    return {name: held[name] for name in own}
