"""Customers, their addresses, attributes and groups are told as the contract says, with its caps and cursors."""

from collections.abc import Callable
from typing import Any

import pytest

from daemon.sandbox import Store
from daemon.sandbox.bigcommerce.events import SCOPES, Event
from tests.each import each

TRADE = 1
CASES: dict[str, tuple[Callable[[Store], Any], list[tuple[str, dict[str, Any]]]]] = {
    "new": (
        lambda s: s.customers.add("c@example.com", addresses=[{"city": "Ulm"}], attributes={"group": "vip"}),
        [("created", {"id": 3}), ("address/created", {"id": 2, "address": {"customer_id": 3}})],
    ),
    "name": (lambda s: s.customers.update(1, first_name="Ann"), [("updated", {"id": 1})]),
    "group": (lambda s: s.customers.set_group(2, TRADE), [("updated", {"id": 2})]),
    "gone": (lambda s: s.customers.delete(1), [("deleted", {"id": 1})]),
    "address": (
        lambda s: s.customers.add_address(2, city="Ulm"),
        [("address/created", {"id": 2, "address": {"customer_id": 2}})],
    ),
    "moved": (
        lambda s: s.customers.update_address(1, city="Ulm"),
        [("address/updated", {"id": 1, "address": {"customer_id": 1}})],
    ),
    "homeless": (
        lambda s: s.customers.delete_address(1),
        [("address/deleted", {"id": 1, "address": {"customer_id": 1}})],
    ),
    "attribute": (lambda s: s.customers.set_attribute(1, "group", "vip"), []),
    "group gone": (lambda s: s.customers.delete_group(TRADE), [("updated", {"id": 1})]),
}


def store() -> Store:
    filled = Store()
    filled.customers.add_group("Trade")
    filled.customers.add("a@example.com", group_id=TRADE, company="A Ltd", addresses=[{"address1": "1 Road"}])
    filled.customers.add("b@example.com", first_name="Bea", last_name="Bee")
    return filled


def crowd(size: int) -> Store:
    filled = Store()
    for number in range(1, size + 1):
        filled.customers.add(f"{number}@example.com")
    return filled


@each("case", [*CASES])
def test_an_edit_is_announced_and_an_address_by_its_own_id(case: str) -> None:
    filled, heard = store(), list[Event]()
    filled.listen(heard.append)
    edit, wanted = CASES[case]
    edit(filled)
    assert [(event.scope, event.data) for event in heard] == [
        (f"store/customer/{verb}", {"type": "customer", **data}) for verb, data in wanted
    ]
    assert {event.scope for event in heard} <= SCOPES


def test_neither_address_nor_attribute_moves_the_customers_date() -> None:
    filled = store()
    before = filled.customers.get(1).date_modified
    with filled.at(1_900_000_000):
        filled.customers.update_address(1, city="Ulm")
        filled.customers.set_attribute(1, "group", "vip")
        assert filled.customers.get(1).date_modified == before
        filled.customers.update(1, company="A Inc")
    assert filled.customers.get(1).date_modified == "2030-03-17T17:46:40+00:00"
    assert filled.customers.by_email("a@example.com").company == "A Inc"


async def test_included_parts_are_cut_to_ten_and_the_counts_tell_the_truth(harness: Any) -> None:
    filled = store()
    for number in range(13):
        filled.customers.add_address(1, address1=f"{number} Road")
        filled.customers.set_attribute(1, f"note {number}", "x")
    async with harness(filled) as running:
        query = "id:in=1&include=addresses,attributes,formfields"
        (shown,) = (await running.shop("GET", f"/v3/customers?{query}")).json()["data"]
        addresses = (await running.shop("GET", "/v3/customers/addresses?customer_id:in=1&include=formfields")).json()
        values = (await running.shop("GET", "/v3/customers/attribute-values?customer_id:in=1&limit=5&page=3")).json()
        names = (await running.shop("GET", "/v3/customers/attributes")).json()["data"]
    assert (len(shown["addresses"]), shown["address_count"]) == (10, 14)
    assert (len(shown["attributes"]), shown["attribute_count"]) == (10, 13)
    assert shown["form_fields"] == []
    assert [address["address1"] for address in addresses["data"]] == ["1 Road", *(f"{n} Road" for n in range(13))]
    assert addresses["meta"]["pagination"]["total"] == 14
    assert [value["attribute_id"] for value in values["data"]] == [11, 12, 13]
    assert (names[0]["name"], names[0]["type"]) == ("note 0", "string")


async def test_a_large_limit_is_cut_and_told(harness: Any) -> None:
    async with harness(crowd(260)) as running:
        answer = (await running.shop("GET", "/v3/customers?limit=1000")).json()
    assert len(answer["data"]) == answer["meta"]["pagination"]["per_page"] == 250


async def test_pages_by_cursor_show_every_customer_once_whatever_happens_meanwhile(harness: Any) -> None:
    seen: list[int] = []
    async with harness(crowd(12)) as running:
        first = (await running.shop("GET", "/v3/customers?limit=5")).json()
        assert {"pagination", "cursor_pagination"} == first["meta"].keys()
        meta = first["meta"]["cursor_pagination"]
        assert (meta["count"], meta["per_page"]) == (5, 5)
        seen += [customer["id"] for customer in first["data"]]
        running.store.customers.delete(5)
        while "next" in meta["links"]:
            query = {"limit": 5, "after": meta["end_cursor"], "page": 7}
            answer = (await running.shop("GET", "/v3/customers", params=query)).json()
            assert answer["meta"].keys() == {"cursor_pagination"}
            meta = answer["meta"]["cursor_pagination"]
            seen += [customer["id"] for customer in answer["data"]]
        second = (await running.shop("GET", "/v3/customers?limit=5&page=2")).json()
    assert seen == list(range(1, 13))
    assert second["meta"].keys() == {"pagination"}


async def test_the_last_changed_come_first_and_the_cursor_follows(harness: Any) -> None:
    filled = crowd(4)
    for customer_id, seconds in ((2, 1_900_000_100), (4, 1_900_000_200)):
        with filled.at(seconds):
            filled.customers.update(customer_id, notes="x")
    async with harness(filled) as running:
        query = {"sort": "date_modified:desc", "limit": 1, "date_modified:min": "2030-01-01T00:00:00Z"}
        first = (await running.shop("GET", "/v3/customers", params=query)).json()
        cursor = first["meta"]["cursor_pagination"]["end_cursor"]
        second = (await running.shop("GET", "/v3/customers", params=query | {"after": cursor})).json()
    assert [row["id"] for row in (*first["data"], *second["data"])] == [4, 2]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id:in=2,99", [2]),
        ("email:in=a@example.com,x@example.com", [1]),
        ("customer_group_id:in=1", [1]),
        ("customer_group_id:in=0", [2]),
        ("company:in=A Ltd", [1]),
        ("name:in=Bea Bee", [2]),
        ("name:like=bee", [2]),
        ("date_created:max=2001-01-01T00:00:00Z", []),
    ],
)
async def test_customers_are_filtered(harness: Any, query: str, ids: list[int]) -> None:
    async with harness(store()) as running:
        answer = await running.shop("GET", f"/v3/customers?{query}")
    assert [customer["id"] for customer in answer.json()["data"]] == ids


@pytest.mark.parametrize(
    ("path", "culprit"),
    [
        ("/v3/customers?include=orders", "include"),
        ("/v3/customers?after=%25%25", "after"),
        ("/v3/customers?sort=id", "sort"),
        ("/v3/customers?date_modified:min=2026-01-01", "date_modified:min"),
        ("/v3/customers/addresses?after=x", "after"),
        ("/v3/customers/attribute-values?name=x", "name"),
    ],
)
async def test_what_is_not_documented_is_refused(harness: Any, path: str, culprit: str) -> None:
    async with harness(store()) as running:
        answer = await running.shop("GET", path)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [culprit])


async def test_there_is_no_route_for_one_customer(harness: Any) -> None:
    async with harness(store()) as running:
        assert (await running.shop("GET", "/v3/customers/1")).status_code == 404


async def test_groups_are_a_bare_array_or_nothing(harness: Any) -> None:
    async with harness(store()) as running:
        groups = (await running.shop("GET", "/v2/customer_groups")).json()
        beyond = await running.shop("GET", "/v2/customer_groups?page=2")
        greedy = await running.shop("GET", "/v2/customer_groups?limit=251")
        unknown = await running.shop("GET", "/v2/customer_groups?kittens=1")
    assert [(group["id"], group["name"], group["is_group_for_guests"]) for group in groups] == [(1, "Trade", False)]
    assert (beyond.status_code, beyond.content) == (204, b"")
    assert (greedy.status_code, greedy.json()[0]["details"]) == (413, {"max_limit": 250})
    assert (unknown.status_code, unknown.json()[0]["status"]) == (400, 400)


async def test_customers_are_edited_over_http(harness: Any) -> None:
    async with harness(store()) as running:
        control = f"{running.sandbox.bigcommerce.url}/_sandbox"
        order = {"edit": "customers.set_group", "arguments": {"customer_id": 2, "group_id": 1}}
        await running.shop("POST", f"{control}/edit", order)
        state = (await running.shop("GET", f"{control}/state")).json()
        refused = await running.shop("POST", f"{control}/edit", {"edit": "customers.get"})
    assert running.store.customers.get(2).customer_group_id == 1
    assert state["customers"] == 2
    assert refused.status_code == 400
