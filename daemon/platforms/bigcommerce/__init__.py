"""BigCommerce: reads a store through its v3 and v2 management API and its webhooks.

    settings   what a connection must say           wire      the fields we use, as the API sends them
    client     calls, refusals, offset lists        mapping   a product as SparkLayer shall hold it (pure)
    refusal    an answer turned into a failure      problems  what a merchant can be asked to mend
    adapter    the `Platform` the engine sees       webhooks  verify and read a delivery (pure)
    page_size  how many products to ask for         hooks     register the webhooks

Only products are synced so far. Facts come from the store API's documentation; what had to be guessed is
marked "inferred" where it is used.
"""

from operator import attrgetter

from daemon.platforms.base import PlatformType
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import BigCommerceWebhooks

PLATFORM = PlatformType(
    name="bigcommerce",
    label="BigCommerce",
    settings=BigCommerceSettings,
    identity=attrgetter("store_hash"),
    connect=BigCommerce,
    reader=BigCommerceWebhooks,
)
