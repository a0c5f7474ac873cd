"""A write whose answer never came may have been carried out: it is repaired even if the store went back meanwhile.

Every attempt of a write has its effect and none is answered, until the daemon gives up for
now; then the store returns to what the ledger last knew to be in SparkLayer. Only a ledger that says *unsure* tells
the daemon that there is anything to write.
"""

from collections.abc import Callable
from typing import Literal

import pytest
from attrs import frozen

from daemon.sandbox import SparkLayerOptions, Store, reset
from daemon.sandbox.expectation import differences
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.prove.process.watch import Barrier


@frozen
class Part:
    """A part of a product: how it is written, and how it is changed and changed back."""

    pattern: str
    change: Callable[[Store], None]
    back: Callable[[Store], None]


JUMPER = 1
PARTS = {
    "product": Part(
        "PATCH */products/*",
        lambda store: store.set_title(JUMPER, "For a moment"),
        lambda store: store.set_title(JUMPER, "Jumper", silent=True),
    ),
    "stock": Part(
        "POST */batch-update-stock",
        lambda store: store.set_stock(store.by_sku("J-S").id, 77),
        lambda store: store.set_stock(store.by_sku("J-S").id, 3, silent=True),
    ),
    "removed stock": Part(
        "POST */batch-delete-stock",
        lambda store: store.set_tracking(JUMPER, "none"),
        lambda store: store.set_tracking(JUMPER, "variant", silent=True),
    ),
    "price": Part(
        "PATCH */pricing",
        lambda store: store.set_price(JUMPER, 11, store.by_sku("J-S").id),
        lambda store: store.set_price(JUMPER, None, store.by_sku("J-S").id, silent=True),
    ),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
async def test_a_write_without_an_answer_ends_equal_though_the_store_went_back(
    harness: OpenHarness, part: Part
) -> None:
    async with harness() as h:
        await h.first_sync()
        await _changed_unanswered(h, part)
        part.back(h.store)
        assert differences(h.store, h.state), "the write had its effect"
        await h.settle()
        h.assert_equal()
        status = await h.process.status()
        assert (status["outbox"]["parked"], status["issues"]) == (0, 0)


@pytest.mark.parametrize("part", [PARTS["product"], PARTS["price"]], ids=["product", "price"])
async def test_the_same_when_the_daemon_dies_waiting_for_the_answer(harness: OpenHarness, part: Part) -> None:
    async with harness() as h:
        await h.first_sync()
        answered = Barrier().stand(h.site.faults, part.pattern, after_effect=True)
        part.change(h.store)
        await answered.reached()
        await h.process.kill()
        answered.drop()
        part.back(h.store)
        assert differences(h.store, h.state), "the write had its effect"
        await h.process.start()
        await h.process.idle()
        h.assert_equal()


async def _changed_unanswered(h: ProcessHarness, part: Part) -> None:
    """Change the part, and let every attempt to write it be carried out without an answer until none is left."""
    rule = h.site.faults.add(part.pattern, reset(), after_effect=True)
    part.change(h.store)
    await h.until(lambda: "entity is tried again" in h.process.output)
    h.site.faults.remove(rule)


@pytest.mark.parametrize("variants", ["merge", "replace"])
async def test_a_product_made_without_an_answer_is_not_made_twice(
    harness: OpenHarness, variants: Literal["merge", "replace"]
) -> None:
    """POST, the answer is lost, POST again: a duplicate. What SparkLayer holds by then is adopted."""
    async with harness(sparklayer=SparkLayerOptions(variants=variants)) as h:
        await h.first_sync()
        lost = h.site.faults.add("POST */products", reset(), after_effect=True, times=1)
        shirt = h.store.add_product("Shirt", price=5, variants=[{"sku": "SHIRT", "stock": 1}])
        await h.until(lambda: lost.used == 1)
        h.store.set_title(shirt, "Shirt, renamed")
        await h.settle()
        h.assert_equal()
        assert len(h.state.products.products) == 3
        assert h.errors == {}
