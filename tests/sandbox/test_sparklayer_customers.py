"""Customers of the SparkLayer stand-in: what is unique, what is refused, and what a PUT that leaves it out clears."""

from typing import Any

import pytest

from daemon.sandbox import SparkLayerOptions
from daemon.sandbox.message import Refused

CUSTOMERS = "/api/v2/customers"
ONE, TWO, NONE = (f"{CUSTOMERS}/platform/{name}" for name in ("1", "2", "none"))
HOME = {"external_id": "11", "address_line1": "1 High Street", "city": "Bath", "country_code": "GB"}
WORK = HOME | {"external_id": "12", "city": "York"}
NAMELESS = {"address_line1": "3 Side Road", "city": "Leeds", "country_code": "GBR"}
ANN = {"external_id": "1", "email": "ann@example.com", "group": "base", "addresses": [HOME, WORK]}
BOB = {"external_id": "2", "email": "bob@example.com", "group": "base"}
NEW = {"external_id": "3", "email": "new@example.com"}
CREDIT = {"credit_limit": 100, "balance": 5.5, "currency_code": "GBP"}


def with_address(**fields: Any) -> dict[str, Any]:
    return NEW | {"addresses": [NAMELESS | fields]}


def without(name: str) -> dict[str, Any]:
    return NEW | {"addresses": [{key: value for key, value in NAMELESS.items() if key != name}]}


NEW_ONE = f"{CUSTOMERS}/platform/3"
REFUSED: list[tuple[str, str, Any, int, str | None]] = [
    ("PUT", NEW_ONE, {"external_id": "3"}, 400, "email"),
    ("PUT", NEW_ONE, NEW | {"email": ""}, 400, "email"),
    ("PUT", NEW_ONE, NEW | {"email": "nobody"}, 400, "email"),
    ("PUT", NEW_ONE, NEW | {"email": None}, 400, "email"),
    ("PUT", NEW_ONE, NEW | {"email": "ANN@example.com"}, 409, "email"),
    ("PUT", NEW_ONE, NEW | {"external_id": "4"}, 400, "external_id"),
    ("PUT", NEW_ONE, {"email": "new@example.com"}, 400, "external_id"),
    ("PUT", f"{CUSTOMERS}/email/old@example.com", NEW, 400, "email"),
    ("PUT", f"{CUSTOMERS}/sparklayer/cu_1", ANN, 400, "id"),
    ("PUT", f"{CUSTOMERS}/platform/cu_3", NEW | {"external_id": "cu_3"}, 400, "external_id"),
    ("PUT", NEW_ONE, NEW | {"external_id": 3}, 400, "external_id"),
    ("PUT", NEW_ONE, NEW | {"surprise": 1}, 400, "surprise"),
    ("PUT", NEW_ONE, with_address(external_id="11"), 409, "addresses[0].external_id"),
    ("PUT", NEW_ONE, with_address(external_id="ca_1"), 400, "addresses[0].external_id"),
    ("PUT", NEW_ONE, with_address(country_code="G"), 400, "addresses[0].country_code"),
    ("PUT", NEW_ONE, with_address(country_code="GBRT"), 400, "addresses[0].country_code"),
    ("PUT", NEW_ONE, with_address(address_line1=""), 400, "addresses[0].address_line1"),
    ("PUT", NEW_ONE, with_address(city=""), 400, "addresses[0].city"),
    ("PUT", NEW_ONE, with_address(city=None), 400, "addresses[0].city"),
    ("PUT", NEW_ONE, with_address(surprise=1), 400, "addresses[0].surprise"),
    ("PUT", NEW_ONE, without("address_line1"), 400, "addresses[0].address_line1"),
    ("PUT", NEW_ONE, without("city"), 400, "addresses[0].city"),
    ("PUT", NEW_ONE, without("country_code"), 400, "addresses[0].country_code"),
    ("PUT", NEW_ONE, NEW | {"addresses": [HOME | {"external_id": "9"}] * 2}, 409, "addresses[1].external_id"),
    ("PUT", ONE, ANN | {"addresses": [HOME, HOME]}, 409, "addresses[1].external_id"),
    ("PUT", ONE, ANN | {"email": "bob@example.com"}, 409, "email"),
    ("PUT", f"{CUSTOMERS}/email/ann@example.com", ANN | {"external_id": "2"}, 409, "external_id"),
    ("PUT", TWO, BOB | {"addresses": [HOME]}, 409, "addresses[0].external_id"),
    ("PUT", ONE, ANN | {"role": "queen"}, 400, "role"),
    ("PUT", ONE, ANN | {"status": 1}, 400, "status"),
    ("PUT", ONE, ANN | {"group": None}, 400, "group"),
    ("PUT", ONE, ANN | {"group": "unheard of"}, 400, "group"),
    ("PUT", ONE, ANN | {"currency_code": "pounds"}, 400, "currency_code"),
    ("PUT", ONE, ANN | {"price_lists": "trade"}, 400, "price_lists"),
    ("PUT", ONE, ANN | {"discount_percentage": 101}, 400, "discount_percentage"),
    ("PUT", ONE, ANN | {"discount_percentage": -1}, 400, "discount_percentage"),
    ("PUT", ONE, ANN | {"discount_percentage": "5"}, 400, "discount_percentage"),
    ("PUT", ONE, ANN | {"payment_on_account": CREDIT | {"terms": 30}}, 400, "payment_on_account.terms"),
    ("PUT", ONE, ANN | {"payment_on_account": {"balance": "5"}}, 400, "payment_on_account.balance"),
    ("PUT", ONE, ANN | {"payment_on_account": {"currency_code": "gbp"}}, 400, "payment_on_account.currency_code"),
    ("PUT", ONE, ANN | {"parent_customer_id": "none"}, 400, "parent_customer_id"),
    ("PUT", ONE, ANN | {"parent_customer_id": "1"}, 400, "parent_customer_id"),
    ("PUT", TWO, BOB | {"default_billing_address_id": "11"}, 400, "default_billing_address_id"),
    ("PUT", f"{CUSTOMERS}/other/1", ANN, 400, None),
    ("GET", NONE, None, 404, None),
    ("GET", f"{ONE}?fields=all", None, 400, None),
    ("DELETE", NONE, None, 404, None),
    ("DELETE", f"{CUSTOMERS}/email/none@example.com", None, 404, None),
    ("POST", CUSTOMERS, NEW, 404, None),
    ("PATCH", ONE, {"group": "vip"}, 405, None),
    ("GET", "/api/v1/customers/1", None, 404, None),
]


async def furnish(running: Any) -> None:
    await running.site("PUT", ONE, ANN)
    await running.site("PUT", TWO, BOB)


async def test_a_problem_names_the_place_and_changes_nothing(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(groups=("vip",))) as running:
        await furnish(running)
        state = running.sandbox.sparklayer.state
        before = state.comparable()
        for method, path, body, status, place in REFUSED:
            answer = await running.site(method, path, body)
            case, problem = (method, path, body), answer.json()
            assert state.comparable() == before, case
            assert (answer.status_code, problem["status"]) == (status, status), (case, problem)
            assert [error["property"] for error in problem.get("errors", [])] == ([] if place is None else [place]), (
                case
            )
        assert (state.customers.writes, state.customers.removals) == (2, 0)


async def test_a_customer_is_made_and_found_by_every_lookup(harness: Any) -> None:
    async with harness() as running:
        made = await running.site("PUT", ONE, ANN | {"payment_on_account": CREDIT, "role": "main"})
        found = [
            (await running.site("GET", f"{CUSTOMERS}/{path}")).json()
            for path in ("platform/1", "email/Ann@example.com", f"sparklayer/{made.json()['id']}")
        ]
        picture = running.sandbox.sparklayer.state.comparable()["customers"]
        again = await running.site("PUT", ONE, ANN)
    assert (made.status_code, again.status_code) == (201, 200)
    assert found == [made.json()] * 3
    assert made.json()["id"].startswith("cu_")
    assert all(address["id"].startswith("ca_") for address in made.json()["addresses"])
    plain = {key: {name: value for name, value in one.items() if name != "external_id"} for key, one in ADDRESSES}
    known = {"email": "ann@example.com", "group": "base", "role": "main", "payment_on_account": CREDIT}
    assert picture == {"1": known | {"addresses": plain}}


ADDRESSES = [("11", HOME), ("12", WORK)]

LEFT_OUT: dict[str, Any] = {
    "accounting_id": "A-1",
    "price_lists": ["trade"],
    "discount_percentage": 5,
    "tax_exempt": True,
    "sales_agent_groups": ["north"],
    "status": "active",
    "role": "limited-customer",
    "title": "Ms",
    "default_billing_address_id": "12",
    "parent_customer_id": "2",
}


async def test_a_put_clears_what_it_leaves_out(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        await running.site("PUT", ONE, ANN | LEFT_OUT | {"group": "vip", "payment_on_account": CREDIT})
        before = (await running.site("GET", ONE)).json()
        after = (await running.site("PUT", ONE, {"external_id": "1", "email": "ann@example.com"})).json()
    assert LEFT_OUT.keys() <= before.keys()
    assert not LEFT_OUT.keys() & after.keys()
    assert (after["group"], after["addresses"]) == ("base", [])
    assert after["payment_on_account"] == {"balance": 5.5}, "the balance is SparkLayer's own"


async def test_the_balance_of_a_payment_on_account_stays_unless_it_is_written(harness: Any) -> None:
    async with harness() as running:
        await running.site("PUT", ONE, ANN | {"payment_on_account": CREDIT})
        kept = (await running.site("PUT", ONE, ANN | {"payment_on_account": {"credit_limit": 7}})).json()
        written = (await running.site("PUT", ONE, ANN | {"payment_on_account": {"balance": 1}})).json()
    assert kept["payment_on_account"] == {"credit_limit": 7, "balance": 5.5}
    assert written["payment_on_account"] == {"balance": 1}


async def test_an_address_keeps_its_id_and_one_that_is_left_out_is_free(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        before = (await running.site("PUT", ONE, ANN | {"addresses": [HOME, NAMELESS, WORK]})).json()["addresses"]
        kept = [WORK | {"city": "Hull"}, NAMELESS | {"id": before[1]["id"]}]
        after = (await running.site("PUT", ONE, ANN | {"addresses": kept})).json()["addresses"]
        taken = await running.site("PUT", TWO, BOB | {"addresses": [HOME]})
    assert [address["id"] for address in after] == [before[2]["id"], before[1]["id"]]
    assert (after[0]["city"], taken.status_code) == ("Hull", 200)


async def test_a_default_address_may_be_named_by_its_external_id(harness: Any) -> None:
    async with harness() as running:
        made = (await running.site("PUT", ONE, ANN | {"default_billing_address_id": "12"})).json()
        state = running.sandbox.sparklayer.state
        assert made["default_billing_address_id"] == made["addresses"][1]["id"]
        assert state.comparable()["customers"]["1"]["default_billing_address_id"] == "12"
        own = made["addresses"][0]["id"]
        told = (await running.site("PUT", ONE, ANN | {"default_shipping_address_id": own})).json()
    assert told["default_shipping_address_id"] == own


@pytest.mark.parametrize("parent", ["1", "cu_1"])
async def test_a_deleted_customer_leaves_orphans_and_frees_what_it_had(harness: Any, parent: str) -> None:
    async with harness() as running:
        await furnish(running)
        child = (await running.site("PUT", TWO, BOB | {"parent_customer_id": parent})).json()
        assert child["parent_customer_id"] == parent
        assert (await running.site("DELETE", ONE)).status_code == 204
        assert "parent_customer_id" not in (await running.site("GET", TWO)).json()
        assert (await running.site("GET", ONE)).status_code == 404
        assert (await running.site("PUT", ONE, ANN)).status_code == 201
        assert running.sandbox.sparklayer.state.customers.removals == 1


async def test_an_email_keeps_its_case_and_can_move_on(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        told = await running.site("PUT", ONE, ANN | {"email": "Ann@Example.com"})
        await running.site("PUT", ONE, ANN | {"email": "other@example.com"})
        moved = await running.site("PUT", TWO, BOB | {"email": "ann@example.com"})
    assert (told.json()["email"], moved.status_code) == ("Ann@Example.com", 200)


async def test_a_customer_of_nobody_is_linked_by_its_email(harness: Any) -> None:
    async with harness() as running:
        by_email = f"{CUSTOMERS}/email/ann@example.com"
        made = (await running.site("PUT", by_email, {"email": "ann@example.com", "price_lists": ["trade"]})).json()
        linked = (await running.site("PUT", by_email, ANN)).json()
        assert (await running.site("GET", ONE)).json() == linked
    assert (linked["id"], linked["external_id"]) == (made["id"], "1")


async def test_writes_are_kept_when_wanted(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(journal=True)) as running:
        await furnish(running)
        await running.site("PUT", TWO, BOB | {"group": "vip"})
        await running.site("PUT", TWO, BOB | {"group": None})
        journal = running.sandbox.sparklayer.state.customers.journal
        assert journal == {"1": [ANN], "2": [BOB, BOB | {"group": "vip"}]}


async def test_a_person_changes_and_deletes_behind_everybodys_back(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(journal=True)) as running:
        await furnish(running)
        customers = running.sandbox.sparklayer.state.customers
        customers.edit("1", group="vip", payment_on_account={"balance": 9})
        with pytest.raises(Refused):
            customers.edit("1", email="bob@example.com")
        customers.remove("2")
        told = (await running.site("GET", ONE)).json()
        assert (await running.site("GET", TWO)).status_code == 404
        assert (customers.writes, customers.removals, set(customers.journal)) == (2, 0, {"1", "2"})
    assert (told["group"], told["email"], len(told["addresses"])) == ("vip", "ann@example.com", 2)
    assert told["payment_on_account"] == {"balance": 9}
