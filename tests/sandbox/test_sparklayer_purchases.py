"""Purchases of the SparkLayer stand-in: replaced whole, never mixed up, and exact to the last digit."""

from typing import Any

import pytest

from daemon.sandbox import SparkLayerOptions

PURCHASES = "/api/v1/purchases"
CART = "4217ba4f-7618-4e3b-b1af-9055639b18d1"
OTHER = "11111111-7618-4e3b-b1af-9055639b18d1"
THIRD = "22222222-7618-4e3b-b1af-9055639b18d1"
HERE = f"/sparklayer/{CART}"


def money(number: Any, currency: str = "GBP") -> dict[str, Any]:
    return {"number": number, "currency": currency}


def line(**total: Any) -> dict[str, Any]:
    return {"identifiers": {"sku": "MUG"}, "name_parent": "Mug", "quantity": 2, "line_total": total}


def body(**fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "type": "order",
        "purchase_identifiers": {"sparklayer": CART, "platform": "1001", "visible": "#1001"},
        "customer_identifiers": {"platform": "7"},
        "dates": {"placed_at": "2026-01-30T08:30:00Z", "updated_at": "2026-01-31T08:30:00Z"},
        "currency_code": "GBP",
        "packages": [{"identifiers": {}, "type": "incoming", "line_items": [line(total_gross=money("15.99"))]}],
        "accounting_files": [{"identifiers": {"visible": "INV-1"}, "data": {"type": "uri"}, "file_type": "invoice"}],
        "custom_fields": [{"name": "Department"}],
        "metadata": [{"name": "source", "value": "storefront"}],
    }
    return {**known, **fields}


def named(**ids: str) -> dict[str, Any]:
    return body(purchase_identifiers=ids)


def package(**fields: Any) -> dict[str, Any]:
    return body(packages=[{"type": "shipped", **fields}])


def priced(amount: Any) -> dict[str, Any]:
    return package(line_items=[line(total_net=amount)])


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in body().items() if key != name}


REQUIRED = (
    "type",
    "purchase_identifiers",
    "customer_identifiers",
    "dates",
    "packages",
    "accounting_files",
    "custom_fields",
    "metadata",
)
LINE = "packages[0].line_items[0]"
NUMBER, CURRENCY = f"{LINE}.line_total.total_net.number", f"{LINE}.line_total.total_net.currency"
STORED_ID = "purchase_identifiers.sparklayer"
PLATFORM_ID = "purchase_identifiers.platform"

REFUSED: list[tuple[str, str, Any, int, list[str]]] = [
    *(("PUT", HERE, without(name), 400, [name]) for name in REQUIRED),
    ("PUT", HERE, body(type="basket"), 400, ["type"]),
    ("PUT", HERE, body(surprise=1), 400, ["surprise"]),
    ("PUT", HERE, body(calculated_total=money("15.99")), 400, ["calculated_total"]),
    ("PUT", HERE, body(calculated_total_usd=money("15.99")), 400, ["calculated_total_usd"]),
    ("PUT", HERE, body(calculated_fulfilment_status="open"), 400, ["calculated_fulfilment_status"]),
    ("PUT", HERE, body(calculated_shipping_address="Bath"), 400, ["calculated_shipping_address"]),
    ("PUT", HERE, body(payment_method="barter"), 400, ["payment_method"]),
    ("PUT", HERE, body(customer_reference=None), 400, ["customer_reference"]),
    ("PUT", HERE, body(dates={"seen": "2026-01-30T08:30:00Z"}), 400, ["dates.seen"]),
    ("PUT", HERE, body(packages={}), 400, ["packages"]),
    ("PUT", HERE, body(customer_identifiers={"email": "a@example.com"}), 400, ["customer_identifiers.email"]),
    ("PUT", HERE, named(cart=CART), 400, ["purchase_identifiers.cart"]),
    ("PUT", HERE, body(custom_fields=[{"surprise": 1}]), 400, ["custom_fields[0].surprise"]),
    ("PUT", HERE, body(metadata=[{"name": "a", "value": 1}]), 400, ["metadata[0].value"]),
    ("PUT", HERE, body(accounting_files=["invoice.pdf"]), 400, ["accounting_files[0]"]),
    ("PUT", HERE, package(type="lost"), 400, ["packages[0].type"]),
    ("PUT", HERE, package(surprise=1), 400, ["packages[0].surprise"]),
    ("PUT", HERE, package(shipments=[{"tracking": "1Z"}]), 400, ["packages[0].shipments[0].tracking"]),
    ("PUT", HERE, package(shipping_address={"postcode": "BA1"}), 400, ["packages[0].shipping_address.postcode"]),
    ("PUT", HERE, package(line_items=[{"identifiers": {"id": 9}}]), 400, [f"{LINE}.identifiers.id"]),
    ("PUT", HERE, package(line_items=[{"sku": "MUG"}]), 400, [f"{LINE}.sku"]),
    ("PUT", HERE, package(line_items=[{"quantity": 1.5}]), 400, [f"{LINE}.quantity"]),
    (
        "PUT",
        HERE,
        package(line_items=[{"custom_attributes": [{"key": "Size"}]}]),
        400,
        [f"{LINE}.custom_attributes[0].value"],
    ),
    ("PUT", HERE, priced(money(15.99)), 400, [NUMBER]),
    ("PUT", HERE, priced(money("15,99")), 400, [NUMBER]),
    ("PUT", HERE, priced(money("1e3")), 400, [NUMBER]),
    ("PUT", HERE, priced(money("15.")), 400, [NUMBER]),
    ("PUT", HERE, priced(money("")), 400, [NUMBER]),
    ("PUT", HERE, priced(money("15.99", "gbp")), 400, [CURRENCY]),
    ("PUT", HERE, priced({"number": "15.99"}), 400, [CURRENCY]),
    ("PUT", HERE, priced("15.99"), 400, [f"{LINE}.line_total.total_net"]),
    (
        "PUT",
        HERE,
        priced(money("1.00", "USD")) | {"total_paid": money("1.00", "EUR")},
        400,
        [f"{LINE}.line_total.total_net", "total_paid"],
    ),
    ("PUT", HERE, body(tax_lines=[{"amount": money("1", "USD")}]), 400, ["tax_lines[0].amount"]),
    ("PUT", "/sparklayer/1001", body(), 400, []),
    ("PUT", "/email/1001", body(), 400, []),
    ("PUT", HERE, named(sparklayer=OTHER), 403, [STORED_ID]),
    ("PUT", "/platform/1001", named(platform="1001"), 403, [STORED_ID]),
    ("PUT", "/visible/%231001", named(sparklayer=THIRD, visible="#1001"), 403, [STORED_ID]),
    ("PUT", "/visible/new", named(visible="old"), 400, ["purchase_identifiers.visible"]),
    ("PUT", f"/sparklayer/{THIRD}", body(), 400, [STORED_ID]),
    ("PUT", "/platform/1003", named(sparklayer="1003"), 400, [STORED_ID]),
    ("PUT", f"/sparklayer/{THIRD}", named(platform="1001"), 409, [PLATFORM_ID]),
    ("PUT", HERE, named(sparklayer=CART, platform="1002"), 409, [PLATFORM_ID]),
    ("PUT", "/platform/1003", named(sparklayer=CART), 409, [STORED_ID]),
    ("GET", f"/sparklayer/{THIRD}", None, 404, []),
    ("GET", "/sparklayer/1001", None, 400, []),
    ("GET", "/email/1001", None, 400, []),
    ("DELETE", "/platform/none", None, 404, []),
    ("DELETE", "/sparklayer/1001", None, 400, []),
    ("GET", "?limit=0", None, 400, ["limit"]),
    ("GET", "?limit=501", None, 400, ["limit"]),
    ("GET", "?limit=many", None, 400, ["limit"]),
    ("GET", "?limit=", None, 400, ["limit"]),
    ("GET", "?offset=-1", None, 400, ["offset"]),
    ("GET", "?type=order&page=2", None, 400, ["type"]),
    ("GET", f"{HERE}?limit=1", None, 400, []),
]


async def furnish(running: Any) -> None:
    await running.site("PUT", PURCHASES + HERE, body())
    await running.site("PUT", f"{PURCHASES}/sparklayer/{OTHER}", named(platform="1002"))


async def test_a_problem_names_the_places_and_changes_nothing(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        state = running.sandbox.sparklayer.state
        before = state.comparable()
        for method, path, content, status, positions in REFUSED:
            answer = await running.site(method, PURCHASES + path, content)
            case, problem = (method, path, content), answer.json()
            assert state.comparable() == before, case
            assert (answer.status_code, problem["status"]) == (status, status), (case, problem)
            assert [error["property"] for error in problem.get("errors", [])] == positions, case
        assert (state.purchases.writes, state.purchases.removals) == (2, 0)


@pytest.mark.parametrize("path", [HERE, "/platform/1001", "/internal/ERP-1", "/visible/%231001"])
async def test_a_purchase_is_found_by_each_of_its_names(harness: Any, path: str) -> None:
    ids = {"sparklayer": CART, "platform": "1001", "internal": "ERP-1", "visible": "#1001"}
    async with harness() as running:
        made = await running.site("PUT", PURCHASES + path, body(purchase_identifiers=ids))
        found = await running.site("GET", PURCHASES + path)
    assert (made.status_code, found.json()["purchase_identifiers"]) == (200, ids)
    assert made.json() == found.json()


async def test_a_put_replaces_everything(harness: Any) -> None:
    async with harness() as running:
        await running.site("PUT", PURCHASES + HERE, body(customer_reference="PO-1", total_paid=money("3")))
        bare = body(packages=[], custom_fields=[], metadata=[], accounting_files=[], purchase_identifiers={})
        told = (await running.site("PUT", PURCHASES + HERE, bare)).json()
        held = running.sandbox.sparklayer.state.comparable()["purchases"]
    assert held == {CART: bare | {"purchase_identifiers": {"sparklayer": CART}}}, "the path's name is the purchase's"
    assert not {"customer_reference", "total_paid"} & told.keys()


async def test_totals_are_calculated_exactly(harness: Any) -> None:
    gross = [line(total_gross=money("0.10"), total_net=money("99")), line(total_gross=money("0.20"))]
    shipping = {"name": "Post", "line_total": {"total_gross": money("4.005")}}
    packages = [{"type": "shipped", "line_items": gross, "shipping_method": shipping}, {"type": "complete"}]
    async with harness() as running:
        told = (await running.site("PUT", PURCHASES + HERE, body(packages=packages))).json()
        open_one = (await running.site("PUT", PURCHASES + HERE, package(type="returned"))).json()
        unpriced = await running.site("PUT", PURCHASES + HERE, without("currency_code"))
    assert (told["calculated_total"], told["calculated_fulfilment_status"]) == (money("4.305"), "shipped")
    assert (open_one["calculated_total"], open_one["calculated_fulfilment_status"]) == (money("0"), "open")
    assert (unpriced.status_code, "calculated_total" in unpriced.json()) == (200, False)


async def test_tracking_and_an_inferred_customer_are_taken(harness: Any) -> None:
    shipment = {
        "carrier": "DPD",
        "carrier_id": "dpd",
        "tracking_number": "1Z",
        "tracking_url": "https://dpd.example/1Z",
    }
    people = {"sparklayer": "cu_1", "sparklayer_impersonator": "cu_2", "sparklayer_sales_rep": "cu_3", "platform": "7"}
    sent = package(shipments=[shipment]) | {"customer_identifiers": people}
    async with harness() as running:
        told = (await running.site("PUT", PURCHASES + HERE, sent)).json()
    assert (told["packages"][0]["shipments"], told["customer_identifiers"]) == ([shipment], people)


async def test_a_deleted_purchase_is_gone(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        assert (await running.site("DELETE", f"{PURCHASES}/platform/1001")).status_code == 204
        assert (await running.site("GET", PURCHASES + HERE)).status_code == 404
        purchases = running.sandbox.sparklayer.state.purchases
        assert (len(purchases.purchases), purchases.removals) == (1, 1)


async def test_the_newest_come_first_in_pages(harness: Any) -> None:
    async with harness() as running:
        for number in range(5):
            await running.site("PUT", f"{PURCHASES}/platform/{number}", named(platform=str(number)))
        pages = [
            [one["purchase_identifiers"]["platform"] for one in (await running.site("GET", PURCHASES + query)).json()]
            for query in ("", "?limit=2", "?limit=2&offset=2", "?limit=2&offset=4", "?limit=500&offset=5")
        ]
    assert pages == [["4", "3", "2", "1", "0"], ["4", "3"], ["2", "1"], ["0"], []]


async def test_an_order_of_the_storefront_has_what_must_be_carried_over(harness: Any) -> None:
    async with harness() as running:
        purchases = running.sandbox.sparklayer.state.purchases
        ordered = [{"sku": "MUG", "quantity": 3, "price": "7.50"}, {"sku": "J-S"}]
        purchases.place(CART, customer="cu_5", reference="PO-77", lines=ordered)
        told = (await running.site("GET", PURCHASES + HERE)).json()
        sent = {name: value for name, value in told.items() if not name.startswith("calculated_")}
        sent["dates"] = {name: date for name, date in told["dates"].items() if not name.startswith("calculated_")}
        again = await running.site("PUT", PURCHASES + HERE, sent | {"type": "order"})
        assert purchases.writes == 1, "what the storefront does is no write"
    assert told["type"] == "order_unconfirmed"
    assert told["purchase_identifiers"] == {"sparklayer": CART, "internal": "ERP-PO-77"}
    assert told["customer_identifiers"] == {
        "sparklayer": "cu_5",
        "sparklayer_child": "cu_child",
        "sparklayer_sales_rep": "cu_rep",
    }
    assert (told["customer_reference"], told["payment_method"]) == ("PO-77", "on_account")
    assert (told["custom_fields"], told["metadata"][0]["value"]) == ([{"name": "Department"}], "storefront")
    assert [one["identifiers"]["sku"] for one in told["packages"][0]["line_items"]] == ["MUG", "J-S"]
    assert told["calculated_total"] == money("32.50", "USD")
    assert again.status_code == 200, "what it answers, but for what it calculates, it takes back"


async def test_a_cart_is_a_uuid_and_ordered_once(harness: Any) -> None:
    async with harness() as running:
        purchases = running.sandbox.sparklayer.state.purchases
        purchases.place(CART)
        for cart in (CART, "1001"):
            with pytest.raises(ValueError, match=r"ordered before|UUID"):
                purchases.place(cart)
        assert len(purchases.purchases) == 1


async def test_writes_are_kept_when_wanted(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(journal=True)) as running:
        await running.site("PUT", PURCHASES + HERE, body())
        await running.site("PUT", PURCHASES + HERE, body(type="basket"))
        assert running.sandbox.sparklayer.state.purchases.journal == {CART: [body()]}


async def test_a_person_may_change_what_is_held_in_place(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        purchases = running.sandbox.sparklayer.state.purchases
        held = purchases.find("platform", "1001")
        held.customer_reference = "PO-2"
        assert (await running.site("GET", PURCHASES + HERE)).json()["customer_reference"] == "PO-2"
        assert purchases.writes == 2
