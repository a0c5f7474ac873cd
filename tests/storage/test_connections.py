"""The life of a connection; a deleted connection leaves no row in any table."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Enum, Table, insert, select

from daemon.model import ConnectionId, Site
from daemon.storage import connections
from daemon.storage.connections import MOVES, Adopt, Begin, Leave, Renew, State, Stored, Wipe
from daemon.storage.tables import metadata
from tests.storage.harness import StorageHarness

SITE = Site("test", "shop")
TABLES: list[Table] = [table for table in metadata.sorted_tables if "connection_id" in table.columns]
FILLING: dict[str, Any] = {"INTEGER": 1, "BIGINT": 1, "VARCHAR": "x", "BLOB": b"x", "FLOAT": 1.0, "BOOLEAN": False}


def _fill(conn: Connection, calls: Sequence[ConnectionId]) -> list[None]:
    """Write a row of each connection into every table with rows of connections."""
    for connection_id in calls:
        for table in TABLES:
            values = {
                c.name: c.type.enums[0] if isinstance(c.type, Enum) else FILLING[str(c.type)] for c in table.columns
            }
            values |= {"connection_id": connection_id}
            if table.name in {"outbox", "full_syncs"}:
                values |= {"full_sync_id": None} if table.name == "outbox" else {"id": int(connection_id) + 100}
            conn.execute(insert(table).values(**values))
    return [None] * len(calls)


def _owners(conn: Connection) -> dict[str, set[int]]:
    return {table.name: set(conn.execute(select(table.c.connection_id)).scalars()) for table in TABLES}


async def _begin(harness: StorageHarness, **more: Any) -> Stored:
    pending = Begin(site=SITE, platform="fake", encrypted=b"new", now=2.0, **more)
    return await harness.storage.write(connections.begin, pending)


async def _leave(harness: StorageHarness) -> Stored | None:
    return await harness.storage.write(connections.leave, Leave(site=SITE, now=3.0))


async def _wipe(harness: StorageHarness, connection_id: ConnectionId) -> None:
    await harness.storage.write(connections.wipe, Wipe(id=connection_id, blank=b"blank"))


async def _all(harness: StorageHarness) -> list[Stored]:
    return await harness.storage.read(connections.of_site, SITE)


async def test_wiping_leaves_no_row_of_the_connection_and_every_row_of_others(harness: StorageHarness) -> None:
    other = await StorageHarness.build(harness.storage, "other")
    for one in (harness, other):
        await harness.storage.write(_fill, one.connection_id)
    left = await _leave(harness)
    assert left is not None
    assert (left.state, left.leaving_since, left.encrypted) == ("leaving", 3.0, b"")
    await _wipe(harness, harness.connection_id)
    assert await harness.storage.read(_owners) == {table.name: {other.connection_id} for table in TABLES}
    [tombstone] = await _all(harness)
    assert (tombstone.state, tombstone.encrypted, tombstone.leaving_since) == ("gone", b"blank", None)


async def test_a_new_generation_lets_the_old_one_leave_or_takes_its_place(harness: StorageHarness) -> None:
    second = await _begin(harness)
    assert [(one.id, one.state) for one in await _all(harness)] == [
        (second.id, "active"),
        (harness.connection_id, "leaving"),
    ]
    await harness.storage.write(_fill, second.id)
    await _leave(harness)
    third = await _begin(harness, instead_of=[second.id])
    assert [one.id for one in await _all(harness)] == [third.id, harness.connection_id]
    assert not any((await harness.storage.read(_owners)).values())
    await _wipe(harness, harness.connection_id)
    assert [one.id for one in await _all(harness)] == [third.id], "a site that is connected needs no tombstone"
    assert third.id > second.id > harness.connection_id


async def test_a_tombstone_goes_when_the_site_is_connected_again(harness: StorageHarness) -> None:
    await _leave(harness)
    await _wipe(harness, harness.connection_id)
    pending = Adopt(site=SITE, platform="fake", encrypted=b"", now=4.0)
    assert (await harness.storage.write(connections.adopt, pending)).state == "gone"
    present = await _begin(harness)
    assert [(one.id, one.state, one.by_ignite) for one in await _all(harness)] == [(present.id, "active", True)]


EVENTS: dict[str, Callable[[StorageHarness], Awaitable[object]]] = {
    "renew": lambda harness: harness.storage.write(
        connections.renew, Renew(id=harness.connection_id, before=b"", encrypted=b"x", by_ignite=True)
    ),
    "leave": _leave,
    "wipe": lambda harness: _wipe(harness, harness.connection_id),
    "forget": lambda harness: _begin(harness, instead_of=[harness.connection_id]),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", EVENTS)
async def test_every_move_of_the_table_happens_and_no_other(harness: StorageHarness, event: str, state: State) -> None:
    await harness.alter("connections", f"state = '{state}'")
    [before] = await _all(harness)
    await EVENTS[event](harness)
    after = next((stored for stored in await _all(harness) if stored.id == harness.connection_id), None)
    if (event, state) == ("forget", "active"):
        assert after is None, "a new connection lets it leave, and forgets it at once"
    elif (event, state) in MOVES:
        assert (after and after.state) == MOVES[event, state]
    else:
        assert after == before


@pytest.mark.parametrize(("before", "renewed"), [(b"", b"new"), (b"earlier", b"")])
async def test_credentials_are_renewed_unless_they_have_changed(
    harness: StorageHarness, before: bytes, renewed: bytes
) -> None:
    renew = Renew(id=harness.connection_id, before=before, encrypted=b"new", by_ignite=False)
    assert await harness.storage.write(connections.renew, renew) is (renewed == b"new")
    [stored] = await _all(harness)
    assert stored.encrypted == renewed
    gone = Renew(id=ConnectionId(99), before=b"", encrypted=b"new", by_ignite=False)
    assert not await harness.storage.write(connections.renew, gone)


@pytest.mark.parametrize(("before", "adopted"), [(b"", b"new"), (b"earlier", b"")])
async def test_a_connection_is_adopted_unless_its_credentials_have_changed(
    harness: StorageHarness, before: bytes, adopted: bytes
) -> None:
    call = Adopt(site=SITE, platform="other", encrypted=b"new", before=before, now=5.0)
    stored = await harness.storage.write(connections.adopt, call)
    assert (stored.id, stored.encrypted) == (harness.connection_id, adopted)
    assert await _all(harness) == [stored]
    assert "new" not in repr(stored)
