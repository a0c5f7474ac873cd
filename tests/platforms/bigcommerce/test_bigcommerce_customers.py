"""Reading customers: B2B customers page by page, any customer by id, with all their addresses and attributes."""

from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from daemon.entities import Customer, StoreFacts
from daemon.errors import Blocked, Retry
from daemon.model import ExternalId, Kind, Lane, Secret
from daemon.platforms.base import Entity
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.shared.short_answers import BELIEVED
from tests.platforms.bigcommerce import stand_in
from tests.platforms.bigcommerce.fakes import FakeStore

CUSTOMERS = "/v3/customers"
FACTS = StoreFacts(currency="GBP", weight_unit="KGS")
NOBODY = httpx.Response(200, json={"data": [], "meta": {"pagination": {"total": 3}}})
GOOD: dict[str, Any] = {"store_hash": "abc", "access_token": Secret("token")}


async def walk(shop: BigCommerce, since: float | None = None) -> list[Entity]:
    return await stand_in.walk(shop, Kind.CUSTOMERS, since)


def ids(entities: Any) -> list[int]:
    return [int(entity.external_id) for entity in entities]


def mapped(shop: BigCommerce, entity: Entity | None) -> Customer | None:
    assert entity is not None
    value = shop.map(Kind.CUSTOMERS, entity, FACTS).value
    assert value is None or isinstance(value, Customer)
    return value


@pytest.mark.parametrize("count", [0, 1, 249, 250, 251, 500, 620])
async def test_a_walk_sees_every_b2b_customer_once_in_the_fewest_calls(
    store: FakeStore, shop: BigCommerce, count: int
) -> None:
    store.add_customers(*range(1, count + 1))
    store.add_customers(9001, customer_group_id=0)
    store.add_customers(9002, customer_group_id=4)
    assert ids(await walk(shop)) == list(range(1, count + 1))
    pages = store.queries(CUSTOMERS)
    assert len(pages) <= max(1, -(-count // 250)) + (count > 250 and count % 250 == 0)
    assert {query["customer_group_id:in"] for query in pages} == {"3"}
    assert {query["limit"] for query in pages} == {"250"}
    assert len(store.queries("/v2/customer_groups")) == len(store.queries("/v3/customers/attributes")) == 1


async def test_configured_groups_need_no_look_at_the_stores(store: FakeStore) -> None:
    shop = BigCommerce(BigCommerceSettings(**GOOD, b2b_customer_groups=(5, 7)), httpx.MockTransport(store.answer))
    store.add_customers(1, customer_group_id=5)
    store.add_customers(2, customer_group_id=3)
    assert ids(await walk(shop)) == [1]
    await shop.aclose()
    assert store.queries(CUSTOMERS)[0]["customer_group_id:in"] == "5,7"
    assert store.queries("/v2/customer_groups") == []


async def test_a_store_without_b2b_groups_has_no_b2b_customers(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.groups = []
    store.add_customers(1, customer_group_id=0)
    assert await walk(shop) == []
    assert store.queries(CUSTOMERS) == []


async def test_more_than_250_groups_are_read(store: FakeStore, shop: BigCommerce) -> None:
    store.groups = [{"id": n} for n in range(1, 252)]
    store.add_customers(1, customer_group_id=251)
    assert ids(await walk(shop)) == [1]


async def test_what_changed_is_read_of_everybody(store: FakeStore, shop: BigCommerce) -> None:
    store.add_customers(1)
    store.add_customers(2, customer_group_id=0)
    entities = await walk(shop, since=1_790_000_000.9)
    assert [mapped(shop, entity) is not None for entity in entities] == [True, False]
    (query,) = store.queries(CUSTOMERS)
    assert query["date_modified:min"] == "2026-09-21T14:13:19Z"
    assert query["sort"] == "date_modified:asc"
    assert "customer_group_id:in" not in query


async def test_addresses_and_attributes_beyond_the_tenth_are_read_for_all_in_one_call(
    store: FakeStore, shop: BigCommerce
) -> None:
    names = {n: f"Name {n}" for n in range(1, 12)} | {12: "group"}
    store.attributes = names
    said = [(n, f"text {n}") for n in range(1, 12)] + [(12, "vip")]
    store.add_customers(1, 2, addresses=11, values=said)
    store.add_customers(3, addresses=10, values=said[:10])
    store.add_customers(4, addresses=12, customer_group_id=0)
    entities = await walk(shop)
    customers = [mapped(shop, entity) for entity in entities]
    assert [len(one.addresses) for one in customers if one] == [11, 11, 10]
    assert [one.group for one in customers if one] == ["vip", "vip", None]
    assert [query["customer_id:in"] for query in store.queries("/addresses")] == ["1,2"]
    assert [query["customer_id:in"] for query in store.queries("/attribute-values")] == ["1,2"]


async def test_an_attribute_without_a_name_harms_nothing(store: FakeStore, shop: BigCommerce) -> None:
    store.attributes = {1: None, 2: "group"}
    store.add_customers(1, values=[(1, "x"), (2, "vip")])
    (customer,) = [mapped(shop, entity) for entity in await walk(shop)]
    assert customer is not None
    assert customer.group == "vip"
    assert len(store.queries("/v3/customers/attributes")) == 1, "its name was learnt once"


async def test_ten_of_who_knows_how_many_are_looked_at_again(store: FakeStore, shop: BigCommerce) -> None:
    store.add_customers(1, addresses=11)
    row = {**store.customers[1], "addresses": store.customers[1]["all_addresses"][:10], "attributes": []}
    del row["all_addresses"], row["all_attributes"]
    store.script.append(httpx.Response(200, json={"data": [row]}))
    found = await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
    customer = mapped(shop, found[ExternalId("1")])
    assert customer is not None
    assert len(customer.addresses) == 11


async def test_read_takes_one_call_for_250_ids_and_shows_who_is_not_b2b(store: FakeStore, shop: BigCommerce) -> None:
    store.add_customers(*range(1, 249))
    store.add_customers(249, customer_group_id=0)
    wanted = [ExternalId(str(id_)) for id_ in range(1, 251)]
    found = await shop.read(Kind.CUSTOMERS, [*wanted, ExternalId("../1")], Lane.LIVE)
    assert set(found) == set(wanted[:-1])
    assert mapped(shop, found[ExternalId("249")]) is None
    assert len(store.queries(CUSTOMERS)) == 1
    assert await shop.read(Kind.CUSTOMERS, [], Lane.LIVE) == {}


async def test_a_group_and_an_attribute_of_later_are_found(store: FakeStore, shop: BigCommerce) -> None:
    store.add_customers(1)
    await walk(shop)
    store.groups.append({"id": 8, "name": "New"})
    store.attributes = {1: "Group"}
    store.add_customers(2, customer_group_id=8, values=[(1, "gold")])
    for _ in range(2):
        found = await shop.read(Kind.CUSTOMERS, [ExternalId("2")], Lane.LIVE)
        customer = mapped(shop, found[ExternalId("2")])
        assert customer is not None
        assert customer.group == "gold"
    assert len(store.queries("/v2/customer_groups")) == 2
    assert len(store.queries("/v3/customers/attributes")) == 2


async def test_a_customer_whose_group_becomes_b2b_while_it_is_read_is_not_taken_for_retail(
    store: FakeStore, shop: BigCommerce
) -> None:
    store.add_customers(1)
    store.add_customers(2, customer_group_id=4)
    await walk(shop)
    store.groups[1] = {"id": 4, "name": "Trade too"}
    store.attributes = {1: "Group"}
    store.add_customers(1, values=[(1, "gold")])
    read = await shop.read(Kind.CUSTOMERS, [ExternalId("1"), ExternalId("2")], Lane.LIVE)
    assert mapped(shop, read[ExternalId("1")]) is not None
    with pytest.raises(Retry, match="its customer group has just become a B2B group"):
        mapped(shop, read[ExternalId("2")])
    again = await shop.read(Kind.CUSTOMERS, [ExternalId("2")], Lane.LIVE)
    assert mapped(shop, again[ExternalId("2")]) is not None


async def test_a_customer_whose_group_ceases_to_be_b2b_while_it_is_read_is_a_retail_customer(
    store: FakeStore, shop: BigCommerce
) -> None:
    store.groups.append({"id": 5, "name": "Trade too"})
    store.add_customers(1, customer_group_id=5)
    store.add_customers(2)
    await walk(shop)
    store.groups[0] = {"id": 3, "name": "Guests too", "is_group_for_guests": True}
    store.attributes = {1: "Group"}
    store.add_customers(1, customer_group_id=5, values=[(1, "gold")])
    read = await shop.read(Kind.CUSTOMERS, [ExternalId("1"), ExternalId("2")], Lane.LIVE)
    assert [mapped(shop, read[ExternalId(one)]) is not None for one in "12"] == [True, False]


async def test_addresses_are_asked_for_in_parts_no_larger_than_the_store_bears(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.bears = 10
    store.add_customers(*range(1, 31), addresses=11)
    wanted = [ExternalId(str(id_)) for id_ in range(1, 31)]
    found = await shop.read(Kind.CUSTOMERS, wanted, Lane.LIVE)
    assert all(mapped(shop, found[id_]) is not None for id_ in wanted)
    assert [len(query["customer_id:in"].split(",")) for query in store.queries("/addresses")] == [10, 10, 10]


async def test_an_attribute_of_later_is_found_also_beyond_the_tenth(store: FakeStore, shop: BigCommerce) -> None:
    others = {n: f"Other {n}" for n in range(1, 11)}
    store.attributes = others
    store.add_customers(1, values=[(n, "x") for n in others])
    await walk(shop)
    store.attributes = {**others, 11: "accounting_id"}
    store.add_customers(1, values=[*((n, "x") for n in others), (11, "ACC-1")])
    for _ in range(2):
        found = await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
        customer = mapped(shop, found[ExternalId("1")])
        assert customer is not None
        assert customer.accounting_id == "ACC-1"
    assert len(store.queries("/v3/customers/attributes")) == 2, "the names were read again once"


async def test_a_value_that_nobody_names_is_looked_at_again_and_at_last_left_out(
    store: FakeStore, shop: BigCommerce
) -> None:
    store.attributes = {1: "group"}
    store.add_customers(1, values=[(1, "vip"), (2, "x")])
    for _ in range(BELIEVED - 1):
        found = await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
        with pytest.raises(Retry, match="names"):
            mapped(shop, found[ExternalId("1")])
    found = await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
    customer = mapped(shop, found[ExternalId("1")])
    assert customer is not None
    assert customer.group == "vip"


async def test_somebody_who_is_not_b2b_may_have_more_than_was_read(store: FakeStore, shop: BigCommerce) -> None:
    said = [(n, "x") for n in range(1, 13)]
    store.add_customers(1, addresses=12, values=said, customer_group_id=0)
    found = await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
    assert mapped(shop, found[ExternalId("1")]) is None
    assert store.queries("/addresses") == store.queries("/attribute-values") == []


async def test_where_the_settings_name_the_groups_no_others_are_asked_for(store: FakeStore) -> None:
    settings = BigCommerceSettings(**GOOD, b2b_customer_groups=(3,))
    shop = BigCommerce(settings, httpx.MockTransport(store.answer))
    store.add_customers(1)
    store.add_customers(2, customer_group_id=8)
    for _ in range(3):
        found = await shop.read(Kind.CUSTOMERS, [ExternalId("1"), ExternalId("2")], Lane.LIVE)
        assert [mapped(shop, found[ExternalId(one)]) is not None for one in "12"] == [True, False]
    assert len(store.queries("/v2/customer_groups")) == 0
    assert len(store.queries("/v3/customers/attributes")) == 1
    await shop.aclose()


@pytest.mark.parametrize(
    ("channels", "namesake", "told"),
    [
        ([1], {"customer_group_id": 0}, ["email_in_another_channel"]),
        ([1, 2], {"customer_group_id": 4}, ["email_in_another_channel"]),
        ([1], {"customer_group_id": 0, "email": "SHOP@example.com"}, ["email_in_another_channel"]),
        ([1], {"customer_group_id": 0, "email": "other@example.com"}, []),
        ([1], {"customer_group_id": 3}, []),
        (None, {"customer_group_id": 0}, []),
        ("odd", {"customer_group_id": "odd"}, []),
    ],
)
async def test_an_email_address_that_another_channel_has_is_told_of(
    store: FakeStore, shop: BigCommerce, channels: object, namesake: dict[str, Any], told: list[str]
) -> None:
    """The engine reports B2B namesakes; a customer of all channels costs no call."""
    store.add_customers(5, email="shop@example.com", channel_ids=channels)
    store.add_customers(6, **{"email": "shop@example.com", "channel_ids": [2], **namesake})
    found = await shop.read(Kind.CUSTOMERS, [ExternalId("5")], Lane.LIVE)
    mapping = shop.map(Kind.CUSTOMERS, found[ExternalId("5")], FACTS)
    assert mapping.value is not None, "it is in SparkLayer all the same"
    assert [issue.code for issue in mapping.issues] == told
    assert len(store.queries(CUSTOMERS)) == 1 + (channels is not None)


@pytest.mark.holds("C1")
async def test_a_customer_whose_namesakes_cannot_be_looked_for_fails_by_itself(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add_customers(5, channel_ids=[1])
    store.add_customers(6)
    real = store.answer

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500) if "email:in" in request.url.params else real(request)

    store.answer = answer  # type: ignore[method-assign]
    adapter = BigCommerce(BigCommerceSettings(**GOOD), httpx.MockTransport(store.answer))
    found = await adapter.read(Kind.CUSTOMERS, [ExternalId("5"), ExternalId("6")], Lane.LIVE)
    assert mapped(adapter, found[ExternalId("6")]) is not None
    with pytest.raises(Retry):
        mapped(adapter, found[ExternalId("5")])
    await adapter.aclose()


def told(data: list[Any], **cursors: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": data, "meta": {"cursor_pagination": cursors}})


ROW = {"id": 1, "customer_group_id": 3, "addresses": [], "attributes": []}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (told([ROW], count=2), "page_miscounted"),
        (told([], links={"next": "?after=x"}), "page_empty"),
        (told([ROW], links={"next": "?after=x"}), "page_without_cursor"),
        (told([ROW], links={"next": "?after=x"}, end_cursor="abc"), "page_out_of_order"),
        (httpx.Response(200, json={"data": [{"email": "x"}, {"email": "y"}]}), "unexpected_shape"),
    ],
)
async def test_a_page_that_contradicts_itself_is_tried_again(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock, answer: httpx.Response, reason: str
) -> None:
    await walk(shop)
    store.script.extend([answer] * 3)
    with pytest.raises(Retry) as failed:
        await shop.page(Kind.CUSTOMERS, "abc")
    assert failed.value.reason == reason


async def test_a_first_page_that_is_empty_though_there_are_some_is_tried_again(
    store: FakeStore, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.script.extend([NOBODY] * 3)
    with pytest.raises(Retry) as failed:
        await shop.changed_since(Kind.CUSTOMERS, 0, None)
    assert failed.value.reason == "page_empty"


async def test_a_server_that_caps_the_page_is_walked_to_the_end(store: FakeStore, shop: BigCommerce) -> None:
    store.add_customers(*range(1, 121))
    store.caps = 50
    assert ids(await walk(shop)) == list(range(1, 121))


async def test_one_unreadable_customer_does_not_stop_the_others(store: FakeStore, shop: BigCommerce) -> None:
    store.add_customers(1, 3)
    store.add_customers(2, email=[7])
    entities = await walk(shop)
    assert ids(entities) == [1, 3, 2]
    assert mapped(shop, entities[0]) is not None
    told = shop.map(Kind.CUSTOMERS, entities[2], FACTS)
    assert (told.value, [issue.code for issue in told.issues]) == (None, ["field_unreadable"])


@pytest.mark.parametrize(("group", "codes"), [(0, []), (3, ["field_unreadable"]), ([3], ["field_unreadable"])])
async def test_an_odd_field_is_told_of_a_b2b_customer_only(
    store: FakeStore, shop: BigCommerce, group: object, codes: list[str]
) -> None:
    store.add_customers(2, last_name=[7], customer_group_id=group)
    found = await shop.read(Kind.CUSTOMERS, [ExternalId("2")], Lane.LIVE)
    told = shop.map(Kind.CUSTOMERS, found[ExternalId("2")], FACTS)
    assert told.value is None
    assert sorted({issue.code for issue in told.issues}) == codes


async def test_addresses_that_were_not_included_are_not_taken_for_none(store: FakeStore, shop: BigCommerce) -> None:
    bare = {"id": 1, "email": "a@example.com", "customer_group_id": 3}
    store.script.append(httpx.Response(200, json={"data": [bare]}))
    found = await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
    with pytest.raises(Retry):
        mapped(shop, found[ExternalId("1")])


async def test_a_missing_right_is_named(store: FakeStore, shop: BigCommerce) -> None:
    store.script.append(httpx.Response(403, json={"status": 403, "title": "You don't have a required scope"}))
    with pytest.raises(Blocked, match="store_v2_customers_read_only") as refused:
        await shop.read(Kind.CUSTOMERS, [ExternalId("1")], Lane.LIVE)
    assert refused.value.reason == "scope_missing"
