"""Sweeps of shops in other time zones, over changes of the clock: no change is missed, and few come twice."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio

from daemon.model import Kind, Secret
from daemon.platforms.woocommerce.adapter import WooCommerce as Adapter
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.sandbox import Shop, WooCommerce, WooCommerceOptions
from daemon.sandbox.transport import InProcess, Seen
from tests.platforms.woocommerce.edits import cart
from tests.platforms.woocommerce.whole import SHOP_URL

MARGIN = 2.0
"""Seconds that a sweep begins early, because WooCommerce leaves out the second that it is asked for."""
STEP, AROUND = 1800, 2 * 3600
"""Seconds between two edits, and before and after a change of the clock."""
NEW_YORK, SYDNEY = "America/New_York", "Australia/Sydney"
CHANGES = {
    "New York, to summer time": datetime(2026, 3, 8, 7, tzinfo=UTC),
    "New York, to winter time": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "Sydney, to winter time": datetime(2026, 4, 4, 16, tzinfo=UTC),
}


@asynccontextmanager
async def adapter_of(shop: Shop, seen: Seen = lambda _request, _response: None) -> AsyncIterator[Adapter]:
    """Connect an adapter to a shop, in process; `seen` is told of each call."""
    async with trio.open_nursery() as nursery:
        woocommerce = WooCommerce(shop, WooCommerceOptions(), SHOP_URL, nursery)
        key = woocommerce.key
        settings = WooCommerceSettings(
            store_url=SHOP_URL, consumer_key=Secret(key.consumer_key), consumer_secret=Secret(key.consumer_secret)
        )
        yield Adapter(settings, InProcess(woocommerce, seen))
        nursery.cancel_scope.cancel()


async def found_since(adapter: Adapter, kind: Kind, since: float) -> list[int]:
    """Return what a sweep finds."""
    found: list[int] = []
    cursor: str | None = None
    while True:
        page = await adapter.changed_since(kind, since, cursor)
        found += [int(entity.external_id) for entity in page.entities]
        cursor = page.cursor
        if cursor is None:
            return found


def _moments(change: datetime) -> Iterator[float]:
    middle = int(change.timestamp())
    yield from map(float, range(middle - AROUND, middle + AROUND + 1, STEP))


@pytest.mark.parametrize("hpos", [True, False], ids=["HPOS", "posts"])
@pytest.mark.parametrize("moves", [False, True], ids=["stays", "moved to Sydney"])
@pytest.mark.parametrize("change", CHANGES)
async def test_no_change_is_missed_and_none_comes_that_is_older(change: str, *, moves: bool, hpos: bool) -> None:
    """One product and one completed order are edited every half hour; a sweep begins at each of these moments."""
    shop = Shop(hpos=hpos)
    shop.set_zone(SYDNEY if change.startswith("Sydney") else NEW_YORK)
    products: dict[int, float] = {}
    orders: dict[int, float] = {}
    for moment in _moments(CHANGES[change]):
        if moves and moment == CHANGES[change].timestamp():
            shop.set_zone(SYDNEY)
        with shop.at(moment):
            product = shop.add_product(f"At {moment:.0f}", sku=f"S{moment:.0f}", price="1", silent=True)
            lines = [{"product_id": product}]
            order = shop.orders.place(0, lines, cart_id=cart(str(moment)), status="completed", silent=True)
            products[product], orders[order] = moment, moment
    async with adapter_of(shop) as adapter:
        for since in _moments(CHANGES[change]):
            for kind, dated in ((Kind.PRODUCTS, products), (Kind.ORDERS, orders)):
                for after in (0.0, 1.0, 3.0):
                    found = await found_since(adapter, kind, since + after)
                    due = {id_ for id_, moment in dated.items() if moment >= since + after}
                    allowed = {id_ for id_, moment in dated.items() if moment >= since + after - MARGIN}
                    assert due <= set(found) <= allowed
