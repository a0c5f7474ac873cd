"""Second looks at the entities that were unsure at a takeover: stored until they are due, whatever is settled since."""

import pytest
from attrs import evolve

from daemon.model import Kind
from daemon.storage import last_word
from daemon.storage.last_word import SecondLooks, look_again, owe
from tests.storage.harness import StorageHarness, row

pytestmark = pytest.mark.usefixtures("both_engines")


async def look(harness: StorageHarness, now: float) -> float | None:
    return await harness.storage.write(look_again, SecondLooks(connection_id=harness.connection_id, at=now))


async def owed(harness: StorageHarness, due_at: float) -> None:
    await harness.storage.write(owe, SecondLooks(connection_id=harness.connection_id, at=due_at))


async def test_what_is_unsure_is_doubted_when_its_look_is_due_though_it_was_settled_since(
    harness: StorageHarness,
) -> None:
    await harness.mark(row("1", None), row("2"), row("3", None))
    await owed(harness, 30.0)
    await harness.mark(row("1"), row("2", None), row("3"))
    assert await look(harness, 29.0) == 30.0
    assert await harness.rows() == {}
    assert await look(harness, 30.0) is None
    assert {claim.external_id: claim.doubted for claim in await harness.claim(now=31.0)} == {"1": True, "3": True}
    assert await look(harness, 99.0) is None


async def test_a_second_takeover_keeps_the_looks_of_the_first_and_puts_off_those_that_are_unsure_again(
    harness: StorageHarness,
) -> None:
    await harness.mark(row("1", None), row("2", None))
    await owed(harness, 30.0)
    await harness.mark(row("1"), row("3", None))
    await owed(harness, 50.0)
    assert await look(harness, 30.0) == 50.0
    assert [claim.external_id for claim in await harness.claim(now=31.0)] == ["1"]
    assert await look(harness, 50.0) is None
    assert {claim.external_id for claim in await harness.claim(now=51.0)} == {"1", "2", "3"}


async def test_a_connection_that_has_left_owes_no_look(harness: StorageHarness) -> None:
    await harness.mark(row("1", None))
    await owed(harness, 30.0)
    await harness.disconnect()
    await owed(harness, 40.0)
    assert await look(harness, 30.0) is None
    assert await harness.rows() == {}


async def test_each_kind_that_is_reported_owes_a_put(harness: StorageHarness) -> None:
    await owed(harness, 20.0)
    assert await look(harness, 20.0) is None, "there is no log that a report could have been sent to"
    await harness.ended_run("1")
    await owed(harness, 30.0)
    assert await look(harness, 29.0) == 30.0
    assert await harness.take() is None
    assert await look(harness, 30.0) is None
    assert (await harness.taken()).full


async def test_there_is_a_limit_for_each_kind(harness: StorageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_word, "MOST_LOOKED_AT", 1)
    await harness.mark(row("1", None), row("2", None))
    await owed(harness, 30.0)
    await look(harness, 30.0)
    assert len(await harness.claim(now=31.0)) == 1


async def test_the_store_is_looked_at_though_it_is_sure(harness: StorageHarness) -> None:
    store = evolve(harness, kind=Kind.STORE)
    await store.mark(row("store"))
    await owed(store, 30.0)
    await look(store, 30.0)
    assert [(claim.external_id, claim.doubted) for claim in await store.claim(now=31.0)] == [("store", True)]
