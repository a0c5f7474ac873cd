"""An empty list without WooCommerce's count of all rows may be a cache's or a gateway's, so more than one is needed."""

from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Retry
from daemon.model import Kind
from tests.each import each
from tests.platforms.woocommerce.shop import FakeShop

ODD_LISTS: tuple[list[Any], ...] = ([], [{"name": "without an id"}])


@pytest.mark.holds("A4")
@each("rows", [*ODD_LISTS])
@each("kind", [Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS])
async def test_an_empty_list_without_a_total_is_asked_for_again(
    autojump_clock: MockClock, kind: Kind, rows: list[Any]
) -> None:
    shop = FakeShop()
    await shop.adapter.ids(kind, None)
    path = f"/{kind.value}"
    for _ in range(2):
        shop.broken[path] = httpx.Response(200, json=rows)
        for _ in range(2):
            with pytest.raises(Retry, match="no total"):
                await shop.adapter.ids(kind, None)
        shop.broken[path] = httpx.Response(200, json=[], headers={"x-wp-total": "0"})
        assert not (await shop.adapter.ids(kind, None)).ids


@each("rows", [*ODD_LISTS])
async def test_an_empty_list_is_believed_at_last_if_a_proxy_keeps_all_totals_back(
    autojump_clock: MockClock, rows: list[Any]
) -> None:
    shop = FakeShop()
    shop.broken["/products"] = httpx.Response(200, json=rows)
    for _ in range(2):
        with pytest.raises(Retry):
            await shop.adapter.page(Kind.PRODUCTS, None)
    assert (await shop.adapter.page(Kind.PRODUCTS, None)).entities == []
    assert (await shop.adapter.page(Kind.PRODUCTS, None)).entities == []
