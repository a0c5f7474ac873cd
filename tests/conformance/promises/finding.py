"""Promises of finding: a person's word for an entity leads to it, and leaves no trace."""

import json

from structlog.testing import capture_logs

from daemon.errors import Failure
from daemon.model import Kind, Lane
from daemon.platforms.base import MOST_FOUND
from tests.conformance.harness import ReaderHarness, soon
from tests.conformance.promise import LISTED, of
from tests.conformance.promises.keeping_quiet import none_of
from tests.conformance.promises.reading import NO_IDS, TROUBLES
from tests.conformance.transport import always

PARTS = {text for text in NO_IDS if text.isalnum()}
"""They may be part of a name."""

NOBODY = (
    *(set(NO_IDS) - PARTS),
    "#",
    "nobody-is-called-so",
    "999999",
    "nobody@nowhere.test",
    "a,b",
    "x" * 300,
    "O'Neil & Söhne",
    '"%_*',
)


@of(LISTED)
async def what_a_person_calls_it_leads_to_it(harness: ReaderHarness, kind: Kind) -> None:
    """Each of the words leads to it alone, with space around them too; what they lead to can be read."""
    there = harness.stand.add(kind, 3)
    for external_id in there:
        for text in harness.stand.called(kind, external_id):
            found = await soon(harness.shop.find(kind, text))
            assert [one.external_id for one in found] == [external_id], text
            assert found[0].by
            assert found[0].name
            assert [one.external_id for one in await soon(harness.shop.find(kind, f" {text} "))] == [external_id]
            assert await soon(harness.shop.read_one(kind, external_id, Lane.LIVE)) is not None


@of(LISTED)
async def what_nobody_is_called_finds_nothing(harness: ReaderHarness, kind: Kind) -> None:
    """Whatever is asked for; nor is what was deleted found. The sign before an order's number alone is no question."""
    there = harness.stand.add(kind, 2)
    for text in NOBODY:
        harness.wire.meet(None)
        assert list(await soon(harness.shop.find(kind, text))) == [], repr(text)
        assert kind is not Kind.ORDERS or text != "#" or harness.wire.count == 0
    called = harness.stand.called(kind, there[0])
    harness.stand.delete(kind, there[0])
    for text in called:
        assert there[0] not in [one.external_id for one in await soon(harness.shop.find(kind, text))], text


@of(LISTED)
async def trouble_finds_nothing_by_failing(harness: ReaderHarness, kind: Kind) -> None:
    """Whatever comes instead of an answer: it is not said that nobody is called so."""
    text = harness.stand.called(kind, harness.stand.add(kind, 1)[0])[0]
    for trouble in TROUBLES:
        harness.wire.meet(always(trouble))
        try:
            await soon(harness.connect().find(kind, text))
        except Failure:
            continue
        raise AssertionError(trouble)


@of(LISTED)
async def a_question_leaves_no_trace(harness: ReaderHarness, kind: Kind) -> None:
    """It only reads, a little; no note, no log line and no repr has who was asked for, or the answer."""
    there = harness.stand.add(kind, 3)
    harness.wire.meet(None)
    shown = []
    with capture_logs() as lines:
        for text in harness.stand.called(kind, there[0]):
            shown += [repr(one) for one in await soon(harness.shop.find(kind, text))]
        for text in ("Augusta", "buyer", "nobody@nowhere.test"):
            found = await soon(harness.shop.find(kind, text))
            assert len(found) <= MOST_FOUND
            shown += [repr(one) for one in found]
    assert {request.method for request in harness.wire.requests} == {"GET"}
    assert harness.wire.count <= 30
    assert harness.state.seen == []
    shown += [json.dumps(line, default=str) for line in lines] + [repr(call) for call in harness.calls]
    none_of(harness.stand.personal, "\n".join(shown))
