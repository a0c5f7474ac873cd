"""Parts that an earlier owner may have sent late: they come with the doubt, and go into the ledger before the work."""

import pytest

from daemon.model import ExternalId, Key, Sku
from daemon.model.outcome import Row
from daemon.storage.last_word import Doubted, LastWord, Restore, SecondLooks, look_again, owe, restore, say, unpacked
from daemon.storage.outbox import Claim
from tests.storage.harness import PRODUCTS, StorageHarness, id_, row, settled

pytestmark = pytest.mark.usefixtures("both_engines")


async def doubt(harness: StorageHarness, **parts: bytes) -> None:
    doubted: Doubted = {id_(name.removeprefix("_")): (part,) for name, part in parts.items()}
    await harness.storage.write(
        say, LastWord(connection_id=harness.connection_id, now=0.0, doubted={PRODUCTS: doubted})
    )


async def restored(harness: StorageHarness, claim: Claim, *skus: str) -> None:
    keys: dict[ExternalId, list[Key]] = {claim.external_id: [Sku(sku) for sku in skus]}
    rows = {claim: Row(claim.external_id, None, b"restored")}
    call = Restore(connection_id=harness.connection_id, kind=PRODUCTS, now=0.0, rows=rows, keys=keys)
    await harness.storage.write(restore, call)


async def test_the_parts_of_every_last_word_are_kept_until_they_are_restored(harness: StorageHarness) -> None:
    await doubt(harness, _1=b"a")
    await doubt(harness, _1=b"b", _2=b"c")
    await doubt(harness, _1=b"a")
    claims = {claim.external_id: claim for claim in await harness.claim()}
    assert {key: unpacked(claim.stale_parts) for key, claim in claims.items()} == {"1": [b"a", b"b"], "2": [b"c"]}
    await restored(harness, claims[id_("1")])
    again = {claim.external_id: claim for claim in await harness.claim()}
    assert (again[id_("1")].doubted, again[id_("1")].stale_parts) == (True, None)
    assert unpacked(again[id_("2")].stale_parts) == [b"c"]
    assert await harness.ledger() == {"1": None}


async def test_parts_that_came_since_the_claim_stay(harness: StorageHarness) -> None:
    await doubt(harness, _1=b"a")
    [claim] = await harness.claim()
    await doubt(harness, _1=b"b")
    await restored(harness, claim)
    [again] = await harness.claim()
    assert unpacked(again.stale_parts) == [b"a", b"b"]


async def test_a_free_key_is_taken_and_the_owner_of_another_is_doubted(harness: StorageHarness) -> None:
    await harness.mark(row("2"), claims={"S": "2"})
    await doubt(harness, _1=b"a")
    [claim] = await harness.claim()
    await restored(harness, claim, "S", "T")
    assert await harness.owners() == {"S": "2", "T": "1"}
    doubts = {claim.external_id: (claim.doubted, claim.stale_parts) for claim in await harness.claim()}
    assert doubts == {"1": (True, None), "2": (True, None)}


async def test_second_looks_have_the_parts_of_the_takeover_and_of_earlier_ones(harness: StorageHarness) -> None:
    await harness.mark(Row(id_("1"), None, b"a"))
    await harness.storage.write(owe, SecondLooks(connection_id=harness.connection_id, at=30.0))
    await harness.mark(Row(id_("1"), None, b"b"))
    await harness.storage.write(owe, SecondLooks(connection_id=harness.connection_id, at=50.0))
    await harness.record("1")
    [claim] = await harness.claim()
    await harness.settle(done=[settled(claim, forget=True)])
    assert await harness.storage.write(look_again, SecondLooks(connection_id=harness.connection_id, at=50.0)) is None
    [claim] = await harness.claim(now=51.0)
    assert (claim.doubted, unpacked(claim.stale_parts)) == (True, [b"a", b"b"])


async def test_nothing_is_restored_of_a_connection_that_has_left(harness: StorageHarness) -> None:
    await doubt(harness, _1=b"a")
    [claim] = await harness.claim()
    await harness.disconnect()
    await restored(harness, claim, "S")
    assert await harness.ledger() == {}
    assert await harness.owners() == {}
