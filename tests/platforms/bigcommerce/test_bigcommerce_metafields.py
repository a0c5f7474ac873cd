"""Metafields: joined to their parents, kept in the adapter's state, and changed while their list is read."""

import json

import pytest
from trio.testing import MockClock

from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.adapter_state import MemoryAdapterState
from daemon.platforms.base import UNCACHED
from daemon.platforms.bigcommerce.metafields import MOST_ASKED
from daemon.sandbox import answer, call
from daemon.sandbox.message import Request, Response
from tests.platforms.bigcommerce.stand_in import CARTS, FACTS, AdapterHarness

NOTHING = answer(200, json.dumps({"data": []}))
ONE_BY_ONE = {
    "product": "GET /v3/catalog/products/{product_id}/metafields",
    "variant": "GET /v3/catalog/products/{product_id}/variants/{variant_id}/metafields",
}


async def test_a_list_that_leaves_a_cart_out_does_not_make_an_order_somebody_elses(harness: AdapterHarness) -> None:
    ours = harness.order(CARTS[0])
    await harness.walk(Kind.ORDERS)
    harness.api.faults.add("GET */v3/orders/metafields", NOTHING, times=1)
    assert await harness.walk(Kind.ORDERS) == [str(ours)]
    assert (await harness.read(Kind.ORDERS, ours))[str(ours)].value.cart_id == CARTS[0]


async def test_the_webhook_of_a_cart_has_it_read_again(harness: AdapterHarness, autojump_clock: MockClock) -> None:
    order = harness.order(CARTS[0])
    told = ExternalId(f"metafields:order:{order}")
    await harness.walk(Kind.ORDERS)
    field = harness.store.metafields.set("order", order, "cart_id", CARTS[1], silent=True)
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[0], "nobody has told"
    found = await harness.shop.read(Kind.ORDERS, [told], Lane.LIVE)
    assert {key: entity.external_id for key, entity in found.items()} == {told: str(order)}
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value.cart_id == CARTS[1]
    harness.store.metafields.delete(field, silent=True)
    await harness.shop.read(Kind.ORDERS, [told], Lane.LIVE)
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value is None
    gone = ExternalId("metafields:order:9999")
    assert await harness.shop.read(Kind.ORDERS, [gone], Lane.LIVE) == {}
    assert await harness.shop.read_one(Kind.ORDERS, gone, Lane.LIVE) is None


async def test_no_order_follows_from_the_metafields_of_one_that_has_and_had_no_cart(harness: AdapterHarness) -> None:
    order = harness.order()
    told = ExternalId(f"metafields:order:{order}")
    await harness.walk(Kind.ORDERS)
    harness.calls()
    (entity,) = (await harness.shop.read(Kind.ORDERS, [told], Lane.LIVE)).values()
    assert (entity.external_id, harness.shop.map(Kind.ORDERS, entity, FACTS).value) == (told, None)
    assert harness.calls() == {"GET /v3/orders/{order_id}/metafields": 1}


async def test_the_order_follows_from_a_cart_that_is_gone_also_when_that_is_asked_twice(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    """A crash before the order reaches the outbox leads to the second request."""
    order = harness.order(CARTS[0])
    told = ExternalId(f"metafields:order:{order}")
    await harness.walk(Kind.ORDERS)
    harness.store.metafields.forget("order", order)
    for _ in range(2):
        assert (await harness.shop.read(Kind.ORDERS, [told], Lane.LIVE))[told].external_id == str(order)
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value is None
    assert (await harness.shop.read(Kind.ORDERS, [told], Lane.LIVE))[told].external_id == told, "it is settled"


@pytest.mark.parametrize(("state", "calls"), [("filled", 0), ("lost", 2)])
async def test_with_a_pattern_the_shelf_is_taken_at_its_word_once_it_was_filled(
    harness: AdapterHarness, state: str, calls: int
) -> None:
    harness.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    ours, other = harness.order(CARTS[0]), harness.order()
    await harness.walk(Kind.ORDERS)
    if state == "lost":
        harness.state = MemoryAdapterState()
        harness.connect(order_staff_notes_pattern=r"SparkLayer cart: (\S+)")
    harness.calls()
    found = await harness.read(Kind.ORDERS, ours, other)
    assert (found[str(ours)].value.cart_id, found[str(other)].value) == (CARTS[0], None)
    assert harness.calls().get("GET /v3/orders/{order_id}/metafields", 0) == calls


@pytest.mark.parametrize("resource", ["product", "variant"])
async def test_what_a_list_leaves_out_is_asked_for_and_stays(harness: AdapterHarness, resource: str) -> None:
    ids = {"product": harness.mug, "variant": harness.store.by_sku("MUG").id}
    harness.store.metafields.set(resource, ids[resource], "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.store.metafields.set(resource, ids[resource], "rrp", "9.99", silent=True)
    harness.api.faults.add(f"GET */catalog/{resource}s/metafields", NOTHING, times=1)
    harness.calls()
    await harness.walk(Kind.PRODUCTS)
    assert harness.calls()[ONE_BY_ONE[resource]] == 1
    value = (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value
    assert str(value.variants[0].rrp.amount) == "9.99", "as it is now"


async def test_one_of_several_metafields_that_a_list_leaves_out_stays(harness: AdapterHarness) -> None:
    harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    harness.store.metafields.set("product", harness.mug, "pack_size", "6", silent=True)
    await harness.walk(Kind.PRODUCTS)
    rrp = {"resource_id": harness.mug, "key": "rrp", "value": "9"}
    harness.api.faults.add("GET */catalog/products/metafields", answer(200, json.dumps({"data": [rrp]})), times=1)
    await harness.walk(Kind.PRODUCTS)
    value = (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value
    assert value.variants[0].settings[0].pack_size == 6


async def test_what_is_gone_with_its_product_is_asked_for_twice(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    for resource, one in (("product", harness.jumper), ("variant", harness.store.by_sku("J-S").id)):
        harness.store.metafields.set(resource, one, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.store.delete_product(harness.jumper, silent=True)
    harness.calls()
    await harness.walk(Kind.PRODUCTS)
    assert harness.calls() == {**LISTS, ONE_BY_ONE["product"]: 2, "GET /v3/catalog/variants": 2}
    await harness.walk(Kind.PRODUCTS)
    assert harness.calls() == LISTS


LISTS = {
    "GET /v3/catalog/products/metafields": 1,
    "GET /v3/catalog/variants/metafields": 1,
    "GET /v3/catalog/products": 1,
}


async def test_of_much_that_a_list_leaves_out_each_run_asks_for_a_part(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    count = MOST_ASKED * 2 + 20
    many = [harness.store.add_product(f"Cup {n}", variants=[{"sku": f"C-{n}"}], silent=True) for n in range(count)]
    fields = [harness.store.metafields.set("product", one, "rrp", "9", silent=True) for one in many]
    await harness.walk(Kind.PRODUCTS)
    for field in fields[::2]:
        harness.store.metafields.delete(field, silent=True)
    harness.api.faults.add("GET */catalog/products/metafields", NOTHING)
    left = []
    for gone in (MOST_ASKED // 2, MOST_ASKED // 2, 10):
        harness.calls()
        await harness.walk(Kind.PRODUCTS)
        assert harness.calls()[ONE_BY_ONE["product"]] == MOST_ASKED + gone, "what is gone is asked for twice"
        found = await harness.read(Kind.PRODUCTS, *many)
        left.append(sum(one.value.variants[0].rrp is not None for one in found.values()))
    assert left == [count - MOST_ASKED // 2, count - MOST_ASKED, count // 2], "no run asks for the same again first"


async def test_what_a_webhook_tells_while_something_is_asked_for_is_newer(harness: AdapterHarness) -> None:
    harness.store.metafields.set("product", harness.mug, "rrp", "1", silent=True)
    await harness.walk(Kind.PRODUCTS)

    async def edit(_request: Request, _response: Response | None) -> None:
        harness.store.metafields.set("product", harness.mug, "rrp", "2", silent=True)
        await harness.shop.read(Kind.PRODUCTS, [ExternalId(f"metafields:product:{harness.mug}")], Lane.LIVE)

    harness.api.faults.add("GET */catalog/products/metafields", NOTHING, times=1)
    harness.api.faults.add(f"GET */catalog/products/{harness.mug}/metafields", edit, after_effect=True, times=1)
    await harness.walk(Kind.PRODUCTS)
    value = (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value
    assert str(value.variants[0].rrp.amount) == "2"


EDITS = {
    "created": (None, "9.99"),
    "changed": ("5", "9.99"),
    "deleted": ("9.99", None),
}


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS)
async def test_what_a_webhook_tells_while_the_list_is_read_is_newer_than_the_list(
    harness: AdapterHarness, before: str | None, after: str | None, autojump_clock: MockClock
) -> None:
    fields = harness.store.metafields
    fields.set("product", harness.jumper, "rrp", "1", silent=True)
    field = fields.set("product", harness.mug, "rrp", before, silent=True) if before else None
    await harness.walk(Kind.PRODUCTS)

    async def edit(_request: Request, _response: Response | None) -> None:
        if after is None:
            assert field is not None
            fields.delete(field, silent=True)
        else:
            fields.set("product", harness.mug, "rrp", after, silent=True)
        await harness.shop.read(Kind.PRODUCTS, [ExternalId(f"metafields:product:{harness.mug}")], Lane.LIVE)

    harness.api.faults.add("GET */catalog/products/metafields", edit, after_effect=True, times=1)
    await harness.walk(Kind.PRODUCTS)
    rrp = (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value.variants[0].rrp
    assert (rrp and str(rrp.amount)) == after


async def test_a_look_beside_the_runs_leaves_what_is_remembered_alone(harness: AdapterHarness) -> None:
    order = harness.order(CARTS[0])
    await harness.walk(Kind.ORDERS)
    harness.store.metafields.set("order", harness.order(), "cart_id", CARTS[1], silent=True)
    harness.calls()
    page = await harness.shop.page(Kind.ORDERS, UNCACHED)
    assert ([entity.external_id for entity in page.entities], page.cursor) == ([str(order)], None)
    assert harness.calls() == {"GET /v2/orders": 1}


async def test_one_strange_metafield_does_not_keep_the_others_from_being_read(harness: AdapterHarness) -> None:
    strange = [{"resource_id": harness.mug, "key": "rrp", "value": None}, {"key": "rrp"}, "?", {"resource_id": "x"}]
    fine = {"resource_id": str(harness.jumper), "key": "rrp", "value": "9.99", "date_modified": None}
    harness.api.faults.add("GET */catalog/products/metafields", answer(200, json.dumps({"data": [*strange, fine]})))
    await harness.walk(Kind.PRODUCTS)
    found = await harness.read(Kind.PRODUCTS, harness.jumper, harness.mug)
    assert str(found[str(harness.jumper)].value.variants[0].rrp.amount) == "9.99"
    assert found[str(harness.mug)].value.variants[0].rrp is None


async def test_an_order_that_is_read_while_the_carts_are_listed_anew_stays_ours(harness: AdapterHarness) -> None:
    early = harness.order(CARTS[0])
    await harness.walk(Kind.ORDERS)
    late: list[int] = []

    async def meanwhile(_: Request) -> None:
        harness.api.faults.clear()
        late.append(harness.order(CARTS[1]))
        assert len(await harness.read(Kind.ORDERS, early, *late)) == 2

    harness.api.faults.add("GET */orders/metafields", call(meanwhile), after_effect=True)
    assert await harness.walk(Kind.ORDERS) == [str(early), str(late[0])]


async def test_metafields_are_joined_and_a_store_without_any_pays_two_calls(harness: AdapterHarness) -> None:
    assert await harness.walk(Kind.PRODUCTS) == [str(harness.jumper), str(harness.mug)]
    lists = {name: count for name, count in harness.calls().items() if name.endswith("/metafields")}
    assert lists == {"GET /v3/catalog/products/metafields": 1, "GET /v3/catalog/variants/metafields": 1}
    small = harness.store.by_sku("J-S").id
    harness.store.metafields.set("product", harness.jumper, "rrp", "49.99", silent=True)
    harness.store.metafields.set("variant", small, "rrp", "44.99", silent=True)
    harness.store.metafields.set("variant", small, "restock_date", "2026-12-31", silent=True)
    await harness.walk(Kind.PRODUCTS)
    value = (await harness.read(Kind.PRODUCTS, harness.jumper))[str(harness.jumper)].value
    assert [str(variant.rrp.amount) for variant in value.variants] == ["44.99", "49.99", "49.99"]
    assert str(value.stock["J-S"].restock_date) == "2026-12-31"


async def test_a_webhook_of_a_metafield_leads_to_its_product(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    small = harness.store.by_sku("J-S").id
    own = harness.store.metafields.set("product", harness.jumper, "rrp", "49.99", silent=True)
    harness.store.metafields.set("variant", small, "pack_size", "6", silent=True)
    told = [ExternalId(f"metafields:product:{harness.jumper}"), ExternalId(f"metafields:variant:{small}")]
    found = await harness.shop.read(Kind.PRODUCTS, told, Lane.LIVE)
    assert {key: entity.external_id for key, entity in found.items()} == dict.fromkeys(told, str(harness.jumper))
    value = (await harness.read(Kind.PRODUCTS, harness.jumper))[str(harness.jumper)].value
    assert (str(value.variants[0].rrp.amount), value.variants[0].settings[0].pack_size) == ("49.99", 6)
    harness.store.metafields.delete(own, silent=True)
    await harness.shop.read(Kind.PRODUCTS, told[:1], Lane.LIVE)
    value = (await harness.read(Kind.PRODUCTS, harness.jumper))[str(harness.jumper)].value
    assert value.variants[0].rrp is None, "it is gone"


async def test_what_metafields_belonged_to_may_be_gone(harness: AdapterHarness) -> None:
    told = [ExternalId("metafields:product:999"), ExternalId("metafields:variant:999")]
    assert await harness.shop.read(Kind.PRODUCTS, told, Lane.LIVE) == {}
    assert await harness.shop.read_one(Kind.PRODUCTS, told[0], Lane.LIVE) is None


async def test_a_deleted_metafield_is_gone_after_the_next_run(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    field = harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.store.metafields.delete(field, silent=True)
    harness.connect()
    await harness.walk(Kind.PRODUCTS)
    assert (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value.variants[0].rrp is None
