"""A product's plan and the confirmed calls decide its outcome."""

# Frozen sets of SKUs are compared with sets of texts.
# mypy: disable-error-code="comparison-overlap"

from typing import Any

import msgspec
import pytest

from daemon.engine.writers.products.diff import ProductParts, ProductPlan
from daemon.engine.writers.products.outcome import BulkResult
from daemon.engine.writers.products.outcome import judge as judge_plan
from daemon.errors import Blocked, Duplicate, Missing, Rejected, Retry, Side
from daemon.model import ExternalId, Sku
from daemon.model.outcome import Outcome
from tests.engine.fakes import product
from tests.engine.writers.products.test_diff import FINGERPRINTS, A, job, only, planned

ONE = ExternalId("1")
WHOLE = {Sku("A"), Sku("B")}
RETRY, REJECTED = Retry("later", reason="x"), Rejected("odd", reason="x")


def new() -> ProductPlan:
    return only(planned(job(A)))


def smaller() -> ProductPlan:
    return only(planned(job(product("1", {"11": "A"}), A)))


def judge(plan: ProductPlan, *, error: Exception | None = None, **rows: object) -> Outcome:
    """Judge a plan with all rows confirmed, except as `rows` say."""
    bulk = BulkResult(**{"stock": set(WHOLE), "prices": set(WHOLE), **rows})  # type: ignore[arg-type]
    return judge_plan(plan, error, bulk)


def entry_of(outcome: Outcome) -> ProductParts:
    """Return the ledger's entry."""
    assert outcome.row is not None
    return msgspec.msgpack.decode(outcome.row.parts, type=ProductParts)


def whole(outcome: Outcome) -> bool:
    """Return True if SparkLayer has the whole product."""
    return outcome.row is not None and outcome.row.fingerprint is not None


def test_written_unchanged_and_removed() -> None:
    written = judge(new())
    assert (written.result, entry_of(written), whole(written)) == ("written", FINGERPRINTS.parts(A), True)
    idle = judge(only(planned(job(A, A))), stock=set(), prices=set())
    assert (idle.result, entry_of(idle), whole(idle)) == ("unchanged", FINGERPRINTS.parts(A), True)
    removed = judge(only(planned(job(None, A))))
    assert (removed.result, removed.row, removed.released) == ("removed", None, WHOLE)
    without_sku = judge(only(planned(job(product("1", {})))))
    assert (without_sku.result, without_sku.row) == ("rejected", None), "SparkLayer never had it"


@pytest.mark.parametrize(
    ("what", "failure"),
    [
        ({"error": RETRY}, Retry),
        ({"error": ZeroDivisionError("bug")}, ZeroDivisionError),
        ({"error": Blocked("no", reason="x", side=Side.PLATFORM)}, Blocked),
        ({"undone": {"A": RETRY}, "stock": {"B"}}, Retry),
        ({"undone": {"A": Missing("no list", reason="x")}, "prices": {"B"}}, Retry),
    ],
)
def test_a_retried_product_keeps_its_confirmed_parts(what: dict[str, Any], failure: type[Exception]) -> None:
    outcome = judge(new(), **what)
    assert (outcome.result, type(outcome.failure), outcome.issues) == ("retried", failure, ())
    assert not whole(outcome)
    entry = FINGERPRINTS.parts(A)
    assert entry_of(outcome).product == (None if "error" in what else entry.product)
    sure = WHOLE if "stock" not in what else {Sku("B")}
    assert entry_of(outcome).stock == {sku: entry.stock[sku] if sku in sure else None for sku in WHOLE}
    assert entry_of(outcome).prices.keys() == WHOLE


@pytest.mark.parametrize(
    ("what", "words", "waits"),
    [
        ({"error": REJECTED}, ["odd"], set()),
        ({"error": Duplicate("taken", reason="x")}, ["taken"], WHOLE),
        ({"refused": {"A": "too many"}, "stock": {"B"}, "prices": {"B"}}, ["SKU A: too many"], set()),
        ({"refused": {"Z": "of another"}}, [], set()),
    ],
)
def test_refusals_become_issues(what: dict[str, Any], words: list[str], waits: set[str]) -> None:
    outcome = judge(new(), **what)
    assert outcome.result == ("rejected" if words else "written")
    said = [issue.message.partition("accept this: ")[2].partition(". Change")[0] for issue in outcome.issues]
    assert said == words
    assert (outcome.waits_for, outcome.failure) == (waits, None)


def test_a_refused_product_does_not_hide_stock_that_may_yet_arrive() -> None:
    outcome = judge(new(), error=REJECTED, undone={"A": RETRY}, stock={"B"})
    assert (outcome.result, outcome.failure) == ("retried", RETRY)


def test_only_a_product_taken_whole_releases_skus() -> None:
    assert judge(smaller()).released == {"B"}
    for what in ({"error": RETRY}, {"refused": {"B": "no"}, "stock": {"A"}}):
        outcome = judge(smaller(), **what)
        assert outcome.released == set()
        assert "B" in entry_of(outcome).skus, "it stays listed until it is let go"


def test_an_unreleased_sku_stays_listed() -> None:
    """B is removed in every part, C is not: the next attempt must release B too."""
    small = product("1", {"11": "A"})
    plan = only(planned(job(small, product("1", {"11": "A", "12": "B", "13": "C"}))))
    outcome = judge(plan, refused={Sku("C"): "no"}, stock={Sku("B")}, prices={Sku("B")})
    assert (outcome.result, outcome.released) == ("rejected", set())
    assert only(planned(job(small, entry_of(outcome)))).released == {"B", "C"}


def test_a_product_that_lost_a_sku_is_not_whole() -> None:
    outcome = judge(only(planned(job(product("1", {"11": "A", "12": "Y"})), Y="7")))
    assert (outcome.result, whole(outcome), outcome.waits_for) == ("written", False, {"Y"})
    assert [issue.code for issue in outcome.issues] == ["sku_used_twice"]
