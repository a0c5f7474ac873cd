"""Metafields: joined to what they belong to, kept on the shelf, and what may happen while their list is read."""

import json

import pytest
from trio.testing import MockClock

from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.adapter_state import MemoryAdapterState
from daemon.platforms.base import UNCACHED
from daemon.platforms.bigcommerce.metafields import MOST_ASKED
from daemon.sandbox import answer, call
from daemon.sandbox.message import Request, Response
from tests.platforms.bigcommerce.stand_in import CARTS, FACTS, House

NOTHING = answer(200, json.dumps({"data": []}))
ONE_BY_ONE = {
    "product": "GET /v3/catalog/products/{product_id}/metafields",
    "variant": "GET /v3/catalog/products/{product_id}/variants/{variant_id}/metafields",
}


async def test_a_list_that_leaves_a_cart_out_does_not_make_an_order_somebody_elses(house: House) -> None:
    ours = house.order(CARTS[0])
    await house.walk(Kind.ORDERS)
    house.api.faults.add("GET */v3/orders/metafields", NOTHING, times=1)
    assert await house.walk(Kind.ORDERS) == [str(ours)]
    assert (await house.read(Kind.ORDERS, ours))[str(ours)].value.cart_id == CARTS[0]


async def test_the_webhook_of_a_cart_has_it_read_again(house: House, autojump_clock: MockClock) -> None:
    del autojump_clock
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


async def test_no_order_follows_from_the_metafields_of_one_that_has_and_had_no_cart(house: House) -> None:
    order = house.order()
    told = ExternalId(f"metafields:order:{order}")
    await house.walk(Kind.ORDERS)
    house.calls()
    (entity,) = (await house.shop.read(Kind.ORDERS, [told], Lane.LIVE)).values()
    assert (entity.external_id, house.shop.map(Kind.ORDERS, entity, FACTS).value) == (told, None)
    assert house.calls() == {"GET /v3/orders/{order_id}/metafields": 1}


async def test_the_order_follows_from_a_cart_that_is_gone_also_when_that_is_asked_twice(
    house: House, autojump_clock: MockClock
) -> None:
    del autojump_clock
    """As after a crash before the order was put into the outbox."""
    order = house.order(CARTS[0])
    told = ExternalId(f"metafields:order:{order}")
    await house.walk(Kind.ORDERS)
    house.store.metafields.forget("order", order)
    for _ in range(2):
        assert (await house.shop.read(Kind.ORDERS, [told], Lane.LIVE))[told].external_id == str(order)
    assert (await house.read(Kind.ORDERS, order))[str(order)].value is None
    assert (await house.shop.read(Kind.ORDERS, [told], Lane.LIVE))[told].external_id == told, "it is settled"


@pytest.mark.parametrize(("state", "calls"), [("filled", 0), ("lost", 2)])
async def test_with_a_pattern_the_shelf_is_taken_at_its_word_once_it_was_filled(
    house: House, state: str, calls: int
) -> None:
    house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    ours, other = house.order(CARTS[0]), house.order()
    await house.walk(Kind.ORDERS)
    if state == "lost":
        house.state = MemoryAdapterState()
        house.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    house.calls()
    found = await house.read(Kind.ORDERS, ours, other)
    assert (found[str(ours)].value.cart_id, found[str(other)].value) == (CARTS[0], None)
    assert house.calls().get("GET /v3/orders/{order_id}/metafields", 0) == calls


@pytest.mark.parametrize("resource", ["product", "variant"])
async def test_what_a_list_leaves_out_is_asked_for_and_stays(house: House, resource: str) -> None:
    ids = {"product": house.mug, "variant": house.store.by_sku("MUG").id}
    house.store.metafields.set(resource, ids[resource], "rrp", "9", silent=True)
    await house.walk(Kind.PRODUCTS)
    house.store.metafields.set(resource, ids[resource], "rrp", "9.99", silent=True)
    house.api.faults.add(f"GET */catalog/{resource}s/metafields", NOTHING, times=1)
    house.calls()
    await house.walk(Kind.PRODUCTS)
    assert house.calls()[ONE_BY_ONE[resource]] == 1
    value = (await house.read(Kind.PRODUCTS, house.mug))[str(house.mug)].value
    assert str(value.variants[0].rrp.amount) == "9.99", "as it is now"


async def test_one_of_several_metafields_that_a_list_leaves_out_stays(house: House) -> None:
    house.store.metafields.set("product", house.mug, "rrp", "9", silent=True)
    house.store.metafields.set("product", house.mug, "pack_size", "6", silent=True)
    await house.walk(Kind.PRODUCTS)
    rrp = {"resource_id": house.mug, "key": "rrp", "value": "9"}
    house.api.faults.add("GET */catalog/products/metafields", answer(200, json.dumps({"data": [rrp]})), times=1)
    await house.walk(Kind.PRODUCTS)
    value = (await house.read(Kind.PRODUCTS, house.mug))[str(house.mug)].value
    assert value.variants[0].settings[0].pack_size == 6


async def test_what_is_gone_with_its_product_is_asked_for_twice(house: House, autojump_clock: MockClock) -> None:
    del autojump_clock
    for resource, one in (("product", house.jumper), ("variant", house.store.by_sku("J-S").id)):
        house.store.metafields.set(resource, one, "rrp", "9", silent=True)
    await house.walk(Kind.PRODUCTS)
    house.store.delete_product(house.jumper, silent=True)
    house.calls()
    await house.walk(Kind.PRODUCTS)
    assert house.calls() == {**LISTS, ONE_BY_ONE["product"]: 2, "GET /v3/catalog/variants": 2}
    await house.walk(Kind.PRODUCTS)
    assert house.calls() == LISTS


LISTS = {
    "GET /v3/catalog/products/metafields": 1,
    "GET /v3/catalog/variants/metafields": 1,
    "GET /v3/catalog/products": 1,
}


async def test_of_much_that_a_list_leaves_out_each_run_asks_for_a_part(house: House, autojump_clock: MockClock) -> None:
    del autojump_clock
    count = MOST_ASKED * 2 + 20
    many = [house.store.add_product(f"Cup {n}", variants=[{"sku": f"C-{n}"}], silent=True) for n in range(count)]
    fields = [house.store.metafields.set("product", one, "rrp", "9", silent=True) for one in many]
    await house.walk(Kind.PRODUCTS)
    for field in fields[::2]:
        house.store.metafields.delete(field, silent=True)
    house.api.faults.add("GET */catalog/products/metafields", NOTHING)
    left = []
    for gone in (MOST_ASKED // 2, MOST_ASKED // 2, 10):
        house.calls()
        await house.walk(Kind.PRODUCTS)
        assert house.calls()[ONE_BY_ONE["product"]] == MOST_ASKED + gone, "what is gone is asked for twice"
        found = await house.read(Kind.PRODUCTS, *many)
        left.append(sum(one.value.variants[0].rrp is not None for one in found.values()))
    assert left == [count - MOST_ASKED // 2, count - MOST_ASKED, count // 2], "no run asks for the same again first"


async def test_what_a_webhook_tells_while_something_is_asked_for_is_newer(house: House) -> None:
    house.store.metafields.set("product", house.mug, "rrp", "1", silent=True)
    await house.walk(Kind.PRODUCTS)

    async def edit(_request: Request, _response: Response | None) -> None:
        house.store.metafields.set("product", house.mug, "rrp", "2", silent=True)
        await house.shop.read(Kind.PRODUCTS, [ExternalId(f"metafields:product:{house.mug}")], Lane.LIVE)

    house.api.faults.add("GET */catalog/products/metafields", NOTHING, times=1)
    house.api.faults.add(f"GET */catalog/products/{house.mug}/metafields", edit, after_effect=True, times=1)
    await house.walk(Kind.PRODUCTS)
    value = (await house.read(Kind.PRODUCTS, house.mug))[str(house.mug)].value
    assert str(value.variants[0].rrp.amount) == "2"


EDITS = {
    "created": (None, "9.99"),
    "changed": ("5", "9.99"),
    "deleted": ("9.99", None),
}


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS)
async def test_what_a_webhook_tells_while_the_list_is_read_is_newer_than_the_list(
    house: House, before: str | None, after: str | None, autojump_clock: MockClock
) -> None:
    del autojump_clock
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
    page = await house.shop.page(Kind.ORDERS, UNCACHED)
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


async def test_a_deleted_metafield_is_gone_after_the_next_run(house: House) -> None:
    field = house.store.metafields.set("product", house.mug, "rrp", "9", silent=True)
    await house.walk(Kind.PRODUCTS)
    house.store.metafields.delete(field, silent=True)
    house.connect()
    await house.walk(Kind.PRODUCTS)
    assert (await house.read(Kind.PRODUCTS, house.mug))[str(house.mug)].value.variants[0].rrp is None
