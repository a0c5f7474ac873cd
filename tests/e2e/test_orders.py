"""Orders through the process: what becomes of those placed through SparkLayer arrives, others cost a read at most."""

from collections.abc import Callable, Mapping
from typing import Any

from daemon.sandbox import Store
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import FIRST, LINES, SHOP, cart, trade_store, waiting


def _place(store: Store, number: int, lines: list[dict[str, Any]] = LINES) -> int:
    terms: dict[str, Any] = {"tax_rate": "0.2", "shipping": "4.99", "payment_status": "captured", "shown_in": "JPY"}
    placed = store.orders.place(SHOP, lines, cart_id=cart(number), **terms)
    assert placed == number
    return placed


def _line(store: Store, number: int, place: int = 0) -> int:
    return int(list(store.orders.get(number).lines)[place])


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


async def test_every_edit_arrives_and_leaves_what_only_sparklayer_knows(harness: OpenHarness) -> None:
    """One after the other, in one store, so that each starts from what the ones before it have left."""
    async with harness(trade_store(), start=False) as h:
        known = {number: waiting(h, number) for number in (FIRST, FIRST + 1, FIRST + 2)}
        await h.process.start()
        await h.first_sync()
        purchase = h.state.purchases.find("sparklayer", cart(FIRST))
        assert purchase is not None
        (package,) = purchase.packages
        package["accounting_files"] = [{"file_type": "invoice"}]
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
