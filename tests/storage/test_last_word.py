"""The last word of a node that has lost a lease: what it may have sent is sent again, whatever else is in flight."""

from collections.abc import Sequence
from typing import Any

import pytest

from daemon.model import Kind
from daemon.storage import ledger, sync_log
from daemon.storage.last_word import Doubted, LastWord, Unsettled, say
from daemon.storage.ledger import Mark
from daemon.storage.resync import Remap, remap
from daemon.storage.settle import RetryLater, Settlement, settle
from tests.storage.harness import PRODUCTS, StorageHarness, id_, row, settled


async def doubt(harness: StorageHarness, *ids: str, now: float = 0.0, reported: Sequence[Kind] = ()) -> None:
    doubted: dict[Kind, Doubted] = {PRODUCTS: {id_(one): () for one in ids}} if ids else {}
    call = LastWord(connection_id=harness.connection_id, now=now, doubted=doubted, reported=reported)
    await harness.storage.write(say, call)


async def test_a_doubted_entity_is_claimed_as_such_and_a_settled_one_no_longer(harness: StorageHarness) -> None:
    await harness.record("2")
    await doubt(harness, "1")
    assert {claim.external_id: claim.doubted for claim in await harness.claim()} == {"1": True, "2": False}
    await harness.work()
    await harness.record("1")
    assert [claim.doubted for claim in await harness.claim()] == [False]


@pytest.mark.parametrize("ends", ["done", "retried", "parked"])
async def test_a_settlement_in_flight_does_not_swallow_a_last_word(harness: StorageHarness, ends: str) -> None:
    await harness.record("1")
    [claim] = await harness.claim()
    await doubt(harness, "1")
    if ends == "done":
        await harness.settle(done=[settled(claim, row=row("1"))])
    else:
        await harness.settle(again=[RetryLater(claim=claim, due_at=5.0 if ends == "retried" else None, error=b"")])
    [again] = await harness.claim(now=6.0)
    assert (again.external_id, again.doubted) == ("1", True)
    await harness.settle(done=[settled(again, row=row("1"))])
    assert await harness.rows() == {}


async def test_a_doubt_outlives_later_changes_and_a_full_sync(harness: StorageHarness) -> None:
    await doubt(harness, "1")
    await harness.record("1")
    run = await harness.started()
    await harness.page(run, "1")
    assert [claim.doubted for claim in await harness.claim()] == [True]


async def test_nothing_is_doubted_of_a_connection_that_left(harness: StorageHarness) -> None:
    await harness.ended_run("1")
    await harness.disconnect()
    await doubt(harness, "1", reported=[PRODUCTS])
    assert await harness.rows() == {}
    assert [log["puts_owed"] for log in await harness.everything_of("sync_log")] == [0]


async def test_a_report_of_unknown_fate_is_made_up_for_by_a_put(harness: StorageHarness) -> None:
    await harness.ended_run("1", now=3.0)
    await doubt(harness, reported=[PRODUCTS])
    put = await harness.taken()
    assert (put.full, put.run, put.started_at, put.last_full_sync, put.succeeded) == (True, None, 3.0, 3.0, True)
    await doubt(harness, reported=[PRODUCTS])
    await harness.confirm(put)
    later = await harness.taken()
    assert later.full, "the PUT in flight may have come before what the second last word is about"
    await harness.confirm(later)
    assert await harness.take() is None


async def test_a_put_is_not_owed_before_there_is_a_log(harness: StorageHarness) -> None:
    await doubt(harness, reported=[PRODUCTS])
    assert await harness.take() is None


def settlement(harness: StorageHarness, **outcomes: Any) -> Settlement:
    return Settlement(connection_id=harness.connection_id, kind=PRODUCTS, now=0.0, **outcomes)


async def test_what_is_under_way_is_marked_and_not_settled_or_taken_and_not_confirmed(harness: StorageHarness) -> None:
    sending = Unsettled()
    key = harness.connection_id, PRODUCTS
    mark = Mark[Any](connection_id=harness.connection_id, kind=PRODUCTS, rows=[row(one) for one in "123"])
    sending.note(ledger.mark, mark, frozenset())
    sending.note(remap, Remap(mark=Mark(connection_id=key[0], kind=Kind.STORE, rows=[row("s")]), resync=None), None)  # type: ignore[arg-type]
    await harness.record("1", "2")
    one, two = await harness.claim()
    sending.note(settle, settlement(harness, done={one: settled(one).outcome}), None)
    sending.note(settle, settlement(harness, again=[RetryLater(claim=two, due_at=1.0, error=b"")]), None)
    sending.note(sync_log.take, key, None)
    assert sending.last_word(key[0], 7.0) == LastWord(
        connection_id=key[0],
        now=7.0,
        doubted={PRODUCTS: {id_("3"): (b"parts",)}, Kind.STORE: {id_("s"): (b"parts",)}},
        reported=[],
    )
    await harness.ended_run("9")
    await harness.started()
    report = await harness.taken()
    sending.note(sync_log.take, key, report)
    word = sending.last_word(key[0], 7.0)
    assert word is not None
    assert word.reported == [PRODUCTS]
    sending.note(sync_log.confirm, report, None)
    word = sending.last_word(key[0], 7.0)
    assert word is not None
    assert word.reported == []


async def test_a_node_that_sends_nothing_has_no_last_word(harness: StorageHarness) -> None:
    assert Unsettled().last_word(harness.connection_id, 0.0) is None
