"""SparkLayer keeps the fields whose value on the platform cannot be read; a field that is gone is still cleared."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from trio.testing import MockClock

from daemon.entities import Credit, Customer, Money, OrderRules, Product, StockLevel
from daemon.model import AddressId, ExternalId, Kind, Sku
from daemon.sandbox.faults import Act, answer, html, reset
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.sparklayer.customers import PARENT, sent
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.writers.customers.people import HOME, customer, held, lose_ledger

pytestmark = pytest.mark.holds("C6")

NOT_FOUND = '{"title": "Not found", "status": 404}'
CREDIT = Credit(limit=Decimal(10), balance=Decimal(2), currency="GBP", net_terms=30)

CUSTOMER_FIELDS: Mapping[str, Any] = {
    "group": "gold",
    "accounting_id": "A-1",
    "sales_agent_groups": ("north",),
    "price_lists": ("trade",),
    "discount_percentage": Decimal("12.5"),
    "payment_on_account": CREDIT,
}
LEFT: Mapping[str, Any] = {"group": "base", "payment_on_account": {"balance": 2}}
"""SparkLayer's values of cleared fields; a balance changes with orders only."""


async def put(bench: Bench, *entities: Customer | Product) -> None:
    bench.shop.put(*entities)
    await bench.change(*(entity.external_id for entity in entities))
    await bench.work()


def test_the_table_has_every_field_of_a_customer() -> None:
    """The parent is missing: a customer with an unreadable one is not mapped."""
    rich = customer("1", parent=ExternalId("2"), **CUSTOMER_FIELDS)
    assert {name.partition(".")[0] for name in sent(rich)} == CUSTOMER_FIELDS.keys() | {PARENT}


@pytest.mark.parametrize("lost", [False, True], ids=["known", "ledger lost"])
@pytest.mark.parametrize("name", CUSTOMER_FIELDS)
async def test_an_unreadable_field_of_a_customer_stays(autojump_clock: MockClock, name: str, *, lost: bool) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        await put(bench, customer("1", **CUSTOMER_FIELDS))
        before = held(bench)["1"]
        if lost:
            await lose_ledger(bench)
        rest = {field: value for field, value in CUSTOMER_FIELDS.items() if field != name}
        for first_name in ("Ann", "Bea"):
            await put(bench, customer("1", first_name=first_name, unreadable=(name,), **rest))
            assert held(bench)["1"] == before | {"first_name": first_name}
        if not lost:
            await put(bench, customer("1", **rest))
            assert held(bench)["1"].get(name) == LEFT.get(name), "it is gone, so it is cleared"


async def test_an_edit_by_hand_of_an_unreadable_field_stays(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        await put(bench, customer("1", **CUSTOMER_FIELDS))
        await put(bench, customer("1", unreadable=tuple(CUSTOMER_FIELDS)))
        by_hand = {"group": "vip", "price_lists": ["by-hand"], "accounting_id": "B-2", "discount_percentage": 7}
        bench.site.state.customers.edit("1", **by_hand)
        await put(bench, customer("1", first_name="Ann", unreadable=tuple(CUSTOMER_FIELDS)))
        now = held(bench)["1"]
        assert {name: now[name] for name in by_hand} == by_hand
        await put(bench, customer("1", **CUSTOMER_FIELDS))
        assert held(bench)["1"]["group"] == "gold", "it can be read again"


async def test_an_unreadable_address_stays_until_it_is_gone(autojump_clock: MockClock) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        both = {AddressId("11"): HOME, AddressId("12"): evolve(HOME, city="Leeds")}
        await put(bench, customer("1", addresses=both))
        before = held(bench)["1"]["addresses"]
        other = {AddressId("11"): HOME}
        for first_name in ("Ann", "Bea"):
            unread = customer("1", first_name=first_name, addresses=other, unreadable_addresses=(AddressId("12"),))
            await put(bench, unread)
            assert held(bench)["1"]["addresses"] == before
        await put(bench, customer("1", addresses=other))
        assert held(bench)["1"]["addresses"].keys() == {"11"}


RULES = (OrderRules(customer_group="base", pack_size=6), OrderRules(customer_group="gold", sell=False))
VARIANT_FIELDS: Mapping[str, Any] = {
    "rrp": Money(Decimal("19.99"), "GBP"),
    "settings": RULES,
    "weight_in_grams": Decimal(250),
}
EMPTY: Mapping[str, Any] = {"rrp": None, "settings": (), "weight_in_grams": None}


def with_fields(title: str, *unreadable: str, **fields: Any) -> Product:
    """Return a product whose first variant has these fields, and whose second one has them all."""
    plain = product("1", {"11": "A", "12": "B"}, title=title)
    first, second = (evolve(variant, cart_image_url="https://shop.test/1.jpg") for variant in plain.variants)
    changed = evolve(first, unreadable=unreadable, **fields)
    return evolve(plain, variants=(changed, evolve(second, **VARIANT_FIELDS)))


def variants(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.site.state.comparable()["products"]["1"]["variants"]
    return found


@pytest.mark.parametrize("mode", ["merge", "replace"])
@pytest.mark.parametrize("lost", [False, True], ids=["known", "ledger lost"])
@pytest.mark.parametrize("name", VARIANT_FIELDS)
async def test_an_unreadable_field_of_a_variant_stays(
    autojump_clock: MockClock, name: str, mode: Any, *, lost: bool
) -> None:
    async with open_bench(SparkLayerOptions(variants=mode)) as bench:
        await put(bench, with_fields("Old", **VARIANT_FIELDS))
        before = variants(bench)
        if lost:
            await lose_ledger(bench)
        # One wrong answer about the product takes nothing away either.
        bench.site.faults.add("GET */products/1", answer(404, NOT_FOUND), times=1)
        for title in ("New", "Newer"):
            await put(bench, with_fields(title, name, **{**VARIANT_FIELDS, name: EMPTY[name]}))
            assert variants(bench) == before
            assert bench.site.state.comparable()["products"]["1"]["title"] == title
        await put(bench, with_fields("Gone", **{**VARIANT_FIELDS, name: EMPTY[name]}))
        assert not variants(bench)["11"].get(name), "it is gone, so it is cleared"
        assert variants(bench)["12"] == before["12"]


async def test_a_new_variant_gets_what_can_be_read(autojump_clock: MockClock) -> None:
    async with open_bench() as bench:
        await put(bench, product("1", {"12": "B"}))
        await put(bench, with_fields("New", "settings", settings=RULES[:1]))
        assert [rules["pack_size"] for rules in variants(bench)["11"]["settings"]] == [6]


async def test_a_price_that_cannot_be_read_stays(autojump_clock: MockClock) -> None:
    async with open_bench() as bench:
        await put(bench, product("1", {"11": "A", "12": "B"}, price="9.50"))
        unread = product("1", {"11": "A", "12": "B"}, price="11")
        unread = evolve(unread, prices={Sku("B"): Decimal(11)}, unreadable_prices=(Sku("A"),))
        await put(bench, unread)
        assert bench.prices() == {"A": 9.5, "B": 11}
        await put(bench, evolve(unread, title="New", prices={Sku("B"): Decimal(12)}))
        assert bench.prices() == {"A": 9.5, "B": 12}
        await put(bench, evolve(unread, unreadable_prices=()))
        assert bench.prices() == {"B": 11}, "it is gone, so it is removed"
        await put(bench, evolve(unread, title="Again"))
        assert bench.prices() == {"B": 11}, "SparkLayer never had it"


TERMS: Mapping[str, Any] = {"restock_date": dt.date(2026, 12, 31), "min_stock_level": -5}
FIELDS = {"restock_date": "restock_date", "min_stock_level": "min_level"}


@pytest.mark.holds("A4")
@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize("name", TERMS)
async def test_an_unreadable_field_of_stock_stays(autojump_clock: MockClock, name: str, wrong: int) -> None:
    async with open_bench() as bench:
        whole = {FIELDS[field]: value for field, value in TERMS.items()}
        rest = {field: value for field, value in whole.items() if field != FIELDS[name]}
        plain = product("1", {"11": "A", "12": "B"})

        async def put_stock(level: int, **fields: Any) -> dict[str, Any]:
            await put(bench, evolve(plain, stock={Sku("A"): StockLevel(level, **fields), Sku("B"): StockLevel(level)}))
            found: dict[str, Any] = bench.site.state.stock.levels["A"]
            return {field: getattr(next(iter(found.values())), field) for field in ("stock_level", *TERMS)}

        before = await put_stock(1, **whole)
        bench.site.faults.add("POST */batch-fetch-stock", answer(200, "[]"), times=wrong)
        assert await put_stock(2, **rest, unreadable=(name,)) == before | {"stock_level": 2}
        assert await put_stock(3, **rest, unreadable=(name,)) == before | {"stock_level": 3}
        assert (await put_stock(4, **rest))[name] is None, "it is gone, so it is cleared"


@pytest.mark.parametrize("failed", [answer(429, headers={"retry-after": "3"}), answer(503), html(404), reset()])
async def test_an_edit_by_hand_before_repeated_stock_survives(autojump_clock: MockClock, failed: Act) -> None:
    async with open_bench() as bench:
        plain = product("1", {"11": "A"})
        await put(bench, evolve(plain, stock={Sku("A"): StockLevel(1, min_level=-5)}))
        levels = bench.site.state.stock.levels["A"]
        by_hand: list[int] = []

        async def edit_and_fail(request: Request, response: Response | None) -> Response | None:
            by_hand.append(-6 - len(by_hand))
            for level in levels.values():
                level.min_stock_level = by_hand[-1]
            return await failed(request, response)

        bench.site.faults.add("POST */batch-update-stock", edit_and_fail, times=2)
        await put(bench, evolve(plain, stock={Sku("A"): StockLevel(2, unreadable=("min_stock_level",))}))
        [now] = bench.site.state.stock.levels["A"].values()
        assert (now.stock_level, now.min_stock_level) == (2, by_hand[-1])
        assert len(by_hand) == 2
