"""`GET /v2/store` and `/v2/time`: bare objects, as v2 answers (section 8)."""

from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import route

STORE_ID = "1025646"
"""The number that webhooks carry; the hash names the store everywhere else."""


class Information:
    """Facts that a store publishes about itself."""

    def __init__(self, store: Store, store_hash: str) -> None:
        self._store = store
        self._hash = store_hash

    @route("GET", "/v2/store")
    def store(self, _request: Request) -> Response:
        """Answer the store's settings."""
        domain = f"store-{self._hash}.example"
        return json(
            {
                "id": self._hash,
                "account_uuid": "00000000-0000-4000-8000-000000000000",
                "store_id": int(STORE_ID),
                "domain": domain,
                "secure_url": f"https://{domain}",
                "control_panel_base_url": f"https://{domain}",
                "status": "live",
                "name": self._store.name,
                "timezone": {"name": "UTC", "raw_offset": 0, "dst_offset": 0},
                "language": "en",
                "currency": self._store.currency,
                "currency_symbol": "$",
                "decimal_places": 2,
                "weight_units": self._store.weight_unit,
                "dimension_units": "Inches",
                "plan_name": "Sandbox",
                "plan_level": "pro",
                "is_price_entered_with_tax": self._store.tax_inclusive,
                "default_channel_id": 1,
                "features": {"stencil_enabled": True},
            }
        )

    @route("GET", "/v2/time")
    def _time(self, _request: Request) -> Response:
        """Answer the time, the cheapest call that needs the token."""
        return json({"time": int(self._store.clock())})
