"""The ledger, settled in one transaction with the other tables; owners of SKUs, and entities waiting for SKUs."""

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from daemon.connections.factory import known_id
from daemon.model import Key, Kind, Lane, Sku
from daemon.sparklayer.operation import CUSTOMER, PRICE_LIST, PRODUCT, PURCHASE, Control
from daemon.storage import ledger
from daemon.storage.ledger import Mark
from daemon.storage.overview import overview
from daemon.storage.settle import RetryLater
from daemon.storage.states import DependencyReason
from tests.storage.harness import PRODUCTS, StorageHarness, id_, issue, row, settled

SHIRT = Sku("SHIRT")


async def _done(harness: StorageHarness, external_id: str, **result: Any) -> None:
    """Record and settle one entity."""
    await harness.record(external_id, now=-100.0)
    [claim] = [claim for claim in await harness.claim() if claim.external_id == external_id]
    await harness.settle(done=[settled(claim, **result)])


async def _dependencies(harness: StorageHarness) -> set[tuple[str, str, str]]:
    return {(row["reason"], row["key"], row["external_id"]) for row in await harness.everything_of("dependencies")}


async def test_a_mark_makes_parts_unsure_and_takes_skus_together(harness: StorageHarness) -> None:
    assert await harness.mark(row("1", None), claims={"A": "1", "B": "1"}) == frozenset()
    assert await harness.ledger() == {"1": None}
    assert await harness.owners() == {"A": "1", "B": "1"}
    assert await harness.mark(row("1", None), claims={"A": "1", "C": "1"}) == frozenset(), "once more is harmless"


async def test_a_mark_that_meets_another_owner_writes_nothing(harness: StorageHarness) -> None:
    await harness.mark(claims={"A": "1"})
    assert await harness.mark(row("2", None), claims={"A": "2", "B": "2"}) == {"A"}
    assert await harness.ledger() == {}
    assert await harness.owners() == {"A": "1"}


async def test_an_owner_in_the_batch_may_give_a_sku_up(harness: StorageHarness) -> None:
    await harness.mark(claims={"A": "1", "B": "2"})
    swap = {"A": "2", "B": "1"}
    assert await harness.mark(claims=swap, given_up={"A": "1", "B": "2"}) == frozenset()
    assert await harness.owners() == swap
    assert await harness.mark(claims={"A": "3"}, given_up={"A": "1"}) == {"A"}, "1 is no longer its owner"


async def test_one_bad_mark_among_good_ones(harness: StorageHarness) -> None:
    await harness.mark(claims={"A": "1"})

    def two(conn: Connection, calls: Sequence[list[Mark[Sku]]]) -> list[list[frozenset[Key]]]:
        return [ledger.mark(conn, calls[0])]

    calls = [
        Mark(connection_id=harness.connection_id, kind=PRODUCTS, rows=[row(one)], claims=claims, given_up={})
        for one, claims in (("2", {SHIRT: id_("2")}), ("3", {Sku("A"): id_("3")}))
    ]
    assert await harness.storage.write(two, calls) == [frozenset(), {"A"}]
    assert await harness.ledger() == {"2": b"equal"}


async def test_settling_changes_everything_together_or_nothing(harness: StorageHarness) -> None:
    run = await harness.started()
    await harness.page(run, "1")
    [claim] = await harness.claim(lane=Lane.BACKFILL)
    done = settled(claim, row=row("1"), issue=issue("no SKU"))
    with pytest.raises(IntegrityError, match=r"(?i)not.null"):
        await harness.settle(done=[done, settled(evolve(claim, attempts=9), row=row(None))])  # type: ignore[arg-type]
    assert (list(await harness.rows()), await harness.ledger(), (await harness.newest()).done) == (["1"], {}, 0)
    await harness.settle(done=[done])
    assert (list(await harness.rows()), await harness.ledger(), (await harness.newest()).done) == (
        [],
        {"1": b"equal"},
        1,
    )
    counted = await harness.storage.read(overview, harness.connection_id, PRODUCTS)
    assert (counted.ledger, counted.issues, await harness.owed(), counted.depths) == (1, 1, (1, 0), ())


async def test_what_was_confirmed_is_kept_of_a_failed_attempt(harness: StorageHarness) -> None:
    await harness.record("1")
    [claim] = await harness.claim()
    await harness.settle(again=[RetryLater(claim=claim, due_at=1.0, error=b"why", row=row("1", None))])
    assert await harness.ledger() == {"1": None}
    assert (await harness.row("1"))["encrypted"] == b"why"


async def test_a_removed_entity_is_forgotten(harness: StorageHarness) -> None:
    await _done(harness, "1", row=row("1"))
    await _done(harness, "1", forget=True)
    assert await harness.ledger() == {}


async def test_waiters_for_a_sku_are_recorded_when_it_is_released(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1"})
    await _done(harness, "2", waits_for=[SHIRT])
    await _done(harness, "1")
    await _done(harness, "3", waits_for=[SHIRT])
    await _done(harness, "1")
    assert await harness.rows() == {}
    assert await _dependencies(harness) == {(DependencyReason.KEY, "SHIRT", "2"), (DependencyReason.KEY, "SHIRT", "3")}
    await _done(harness, "1", released=[SHIRT])
    assert set(await harness.rows()) == {"2", "3"}
    assert (await harness.row("2"))["lane"] == Lane.LIVE
    assert await harness.owners() == {}
    assert await _dependencies(harness) == set()


async def test_a_release_before_the_wait_began_is_not_missed(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1"})
    await harness.record("2")
    [claim] = await harness.claim()
    await _done(harness, "1", released=[SHIRT])
    await harness.settle(done=[settled(claim, waits_for=[SHIRT])])
    assert set(await harness.rows()) == {"2"}, "it looks again at once"


async def test_release_and_wait_in_one_settlement(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1"})
    await harness.record("1", "2")
    first, second = await harness.claim()
    await harness.settle(done=[settled(second, waits_for=[SHIRT]), settled(first, released=[SHIRT])])
    assert set(await harness.rows()) == {"2"}


async def test_only_the_owner_releases(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1"})
    await _done(harness, "2", waits_for=[SHIRT])
    await _done(harness, "3", released=[SHIRT])
    assert await harness.owners() == {"SHIRT": "1"}


async def test_an_entity_that_no_longer_wants_a_sku_no_longer_waits(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1"})
    await _done(harness, "2", waits_for=[SHIRT])
    await _done(harness, "2")
    await _done(harness, "1", released=[SHIRT])
    assert await harness.rows() == {}


async def test_the_owner_of_a_wanted_sku_is_looked_at_once(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1", "MUG": "2"})
    await _done(harness, "2", waits_for=[SHIRT])
    assert set(await harness.rows()) == {"1"}, "perhaps it has let go"
    await _done(harness, "1", waits_for=[Sku("MUG")])
    assert set(await harness.rows()) == {"1", "2"}, "together they can swap"
    await _done(harness, "2", waits_for=[SHIRT])
    await _done(harness, "1", waits_for=[Sku("MUG")])
    assert await harness.rows() == {}, "two that dispute two SKUs do not call each other forever"


async def test_all_who_wait_in_a_circle_are_looked_at_together(harness: StorageHarness) -> None:
    await harness.mark(claims={"A": "1", "B": "2", "C": "3"})
    await _done(harness, "4", waits_for=[Sku("A")])
    await _done(harness, "1", waits_for=[Sku("B")])
    await _done(harness, "2", waits_for=[Sku("C")])
    assert set(await harness.rows()) == {"3"}
    await _done(harness, "3", waits_for=[Sku("A")])
    assert set(await harness.rows()) == {"1", "2", "3"}, "who only waits for one of them does not"


async def test_an_owner_in_the_same_settlement_is_not_looked_at_again(harness: StorageHarness) -> None:
    await harness.mark(claims={"SHIRT": "1"})
    await harness.record("1", "2")
    first, second = await harness.claim()
    await harness.settle(done=[settled(first), settled(second, waits_for=[SHIRT])])
    assert await harness.rows() == {}


async def test_who_follows_one_that_goes_is_unsure_and_looked_at_now_and_when_it_is_back(
    harness: StorageHarness,
) -> None:
    await _done(harness, "1", row=row("1"), parent=True)
    await _done(harness, "2", row=row("2"), follows=id_("1"))
    await _done(harness, "3", row=row("3"), follows=id_("4"))
    assert await harness.ledger() == {"1": b"equal", "2": b"equal", "3": None}, "who went meanwhile is gone as well"
    assert set(await harness.rows()) == {"3"}
    await _done(harness, "3", awaits=[id_("4")])
    await _done(harness, "2")
    await _done(harness, "1", forget=True)
    assert await harness.ledger() == {"2": None, "3": None}
    assert set(await harness.rows()) == {"2"}
    await _done(harness, "2", awaits=[id_("1")])
    assert await harness.rows() == {}
    await _done(harness, "1", row=row("1"), parent=True)
    assert set(await harness.rows()) == {"2"}
    await _done(harness, "2", row=row("2"), parent=True, follows=id_("1"))
    await _done(harness, "2", row=row("2"), parent=True)
    await _done(harness, "1", forget=True)
    assert await harness.ledger() == {"2": b"equal", "3": None}, "it follows no other entity now"
    assert await _dependencies(harness) == {(DependencyReason.PARENT, "4", "3")}


async def test_who_waits_already_for_the_one_that_it_follows_goes_on_waiting_when_that_goes(
    harness: StorageHarness,
) -> None:
    await _done(harness, "1", row=row("1"), parent=True)
    await _done(harness, "2", row=row("2"), follows=id_("1"))
    await harness.mark(row("1", None))
    await _done(harness, "2", awaits=[id_("1")])
    await _done(harness, "1", forget=True)
    assert set(await harness.rows()) == {"2"}
    assert await _dependencies(harness) == {(DependencyReason.PARENT, "1", "2")}


async def test_an_entity_removed_with_its_parent_is_not_recorded_and_does_not_wait(
    harness: StorageHarness,
) -> None:
    await _done(harness, "1", row=row("1"), parent=True)
    await _done(harness, "2", row=row("2"), follows=id_("1"))
    await harness.record("1", "2")
    await harness.settle(done=[settled(claim, forget=True) for claim in await harness.claim()])
    assert (await harness.rows(), await harness.ledger(), await _dependencies(harness)) == ({}, {}, set())


async def test_more_skus_than_fit_into_a_statement(harness: StorageHarness, few_parameters: int) -> None:
    await harness.mark(row("1"), claims={"SHIRT": "1"})
    many = [Sku(f"sku-{number}") for number in range(3 * few_parameters)]
    assert await harness.storage.read(ledger.owners, harness.connection_id, Kind.PRODUCTS, [*many, SHIRT]) == {
        "SHIRT": "1"
    }
    assert await harness.storage.read(ledger.owners, harness.connection_id, Kind.PRODUCTS, []) == {}
    await _done(harness, "2", waits_for=[SHIRT])
    await _done(harness, "1", released=[*many, SHIRT])
    assert set(await harness.rows()) == {"2"}
    found = await harness.storage.read(ledger.look_up, harness.connection_id, PRODUCTS, [id_("1"), id_("2")])
    assert {key: (one.fingerprint, one.parts) for key, one in found.items()} == {"1": (b"equal", b"parts")}


async def test_what_sparklayer_surely_has_serves_as_a_known_id(harness: StorageHarness) -> None:
    async def known(control: Control, other_than: str | None) -> str | None:
        return await known_id(harness.storage, harness.connection_id, control, other_than)

    assert await known(PRODUCT, None) is None
    await harness.mark(row("1"), row("2/3"), row("4", None), claims={"A": "1"})
    assert {await known(PRODUCT, None) for _ in range(40)} == {"1", "2%2F3"}, "another one each time"
    assert await known(PRODUCT, "1") == "2%2F3"
    assert await known(PRODUCT, "2%2F3") == "1"
    assert [await known(control, None) for control in (CUSTOMER, PRICE_LIST)] == [None, None]
    orders = evolve(harness, kind=Kind.ORDERS)
    await orders.mark(row("7"), row("8", None), claims={"cart 7": "7", "cart 8": "8"})
    assert await known(PURCHASE, None) == "cart%207"
    assert await known(PURCHASE, "cart%207") is None
