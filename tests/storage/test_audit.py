"""The audit log and the times of webhooks: what is stored, for how long, on both engines."""

from typing import Any

import pytest

from daemon.model import ConnectionId
from daemon.storage import audit, registrations
from daemon.storage.audit import KEPT, ActionResult, AuditChoice, OperatorAction
from daemon.storage.registrations import Arrived
from daemon.storage.states import AuditOutcome
from tests.databases import InlineDatabase, new_database
from tests.storage.harness import StorageHarness

pytestmark = pytest.mark.usefixtures("both_engines")


async def begun(database: InlineDatabase, at: float, operator: str = "anna", site: str = "live/a") -> int:
    action = OperatorAction(
        at=at, operator=operator, action="sync", site=site, kind="products", request_id="r", encrypted=b"before"
    )
    return await database.write(audit.begin, action)


async def ids(database: InlineDatabase, **chosen: Any) -> list[int]:
    rows = await database.read(audit.listed, AuditChoice(**{"since": 0.0, "limit": 10, **chosen}))
    return [row.id for row in rows]


async def test_an_action_is_stored_before_and_after_it_and_forgotten_with_age() -> None:
    database = new_database()
    first, second = await begun(database, 0.0), await begun(database, 5.0)
    await database.write(audit.end, ActionResult(id=second, outcome=AuditOutcome.DONE, encrypted=b"after"))
    rows = await database.read(audit.listed, AuditChoice(since=0.0, limit=10))
    assert [(row.id, row.outcome, row.encrypted) for row in rows] == [
        (second, AuditOutcome.DONE, b"after"),
        (first, AuditOutcome.BEGUN, b"before"),
    ]
    assert (rows[0].operator, rows[0].action, rows[0].site, rows[0].kind) == ("anna", "sync", "live/a", "products")
    assert await ids(database, since=1.0) == [second]
    third = await begun(database, KEPT + 5.0)
    assert await ids(database) == [third, second]
    database.close()


async def test_actions_are_chosen_by_site_operator_and_place() -> None:
    database = new_database()
    pairs = [("anna", "live/a"), ("ben", "live/a"), ("anna", "live/b"), ("anna", "live/a")]
    one, two, three, four = [await begun(database, 1.0, *pair) for pair in pairs]
    assert await ids(database, limit=1) == [four]
    assert await ids(database, site="live/a") == [four, two, one]
    assert await ids(database, operator="anna") == [four, three, one]
    assert await ids(database, before=three) == [two, one]
    assert await ids(database, site="live/a", operator="anna", before=four) == [one]
    database.close()


async def test_the_latest_time_of_a_webhook_stays_and_goes_with_its_connection() -> None:
    database = new_database()
    harness = await StorageHarness.build(database)
    for at in (5.0, 9.0, 7.0):
        await database.write(registrations.note_arrival, Arrived(connection_id=harness.connection_id, at=at))
    await database.write(registrations.note_arrival, Arrived(connection_id=ConnectionId(999), at=1.0))
    assert await database.read(registrations.arrivals) == {harness.connection_id: 9.0}
    database.close()
