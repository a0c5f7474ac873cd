"""Every edit of the store is announced as BigCommerce would, unless it is silent."""

from collections.abc import Callable
from typing import Any

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.events import SCOPES, Event, matches
from tests.each import each

JUMPER = 1


def store() -> tuple[Store, list[Event]]:
    filled = Store()
    sizes = [{"sku": "J-S", "options": {"Size": "S"}}, {"sku": "J-M", "options": {"Size": "M"}}]
    assert filled.add_product("Jumper", price=40, variants=sizes) == JUMPER
    filled.add_product("Mug", price=7.5, variants=[{"sku": "MUG"}])
    received: list[Event] = []
    filled.listen(received.append)
    return filled, received


CASES: dict[str, tuple[Callable[[Store], Any], list[str]]] = {
    "title": (lambda s: s.set_title(JUMPER, "Pullover"), ["product/updated"]),
    "visibility": (lambda s: s.set_visible(JUMPER, visible=False), ["product/updated"]),
    "availability": (lambda s: s.set_availability(JUMPER, "disabled"), ["product/updated"]),
    "price": (lambda s: s.set_price(JUMPER, 41), ["product/updated"]),
    "weight": (lambda s: s.set_weight(JUMPER, 2), ["product/updated"]),
    "variant price": (lambda s: s.set_price(JUMPER, 41, s.by_sku("J-S").id), ["sku/updated"]),
    "sku": (lambda s: s.set_sku(s.by_sku("J-S").id, "X"), ["sku/updated", "product/updated"]),
    "base sku": (lambda s: s.set_sku(s.by_sku("MUG").id, "X"), ["product/updated"]),
    "variant stock": (
        lambda s: s.set_stock(s.by_sku("J-S").id, 5),
        ["sku/inventory/updated", "channel/*/inventory/product/stock_changed"],
    ),
    "product stock": (
        lambda s: s.set_stock(s.by_sku("MUG").id, 5),
        ["product/inventory/updated", "channel/*/inventory/product/stock_changed"],
    ),
    "new variant": (
        lambda s: s.add_variant(JUMPER, sku="J-L", options={"Size": "L"}),
        ["sku/created", "product/updated"],
    ),
    "lost variant": (lambda s: s.delete_variant(s.by_sku("J-S").id), ["sku/deleted", "product/updated"]),
    "new product": (lambda s: s.add_product("Hat"), ["product/created"]),
    "lost product": (lambda s: s.delete_product(JUMPER), ["product/deleted"]),
    "currency": (lambda s: s.update_settings(currency="EUR"), ["information/updated"]),
    "weight unit": (lambda s: s.update_settings(weight_unit="KGS"), ["information/updated"]),
}


@each("case", [*CASES])
def test_an_edit_is_announced(case: str) -> None:
    filled, received = store()
    edit, scopes = CASES[case]
    edit(filled)
    assert [event.scope.removeprefix("store/") for event in received] == scopes
    assert {event.scope for event in received} <= SCOPES


def test_a_silent_edit_is_not_announced_but_dated() -> None:
    filled, received = store()
    filled.clock = lambda: 1_800_000_000
    filled.set_title(JUMPER, "Pullover", silent=True)
    product = filled.entry(JUMPER).product
    assert received == []
    assert (product.name, product.date_modified) == ("Pullover", "2027-01-15T08:00:00+00:00")


def test_a_sku_moves() -> None:
    filled, _ = store()
    small, medium = filled.by_sku("J-S").id, filled.by_sku("J-M").id
    filled.move_sku(small, medium)
    assert (filled.variant(small).sku, filled.variant(medium).sku) == ("", "J-S")


def test_ids_are_never_used_again() -> None:
    filled, _ = store()
    ids = {filled.add_product("A"), *filled.ids}
    filled.delete_product(max(ids))
    assert filled.add_product("B") > max(ids)


@each(
    ("scope", "event", "received"),
    [
        ("store/product/updated", "store/product/updated", True),
        ("store/product/*", "store/product/updated", True),
        ("store/product/*", "store/product/inventory/updated", False),
        ("store/product/created", "store/product/updated", False),
        ("store/sku/*", "store/product/updated", False),
    ],
)
def test_a_star_stands_for_the_verbs_beside_it(scope: str, event: str, *, received: bool) -> None:
    assert matches(scope, Event(event, {})) is received
