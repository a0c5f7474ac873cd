"""What a shelf promises, held to by the one in memory and by the one in the database alike."""

from collections.abc import Mapping

import pytest

from daemon.model import Site
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState, Note
from daemon.storage import connections
from daemon.storage.shelf import StoredAdapterState
from tests.storage.house import House

PRODUCTS, VARIANTS = "products", "variants"


@pytest.fixture(params=["memory", "disk"])
async def shelf(request: pytest.FixtureRequest, house: House) -> AdapterState:
    return MemoryAdapterState() if request.param == "memory" else StoredAdapterState(house.storage, house.connection_id)


def note(owner: str, text: str = "1", name: str = "rrp") -> Note:
    return Note(owner, name, text)


async def owners(shelf: AdapterState, name: str = PRODUCTS) -> list[str]:
    """Walk a shelf by its owners."""
    found, after = [], ""
    while (after_that := await shelf.next_owner(name, after)) is not None:
        found.append(after := after_that)
    return found


async def look_up(shelf: AdapterState, *asked: str, name: str = PRODUCTS) -> Mapping[str, Mapping[str, str]]:
    return await shelf.look_up(name, asked)


async def test_an_empty_shelf_has_nothing(shelf: AdapterState) -> None:
    assert await look_up(shelf, "1") == {}
    assert await owners(shelf) == []
    assert await shelf.newest_epoch(PRODUCTS) == 0
    await shelf.forget(PRODUCTS, ["1"])
    assert await shelf.older(PRODUCTS, 7, 10) == []


async def test_notes_are_found_by_owner_and_name(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1"), note("1", "2", "pack"), note("3", "9")], 1)
    assert await look_up(shelf, "1", "2", "3") == {"1": {"rrp": "1", "pack": "2"}, "3": {"rrp": "9"}}
    assert await look_up(shelf, "3") == {"3": {"rrp": "9"}}
    assert await look_up(shelf) == {}


async def test_a_note_that_is_there_is_replaced_and_takes_the_new_epoch(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1", "old")], 1)
    await shelf.put(PRODUCTS, [note("1", "new")], 2)
    assert await look_up(shelf, "1") == {"1": {"rrp": "new"}}
    assert await shelf.older(PRODUCTS, 2, 10) == []


async def test_replacing_leaves_an_owner_only_what_is_new(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1", "old"), note("1", "6", "pack"), note("2")], 1)
    await shelf.replace(PRODUCTS, "1", [note("1", "new")], 3)
    assert await look_up(shelf, "1", "2") == {"1": {"rrp": "new"}, "2": {"rrp": "1"}}
    assert await shelf.newest_epoch(PRODUCTS) == 3
    await shelf.replace(PRODUCTS, "1", [], 3)
    assert await owners(shelf) == ["2"]


async def test_what_only_an_older_reading_saw_is_told_by_owner(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1"), note("2"), note("2", "6", "pack"), note("3")], 1)
    await shelf.put(PRODUCTS, [note("2", "5"), note("3")], 2)
    assert await shelf.newest_epoch(PRODUCTS) == 2
    assert await shelf.older(PRODUCTS, 2, 10) == ["1", "2"], "one note of the second was not seen again"
    assert await shelf.older(PRODUCTS, 1, 10) == []


async def test_the_longest_unseen_come_first_and_no_more_than_asked_for(shelf: AdapterState) -> None:
    for epoch, owner in enumerate(("5", "4", "3", "2"), start=1):
        await shelf.put(PRODUCTS, [note(owner), note(owner, name="pack")], epoch)
    await shelf.put(PRODUCTS, [note("5")], 4)
    assert await shelf.older(PRODUCTS, 4, 10) == ["5", "4", "3"], "its other note is the oldest"
    assert await shelf.older(PRODUCTS, 4, 2) == ["5", "4"]


async def test_what_is_noted_since_an_epoch_began_is_not_among_the_older(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1"), note("2")], 1)
    await shelf.put(PRODUCTS, [note("2")], 2)
    await shelf.put(PRODUCTS, [note("2", "newer"), note("3")], 1)
    assert await shelf.older(PRODUCTS, 2, 10) == ["1"]
    assert await look_up(shelf, "2", "3") == {"2": {"rrp": "newer"}, "3": {"rrp": "1"}}
    assert await shelf.newest_epoch(PRODUCTS) == 2


async def test_forgetting_takes_all_notes_of_an_owner(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1"), note("1", name="pack"), note("2")], 1)
    await shelf.forget(PRODUCTS, ["1", "8"])
    assert await owners(shelf) == ["2"]


async def test_owners_follow_each_other_in_the_order_of_text(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note(owner) for owner in ("10", "9", "2", "é", "Z", "a")], 1)
    assert await owners(shelf) == ["10", "2", "9", "Z", "a", "é"]


async def test_shelves_do_not_know_each_other(shelf: AdapterState) -> None:
    await shelf.put(PRODUCTS, [note("1", "product")], 1)
    await shelf.put(VARIANTS, [note("1", "variant")], 4)
    assert await look_up(shelf, "1", name=VARIANTS) == {"1": {"rrp": "variant"}}
    assert await shelf.older(PRODUCTS, 9, 10) == ["1"]
    await shelf.forget(PRODUCTS, ["1"])
    assert await shelf.older(PRODUCTS, 9, 10) == []
    assert (await owners(shelf), await owners(shelf, VARIANTS)) == ([], ["1"])
    assert (await shelf.newest_epoch(PRODUCTS), await shelf.newest_epoch(VARIANTS)) == (0, 4)


async def test_more_owners_than_a_statement_takes(few_parameters: int, house: House) -> None:
    shelf = StoredAdapterState(house.storage, house.connection_id)
    many = [str(number) for number in range(few_parameters * 3)]
    await shelf.put(PRODUCTS, [note(owner) for owner in many], 1)
    assert (await look_up(shelf, *many)).keys() == set(many)
    await shelf.forget(PRODUCTS, many[1:])
    assert await owners(shelf) == ["0"]


async def test_connections_do_not_see_each_others_notes(house: House) -> None:
    other = await House.build(house.storage, "other")
    ours, theirs = (StoredAdapterState(one.storage, one.connection_id) for one in (house, other))
    await ours.put(PRODUCTS, [note("1", "ours")], 1)
    await theirs.put(PRODUCTS, [note("1", "theirs")], 5)
    assert (await ours.older(PRODUCTS, 6, 10), await theirs.older(PRODUCTS, 3, 10)) == (["1"], [])
    await theirs.forget(PRODUCTS, ["1"])
    assert await look_up(ours, "1") == {"1": {"rrp": "ours"}}
    assert await owners(theirs) == []


async def test_a_connection_that_leaves_writes_no_notes_back(house: House) -> None:
    shelf = StoredAdapterState(house.storage, house.connection_id)
    await house.storage.write(connections.leave, connections.Leave(site=Site("test", "shop"), now=1.0))
    await shelf.put(PRODUCTS, [note("1")], 1)
    assert await owners(shelf) == []
