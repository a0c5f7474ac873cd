"""WooCommerce: reads a shop on the merchant's own server through the REST API wc/v3 and its webhooks.

    settings                          settings of a connection; the one spelling of the shop's address (pure)
    client, refusal                   API calls; failures from refused answers, and names of foreign ones (pure)
    walk, reader                      lists by offset, each row once; what the readers of all kinds do alike
    adapter                           the `Platform` that the engine sees, with one reader for each kind
    products/, customers/, orders/    one kind each: reader, schema of the API's answers, mapping (pure)
    store                             the shop's own settings
    webhooks, hooks                   deliveries (pure); registration of webhooks
    app                               keys: typed by the merchant, or made by the shop
    lookup                            entities as people name them
    values                            ids, amounts, addresses and meta fields

Facts were measured on WooCommerce 11.0.1; guesses are marked "inferred" where they are used.
"""

from operator import attrgetter
from typing import Any

from daemon.model import Kind
from daemon.platforms.base import Platform, PlatformType, WebhookTimes
from daemon.platforms.woocommerce.app import APP, TYPED_KEYS
from daemon.platforms.woocommerce.refusal import NAMED_REMEDIES
from daemon.platforms.woocommerce.settings import WooCommerceSettings, delivery_fault, store_id
from daemon.platforms.woocommerce.webhooks import WooCommerceWebhooks


def _connect(*given: Any) -> Platform:
    # A daemon without such a store needs none of its modules: 1.5 MB.
    from daemon.platforms.woocommerce.adapter import WooCommerce  # noqa: PLC0415

    return WooCommerce(*given)


PLATFORM = PlatformType(
    name="woocommerce",
    label="WooCommerce",
    settings=WooCommerceSettings,
    identity=attrgetter("store_url"),
    store_id=store_id,
    connect=_connect,
    reader=WooCommerceWebhooks,
    cached_kinds=frozenset({Kind.CUSTOMERS}),
    app=APP,
    typed_keys=TYPED_KEYS,
    # A delivery waits for WP-Cron, which runs every minute where there are visits (woocommerce.md, Webhooks 16).
    # While a delivery waits, further edits of its entity make no second one, so little is left to wait for.
    webhooks=WebhookTimes(
        active_after=0.0, retried_for=0.0, delivered_within=120.0, longest_debounce=0.5, needs_care=True
    ),
    # The settings of a shop are told by no webhook.
    webhook_kinds=frozenset({Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS}),
    census_kinds=frozenset({Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS}),
    # The body is the whole entity: 1.5 MB were seen of a product with the data of a page builder.
    max_delivery_bytes=8 * 1024 * 1024,
    remedies=dict.fromkeys(NAMED_REMEDIES, "then check again"),
    public_url_fault=lambda store, public_url: delivery_fault(store.store_url, public_url),
)
