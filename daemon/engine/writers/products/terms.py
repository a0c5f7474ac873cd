"""The terms of a SparkLayer site: the default price list and the stock location that products need.

Both are found, or made when missing. The price list is named after the platform and kept in the store's currency
(SparkLayer relabels its prices, it does not convert them), shown with tax where the store's prices have it. The stock
location is the first of: the one that the settings name by id or external id, the one where stock went until now, the
site's only one, one of our own.
"""

from collections.abc import Sequence
from functools import partial

import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.writers.products.diff import Terms
from daemon.entities import StoreFacts
from daemon.errors import Blocked, Rejected, Side
from daemon.model import Kind
from daemon.sparklayer.pricing import PriceList
from daemon.sparklayer.stock import StockLocation
from daemon.storage import ledger
from daemon.storage.full_syncs import Start, start
from daemon.storage.resync import Settle, StockPlace, place_of, settle_at
from daemon.storage.states import RunMode
from daemon.transport.second_answer import confirmed


class SiteTerms:
    """The terms of one connection's site, found at first need and kept until the store's facts make them wrong."""

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._terms: Terms | None = None
        self._valid_for: tuple[str, bool] | None = None
        """The currency and the way of entering prices that the price list was set to."""
        self._preparing = trio.Lock()

    async def get(self) -> Terms:
        """Return the terms, making what is missing. Raises the failures of either side."""
        facts = await self._context.facts()
        # Both lanes, the store and pulls may ask at the same time; what is missing must be made once.
        async with self._preparing:
            if self._terms is None or self._valid_for != (facts.currency, facts.tax_inclusive):
                self._terms = await self._prepare(facts)
                self._valid_for = facts.currency, facts.tax_inclusive
            return self._terms

    def forget(self) -> None:
        """Have the terms looked up again: SparkLayer no longer knows one of them, or everything is refreshed."""
        self._terms = None

    async def _prepare(self, facts: StoreFacts) -> Terms:
        context, wanted = self._context, self._context.options.stock_location
        before = await context.storage.read(place_of, context.connection.id)
        try:
            price_list = await self._price_list(facts, prepared=before is not None)
            location = await self._stock_location(wanted, before.location if before else None)
        except Rejected as error:
            # A site that refuses its own set-up is no entity's trouble: nothing could be written.
            raise Blocked(str(error), reason="site_refuses_set_up", side=Side.SPARKLAYER) from error
        # Stock that the ledger believes to be written is at the former location: products are written again.
        place = StockPlace(location, wanted)
        settled = Settle(connection_id=context.connection.id, place=place, now=context.now())
        if place != before and await context.storage.write(settle_at, settled):
            context.kind_states[Kind.PRODUCTS].run_started()
        return Terms(stock_location=location, price_list=price_list)

    async def _price_list(self, facts: StoreFacts, *, prepared: bool) -> str:
        """Find the price list, or make it. On a site that was prepared before, two answers say that it is gone."""
        pricing, (name, slug) = self._context.sparklayer.pricing, self._context.platform_type.price_list
        present = await confirmed(partial(pricing.get_list, slug), lambda found: found is not None or not prepared)
        if present is None:
            # Before the list is made: after a crash in between, it would be found, and be empty.
            # Every product is written again: a new price list is empty, and the ledger does not know that.
            context = self._context
            if await context.storage.read(ledger.size, context.connection.id, Kind.PRODUCTS):
                refresh = Start(
                    connection_id=context.connection.id,
                    kind=Kind.PRODUCTS,
                    mode=RunMode.REFRESH,
                    now=context.now(),
                    internal=True,
                )
                await context.storage.write(start, refresh)
                context.kind_states[Kind.PRODUCTS].run_started()
            new = PriceList(slug=slug, name=name, currency_code=facts.currency, source="integration")
            try:
                await pricing.create_list(new)
                present = new
            except Rejected:
                # A slug that is taken is refused with a 400 without documented words: look again.
                present = await pricing.get_list(slug)
                if present is None:
                    raise
        # Only changing a list is documented to set the display of tax, so a new one is changed too.
        changes: dict[str, object] = {}
        if present.currency_code != facts.currency:
            changes["currency_code"] = facts.currency
        if bool(present.tax_inclusive_display) != facts.tax_inclusive:
            changes["tax_inclusive_display"] = facts.tax_inclusive
        if changes:
            await pricing.update_list(slug, changes)
        return slug

    async def _stock_location(self, wanted: str | None, until_now: str | None) -> str:
        """Return the id of the stock location. `wanted` is the one that the settings name, by either id.

        One list without the location used until now proves nothing, nor does one empty list of a site that seems new:
        a second list decides. Raises Retry when two differ, and Blocked for a `wanted` one that does not exist.
        """

        def is_plausible(listed: Sequence[StockLocation]) -> bool:
            return bool(listed) if until_now is None else until_now in {location.id for location in listed}

        locations = await confirmed(self._context.sparklayer.stock.locations, is_plausible)
        if wanted is not None:
            named = [location.id for location in locations if wanted in (location.id, location.external_id)]
            if not named:
                words = f"stock_location {wanted!r} is not a location of the site; correct it in the configuration"
                raise Blocked(words, reason="stock_location_unknown", side=Side.SPARKLAYER)
            return named[0]
        # A location that the merchant adds later must not draw the stock away.
        if until_now in {location.id for location in locations}:
            return until_now
        if len(locations) == 1:
            return locations[0].id
        if (ours := self._ours(locations)) is None:
            stock, platform = self._context.sparklayer.stock, self._context.platform_type
            try:
                ours = await stock.create_location(name=platform.label, external_id=platform.name)
            except Rejected:
                # Its external id may be taken (409): look again.
                ours = self._ours(await stock.locations())
                if ours is None:
                    raise
        return ours.id

    def _ours(self, locations: Sequence[StockLocation]) -> StockLocation | None:
        name = self._context.platform_type.name
        return next((location for location in locations if location.external_id == name), None)
