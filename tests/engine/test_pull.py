"""SparkLayer's pulls: every entity once, equal to its pushed form, and only the caller's own pages."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from trio.testing import MockClock

from daemon.engine.pull import PULLED, fetch, pull
from daemon.entities import Address, Customer, Mapped, Order, Package, PackageType, StoreFacts
from daemon.errors import Invalid, NotFound, Rejected, Retry
from daemon.model import AddressId, CartId, ConnectionId, ExternalId, Kind, Lane
from daemon.platforms.base import BAD_ID, Entity
from daemon.sandbox.sparklayer.contract import convert
from tests.databases import InlineDatabase
from tests.engine.fakes import Bench, open_bench, product

HOME = Address(address_line1="1 High Street", city="Bath", country_code="GB")
BUYER = Customer(external_id=ExternalId("1"), email="b@example.com", group="base", addresses={AddressId("11"): HOME})
PLACED = datetime(2026, 1, 2, tzinfo=UTC)
ORDER = Order(
    external_id=ExternalId("1"),
    cart_id=CartId("4217ba4f-7618-4e3b-b1af-9055639b18d1"),
    visible="#1",
    customer=ExternalId("1"),
    placed=PLACED,
    updated=PLACED,
    currency="GBP",
    packages=(Package(type=PackageType.INCOMING, lines=()),),
)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench() as opened:
        opened.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}, stock=n) for n in range(1, 6)))
        await begun(opened)
        yield opened


async def begun(bench: Bench) -> None:
    """Make a full sync read a page."""
    await bench.harness.page(await bench.harness.started(), "1", cursor="1")


async def every(bench: Bench, data_type: str) -> list[dict[str, Any]]:
    """Pull all pages."""
    found: list[dict[str, Any]] = []
    page: str | None = None
    while True:
        pulled = await pull(bench.context, data_type, page)
        found += [json.loads(one) for one in pulled.entities]
        page = pulled.next_page
        if page is None:
            return found


async def pulled_skus(bench: Bench) -> dict[str, list[str]]:
    """Return the SKUs of each product that is pulled."""
    pulled = await every(bench, "products")
    return {one["external_id"]: [variant["sku"] for variant in one["variants"]] for one in pulled}


async def test_products_come_page_by_page_as_they_are_pushed(bench: Bench) -> None:
    pulled = await every(bench, "products")
    assert [one["external_id"] for one in pulled] == ["1", "2", "3", "4", "5"]
    assert bench.shop.calls["page"] == 3
    for one in pulled:
        convert(one, "updateProduct")


async def test_stock_comes_for_each_sku_at_the_sites_location(bench: Bench) -> None:
    pulled = await every(bench, "stock")
    assert [(one["sku"], one["stock_level"]) for one in pulled] == [(f"S{n}", n) for n in range(1, 6)]
    assert {one["stock_location_id"] for one in pulled} == {(await bench.terms.get()).stock_location}


async def test_customers_and_purchases_come_as_they_are_pushed() -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        bench.shop.put(BUYER)
        await begun(bench)
        [customer] = await every(bench, "customers")
        convert(customer, "upsertCustomer")
        assert (customer["external_id"], customer["addresses"][0]["external_id"]) == ("1", "11")
    async with open_bench(kind=Kind.ORDERS) as bench:
        bench.shop.put(ORDER)
        await begun(bench)
        [purchase] = await every(bench, "purchases")
        assert purchase["purchase_identifiers"] == {"sparklayer": ORDER.cart_id, "platform": "1", "visible": "#1"}


@pytest.mark.parametrize("empty", [False, True], ids=["a page", "an empty store"])
async def test_nothing_is_pulled_before_a_full_sync_has_read_something(*, empty: bool) -> None:
    """Some data comes from the store's lists only: before that, pages would be incomplete."""
    async with open_bench() as bench:
        bench.shop.put(product("1", {"11": "S1"}))
        for data_type in ("products", "stock"):
            with pytest.raises(Retry) as refused:
                await pull(bench.context, data_type, None)
            assert refused.value.reason == "first_full_sync"
        run = await bench.harness.started()
        with pytest.raises(Retry):
            await pull(bench.context, "products", None)
        await (bench.harness.enumerated(run) if empty else bench.harness.page(run, "1", cursor="1"))
        assert len(await every(bench, "products")) == 1


async def test_kinds_without_lists_are_pulled_at_once() -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        bench.shop.put(BUYER)
        bench.context.platform_type = evolve(bench.context.platform_type, cached_kinds=frozenset({Kind.PRODUCTS}))
        assert len(await every(bench, "customers")) == 1


async def test_entities_that_must_not_be_in_sparklayer_are_left_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entity kept out of SparkLayer, and one that cannot be mapped, whose push opens an issue."""
    bench.shop.products["2"] = None
    real = bench.shop.map

    def mapped(kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        if entity.external_id == "3":
            raise Retry("not what was agreed", reason="unexpected_shape")
        return real(kind, entity, facts)

    monkeypatch.setattr(bench.shop, "map", mapped)
    assert [one["external_id"] for one in await every(bench, "products")] == ["1", "4", "5"]


async def test_a_page_that_was_not_given_is_refused(bench: Bench) -> None:
    given = (await pull(bench.context, "products", None)).next_page
    assert given is not None
    assert (await pull(bench.context, "products", given)).entities
    bad = ["2", "x", "ü", "!", given[:-1] + ("A" if given[-1] != "A" else "B"), given + "AAAA", given[4:]]
    for page in bad:
        with pytest.raises(Invalid, match="none that was given"):
            await pull(bench.context, "products", page)
    with pytest.raises(Invalid, match="none that was given"):
        await pull(bench.context, "stock", given)
    bench.context.connection = evolve(bench.context.connection, id=ConnectionId(99))
    with pytest.raises(Invalid, match="none that was given"):
        await pull(bench.context, "products", given)


@pytest.mark.parametrize("data_type", ["merchant", "customers", "", "Products"])
async def test_a_type_that_such_a_store_does_not_have_is_not_found(bench: Bench, data_type: str) -> None:
    with pytest.raises(NotFound, match="known are: products, stock"):
        await pull(bench.context, data_type, None)
    assert set(PULLED) == {"customers", "products", "purchases", "stock"}


async def test_a_disputed_sku_is_shown_at_its_owner(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("2", {"21": "S2", "22": "S1"}, stock=2), product("3", {"31": "S1"}, stock=3))
    await bench.change("1", "2", "3")
    await bench.work()
    assert await pulled_skus(bench) == {"1": ["S1"], "2": ["S2"], "4": ["S4"], "5": ["S5"]}
    levels = [(one["sku"], one["stock_level"]) for one in await every(bench, "stock")]
    assert levels == [("S1", 1), ("S2", 2), ("S4", 4), ("S5", 5)]
    bench.shop.put(product("3", {"31": "S3"}), product("4", {"41": "S1"}), product("1", {"11": "S4"}))
    await bench.change("3")
    await bench.work()
    moved = await pulled_skus(bench)
    assert (moved["1"], moved["3"], moved["4"]) == (["S4"], ["S3"], ["S1"]), (
        "a SKU that is about to move is lost to neither"
    )


async def test_a_disputed_email_or_cart_is_shown_at_its_owner(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        late, known = (evolve(BUYER, external_id=ExternalId(key), addresses={}) for key in "23")
        bench.shop.put(BUYER, late, evolve(known, email="k@example.com"))
        await begun(bench)
        await bench.change("1", "2", "3")
        await bench.work()
        bench.shop.put(known)
        await bench.change("3")
        await bench.work()
        assert await bench.issues() == {key: ["email_used_twice"] for key in "23"}
        assert [one["external_id"] for one in await every(bench, "customers")] == ["1", "3"], "who is there is not gone"
    async with open_bench(kind=Kind.ORDERS) as bench:
        bench.shop.put(ORDER, evolve(ORDER, external_id=ExternalId("2")))
        await begun(bench)
        await bench.change("1", "2")
        await bench.work()
        assert [one["purchase_identifiers"]["platform"] for one in await every(bench, "purchases")] == ["1"]


async def fetched(bench: Bench, data_type: str, entity_id: str) -> Any:
    """Return one entity, or None if it is not found."""
    try:
        return json.loads(await fetch(bench.context, data_type, entity_id))
    except NotFound:
        return None


@contextmanager
def nothing_written(bench: Bench) -> Iterator[None]:
    """Fail on any use of the database or SparkLayer."""

    async def refuse(*_: object) -> None:
        raise AssertionError("the database is written to")

    before = (bench.writes, bench.calls.total())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InlineDatabase, "write", refuse)
        yield
    assert (bench.writes, bench.calls.total()) == before


async def test_one_entity_is_as_its_page_has_it(
    autojump_clock: MockClock, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes: list[Lane] = []
    real = bench.shop.read

    async def read(kind: Kind, ids: Any, lane: Lane) -> Any:
        lanes.append(lane)
        return await real(kind, ids, lane)

    await bench.change("1", "2")
    await bench.work()
    products, stock = await every(bench, "products"), await every(bench, "stock")
    monkeypatch.setattr(bench.shop, "read", read)
    bench.shop.left_out.add("2")
    with nothing_written(bench):
        for one in products:
            assert await fetched(bench, "products", one["external_id"]) == one
        assert [await fetched(bench, "stock", f"S{n}") for n in (1, 2)] == stock[:2]
    assert set(lanes) == {Lane.LIVE}


async def test_stock_is_fetched_by_its_sku(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("1", {"11": "S1", "12": "S6"}, stock=6))
    with pytest.raises(Retry) as refused:
        await fetch(bench.context, "stock", "S6")
    assert refused.value.reason == "full_sync_running"
    await bench.change("1")
    await bench.work()
    assert (await fetched(bench, "stock", "S6"))["sku"] == "S6"
    run = (await bench.harness.newest()).id
    await bench.harness.enumerated(run)
    await bench.work()
    await bench.harness.close(run)
    assert await fetched(bench, "stock", "S9") is None
    assert await fetched(bench, "stock", "1") is None, "no product's id"
    bench.shop.put(product("1", {"11": "S1"}))
    assert await fetched(bench, "stock", "S6") is None, "the store has it no more"


async def test_customers_and_purchases_are_fetched_without_writing() -> None:
    for kind, data_type, entity in ((Kind.CUSTOMERS, "customers", BUYER), (Kind.ORDERS, "purchases", ORDER)):
        async with open_bench(kind=kind) as bench:
            bench.shop.put(entity)
            await begun(bench)
            with nothing_written(bench):
                assert [await fetched(bench, data_type, "1")] == await every(bench, data_type)
                assert await fetched(bench, data_type, "2") is None


async def test_an_entity_that_the_pages_leave_out_is_not_found(autojump_clock: MockClock, bench: Bench) -> None:
    bench.shop.put(product("3", {"31": "S1"}))
    await bench.change("1", "3")
    await bench.work()
    bench.shop.products["2"] = None
    bench.shop.unmanaged["metafields:4"] = "4"
    for key in ("2", "3", "6", "metafields:4"):
        assert await fetched(bench, "products", key) is None
    for data_type in ("merchant", "customers", ""):
        assert await fetched(bench, data_type, "1") is None


@pytest.mark.parametrize("method", ["facts", "read", "read_one"])
async def test_a_failing_read_does_not_mean_gone(bench: Bench, method: str) -> None:
    bench.shop.failures[method] = [Retry("busy", reason="http_503")]
    with pytest.raises(Retry):
        await fetch(bench.context, "products", "6")


async def test_an_impossible_id_is_not_found_and_a_refusal_is_raised(bench: Bench) -> None:
    bench.shop.failures["read_one"] = [Rejected("no", reason=BAD_ID), Rejected("no", reason="http_400")]
    assert await fetched(bench, "products", "x") is None
    with pytest.raises(Rejected):
        await fetch(bench.context, "products", "x")


async def test_one_entity_is_not_pulled_half_before_a_full_sync_has_read_something() -> None:
    async with open_bench() as bench:
        bench.shop.put(product("1", {"11": "S1"}))
        for data_type, key in (("products", "1"), ("stock", "S1")):
            with pytest.raises(Retry) as refused:
                await fetch(bench.context, data_type, key)
            assert refused.value.reason == "first_full_sync"
