"""Conditions are read from the status that people see; what is not known is not told."""

from typing import Any

import pytest
import trio
from sqlalchemy import insert, update
from trio.testing import MockClock

from daemon.admin.attention import UNCHECKED
from daemon.admin.notifications.conditions import Condition, Event, conditions
from daemon.storage import registrations, tables
from daemon.storage.registrations import StoredRegistration
from daemon.storage.states import RunMode, RunState
from tests.admin.notifications.harness import AFTER, CONDITIONS, NotifiedHarness, open_notified

KIND: dict[str, Any] = {
    "blocked": None,
    "held_removals": 0,
    "outbox": {"parked": 0, "live": 9, "backfill": 9},
    "full_sync": None,
    "issues": 0,
}
QUIET: dict[str, Any] = {"blocked": None, "webhooks": None, "kinds": {"products": KIND, "orders": KIND}}


def holding(status: dict[str, Any]) -> list[Condition]:
    return [condition for condition in conditions(status) if condition.holds]


def test_a_connection_at_rest_has_none() -> None:
    every = list(conditions(QUIET))
    assert {condition.event for condition in every} == set(Event)
    assert {condition.holds for condition in every} == {False}


@pytest.mark.parametrize(
    ("registration", "holds"),
    [
        ({"registered": 40, "missing": []}, False),
        ({"registered": 40, "missing": [{"scope": "x", "why": "y"}]}, True),
        ({"registered": 0, "missing": []}, True),
        ({"registered": 40, "missing": [], "unchecked_seconds": 60.0}, False),
        ({"registered": 40, "missing": [], "unchecked_seconds": 7201.0}, True),
    ],
)
def test_webhooks_are_missing_as_the_alert_says(registration: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    assert bool(holding({**QUIET, "webhooks": registration})) is holds


async def test_webhooks_that_cannot_be_checked_are_told_in_words_of_their_own(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        findings = h.context.vault.encrypt({"missing": {}, "trouble": "Jane Doe says no"})
        found = StoredRegistration(
            connection_id=h.context.connection.id,
            registered=3,
            missing=0,
            looked_at=h.daemon.lifecycle.now(),
            encrypted=findings,
        )
        await h.daemon.database.write(registrations.store, found)
        await trio.sleep(UNCHECKED - AFTER)
        assert h.receivers.types() == []
        await trio.sleep(5 * AFTER)
        [told] = h.receivers.of("webhook")
        assert told.content["type"] == "webhooks_missing.opened"
        text = "the webhooks cannot be checked; 3 were registered at the last check."
        assert told.content["data"]["text"].endswith(text)


@pytest.mark.parametrize(("succeeded", "holds"), [(None, None), (True, False), (False, True)])
def test_a_full_sync_on_its_way_says_nothing(succeeded: bool | None, holds: bool | None) -> None:  # noqa: FBT001
    run = {"succeeded": succeeded, "done": 1, "failed": 2, "held_removals": 3, "seen": 9}
    status = {**QUIET, "kinds": {"products": {**KIND, "full_sync": run}}}
    [condition] = [each for each in conditions(status) if each.event is Event.FULL_SYNC_FAILED]
    assert condition.holds is holds
    assert condition.counts == {"done": 1, "failed": 2, "held_removals": 3}


async def _begin_run(h: NotifiedHarness) -> None:
    row = {"connection_id": h.context.connection.id, "kind": "products", "mode": RunMode.NORMAL, "started_at": 5.0}
    await h.write(insert(tables.full_syncs).values(**row, state=RunState.ENUMERATING, seen=0, done=0, failed=0))


async def test_a_failed_full_sync_is_over_when_a_later_one_has_succeeded(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        await CONDITIONS["full sync failed"][1](h)
        await trio.sleep(2 * AFTER)
        await _begin_run(h)
        await trio.sleep(5 * AFTER)
        assert h.receivers.types() == ["full_sync_failed.opened"]
        table = tables.full_syncs
        ended = {"state": RunState.ENDED, "succeeded": True, "finished_at": 6.0}
        await h.write(update(table).where(table.c.state == RunState.ENUMERATING).values(**ended))
        await trio.sleep(2 * AFTER)
        assert h.receivers.types() == ["full_sync_failed.opened", "full_sync_failed.resolved"]
