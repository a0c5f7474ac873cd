"""What became of an entity, judged from its plan and what was confirmed."""

# Frozen sets of SKUs are compared with sets of texts.
# mypy: disable-error-code="comparison-overlap"

import pytest

from daemon.engine.handoff import Handoff
from daemon.engine.writers.products.diff import Plan
from daemon.engine.writers.products.pushed import PushResult
from daemon.engine.writers.products.verdict import Judgement, judge
from daemon.errors import Blocked, Duplicate, Missing, Rejected, Retry, Side
from daemon.model import ExternalId, RunId, Sku
from daemon.platforms.base import Entity
from daemon.storage.outbox import Claim
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


def test_written_unchanged_and_removed() -> None:
    assert judge(new(), pushed()) == Judgement(outcome="written", entry=FINGERPRINTS.entry(A), whole=True)
    idle = judge(only(planned(subject(A, A))), PushResult())
    assert (idle.outcome, idle.entry, idle.whole) == ("unchanged", FINGERPRINTS.entry(A), True)
    removed = judge(only(planned(subject(None, A))), pushed())
    assert (removed.outcome, removed.entry, removed.released) == ("removed", None, WHOLE)


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
    verdict = judge(new(), pushed(**what))
    assert (verdict.outcome, type(verdict.failure), verdict.issues) == ("retried", failure, ())
    assert verdict.entry is not None
    assert not verdict.whole
    entry = FINGERPRINTS.entry(A)
    assert verdict.entry.product == (None if "failures" in what else entry.product)
    sure = WHOLE if "stock" not in what else {Sku("B")}
    assert verdict.entry.stock == {sku: entry.stock[sku] if sku in sure else None for sku in WHOLE}
    assert verdict.entry.prices.keys() == WHOLE


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
    verdict = judge(new(), pushed(**what))
    assert verdict.outcome == ("rejected" if words else "written")
    said = [issue.message.partition("accept it: ")[2].partition(". Change")[0] for issue in verdict.issues]
    assert said == words
    assert (verdict.waits_for, verdict.failure) == (waits, None)


def test_a_refused_product_does_not_hide_stock_that_may_yet_arrive() -> None:
    verdict = judge(new(), pushed(failures={ONE: REJECTED}, products=set(), undone={"A": RETRY}, stock={"B"}))
    assert (verdict.outcome, verdict.failure) == ("retried", RETRY)


def test_skus_are_let_go_only_by_what_was_taken_whole() -> None:
    assert judge(smaller(), pushed()).released == {"B"}
    for what in ({"failures": {ONE: RETRY}, "products": set()}, {"refused": {"B": "no"}, "stock": {"A"}}):
        verdict = judge(smaller(), pushed(**what))
        assert verdict.released == set()
        assert verdict.entry is not None
        assert "B" in verdict.entry.skus, "it stays listed until it is let go"


def test_what_is_not_listed_would_never_be_let_go() -> None:
    """B is gone in every part, C is not: B too must be let go with the next attempt."""
    small = product("1", {"11": "A"})
    plan = only(planned(subject(small, product("1", {"11": "A", "12": "B", "13": "C"}))))
    verdict = judge(plan, pushed(refused={Sku("C"): "no"}, stock={Sku("B")}, prices={Sku("B")}))
    assert (verdict.outcome, verdict.released) == ("rejected", set())
    assert verdict.entry is not None
    assert only(planned(subject(small, verdict.entry))).released == {"B", "C"}


def test_a_product_that_lost_a_sku_is_not_whole() -> None:
    verdict = judge(only(planned(subject(product("1", {"11": "A", "12": "Y"})), Y="7")), pushed())
    assert (verdict.outcome, verdict.whole, verdict.waits_for) == ("written", False, {"Y"})
    assert [issue.code for issue in verdict.issues] == ["sku_used_twice"]


@pytest.mark.parametrize(
    ("claim", "usable"),
    [
        (Claim(ONE, 1, RunId(5), 0, 0.0), True),
        (Claim(ONE, 2, RunId(5), 0, 0.0), False),
        (Claim(ONE, 1, RunId(6), 0, 0.0), False),
        (Claim(ONE, 1, None, 0, 0.0), False),
        (Claim(ExternalId("2"), 1, RunId(5), 0, 0.0), False),
    ],
)
def test_contents_of_pages_are_used_once_and_only_for_their_own_row(claim: Claim, usable: bool) -> None:  # noqa: FBT001
    handoff, entity = Handoff(), Entity(ONE, "content")
    handoff.put(RunId(5), [entity])
    assert (handoff.take(claim) is entity) is usable
    assert handoff.take(claim) is None
