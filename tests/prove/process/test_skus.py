"""SKUs move between variants and products as merchants please; SparkLayer holds each exactly where the store does.

SparkLayer is strict: a SKU must be free, also of discontinued variants, at the moment it is claimed, and stock and
prices are keyed by nothing else. Each test runs with a SparkLayer that
merges `variants` and with one that replaces them.
"""

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal

import pytest
import trio

from daemon.sandbox import SparkLayerOptions, Store
from daemon.sandbox.bigcommerce.founding import add_groups
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.prove.process.watch import Barrier

Mode = Literal["merge", "replace"]
SIZES = ("S", "M")
Ids = Mapping[str, int]
"""The store's variants by the SKU that they began with: a product's letter and the size."""


def _store(letters: str = "ABC") -> tuple[Store, Ids]:
    """Return a store of products with two sizes each; every SKU has a stock and a price of its own."""
    store = Store()
    add_groups(store)
    for number, letter in enumerate(letters, start=1):
        variants = [
            {
                "sku": f"{letter}-{size}",
                "options": {"Size": size},
                "stock": 10 * number + place,
                "price": number + place,
            }
            for place, size in enumerate(SIZES)
        ]
        store.add_product(f"Product {letter}", variants=variants)
    return store, {variant.sku: variant.id for variant in store.variants()}


def _recreated(store: Store, ids: Ids) -> None:
    store.recreate_variant(ids["A-S"])


def _recreated_elsewhere(store: Store, ids: Ids) -> None:
    sku = store.variant(ids["B-M"]).sku
    store.delete_variant(ids["B-M"])
    later = store.variant(ids["C-S"]).product_id
    store.add_variant(later, sku=sku, options={"Size": "L"}, stock=77, price=7)


MOVES: Mapping[str, Callable[[Store, Ids], None]] = {
    "swap of two products": lambda store, ids: store.rotate_skus(ids["A-S"], ids["B-S"]),
    "swap within a product": lambda store, ids: store.rotate_skus(ids["A-S"], ids["A-M"]),
    "cycle of three products": lambda store, ids: store.rotate_skus(ids["A-S"], ids["B-S"], ids["C-S"]),
    "cycle the other way round": lambda store, ids: store.rotate_skus(ids["C-M"], ids["B-M"], ids["A-M"]),
    "to a later product": lambda store, ids: store.move_sku(ids["A-M"], ids["B-S"]),
    "to an earlier product": lambda store, ids: store.move_sku(ids["C-M"], ids["A-S"]),
    "deleted and made again": _recreated,
    "deleted and made again at a later product": _recreated_elsewhere,
}

AT_ONCE = {"debounce_seconds": 0.0, "debounce_max_seconds": 0.0}


@contextlib.asynccontextmanager
async def _batches(h: ProcessHarness, way: str) -> AsyncIterator[None]:
    """Have what is edited in the block worked on as it comes, or gathered into one batch behind a slow bystander."""
    bystander = h.store.ids[-1]
    if way == "in one batch":
        slow = Barrier().stand(h.site.faults, f"PATCH */products/{bystander}")
        h.store.set_title(bystander, f"Slow {len(h.site.faults.rules)}")
        await slow.reached()
        yield
        await h.shop.webhooks.settled()
        slow.release()
    else:
        yield
    await h.settle()


@pytest.mark.parametrize("variants", ["merge", "replace"])
@pytest.mark.parametrize("way", ["as they come", "in one batch"])
async def test_skus_move(harness: OpenHarness, variants: Mode, way: str) -> None:
    store, ids = _store("ABCZ")
    async with harness(store, sparklayer=SparkLayerOptions(variants=variants), sync=AT_ONCE) as h:
        await h.first_sync()
        for name, move in MOVES.items():
            async with _batches(h, way):
                move(h.store, ids)
            assert h.unequal == [], name


@pytest.mark.parametrize("variants", ["merge", "replace"])
@pytest.mark.parametrize("way", ["as they come", "in one batch"])
async def test_skus_are_shuffled(harness: OpenHarness, variants: Mode, way: str) -> None:
    seed = random.randrange(1000)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    store, ids = _store("ABCDEFZ")
    movable = sorted(number for sku, number in ids.items() if not sku.startswith("Z"))
    async with harness(store, sparklayer=SparkLayerOptions(variants=variants), sync=AT_ONCE) as h:
        await h.first_sync()
        for shuffle in range(10):
            async with _batches(h, way):
                for _ in range(chance.randint(1, 4)):
                    h.store.rotate_skus(*chance.sample(movable, chance.randint(2, 6)))
            assert h.unequal == [], shuffle
        await h.until(lambda: h.errors == {})


async def test_skus_move_in_a_full_sync(harness: OpenHarness) -> None:
    store, ids = _store()
    async with harness(store) as h:
        await h.first_sync()
        for sku_ids in (("A-S", "B-S", "C-S"), ("C-M", "A-M")):
            h.store.rotate_skus(*(ids[sku] for sku in sku_ids), silent=True)
        assert (await h.process.full_sync())["succeeded"]
        h.assert_equal()


@pytest.mark.parametrize(
    ("source", "target", "variants"), [("A-S", "B-S", "merge"), ("B-S", "A-S", "replace")], ids=["later", "earlier"]
)
async def test_the_claimant_has_an_issue_until_the_owner_lets_go(
    harness: OpenHarness, source: str, target: str, variants: Mode
) -> None:
    """The owner's webhook is lost. Claiming its SKU has it looked at, and then the claimant's turn comes."""
    store, ids = _store()
    async with harness(store, sparklayer=SparkLayerOptions(variants=variants)) as h:
        await h.first_sync()
        owner, claimant = (str(store.variant(ids[sku]).product_id) for sku in (source, target))
        owner_is_read = Barrier(0, lambda request: f"id:in={owner}&" in request.query)
        owner_is_read.stand(h.shop.faults, "GET */catalog/products")
        h.store.move_sku(ids[source], ids[target], silent=True)
        await h.process.webhook(int(claimant))
        await owner_is_read.reached()
        await h.until(lambda: claimant in h.errors)
        assert source in h.errors[claimant].message
        assert h.state.stock.levels[source], "nobody takes the owner's stock away meanwhile"
        owner_is_read.release()
        await h.settle()
        await h.until(lambda: h.errors.keys() == {owner})
        h.assert_equal()


async def test_a_sku_on_two_products_is_an_issue_of_the_later_one_until_the_first_lets_go(harness: OpenHarness) -> None:
    store, ids = _store()
    first, later = (str(store.variant(ids[sku]).product_id) for sku in ("A-S", "B-S"))
    store.set_sku(ids["B-S"], "A-S")
    async with harness(store) as h:
        await h.first_sync()
        await h.until(lambda: h.errors.keys() == {later})
        h.store.set_price(int(later), 55)
        await h.settle()
        h.assert_equal()
        h.store.set_sku(ids["A-S"], "A-new")
        await h.settle()
        await h.until(lambda: h.errors == {})
        h.assert_equal()
        assert h.state.comparable()["products"][first]["variants"][str(ids["A-S"])]["sku"] == "A-new"


async def test_the_owner_is_deleted_and_its_webhook_comes_last(harness: OpenHarness) -> None:
    store, ids = _store()
    async with harness(store) as h:
        await h.first_sync()
        owner, claimant = (store.variant(ids[sku]).product_id for sku in ("A-S", "B-S"))
        h.store.delete_product(owner, silent=True)
        h.store.set_sku(ids["B-S"], "A-S")
        await h.settle()
        await h.process.webhook(owner, "store/product/deleted")
        await h.settle()
        await h.until(lambda: str(claimant) not in h.errors)
        h.assert_equal()


async def test_a_writer_that_dies_between_giving_up_and_claiming_is_repaired(harness: OpenHarness) -> None:
    """A swap takes two rounds of writes. Killed between them, both products have lost their SKU in SparkLayer."""
    store, ids = _store()
    async with harness(store) as h:
        await h.first_sync()
        second_round = Barrier(2).stand(h.site.faults, "PATCH */products/*")
        h.store.rotate_skus(ids["A-S"], ids["B-S"], silent=True)
        run = await h.process.sync()
        await second_round.reached()
        await h.process.kill()
        second_round.drop()
        assert h.unequal
        with trio.fail_after(60):
            await h.process.start()
            await h.process.run_over(run)
        await h.settle()
        h.assert_equal()
