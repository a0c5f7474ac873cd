"""Every reason for an entity's state has a text; several are listed with the most important first."""

from typing import Any

import pytest
from attrs import evolve

from daemon.admin.reasons import Case, reasons
from daemon.engine.explanation import Explanation
from daemon.engine.writers.job import Step
from daemon.entities import Issue, Mapped
from daemon.model import ExternalId, Kind, RunId
from daemon.model.outcome import Row
from daemon.storage.overview import Noted
from daemon.storage.parked import WaitingChange
from daemon.storage.removals import WHOLE, Shown
from daemon.storage.states import RemovalCause, RowState

pytestmark = pytest.mark.holds("O5")

ONE = ExternalId("1")
ROW = Row(ONE, b"digest", b"")
STEP = Step("PATCH it", "it differs")
PROBLEM = Issue(code="variant_without_sku", message="It has no SKU. Give it one.")
THERE: Mapped[Any] = Mapped(value="value")
HELD = Shown(external_id=ONE, variant=WHOLE, cause=RemovalCause.DELETED, since=0.0, encrypted=None)
PARKED = WaitingChange(
    kind=Kind.PRODUCTS, external_id=ExternalId("1"), state=RowState.PARKED, attempts=400, since=0.0, due_at=0.0
)
PENDING = evolve(PARKED, state=RowState.PENDING, attempts=3, due_at=60.0, run=RunId(7))
SYNCED = Explanation(mapped=THERE, row=ROW)
TOLD = Noted(told=True)


def case(told: Explanation | None, noted: Noted = TOLD, **fields: Any) -> Case:
    known: dict[str, Any] = {
        "site": "live/x",
        "kind": Kind.PRODUCTS,
        "external_id": "1",
        "platform": "Shop",
        "now": 0.0,
    }
    asked = {"told": told, "trouble": told and told.trouble, "noted": noted}
    return Case(**{**known, **asked, **fields})


CASES: dict[str, tuple[Case, list[str]]] = {
    "in sync": (case(SYNCED), ["in_sync"]),
    "never heard of": (case(Explanation(mapped=Mapped(value=None), row=None, gone=True), Noted()), ["unknown"]),
    "deleted": (case(Explanation(mapped=Mapped(value=None), row=ROW, steps=(STEP,), gone=True)), ["deleted", "unsent"]),
    "deleted and held": (
        case(Explanation(mapped=Mapped(value=None), row=ROW, steps=(STEP,), gone=True), Noted(held=[HELD], told=True)),
        ["held", "deleted"],
    ),
    "not for SparkLayer": (
        case(Explanation(mapped=Mapped(value=None, reasons=("It is in no B2B group.",)), row=None)),
        ["excluded"],
    ),
    "not for SparkLayer, without a reason": (case(Explanation(mapped=Mapped(value=None), row=None)), ["excluded"]),
    "hidden": (case(Explanation(mapped=Mapped(value="v", reasons=("Hidden.",)), row=ROW)), ["hidden", "in_sync"]),
    "to be fixed": (
        case(Explanation(mapped=Mapped(value=None, issues=(PROBLEM,)), row=None)),
        ["must_fix"],
    ),
    "refused by SparkLayer": (case(SYNCED, issue=[PROBLEM, PROBLEM]), ["must_fix", "in_sync"]),
    "a webhook is missing": (case(Explanation(mapped=THERE, row=ROW, steps=(STEP,))), ["unsent"]),
    "waits": (case(Explanation(mapped=THERE, row=ROW, steps=(STEP,)), Noted(change=PENDING, told=True)), ["waiting"]),
    "a full sync is reading": (
        case(Explanation(mapped=THERE, row=None, steps=(STEP,)), Noted(reading=7)),
        ["waiting"],
    ),
    "parked": (case(Explanation(mapped=THERE, row=ROW, steps=(STEP,)), Noted(change=PARKED, told=True)), ["parked"]),
    "blocked": (
        case(Explanation(mapped=THERE, row=ROW, steps=(STEP,)), Noted(change=PENDING), blocked="platform: credentials"),
        ["blocked", "waiting"],
    ),
    "not sure": (case(Explanation(mapped=THERE, row=Row(ONE, None, b""), steps=(STEP,))), ["unsent"]),
    "unreadable": (
        case(None, Noted(change=PARKED, told=True), trouble="HTTP status 503", issue=[PROBLEM]),
        ["unreadable", "parked", "must_fix"],
    ),
    "belongs to another": (case(Explanation(mapped=None, row=None, belongs_to=ExternalId("7"))), ["belongs_to"]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_state_has_its_reasons(name: str) -> None:
    asked, codes = CASES[name]
    found = reasons(asked)
    assert [one.code for one in found] == codes
    assert all(one.text.strip() for one in found)


def test_the_words_say_what_to_do() -> None:
    error = {"error": "SparkLayer answered 500"}
    [parked] = reasons(case(Explanation(mapped=THERE, row=ROW, steps=(STEP,)), Noted(change=PARKED), **error))
    assert parked.text == (
        "Its change was given up after 400 tries since 1970-01-01 00:00 UTC; the last error: SparkLayer answered 500;"
        " try it again with: ignite-sync parked retry live/x products 1"
    )
    [waiting] = reasons(case(Explanation(mapped=THERE, row=ROW, steps=(STEP,)), Noted(change=PENDING), **error))
    assert waiting.text == (
        "Its change waits in full sync 7 since 1970-01-01 00:00 UTC, tried 3 times, again in 60 s;"
        " the last error: SparkLayer answered 500."
    )
