"""Writes of an earlier owner that arrive after its successor's own: whatever they bring back goes again.

The first owner dies before it settles a batch. The second one settles what the store says since. Then the first
owner's requests arrive once more. A second look, or the first owner's last word, must leave everything as it was.

And a late write of the present owner: its entity is not worked on again before it ends.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from unittest import mock

import pytest
import trio
from attrs import evolve, frozen
from trio.testing import MockClock

from daemon.engine.pipeline import Pipeline
from daemon.entities import StoreFacts
from daemon.errors import StorageTrouble
from daemon.model import AddressId, ExternalId, Kind, Sku
from daemon.model.outcome import Row
from daemon.sandbox.faults import call, delay
from daemon.sandbox.message import Request
from daemon.sandbox.server import answered
from daemon.storage.last_word import SecondLooks, Unsettled, look_again, owe, say
from daemon.storage.ledger import Mark
from daemon.storage.settle import Settlement
from tests.engine.fakes import Bench, Shop, open_bench, product
from tests.engine.writers.customers.people import HOME, customer
from tests.engine.writers.test_orders import order
from tests.storage.harness import TABLES

pytestmark = pytest.mark.usefixtures("both_engines")

CARTS = [f"4217ba4f-7618-4e3b-b1af-9055639b18d{n}" for n in range(3)]


@frozen
class Story:
    """A write of the first owner, and the merchant's edit since. SparkLayer had another state `before`."""

    kind: Kind
    before: tuple[Any, ...]
    sent: tuple[Any, ...]
    since: Callable[[Shop], object]
    comes_back: bool = True
    """False if SparkLayer itself refuses the late write."""


def _deleted(shop: Shop) -> None:
    del shop.products["1"]


def _excluded(shop: Shop) -> None:
    shop.excluded.add("1")


def _put(*entities: Any) -> Callable[[Shop], None]:
    return lambda shop: shop.put(*entities)


def _moved_and_deleted(shop: Shop) -> None:
    _deleted(shop)
    shop.put(OWNER)


OWNER = product("2", {"21": "C", "22": "B"}, stock=7, price="3.00")
PRODUCTS = partial(
    Story,
    Kind.PRODUCTS,
    (product("1", {"11": "A"}), product("2", {"21": "C"}, stock=7)),
    (product("1", {"11": "A", "12": "B"}, stock=5, title="Sent"), product("2", {"21": "C"}, stock=7)),
)
ADDRESSES = {AddressId("11"): HOME, AddressId("12"): HOME}
CUSTOMERS = partial(
    Story,
    Kind.CUSTOMERS,
    (customer("1"), customer("2")),
    (customer("1", email="sent@example.com", addresses=ADDRESSES), customer("2")),
)
ORDERS = partial(
    Story,
    Kind.ORDERS,
    (order("1", CARTS[0]), order("2", CARTS[1])),
    (order("1", CARTS[0], paid=Decimal(48)), order("2", CARTS[1])),
)
FACTS = StoreFacts(currency="USD", weight_unit="KGS")

STORIES: Mapping[str, Story] = {
    "a product is renamed": PRODUCTS(lambda shop: shop.change("1", title="Other")),
    "a product is deleted": PRODUCTS(_deleted),
    "a product is excluded": PRODUCTS(_excluded),
    "a variant vanishes": PRODUCTS(_put(product("1", {"11": "A"}))),
    "a SKU is given up": PRODUCTS(_put(product("1", {"11": "A", "12": "D"}))),
    "a SKU moves": PRODUCTS(_put(product("1", {"11": "A"}), OWNER)),
    "a SKU moves and its product is deleted": PRODUCTS(_moved_and_deleted),
    "a customer is deleted": CUSTOMERS(_deleted),
    "a customer is excluded": CUSTOMERS(_excluded),
    "an address is deleted": CUSTOMERS(_put(customer("1"))),
    "an e-mail address moves": CUSTOMERS(
        _put(customer("1", email="new@example.com"), customer("2", email="sent@example.com")), comes_back=False
    ),
    "an order is deleted": ORDERS(_deleted),
    "an order gets another cart": ORDERS(_put(order("1", CARTS[2])), comes_back=False),
    "a cart moves": ORDERS(_put(order("1", CARTS[2]), order("2", CARTS[0])), comes_back=False),
    "the store changes its currency": Story(
        Kind.STORE,
        (evolve(FACTS, currency="GBP"),),
        (evolve(FACTS, currency="EUR"),),
        lambda shop: _put_facts(shop, FACTS),
    ),
}


def _put_facts(shop: Shop, facts: StoreFacts) -> None:
    shop.store = shop.products["1"] = facts


class Dies(Exception):
    """The first owner has died."""


async def _work_and_die(bench: Bench) -> list[Request]:
    """Work on one batch, and die before it is settled; return the requests that write something."""
    sent: list[Request] = []
    answer = bench.site.answer

    def noting(request: Request, match: Any) -> Any:
        if request.method != "GET" and "fetch" not in request.path and "auth" not in request.path:
            sent.append(request)
        return answer(request, match)

    with (
        mock.patch.object(bench.site, "answer", noting),
        mock.patch.object(Pipeline, "_settle", side_effect=Dies),
        pytest.raises(Dies),
    ):
        await bench.once()
    bench.restart()
    assert sent
    return sent


async def _unsure(bench: Bench) -> Unsettled:
    """Return what the first owner has noted as under way."""
    rows = [row for row in await bench.harness.everything(TABLES["ledger"]) if row["fingerprint"] is None]
    marked = [Row(ExternalId(row["external_id"]), None, row["parts"]) for row in rows]
    unsettled = Unsettled()
    unsettled.marked(Mark[Sku](connection_id=bench.harness.connection_id, kind=bench.kind, rows=marked), frozenset())
    return unsettled


@pytest.fixture(params=STORIES)
def story(request: pytest.FixtureRequest) -> Story:
    return STORIES[request.param]


@pytest.fixture
async def bench(story: Story) -> AsyncIterator[Bench]:
    async with open_bench(kind=story.kind, kinds=frozenset({story.kind, Kind.PRODUCTS})) as opened:
        yield opened


@pytest.mark.parametrize("by_last_word", [False, True])
async def test_what_a_late_write_brings_back_goes_again(
    autojump_clock: MockClock, bench: Bench, story: Story, *, by_last_word: bool
) -> None:
    write, connection_id, now = bench.context.storage.write, bench.harness.connection_id, bench.context.now
    for cart in CARTS:
        bench.site.state.purchases.place(cart)
    ids = ["1", "2"][: len(story.before)]
    for entities in (story.before, story.sent):
        if story.kind is Kind.STORE:
            _put_facts(bench.shop, *entities)
        else:
            bench.shop.put(*entities)
        await bench.change(*ids)
        if entities is story.before:
            await bench.work()
    late = await _work_and_die(bench)
    unsettled = await _unsure(bench)
    if not by_last_word:
        await write(owe, SecondLooks(connection_id=connection_id, at=now() + 30.0))
    story.since(bench.shop)
    await bench.change(*ids)
    await bench.work()
    right, owners = bench.site.state.comparable(), await bench.harness.owners()
    for request in late:
        await answered(bench.site, request)
    assert (bench.site.state.comparable() != right) is story.comes_back
    if by_last_word:
        word = unsettled.last_word(connection_id, now())
        assert word is not None
        await write(say, word)
    else:
        assert await write(look_again, SecondLooks(connection_id=connection_id, at=now() + 60.0)) is None
    await bench.work()
    assert bench.site.state.comparable() == right
    assert await bench.harness.owners() == owners
    assert await bench.harness.rows() == {}


@pytest.mark.parametrize("trouble", range(4))
async def test_an_entity_read_late_is_not_settled_before_its_late_write_ends(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    """Also when the database cannot be written at settlement number `trouble`, from 1."""
    settled, early, under_way = list[set[ExternalId]](), set[ExternalId](), set[ExternalId]()
    async with open_bench() as bench:
        write = bench.context.storage.write

        async def writing(operation: Any, content: Any) -> Any:
            if isinstance(content, Settlement):
                claims = [*content.done, *(again.claim for again in content.again)]
                settled.append({claim.external_id for claim in claims})
                early.update(under_way & settled[-1])
                if len(settled) == trouble:
                    raise StorageTrouble("the disk is full", reason="storage")
            return await write(operation, content)

        async def read_late(_method: str) -> None:
            if "1" in bench.shop.asked[-1]:
                await trio.sleep(20.0)

        async def write_late(_request: Request) -> None:
            under_way.add(ExternalId("1"))
            try:
                await trio.sleep(25.0)
            finally:
                under_way.clear()

        bench.shop.put(*(product(one, {f"{one}1": f"S{one}"}) for one in ("1", "2", "3")))
        await bench.change("1", "2", "3")
        await bench.work()
        for one in ("1", "2", "3"):
            bench.shop.change(one, title="New")
        await bench.change("1", "2", "3")
        bench.site.faults.add("PATCH */products/1", call(write_late), times=1)
        bench.site.faults.add("PATCH */products/2", delay(24.0), times=1)
        bench.shop.before = read_late
        bench.pipeline.settled = lambda ids: early.update(under_way.intersection(ids))
        monkeypatch.setattr(bench.context.storage, "write", writing)
        with contextlib.suppress(StorageTrouble):
            await bench.once()
        every = [{ExternalId(one)} for one in ("3", "2", "1")]
        assert early == under_way == set()
        assert settled == (every[:trouble] if trouble else every), "none is empty"
        await bench.work()
        assert await bench.harness.rows() == {}
        titles = {one["title"] for one in bench.site.state.products.comparable().values()}
        assert titles == {"New"}
