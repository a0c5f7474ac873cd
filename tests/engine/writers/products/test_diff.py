"""A batch of products and the ledger decide what is sent."""

# Frozen sets of SKUs are compared with sets of texts.
# mypy: disable-error-code="comparison-overlap"

from typing import Any

import msgspec
import pytest
from attrs import evolve

from daemon.engine.writers.job import BatchPlan, encoded
from daemon.engine.writers.products.diff import (
    Fingerprints,
    ProductJob,
    ProductParts,
    ProductPlan,
    Terms,
    freed_sku,
    plan_batch,
)
from daemon.entities import Product, StockLevel
from daemon.model import ExternalId, Sku, VariantId
from daemon.storage.vault import Fingerprint
from tests.engine.fakes import product

FINGERPRINTS = Fingerprints(Fingerprint(b"k" * 32), Terms(stock_location="sl", price_list="pl"))


def job(now: Product | None, before: Product | ProductParts | None = None) -> ProductJob:
    """Return the job of a product that SparkLayer holds as `before`."""
    entry = FINGERPRINTS.parts(before) if isinstance(before, Product) else before
    known = now or before
    assert isinstance(known, Product)
    return _job(known.external_id, now, entry)


def _job(external_id: ExternalId, now: Product | None, entry: ProductParts | None = None) -> ProductJob:
    fingerprint = FINGERPRINTS.fingerprint(now) if now else None
    return ProductJob(
        external_id=external_id, value=now, fingerprint=fingerprint, before=entry, fingerprints=FINGERPRINTS
    )


def planned(*jobs: ProductJob, **owners: str) -> BatchPlan[ProductPlan]:
    """Plan; the owners of SKUs that the products hold need not be named."""
    held = {sku: job.external_id for job in jobs if job.before for sku in job.before.skus}
    return plan_batch(jobs, held | {Sku(sku): ExternalId(owner) for sku, owner in owners.items()})


def only(batch: BatchPlan[ProductPlan]) -> ProductPlan:
    [plan] = batch.tasks.values()
    return plan


def skus(written: Product | None) -> list[str] | None:
    return None if written is None else [variant.sku for variant in written.variants]


A, B = product("1", {"11": "A", "12": "B"}), product("2", {"21": "C"})


def test_a_new_product_is_written_whole() -> None:
    plan = only(planned(job(A)))
    assert plan.rounds == (None, A)
    assert plan.stock == plan.prices == plan.claims == {"A", "B"}
    assert (plan.removed_stock, plan.removed_prices, plan.vanished, plan.released) == (set(), set(), (), set())
    assert plan.marked.product is None
    assert set(plan.marked.stock.values()) == {None}, "unsure"
    assert plan.after == FINGERPRINTS.parts(A)


def test_an_equal_product_is_idle() -> None:
    assert only(planned(job(A, A))).idle
    assert only(planned(job(evolve(A, variants=(), stock={}, prices={})))).idle, "nothing to tell, never told"


@pytest.mark.parametrize(
    ("change", "writes", "stock", "prices"),
    [
        ({"title": "New"}, True, set(), set()),
        ({"stock": {"A": StockLevel(5), "B": StockLevel(1)}}, False, {"A"}, set()),
        ({"prices": {"A": 1, "B": 1}}, False, set(), {"A", "B"}),
        ({"stock": {}, "prices": {}}, False, set(), set()),
    ],
)
def test_only_parts_that_differ_are_sent(
    change: dict[str, Any],
    writes: bool,  # noqa: FBT001
    stock: set[str],
    prices: set[str],
) -> None:
    plan = only(planned(job(evolve(A, **change), A)))
    assert (plan.writes_product, plan.stock, plan.prices) == (writes, stock, prices)
    gone = {"A", "B"} if change == {"stock": {}, "prices": {}} else set()
    assert (plan.removed_stock, plan.removed_prices) == (gone, gone)
    assert plan.marked.product == (None if writes else FINGERPRINTS.parts(A).product)


def test_a_vanished_variant_is_discontinued_for_ever_and_its_parts_go() -> None:
    smaller = product("1", {"11": "A"})
    plan = only(planned(job(smaller, A)))
    assert plan.vanished == ("12",)
    assert (plan.removed_stock, plan.removed_prices, plan.released) == ({"B"}, {"B"}, {"B"})
    assert plan.after.variants == {"11": ("A",), "12": ()}
    later = only(planned(job(evolve(smaller, title="New"), plan.after)))
    assert later.vanished == ("12",), "every write repeats it"
    assert (later.removed_stock, later.released) == (set(), set())


def test_a_removed_product_discontinues_every_variant() -> None:
    plan = only(planned(job(None, A)))
    assert plan.rounds[1] is not None
    assert (plan.rounds[1].variants, plan.vanished) == ((), ("11", "12"))
    assert (plan.removed_stock, plan.released) == ({"A", "B"}, {"A", "B"})
    assert only(planned(_job(ExternalId("9"), None))).idle


def test_a_sku_that_moves_is_freed_before_it_is_claimed() -> None:
    giver, taker = product("1", {"11": "A"}), product("2", {"21": "C", "22": "B"})
    first, second = planned(job(giver, A), job(taker, B)).tasks.values()
    assert (skus(first.rounds[0]), first.rounds[1]) == (["A"], None)
    assert (second.rounds[0], skus(second.rounds[1])) == (None, ["C", "B"])
    assert (first.removed_stock, first.removed_prices) == (set(), set()), "set beats remove"
    assert "B" in second.stock, "what the former owner left there is not trusted"


def test_a_swap_goes_through_placeholders() -> None:
    one, two = product("1", {"11": "C", "12": "B"}), product("2", {"21": "A"})
    batch = planned(job(one, A), job(two, B))
    first, second = batch.tasks.values()
    assert skus(first.rounds[0]) == [freed_sku(VariantId("11")), "B"]
    assert skus(first.rounds[1]) == ["C", "B"]
    assert (skus(second.rounds[0]), skus(second.rounds[1])) == ([freed_sku(VariantId("21"))], ["A"])
    assert batch.claims == {"A": "2", "B": "1", "C": "1"}
    assert batch.owners == {"A": "1", "B": "1", "C": "2"}


def test_a_swap_within_a_product() -> None:
    plan = only(planned(job(product("1", {"11": "B", "12": "A"}), A)))
    assert skus(plan.rounds[0]) == ["freed-11", "freed-12"]
    assert skus(plan.rounds[1]) == ["B", "A"]
    assert plan.released == set()


def test_a_variant_that_lost_its_sku_is_left_out_with_an_issue() -> None:
    plan = only(planned(job(product("2", {"21": "X", "22": "Y"})), X="7"))
    assert (plan.claims, plan.waits_for) == ({"Y"}, {"X"})
    assert [issue.code for issue in plan.issues] == ["sku_used_twice"]
    assert plan.product is not None
    assert [(variant.sku, variant.position) for variant in plan.product.variants] == [("Y", 1)]


def test_only_the_present_owner_removes() -> None:
    plan = only(planned(job(product("1", {"11": "A"}), A), B="7"))
    assert (plan.removed_stock, plan.removed_prices) == (set(), set())


def test_an_entry_survives_being_stored() -> None:
    entry = only(planned(job(product("1", {"11": "A"}), A))).marked
    assert msgspec.msgpack.decode(encoded(entry), type=ProductParts) == entry
    assert entry.skus == {"A", "B"}


def test_fingerprints_depend_on_everything_that_is_sent() -> None:
    others = [
        evolve(A, title="x"),
        evolve(A, stock={}),
        evolve(A, prices={}),
        evolve(A, variants=A.variants[:1]),
        product("1", {"11": "A", "12": "Z"}),
    ]
    elsewhere = Fingerprints(Fingerprint(b"k" * 32), Terms(stock_location="other", price_list="pl"))
    fingerprints = [FINGERPRINTS.fingerprint(one) for one in (A, *others)] + [elsewhere.fingerprint(A)]
    assert len(set(fingerprints)) == len(fingerprints)
    assert FINGERPRINTS.fingerprint(product("1", {"11": "A", "12": "B"})) == FINGERPRINTS.fingerprint(A)
