"""What ties an order to SparkLayer, the cart in its metafield, through the process: it comes late, changes and goes.

The list of all such metafields is what an enumeration goes by; that it leaves something out proves nothing.
"""

from typing import Any

import msgspec
import pytest
import trio

from daemon.sandbox import Store, answer
from daemon.sandbox.faults import Rule
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import QUICK
from tests.e2e.trade import BUYER, FIRST, HEAD, SHOP, asked, cart, trade_store, writes

MUG = [{"sku": "MUG"}]
MANY = 120
"""Orders, of which more than half, and more than 50, can be archived."""
LONG_AGO = 86_400.0 * 30
SWEEP = {**QUICK, "sweep_seconds": 1.0}


def _with_orders(count: int) -> Store:
    store = trade_store()
    for number in range(FIRST + 1, FIRST + count):
        store.orders.place(SHOP, MUG, cart_id=cart(number))
    return store


def _types(h: ProcessHarness) -> dict[str, set[str]]:
    held = h.state.comparable()["purchases"]
    return {key: {package["type"] for package in one["packages"]} for key, one in held.items()}


def _age(store: Store, number: int) -> None:
    """Have an order be one of long ago, that no sweep by date finds."""
    order = store.orders.get(number)
    order.created -= int(LONG_AGO)
    order.modified -= int(LONG_AGO)


def _forgets(h: ProcessHarness, keeps: int) -> Rule:
    """Have the list of carts say that there are only so many."""

    async def short(_request: Request, response: Response | None) -> Response:
        assert response is not None
        body: dict[str, Any] = msgspec.json.decode(response.body)
        return Response(status=200, headers=response.headers, body=msgspec.json.encode({"data": body["data"][:keeps]}))

    return h.shop.faults.add("GET */v3/orders/metafields", short, after_effect=True)


async def test_a_cart_that_is_noted_after_the_order_was_placed_arrives_with_its_webhook(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        late = h.store.orders.place(HEAD, MUG)
        _age(h.store, late)
        await h.settle()
        h.store.metafields.set("order", late, "cart_id", cart(late))
        await h.settle()
        h.assert_equal()


async def test_a_cart_that_changes_and_one_that_goes(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        field = h.store.metafields.set("order", FIRST, "cart_id", cart(999))
        await h.settle()
        assert _types(h)[cart(FIRST)] == {"cancelled"}
        assert _types(h)[cart(999)] != {"cancelled"}
        assert (await h.process.status("orders"))["issues"] == 0
        h.store.metafields.delete(field)
        await h.settle()
        assert _types(h) == {cart(FIRST): {"cancelled"}, cart(999): {"cancelled"}}


async def test_two_orders_of_one_cart_are_an_issue_of_the_later_one(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        second = h.store.orders.place(SHOP, MUG, cart_id=cart(FIRST))
        await h.settle()
        held = h.state.comparable()["purchases"][cart(FIRST)]
        assert held["purchase_identifiers"]["platform"] == str(FIRST)
        code, output, _ = await h.process.command("issues")
        assert (code, f"Order {second}" in output, "names the same cart" in output) == (0, True, True)
        h.store.metafields.set("order", second, "cart_id", cart(second))
        await h.settle()
        h.assert_equal()
        assert (await h.process.status("orders"))["issues"] == 0


async def test_an_order_that_returns_to_a_cart_it_could_not_leave_is_in_sparklayer(harness: OpenHarness) -> None:
    store = _with_orders(2)
    third = store.orders.place(SHOP, MUG)
    async with harness(store) as h:
        await h.first_sync()
        h.store.metafields.set("order", FIRST, "cart_id", cart(FIRST + 1))
        h.store.metafields.set("order", third, "cart_id", cart(FIRST))
        await h.settle()
        assert (await h.process.status("orders"))["issues"] == 2
        h.store.metafields.set("order", FIRST, "cart_id", cart(FIRST))
        await h.settle()
        held = {key: one["purchase_identifiers"]["platform"] for key, one in h.state.comparable()["purchases"].items()}
        assert held == {cart(FIRST): str(FIRST), cart(FIRST + 1): str(FIRST + 1)}
        _, output, _ = await h.process.command("issues")
        assert (f"Order {third}" in output, f"Order {FIRST}:" in output) == (True, False)


@pytest.mark.parametrize("keeps", [0, 1])
async def test_a_list_of_carts_that_leaves_some_out_cancels_nothing(harness: OpenHarness, keeps: int) -> None:
    async with harness(_with_orders(10)) as h:
        await h.first_sync()
        before = writes(h)
        _forgets(h, keeps)
        run = await h.process.full_sync("orders")
        assert (run["succeeded"], run["done"]) == (True, 10), "those that it leaves out were asked for"
        assert writes(h) == before
        h.store.orders.ship(FIRST, tracking_number="JD1")
        h.store.orders.ship(FIRST + 5, tracking_number="JD2")
        await h.settle()
        h.assert_equal()


async def test_archived_orders_are_no_removals_of_every_later_run(harness: OpenHarness) -> None:
    async with harness(_with_orders(MANY)) as h:
        await h.first_sync()
        for number in range(FIRST, FIRST + 40):
            h.store.orders.archive(number)
        await h.settle()
        assert sum(types == {"cancelled"} for types in _types(h).values()) == 40
        reads = asked(h, "GET *order*")
        run = await h.process.full_sync("orders")
        assert (run["succeeded"], run["held_removals"], run["done"]) == (True, 0, MANY - 40)
        assert asked(h, "GET *order*") - reads == 2, "the carts, and one page"


async def test_lines_that_no_consignment_shows_are_read_apart(harness: OpenHarness) -> None:
    store = trade_store()
    many = store.orders.place(HEAD, [{"sku": "MUG", "to": "pickup"}] * 55, cart_id=cart(FIRST + 1))
    async with harness(store) as h:
        await h.first_sync()
        assert len(h.state.comparable()["purchases"][cart(many)]["packages"][0]["line_items"]) == 55

        async def linked(_request: Request, response: Response | None) -> Response:
            assert response is not None
            orders: Any = msgspec.json.decode(response.body)
            for one in orders if isinstance(orders, list) else [orders]:
                one["consignments"] = {"url": "https://api.test/x", "resource": "/orders/x/consignments"}
            return Response(status=200, headers=response.headers, body=msgspec.json.encode(orders))

        h.shop.faults.add("GET */v2/orders", linked, after_effect=True)
        h.store.orders.set_quantity(FIRST, next(iter(h.store.orders.get(FIRST).lines)), 7)
        await h.settle()
        (package,) = h.state.comparable()["purchases"][cart(FIRST)]["packages"]
        assert [line["quantity"] for line in package["line_items"]] == [7, 1]


async def test_carts_noted_on_many_old_orders_are_found_by_a_sweep_also_beside_live_changes(
    harness: OpenHarness,
) -> None:
    store = trade_store()
    late = [store.orders.place(HEAD, MUG) for _ in range(300)]
    for number in late:
        _age(store, number)
    async with harness(store, sync=SWEEP) as h:
        await h.first_sync()
        for number in late:
            h.store.metafields.set("order", number, "cart_id", cart(number), silent=True)
        h.store.orders.place(BUYER, MUG)
        h.shop.faults.add("GET */v2/orders", answer(503), times=3)
        await h.until(lambda: not h.unequal)


async def test_a_pull_beside_a_full_sync_takes_nothing_from_it(harness: OpenHarness) -> None:
    async with harness(_with_orders(300), start=False) as h:
        text = h.process.config.read_text("utf-8").replace("[listener]", '[listener]\nignite_token = "pull-token"')
        h.process.config.write_text(text, "utf-8")
        await h.process.start()
        await h.first_sync()
        async with h.shop.faults.hold("GET */v3/orders/metafields", after_effect=True) as held:
            run = await h.process.sync("orders")
            await held.arrived()
            headers = {"Authorization": "Bearer pull-token"}
            with trio.fail_after(20):
                answered = await h.process.request("GET", "/v1/test/sandbox/sync/purchases", headers=headers)
            assert (answered.status_code, len(answered.json()["entities"])) == (200, 250)
            held.release()
            over = await h.process.run_over(run, "orders")
        assert (over["succeeded"], over["done"], over["held_removals"]) == (True, 300, 0)
        h.assert_equal()
