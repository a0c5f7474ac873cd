"""The promises of an adapter's state, kept in memory and in the database."""

from collections.abc import Mapping

import pytest

from daemon.model import Site
from daemon.platforms.adapter_state import AdapterState, Entry, MemoryAdapterState
from daemon.storage import connections
from daemon.storage.adapter_state import StoredAdapterState
from tests.storage.harness import StorageHarness

PRODUCTS, VARIANTS = "products", "variants"


@pytest.fixture(params=["memory", "disk"])
async def state(request: pytest.FixtureRequest, harness: StorageHarness) -> AdapterState:
    return (
        MemoryAdapterState()
        if request.param == "memory"
        else StoredAdapterState(harness.storage, harness.connection_id)
    )


def entry(owner: str, text: str = "1", name: str = "rrp") -> Entry:
    return Entry(owner, name, text)


async def owners(state: AdapterState, name: str = PRODUCTS) -> list[str]:
    """Walk the adapter's state by its owners."""
    found, after = [], ""
    while (after_that := await state.next_owner(name, after)) is not None:
        found.append(after := after_that)
    return found


async def look_up(state: AdapterState, *asked: str, name: str = PRODUCTS) -> Mapping[str, Mapping[str, str]]:
    return await state.look_up(name, asked)


async def test_an_empty_section_has_nothing(state: AdapterState) -> None:
    assert await look_up(state, "1") == {}
    assert await owners(state) == []
    assert await state.newest_scan_id(PRODUCTS) == 0
    await state.forget(PRODUCTS, ["1"])
    assert await state.older(PRODUCTS, 7, 10) == []


async def test_entries_are_found_by_owner_and_name(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1"), entry("1", "2", "pack"), entry("3", "9")], 1)
    assert await look_up(state, "1", "2", "3") == {"1": {"rrp": "1", "pack": "2"}, "3": {"rrp": "9"}}
    assert await look_up(state, "3") == {"3": {"rrp": "9"}}
    assert await look_up(state) == {}


async def test_an_entry_is_replaced_and_takes_the_new_scan_id(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1", "old")], 1)
    await state.put(PRODUCTS, [entry("1", "new")], 2)
    assert await look_up(state, "1") == {"1": {"rrp": "new"}}
    assert await state.older(PRODUCTS, 2, 10) == []


async def test_replacing_leaves_an_owner_only_what_is_new(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1", "old"), entry("1", "6", "pack"), entry("2")], 1)
    await state.replace(PRODUCTS, "1", [entry("1", "new")], 3)
    assert await look_up(state, "1", "2") == {"1": {"rrp": "new"}, "2": {"rrp": "1"}}
    assert await state.newest_scan_id(PRODUCTS) == 3
    await state.replace(PRODUCTS, "1", [], 3)
    assert await owners(state) == ["2"]


async def test_entries_of_older_scans_are_listed_by_owner(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1"), entry("2"), entry("2", "6", "pack"), entry("3")], 1)
    await state.put(PRODUCTS, [entry("2", "5"), entry("3")], 2)
    assert await state.newest_scan_id(PRODUCTS) == 2
    assert await state.older(PRODUCTS, 2, 10) == ["1", "2"], "one entry of the second was not seen again"
    assert await state.older(PRODUCTS, 1, 10) == []


async def test_the_longest_unseen_come_first_and_no_more_than_asked_for(state: AdapterState) -> None:
    for scan_id, owner in enumerate(("5", "4", "3", "2"), start=1):
        await state.put(PRODUCTS, [entry(owner), entry(owner, name="pack")], scan_id)
    await state.put(PRODUCTS, [entry("5")], 4)
    assert await state.older(PRODUCTS, 4, 10) == ["5", "4", "3"], "its other entry is the oldest"
    assert await state.older(PRODUCTS, 4, 2) == ["5", "4"]


async def test_what_is_written_since_a_scan_began_is_not_among_the_older(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1"), entry("2")], 1)
    await state.put(PRODUCTS, [entry("2")], 2)
    await state.put(PRODUCTS, [entry("2", "newer"), entry("3")], 1)
    assert await state.older(PRODUCTS, 2, 10) == ["1"]
    assert await look_up(state, "2", "3") == {"2": {"rrp": "newer"}, "3": {"rrp": "1"}}
    assert await state.newest_scan_id(PRODUCTS) == 2


async def test_forgetting_deletes_all_entries_of_an_owner(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1"), entry("1", name="pack"), entry("2")], 1)
    await state.forget(PRODUCTS, ["1", "8"])
    assert await owners(state) == ["2"]


async def test_owners_follow_each_other_in_the_order_of_text(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry(owner) for owner in ("10", "9", "2", "é", "Z", "a")], 1)
    assert await owners(state) == ["10", "2", "9", "Z", "a", "é"]


async def test_sections_are_apart(state: AdapterState) -> None:
    await state.put(PRODUCTS, [entry("1", "product")], 1)
    await state.put(VARIANTS, [entry("1", "variant")], 4)
    assert await look_up(state, "1", name=VARIANTS) == {"1": {"rrp": "variant"}}
    assert await state.older(PRODUCTS, 9, 10) == ["1"]
    await state.forget(PRODUCTS, ["1"])
    assert await state.older(PRODUCTS, 9, 10) == []
    assert (await owners(state), await owners(state, VARIANTS)) == ([], ["1"])
    assert (await state.newest_scan_id(PRODUCTS), await state.newest_scan_id(VARIANTS)) == (0, 4)


async def test_more_owners_than_a_statement_takes(few_parameters: int, harness: StorageHarness) -> None:
    state = StoredAdapterState(harness.storage, harness.connection_id)
    many = [str(number) for number in range(few_parameters * 3)]
    await state.put(PRODUCTS, [entry(owner) for owner in many], 1)
    assert (await look_up(state, *many)).keys() == set(many)
    await state.forget(PRODUCTS, many[1:])
    assert await owners(state) == ["0"]


async def test_connections_are_apart(harness: StorageHarness) -> None:
    other = await StorageHarness.build(harness.storage, "other")
    ours, theirs = (StoredAdapterState(one.storage, one.connection_id) for one in (harness, other))
    await ours.put(PRODUCTS, [entry("1", "ours")], 1)
    await theirs.put(PRODUCTS, [entry("1", "theirs")], 5)
    assert (await ours.older(PRODUCTS, 6, 10), await theirs.older(PRODUCTS, 3, 10)) == (["1"], [])
    await theirs.forget(PRODUCTS, ["1"])
    assert await look_up(ours, "1") == {"1": {"rrp": "ours"}}
    assert await owners(theirs) == []


async def test_a_connection_that_leaves_writes_nothing_back(harness: StorageHarness) -> None:
    state = StoredAdapterState(harness.storage, harness.connection_id)
    await harness.storage.write(connections.leave, connections.Leave(site=Site("test", "shop"), now=1.0))
    await state.put(PRODUCTS, [entry("1")], 1)
    assert await owners(state) == []
