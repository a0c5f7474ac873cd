"""Reads the store's settings: currency, unit of weight, how prices are entered, how many stock locations there are."""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
from msgspec import Raw

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Blocked, Missing, Retry
from daemon.issues import IssueType
from daemon.model import ExternalId, Lane
from daemon.platforms.base import STORE, Entity, Page
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.odd import Shape
from daemon.platforms.bigcommerce.products.mapping import GRAMS_IN
from daemon.platforms.bigcommerce.refusal import SCOPE_MISSING
from daemon.platforms.bigcommerce.short_answers import ShortAnswers
from daemon.transport.http import shortly

LIMIT = 250
_STORE = Shape(schema.Store)
_PANEL = "control_panel_base_url"
"""A field that only links need."""


class StoreReader:
    """One store as a whole."""

    batch = 1

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
            told = ", ".join(odd) or "no currency"
            raise Retry(
                f"BigCommerce's answer about the store is not what was agreed: {told}", reason=schema.UNEXPECTED
            )
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
        """Return how many enabled stock locations there are, as far as it was read already."""
        if self._locations is None:
            self._locations = await self._count_locations()
        return self._locations

    async def entity(self) -> Entity:
        """Read the one entity of the kind `store`."""
        return Entity(STORE, await self.facts())

    async def page(self, _cursor: str | None) -> Page:
        """Read it as the only page of an enumeration."""
        return Page(entities=[await self.entity()], cursor=None)

    async def changed_since(self, _since: float, cursor: str | None) -> Page:
        """Read it, changed or not: when it was changed is not told."""
        return await self.page(cursor)

    async def read(self, ids: Sequence[ExternalId], _lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read it by its id."""
        return {STORE: await self.entity()} if STORE in ids else {}

    async def read_one(self, external_id: ExternalId, _lane: Lane) -> Entity | None:
        """Read it; there is no other one."""
        return await self.entity() if external_id == STORE else None

    def map(self, entity: Entity, _facts: StoreFacts) -> Mapped[StoreFacts]:
        """Map it: the facts are what they are."""
        facts: StoreFacts = entity.content
        trouble = IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform="BigCommerce", unit=facts.weight_unit)
        known = facts.weight_unit.strip().lower() in GRAMS_IN
        return Mapped(value=facts, issues=() if known else (trouble,), name="Store settings", url=facts.url)

    async def _count_locations(self) -> int:
        """Count the enabled stock locations; a store that does not let us see them is taken to have one.

        Raises Retry for a list that has none at all, which is not believed at first: each store has one.
        """
        path = "/v3/inventory/locations"
        try:
            places = await self._client.every(path, schema.RAW_LISTING, lane=Lane.LIVE, limit=LIMIT)
        except Missing:
            return 1
        except Blocked as refused:
            if refused.reason != SCOPE_MISSING:
                raise
            return 1
        doubt = self._short_answers.about(0, "stock locations", 1, len(places))
        if doubt is not None:
            raise Retry("BigCommerce lists no stock location, and each store has one", reason=doubt.reason)
        return max(1, sum(map(_is_enabled, places)))


def _is_enabled(place: Raw) -> bool:
    """Whether a stock location sells: any that does not say clearly that it does not, since more are read then."""
    try:
        return schema.decode(place, schema.ANYTHING).get("enabled") is not False
    except msgspec.DecodeError:
        return True
