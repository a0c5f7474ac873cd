"""A message names sites, kinds and numbers, and nothing of a merchant or a customer; its links lead somewhere."""

import json
from typing import Any

import trio
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from trio.testing import MockClock

from daemon.admin.notifications.conditions import Condition, Event
from daemon.admin.notifications.message import ANCHORS, NAMES, RUNBOOK, Message, json_body, slack_body
from daemon.admin.notifications.watch import LONGEST_LOOK
from daemon.model import Kind
from daemon.storage import tables
from tests.admin.notifications.harness import AFTER, CONDITIONS, NotifiedHarness, open_issue, open_notified
from tests.e2e.process import ROOT
from tests.test_docs import headings

MARK = "zq"
"""Letters that no word of a message has."""

TEXTS = st.text(min_size=1, max_size=40).map(lambda text: f"{MARK}{text}@example.com")


async def _quoted_everywhere(h: NotifiedHarness, text: str) -> None:
    """Bring about every condition, and put a text wherever the database or a failure can have one."""
    for name, (_, begin, _) in CONDITIONS.items():
        if name != "issues":
            await begin(h)
    await open_issue(h, text=text)
    assert h.context.pause.cause is not None
    h.context.pause.cause.args = (text,)
    sealed = h.context.vault.encrypt(text)
    findings = h.context.vault.encrypt({"missing": {text: text}, "trouble": text, "well_at": 1.0, "mended": None})
    await h.write(
        update(tables.outbox).values(encrypted=sealed),
        update(tables.removals).values(encrypted=sealed),
        update(tables.registrations).values(encrypted=findings),
    )


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_no_text_of_a_merchant_or_a_customer_is_sent(text: str) -> None:
    async def told() -> None:
        async with open_notified() as h:
            await _quoted_everywhere(h, text)
            status: Any = await h.daemon.admin.status({})
            # The status has texts; what is told is read from it.
            assert MARK in json.dumps(status)
            await trio.sleep(AFTER + LONGEST_LOOK)
            assert len(h.receivers.texts()) == len(h.receivers.types()) == len(CONDITIONS)
            assert [sent for sent in h.receivers.sent if MARK.encode() in sent.body] == []
            headers = {name: value for sent in h.receivers.sent for name, value in sent.headers.items()}
            # The signature has any letters by chance.
            assert [name for name, value in headers.items() if MARK in value and name != "webhook-signature"] == []

    trio.run(told, clock=MockClock(autojump_threshold=0.0))


def test_every_runbook_link_leads_to_a_section() -> None:
    assert ANCHORS.keys() == set(Event)
    assert set(ANCHORS.values()) <= headings(ROOT / RUNBOOK)


MESSAGE = Message(
    id="msg_1",
    condition=Condition(event=Event.PARKED, kind=Kind.PRODUCTS, holds=True, counts={"entities": 3}),
    resolved=False,
    site="live/a&b",
    platform="bigcommerce",
    since=1_764_374_400.4,
    new={},
    page="https://here.test/",
    runbook="https://docs.test/operating",
)


def test_a_webhook_has_the_form_that_the_specification_advises() -> None:
    assert json.loads(json_body(MESSAGE)) == {
        "type": "parked.opened",
        "timestamp": "2025-11-29T00:00:00Z",
        "data": {
            "site": "live/a&b",
            "platform": "bigcommerce",
            "kind": "products",
            "cause": None,
            "counts": {"entities": 3},
            "text": "live/a&b: 3 changes of products have used up their retries and are parked.",
            "links": {"page": "https://here.test/", "runbook": "https://docs.test/operating#changes-are-parked"},
        },
    }


def test_slack_gets_one_text_with_links_and_no_markup_of_ours() -> None:
    assert json.loads(slack_body(MESSAGE)) == {
        "text": "live/a&amp;b: 3 changes of products have used up their retries and are parked."
        " <https://here.test/|page> <https://docs.test/operating#changes-are-parked|runbook>"
    }
    without = evolve(MESSAGE, page=None, runbook=RUNBOOK)
    assert json.loads(slack_body(without))["text"].endswith(" (docs/operating.md#changes-are-parked)")


def test_every_event_has_words_for_every_kind() -> None:
    counts = {"entities": 1, "done": 1, "failed": 2, "held_removals": 3, "registered": 4, "missing": 5}
    for event in Event:
        for kind in NAMES:
            given_counts = {"products": 2} if event is Event.ISSUES else counts
            condition = Condition(event=event, kind=kind, holds=True, counts=given_counts, cause="platform: x")
            for resolved in (False, True):
                message = evolve(MESSAGE, condition=condition, resolved=resolved, new={"products": 1})
                assert message.text.startswith("live/a&b: ")
                assert message.text.endswith(".")
