"""The numbers of all connections for /metrics: of the asked ones only, and without a look at the ledger."""

from sqlalchemy import event

from daemon.model import Lane
from daemon.storage.counts import RunProgress, counts
from daemon.storage.states import RowState
from tests.databases import InlineDatabase
from tests.storage.harness import PRODUCTS, StorageHarness, issue, settled


async def test_each_number_is_of_its_connection_and_kind(inline: InlineDatabase) -> None:
    first, second, other = [await StorageHarness.build(inline, name) for name in ("first", "second", "other")]
    for harness in (first, second, other):
        await harness.ended_run("1", "2", now=100.0)
    for external_id, found in (("3", issue("bad")), ("4", None)):
        await first.record(external_id, now=-10.0)
        await first.settle(done=[settled(claim, issue=found, report=True) for claim in await first.claim(now=1.0)])
    await first.record("5", "6", now=50.0)
    await second.record("7", now=60.0, lane=Lane.BACKFILL)
    await second.record("8", now=10.0)
    await second.fail(now=20.0)
    running = await second.started(now=200.0)
    await second.page(running, "9", cursor="next", now=200.0)

    counted = await inline.read(counts, [first.connection_id, second.connection_id])
    one, two = (first.connection_id, PRODUCTS), (second.connection_id, PRODUCTS)
    depths = {place: {(d.lane, d.state): (d.rows, d.oldest) for d in shown} for place, shown in counted.depths.items()}
    assert depths == {
        one: {(Lane.LIVE, RowState.PENDING): (2, 50.0)},
        two: {(Lane.BACKFILL, RowState.PENDING): (2, 60.0), (Lane.LIVE, RowState.PARKED): (1, 10.0)},
    }
    assert (counted.issues, counted.untold, counted.synced) == ({one: 1}, {one: 1}, {one: 1})
    assert counted.runs == {one: RunProgress(seen=2, done=2, failed=0), two: RunProgress(seen=1, done=0, failed=0)}
    assert counted.succeeded_at == {one: 100.0, two: 100.0}
    assert (counted.held, counted.gaps, counted.registrations, counted.leaving) == ({}, set(), {}, 0)
    assert counted.rows == 7


async def test_they_take_the_same_statements_for_any_number_of_connections(inline: InlineDatabase) -> None:
    harnesses = [await StorageHarness.build(inline, name) for name in ("a", "b", "c", "d")]
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(inline._engine, "before_cursor_execute", note)
    taken = []
    for some in (harnesses[:1], harnesses):
        statements.clear()
        await inline.read(counts, [harness.connection_id for harness in some])
        taken.append(len(statements))
        assert not [statement for statement in statements if "ledger" in statement]
    assert taken[0] == taken[1]
    event.remove(inline._engine, "before_cursor_execute", note)
