"""One answer alone proves no absence, and an answer that contradicts its request proves nothing."""

import json
from typing import Any

import pytest
from trio.testing import MockClock

from daemon.errors import Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.shared.short_answers import BELIEVED
from daemon.sandbox import answer
from daemon.sandbox.bigcommerce.founding import add_groups
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.message import Request, Response
from tests.platforms.bigcommerce.stand_in import CARTS, FACTS, AdapterHarness

JSON = {"content-type": "application/json"}
NOT_FOUND = answer(404, '{"status":404,"title":"Not found"}', JSON)
PAGES = {"total": 0, "count": 0, "per_page": 250, "current_page": 1, "total_pages": 0}
NOTHING = answer(200, json.dumps({"data": [], "meta": {"pagination": PAGES}}), JSON)

PATHS = {
    Kind.PRODUCTS: ("GET */v3/catalog/products/*", "GET */v3/catalog/products", NOTHING),
    Kind.CUSTOMERS: ("GET */v3/customers", "GET */v3/customers", NOTHING),
    Kind.ORDERS: ("GET */v2/orders/*", "GET */v2/orders", answer(204)),
}
"""For each kind: the path of one entity, the path of several, and their empty answer."""
every_kind = pytest.mark.parametrize("kind", PATHS)


def _two(harness: AdapterHarness, kind: Kind) -> tuple[ExternalId, ExternalId]:
    """Add two synced entities; return their ids."""
    if kind is Kind.PRODUCTS:
        made = harness.jumper, harness.mug
    elif kind is Kind.ORDERS:
        made = harness.order(CARTS[0]), harness.order(CARTS[1])
    else:
        add_groups(harness.store)
        made = tuple(harness.store.customers.add(f"{n}@example.com", group_id=WHOLESALE, silent=True) for n in "xy")  # type: ignore[assignment]
    return ExternalId(str(made[0])), ExternalId(str(made[1]))


@pytest.mark.holds("A4")
@every_kind
async def test_a_list_that_leaves_one_out_leads_to_no_none(
    harness: AdapterHarness, kind: Kind, autojump_clock: MockClock
) -> None:
    one, other = _two(harness, kind)
    await harness.walk(kind)
    _, path, nothing = PATHS[kind]
    harness.api.faults.add(path, nothing, times=1)
    assert {one, other}.isdisjoint(await harness.shop.read(kind, [one, other], Lane.LIVE))
    assert await harness.shop.read_one(kind, one, Lane.LIVE) is not None


@pytest.mark.holds("A4")
@pytest.mark.parametrize("asked", ["the one seen first", "the one seen last", "one of them"])
async def test_right_after_a_restart_a_store_without_customers_is_not_believed(
    harness: AdapterHarness, autojump_clock: MockClock, asked: str
) -> None:
    """Known customers are remembered, so no number of empty answers is believed."""
    add_groups(harness.store)
    added = [harness.store.customers.add(f"{n}@example.com", group_id=WHOLESALE, silent=True) for n in range(20)]
    await harness.walk(Kind.CUSTOMERS)
    one = ExternalId(str(added[{"the one seen first": 0, "the one seen last": -1}.get(asked, 7)]))
    assert await harness.shop.read_one(Kind.CUSTOMERS, one, Lane.LIVE) is not None
    rule = harness.api.faults.add("GET */v3/customers", NOTHING)
    for _ in range(3):
        harness.connect()
        for _ in range(BELIEVED):
            with pytest.raises(Retry):
                await harness.shop.read_one(Kind.CUSTOMERS, one, Lane.LIVE)
    harness.api.faults.remove(rule)
    assert await harness.shop.read_one(Kind.CUSTOMERS, one, Lane.LIVE) is not None
    harness.store.customers.delete(int(one))
    assert await harness.shop.read_one(Kind.CUSTOMERS, one, Lane.LIVE) is None


@pytest.mark.holds("A4")
async def test_a_customer_who_is_gone_is_remembered_as_gone(harness: AdapterHarness, autojump_clock: MockClock) -> None:
    """Otherwise the last customer of a store would stay after a restart."""
    add_groups(harness.store)
    people = harness.store.customers
    added = [people.add(f"{n}@example.com", group_id=WHOLESALE, silent=True) for n in range(2)]
    for one in [*people.people]:
        if one not in added:
            people.delete(one, silent=True)
    await harness.walk(Kind.CUSTOMERS)
    people.delete(added[0], silent=True)
    assert await harness.shop.read_one(Kind.CUSTOMERS, ExternalId(str(added[0])), Lane.LIVE) is None
    harness.connect()
    people.delete(added[1], silent=True)
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry):
            await harness.shop.read_one(Kind.CUSTOMERS, ExternalId(str(added[1])), Lane.LIVE)
    assert await harness.shop.read_one(Kind.CUSTOMERS, ExternalId(str(added[1])), Lane.LIVE) is None


@pytest.mark.holds("B2")
@every_kind
async def test_an_answer_about_another_one_proves_nothing(
    harness: AdapterHarness, kind: Kind, autojump_clock: MockClock
) -> None:
    one, other = _two(harness, kind)
    await harness.walk(kind)
    path, lists, _ = PATHS[kind]

    def change(body: Any) -> None:
        data = body["data"] if isinstance(body, dict) and "data" in body else body
        for row in data if isinstance(data, list) else [data]:
            if str(row["id"]) == one:
                row["id"] = int(other) + 1000

    harness.rewrite(path, change)
    with pytest.raises(Retry) as failed:
        await harness.shop.read_one(kind, one, Lane.LIVE)
    assert failed.value.reason == "out_of_filter"
    harness.api.faults.clear()
    harness.rewrite(lists, change)
    assert set(await harness.shop.read(kind, [one, other], Lane.LIVE)) <= {other}


@pytest.mark.holds("B2")
@every_kind
@pytest.mark.parametrize("lacking", [{}, None, {"id": None}, {"id": "x"}, 7])
async def test_a_row_without_an_id_stops_neither_pages_nor_batches_and_proves_nothing(
    harness: AdapterHarness, kind: Kind, lacking: object, autojump_clock: MockClock
) -> None:
    one, other = _two(harness, kind)
    await harness.walk(kind)
    path, lists, _ = PATHS[kind]

    def change(body: Any) -> None:
        rows = body["data"] if isinstance(body, dict) and "data" in body else body
        if isinstance(rows, list):
            rows[:] = [lacking if str(row["id"]) == one else row for row in rows]

    harness.rewrite(lists, change)
    for since in (None, 0.0):
        seen = await harness.walk(kind, since=since)
        assert other in seen
        assert one not in seen
    assert set(await harness.shop.read(kind, [one, other], Lane.LIVE)) == {other}
    if path == lists:
        with pytest.raises(Retry):
            await harness.shop.read_one(kind, one, Lane.LIVE)
    else:
        assert await harness.shop.read_one(kind, one, Lane.LIVE) is not None


@pytest.mark.holds("B2")
@pytest.mark.parametrize("group", [None, 0, 9999, "lacks"])
async def test_a_customer_of_a_page_who_is_of_no_group_asked_for_is_nobodys_removal(
    harness: AdapterHarness, group: object, autojump_clock: MockClock
) -> None:
    one, _ = _two(harness, Kind.CUSTOMERS)

    def change(body: Any) -> None:
        for row in body["data"]:
            row["customer_group_id"] = group
            if group == "lacks":
                del row["customer_group_id"]

    harness.rewrite("GET */v3/customers", change)
    page = await harness.shop.page(Kind.CUSTOMERS, None)
    told = {entity.external_id: entity for entity in page.entities}
    with pytest.raises(Retry):
        harness.shop.map(Kind.CUSTOMERS, told[one], FACTS)


@pytest.mark.holds("B2")
async def test_a_group_that_is_null_is_told_of_a_customer_that_is_read(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    one, _ = _two(harness, Kind.CUSTOMERS)
    await harness.walk(Kind.CUSTOMERS)

    def change(body: Any) -> None:
        for row in body["data"]:
            row["customer_group_id"] = None

    harness.rewrite("GET */v3/customers", change)
    told = (await harness.read(Kind.CUSTOMERS, one))[one]
    assert (told.value, [issue.code for issue in told.issues]) == (None, ["field_unreadable"])


@pytest.mark.holds("A5")
@pytest.mark.parametrize("empty", [NOTHING, NOT_FOUND])
async def test_one_empty_list_of_metafields_takes_nothing_away(
    harness: AdapterHarness, empty: Any, autojump_clock: MockClock
) -> None:
    harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.store.metafields.set("product", harness.mug, "rrp", "8", silent=True)
    harness.api.faults.add(f"GET */v3/catalog/products/{harness.mug}/metafields", empty, times=1)
    await harness.shop.read(Kind.PRODUCTS, [ExternalId(f"metafields:product:{harness.mug}")], Lane.LIVE)
    rrp = (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value.variants[0].rrp
    assert rrp is not None
    assert rrp.amount == 8


@pytest.mark.holds("A5")
@pytest.mark.parametrize("empty", [NOTHING, NOT_FOUND])
async def test_one_empty_list_of_an_orders_metafields_makes_it_nobodys(
    harness: AdapterHarness, empty: Any, autojump_clock: MockClock
) -> None:
    order = harness.order(CARTS[0])
    await harness.walk(Kind.ORDERS)
    harness.api.faults.add(f"GET */v3/orders/{order}/metafields", empty, times=1)
    await harness.shop.read(Kind.ORDERS, [ExternalId(f"metafields:order:{order}")], Lane.LIVE)
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value is not None


ODD_FIELDS: dict[str, dict[str, Any]] = {
    "a value that is null": {"value": None},
    "a value that is a list": {"value": ["9"]},
    "another's": {"resource_id": 9999},
    "of another namespace": {"namespace": "other"},
}


@pytest.mark.holds("C6")
@pytest.mark.parametrize("change", ODD_FIELDS.values(), ids=ODD_FIELDS)
async def test_odd_metafields_take_nothing_away(
    harness: AdapterHarness, change: dict[str, Any], autojump_clock: MockClock
) -> None:
    harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)

    def spoil(body: Any) -> None:
        body["data"] = [row | change for row in body["data"]]

    harness.rewrite("GET */v3/catalog/products*metafields", spoil)
    await harness.walk(Kind.PRODUCTS)
    named = ExternalId(f"metafields:product:{harness.mug}")
    found = await harness.shop.read(Kind.PRODUCTS, [named], Lane.LIVE)
    with pytest.raises(Retry):
        harness.shop.map(Kind.PRODUCTS, found[named], FACTS)
    assert (await harness.read(Kind.PRODUCTS, harness.mug))[str(harness.mug)].value.variants[0].rrp is not None


@pytest.mark.holds("C6")
@pytest.mark.parametrize("row", [{"id": WHOLESALE, "name": ["x"]}, {"id": WHOLESALE, "is_group_for_guests": None}])
async def test_an_odd_customer_group_concerns_its_customers_only(
    harness: AdapterHarness, row: dict[str, Any], autojump_clock: MockClock
) -> None:
    one, other = _two(harness, Kind.CUSTOMERS)
    gold = harness.store.customers.add_group("Gold")
    harness.store.customers.set_group(int(other), gold, silent=True)

    harness.rewrite(
        "GET */v2/customer_groups", lambda groups: [row if group["id"] == WHOLESALE else group for group in groups]
    )
    page = await harness.shop.page(Kind.CUSTOMERS, None)
    told = {entity.external_id: entity for entity in page.entities}
    assert harness.shop.map(Kind.CUSTOMERS, told[other], FACTS).value is not None
    with pytest.raises(Retry):
        harness.shop.map(Kind.CUSTOMERS, told[one], FACTS)


@pytest.mark.holds("C6")
async def test_an_odd_customer_of_an_odd_group_is_nobodys_removal(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    one, _ = _two(harness, Kind.CUSTOMERS)

    async def spoil(request: Request, response: Response | None) -> Response:
        assert response is not None
        names = (
            (b'"name":"', b'"name":7,"was":"')
            if "groups" in request.path
            else (b'"last_name":"', b'"last_name":[],"was":"')
        )
        return Response(
            status=200, headers=response.headers, body=response.body.replace(*names).replace(b":7", b":[7]")
        )

    harness.api.faults.add("GET */customer*", spoil, after_effect=True)
    told = (await harness.read(Kind.CUSTOMERS, one))[one]
    assert (told.value, [issue.code for issue in told.issues]) == (None, ["field_unreadable"])
