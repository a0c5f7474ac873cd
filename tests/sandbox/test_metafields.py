"""Metafields of products, variants and orders are listed by type and by resource, and announced twice."""

import json
from typing import Any

import pytest

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.events import SCOPES, Event
from tests.each import each

JUMPER = 1


def store() -> Store:
    filled = Store()
    sizes = [{"sku": "J-S", "options": {"Size": "S"}}, {"sku": "J-M", "options": {"Size": "M"}}]
    assert filled.add_product("Jumper", price=40, variants=sizes) == JUMPER
    filled.orders.place(0, [{"sku": "J-S"}])
    with filled.at(1_900_000_000):
        filled.metafields.set("product", JUMPER, "rrp", "49.99")
    filled.metafields.set("product", JUMPER, "colour", "red", namespace="elsewhere")
    filled.metafields.set("product", JUMPER, "secret", "x", permission_set="app_only")
    filled.metafields.set("variant", filled.by_sku("J-S").id, "pack_size", "6")
    filled.metafields.set("order", 101, "cart_id", "4217ba4f-7618-4e3b-b1af-9055639b18d1")
    return filled


@each(
    ("resource_type", "head"),
    [("product", "store/product"), ("variant", "store/product/variant"), ("order", "store/order")],
)
def test_an_edit_is_announced_under_its_own_and_the_common_scope(resource_type: str, head: str) -> None:
    filled, heard = store(), list[Event]()
    filled.listen(heard.append)
    made = filled.metafields.set(resource_type, 118, "rrp", "1")
    assert filled.metafields.set(resource_type, 118, "rrp", "2") == made
    filled.metafields.delete(made)
    verbs = ["created", "updated", "deleted"]
    assert [event.scope for event in heard] == [
        scope for verb in verbs for scope in (f"{head}/metafield/{verb}", f"store/metafield/{verb}")
    ]
    data = {"metafield_id": made, "resource_id": "118", "resource_type": resource_type}
    assert all(event.data == data for event in heard)
    assert {event.scope for event in heard} <= SCOPES


def test_a_metafield_moves_nothing_of_its_product() -> None:
    filled = store()
    before = filled.entry(JUMPER).product.date_modified
    with filled.at(1_950_000_000):
        filled.metafields.set("product", JUMPER, "rrp", "51")
    assert filled.entry(JUMPER).product.date_modified == before
    assert filled.metafields.texts("product", JUMPER)["rrp"] == "51"


def test_a_value_has_bounds() -> None:
    filled = store()
    for value, permission in (("x" * 65_536, "read"), ("x", "anybody")):
        with pytest.raises(ValueError, match="at most"):
            filled.metafields.set("product", JUMPER, "rrp", value, permission_set=permission)


def test_metafields_go_with_their_resource() -> None:
    filled = store()
    small = filled.by_sku("J-S").id
    filled.metafields.set("variant", filled.by_sku("J-M").id, "pack_size", "12")
    filled.delete_variant(small)
    assert not filled.metafields.of("variant", small)
    filled.delete_product(JUMPER)
    assert [field.resource_type for field in filled.metafields.fields.values()] == ["order"]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/v3/catalog/products/metafields", ["rrp", "colour"]),
        ("/v3/catalog/products/metafields?namespace=sparklayer", ["rrp"]),
        ("/v3/catalog/products/metafields?namespace:in=sparklayer,elsewhere&key:in=colour,size", ["colour"]),
        ("/v3/catalog/products/metafields?key=rrp&date_modified:max=2027-12-31T00:00:00Z", []),
        ("/v3/catalog/products/metafields?date_modified:min=2030-03-17T17:46:40Z", ["rrp"]),
        ("/v3/catalog/variants/metafields", ["pack_size"]),
        ("/v3/orders/metafields?namespace=sparklayer&key=cart_id", ["cart_id"]),
        ("/v3/catalog/products/1/metafields?namespace=elsewhere", ["colour"]),
        ("/v3/catalog/products/1/metafields?key=rrp", ["rrp"]),
        ("/v3/catalog/products/1/variants/2/metafields", ["pack_size"]),
        ("/v3/catalog/products/1/variants/6/metafields", []),
        ("/v3/orders/101/metafields", ["cart_id"]),
    ],
)
async def test_metafields_are_found(harness: Any, path: str, keys: list[str]) -> None:
    async with harness(store()) as running:
        answer = await running.shop("GET", path)
    assert [field["key"] for field in answer.json()["data"]] == keys


async def test_a_metafield_names_its_resource(harness: Any) -> None:
    async with harness(store()) as running:
        (field,) = (await running.shop("GET", "/v3/catalog/variants/metafields")).json()["data"]
    assert (field["resource_type"], field["resource_id"], field["namespace"]) == ("variant", 2, "sparklayer")
    assert (field["value"], field["permission_set"]) == ("6", "read")


async def test_lists_of_a_type_have_cursors_and_those_of_a_resource_pages(harness: Any) -> None:
    filled = store()
    for number in range(5):
        filled.metafields.set("product", JUMPER, f"note {number}", "x")
    seen: list[str] = []
    async with harness(filled) as running:
        links = {"next": "?limit=3"}
        while "next" in links:
            answer = (await running.shop("GET", f"/v3/catalog/products/metafields{links['next']}")).json()
            links = answer["meta"]["cursor_pagination"]["links"]
            seen += [field["key"] for field in answer["data"]]
        one = (await running.shop("GET", "/v3/catalog/products/1/metafields?limit=3&page=3")).json()
    assert seen == ["rrp", "colour", *(f"note {number}" for number in range(5))]
    assert (one["meta"].keys(), len(one["data"])) == ({"pagination"}, 1)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v3/catalog/products/metafields?resource_id:in=1", 422),
        ("/v3/catalog/products/1/metafields?after=x", 422),
        ("/v3/catalog/products/1/metafields?key:in=rrp", 422),
        ("/v3/catalog/products/99/metafields", 404),
        ("/v3/catalog/products/1/variants/99/metafields", 404),
        ("/v3/orders/99/metafields", 404),
    ],
)
async def test_what_is_not_documented_or_not_there_is_refused(harness: Any, path: str, status: int) -> None:
    async with harness(store()) as running:
        assert (await running.shop("GET", path)).status_code == status


async def test_the_envelope_of_a_narrow_scope_names_the_common_one(harness: Any, receiver: Any) -> None:
    async with harness(store()) as running:
        hook = {"scope": "store/product/metafield/*", "destination": receiver.url, "is_active": True}
        assert (await running.shop("POST", "/v3/hooks", hook)).status_code == 200
        made = running.store.metafields.set("product", JUMPER, "rrp", "51")
        webhooks = running.sandbox.bigcommerce.webhooks
        await webhooks.settled()
        webhooks.as_in_examples = False
        running.store.metafields.delete(made)
        await webhooks.settled()
    body, plain = (json.loads(request.body) for request in receiver.received)
    assert (body["scope"], plain["scope"]) == ("store/metafield/updated", "store/product/metafield/deleted")
    assert body["data"] == plain["data"] == {"metafield_id": made, "resource_id": "1", "resource_type": "product"}


@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ("", ["J-S", "J-M", "MUG"]),
        ("product_id:in=1", ["J-S", "J-M"]),
        ("sku=J-M", ["J-M"]),
        ("id=2", ["J-S"]),
        ("limit=2&page=2", ["MUG"]),
    ],
)
async def test_variants_are_listed_without_their_products(harness: Any, query: str, skus: list[str]) -> None:
    filled = store()
    filled.add_product("Mug", variants=[{"sku": "MUG"}])
    async with harness(filled) as running:
        answer = (await running.shop("GET", f"/v3/catalog/variants?{query}")).json()
        few = (await running.shop("GET", "/v3/catalog/variants?include_fields=sku,inventory_level")).json()["data"][0]
        most = (await running.shop("GET", "/v3/catalog/variants?exclude_fields=sku")).json()["data"][0]
    assert [variant["sku"] for variant in answer["data"]] == skus
    assert few.keys() == {"id", "sku", "inventory_level"}
    assert "sku" not in most
    assert "id" in most
