"""Promises about every kind, through the process: each is synced, repaired and blocked on its own."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from daemon.sandbox import adventureworks, answer, synthetic
from daemon.sandbox.bigcommerce.customer_book import NO_GROUP
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.message import Request, Response, encode
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import QUICK
from tests.e2e.trade import BRANCH, BUYER, FIRST, HEAD, SHOP, cart, trade_store, writes

KINDS = ("store", "products", "customers", "orders")

ENUMERATED: Mapping[str, str] = {
    "products": "id:greater=",
    "customers": "customer_group_id:in=",
    "orders": "key=cart_id",
}
"""Query that only an enumeration has; a sweep's has a date as well."""


async def test_a_second_full_sync_of_a_whole_company_writes_nothing(harness: OpenHarness) -> None:
    async with harness(adventureworks()) as h:
        await h.first_sync()
        told = writes(h)
        assert h.state.customers.writes == len(h.state.customers.customers) > 690
        assert h.state.purchases.writes == 12
        for kind in KINDS:
            run = await h.process.full_sync(kind)
            assert (run["succeeded"], run["failed"]) == (True, 0)
            assert run["done"] >= (await h.process.status(kind))["ledger"], "each was looked at"
        assert writes(h) == told
        h.assert_equal()


def _tamper(h: ProcessHarness) -> None:
    """Change customers and orders in SparkLayer behind our back, as somebody does with its API."""
    customers, purchases = h.state.customers, h.state.purchases
    moved = {"external_id": "2", "address_line1": "2 Low Street", "city": "Bristol", "country_code": "GB"}
    customers.edit(str(HEAD), first_name="Somebody", addresses=[moved])
    customers.edit(str(BRANCH), email="else@example.com", parent_customer_id="")
    customers.remove(str(SHOP))
    purchases.delete(_call(), "sparklayer", cart(FIRST))
    held = h.state.comparable()["purchases"][cart(FIRST + 1)]
    purchases.put(_call(held | {"packages": []}), "sparklayer", cart(FIRST + 1))


def _call(body: Mapping[str, Any] | None = None) -> Request:
    return Request(method="PUT", path="", headers={"content-type": "application/json"}, body=encode(body))


async def test_a_refresh_repairs_customers_and_orders_that_were_changed_behind_our_back(harness: OpenHarness) -> None:
    store = trade_store()
    store.orders.place(SHOP, [{"sku": "J-M"}], cart_id=cart(FIRST + 1))
    async with harness(store) as h:
        await h.first_sync()
        _tamper(h)
        broken, told = h.unequal, writes(h)
        assert len(broken) > 10
        for kind in ("customers", "orders"):
            assert (await h.process.full_sync(kind))["succeeded"]
        assert (h.unequal, writes(h)) == (broken, told), "a normal run trusts the ledger"
        for kind in ("customers", "orders"):
            assert (await h.process.full_sync(kind, refresh=True))["succeeded"]
        h.assert_equal()


async def test_what_no_webhook_told_is_found_by_the_sweep(harness: OpenHarness) -> None:
    async with harness(trade_store(), sync={**QUICK, "sweep_seconds": 1}) as h:
        await h.first_sync()
        customers, orders, metafields = h.store.customers, h.store.orders, h.store.metafields
        customers.update(HEAD, first_name="Ann", silent=True)
        customers.set_group(SHOP, NO_GROUP, silent=True)
        customers.set_group(BUYER, WHOLESALE, silent=True)
        orders.set_quantity(FIRST, next(iter(orders.get(FIRST).lines)), 9, silent=True)
        late = orders.place(HEAD, [{"sku": "MUG"}], silent=True)
        metafields.set("order", late, "cart_id", cart(late), silent=True)
        metafields.set("product", 1, "rrp", "49.99", silent=True)
        metafields.set("variant", h.store.by_sku("MUG").id, "restock_date", "2027-01-15", silent=True)
        assert len(h.unequal) > 6
        await h.until(lambda: not h.unequal)
        await h.process.idle()
        missed = await h.process.metrics()
        found = [
            missed[f'ignite_sync_webhooks_missed_total{{kind="{kind}",site="test/sandbox"}}'] for kind in KINDS[1:]
        ]
        assert found == [2, 3, 2]


async def test_the_first_runs_go_in_the_order_that_references_need(harness: OpenHarness) -> None:
    """Each kind is enumerated only after the last item of the one before it was written."""
    async with harness(synthetic(30, 1, customers=30, orders=5), start=False) as h:
        seen: list[str] = []

        def note(word: str) -> Callable[[Request, Response | None], Any]:
            async def act(request: Request, _response: Response | None) -> None:
                enumerates = ENUMERATED.get(word.removeprefix("read "), "") in request.query
                if word.startswith("wrote") or (enumerates and "date" not in request.query):
                    seen.append(word)

            return act

        for kind, path in (("products", "products"), ("customers", "customers"), ("orders", "orders/metafields")):
            h.shop.faults.add(f"GET */v3*/{path}", note(f"read {kind}"))
        for kind, pattern in (
            ("store", "PATCH */settings"),
            ("products", "P* */v1/products*"),
            ("products", "P* */pricing"),
            ("customers", "P* */v2/customers*"),
            ("orders", "PUT */purchases/*"),
        ):
            h.site.faults.add(pattern, note(f"wrote {kind}"), after_effect=True)
        await h.process.start()
        await h.first_sync()
        steps = ["wrote store", "read products", "wrote products", "read customers", "wrote customers"]
        steps += ["read orders", "wrote orders"]
        assert {*seen} == {*steps}
        last = {word: place for place, word in enumerate(seen)}
        first = {word: seen.index(word) for word in steps}
        for earlier, later in itertools.pairwise(KINDS):
            assert last[f"wrote {earlier}"] < first[f"read {later}"], (earlier, later)


FORBIDDEN = answer(403, '{"status": 403, "title": "Your token lacks the scope"}', {"content-type": "application/json"})


async def test_a_missing_scope_blocks_its_kind_only_and_heals(harness: OpenHarness) -> None:
    async with harness(trade_store(), start=False) as h:
        rules = [h.shop.faults.add(pattern, FORBIDDEN) for pattern in ("GET */v3/customers*", "GET */orders*")]
        await h.process.start()
        assert (await h.process.first_run("products"))["succeeded"]
        for kind in ("customers", "orders"):
            await h.process.when(lambda now: now["blocked"] == "platform: scope_missing", kind)
        h.store.set_title(1, "Arrives all the same")
        await h.until(lambda: h.state.comparable()["products"]["1"]["title"] == "Arrives all the same")
        connection = await h.process.connection()
        assert (connection["blocked"], connection["kinds"]["products"]["blocked"]) == (None, None)
        for rule in rules:
            h.shop.faults.remove(rule)
        await h.first_sync()
        assert [(await h.process.status(kind))["blocked"] for kind in KINDS] == [None] * 4
        assert (await h.process.metrics())['ignite_sync_connections{state="blocked"}'] == 0
