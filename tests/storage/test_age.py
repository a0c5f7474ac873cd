"""Stored times in the future, after a wrong clock: each makes its row due, or counts as the present."""

from math import inf

import pytest
from sqlalchemy import Connection, select

from daemon.model import Kind, Site
from daemon.storage import installs, removals
from daemon.storage.age import age, age_if_known
from daemon.storage.installs import PENDING_KEPT, PendingConnection
from daemon.storage.removals import HOUR, SECOND_LOOK, WHOLE, Decided, Removal
from daemon.storage.states import RemovalCause
from daemon.storage.tables import pending_connections
from tests.storage.harness import StorageHarness, id_, row

pytestmark = pytest.mark.holds("D4")

YEAR = 365 * 86_400.0
NOW = 10 * YEAR
AHEAD = [0.1, 60.0, 7200.0, YEAR]


@pytest.mark.parametrize("ahead", AHEAD)
def test_of_what_lies_ahead_no_age_is_known(ahead: float) -> None:
    assert (age(NOW + ahead, NOW), age_if_known(NOW + ahead, NOW)) == (inf, 0.0)
    assert age(NOW - ahead, NOW) == age_if_known(NOW - ahead, NOW) == pytest.approx(ahead)
    assert age(NOW, NOW) == 0.0


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_change_queued_by_a_clock_ahead_waits_for_more_no_longer_than_another(
    harness: StorageHarness, ahead: float
) -> None:
    """It changes every half second, without end."""
    await harness.record("1", now=NOW + ahead, debounce=1.0, debounce_max=10.0)
    moments = [NOW + number / 2 for number in range(40)]
    for now in moments:
        await harness.record("1", now=now, debounce=1.0, debounce_max=10.0)
        if await harness.claim(now=now):
            break
    else:
        pytest.fail("it is never due")
    assert now <= NOW + 11.0
    assert (await harness.row("1"))["first_queued_at"] <= now


def _decided(harness: StorageHarness, *ids: str, now: float) -> Decided:
    found = [Removal(external_id=id_(one), cause=RemovalCause.DELETED) for one in ids]
    looked_at = {one.external_id: () for one in found}
    return Decided(
        connection_id=harness.connection_id, kind=Kind.PRODUCTS, now=now, removals=found, looked_at=looked_at
    )


@pytest.mark.parametrize("ahead", AHEAD)
async def test_removals_before_a_clock_was_set_back_count_for_one_more_hour(
    harness: StorageHarness, ahead: float
) -> None:
    await harness.mark(*(row(str(number)) for number in range(100)))
    first = [str(number) for number in range(50)]
    for later in (0.0, SECOND_LOOK):
        held = await harness.storage.write(removals.decide, _decided(harness, *first, now=NOW + ahead + later))
    assert held.keys == frozenset(), "half of all may go"
    for later in (0.0, SECOND_LOOK):
        held = await harness.storage.write(removals.decide, _decided(harness, "60", now=NOW + later))
    assert held.keys == {(id_("60"), WHOLE)}, "they are counted"
    after = NOW + HOUR + 2 * SECOND_LOOK
    for later in (0.0, SECOND_LOOK):
        held = await harness.storage.write(removals.decide, _decided(harness, "61", now=after + later))
    assert held.keys == frozenset(), "they are counted no more"


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_second_look_waits_its_seconds_after_a_clock_was_set_back(
    harness: StorageHarness, ahead: float
) -> None:
    await harness.mark(*(row(str(number)) for number in range(9)))
    await harness.storage.write(removals.decide, _decided(harness, "1", now=NOW + ahead))
    early = await harness.storage.write(removals.decide, _decided(harness, "1", now=NOW))
    assert early.again == {"1"}
    late = await harness.storage.write(removals.decide, _decided(harness, "1", now=NOW + SECOND_LOOK))
    assert late.keys == frozenset()


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_wish_of_a_clock_ahead_is_kept_as_long_as_any(harness: StorageHarness, ahead: float) -> None:
    pending = PendingConnection(
        site=Site("test", "a"), platform="p", store_id="s", encrypted=b"", now=NOW + ahead, state="x"
    )
    await harness.storage.write(installs.pending, pending)
    await harness.storage.write(installs.forget_expired, NOW)
    assert await harness.storage.read(_wishes) == 1
    await harness.storage.write(installs.forget_expired, NOW + PENDING_KEPT)
    assert await harness.storage.read(_wishes) == 1
    await harness.storage.write(installs.forget_expired, NOW + PENDING_KEPT + 1)
    assert await harness.storage.read(_wishes) == 0


def _wishes(conn: Connection) -> int:
    return len(conn.execute(select(pending_connections.c.site_id)).all())
