"""Promises about every kind, through the process: their order, and a second sync that writes nothing."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from daemon.sandbox import adventureworks, synthetic
from daemon.sandbox.message import Request, Response
from tests.e2e.harness import OpenHarness
from tests.e2e.trade import writes

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
