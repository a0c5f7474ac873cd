"""BigCommerce: reads a store through its v3 and v2 management API and its webhooks.

    settings                          settings of a connection; check of the public URL for webhooks
    client, refusal                   API calls; failures from refused answers
    owned_rows                        rows of several owners in one list
    adapter                           the `Platform` that the engine sees, with one reader for each kind
    products/, customers/, orders/    one kind each: reader, schema of the API's answers, mapping (pure)
    store                             the store's own settings
    metafields                        metafields in the adapter's state; parents of the changed ones, for a sweep
    webhooks, hooks                   deliveries (pure); registration of webhooks
    app                               the single-click app and its signed calls
    lookup                            entities as people name them
    schema, ids                       shared by all kinds, as are the filters for a sweep

Facts come from the API's documentation; guesses are marked "inferred" where they are used.
"""

from operator import attrgetter
from typing import Any

from daemon.model import Kind
from daemon.platforms.base import Platform, PlatformType, WebhookTimes
from daemon.platforms.bigcommerce.app import APP
from daemon.platforms.bigcommerce.settings import BigCommerceSettings, public_url_fault, store_id
from daemon.platforms.bigcommerce.webhooks import BigCommerceWebhooks


def _connect(*given: Any) -> Platform:
    # A daemon without such a store needs none of its modules: 1.5 MB.
    from daemon.platforms.bigcommerce.adapter import BigCommerce  # noqa: PLC0415

    return BigCommerce(*given)


PLATFORM = PlatformType(
    name="bigcommerce",
    label="BigCommerce",
    settings=BigCommerceSettings,
    identity=attrgetter("store_hash"),
    store_id=store_id,
    connect=_connect,
    reader=BigCommerceWebhooks,
    cached_kinds=frozenset({Kind.PRODUCTS, Kind.ORDERS}),
    app=APP,
    webhooks=WebhookTimes(active_after=70.0, retried_for=48 * 3600.0),
    remedies={
        "credentials": "create a new API account, and put its token into the configuration",
        "scope_missing": "the scopes of an API account cannot be changed: create one that has all of them, read-only",
    },
    rights={
        Kind.STORE: "Information & settings",
        Kind.PRODUCTS: "Products, Store inventory, Store locations",
        Kind.CUSTOMERS: "Customers",
        Kind.ORDERS: "Orders",
    },
    public_url_fault=public_url_fault,
)
