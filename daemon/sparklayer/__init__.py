"""SparkLayer's API for one site: one part per API, all behind one throttle and one token.

    sparklayer = connect(base_url=..., site=..., api_key=..., integration="bigcommerce")
    await sparklayer.products.update(write, Lane.LIVE)

Every method may raise the failures of `daemon.errors`: Retry, Rejected (Missing, Duplicate) and Blocked.

| file | contents |
|---|---|
| client, token | a call of an operation; the access token |
| operation | the operations, with the shape of their answers and the meaning of their refusals |
| failures, empty_refusals | answers of proxies, and refusals as failures; refusals without a body |
| products, stock, pricing, customers, purchases, packages, settings, sync_log | one API each, and an order's packages |
| `inferred` | the assumptions that no documentation confirms |
| dry_run | the same client, with writes noted instead of sent |
"""

from daemon.errors import Failure, KeyRefused, Missing, Side
from daemon.model import ApiKey, Lane, Site
from daemon.sparklayer.client import Client, Known, nothing_known
from daemon.sparklayer.customers import Customers, CustomerWrite
from daemon.sparklayer.dry_run import DryClient, DryWrites
from daemon.sparklayer.inferred import RESOLVED_FIELD
from daemon.sparklayer.operation import Operation, one_with
from daemon.sparklayer.pricing import PriceList, Pricing, SkuPrice
from daemon.sparklayer.products import Products, ProductWrite
from daemon.sparklayer.purchases import Purchases
from daemon.sparklayer.settings import SiteSettings
from daemon.sparklayer.stock import Stock, StockLocation, StockRow
from daemon.sparklayer.sync_log import SyncError, SyncLog
from daemon.sparklayer.token import Tokens
from daemon.transport.client import Observe, ThrottledApi, ignore
from daemon.transport.http import Api, Transport
from daemon.transport.throttle import AdaptivePolicy, Limiter

__all__ = [
    "CustomerWrite",
    "Customers",
    "DryWrites",
    "PriceList",
    "Pricing",
    "ProductWrite",
    "Products",
    "Purchases",
    "SiteSettings",
    "SkuPrice",
    "SparkLayer",
    "Stock",
    "StockLocation",
    "StockRow",
    "SyncError",
    "SyncLog",
    "connect",
]

API = "sparklayer"
PROBE = Operation(name="getStoreCurrency", method="GET", answers=one_with("currency_code"))
PROBE_PATH = "/api/v1/store-currency"


class SparkLayer:
    """One site. `limiter` is the throttle of its API, shown in /metrics and /admin/status."""

    def __init__(self, client: Client, sync_log: SyncLog, tokens: Tokens, throttled_api: ThrottledApi) -> None:
        self.limiter = throttled_api.limiter
        self.products = Products(client)
        self.stock = Stock(client)
        self.pricing = Pricing(client)
        self.customers = Customers(client)
        self.purchases = Purchases(client)
        self.settings = SiteSettings(client)
        self.sync_log = sync_log
        self.expect = client.expect
        self._client = client
        self._tokens = tokens
        self._throttled_api = throttled_api

    async def probe(self) -> None:
        """Make the cheapest call that shows if credentials and service work. Raises the call's failure."""
        try:
            await self._client.call(PROBE, PROBE_PATH, Lane.LIVE)
        except Missing:
            return  # No currency is set yet, but SparkLayer accepted the credentials.

    async def knows_key(self) -> bool | None:
        """Return True or False as SparkLayer accepts or refuses the key; None if SparkLayer itself gave no answer."""
        try:
            await self._tokens.current(Lane.LIVE)
        except KeyRefused:
            return False
        except Failure:
            return None
        return True

    def dry_run(self) -> tuple["SparkLayer", DryWrites]:
        """Return the same site for a dry run, and the writes that it will note there instead of sending them."""
        client = DryClient(self._client)
        sync_log = SyncLog(client, integration="", resolved_field=RESOLVED_FIELD)
        return SparkLayer(client, sync_log, self._tokens, self._throttled_api), client.writes

    async def aclose(self) -> None:
        """Close the connections."""
        await self._throttled_api.aclose()


def connect(
    *,
    base_url: str,
    site: Site,
    api_key: ApiKey,
    integration: str,
    resolved_field: str = RESOLVED_FIELD,
    transport: Transport | None = None,
    observe: Observe = ignore,
    known: Known = nothing_known,
) -> SparkLayer:
    """Build the client of one site; send nothing yet. `observe` is called for each request that was sent.

    `known` finds an id that the site should have, for the control question after a 404 without a body.
    """
    limiter = Limiter(api=API, side=Side.SPARKLAYER, policy=AdaptivePolicy())
    throttled_api = ThrottledApi(
        API, Api(base_url, headers={"Site-Id": site.id}, transport=transport), limiter, observe
    )
    tokens = Tokens(throttled_api, api_key)
    client = Client(throttled_api, tokens, known)
    sync_log = SyncLog(client, integration=integration, resolved_field=resolved_field)
    return SparkLayer(client, sync_log, tokens, throttled_api)
