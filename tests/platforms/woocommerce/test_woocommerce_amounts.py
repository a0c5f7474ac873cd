"""Orders of shops that round, and of shops whose prices have tax: equal to the cent, in the whole daemon."""

from decimal import Decimal
from typing import Any

import pytest
from trio.testing import MockClock

from tests.platforms.woocommerce.edits import cart, trading_shop
from tests.platforms.woocommerce.whole import Whole, whole_daemon

LINES = [
    {"sku": "MUG", "quantity": 3, "price": "9.99"},
    {"sku": "J-S", "quantity": 7, "price": "27.97", "discount": "1.01"},
]
NET_OF_LINES = {
    # 29.97 and 194.78, less the tax of 20 % within them.
    True: {"MUG": Decimal("24.975"), "J-S": Decimal("162.316667")},
    # The same amounts, with 20 % on top.
    False: {"MUG": Decimal("29.97"), "J-S": Decimal("194.78")},
}
SUMS = {
    # (29.97 + 194.78 + 4.99), of which a sixth is tax
    True: (Decimal("191.450000"), Decimal("38.290000"), Decimal("229.74")),
    False: (Decimal("229.74"), Decimal("45.948"), Decimal("275.688")),
}


@pytest.mark.parametrize("decimals", [0, 2])
@pytest.mark.parametrize("inclusive", [True, False], ids=["with tax", "without tax"])
async def test_amounts_are_equal_to_the_cent(autojump_clock: MockClock, decimals: int, *, inclusive: bool) -> None:
    shop = trading_shop()
    shop.update_settings(decimals=decimals)
    shop.update_settings(tax_inclusive=inclusive)
    async with whole_daemon(shop) as whole:
        await whole.synced()
        order = shop.orders.place(2, LINES, cart_id=cart("exact"), tax_rate="0.2", shipping="4.99")
        await whole.settle()
        assert whole.unequal == []
        lines, costs = _totals(whole)
        found = {sku: money["total_net"] for sku, money in lines.items()}
        assert found == pytest.approx(NET_OF_LINES[inclusive], abs=Decimal("0.000001"))
        for money in lines.values():
            assert money["total_gross"] == money["total_net"] + money["total_tax"]
        every = [*lines.values(), *costs]
        net, tax, gross = (sum(money[name] for money in every) for name in ("total_net", "total_tax", "total_gross"))
        assert (net, tax, gross) == pytest.approx(SUMS[inclusive], abs=Decimal("0.000002"))
        # Two pieces come back: the parts of both packages still add up.
        second = list(shop.orders.get(order).lines)[1]
        shop.orders.refund(order, {second: 2})
        await whole.settle()
        assert whole.unequal == []


def _totals(whole: Whole) -> tuple[dict[str, dict[str, Decimal]], list[dict[str, Decimal]]]:
    """Return the totals of each line by SKU, and those of the transport."""
    (package,) = whole.site.state.comparable()["purchases"][cart("exact")]["packages"]
    lines = {line["identifiers"]["sku"]: _money(line["line_total"]) for line in package["line_items"]}
    return lines, [_money(package["shipping_method"]["line_total"])]


def _money(total: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(money["number"]) for name, money in total.items()}
