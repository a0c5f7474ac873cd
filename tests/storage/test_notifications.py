"""The knowledge of a receiver is stored as it was given, apart for each one, and goes with its connection."""

import pytest
from attrs import evolve

from daemon.model import ConnectionId, Site
from daemon.storage import connections, notifications
from daemon.storage.connections import Leave, Wipe
from daemon.storage.notifications import Notification
from daemon.storage.states import NotificationState
from tests.databases import InlineDatabase
from tests.storage.harness import StorageHarness


def notification(connection_id: ConnectionId, **more: object) -> Notification:
    fields = {"receiver": "webhook", "event": "parked", "kind": "products", "standing": NotificationState.OPENING}
    return Notification(**{"connection_id": connection_id, "message_id": "msg_1", **fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("standing", NotificationState)
async def test_it_is_read_as_it_was_stored(inline: InlineDatabase, standing: NotificationState) -> None:
    harness = await StorageHarness.build(inline)
    first = notification(harness.connection_id)
    changed = evolve(first, standing=standing, message_id="msg_2", told_at=1.5, told_until=2.5, telling_until=3.5)
    others = [evolve(first, receiver="slack"), evolve(first, kind=""), evolve(first, event="blocked")]
    for each in (first, *others, changed):
        assert await inline.write(notifications.store, each)
    read = await inline.read(notifications.known, harness.connection_id, "webhook")
    assert sorted(read, key=lambda each: (each.event, each.kind)) == [others[2], others[1], changed]
    assert await inline.read(notifications.known, harness.connection_id, "slack") == [others[0]]
    assert await inline.read(notifications.known, ConnectionId(99), "webhook") == []


async def test_a_connection_that_leaves_takes_it_along_and_gets_none(inline: InlineDatabase) -> None:
    harness = await StorageHarness.build(inline)
    told = notification(harness.connection_id)
    assert await inline.write(notifications.store, told)
    stored = await inline.write(connections.leave, Leave(site=Site("test", "shop"), now=1.0))
    assert stored is not None
    assert not await inline.write(notifications.store, evolve(told, kind=""))
    await inline.write(connections.wipe, Wipe(id=stored.id, blank=b""))
    assert await inline.read(notifications.known, harness.connection_id, "webhook") == []
