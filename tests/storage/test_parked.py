"""Parked changes of one connection: listed, and retried or dropped when a person decides."""

from collections.abc import Sequence

import pytest
from attrs import evolve

from daemon.model import ConnectionId, Kind
from daemon.storage import parked
from daemon.storage.parked import Choice, WaitingChange
from daemon.storage.settle import RetryLater
from daemon.storage.states import RowState
from tests.storage.harness import StorageHarness, id_

PRODUCTS, ORDERS = Kind.PRODUCTS, Kind.ORDERS
NOW = 900.0


def of(harness: StorageHarness, kind: Kind) -> StorageHarness:
    """Return the same harness for another kind."""
    return evolve(harness, kind=kind)


async def park(harness: StorageHarness, *ids: str, since: float = 0.0, failures: int = 1) -> None:
    """Record changes and park them by a number of failures."""
    await harness.record(*ids, now=since)
    for left in range(failures - 1, -1, -1):
        mine = [claim for claim in await harness.claim(now=NOW) if claim.external_id in ids]
        again = [
            RetryLater(claim=one, due_at=None if left == 0 else since, error=one.external_id.encode()) for one in mine
        ]
        await harness.settle(again=again, now=since)


async def listed(harness: StorageHarness, connection_id: ConnectionId | None = None) -> list[WaitingChange]:
    return await harness.storage.read(parked.parked, connection_id or harness.connection_id)


def choice(harness: StorageHarness, *ids: str, kind: Kind | None = None) -> Choice:
    return Choice(connection_id=harness.connection_id, kind=kind, ids=[id_(one) for one in ids], now=NOW)


async def left(harness: StorageHarness) -> dict[str, str]:
    """Return the state of every row of the outbox."""
    return {external_id: row["state"] for external_id, row in (await harness.rows()).items()}


async def test_what_is_parked_is_listed_the_oldest_first_with_its_last_error(harness: StorageHarness) -> None:
    await park(harness, "7", since=20.0, failures=3)
    await park(of(harness, ORDERS), "101", since=30.0)
    await park(harness, "5", since=20.0)
    await harness.record("9")
    changes = await listed(harness)
    assert [(row.kind, row.external_id, row.attempts, row.since, row.encrypted) for row in changes] == [
        (PRODUCTS, "5", 1, 20.0, b"5"),
        (PRODUCTS, "7", 3, 20.0, b"7"),
        (ORDERS, "101", 1, 30.0, b"101"),
    ]
    assert {row.state for row in changes} == {RowState.PARKED}
    assert "encrypted" not in repr(await listed(harness)), "it may quote data"


async def test_a_retried_change_begins_from_the_start(harness: StorageHarness) -> None:
    await park(harness, "1", since=20.0, failures=3)
    before = await harness.row("1")
    assert await harness.storage.write(parked.retry, choice(harness)) == 1
    after = await harness.row("1")
    assert (after["state"], after["attempts"], after["due_at"], after["first_queued_at"]) == ("pending", 0, NOW, NOW)
    assert after["revision"] == before["revision"] + 1, "an older claim cannot settle it"
    assert [claim.external_id for claim in await harness.claim(now=NOW)] == ["1"]
    assert await listed(harness) == []


@pytest.mark.parametrize(
    ("ids", "kind", "chosen"),
    [
        ((), None, {"1", "2", "101"}),
        ((), PRODUCTS, {"1", "2"}),
        ((), Kind.STORE, set()),
        (("1", "101"), None, {"1", "101"}),
        (("1", "101"), ORDERS, {"101"}),
        (("3", "4", "2"), PRODUCTS, {"2"}),
    ],
    ids=["all", "of a kind", "of a kind without any", "ids of any kind", "ids of a kind", "only what is parked"],
)
@pytest.mark.parametrize("dropped", [False, True])
async def test_only_what_is_chosen_is_touched(
    harness: StorageHarness, ids: Sequence[str], kind: Kind | None, chosen: set[str], *, dropped: bool
) -> None:
    await park(harness, "1", "2")
    await park(of(harness, ORDERS), "101")
    await harness.record("3")
    action = parked.drop if dropped else parked.retry
    assert await harness.storage.write(action, choice(harness, *ids, kind=kind)) == len(chosen)
    untouched = dict.fromkeys({"1", "2", "101"} - chosen, "parked") | {"3": "pending"}
    assert await left(harness) == untouched | ({} if dropped else dict.fromkeys(chosen, "pending"))


@pytest.mark.parametrize("dropped", [False, True])
async def test_other_connections_keep_theirs_and_one_that_leaves_has_none(
    harness: StorageHarness, *, dropped: bool
) -> None:
    other = await StorageHarness.build(harness.storage, "other")
    await park(harness, "1")
    await park(other, "1")
    action = parked.drop if dropped else parked.retry
    assert await harness.storage.write(action, choice(other)) == 1
    assert [one.external_id for one in await listed(harness)] == ["1"]
    assert await listed(other) == []
    await harness.disconnect()
    assert await harness.storage.write(action, choice(harness)) == 0
    assert await left(harness) == {"1": "parked"}


async def test_more_ids_than_a_statement_takes(harness: StorageHarness, few_parameters: int) -> None:
    ids = [str(number) for number in range(2 * few_parameters)]
    for first in range(0, len(ids), 200):
        await park(harness, *ids[first : first + 200])
    assert await harness.storage.write(parked.retry, choice(harness, *ids)) == len(ids)
    assert set((await left(harness)).values()) == {"pending"}
