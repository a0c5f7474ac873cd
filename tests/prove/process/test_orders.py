"""Orders through the process: what becomes of those placed through SparkLayer arrives, others cost a read at most."""

import pytest

from daemon.sandbox.expectation import expected_orders, order_differences
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import BUYER, FIRST, HEAD, LINES, SHOP, asked, cart, trade_store, waiting, writes

NOTED = 'order_staff_notes_pattern = "SparkLayer cart: ([0-9a-f-]{36})"'


async def test_an_incomplete_order_confirms_nothing_until_it_is_placed(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        own, told = waiting(h, FIRST + 1), writes(h)
        h.store.orders.place(SHOP, LINES, cart_id=cart(FIRST + 1), status_id=0)
        await h.settle()
        assert writes(h) == told
        h.store.orders.set_status(FIRST + 1, 11)
        await h.settle()
        h.assert_equal()
        held = h.state.comparable()["purchases"][cart(FIRST + 1)]
        assert held["type"] == "order"
        assert own.items() <= held.items()


@pytest.mark.parametrize("noted", ["", NOTED], ids=["by metafields", "by staff notes as well"])
async def test_an_order_that_is_not_ours_costs_one_read_at_most(harness: OpenHarness, noted: str) -> None:
    async with harness(trade_store(), start=False) as h:
        if noted:
            h.process.append(noted)
        await h.process.start()
        await h.first_sync()
        await h.process.restart()  # whose sweeps are not due yet
        for act in (
            lambda: h.store.orders.place(BUYER, LINES),
            lambda: h.store.orders.set_staff_notes(FIRST + 1, "Call first" if noted else f"SparkLayer cart: {cart(1)}"),
            lambda: h.store.orders.add_line(FIRST + 1, sku="J-M"),
            lambda: h.store.metafields.set("order", FIRST + 1, "gift_wrap", "yes", namespace="erp"),
        ):
            reads, told = asked(h, "GET *order*"), writes(h)
            act()
            await h.settle()
            assert asked(h, "GET *order*") - reads <= 1
            assert writes(h) == told
        reads = asked(h)
        run = await h.process.full_sync("orders")
        assert (run["succeeded"], run["done"]) == (True, 1)
        assert asked(h) - reads == 2, "the carts, and the page with the one order of ours"
        h.assert_equal()


async def test_a_cart_in_the_staff_notes_counts_where_the_settings_say_how_to_find_it(harness: OpenHarness) -> None:
    store = trade_store()
    store.orders.place(HEAD, LINES, staff_notes=f"Call first. SparkLayer cart: {cart(FIRST + 1)}")
    store.orders.place(HEAD, LINES, staff_notes="SparkLayer cart: not yet")
    async with harness(store, start=False) as h:
        h.process.append(NOTED)

        def unequal() -> list[str]:
            return order_differences(h.store, h.state.comparable()["purchases"], in_notes=True)

        await h.process.start()
        await h.process.first_run("orders")
        await h.hooked()
        await h.settle()
        assert unequal() == []
        h.store.orders.set_staff_notes(FIRST + 2, f"SparkLayer cart: {cart(FIRST + 2)}")
        h.store.orders.place(SHOP, LINES, staff_notes=f"SparkLayer cart: {cart(FIRST + 3)}")
        await h.settle()
        assert unequal() == []
        assert len(expected_orders(h.store, in_notes=True)) == 4
        assert (await h.process.full_sync("orders"))["done"] == 4
