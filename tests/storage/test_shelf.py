"""The notes of an adapter, in the database and in memory: the same promises."""

import pytest

from daemon.platforms.shelf import MemoryShelf, Note, Shelf
from daemon.storage.shelf import DiskShelf
from tests.storage.house import House


@pytest.fixture(params=["disk", "memory"])
async def shelf(house: House, request: pytest.FixtureRequest) -> Shelf:
    return DiskShelf(house.storage, house.connection_id) if request.param == "disk" else MemoryShelf()


async def test_what_is_noted_since_an_epoch_began_is_not_swept_off_with_the_older_ones(shelf: Shelf) -> None:
    await shelf.put("order", [Note("1", "cart", "old"), Note("2", "cart", "kept")], 1)
    await shelf.put("order", [Note("2", "cart", "kept")], 2)
    await shelf.put("order", [Note("2", "cart", "newer"), Note("3", "cart", "new")], 1)
    await shelf.sweep("order", 2)
    assert await shelf.look_up("order", ["1", "2", "3"]) == {"2": {"cart": "newer"}, "3": {"cart": "new"}}
    assert await shelf.newest_epoch("order") == 2


async def test_shelves_have_epochs_of_their_own(shelf: Shelf) -> None:
    await shelf.put("order", [Note("1", "cart", "text")], 7)
    await shelf.put("product", [Note("1", "rrp", "9.50")], 1)
    await shelf.sweep("product", 2)
    assert (await shelf.newest_epoch("order"), await shelf.newest_epoch("product")) == (7, 0)
