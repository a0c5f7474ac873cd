"""What is sent for a batch of products, decided by values alone."""

# Frozen sets of SKUs are compared with sets of texts.
# mypy: disable-error-code="comparison-overlap"

from typing import Any

import pytest
from attrs import evolve

from daemon.engine.writers.products.diff import BatchPlan, Plan, Subject, freed_sku, plan_batch
from daemon.engine.writers.products.entry import Entry, Fingerprints, Terms, read_entry
from daemon.entities import Product, Stock
from daemon.model import ExternalId, Sku, VariantId
from daemon.storage.vault import Fingerprint
from tests.engine.fakes import product

FINGERPRINTS = Fingerprints(Fingerprint(b"k" * 32), Terms(stock_location="sl", price_list="pl"))


def subject(now: Product | None, before: Product | Entry | None = None) -> Subject:
    """Return a subject that SparkLayer holds as `before`."""
    entry = FINGERPRINTS.entry(before) if isinstance(before, Product) else before
    known = now or before
    assert isinstance(known, Product)
    return Subject(external_id=known.external_id, product=now, before=entry)


def planned(*subjects: Subject, **owners: str) -> BatchPlan:
    """Plan; the owners of what the subjects hold need not be named."""
    held = {sku: one.external_id for one in subjects if one.before for sku in one.before.skus}
    return plan_batch(subjects, held | {Sku(sku): ExternalId(one) for sku, one in owners.items()}, FINGERPRINTS)


def only(batch: BatchPlan) -> Plan:
    [plan] = batch.plans
    return plan


def skus(written: Product | None) -> list[str] | None:
    return None if written is None else [variant.sku for variant in written.variants]


A, B = product("1", {"11": "A", "12": "B"}), product("2", {"21": "C"})


def test_a_new_product_is_written_whole() -> None:
    plan = only(planned(subject(A)))
    assert plan.rounds == (None, A)
    assert plan.stock == plan.prices == plan.claims == {"A", "B"}
    assert (plan.removed_stock, plan.removed_prices, plan.vanished, plan.released) == (set(), set(), (), set())
    assert plan.marked.product is None
    assert set(plan.marked.stock.values()) == {None}, "unsure"
    assert plan.after == FINGERPRINTS.entry(A)


def test_an_equal_product_is_idle() -> None:
    assert only(planned(subject(A, A))).idle
    assert only(planned(subject(evolve(A, variants=(), stock={}, prices={})))).idle, "nothing to tell, never told"


@pytest.mark.parametrize(
    ("change", "writes", "stock", "prices"),
    [
        ({"title": "New"}, True, set(), set()),
        ({"stock": {"A": Stock(5), "B": Stock(1)}}, False, {"A"}, set()),
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
    plan = only(planned(subject(evolve(A, **change), A)))
    assert (plan.writes_product, plan.stock, plan.prices) == (writes, stock, prices)
    gone = {"A", "B"} if change == {"stock": {}, "prices": {}} else set()
    assert (plan.removed_stock, plan.removed_prices) == (gone, gone)
    assert plan.marked.product == (None if writes else FINGERPRINTS.entry(A).product)


def test_a_refresh_sends_everything() -> None:
    plan = only(planned(subject(A, FINGERPRINTS.entry(A).forgotten())))
    assert plan.writes_product
    assert plan.stock == plan.prices == {"A", "B"}


def test_a_vanished_variant_is_discontinued_for_ever_and_its_parts_go() -> None:
    smaller = product("1", {"11": "A"})
    plan = only(planned(subject(smaller, A)))
    assert plan.vanished == ("12",)
    assert (plan.removed_stock, plan.removed_prices, plan.released) == ({"B"}, {"B"}, {"B"})
    assert plan.after.variants == {"11": ("A",), "12": ()}
    later = only(planned(subject(evolve(smaller, title="New"), plan.after)))
    assert later.vanished == ("12",), "every write repeats it"
    assert (later.removed_stock, later.released) == (set(), set())


def test_a_removed_product_discontinues_every_variant() -> None:
    plan = only(planned(subject(None, A)))
    assert plan.rounds[1] is not None
    assert (plan.rounds[1].variants, plan.vanished) == ((), ("11", "12"))
    assert (plan.removed_stock, plan.released) == ({"A", "B"}, {"A", "B"})
    assert only(planned(Subject(external_id=ExternalId("9"), product=None, before=None))).idle


def test_a_sku_that_moves_is_freed_before_it_is_claimed() -> None:
    giver, taker = product("1", {"11": "A"}), product("2", {"21": "C", "22": "B"})
    first, second = planned(subject(giver, A), subject(taker, B)).plans
    assert (skus(first.rounds[0]), first.rounds[1]) == (["A"], None)
    assert (second.rounds[0], skus(second.rounds[1])) == (None, ["C", "B"])
    assert (first.removed_stock, first.removed_prices) == (set(), set()), "set beats remove"
    assert "B" in second.stock, "what the former owner left there is not trusted"


def test_a_swap_goes_through_placeholders() -> None:
    one, two = product("1", {"11": "C", "12": "B"}), product("2", {"21": "A"})
    batch = planned(subject(one, A), subject(two, B))
    first, second = batch.plans
    assert skus(first.rounds[0]) == [freed_sku(VariantId("11")), "B"]
    assert skus(first.rounds[1]) == ["C", "B"]
    assert (skus(second.rounds[0]), skus(second.rounds[1])) == ([freed_sku(VariantId("21"))], ["A"])
    assert batch.claims == {"A": "2", "B": "1", "C": "1"}
    assert batch.given_up == {"A": "1", "B": "1", "C": "2"}


def test_a_swap_within_a_product() -> None:
    plan = only(planned(subject(product("1", {"11": "B", "12": "A"}), A)))
    assert skus(plan.rounds[0]) == ["freed-11", "freed-12"]
    assert skus(plan.rounds[1]) == ["B", "A"]
    assert plan.released == set()


@pytest.mark.parametrize(
    ("subjects", "owners", "winner"),
    [
        ([subject(product("2", {"21": "X"})), subject(product("10", {"91": "X"}))], {}, "2"),
        ([subject(product("2", {"21": "X"})), subject(product("10", {"91": "X"}))], {"X": "10"}, "10"),
        ([subject(product("2", {"21": "X"}))], {"X": "7"}, "7"),
        ([subject(product("2", {"21": "X"})), subject(product("1", {"11": "A"}), A)], {"X": "1"}, "2"),
    ],
)
def test_who_gets_a_sku(subjects: list[Subject], owners: dict[str, str], winner: str) -> None:
    batch = planned(*subjects, **owners)
    for plan in batch.plans:
        wants = plan.subject.product is not None and any(v.sku == "X" for v in plan.subject.product.variants)
        if wants and plan.external_id == winner:
            assert "X" in plan.claims
            assert plan.issues == ()
        elif wants:
            assert "X" not in plan.claims
            assert plan.waits_for == {"X"}
            assert [issue.code for issue in plan.issues] == ["sku_used_twice"]
            assert plan.product is not None
            assert not plan.product.variants


def test_positions_are_counted_without_the_variants_that_lost() -> None:
    plan = only(planned(subject(product("2", {"21": "X", "22": "Y"})), X="7"))
    assert plan.product is not None
    assert [(variant.sku, variant.position) for variant in plan.product.variants] == [("Y", 1)]


def test_only_the_present_owner_removes() -> None:
    plan = only(planned(subject(product("1", {"11": "A"}), A), B="7"))
    assert (plan.removed_stock, plan.removed_prices) == (set(), set())


def test_an_entry_survives_being_stored() -> None:
    entry = only(planned(subject(product("1", {"11": "A"}), A))).marked
    assert read_entry(entry.encoded()) == entry
    assert entry.skus == {"A", "B"}


def test_digests_stand_for_everything_that_is_sent() -> None:
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
