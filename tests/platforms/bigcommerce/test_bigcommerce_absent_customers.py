"""A customer is absent only when an answer without it also shows a known one; an empty store is believed slowly."""

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.shared.short_answers import BELIEVED
from tests.platforms.bigcommerce.fakes import FakeStore
from tests.platforms.bigcommerce.test_bigcommerce_customers import CUSTOMERS, NOBODY, mapped, walk


async def test_a_customer_is_there_or_another_one_shows_that_it_is_not(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add_customers(5, 6)
    await walk(shop)
    store.asked.clear()
    there = await shop.read_one(Kind.CUSTOMERS, ExternalId("5"), Lane.LIVE)
    assert mapped(shop, there) is not None
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE) is None
    assert len(store.asked) == 2


async def test_without_an_earlier_answer_somebody_is_looked_for(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add_customers(5)
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE) is None
    assert [query.get("id:in") for query in store.queries(CUSTOMERS)] == [None, "7,5"]


async def test_a_sentinel_that_was_deleted_meanwhile_is_replaced(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add_customers(5, 6)
    await walk(shop)
    store.customers.clear()
    store.add_customers(8)
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE) is None
    assert [query.get("id:in") for query in store.queries(CUSTOMERS)[1:]] == ["7,5", None, "7,8"]


SEEN: dict[str, tuple[str, ...] | None] = {
    "nothing was read since the start": None,
    "all were read, this one last": (),
    "only this one was read": ("7",),
    "this one was read after others": ("5", "7"),
}


@pytest.mark.holds("A4")
@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
async def test_a_store_that_lists_nobody_is_not_believed_whoever_was_seen_last(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock, seen: tuple[str, ...] | None
) -> None:
    store.add_customers(5, 6, 7)
    if seen == ():
        await walk(shop)
    for one in seen or ():
        await shop.read(Kind.CUSTOMERS, [ExternalId(one)], Lane.LIVE)
    there, store.customers = store.customers, {}
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry):
            await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE)
    store.customers = there
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE) is not None


async def test_each_customer_of_an_empty_store_is_doubted_by_itself(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    """Empty answers for other customers prove nothing."""
    del autojump_clock, store
    for one in range(1, 3 * BELIEVED):
        with pytest.raises(Retry):
            await shop.read_one(Kind.CUSTOMERS, ExternalId(str(one)), Lane.LIVE)


async def test_a_store_that_goes_on_saying_that_it_is_empty_is_believed(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry):
            await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE)
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE) is None
    assert len(store.queries(CUSTOMERS)) == BELIEVED + 1


@pytest.mark.holds("A4")
async def test_the_only_customer_is_not_gone_while_the_store_lists_it(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add_customers(5)
    there = httpx.Response(200, json={"data": [{"id": 5}], "meta": {"pagination": {"total": 1}}})
    nobody = httpx.Response(200, json={"data": [], "meta": {"pagination": {"total": 0}}})
    store.script.extend([there, nobody, there, nobody])
    with pytest.raises(Retry):
        await shop.read_one(Kind.CUSTOMERS, ExternalId("5"), Lane.LIVE)
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("5"), Lane.LIVE) is not None


async def test_the_last_customers_of_a_store_can_go(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add_customers(5, 6)
    await walk(shop)
    del store.customers[6]
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("6"), Lane.LIVE) is None
    del store.customers[5]
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry):
            await shop.read_one(Kind.CUSTOMERS, ExternalId("5"), Lane.LIVE)
    assert await shop.read_one(Kind.CUSTOMERS, ExternalId("5"), Lane.LIVE) is None, "nobody else is known"


UNTOLD = httpx.Response(200, json={"data": []})


@pytest.mark.parametrize("answer", [NOBODY, UNTOLD])
async def test_absence_that_is_not_proven_is_tried_again(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock, answer: httpx.Response
) -> None:
    store.script.extend([answer] * 3)
    with pytest.raises(Retry):
        await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE)


async def test_an_answer_without_the_sentinel_proves_nothing(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    someone = httpx.Response(200, json={"data": [{"id": 5}]})
    store.script.extend([someone, UNTOLD, someone, UNTOLD])
    with pytest.raises(Retry) as failed:
        await shop.read_one(Kind.CUSTOMERS, ExternalId("7"), Lane.LIVE)
    assert failed.value.reason == "sentinel_missing"
