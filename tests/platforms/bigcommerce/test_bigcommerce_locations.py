"""Stock of a store with several locations: read with the products, and added up."""

from typing import Any

from trio.testing import MockClock

from daemon.entities import Product, StoreFacts
from daemon.model import ExternalId, Kind, Lane, Sku
from daemon.platforms.base import Entity
from daemon.platforms.bigcommerce.adapter import BigCommerce

PRODUCTS = "/v3/catalog/products"
FACTS = StoreFacts(currency="GBP", weight_unit="KGS")


def stock_of(shop: BigCommerce, entity: Entity) -> dict[Sku, int]:
    value = shop.map(Kind.PRODUCTS, entity, FACTS).value
    assert isinstance(value, Product)
    return {sku: stock.level for sku, stock in value.stock.items()}


def item(product_id: int, variant_id: int, *levels: int, **more: Any) -> dict[str, Any]:
    places = [{"location_id": n, "available_to_sell": level, **more} for n, level in enumerate(levels)]
    return {"identity": {"sku": "x", "product_id": product_id, "variant_id": variant_id}, "locations": places}


async def test_the_stock_of_several_locations_is_summed_up(store: Any, shop: BigCommerce) -> None:
    store.add(1, 2)
    store.add(3, inventory_tracking="none")
    store.locations = [{"id": 1, "enabled": True}, {"id": 2, "enabled": True}, {"id": 3, "enabled": False}]
    closed = {"location_id": 3, "available_to_sell": 1000, "location_enabled": False}
    first = item(1, 10, 4, 5)
    first["locations"].append(closed)
    store.items = [first, item(2, 20, -1, 3)]
    store.caps = 1  # every list takes several pages
    assert (await shop.facts()).locations == 2
    store.caps = 250
    page = await shop.page(Kind.PRODUCTS, None)
    assert [stock_of(shop, entity) for entity in page.entities] == [{"SKU-1": 9}, {"SKU-2": 2}, {}]
    one = await shop.read_one(Kind.PRODUCTS, ExternalId("2"), Lane.LIVE)
    assert one is not None
    assert stock_of(shop, one) == {"SKU-2": 2}
    many = await shop.read(Kind.PRODUCTS, [ExternalId("1")], Lane.LIVE)
    assert stock_of(shop, many[ExternalId("1")]) == {"SKU-1": 9}


async def test_all_pages_of_the_inventory_are_read(store: Any, shop: BigCommerce) -> None:
    store.add(1, 2, 3)
    store.locations = [{"id": 1, "enabled": True}, {"id": 2, "enabled": True}]
    store.items = [item(1, 10, 4), item(2, 20, 5), item(3, 30, 6)]
    await shop.facts()
    store.caps = 2
    ids = [ExternalId("1"), ExternalId("2")]
    found = await shop.read(Kind.PRODUCTS, [*ids], Lane.LIVE)
    assert [stock_of(shop, found[id_]) for id_ in ids] == [{"SKU-1": 4}, {"SKU-2": 5}]
    store.caps = 1
    page = await shop.page(Kind.PRODUCTS, "1")
    assert [stock_of(shop, entity) for entity in page.entities] == [{"SKU-2": 5}]


async def test_one_location_needs_no_inventory_call(store: Any, shop: BigCommerce) -> None:
    store.add(1)
    await shop.page(Kind.PRODUCTS, None)
    assert store.queries("/v3/inventory/items") == []
    assert len(store.queries("/v3/inventory/locations")) == 1


async def test_the_inventory_is_asked_for_in_parts_no_larger_than_the_store_bears(
    store: Any, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add(*range(1, 31))
    store.locations = [{"id": 1, "enabled": True}, {"id": 2, "enabled": True}]
    store.items = [item(id_, id_ * 10, 4, 5) for id_ in range(1, 31)]
    store.bears = 10
    wanted = [ExternalId(str(id_)) for id_ in range(1, 31)]
    found = await shop.read(Kind.PRODUCTS, wanted, Lane.LIVE)
    assert [stock_of(shop, found[id_]) for id_ in wanted] == [{f"SKU-{id_}": 9} for id_ in wanted]
    asked = [query["product_id:in"].split(",") for query in store.queries("/v3/inventory/items")]
    assert [len(ids) for ids in asked] == [10, 10, 10]
