"""Orders, metafields and the store's facts, read from the strict stand-in of the API, and in how many calls."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.errors import Blocked, Retry
from daemon.model import ExternalId, Kind, Lane, Secret, StoreFacts
from daemon.platforms.base import BESIDE, STORE
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.shelf import MemoryShelf, Shelf
from daemon.sandbox import BigCommerce as StandIn
from daemon.sandbox import BigCommerceOptions, Store, answer, call
from daemon.sandbox.message import Request, Response

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
            told = await self.api.faults.before(asked)
            told = told or await self.api.faults.after(asked, self.api.answer(asked, match))
        assert told.status < 400 or told.status in {403, 404, 500}, (path, query, told.body)
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


OF_ONE = "GET /v3/orders/{order_id}/metafields"


async def test_other_orders_cost_the_one_call_each_that_shows_they_are_not_ours(house: House) -> None:
    others = [house.order() for _ in range(5)]
    ours = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.calls()
    found = await house.read(Kind.ORDERS, *others, ours)
    assert house.calls() == {OF_ONE: 5, "GET /v2/orders": 1}
    assert [found[str(one)].value for one in others] == [None] * 5
    assert found[str(ours)].value.cart_id == CARTS[0]


async def test_a_list_that_leaves_a_cart_out_does_not_make_an_order_somebody_elses(house: House) -> None:
    ours = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.api.faults.add("GET */v3/orders/metafields", answer(200, json.dumps({"data": []})), times=1)
    assert await house.walk(Kind.ORDERS) == [], "the list knows nothing"
    assert (await house.read(Kind.ORDERS, ours))[str(ours)].value.cart_id == CARTS[0]


async def test_the_webhook_of_a_cart_has_it_read_again(house: House) -> None:
    order = house.order(CARTS[0])
    told = ExternalId(f"metafields:order:{order}")
    await house.walk(Kind.ORDERS)
    field = house.store.metafields.set("order", order, "cart_id", CARTS[1], silent=True)
    assert (await house.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[0], "nobody has told"
    found = await house.shop.read(Kind.ORDERS, [told], Lane.LIVE)
    assert {key: entity.external_id for key, entity in found.items()} == {told: str(order)}
    assert (await house.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[1]
    house.store.metafields.delete(field, silent=True)
    await house.shop.read(Kind.ORDERS, [told], Lane.LIVE)
    assert (await house.read(Kind.ORDERS, order))[str(order)].value is None
    gone = ExternalId("metafields:order:9999")
    assert await house.shop.read(Kind.ORDERS, [gone], Lane.LIVE) == {}
    assert await house.shop.read_one(Kind.ORDERS, gone, Lane.LIVE) is None


EDITS = {
    "created": (None, "9.99"),
    "changed": ("5", "9.99"),
    "deleted": ("9.99", None),
}


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS)
async def test_what_a_webhook_tells_while_the_list_is_read_is_newer_than_the_list(
    house: House, before: str | None, after: str | None
) -> None:
    fields = house.store.metafields
    fields.set("product", house.jumper, "rrp", "1", silent=True)
    field = fields.set("product", house.mug, "rrp", before, silent=True) if before else None
    await house.walk(Kind.PRODUCTS)

    async def edit(_request: Request, _response: Response | None) -> None:
        if after is None:
            assert field is not None
            fields.delete(field, silent=True)
        else:
            fields.set("product", house.mug, "rrp", after, silent=True)
        await house.shop.read(Kind.PRODUCTS, [ExternalId(f"metafields:product:{house.mug}")], Lane.LIVE)

    house.api.faults.add("GET */catalog/products/metafields", edit, after_effect=True, times=1)
    await house.walk(Kind.PRODUCTS)
    rrp = (await house.read(Kind.PRODUCTS, house.mug))[str(house.mug)].value.variants[0].rrp
    assert (rrp and str(rrp.amount)) == after


async def test_a_look_beside_the_runs_leaves_what_is_remembered_alone(house: House) -> None:
    order = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.store.metafields.set("order", house.order(), "cart_id", CARTS[1], silent=True)
    house.calls()
    page = await house.shop.page(Kind.ORDERS, BESIDE)
    assert ([entity.external_id for entity in page.entities], page.cursor) == ([str(order)], None)
    assert house.calls() == {"GET /v2/orders": 1}


async def test_one_strange_metafield_does_not_keep_the_others_from_being_read(house: House) -> None:
    strange = [{"resource_id": house.mug, "key": "rrp", "value": None}, {"key": "rrp"}, "?", {"resource_id": "x"}]
    fine = {"resource_id": str(house.jumper), "key": "rrp", "value": "9.99", "date_modified": None}
    house.api.faults.add("GET */catalog/products/metafields", answer(200, json.dumps({"data": [*strange, fine]})))
    await house.walk(Kind.PRODUCTS)
    found = await house.read(Kind.PRODUCTS, house.jumper, house.mug)
    assert str(found[str(house.jumper)].value.variants[0].rrp.amount) == "9.99"
    assert found[str(house.mug)].value.variants[0].rrp is None


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


async def test_an_order_that_is_gone_is_none_and_an_archived_one_maps_to_none(house: House) -> None:
    order = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.store.orders.archive(order, silent=True)
    assert await house.shop.read_one(Kind.ORDERS, ExternalId("9999"), Lane.LIVE) is None
    entity = await house.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert entity is not None
    assert house.shop.map(Kind.ORDERS, entity, FACTS).value is None


async def test_a_cart_that_stands_in_the_staff_notes(house: House) -> None:
    noted, other = house.order(staff_notes=f"SparkLayer cart: {CARTS[3]}"), house.order(staff_notes="call first")
    assert (await house.read(Kind.ORDERS, noted))[str(noted)].value is None, "nobody has said where to look"
    house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    found = await house.read(Kind.ORDERS, noted, other)
    assert (found[str(noted)].value.cart_id, found[str(other)].value) == (CARTS[3], None)
    assert await house.walk(Kind.ORDERS) == [str(noted)]


@pytest.mark.parametrize("body", ['"hello"', "{}", '{"status_id": 2}'])
async def test_an_answer_that_is_no_order_is_asked_for_again(house: House, body: str) -> None:
    order = house.order(CARTS[0])
    house.api.faults.add("GET */v2/orders/*", answer(200, body))
    with pytest.raises(Retry) as failed:
        await house.shop.read_one(Kind.ORDERS, ExternalId(str(order)), Lane.LIVE)
    assert failed.value.reason == "unexpected_shape"


async def test_staff_notes_that_are_no_text_harm_nothing(house: House) -> None:
    house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    first, second = house.order(CARTS[0]), house.order(staff_notes=f"SparkLayer cart: {CARTS[3]}")
    order: Any = house.store.orders.get(first)
    order.staff_notes = {}  # as BigCommerce prints null
    found = await house.read(Kind.ORDERS, first, second)
    assert [found[str(one)].value.cart_id for one in (first, second)] == [CARTS[0], CARTS[3]]


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


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_a_sweep_finds_all_metafields_that_changed_however_many(house: House, kind: Kind) -> None:
    ids = await touch(house, kind, 260)
    assert set(ids) <= set(await house.walk(kind, since=house.store.clock() - 60))


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_a_sweep_goes_on_after_a_restart_where_it_was(house: House, kind: Kind) -> None:
    ids, since = await touch(house, kind, 260), house.store.clock() - 60
    first = await house.shop.changed_since(kind, since, None)
    house.connect()
    second = await house.shop.changed_since(kind, since, first.cursor)
    assert [one.external_id for one in (*first.entities, *second.entities)] == ids


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_a_sweep_that_fails_finds_the_same_the_next_time(
    house: House, autojump_clock: MockClock, kind: Kind
) -> None:
    ids, since = await touch(house, kind, 3), house.store.clock() - 60
    lists = {Kind.PRODUCTS: "GET */v3/catalog/products", Kind.ORDERS: "GET */v2/orders"}
    house.api.faults.add(lists[kind], answer(404, "<h1>Not Found</h1>"), times=3)
    with pytest.raises(Retry):
        await house.shop.changed_since(kind, since, None)
    assert set(ids) <= set(await house.walk(kind, since=since))


async def test_a_sweep_finds_a_cart_that_another_order_was_asked_about_with(house: House) -> None:
    ids, since = await touch(house, Kind.ORDERS, 3), house.store.clock() - 60
    await house.read(Kind.ORDERS, ids[-1])
    assert set(ids) <= set(await house.walk(Kind.ORDERS, since=since))


async def touch(house: House, kind: Kind, count: int) -> list[str]:
    """Make products or orders of long ago, and give each a metafield, a second apart; the lists were read before."""
    product = kind is Kind.PRODUCTS
    with house.store.at(1e9):
        made = [house.store.add_product("Cup", silent=True) if product else house.order() for _ in range(count)]
    field = ("product", "rrp", "9") if product else ("order", "cart_id", CARTS[0])
    house.store.metafields.set("product", house.jumper, "rrp", "9", silent=True)
    await house.walk(kind)
    for second, one in enumerate(made, start=1):
        with house.store.at(house.store.clock() + second):
            house.store.metafields.set(field[0], one, *field[1:], silent=True)
    return [str(one) for one in ([house.jumper, *made] if product else made)]


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
