"""The calls that the adapter makes, and the entities that it reads with them."""

from collections.abc import Mapping, Sequence

import httpx
import pytest
from trio.testing import MockClock

from daemon.errors import Rejected, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import Entity
from tests.each import each
from tests.platforms.woocommerce.shop import CART, ROLE, SECOND_ROLE, FakeShop, own, refund
from tests.platforms.woocommerce.summary import told

SINCE = 1793512805.9
"""2026-11-01T06:00:05.9 GMT: New York's clock shows this hour twice."""


async def walk(shop: FakeShop, kind: Kind) -> list[Entity]:
    """Return all entities of an enumeration."""
    found: list[Entity] = []
    cursor: str | None = None
    while True:
        page = await shop.adapter.page(kind, cursor)
        found += page.entities
        cursor = page.cursor
        if cursor is None:
            return found


async def sweep(shop: FakeShop, kind: Kind) -> list[Entity]:
    """Return all entities of a sweep."""
    found: list[Entity] = []
    cursor: str | None = None
    while True:
        page = await shop.adapter.changed_since(kind, SINCE, cursor)
        found += page.entities
        cursor = page.cursor
        if cursor is None:
            return found


def ids(entities: Sequence[Entity]) -> list[int]:
    return [int(entity.external_id) for entity in entities]


def all_told(shop: FakeShop, kind: Kind, entities: Sequence[Entity] | Mapping[ExternalId, Entity]) -> dict[str, str]:
    every = entities.values() if isinstance(entities, Mapping) else entities
    return {entity.external_id: told(shop.adapter, kind, entity) for entity in every}


async def test_every_read_asks_for_json_for_just_its_fields_and_past_the_cache() -> None:
    shop = FakeShop()
    shop.add(1, variations=2)
    shop.add_customers(4)
    shop.add_orders(5, refunds=[{"id": 9, "total": "-1"}])
    shop.refunds[5] = [refund(9, (50, 1))]
    for kind in Kind:
        await walk(shop, kind)
        await sweep(shop, kind)
        await shop.adapter.read(kind, [ExternalId("1"), ExternalId("4"), ExternalId("5")], Lane.LIVE)
    reads = [request for request in shop.asked if request.method == "GET"]
    assert reads
    for request in reads:
        assert request.headers["accept"] == "application/json"
        assert request.headers["authorization"].startswith("Basic ")
        assert request.url.params["_skip_cache"] == "1"
        assert request.url.params["_fields"]
        assert "ck_known" not in str(request.url)
        assert ("dp" in request.url.params) == ("/orders" in request.url.path and request.url.params["_fields"] != "id")


async def test_300_products_with_46_variable_ones_cost_seven_calls() -> None:
    """Four pages, and three calls for 253 variations."""
    shop = FakeShop()
    for id_ in range(1, 301):
        shop.add(id_, variations=0 if id_ % 6 or id_ > 276 else 6 if id_ <= 138 else 5)
    assert len(shop.variations) == 253
    found = await walk(shop, Kind.PRODUCTS)
    assert ids(found) == list(range(1, 301))
    assert len(shop.queries("/products")) == 4
    assert [len(query["include"].split(",")) for query in shop.queries("/variations")] == [100, 100, 53]
    assert len(shop.asked) == 7


async def test_a_sweep_with_nothing_new_costs_one_call_a_kind_and_one_for_open_orders() -> None:
    shop = FakeShop()
    assert await sweep(shop, Kind.PRODUCTS) == []
    assert len(shop.asked) == 1
    assert await sweep(shop, Kind.ORDERS) == []
    assert len(shop.asked) == 3


@each("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_changes_are_asked_for_as_bare_gmt_two_seconds_early(kind: Kind) -> None:
    shop = FakeShop()
    await sweep(shop, kind)
    query = shop.asked[0].url.params
    assert query["modified_after"] == "2026-11-01T06:00:03"
    assert query["dates_are_gmt"] == "true"
    assert (query["orderby"], query["order"]) == ("id", "asc")


async def test_a_sweep_brings_trashed_products_as_gone() -> None:
    shop = FakeShop()
    shop.add(1, date_modified_gmt="2026-11-01T06:00:04", status="trash")
    shop.add(2, date_modified_gmt="2026-11-01T06:00:04", status="private")
    shop.add(3, date_modified_gmt="2026-11-01T06:00:03")
    assert all_told(shop, Kind.PRODUCTS, await sweep(shop, Kind.PRODUCTS)) == {
        "1": "nothing",
        "2": "SKU-2 suspended 7 @5.00",
    }


async def test_a_trashed_product_is_read_by_its_id_and_not_listed() -> None:
    shop = FakeShop()
    shop.add(1, status="trash", variations=2)
    assert await walk(shop, Kind.PRODUCTS) == []
    read = await shop.adapter.read(Kind.PRODUCTS, [ExternalId("1")], Lane.LIVE)
    assert all_told(shop, Kind.PRODUCTS, read) == {"1": "nothing"}
    assert not shop.queries("/variations"), "what is gone needs no variations"


async def test_the_id_of_a_variation_leads_to_its_product() -> None:
    shop = FakeShop()
    shop.add(7, variations=1)
    child = ExternalId(str(100_700))
    assert not await shop.adapter.read(Kind.PRODUCTS, [child], Lane.LIVE)
    entity = await shop.adapter.read_one(Kind.PRODUCTS, child, Lane.LIVE)
    assert entity is not None
    assert entity.external_id == "7"
    shop.variations[100_700]["status"] = "trash"
    trashed = await shop.adapter.read_one(Kind.PRODUCTS, child, Lane.LIVE)
    assert trashed is not None
    assert trashed.external_id == "7"


async def test_a_variation_that_is_missing_makes_its_product_unreadable(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add(7, 8, variations=2)
    del shop.variations[100_701]
    read = await shop.adapter.read(Kind.PRODUCTS, [ExternalId("7"), ExternalId("8")], Lane.LIVE)
    assert all_told(shop, Kind.PRODUCTS, read) == {
        "7": "Retry page_miscounted",
        "8": "SKU-100800 100800 live untracked @6.50, SKU-100801 100801 live untracked @6.50",
    }


async def test_failing_variations_concern_their_products_alone(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add(1)
    shop.add(7, variations=2)
    shop.broken["/variations"] = own(500, "internal_server_error")
    read = await shop.adapter.read(Kind.PRODUCTS, [ExternalId("1"), ExternalId("7")], Lane.BACKFILL)
    assert all_told(shop, Kind.PRODUCTS, read) == {"1": "SKU-1 live 7 @5.00", "7": "Retry php_error"}


@each("kind", [Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS])
async def test_a_long_list_of_ids_becomes_shorter_until_the_server_takes_it(
    kind: Kind, autojump_clock: MockClock
) -> None:
    shop = FakeShop()
    shop.add(*range(1, 101))
    shop.add_customers(*range(1, 101))
    shop.add_orders(*range(1, 101))
    shop.longest = 30
    read = await shop.adapter.read(kind, [ExternalId(str(id_)) for id_ in range(1, 101)], Lane.LIVE)
    assert len(read) == 100


@each("kind", [Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS])
async def test_only_the_own_answer_says_that_something_does_not_exist(kind: Kind) -> None:
    shop = FakeShop()
    assert await shop.adapter.read_one(kind, ExternalId("12"), Lane.LIVE) is None
    with pytest.raises(Rejected):
        await shop.adapter.read_one(kind, ExternalId("x/y"), Lane.LIVE)


@each("kind", [Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS])
async def test_an_answer_about_another_entity_is_not_believed(kind: Kind, autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add(12)
    shop.add_customers(12)
    shop.add_orders(12)
    name = {Kind.PRODUCTS: shop.products, Kind.CUSTOMERS: shop.customers, Kind.ORDERS: shop.orders}[kind]
    name[13] = name[12]
    with pytest.raises(Retry) as caught:
        await shop.adapter.read_one(kind, ExternalId("13"), Lane.LIVE)
    assert caught.value.reason == "out_of_filter"


async def test_ids_alone_are_listed_for_the_census() -> None:
    shop = FakeShop()
    shop.add(*range(1, 151), variations=1)
    shop.add_customers(1, 2, roles=(ROLE,))
    shop.add_customers(3, roles=("customer",))
    first = await shop.adapter.ids(Kind.PRODUCTS, None)
    second = await shop.adapter.ids(Kind.PRODUCTS, first.cursor)
    assert [*first.ids, *second.ids] == [str(id_) for id_ in range(1, 151)]
    assert second.cursor is None
    assert all(query["_fields"] == "id" for query in shop.queries("/products"))
    of_role = await shop.adapter.ids(Kind.CUSTOMERS, None)
    assert of_role.ids == ["1", "2"]
    assert of_role.cursor is not None, "the next role"
    shop.add_orders(8)
    shop.add_orders(9, cart="")
    assert (await shop.adapter.ids(Kind.ORDERS, None)).ids == ["8"]


BOTH = "c{0}@example.com billing+shipping"


async def test_the_lists_of_the_roles_say_who_is_b2b() -> None:
    """The record of a customer shows only the first role."""
    shop = FakeShop()
    shop.add_customers(1, roles=(ROLE,))
    shop.add_customers(2, roles=("customer", ROLE))
    shop.add_customers(3, roles=("customer",))
    shop.add_customers(4, roles=("customer", SECOND_ROLE))
    shop.add_customers(5, roles=(SECOND_ROLE, ROLE))
    b2b = {str(id_): BOTH.format(id_) for id_ in (1, 2, 4, 5)}
    found = await walk(shop, Kind.CUSTOMERS)
    assert sorted(ids(found)) == [1, 2, 4, 5], "each once"
    assert all_told(shop, Kind.CUSTOMERS, found) == b2b
    read = await shop.adapter.read(Kind.CUSTOMERS, [ExternalId(str(id_)) for id_ in range(1, 7)], Lane.LIVE)
    assert all_told(shop, Kind.CUSTOMERS, read) == {**b2b, "3": "nothing"}
    for id_ in range(1, 6):
        entity = await shop.adapter.read_one(Kind.CUSTOMERS, ExternalId(str(id_)), Lane.LIVE)
        assert entity is not None
        assert told(shop.adapter, Kind.CUSTOMERS, entity) == b2b.get(str(id_), "nothing")


async def test_a_sweep_reads_every_b2b_role_whole() -> None:
    shop = FakeShop()
    shop.add_customers(*range(1, 131), roles=(ROLE,))
    shop.add_customers(200, roles=("customer", SECOND_ROLE))
    assert ids(await sweep(shop, Kind.CUSTOMERS)) == [*range(1, 131), 200]
    lists = [(query["role"], query["offset"]) for query in shop.queries("/customers") if "role" in query]
    assert lists == [(ROLE, "0"), (ROLE, "99"), (SECOND_ROLE, "0"), ("administrator", "0")]


async def test_patterns_choose_the_roles() -> None:
    shop = FakeShop(b2b_roles=("wholesale_*",))
    shop.known_roles.append("wholesale_gold")
    shop.add_customers(1, roles=(ROLE,))
    shop.add_customers(2, roles=("customer", "wholesale_gold"))
    assert ids(await walk(shop, Kind.CUSTOMERS)) == [2]


async def test_a_role_that_has_gone_is_noticed(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add_customers(1)
    await walk(shop, Kind.CUSTOMERS)
    shop.script.append(own(400, "rest_invalid_param", params={"role": "role is not one of all, customer."}))
    shop.known_roles.remove(ROLE)
    with pytest.raises(Retry):
        await sweep(shop, Kind.CUSTOMERS)
    assert ids(await sweep(shop, Kind.CUSTOMERS)) == []


async def test_members_that_were_not_asked_for_are_not_believed(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add_customers(1, roles=("customer",))
    shop.add_customers(2)
    shop.ignores_include = True
    with pytest.raises(Retry) as caught:
        await shop.adapter.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
    assert caught.value.reason == "out_of_filter"


@pytest.mark.holds("A4")
@each("short", [["all", "customer"], ["all", "customer", ROLE]])
async def test_one_description_without_a_known_role_takes_no_customer_away(
    autojump_clock: MockClock, short: list[str]
) -> None:
    """The roles are cached, so both answers about a customer would follow from one description."""
    shop = FakeShop()
    shop.add_customers(1, roles=(ROLE,))
    shop.add_customers(4, roles=("customer", SECOND_ROLE))
    await shop.adapter.page(Kind.CUSTOMERS, None)
    args = {"role": {"enum": short}}
    described = httpx.Response(200, json={"endpoints": [{"methods": ["GET"], "args": args}]})
    shop.script.append(described)
    await shop.adapter.page(Kind.CUSTOMERS, None)
    facts = await shop.adapter.facts()
    entity = await shop.adapter.read_one(Kind.CUSTOMERS, ExternalId("4"), Lane.LIVE)
    assert entity is not None
    assert shop.adapter.map(Kind.CUSTOMERS, entity, facts).value is not None
    shop.known_roles[:] = short
    await shop.adapter.page(Kind.CUSTOMERS, None)
    entity = await shop.adapter.read_one(Kind.CUSTOMERS, ExternalId("4"), Lane.LIVE)
    assert entity is not None
    assert shop.adapter.map(Kind.CUSTOMERS, entity, facts).value is None, "the second description says the same"


async def test_without_a_b2b_role_the_store_has_an_issue(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.known_roles = ["all", "customer"]
    assert await walk(shop, Kind.CUSTOMERS) == []
    facts = await shop.adapter.facts()
    store = (await walk(shop, Kind.STORE))[0]
    mapped = shop.adapter.map(Kind.STORE, store, facts)
    assert [issue.code for issue in mapped.issues] == ["b2b_role_missing"]
    assert "sparklayer_b2b*" in mapped.issues[0].message
    assert mapped.value == facts


async def test_the_facts_of_the_store() -> None:
    shop = FakeShop()
    shop.setup = {"weight_unit": "stone", "include_tax": "yes"}
    facts = await shop.adapter.facts()
    assert (facts.currency, facts.weight_unit, facts.tax_inclusive) == ("GBP", "stone", True)
    assert facts.url == "https://shop.example.com/wp-admin"
    assert len(shop.asked) == 4
    codes = [issue.code for issue in shop.adapter.map(Kind.STORE, (await walk(shop, Kind.STORE))[0], facts).issues]
    assert codes == ["weight_unit_unknown"]


OURS = "processing 3xSKU-{0}0 25+5 EUR"


async def test_only_orders_with_a_cart_are_ours() -> None:
    shop = FakeShop()
    shop.add_orders(1, 3)
    shop.add_orders(2, cart="")
    assert all_told(shop, Kind.ORDERS, await walk(shop, Kind.ORDERS)) == {"1": OURS.format(1), "3": OURS.format(3)}
    read = await shop.adapter.read(Kind.ORDERS, [ExternalId("1"), ExternalId("2")], Lane.LIVE)
    assert all_told(shop, Kind.ORDERS, read) == {"1": OURS.format(1), "2": "nothing"}
    assert shop.queries("/orders")[0]["include_meta"] == "sparklayer_cart_id,_wc_shipment_tracking_items"


async def test_the_cart_of_an_order_may_be_in_another_meta_field() -> None:
    shop = FakeShop(cart_meta_field="b2b_cart")
    shop.add_orders(1)
    shop.add_orders(2, meta_data=[{"key": "b2b_cart", "value": CART}])
    assert all_told(shop, Kind.ORDERS, await walk(shop, Kind.ORDERS)) == {"2": OURS.format(2)}
    assert set(ids(await sweep(shop, Kind.ORDERS))) == {2}
    assert {query["include_meta"].partition(",")[0] for query in shop.queries("/orders")} == {"b2b_cart"}


async def test_a_sweep_reads_open_and_trashed_orders_whatever_their_date() -> None:
    """Tracking, lines and deleted refunds move no date on a shop with orders as posts."""
    shop = FakeShop()
    shop.add_orders(1, status="processing")
    shop.add_orders(2, status="completed")
    shop.add_orders(3, status="trash")
    shop.add_orders(4, status="on-hold", cart="")
    shop.add_orders(5, status="on-hold")
    shop.add_orders(6, status="pending")
    for order in shop.orders.values():
        order["date_modified_gmt"] = "2020-01-01T00:00:00"
    assert ids(await sweep(shop, Kind.ORDERS)) == [1, 3, 5, 6]


async def test_the_lines_of_a_refund_are_read_once_and_a_deleted_refund_is_noticed() -> None:
    shop = FakeShop()
    shop.add_orders(1, refunds=[{"id": 9, "total": "-10"}, {"id": 8, "total": "-10"}])
    shop.refunds[1] = [refund(9, (10, 1)), refund(8, (10, 1))]
    for _ in range(2):
        assert all_told(shop, Kind.ORDERS, await walk(shop, Kind.ORDERS)) == {
            "1": "processing 1xSKU-10 8.3333+1.6667 + returned 2xSKU-10 16.6667+3.3333 EUR"
        }
    assert len(shop.queries("/orders/1/refunds")) == 1
    shop.orders[1]["refunds"] = [{"id": 8, "total": "-10"}]
    assert "returned 1xSKU-10" in all_told(shop, Kind.ORDERS, await walk(shop, Kind.ORDERS))["1"]
    assert len(shop.queries("/orders/1/refunds")) == 1


async def test_an_order_without_meta_fields_is_not_taken_for_one_of_another_channel(autojump_clock: MockClock) -> None:
    shop = FakeShop()
    shop.add_orders(1)
    del shop.orders[1]["meta_data"]
    with pytest.raises(Retry):
        await walk(shop, Kind.ORDERS)


async def test_an_order_without_an_email_address_is_not_found_by_the_sign_before_a_number() -> None:
    shop = FakeShop()
    shop.add_orders(1, billing={"email": ""})
    assert await shop.adapter.find(Kind.ORDERS, "#") == []
    assert [match.external_id for match in await shop.adapter.find(Kind.ORDERS, "#N1")] == ["1"]


async def test_what_wordpress_stores_escaped_is_found_as_a_person_writes_it() -> None:
    shop = FakeShop()
    shop.add(1, sku="A&amp;B")
    shop.add_customers(2, email="o&amp;n@example.com")
    shop.add_orders(3, number="R&amp;D-3", billing={"email": "o&amp;n@example.com"})
    asked = [(Kind.PRODUCTS, "A&B"), (Kind.CUSTOMERS, "o&n@example.com"), (Kind.ORDERS, "R&D-3")]
    for kind, text in [*asked, (Kind.ORDERS, "o&n@example.com")]:
        assert len(await shop.adapter.find(kind, text)) == 1, (kind, text)
