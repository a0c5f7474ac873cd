"""Searches by date find what the recorded shop found, for each way to write a date, each zone and each storage."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.sandbox.woocommerce.small import BOB, JUMPER, MEDIUM, MUG, ORDER, SMALL, small_shop

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

WAYS = {
    "GMT, no flag": ("{gmt}", ""),
    "GMT+Z, no flag": ("{gmt}Z", ""),
    "GMT+00:00, no flag": ("{gmt}%2B00:00", ""),
    "local, no flag": ("{local}", ""),
    "GMT, dates_are_gmt=true": ("{gmt}", "&dates_are_gmt=true"),
    "GMT+Z, dates_are_gmt=true": ("{gmt}Z", "&dates_are_gmt=true"),
}


def since(way: str, cursor: datetime, zone: str = "UTC") -> str:
    """Return the parameters of a search in one of the recorded ways."""
    text, flag = WAYS[way]
    naive = cursor.replace(tzinfo=None)
    local = cursor.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return f"modified_after={text.format(gmt=naive.isoformat(), local=local.isoformat())}{flag}"


def at(shop: Any, moment: datetime) -> None:
    shop.clock = moment.timestamp


def cases() -> list[Any]:
    zones = ("America/New_York", "Australia/Sydney")
    return [pytest.param(zone, way, id=f"{zone} {way}") for zone in zones for way in WAYS]


@pytest.mark.parametrize(("zone", "way"), cases())
async def test_a_way_to_write_a_date_finds_what_was_recorded(
    running: Any, recordings: Any, zone: str, way: str
) -> None:
    known = {(row[0], row[1]): row[2] for row in recordings("time_zones")}[zone, way]
    async with running() as shop:
        shop.shop.set_zone(zone)
        at(shop.shop, NOON)
        shop.shop.set_title(MUG, "Cup")
        after = await shop.get(f"/products?{since(way, NOON - MINUTE, zone)}")
        before = await shop.get(f"/products?{since(way, NOON + MINUTE, zone)}")
    assert MUG in {row["id"] for row in after} or not known["changed 60 s after the cursor -> returned"]
    assert {
        "changed 60 s after the cursor -> returned": MUG in {row["id"] for row in after},
        "changed 60 s before the cursor -> returned": MUG in {row["id"] for row in before},
    } == {name: value for name, value in known.items() if name != "right"}


async def test_a_bound_is_exclusive_to_the_second(running: Any, recordings: Any) -> None:
    known = dict(recordings("semantics")[:2])
    async with running() as shop:
        at(shop.shop, NOON)
        shop.shop.set_title(MUG, "Cup")
        exact = NOON.replace(tzinfo=None).isoformat()
        found = [
            MUG in {row["id"] for row in await shop.get(f"/products?{name}={exact}&dates_are_gmt=true")}
            for name in ("modified_after", "modified_before")
        ]
    assert found == list(known.values()) == [False, False]


async def test_in_the_hour_that_comes_twice_only_gmt_finds(running: Any) -> None:
    """New York, 2026-11-01: 05:50Z is 01:50, and 06:10Z is 01:10 once more (woocommerce-more.md, Time)."""
    changed = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)
    asked = datetime(2026, 11, 1, 5, 50, tzinfo=UTC)
    async with running() as shop:
        shop.shop.set_zone("America/New_York")
        at(shop.shop, changed)
        shop.shop.set_title(MUG, "Cup")
        found = {way: await shop.get(f"/products?{since(way, asked)}") for way in WAYS}
    assert found["GMT+Z, no flag"] == []
    assert [row["id"] for row in found["GMT, dates_are_gmt=true"]] == [MUG]
    assert found["GMT, dates_are_gmt=true"][0]["date_modified"] == "2026-11-01T01:10:00"
    assert found["GMT, dates_are_gmt=true"][0]["date_modified_gmt"] == "2026-11-01T06:10:00"


@pytest.mark.parametrize(("zone", "found"), [("Australia/Sydney", []), ("Pacific/Honolulu", [MUG, JUMPER])])
async def test_after_a_move_local_dates_miss_or_repeat(running: Any, zone: str, found: list[int]) -> None:
    """Stored local dates stay as they were: eastwards they are missed, westwards all of the last hours come."""
    async with running() as shop:
        shop.shop.set_zone("America/New_York")
        at(shop.shop, NOON - timedelta(hours=3))
        shop.shop.set_title(JUMPER, "Pullover")
        at(shop.shop, NOON)
        shop.shop.set_title(MUG, "Cup")
        shop.shop.set_zone(zone)
        by_local = await shop.get(f"/products?orderby=id&order=asc&{since('GMT+Z, no flag', NOON - 2 * MINUTE)}")
        by_gmt = await shop.get(f"/products?{since('GMT, dates_are_gmt=true', NOON - 2 * MINUTE)}")
    assert [row["id"] for row in by_local] == found
    assert [row["id"] for row in by_gmt] == [MUG]


ORDERS = {
    ("GMT+Z, no flag", True): [ORDER],
    ("GMT, dates_are_gmt=true", True): [ORDER],
    ("GMT+Z, dates_are_gmt=true", True): [],
    ("GMT+Z, no flag", False): [],
    ("GMT, dates_are_gmt=true", False): [ORDER],
}
"""By the way of asking and HPOS: what is found in the hour that comes twice."""


@pytest.mark.parametrize(("way", "hpos"), ORDERS)
async def test_orders_with_hpos_are_kept_in_gmt(running: Any, way: str, hpos: bool) -> None:  # noqa: FBT001
    async with running() as shop:
        shop.shop.hpos = hpos
        shop.shop.set_zone("America/New_York")
        at(shop.shop, datetime(2026, 11, 1, 6, 10, tzinfo=UTC))
        shop.shop.orders.cancel(ORDER)
        found = await shop.get(f"/orders?{since(way, datetime(2026, 11, 1, 5, 50, tzinfo=UTC))}")
    assert [row["id"] for row in found] == ORDERS[way, hpos]


PRODUCT_EDITS: dict[str, tuple[Callable[[Any], Any], set[int]]] = {
    "a variation's price": (lambda shop: shop.set_price(SMALL, 1), {JUMPER, SMALL}),
    "a variation's stock": (lambda shop: shop.set_stock(SMALL, 1), {JUMPER, SMALL}),
    "a variation's weight": (lambda shop: shop.set_weight(SMALL, 1), {JUMPER, SMALL}),
    "a variation is deleted": (lambda shop: shop.delete_variation(SMALL), {JUMPER}),
    "a variation is made": (lambda shop: shop.add_variation(JUMPER, options={"Size": "L"}), {JUMPER, 6}),
    "a product's name": (lambda shop: shop.set_title(JUMPER, "x"), {JUMPER}),
    "a product's stock, shared": (lambda shop: shop.set_stock(JUMPER, 5), {JUMPER}),
    "a sale": (lambda shop: shop.update(MUG, sale_price="5"), {MUG}),
    "a product is trashed": (lambda shop: shop.trash_product(JUMPER), {JUMPER, SMALL, MEDIUM}),
    "an order takes stock": (lambda shop: shop.orders.set_status(ORDER, "processing"), {MUG}),
    "an order takes a variation's stock": (
        lambda shop: shop.orders.place(BOB, [{"product_id": SMALL}]),
        {JUMPER, SMALL},
    ),
    "a term is renamed": (lambda shop: shop.rename_term("Size", "S", "Small"), set()),
    "the currency": (lambda shop: shop.update_settings(currency="EUR"), set()),
}
"""Edits, and the products and variations whose date each moves (recordings, semantics; woocommerce-more.md)."""


@pytest.mark.parametrize("name", PRODUCT_EDITS)
async def test_an_edit_moves_the_dates_that_were_measured(running: Any, name: str) -> None:
    edit, moved = PRODUCT_EDITS[name]
    status = "include_status=publish,trash"
    async with running() as shop:
        at(shop.shop, NOON)
        edit(shop.shop)
        found = [
            row["id"]
            for path in ("products", "variations")
            for row in await shop.get(f"/{path}?{status}&{since('GMT, dates_are_gmt=true', NOON - MINUTE)}")
        ]
    assert sorted(found) == sorted(moved)


async def test_direct_writes_are_shown_and_move_nothing(running: Any) -> None:
    async with running() as shop:
        await shop.register("product.updated")
        before = await shop.get("/products/1")
        with shop.shop.unstamped():
            shop.shop.set_stock(MUG, 77, silent=True)
            shop.shop.set_price(MUG, 3, silent=True)
        after = await shop.get("/products/1")
        assert await shop.settled() == []
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"stock_quantity", "price", "regular_price", "price_html"}


ORDER_EDITS: dict[str, tuple[Callable[[Any], Any], tuple[bool, bool], tuple[bool, bool]]] = {
    "status": (lambda orders: orders.set_status(ORDER, "on-hold"), (True, True), (True, True)),
    "meta by REST": (lambda orders: orders.set_meta(ORDER, "key", "x"), (False, True), (True, True)),
    "tracking": (lambda orders: orders.set_tracking(ORDER, "dpd", "1"), (False, False), (True, True)),
    "a line's quantity": (lambda orders: orders.set_quantity(ORDER, 1, 3), (False, True), (True, True)),
    "a line more": (lambda orders: orders.add_line(ORDER, sku="MUG"), (False, True), (True, True)),
    "refund": (lambda orders: orders.refund(ORDER, {1: 1}), (True, True), (True, True)),
    "refund deleted": (
        lambda orders: orders.delete_refund(ORDER, orders.get(ORDER).refunds[0].id),
        (False, False),
        (False, False),
    ),
    "note": (lambda orders: orders.add_note(ORDER, "x"), (False, False), (False, False)),
}
"""Edits of an order; whether each moves the date and sends order.updated, without HPOS and with it."""


@pytest.mark.parametrize("hpos", [False, True])
@pytest.mark.parametrize("name", ORDER_EDITS)
async def test_the_table_of_orders_holds(running: Any, name: str, hpos: bool) -> None:  # noqa: FBT001
    edit, *expected = ORDER_EDITS[name]
    filled = small_shop()
    filled.hpos = hpos
    filled.orders.refund(ORDER, amount=1)
    async with running(filled) as shop:
        await shop.register("order.updated")
        before = await shop.get(f"/orders/{ORDER}")
        at(shop.shop, NOON)
        edit(shop.shop.orders)
        received = await shop.settled()
        after = await shop.get(f"/orders/{ORDER}")
    moved = before["date_modified_gmt"] != after["date_modified_gmt"]
    assert (moved, ("order.updated", ORDER) in received) == expected[hpos]


@pytest.mark.parametrize("hpos", [False, True])
@pytest.mark.parametrize("name", ["meta_data", "line_items", "status"])
async def test_the_same_holds_through_the_api(running: Any, name: str, hpos: bool) -> None:  # noqa: FBT001
    bodies: dict[str, Any] = {
        "meta_data": [{"key": "note", "value": "x"}],
        "line_items": [{"id": 1, "quantity": 5}],
        "status": "on-hold",
    }
    filled = small_shop()
    filled.hpos = hpos
    async with running(filled) as shop:
        await shop.register("order.updated")
        at(shop.shop, NOON)
        after = (await shop.ask("PUT", f"/orders/{ORDER}", {name: bodies[name]})).json()
        assert await shop.settled() == [("order.updated", ORDER)]
    assert (after["date_modified_gmt"] == "2026-11-23T12:00:00") == (hpos or name == "status")
    written, read = bodies[name], after[name]
    assert read == written if name == "status" else read[-1].items() >= written[-1].items()


async def test_an_order_in_the_trash_without_hpos_passes_for_a_product(running: Any) -> None:
    for hpos, topics in ((True, {"order.deleted"}), (False, {"order.deleted", "product.deleted"})):
        filled = small_shop()
        filled.hpos = hpos
        async with running(filled) as shop:
            await shop.register("order.deleted", "product.deleted")
            shop.shop.orders.trash(ORDER)
            assert set(await shop.settled()) == {(topic, ORDER) for topic in topics}


CUSTOMER_EDITS: dict[str, tuple[Callable[[Any], Any], tuple[bool, bool]]] = {
    "by REST": (lambda book: book.update(BOB, last_name="x"), (True, True)),
    "meta by a plugin": (lambda book: book.set_meta(BOB, "key", "x"), (True, False)),
    "meta by REST": (lambda book: book.set_meta(BOB, "key", "x", by_rest=True), (True, True)),
    "role by code": (lambda book: book.set_roles(BOB, ["subscriber"]), (False, False)),
    "role on the profile page": (lambda book: book.move_role(BOB, "subscriber"), (True, True)),
    "role taken from the shop": (lambda book: book.delete_role("customer"), (False, False)),
}
"""Edits of a customer; whether each moves the date and sends customer.updated."""


@pytest.mark.parametrize("name", CUSTOMER_EDITS)
async def test_the_table_of_customers_holds(running: Any, name: str) -> None:
    edit, expected = CUSTOMER_EDITS[name]
    async with running() as shop:
        await shop.register("customer.updated")
        before = await shop.get(f"/customers/{BOB}")
        at(shop.shop, NOON)
        edit(shop.shop.customers)
        received = await shop.settled()
        after = await shop.get(f"/customers/{BOB}")
    moved = before["date_modified_gmt"] != after["date_modified_gmt"]
    assert (moved, received == [("customer.updated", BOB)]) == expected
    assert before != after
