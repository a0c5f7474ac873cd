"""Amounts of orders: decimals, tax within prices, refunds, discounts, and how a shop's currency is told."""

from decimal import Decimal
from typing import Any

from daemon.sandbox.woocommerce import Shop
from tests.sandbox.woocommerce.small import BOB, ORDER, small_shop


def priced(price: str, *, inclusive: bool = False, decimals: int = 2) -> Shop:
    shop = Shop(tax_inclusive=inclusive, decimals=decimals)
    shop.add_product("Thing", price=price, sku="T")
    return shop


async def test_without_decimals_amounts_are_rounded_unless_asked_for(running: Any) -> None:
    shop = priced("27.97", decimals=0)
    order = shop.orders.place(0, [{"sku": "T"}])
    async with running(shop) as running_shop:
        plain = await running_shop.get(f"/orders/{order}")
        exact = await running_shop.get(f"/orders/{order}?dp=6")
        listed = (await running_shop.get("/orders?dp=6"))[0]
    assert (plain["line_items"][0]["total"], plain["total"]) == ("28", "28")
    assert (exact["line_items"][0]["total"], exact["total"]) == ("27.970000", "27.970000")
    assert listed["line_items"] == exact["line_items"]


async def test_prices_with_tax_are_split(running: Any) -> None:
    """As measured: 3 at 100.00 with 20 % are 250.00 net and 50.00 tax, and the price is a float with noise."""
    shop = priced("100", inclusive=True)
    order = shop.orders.place(0, [{"sku": "T", "quantity": 3}], tax_rate="0.2")
    odd = shop.orders.place(0, [{"sku": "T", "quantity": 1, "price": "9.99"}], tax_rate="0.2", shipping="4.99")
    async with running(shop) as running_shop:
        whole = await running_shop.get(f"/orders/{order}")
        exact = await running_shop.get(f"/orders/{odd}?dp=6")
    (line,) = whole["line_items"]
    assert (line["total"], line["total_tax"], line["price"]) == ("250.00", "50.00", 83.33333333333333)
    assert (whole["total"], whole["total_tax"], whole["prices_include_tax"]) == ("300.00", "50.00", True)
    parts = [exact["line_items"][0]["total"], exact["line_items"][0]["total_tax"]]
    parts += [exact["shipping_total"], exact["shipping_tax"]]
    assert sum(map(Decimal, parts)) == Decimal(exact["total"]) == Decimal("14.98")


async def test_a_whole_refund_ends_the_order(running: Any) -> None:
    async with running() as shop:
        part = await shop.ask("POST", f"/orders/{ORDER}/refunds", {"line_items": [{"id": 1, "quantity": 1}]})
        first = await shop.get(f"/orders/{ORDER}")
        await shop.ask("POST", f"/orders/{ORDER}/refunds", {"reason": "all of it"})
        second = await shop.get(f"/orders/{ORDER}")
        refund = await shop.get(f"/orders/{ORDER}/refunds/{part.json()['id']}?dp=6")
        kept = await shop.ask("DELETE", f"/orders/{ORDER}/refunds/{refund['id']}")
        gone = await shop.ask("DELETE", f"/orders/{ORDER}/refunds/{refund['id']}?force=true")
        third = await shop.get(f"/orders/{ORDER}")
    assert first["total"] == "24.00"
    assert [(row["total"], row["reason"]) for row in second["refunds"]] == [("-15.00", "all of it"), ("-9.00", "")]
    assert [first["status"], second["status"]] == ["pending", "refunded"]
    (line,) = refund["line_items"]
    assert (line["quantity"], line["total"], line["total_tax"]) == (-1, "-7.500000", "-1.500000")
    assert line["meta_data"][-1]["key"] == "_refunded_item_id"
    assert (kept.status_code, gone.status_code, len(third["refunds"])) == (501, 200, 1)


async def test_discounts_and_fees_have_lines_of_their_own(running: Any) -> None:
    filled = small_shop()
    lines: list[dict[str, Any]] = [{"sku": "MUG", "quantity": 4, "discount": "5"}, {"name": "Engraving", "price": "25"}]
    order = filled.orders.place(BOB, lines, tax_rate="0.2")
    async with running(filled) as shop:
        shown = await shop.get(f"/orders/{order}")
    assert [(line["subtotal"], line["total"]) for line in shown["line_items"]] == [("30.00", "25.00")]
    assert [(fee["name"], fee["total"], fee["total_tax"]) for fee in shown["fee_lines"]] == [
        ("Engraving", "25.00", "5.00")
    ]
    assert [coupon["discount"] for coupon in shown["coupon_lines"]] == [shown["discount_total"]] == ["5.00"]
    assert (shown["total"], shown["cart_tax"]) == ("60.00", "10.00")


async def test_an_order_keeps_its_currency_and_tells_of_products_as_they_are(running: Any) -> None:
    """A line keeps its name, not its product's SKU; as recorded, a deleted product has the id 0 and no SKU."""
    async with running() as shop:
        sold = shop.shop.orders.place(BOB, [{"product_id": 3}])
        shop.shop.set_title(2, "Pullover")
        (variation,) = (await shop.get(f"/orders/{sold}"))["line_items"]
        shop.shop.delete_variation(3)
        (parent,) = (await shop.get(f"/orders/{sold}"))["line_items"]
        shop.shop.update_settings(currency="EUR")
        shop.shop.set_sku(1, "CUP")
        kept = await shop.get(f"/orders/{ORDER}")
        new = await shop.get(f"/orders/{shop.shop.orders.place(BOB, [{'sku': 'CUP'}])}")
        current = await shop.get("/data/currencies/current")
        shop.shop.delete_product(1)
        gone = await shop.get(f"/orders/{ORDER}")
    assert (kept["currency"], new["currency"], current["code"]) == ("USD", "EUR", "EUR")
    lines = [kept["line_items"][0], gone["line_items"][0], variation, parent]
    shown = ("product_id", "variation_id", "sku", "name", "parent_name")
    assert [tuple(line[name] for name in shown) for line in lines] == [
        (1, 0, "CUP", "Mug", None),
        (0, 0, None, "Mug", None),
        (2, 3, "J-S", "Jumper - S", "Pullover"),
        # That a line of a deleted variation is the product's is read in the source, not recorded.
        (2, 0, "J", "Jumper - S", None),
    ]


async def test_settings_tell_and_change_what_amounts_mean(running: Any) -> None:
    changes = {
        "general/woocommerce_currency": "GBP",
        "general/woocommerce_price_num_decimals": "0",
        "products/woocommerce_weight_unit": "kg",
        "tax/woocommerce_prices_include_tax": "yes",
    }
    async with running() as shop:
        for name, value in changes.items():
            before = (await shop.get(f"/settings/{name}"))["value"]
            assert before != value
            assert (await shop.ask("PUT", f"/settings/{name}", {"value": value})).json()["value"] == value
            assert (await shop.get(f"/settings/{name}"))["value"] == value
        unknown = [await shop.ask("GET", f"/settings/{path}") for path in ("nosuch", "general/woocommerce_weight_unit")]
    settled = shop.shop
    assert (settled.currency, settled.decimals, settled.weight_unit, settled.tax_inclusive) == ("GBP", 0, "kg", True)
    assert [answer.status_code for answer in unknown] == [404, 404]
