"""Orders, metafields and the store's facts, read from the strict stand-in of the API, and in how many calls."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.errors import Blocked
from daemon.model import ExternalId, Kind, Lane, Secret, StoreFacts
from daemon.platforms.base import STORE
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.shelf import MemoryShelf, Shelf
from daemon.sandbox import BigCommerce as StandIn
from daemon.sandbox import BigCommerceOptions, Store, answer, call
from daemon.sandbox.message import Request

FACTS = StoreFacts(currency="USD", weight_unit="LBS")
CARTS = [f"4217ba4f-7618-4e3b-b1af-{number:012d}" for number in range(10)]
LINES = [{"name": "Shirt", "sku": "J-S", "quantity": 2, "price": 10}]


class House:
    """A store with two products, its API without sockets, and the adapter."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.store = Store()
        sizes = [{"sku": f"J-{size}", "options": {"Size": size}, "stock": 3} for size in "SML"]
        self.jumper = self.store.add_product("Jumper", price=40, variants=sizes, silent=True)
        self.mug = self.store.add_product("Mug", price=7, variants=[{"sku": "MUG", "stock": 1}], silent=True)
        self.buyer = self.store.customers.add("buyer@example.com", silent=True)
        self.api = StandIn(self.store, BigCommerceOptions(), "http://shop.test", nursery)
        self.shelf: Shelf = MemoryShelf()
        self.connect()

    def connect(self, **settings: Any) -> None:
        """Connect an adapter, as after a restart: what was on the shelf is there."""
        known = BigCommerceSettings(
            api_url="http://shop.test", store_hash="sandbox", access_token=Secret(self.api.access_token), **settings
        )
        self.shop = BigCommerce(known, httpx.MockTransport(self._answer), shelf=self.shelf)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode().partition("?")
        asked = Request(
            method=request.method, path=path, query=query, headers={k.lower(): v for k, v in request.headers.items()}
        )
        match = self.api.find(asked)
        with self.api.statistics.call(match.name if match else "unknown"):
            told = await self.api.faults.before(asked) or self.api.answer(asked, match)
            told = await self.api.faults.after(asked, told)
        assert told.status < 400 or told.status in {403, 404}, (path, query, told.body)
        return httpx.Response(told.status, headers=told.headers, content=told.body)

    def order(self, cart: str | None = None, **more: Any) -> int:
        return self.store.orders.place(self.buyer, more.pop("lines", LINES), cart_id=cart, silent=True, **more)

    async def walk(self, kind: Kind, since: float | None = None) -> list[str]:
        """Enumerate to the end; return the ids."""
        found: list[str] = []
        cursor: str | None = None
        first = partial(self.shop.page, kind) if since is None else partial(self.shop.changed_since, kind, since)
        for _ in range(50):
            page = await first(cursor)
            found += [entity.external_id for entity in page.entities]
            cursor = page.cursor
            if cursor is None:
                return found
        raise AssertionError("the walk does not end")

    async def read(self, kind: Kind, *ids: object) -> dict[str, Any]:
        wanted = [ExternalId(str(one)) for one in ids]
        found = await self.shop.read(kind, wanted, Lane.LIVE)
        return {key: self.shop.map(kind, entity, FACTS) for key, entity in found.items() if key == entity.external_id}

    def calls(self) -> dict[str, int]:
        found = dict(self.api.statistics.calls)
        self.api.statistics.reset()
        return found


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with trio.open_nursery() as nursery:
        opened = House(nursery)
        yield opened
        await opened.shop.aclose()
        nursery.cancel_scope.cancel()


async def test_an_enumeration_skips_to_the_orders_of_ours(house: House) -> None:
    ours = []
    for number in range(600):
        order = house.order(CARTS[number // 250] if number in {0, 250, 599} else None)
        ours += [str(order)] if number in {0, 250, 599} else []
    assert await house.walk(Kind.ORDERS) == ours
    assert house.calls() == {"GET /v3/orders/metafields": 1, "GET /v2/orders": 3}


async def test_a_store_without_orders_of_ours_costs_one_call(house: House) -> None:
    house.order()
    assert await house.walk(Kind.ORDERS) == []
    assert house.calls() == {"GET /v3/orders/metafields": 1}


async def test_other_orders_cost_one_list_call_for_all_of_them(house: House) -> None:
    others = [house.order() for _ in range(5)]
    ours = house.order(CARTS[0])
    found = await house.read(Kind.ORDERS, *others, ours)
    assert house.calls() == {"GET /v3/orders/metafields": 1, "GET /v2/orders": 1}
    assert [found[str(one)].value for one in others] == [None] * 5
    assert found[str(ours)].value.cart_id == CARTS[0]


async def test_an_order_whose_cart_comes_later_is_found_then(house: House) -> None:
    order = house.order()
    assert (await house.read(Kind.ORDERS, order))[str(order)].value is None
    house.store.metafields.set("order", order, "cart_id", CARTS[0], silent=True)
    assert (await house.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[0]


async def test_an_order_that_is_read_while_the_carts_are_listed_anew_stays_ours(house: House) -> None:
    early = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    late: list[int] = []

    async def meanwhile(_: Request) -> None:
        house.api.faults.clear()
        late.append(house.order(CARTS[1]))
        assert len(await house.read(Kind.ORDERS, early, *late)) == 2

    house.api.faults.add("GET */orders/metafields", call(meanwhile), after_effect=True)
    assert await house.walk(Kind.ORDERS) == [str(early), str(late[0])]


async def test_a_sweep_finds_an_order_whose_cart_was_noted_since(house: House) -> None:
    order = house.order()
    await house.walk(Kind.ORDERS)
    house.store.metafields.set("order", order, "cart_id", CARTS[0], silent=True)
    assert str(order) in await house.walk(Kind.ORDERS, since=2e9)


async def test_neighbours_are_read_together_and_others_apart(house: House) -> None:
    first, second = house.order(CARTS[0]), house.order(CARTS[1])
    for _ in range(260):
        house.order()
    third = house.order(CARTS[2])
    assert set(await house.read(Kind.ORDERS, first, second, third, "x")) == {str(first), str(second), str(third)}
    assert house.calls()["GET /v2/orders"] == 2


async def test_an_order_of_more_than_50_lines_is_read_whole(house: House) -> None:
    lines = [{"name": f"Part {n}", "sku": f"P-{n}", "quantity": 1, "price": 1} for n in range(60)]
    order = house.order(CARTS[0], lines=lines)
    value = (await house.read(Kind.ORDERS, order))[str(order)].value
    assert sum(len(package.lines) for package in value.packages) == 60
    assert house.calls()["GET /v2/orders/{order_id}/products"] == 1


async def test_shipments_are_asked_for_only_where_there_are_any(house: House) -> None:
    shipped, waiting = house.order(CARTS[0]), house.order(CARTS[1])
    house.store.orders.ship(shipped, None, carrier="DPD", tracking_number="T1", silent=True)
    found = await house.read(Kind.ORDERS, shipped, waiting)
    assert house.calls()["GET /v2/orders/{order_id}/shipments"] == 1
    assert found[str(shipped)].value.packages[0].shipment.tracking_number == "T1"


async def test_an_order_that_is_gone_is_none_and_an_archived_one_cancelled(house: House) -> None:
    order = house.order(CARTS[0])
    house.store.orders.archive(order, silent=True)
    assert await house.shop.read_one(Kind.ORDERS, ExternalId("9999"), Lane.LIVE) is None
    entity = await house.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert entity is not None


async def test_a_cart_that_stands_in_the_staff_notes(house: House) -> None:
    noted, other = house.order(staff_notes=f"SparkLayer cart: {CARTS[3]}"), house.order(staff_notes="call first")
    assert (await house.read(Kind.ORDERS, noted))[str(noted)].value is None, "nobody has said where to look"
    house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    found = await house.read(Kind.ORDERS, noted, other)
    assert (found[str(noted)].value.cart_id, found[str(other)].value) == (CARTS[3], None)
    assert await house.walk(Kind.ORDERS) == [str(noted)]


async def test_metafields_are_joined_and_a_store_without_any_pays_two_calls(house: House) -> None:
    assert await house.walk(Kind.PRODUCTS) == [str(house.jumper), str(house.mug)]
    lists = {name: count for name, count in house.calls().items() if name.endswith("/metafields")}
    assert lists == {"GET /v3/catalog/products/metafields": 1, "GET /v3/catalog/variants/metafields": 1}
    small = house.store.by_sku("J-S").id
    house.store.metafields.set("product", house.jumper, "rrp", "49.99", silent=True)
    house.store.metafields.set("variant", small, "rrp", "44.99", silent=True)
    house.store.metafields.set("variant", small, "restock_date", "2026-12-31", silent=True)
    await house.walk(Kind.PRODUCTS)
    value = (await house.read(Kind.PRODUCTS, house.jumper))[str(house.jumper)].value
    assert [str(variant.rrp.amount) for variant in value.variants] == ["44.99", "49.99", "49.99"]
    assert str(value.stock["J-S"].restock_date) == "2026-12-31"


async def test_a_webhook_of_a_metafield_leads_to_its_product(house: House) -> None:
    small = house.store.by_sku("J-S").id
    own = house.store.metafields.set("product", house.jumper, "rrp", "49.99", silent=True)
    house.store.metafields.set("variant", small, "pack_size", "6", silent=True)
    told = [ExternalId(f"metafields:product:{house.jumper}"), ExternalId(f"metafields:variant:{small}")]
    found = await house.shop.read(Kind.PRODUCTS, told, Lane.LIVE)
    assert {key: entity.external_id for key, entity in found.items()} == dict.fromkeys(told, str(house.jumper))
    value = (await house.read(Kind.PRODUCTS, house.jumper))[str(house.jumper)].value
    assert (str(value.variants[0].rrp.amount), value.variants[0].settings[0].pack_size) == ("49.99", 6)
    house.store.metafields.delete(own, silent=True)
    await house.shop.read(Kind.PRODUCTS, told[:1], Lane.LIVE)
    value = (await house.read(Kind.PRODUCTS, house.jumper))[str(house.jumper)].value
    assert value.variants[0].rrp is None, "it is gone"


async def test_what_metafields_belonged_to_may_be_gone(house: House) -> None:
    told = [ExternalId("metafields:product:999"), ExternalId("metafields:variant:999")]
    assert await house.shop.read(Kind.PRODUCTS, told, Lane.LIVE) == {}
    assert await house.shop.read_one(Kind.PRODUCTS, told[0], Lane.LIVE) is None


async def test_a_sweep_looks_at_products_whose_metafields_changed(house: House) -> None:
    await house.walk(Kind.PRODUCTS)
    house.store.metafields.set("variant", house.store.by_sku("MUG").id, "rrp", "9", silent=True)
    assert await house.walk(Kind.PRODUCTS, since=2e9) == [str(house.mug)]


async def test_a_deleted_metafield_is_gone_after_the_next_run(house: House) -> None:
    field = house.store.metafields.set("product", house.mug, "rrp", "9", silent=True)
    await house.walk(Kind.PRODUCTS)
    house.store.metafields.delete(field, silent=True)
    house.connect()
    await house.walk(Kind.PRODUCTS)
    assert (await house.read(Kind.PRODUCTS, house.mug))[str(house.mug)].value.variants[0].rrp is None


async def test_the_store_is_one_entity_with_its_facts(house: House) -> None:
    house.store.set_tax_inclusive(inclusive=True, silent=True)
    (entity,) = (await house.shop.page(Kind.STORE, None)).entities
    assert entity.external_id == STORE
    assert (entity.content.currency, entity.content.weight_unit, entity.content.tax_inclusive) == ("USD", "LBS", True)
    assert house.shop.map(Kind.STORE, entity, FACTS).problems == ()
    house.store.set_weight_unit("Stones", silent=True)
    changed = await house.shop.read_one(Kind.STORE, STORE, Lane.LIVE)
    assert changed is not None
    assert [one.code for one in house.shop.map(Kind.STORE, changed, FACTS).problems] == ["weight_unit_unknown"]
    assert await house.shop.read(Kind.STORE, [ExternalId("other")], Lane.LIVE) == {}


async def test_a_missing_right_names_the_right(house: House, autojump_clock: MockClock) -> None:
    house.api.faults.add("GET */v2/orders*", answer(403, '{"status":403,"title":"no"}'))
    house.order(CARTS[0])
    with pytest.raises(Blocked, match="store_v2_orders_read_only"):
        await house.walk(Kind.ORDERS)
