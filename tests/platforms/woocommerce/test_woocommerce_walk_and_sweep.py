"""A walk through a shop that changes between its pages, and the sweep behind it: nothing missed, nothing twice."""

import random

import pytest
from trio.testing import MockClock

from daemon.model import Kind
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.woocommerce.adapter import WooCommerce
from daemon.platforms.woocommerce.products import reader
from daemon.platforms.woocommerce.products.reader import PATH
from daemon.sandbox import Shop
from daemon.sandbox.message import Request, Response
from daemon.sandbox.woocommerce.catalogue import TRASH
from tests.platforms.woocommerce.test_woocommerce_zones import adapter_of, found_since
from tests.platforms.woocommerce.whole import true_time

RUNS, SIZE, PRODUCTS = 200, 10, 40


class Merchant:
    """Trashes, restores and makes products, some of them between any two pages."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self.shop, self.chance = shop, chance
        self.calls = 0
        self.stayed = set(shop.tops)
        """Products that were never in the trash."""
        self.restored: set[int] = set()
        self.working = True

    def seen(self, request: Request, _response: Response) -> None:
        """Make a few edits after each page of products."""
        if not (self.working and request.path.endswith(PATH)):
            return
        self.calls += 1
        for _ in range(self.chance.randrange(6)):
            self.chance.choice([self._trash, self._restore, self._make])()

    def _trash(self) -> None:
        there = [row.id for row in self.shop.tops.values() if row.status != TRASH]
        if there:
            gone = self.chance.choice(there)
            self.shop.trash_product(gone, silent=True)
            self.stayed.discard(gone)

    def _restore(self) -> None:
        trashed = [row.id for row in self.shop.tops.values() if row.status == TRASH]
        if trashed:
            back = self.chance.choice(trashed)
            self.shop.restore_product(back, silent=True)
            self.restored.add(back)

    def _make(self) -> None:
        number = len(self.shop.tops)
        self.shop.add_product(f"Made {number}", sku=f"M{number}", price="1", silent=True)


async def test_each_walk_and_its_sweep_bring_everything_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 random runs; what was restored behind the walk is in the sweep, with all that was trashed."""
    behind = 0
    for seed in range(RUNS):
        chance = random.Random(seed)
        shop = Shop(clock=true_time)
        for number in range(PRODUCTS):
            shop.add_product(f"P{number}", sku=f"P{number}", price="1", silent=True)
        for gone in chance.sample(sorted(shop.tops), 10):
            shop.trash_product(gone, silent=True)
        merchant = Merchant(shop, chance)
        merchant.stayed = {row.id for row in shop.tops.values() if row.status != TRASH}
        began = true_time()
        pooled = 1 + 3 * (seed % 2)
        monkeypatch.setattr(reader, "POOLED_PAGES", pooled)
        async with adapter_of(shop, merchant.seen) as adapter:
            monkeypatch.setattr(adapter._readers[Kind.PRODUCTS], "_size", PageSize(SIZE))
            walked, pages = await walk(adapter)
            merchant.working = False
            swept = await found_since(adapter, Kind.PRODUCTS, began)
        there = {row.id for row in shop.tops.values() if row.status != TRASH}
        assert len(walked) == len(set(walked)), f"twice with seed {seed}"
        assert merchant.stayed <= set(walked), f"missed with seed {seed}"
        assert there <= {*walked, *swept}, f"missed by both with seed {seed}"
        assert merchant.calls <= 3 * pages * pooled
        behind += len((merchant.restored & there) - set(walked))
    assert behind > RUNS / 10, "the sweep was needed"


async def walk(adapter: WooCommerce) -> tuple[list[int], int]:
    """Return the ids of all products as they come, and the number of pages."""
    walked: list[int] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        page = await adapter.page(Kind.PRODUCTS, cursor)
        walked += [int(entity.external_id) for entity in page.entities]
        cursor, pages = page.cursor, pages + 1
    return walked, pages
