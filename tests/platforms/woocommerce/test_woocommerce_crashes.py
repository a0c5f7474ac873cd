"""A plugin that crashes on one entity fails each list with it: the other entities are read all the same."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import Entity, Page
from daemon.platforms.shared.rows import Unreadable
from tests.platforms.woocommerce.shop import FakeShop

pytestmark = [pytest.mark.holds("C1"), pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS])]

IDS, POISON = range(1, 131), 47
MOST_FAILURES = 6
"""Attempts at a page: an engine's run waits longer after each."""


def poisoned_shop() -> FakeShop:
    shop = FakeShop()
    shop.add(*IDS)
    shop.add_customers(*IDS)
    shop.add_orders(*IDS)
    shop.crashes_on = POISON
    return shop


async def pages(ask: Callable[[str | None], Any]) -> AsyncIterator[Page]:
    """Ask for one page after the other, as a run does: again after a failure."""
    cursor, failures = None, 0
    while True:
        try:
            page = await ask(cursor)
        except Retry:
            failures += 1
            assert failures < MOST_FAILURES
            continue
        yield page
        cursor, failures = page.cursor, 0
        if cursor is None:
            return


def readable(entities: Sequence[Entity]) -> set[int]:
    return {int(entity.external_id) for entity in entities if not isinstance(entity.content, Unreadable)}


async def test_a_run_reads_every_other_page_and_names_the_entities_of_the_failing_one(
    autojump_clock: MockClock, kind: Kind
) -> None:
    shop = poisoned_shop()
    found = [one async for page in pages(lambda cursor: shop.adapter.page(kind, cursor)) for one in page.entities]
    assert sorted(int(entity.external_id) for entity in found) == [*IDS]
    assert POISON not in readable(found)
    assert len(readable(found)) >= len(IDS) - 10, "those of one small page are read one by one"


async def test_a_sweep_reads_every_other_page(autojump_clock: MockClock, kind: Kind) -> None:
    shop = poisoned_shop()
    ask = lambda cursor: shop.adapter.changed_since(kind, 0.0, cursor)  # noqa: E731
    found = [one async for page in pages(ask) for one in page.entities]
    assert {int(entity.external_id) for entity in found} == {*IDS}


async def test_a_list_of_ids_leaves_out_few_others(autojump_clock: MockClock, kind: Kind) -> None:
    shop = poisoned_shop()
    wanted = [ExternalId(str(id_)) for id_ in range(1, 101)]
    for _ in range(MOST_FAILURES):
        try:
            found = await shop.adapter.read(kind, wanted, Lane.LIVE)
            break
        except Retry:
            continue
    assert ExternalId(str(POISON)) not in found
    assert len(found) >= len(wanted) - 10
    with pytest.raises(Retry):
        await shop.adapter.read_one(kind, ExternalId(str(POISON)), Lane.LIVE)


async def test_a_shop_that_fails_everywhere_is_not_asked_for_each_entity(autojump_clock: MockClock, kind: Kind) -> None:
    shop = poisoned_shop()
    path = {Kind.PRODUCTS: "/products", Kind.CUSTOMERS: "/customers", Kind.ORDERS: "/orders"}[kind]
    shop.broken[path] = httpx.Response(500)
    wanted = [ExternalId(str(id_)) for id_ in range(1, 101)]
    for _ in range(MOST_FAILURES):
        with pytest.raises(Failure):
            await shop.adapter.read(kind, wanted, Lane.LIVE)
        with pytest.raises(Failure):
            await shop.adapter.page(kind, None)
