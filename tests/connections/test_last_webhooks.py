"""The time of the latest webhook is shown at once, and stored soon after, for other nodes and later processes."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import evolve
from sqlalchemy import Connection
from trio.testing import MockClock

from daemon.connections.delivery_notes import STORE_EVERY
from daemon.engine.deliveries import TRY_EVERY
from daemon.model import Kind
from daemon.platforms.base import WebhookTimes
from daemon.storage import registrations
from daemon.storage.gaps import GapNote
from daemon.storage.registrations import Arrived
from tests.connections.harness import LifecycleHarness, link, open_harness, site


async def shown(harness: LifecycleHarness) -> object:
    [connection] = (await harness.admin.status({}))["connections"]
    return connection["last_webhook"]


async def test_the_latest_webhook_is_in_the_status_and_stored(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        nursery.start_soon(harness.intake.notes.run)
        assert await shown(harness) is None
        endpoint = harness.lifecycle.endpoints[site("a")]
        for at in (100.0, 200.0):
            harness.later[0] = at
            harness.intake.taken(endpoint)
            assert await shown(harness) == at
        assert await harness.database.read(registrations.arrivals) == {}
        await trio.sleep(STORE_EVERY + 1)
        assert await harness.database.read(registrations.arrivals) == {endpoint.connection_id: 200.0}
        monkeypatch.setattr(registrations, "note_arrival", None)
        await trio.sleep(3 * STORE_EVERY)  # nothing is new, so nothing is called
        monkeypatch.undo()
        again = await harness.restarted(link("a", "store-1"))
        assert await shown(again) == 200.0
        nursery.cancel_scope.cancel()


async def test_gaps_that_keep_coming_bring_no_more_writes_of_the_times(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[float] = []
    note_arrival = registrations.note_arrival

    def noting(conn: Connection, calls: Sequence[Arrived]) -> list[None]:
        stored.append(trio.current_time())
        return note_arrival(conn, calls)

    monkeypatch.setattr(registrations, "note_arrival", noting)
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        nursery.start_soon(harness.intake.notes.run)
        endpoint = harness.lifecycle.endpoints[site("a")]
        for _ in range(int(3 * STORE_EVERY) + 5):
            await trio.sleep(1.0)
            harness.intake.notes.taken(endpoint)
            harness.intake.notes.lost(endpoint, for_good=True)
        nursery.cancel_scope.cancel()
    assert len(stored) == 3
    assert all(later - earlier >= STORE_EVERY for earlier, later in itertools.pairwise([0.0, *stored]))


async def test_a_gap_that_is_found_while_another_is_stored_is_stored_too(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gaps that keep coming, which anyone can cause, are stored once a second at most."""
    written: list[tuple[float, frozenset[Kind]]] = []
    async with open_harness(link("a", "store-1")) as harness, trio.open_nursery() as nursery:
        kinds, notes = frozenset({Kind.PRODUCTS, Kind.CUSTOMERS}), harness.intake.notes
        endpoint = evolve(harness.lifecycle.endpoints[site("a")], kinds=kinds, times=WebhookTimes())
        write = harness.database.write

        async def slow(fn: Any, call: Any) -> Any:
            if isinstance(call, GapNote):
                written.append((trio.current_time(), frozenset(call.kinds)))
                await trio.sleep(0.5)
            return await write(fn, call)

        monkeypatch.setattr(harness.database, "write", slow)
        nursery.start_soon(notes.run)
        notes.failed(endpoint, {Kind.PRODUCTS})
        await trio.sleep(0.25)
        notes.failed(endpoint, {Kind.CUSTOMERS})
        await trio.sleep(5)
        assert [kinds for _, kinds in written] == [{Kind.PRODUCTS}, {Kind.CUSTOMERS}]
        for _ in range(50):
            notes.lost(endpoint, for_good=True)
            await trio.sleep(0.1)
        assert len(written) <= 2 + 6
        assert all(later - earlier >= TRY_EVERY for (earlier, _), (later, _) in itertools.pairwise(written))
        nursery.cancel_scope.cancel()
