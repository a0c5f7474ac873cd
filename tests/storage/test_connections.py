"""The life of a connection, and that nothing of one that is gone is left in any table."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select

from daemon.model import ConnectionId, Site
from daemon.storage import connections
from daemon.storage.connections import TRANSITIONS, Adopt, Begin, Leave, Renew, Stored, Wipe
from daemon.storage.tables import metadata
from tests.storage.house import House

SITE = Site("test", "shop")
TABLES: list[Table] = [table for table in metadata.sorted_tables if "connection_id" in table.columns]
FILLING: dict[str, Any] = {"INTEGER": 1, "VARCHAR": "x", "BLOB": b"x", "FLOAT": 1.0, "BOOLEAN": False}
WORDS = {
    "state": {"outbox": "pending", "full_syncs": "enumerating", "removals": "held"},
    "mode": {"full_syncs": "normal"},
    "cause": {"removals": "deleted"},
}


def _fill(conn: Connection, calls: Sequence[ConnectionId]) -> list[None]:
    """Write a row of each connection into every table that has rows of connections."""
    for connection_id in calls:
        for table in TABLES:
            values = {c.name: WORDS.get(c.name, {}).get(table.name, FILLING[str(c.type)]) for c in table.columns}
            values |= {"connection_id": connection_id}
            if table.name in {"outbox", "full_syncs"}:
                values |= {"full_sync_id": None} if table.name == "outbox" else {"id": int(connection_id) + 100}
            conn.execute(insert(table).values(**values))
    return [None] * len(calls)


def _owners(conn: Connection) -> dict[str, set[int]]:
    return {table.name: set(conn.execute(select(table.c.connection_id)).scalars()) for table in TABLES}


async def _begin(house: House, **more: Any) -> Stored:
    pending = Begin(site=SITE, platform="fake", encrypted=b"new", now=2.0, **more)
    return await house.storage.write(connections.begin, pending)


async def _leave(house: House) -> Stored | None:
    return await house.storage.write(connections.leave, Leave(site=SITE, now=3.0))


async def _wipe(house: House, connection_id: ConnectionId) -> None:
    await house.storage.write(connections.wipe, Wipe(id=connection_id, blank=b"blank"))


async def _all(house: House) -> list[Stored]:
    return await house.storage.read(connections.of_site, SITE)


async def test_wiping_leaves_no_row_of_the_connection_and_every_row_of_others(house: House) -> None:
    other = await House.build(house.storage, "other")
    for one in (house, other):
        await house.storage.write(_fill, one.connection_id)
    left = await _leave(house)
    assert left is not None
    assert (left.state, left.leaving_since, left.encrypted) == ("leaving", 3.0, b"")
    await _wipe(house, house.connection_id)
    assert await house.storage.read(_owners) == {table.name: {other.connection_id} for table in TABLES}
    [tombstone] = await _all(house)
    assert (tombstone.state, tombstone.encrypted, tombstone.leaving_since) == ("gone", b"blank", None)


async def test_an_active_connection_is_not_wiped(house: House) -> None:
    await _wipe(house, house.connection_id)
    assert [one.state for one in await _all(house)] == ["active"]


async def test_a_new_generation_lets_the_old_one_leave_or_takes_its_place(house: House) -> None:
    second = await _begin(house)
    assert [(one.id, one.state) for one in await _all(house)] == [
        (second.id, "active"),
        (house.connection_id, "leaving"),
    ]
    await house.storage.write(_fill, second.id)
    await _leave(house)
    third = await _begin(house, instead_of=[second.id])
    assert [one.id for one in await _all(house)] == [third.id, house.connection_id]
    assert not any((await house.storage.read(_owners)).values())
    await _wipe(house, house.connection_id)
    assert [one.id for one in await _all(house)] == [third.id], "a site that is connected needs no tombstone"
    assert third.id > second.id > house.connection_id


async def test_a_tombstone_goes_when_the_site_is_connected_again(house: House) -> None:
    await _leave(house)
    await _wipe(house, house.connection_id)
    pending = Adopt(site=SITE, platform="fake", encrypted=b"", now=4.0)
    assert (await house.storage.write(connections.adopt, pending)).state == "gone"
    present = await _begin(house)
    assert [(one.id, one.state, one.by_ignite) for one in await _all(house)] == [(present.id, "active", True)]


async def test_only_active_connections_are_renewed_and_leave(house: House) -> None:
    assert await _leave(house) is not None
    assert await _leave(house) is None
    await house.storage.write(connections.renew, Renew(id=house.connection_id, encrypted=b"other", by_ignite=True))
    assert [one.encrypted for one in await _all(house)] == [b""]


EVENTS: dict[str, Callable[[House], Awaitable[object]]] = {
    "renew": lambda house: house.storage.write(
        connections.renew, Renew(id=house.connection_id, encrypted=b"x", by_ignite=True)
    ),
    "leave": _leave,
    "wipe": lambda house: _wipe(house, house.connection_id),
    "begin": lambda house: _begin(house, instead_of=[house.connection_id]),
}


@pytest.mark.parametrize("state", ["active", "leaving", "gone"])
@pytest.mark.parametrize("event", EVENTS)
async def test_the_table_of_transitions_is_walked(house: House, event: str, state: str) -> None:
    """What comes of an event in a state is what the table says; where it says nothing, nothing happens."""
    await house.alter("connections", f"state = '{state}'")
    await EVENTS[event](house)
    found = [one.state for one in await _all(house) if one.id == house.connection_id]
    after = found[0] if found else None
    if (event, state) == ("begin", "active"):
        assert after is None, "it leaves, and makes way at once"
    else:
        assert after in TRANSITIONS.get((event, state), {state})
