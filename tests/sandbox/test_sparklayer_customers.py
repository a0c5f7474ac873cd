"""Customers of the SparkLayer stand-in: what is unique, what is refused, and what a PATCH leaves alone."""

from typing import Any

import pytest

from daemon.sandbox import SparkLayerOptions
from daemon.sandbox.message import Refused

CUSTOMERS = "/api/v1/customers"
HOME = {"external_id": "11", "address_line1": "1 High Street", "city": "Bath", "country_code": "GB"}
WORK = HOME | {"external_id": "12", "city": "York"}
NAMELESS = {"address_line1": "3 Side Road", "city": "Leeds", "country_code": "GBR"}
ANN = {"external_id": "1", "email": "ann@example.com", "group": "base", "addresses": [HOME, WORK]}
BOB = {"external_id": "2", "email": "bob@example.com"}
NEW = {"email": "new@example.com"}
CREDIT = {"credit_limit": 100, "balance": 5.5, "currency_code": "GBP"}


def with_address(**fields: Any) -> dict[str, Any]:
    return NEW | {"addresses": [NAMELESS | fields]}


def without(name: str) -> dict[str, Any]:
    return {"addresses": [{key: value for key, value in NAMELESS.items() if key != name}]}


REFUSED: list[tuple[str, str, Any, int, str | None]] = [
    ("POST", "", {"external_id": "3"}, 400, "email"),
    ("POST", "", {"email": ""}, 400, "email"),
    ("POST", "", {"email": "nobody"}, 400, "email"),
    ("POST", "", {"email": None}, 400, "email"),
    ("POST", "", {"email": "ANN@example.com"}, 409, "email"),
    ("POST", "", NEW | {"external_id": "1"}, 409, "external_id"),
    ("POST", "", NEW | {"external_id": "cu_3"}, 400, "external_id"),
    ("POST", "", NEW | {"external_id": 3}, 400, "external_id"),
    ("POST", "", NEW | {"surprise": 1}, 400, "surprise"),
    ("POST", "", NEW | {"id": "cu_9"}, 400, "id"),
    ("POST", "", with_address(external_id="11"), 409, "addresses[0].external_id"),
    ("POST", "", with_address(external_id="ca_1"), 400, "addresses[0].external_id"),
    ("POST", "", with_address(country_code="G"), 400, "addresses[0].country_code"),
    ("POST", "", with_address(country_code="GBRT"), 400, "addresses[0].country_code"),
    ("POST", "", with_address(address_line1=""), 400, "addresses[0].address_line1"),
    ("POST", "", with_address(city=""), 400, "addresses[0].city"),
    ("POST", "", with_address(city=None), 400, "addresses[0].city"),
    ("POST", "", with_address(surprise=1), 400, "addresses[0].surprise"),
    ("POST", "", NEW | without("address_line1"), 400, "addresses[0].address_line1"),
    ("POST", "", NEW | without("city"), 400, "addresses[0].city"),
    ("POST", "", NEW | without("country_code"), 400, "addresses[0].country_code"),
    ("POST", "", NEW | {"addresses": [HOME | {"external_id": "9"}] * 2}, 409, "addresses[1].external_id"),
    ("PATCH", "/1", {"addresses": [HOME, HOME]}, 409, "addresses[1].external_id"),
    ("PATCH", "/1", {"email": "bob@example.com"}, 409, "email"),
    ("PATCH", "/1", {"external_id": "2"}, 409, "external_id"),
    ("PATCH", "/2", {"addresses": [HOME]}, 409, "addresses[0].external_id"),
    ("PATCH", "/1", {"role": "queen"}, 400, "role"),
    ("PATCH", "/1", {"status": 1}, 400, "status"),
    ("PATCH", "/1", {"group": None}, 400, "group"),
    ("PATCH", "/1", {"currency_code": "pounds"}, 400, "currency_code"),
    ("PATCH", "/1", {"price_lists": "trade"}, 400, "price_lists"),
    ("PATCH", "/1", {"discount_percentage": 101}, 400, "discount_percentage"),
    ("PATCH", "/1", {"discount_percentage": -1}, 400, "discount_percentage"),
    ("PATCH", "/1", {"discount_percentage": "5"}, 400, "discount_percentage"),
    ("PATCH", "/1", {"payment_on_account": CREDIT | {"terms": 30}}, 400, "payment_on_account.terms"),
    ("PATCH", "/1", {"payment_on_account": {"balance": "5"}}, 400, "payment_on_account.balance"),
    ("PATCH", "/1", {"payment_on_account": {"currency_code": "gbp"}}, 400, "payment_on_account.currency_code"),
    ("PATCH", "/1", {"parent_customer_id": "none"}, 400, "parent_customer_id"),
    ("PATCH", "/1", {"parent_customer_id": "1"}, 400, "parent_customer_id"),
    ("PATCH", "/2", {"default_billing_address_id": "11"}, 400, "default_billing_address_id"),
    ("PATCH", "/none", {"group": "vip"}, 404, None),
    ("GET", "/none", None, 404, None),
    ("GET", "/1?fields=all", None, 400, None),
    ("DELETE", "/none", None, 404, None),
    ("GET", "/none/addresses", None, 404, None),
    ("POST", "/none/addresses", NAMELESS, 404, None),
    ("POST", "/2/addresses", HOME, 409, "external_id"),
    ("POST", "/2/addresses", NAMELESS | {"external_id": "ca_1"}, 400, "external_id"),
    ("POST", "/2/addresses", NAMELESS | {"country_code": ""}, 400, "country_code"),
    ("DELETE", "/2/addresses/11", None, 404, None),
    ("DELETE", "/none/addresses/11", None, 404, None),
]


async def furnish(running: Any) -> None:
    for customer in (ANN, BOB):
        await running.site("POST", CUSTOMERS, customer)


@pytest.mark.parametrize(("method", "path", "body", "status", "place"), REFUSED)
async def test_a_problem_names_the_place_and_changes_nothing(
    house: Any, *, method: str, path: str, body: Any, status: int, place: str | None
) -> None:
    async with house() as running:
        await furnish(running)
        state = running.sandbox.sparklayer.state
        before = state.comparable()
        answer = await running.site(method, CUSTOMERS + path, body)
        assert state.comparable() == before
        assert (state.customers.writes, state.customers.removals, state.customers.address_writes) == (2, 0, 0)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), problem
    assert [error["property"] for error in problem.get("errors", [])] == ([] if place is None else [place])


async def test_a_customer_is_made_and_found_by_either_id(house: Any) -> None:
    async with house() as running:
        made = await running.site("POST", CUSTOMERS, ANN | {"payment_on_account": CREDIT, "role": "main"})
        by_external = await running.site("GET", f"{CUSTOMERS}/1")
        by_internal = await running.site("GET", f"{CUSTOMERS}/{made.json()['id']}")
        picture = running.sandbox.sparklayer.state.comparable()["customers"]
    assert made.status_code == 200
    assert made.json() == by_external.json() == by_internal.json()
    assert made.json()["id"].startswith("cu_")
    assert all(address["id"].startswith("ca_") for address in made.json()["addresses"])
    plain = {key: {name: value for name, value in one.items() if name != "external_id"} for key, one in ADDRESSES}
    known = {"email": "ann@example.com", "group": "base", "role": "main", "payment_on_account": CREDIT}
    assert picture == {"1": known | {"addresses": plain}}


ADDRESSES = [("11", HOME), ("12", WORK)]


@pytest.mark.parametrize("path", ["1", "cu_1"])
async def test_a_patch_changes_the_fields_sent(house: Any, path: str) -> None:
    async with house() as running:
        await furnish(running)
        answer = await running.site("PATCH", f"{CUSTOMERS}/{path}", {"group": "vip", "price_lists": ["anything"]})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["group"], told["price_lists"], told["email"]) == ("vip", ["anything"], "ann@example.com")
    assert [address["external_id"] for address in told["addresses"]] == ["11", "12"]


@pytest.mark.parametrize("mode", ["merge", "replace"])
async def test_patch_merges_or_replaces_a_payment_on_account(house: Any, mode: Any) -> None:
    async with house(sparklayer=SparkLayerOptions(addresses=mode)) as running:
        await furnish(running)
        await running.site("PATCH", f"{CUSTOMERS}/1", {"payment_on_account": CREDIT})
        answer = await running.site("PATCH", f"{CUSTOMERS}/1", {"payment_on_account": {"balance": 1}})
    assert answer.json()["payment_on_account"] == (CREDIT if mode == "merge" else {}) | {"balance": 1}


@pytest.mark.parametrize(("mode", "kept"), [("merge", ["11", None, "12"]), ("replace", ["12"])])
async def test_patch_merges_or_replaces_addresses(house: Any, mode: Any, kept: list[str | None]) -> None:
    async with house(sparklayer=SparkLayerOptions(addresses=mode)) as running:
        await furnish(running)
        await running.site("PATCH", f"{CUSTOMERS}/1", {"addresses": [HOME, NAMELESS, WORK]})
        before = (await running.site("GET", f"{CUSTOMERS}/1/addresses")).json()
        answer = await running.site("PATCH", f"{CUSTOMERS}/1", {"addresses": [WORK | {"city": "Hull"}]})
        again = await running.site("POST", f"{CUSTOMERS}/2/addresses", HOME)
    addresses = answer.json()["addresses"]
    assert [address.get("external_id") for address in addresses] == kept
    same = next(address for address in addresses if address.get("external_id") == "12")
    assert (same["city"], same["id"] in {address["id"] for address in before}) == ("Hull", True)
    assert again.status_code == (409 if mode == "merge" else 200), "what vanished is free again"


async def test_addresses_come_and_go_one_by_one(house: Any) -> None:
    async with house() as running:
        await furnish(running)
        made = await running.site("POST", f"{CUSTOMERS}/cu_1/addresses", NAMELESS)
        assert (await running.site("DELETE", f"{CUSTOMERS}/1/addresses/11")).status_code == 204
        assert (await running.site("DELETE", f"{CUSTOMERS}/1/addresses/{made.json()['id']}")).status_code == 204
        left = (await running.site("GET", f"{CUSTOMERS}/1/addresses")).json()
        assert (await running.site("POST", f"{CUSTOMERS}/2/addresses", HOME)).status_code == 200, "its id is free"
        customers = running.sandbox.sparklayer.state.customers
        assert (customers.writes, customers.address_writes) == (2, 4)
    assert (made.status_code, [address["external_id"] for address in left]) == (200, ["12"])


async def test_a_default_address_may_be_named_by_its_external_id(house: Any) -> None:
    async with house() as running:
        made = (await running.site("POST", CUSTOMERS, ANN | {"default_billing_address_id": "12"})).json()
        state = running.sandbox.sparklayer.state
        assert made["default_billing_address_id"] == made["addresses"][1]["id"]
        assert state.comparable()["customers"]["1"]["default_billing_address_id"] == "12"
        await running.site("PATCH", f"{CUSTOMERS}/1", {"default_shipping_address_id": made["addresses"][0]["id"]})
        await running.site("DELETE", f"{CUSTOMERS}/1/addresses/12")
        told = (await running.site("PATCH", f"{CUSTOMERS}/1", {"group": "vip"})).json()
        assert "default_billing_address_id" not in told, "it is gone"
        assert told["default_shipping_address_id"] == made["addresses"][0]["id"]
        cleared = (await running.site("PATCH", f"{CUSTOMERS}/1", {"default_shipping_address_id": ""})).json()
    assert "default_shipping_address_id" not in cleared


@pytest.mark.parametrize("parent", ["1", "cu_1"])
async def test_a_parent_is_told_as_it_was_named_and_cleared_by_an_empty_text(house: Any, parent: str) -> None:
    async with house() as running:
        await furnish(running)
        child = (await running.site("PATCH", f"{CUSTOMERS}/2", {"parent_customer_id": parent})).json()
        orphan = (await running.site("PATCH", f"{CUSTOMERS}/2", {"parent_customer_id": ""})).json()
    assert child["parent_customer_id"] == parent
    assert "parent_customer_id" not in orphan


@pytest.mark.parametrize("parent", ["1", "cu_1"])
async def test_a_deleted_customer_leaves_orphans_and_frees_what_it_had(house: Any, parent: str) -> None:
    async with house() as running:
        await furnish(running)
        await running.site("PATCH", f"{CUSTOMERS}/2", {"parent_customer_id": parent})
        assert (await running.site("DELETE", f"{CUSTOMERS}/{parent}")).status_code == 204
        assert "parent_customer_id" not in (await running.site("GET", f"{CUSTOMERS}/2")).json()
        assert (await running.site("GET", f"{CUSTOMERS}/1")).status_code == 404
        assert (await running.site("POST", CUSTOMERS, ANN)).status_code == 200
        assert running.sandbox.sparklayer.state.customers.removals == 1


async def test_an_email_keeps_its_case_and_can_move_on(house: Any) -> None:
    async with house() as running:
        await furnish(running)
        told = await running.site("PATCH", f"{CUSTOMERS}/1", {"email": "Ann@Example.com"})
        await running.site("PATCH", f"{CUSTOMERS}/1", {"email": "other@example.com"})
        moved = await running.site("PATCH", f"{CUSTOMERS}/2", {"email": "ann@example.com"})
    assert (told.json()["email"], moved.status_code) == ("Ann@Example.com", 200)


async def test_the_status_of_a_duplicate_is_a_switch(house: Any) -> None:
    async with house(sparklayer=SparkLayerOptions(duplicate_status=422)) as running:
        await furnish(running)
        assert (await running.site("POST", CUSTOMERS, NEW | {"external_id": "1"})).status_code == 422
        assert (await running.site("PATCH", f"{CUSTOMERS}/1", {"addresses": [HOME, HOME]})).status_code == 422


async def test_writes_are_kept_when_wanted(house: Any) -> None:
    async with house(sparklayer=SparkLayerOptions(journal=True)) as running:
        await furnish(running)
        await running.site("PATCH", f"{CUSTOMERS}/2", {"group": "vip"})
        await running.site("PATCH", f"{CUSTOMERS}/2", {"group": None})
        assert running.sandbox.sparklayer.state.customers.journal == {"1": [ANN], "2": [BOB, {"group": "vip"}]}


async def test_a_person_changes_and_deletes_behind_everybodys_back(house: Any) -> None:
    async with house(sparklayer=SparkLayerOptions(journal=True)) as running:
        await furnish(running)
        customers = running.sandbox.sparklayer.state.customers
        customers.edit("1", group="vip", addresses=[WORK])
        with pytest.raises(Refused):
            customers.edit("1", email="bob@example.com")
        customers.remove("2")
        told = (await running.site("GET", f"{CUSTOMERS}/1")).json()
        assert (await running.site("PATCH", f"{CUSTOMERS}/2", {"group": "vip"})).status_code == 404
        assert (customers.writes, customers.removals, set(customers.journal)) == (2, 0, {"1", "2"})
    assert (told["group"], told["email"]) == ("vip", "ann@example.com")
