"""Reads the store's settings: currency, unit of weight, tax in prices, number of stock locations."""

from functools import partial

from daemon.entities import StoreFacts
from daemon.errors import Blocked, Missing, Retry
from daemon.model import Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.shared.adapter import OneStore
from daemon.platforms.shared.client import SCOPE_MISSING
from daemon.platforms.shared.rows import UNEXPECTED, Shape, readable
from daemon.platforms.shared.short_answers import ShortAnswers
from daemon.transport.http import shortly

_STORE = Shape(schema.Store)
_PANEL = "control_panel_base_url"
"""A field used only for links."""


class StoreReader(OneStore):
    """One store as a whole."""

    label = "BigCommerce"

    def __init__(self, client: Client, store_hash: str) -> None:
        self._client = client
        self._hash = store_hash
        self._short_answers = ShortAnswers()
        self._locations: int | None = None

    async def facts(self) -> StoreFacts:
        """Read the store's facts."""
        raw = await shortly(partial(self._client.get, "/v2/store", schema.RAW, lane=Lane.LIVE))
        rows = _STORE.rows([raw], "store")
        odd = [*rows.missing, *(path for path in rows.odd if not path.endswith(_PANEL))]
        if odd or not rows.found[0].currency:
            why = ", ".join(odd) or "no currency"
            raise Retry(f"BigCommerce's answer about the store is unexpected: {why}", reason=UNEXPECTED)
        store = rows.found[0]
        self._locations = await self._count_locations()
        panel = store.control_panel_base_url or f"https://store-{self._hash}.mybigcommerce.com"
        return StoreFacts(
            currency=store.currency,
            weight_unit=store.weight_units,
            url=panel.rstrip("/"),
            locations=self._locations,
            tax_inclusive=store.is_price_entered_with_tax,
        )

    async def locations(self) -> int:
        """Return the number of enabled stock locations, cached once read."""
        if self._locations is None:
            self._locations = await self._count_locations()
        return self._locations

    async def _count_locations(self) -> int:
        """Count the enabled stock locations; a store that does not show them counts as having one.

        Raises Retry for an empty list until `ShortAnswers` believes it: every store has a location.
        """
        path = "/v3/inventory/locations"
        try:
            places = await self._client.every(path, schema.RAW_LISTING, lane=Lane.LIVE, limit=schema.LARGEST_PAGE)
        except Missing:
            return 1
        except Blocked as refused:
            if refused.reason != SCOPE_MISSING:
                raise
            return 1
        doubt = self._short_answers.about(0, "stock locations", 1, len(places))
        if doubt is not None:
            raise Retry("BigCommerce lists no stock location, but every store has one", reason=doubt.reason)
        # An unreadable one counts as enabled: counting one too many only costs calls.
        disabled = sum(place.get("enabled") is False for place in readable(places, schema.ANYTHING))
        return max(1, len(places) - disabled)
