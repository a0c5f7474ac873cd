"""What a SparkLayer site needs before products can be pushed: a default price list and a stock location.

Both are found, or made when missing. The price list is named after the platform and kept in the store's currency
(SparkLayer relabels its prices, it does not convert them), shown with tax where the store's prices have it. The stock
location is the one that the settings name by id or external id, else the one where stock went until now, else the
site's only one, else one of our own.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attrs import frozen

from daemon.engine.writers.products.entry import Terms
from daemon.entities import StoreFacts
from daemon.errors import Blocked, Rejected, Side
from daemon.platforms.base import PlatformType
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.pricing import PriceList
from daemon.sparklayer.stock import StockLocation
from daemon.transport.second_answer import confirmed


@frozen
class Wanted:
    """The stock location that the settings name, by either id, and the id of the one where stock went until now."""

    named: str | None = None
    until_now: str | None = None


async def prepare_site(
    sparklayer: SparkLayer,
    platform: PlatformType,
    facts: StoreFacts,
    stock: Wanted,
    lost: Callable[[], Awaitable[None]],
) -> Terms:
    """Return the terms of a site, making what is missing. Raises the failures of SparkLayer.

    `lost` is awaited before a price list is made: it will be empty, whatever the ledger says.
    """
    return Terms(
        price_list=await _price_list(sparklayer, platform, facts, lost, prepared=stock.until_now is not None),
        stock_location=await _stock_location(sparklayer, platform, stock),
    )


async def _price_list(
    sparklayer: SparkLayer,
    platform: PlatformType,
    facts: StoreFacts,
    lost: Callable[[], Awaitable[None]],
    *,
    prepared: bool,
) -> str:
    """Find the price list, or make it. On a site that was prepared before, two answers say that it is gone."""
    name, slug = platform.price_list
    present = await confirmed(
        partial(sparklayer.pricing.get_list, slug), lambda found: found is not None or not prepared
    )
    if present is None:
        await lost()
        present = await _new_price_list(
            sparklayer, PriceList(slug=slug, name=name, currency_code=facts.currency, source="integration")
        )
    changes: dict[str, object] = {}
    if present.currency_code != facts.currency:
        changes["currency_code"] = facts.currency
    if bool(present.tax_inclusive_display) != facts.tax_inclusive:
        changes["tax_inclusive_display"] = facts.tax_inclusive
    if changes:
        await sparklayer.pricing.update_list(slug, changes)
    return slug


async def _new_price_list(sparklayer: SparkLayer, new: PriceList) -> PriceList:
    """Create a price list. The refusal of a slug that is taken is a 400 without documented words: so look again."""
    try:
        await sparklayer.pricing.create_list(new)
    except Rejected:
        present = await sparklayer.pricing.get_list(new.slug)
        if present is None:
            raise
        return present
    return new


async def _stock_location(sparklayer: SparkLayer, platform: PlatformType, wanted: Wanted) -> str:
    locations = await _locations(sparklayer, wanted.until_now)
    if wanted.named is not None:
        return _named(locations, wanted.named)
    if wanted.until_now in {location.id for location in locations}:
        return wanted.until_now
    if len(locations) == 1:
        return locations[0].id
    ours = _ours(locations, platform) or await _new_location(sparklayer, platform)
    return ours.id


async def _locations(sparklayer: SparkLayer, until_now: str | None) -> list[StockLocation]:
    """List the site's stock locations. One list without the location used until now proves nothing: a second decides.

    So does one empty list of a site that was never prepared: it may be prepared anew. Raises Retry when two differ.
    """

    def tells(locations: Sequence[StockLocation]) -> bool:
        return bool(locations) if until_now is None else until_now in {location.id for location in locations}

    return await confirmed(sparklayer.stock.locations, tells)


def _ours(locations: Sequence[StockLocation], platform: PlatformType) -> StockLocation | None:
    return next((location for location in locations if location.external_id == platform.name), None)


async def _new_location(sparklayer: SparkLayer, platform: PlatformType) -> StockLocation:
    """Create our stock location; a refusal may mean that its external id is taken (409), so look again."""
    try:
        return await sparklayer.stock.create_location(name=platform.label, external_id=platform.name)
    except Rejected:
        present = _ours(await sparklayer.stock.locations(), platform)
        if present is None:
            raise
        return present


def _named(locations: Sequence[StockLocation], wanted: str) -> str:
    for location in locations:
        if wanted in (location.id, location.external_id):
            return location.id
    raise Blocked(
        f"stock_location {wanted!r} is not a location of the site; correct it in the configuration",
        reason="stock_location_unknown",
        side=Side.SPARKLAYER,
    )
