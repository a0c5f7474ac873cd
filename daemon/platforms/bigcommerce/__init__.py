"""BigCommerce: reads a store through its v3 and v2 management API and its webhooks.

    settings                          what a connection must say
    client, refusal                   calls, and an answer turned into a failure
    adapter                           the `Platform` the engine sees: leads each kind to its reader
    products/, customers/, orders/    a kind each: its reader, what the API tells (wire), and its mapping (pure)
    store                             the settings of the store as a whole
    metafields                        what is attached to products, variants and orders, kept in the adapter's state
    webhooks, hooks                   verify and read a delivery (pure), register the webhooks
    address                           whether webhooks are delivered to a public URL (pure)
    app, signed_payload               the single-click app: its pages, and who sent a merchant there
    wire, ids, dates, amounts         what is the same for every kind

Facts come from the store API's documentation; what had to be guessed is marked "inferred" where it is used.
"""

from operator import attrgetter

from daemon.model import Kind
from daemon.platforms.base import PlatformType, WebhookTimes
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.address import public_url_fault
from daemon.platforms.bigcommerce.app import APP
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import BigCommerceWebhooks

PLATFORM = PlatformType(
    name="bigcommerce",
    label="BigCommerce",
    settings=BigCommerceSettings,
    identity=attrgetter("store_hash"),
    connect=BigCommerce,
    reader=BigCommerceWebhooks,
    cached_kinds=frozenset({Kind.PRODUCTS, Kind.ORDERS}),
    app=APP,
    webhooks=WebhookTimes(active_after=70.0, retried_for=48 * 3600.0),
    public_url_fault=public_url_fault,
)
