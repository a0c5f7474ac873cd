"""Orders through the process: what becomes of those placed through SparkLayer arrives, others cost a read at most."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from daemon.sandbox import Store
from daemon.sandbox.expectation import expected_orders, order_differences
from daemon.sandbox.sparklayer.purchase import AccountingFile
from tests.e2e.harness import House, OpenHouse
from tests.e2e.trade import BUYER, FIRST, HEAD, SHOP, asked, cart, trade_store, writes

LINES = [{"sku": "J-S", "quantity": 5}, {"sku": "MUG", "quantity": 3, "discount": "1.01"}]
NOTED = 'order_staff_notes_pattern = "SparkLayer cart: ([0-9a-f-]{36})"'


def _place(store: Store, number: int, lines: list[dict[str, Any]] = LINES) -> int:
    terms: dict[str, Any] = {"tax_rate": "0.2", "shipping": "4.99", "payment_status": "captured", "shown_in": "JPY"}
    placed = store.orders.place(SHOP, lines, cart_id=cart(number), **terms)
    assert placed == number
    return placed


def _line(store: Store, number: int, place: int = 0) -> int:
    return list(store.orders.get(number).lines)[place]


def _refund_all(store: Store) -> None:
    for line in store.orders.get(FIRST + 1).lines.values():
        store.orders.refund(FIRST + 1, line.id, line.quantity - line.quantity_refunded)


EDITS: Mapping[str, Callable[[Store], object]] = {
    "placed": lambda store: _place(store, FIRST + 1),
    "quantity": lambda store: store.orders.set_quantity(FIRST + 1, _line(store, FIRST + 1), 7),
    "line added": lambda store: store.orders.add_line(FIRST + 1, sku="J-M", quantity=2, tax_rate="0.2"),
    "custom item added": lambda store: store.orders.add_line(FIRST + 1, name="Engraving", price="9.99"),
    "line taken away": lambda store: store.orders.set_quantity(FIRST + 1, _line(store, FIRST + 1, 2), 0),
    "shipped in part": lambda store: store.orders.ship(
        FIRST + 1, {_line(store, FIRST + 1): 3}, carrier="ups", tracking_number="1Z1", link="https://track.example/1Z1"
    ),
    "the rest shipped": lambda store: store.orders.ship(FIRST + 1, carrier="dhl", tracking_number="JD2"),
    "one piece refunded": lambda store: store.orders.refund(FIRST + 1, _line(store, FIRST + 1), 1),
    "all of it refunded": _refund_all,
    "awaits payment": lambda store: store.orders.set_status(FIRST, 7),
    "disputed": lambda store: store.orders.set_status(FIRST, 13),
    "refunded before it was shipped": lambda store: store.orders.refund(FIRST, _line(store, FIRST), 1),
    "cancelled": lambda store: store.orders.cancel(FIRST),
    "with more lines than are shown": lambda store: _place(store, FIRST + 2, [{"sku": "MUG"}] * 53 + LINES),
    "and those shipped": lambda store: store.orders.ship(FIRST + 2, tracking_number="JD3"),
    "of a guest": lambda store: store.orders.place(0, LINES, cart_id=cart(FIRST + 3)),
    "without a cart that is known": lambda store: store.orders.place(SHOP, LINES),
    "the cart is known later": lambda store: store.metafields.set("order", FIRST + 4, "cart_id", cart(FIRST + 4)),
    "for two places": lambda store: _place(store, FIRST + 5, [*LINES, {"sku": "J-M", "city": "York"}]),
    "shipped to one of them": lambda store: store.orders.ship(FIRST + 5, carrier="ups", tracking_number="1Z4"),
    "marked as completed": lambda store: store.orders.set_status(FIRST + 5, 10),
    "incomplete again": lambda store: store.orders.set_status(FIRST, 0),
    "and placed after all": lambda store: store.orders.set_status(FIRST, 11),
    "archived": lambda store: store.orders.archive(FIRST + 2),
}


def _waiting(h: House, number: int) -> dict[str, Any]:
    """Place an order in SparkLayer's storefront, and return what only SparkLayer knows of it."""
    h.state.purchases.place(cart(number), customer="cu_3", reference=f"PO-{number}")
    held: dict[str, Any] = h.state.comparable()["purchases"][cart(number)]
    own = ("customer_identifiers", "payment_method", "customer_reference", "custom_fields", "metadata")
    return {name: held[name] for name in own}


async def test_every_edit_arrives_and_leaves_what_only_sparklayer_knows(house: OpenHouse) -> None:
    """One after the other, in one store, so that each starts from what the ones before it have left."""
    async with house(trade_store(), start=False) as h:
        known = {number: _waiting(h, number) for number in (FIRST, FIRST + 1, FIRST + 2)}
        await h.process.start()
        await h.first_sync()
        purchase = h.state.purchases.find("sparklayer", cart(FIRST))
        assert purchase is not None
        (package,) = purchase.packages
        package.accounting_files = [AccountingFile(file_type="invoice")]
        for name, edit in EDITS.items():
            edit(h.store)
            await h.settle()
            assert h.unequal == [], name
            packages = h.state.comparable()["purchases"][cart(FIRST)]["packages"]
            assert [file for one in packages for file in one["accounting_files"]] == [{"file_type": "invoice"}], name
            for number, own in known.items():
                held = h.state.comparable()["purchases"][cart(number)]
                assert own.items() <= held.items(), name
                assert held["purchase_identifiers"]["internal"] == f"ERP-PO-{number}", name
        assert (await h.process.status("orders"))["issues"] == 1, "the engraving is of no product"
        one = h.state.comparable()["purchases"][cart(FIRST + 1)]
        assert one["purchase_identifiers"]["platform"] == str(FIRST + 1)
        archived = h.state.comparable()["purchases"][cart(FIRST + 2)]
        assert {package["type"] for package in archived["packages"]} == {"cancelled"}


async def test_an_incomplete_order_confirms_nothing_until_it_is_placed(house: OpenHouse) -> None:
    async with house(trade_store()) as h:
        await h.first_sync()
        waiting, told = _waiting(h, FIRST + 1), writes(h)
        h.store.orders.place(SHOP, LINES, cart_id=cart(FIRST + 1), status_id=0)
        await h.settle()
        assert writes(h) == told
        h.store.orders.set_status(FIRST + 1, 11)
        await h.settle()
        h.assert_equal()
        held = h.state.comparable()["purchases"][cart(FIRST + 1)]
        assert held["type"] == "order"
        assert waiting.items() <= held.items()


@pytest.mark.parametrize("noted", ["", NOTED], ids=["by metafields", "by staff notes as well"])
async def test_an_order_that_is_not_ours_costs_one_read_at_most(house: OpenHouse, noted: str) -> None:
    async with house(trade_store(), start=False) as h:
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


async def test_a_cart_in_the_staff_notes_counts_where_the_settings_say_how_to_find_it(house: OpenHouse) -> None:
    store = trade_store()
    store.orders.place(HEAD, LINES, staff_notes=f"Call first. SparkLayer cart: {cart(FIRST + 1)}")
    store.orders.place(HEAD, LINES, staff_notes="SparkLayer cart: not yet")
    async with house(store, start=False) as h:
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
