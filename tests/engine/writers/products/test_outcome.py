"""What became of an entity, judged from its plan and what was confirmed."""

# Frozen sets of SKUs are compared with sets of texts.
# mypy: disable-error-code="comparison-overlap"

import pytest

from daemon.engine.writers.products.diff import Plan
from daemon.engine.writers.products.entry import Entry, read_entry
from daemon.engine.writers.products.outcome import judge
from daemon.engine.writers.products.pushed import PushResult
from daemon.errors import Blocked, Duplicate, Missing, Rejected, Retry, Side
from daemon.model import ExternalId, Sku
from daemon.model.outcome import Outcome
from tests.engine.fakes import product
from tests.engine.writers.products.test_diff import FINGERPRINTS, A, only, planned, subject

ONE = ExternalId("1")
WHOLE = {Sku("A"), Sku("B")}
RETRY, REJECTED = Retry("later", reason="x"), Rejected("odd", reason="x")


def new() -> Plan:
    return only(planned(subject(A)))


def smaller() -> Plan:
    return only(planned(subject(product("1", {"11": "A"}), A)))


def pushed(**what: object) -> PushResult:
    return PushResult(**{"products": {ONE}, "stock": set(WHOLE), "prices": set(WHOLE), **what})  # type: ignore[arg-type]


def entry_of(outcome: Outcome) -> Entry:
    """Return the ledger's entry."""
    assert outcome.row is not None
    return read_entry(outcome.row.parts)


def whole(outcome: Outcome) -> bool:
    """Return whether SparkLayer has all of the product."""
    return outcome.row is not None and outcome.row.fingerprint is not None


def test_written_unchanged_and_removed() -> None:
    written = judge(new(), pushed(), FINGERPRINTS)
    assert (written.result, entry_of(written), whole(written)) == ("written", FINGERPRINTS.entry(A), True)
    idle = judge(only(planned(subject(A, A))), PushResult(), FINGERPRINTS)
    assert (idle.result, entry_of(idle), whole(idle)) == ("unchanged", FINGERPRINTS.entry(A), True)
    removed = judge(only(planned(subject(None, A))), pushed(), FINGERPRINTS)
    assert (removed.result, removed.row, removed.released) == ("removed", None, WHOLE)


@pytest.mark.parametrize(
    ("what", "failure"),
    [
        ({"failures": {ONE: RETRY}, "products": set()}, Retry),
        ({"failures": {ONE: ZeroDivisionError("bug")}, "products": set()}, ZeroDivisionError),
        ({"failures": {ONE: Blocked("no", reason="x", side=Side.PLATFORM)}, "products": set()}, Blocked),
        ({"undone": {"A": RETRY}, "stock": {"B"}}, Retry),
        ({"undone": {"A": Missing("no list", reason="x")}, "prices": {"B"}}, Retry),
    ],
)
def test_what_must_be_tried_again_keeps_what_was_confirmed(what: dict[str, object], failure: type[Exception]) -> None:
    outcome = judge(new(), pushed(**what), FINGERPRINTS)
    assert (outcome.result, type(outcome.failure), outcome.issues) == ("retried", failure, ())
    assert not whole(outcome)
    entry = FINGERPRINTS.entry(A)
    assert entry_of(outcome).product == (None if "failures" in what else entry.product)
    sure = WHOLE if "stock" not in what else {Sku("B")}
    assert entry_of(outcome).stock == {sku: entry.stock[sku] if sku in sure else None for sku in WHOLE}
    assert entry_of(outcome).prices.keys() == WHOLE


@pytest.mark.parametrize(
    ("what", "words", "waits"),
    [
        ({"failures": {ONE: REJECTED}, "products": set()}, ["odd"], set()),
        ({"failures": {ONE: Duplicate("taken", reason="x")}, "products": set()}, ["taken"], WHOLE),
        ({"refused": {"A": "too many"}, "stock": {"B"}, "prices": {"B"}}, ["SKU A: too many"], set()),
        ({"refused": {"Z": "of another"}}, [], set()),
    ],
)
def test_what_is_refused_is_a_problem(what: dict[str, object], words: list[str], waits: set[str]) -> None:
    outcome = judge(new(), pushed(**what), FINGERPRINTS)
    assert outcome.result == ("rejected" if words else "written")
    said = [issue.message.partition("accept it: ")[2].partition(". Change")[0] for issue in outcome.issues]
    assert said == words
    assert (outcome.waits_for, outcome.failure) == (waits, None)


def test_a_refused_product_does_not_hide_stock_that_may_yet_arrive() -> None:
    outcome = judge(
        new(), pushed(failures={ONE: REJECTED}, products=set(), undone={"A": RETRY}, stock={"B"}), FINGERPRINTS
    )
    assert (outcome.result, outcome.failure) == ("retried", RETRY)


def test_skus_are_let_go_only_by_what_was_taken_whole() -> None:
    assert judge(smaller(), pushed(), FINGERPRINTS).released == {"B"}
    for what in ({"failures": {ONE: RETRY}, "products": set()}, {"refused": {"B": "no"}, "stock": {"A"}}):
        outcome = judge(smaller(), pushed(**what), FINGERPRINTS)
        assert outcome.released == set()
        assert "B" in entry_of(outcome).skus, "it stays listed until it is let go"


def test_what_is_not_listed_would_never_be_let_go() -> None:
    """B is gone in every part, C is not: B too must be let go with the next attempt."""
    small = product("1", {"11": "A"})
    plan = only(planned(subject(small, product("1", {"11": "A", "12": "B", "13": "C"}))))
    outcome = judge(plan, pushed(refused={Sku("C"): "no"}, stock={Sku("B")}, prices={Sku("B")}), FINGERPRINTS)
    assert (outcome.result, outcome.released) == ("rejected", set())
    assert only(planned(subject(small, entry_of(outcome)))).released == {"B", "C"}


def test_a_product_that_lost_a_sku_is_not_whole() -> None:
    outcome = judge(only(planned(subject(product("1", {"11": "A", "12": "Y"})), Y="7")), pushed(), FINGERPRINTS)
    assert (outcome.result, whole(outcome), outcome.waits_for) == ("written", False, {"Y"})
    assert [issue.code for issue in outcome.issues] == ["sku_used_twice"]
