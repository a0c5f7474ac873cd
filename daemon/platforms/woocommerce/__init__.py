"""WooCommerce: reads a shop on the merchant's own server through the REST API wc/v3 and its webhooks.

    settings, address                 settings of a connection; the one spelling of the shop's address (pure)
    client, refusal, foreign          API calls; failures from refused answers; names of foreign ones (pure)
    walk, included, since             lists by offset, each row once; lists by ids; the start of a sweep
    adapter                           the `Platform` that the engine sees, with one reader for each kind
    products/, customers/, orders/    one kind each: reader, schema of the API's answers, mapping (pure)
    store                             the shop's own settings
    webhooks, hooks                   deliveries (pure); registration of webhooks
    lookup                            entities as people name them
    ids, amounts, meta                shared by all kinds

Facts were measured on WooCommerce 11.0.1; guesses are marked "inferred" where they are used.
"""

from operator import attrgetter

from daemon.model import Kind
from daemon.platforms.base import MIB, PlatformType, WebhookTimes
from daemon.platforms.woocommerce.adapter import WooCommerce
from daemon.platforms.woocommerce.address import public_url_fault, store_id
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.webhooks import WooCommerceWebhooks

PLATFORM = PlatformType(
    name="woocommerce",
    label="WooCommerce",
    settings=WooCommerceSettings,
    identity=attrgetter("store_url"),
    store_id=store_id,
    connect=WooCommerce,
    reader=WooCommerceWebhooks,
    cached_kinds=frozenset({Kind.CUSTOMERS}),
    # A delivery waits for WP-Cron, which runs every minute where there are visits (woocommerce.md, Webhooks 16).
    webhooks=WebhookTimes(active_after=0.0, retried_for=0.0, delivered_within=120.0, needs_care=True),
    census_kinds=frozenset({Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS}),
    # The body is the whole entity: 1.5 MB were seen of a product with the data of a page builder.
    max_delivery_bytes=8 * MIB,
    remedies={
        "credentials": "create a key under WooCommerce > Settings > Advanced > REST API, with Read/Write permissions",
        "scope_missing": "give the key Read/Write permissions, and its user the role Administrator or Shop manager",
        "api_missing": "activate WooCommerce in the shop, version 9 or newer",
        "api_restricted": "allow requests with WooCommerce's keys in the plugin that restricts the REST API",
        "foreign_401": "take the password off /wp-json in the shop's web server",
        "no_rest_api": "choose permalinks other than Plain under Settings > Permalinks, and keep the REST API on",
        "redirect": "set store_url to the address to which the shop redirects",
        "challenge_page": "allow Ignite Sync's requests in the shop's firewall",
        "login_page": "take the login off /wp-json, in the plugin or the web server that asks for it",
    },
    public_url_fault=public_url_fault,
)
