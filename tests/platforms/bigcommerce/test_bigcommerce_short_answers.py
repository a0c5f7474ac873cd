"""A list with fewer rows than BigCommerce counts is retried, and believed only after it repeats."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen
from trio.testing import MockClock

from daemon.entities import Customer, Order, Product
from daemon.errors import Rejected, Retry
from daemon.model import ExternalId, Kind
from daemon.platforms.shared.short_answers import BELIEVED, ShortAnswers
from daemon.sandbox import answer
from daemon.sandbox.bigcommerce.catalogue import Location
from daemon.sandbox.bigcommerce.founding import add_groups
from daemon.sandbox.company import WHOLESALE
from tests.platforms.bigcommerce.stand_in import CARTS, AdapterHarness

HOME = {"address1": "1 High Street", "city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}
PAGES = {"total": 0, "count": 0, "per_page": 250, "current_page": 1, "total_pages": 0}
NONE = answer(200, json.dumps({"data": [], "meta": {"pagination": PAGES}}))
GONE = answer(204)


@frozen
class Case:
    """An entity, its list that will be short, the short answer, and the part of the entity that shows the list."""

    kind: Kind
    make: Callable[[AdapterHarness], int]
    path: str
    short: Any
    show: Callable[[Any], Any]
    whole: Any
    believed: Any


def _customer(harness: AdapterHarness) -> int:
    add_groups(harness.store)
    places = [HOME | {"address2": f"Pause {number}"} for number in range(12)]
    made = harness.store.customers.add("x@example.com", group_id=WHOLESALE, addresses=places, silent=True)
    for number in range(10):
        harness.store.customers.set_attribute(made, f"other {number}", "v")
    harness.store.customers.set_attribute(made, "price_lists", "vip")
    return made


def _addresses(value: Customer) -> int:
    return len(value.addresses)


def _price_lists(value: Customer) -> tuple[str, ...]:
    return value.price_lists


def _order(harness: AdapterHarness) -> int:
    lines = [{"name": f"Part {number}", "sku": f"P-{number}", "quantity": 2, "price": 1} for number in range(60)]
    made = harness.order(CARTS[0], lines=lines)
    harness.store.orders.ship(made, tracking_number="T1", silent=True)
    return made


def _shape(value: Order) -> list[tuple[int, str | None]]:
    """Return the number of lines and the tracking number of each package."""
    sent = [(package.lines, package.shipment) for package in value.packages]
    return [(len(lines), shipment.tracking_number if shipment else None) for lines, shipment in sent]


def _stocked(harness: AdapterHarness) -> int:
    harness.store.locations.append(Location(2, "york", "York"))
    for variant in harness.store.entry(harness.jumper).variants:
        harness.store.set_stock(variant.id, 20, location_id=2, silent=True)
    return harness.jumper


def _pooled(harness: AdapterHarness) -> int:
    _stocked(harness)
    harness.store.set_stock(harness.store.by_sku("MUG").id, 20, location_id=2, silent=True)
    return harness.mug


def _levels(value: Product) -> list[int]:
    return [stock.level for stock in value.stock.values()]


CASES = {
    "addresses": Case(Kind.CUSTOMERS, _customer, "GET */v3/customers/addresses", NONE, _addresses, 12, 10),
    "attributes": Case(
        Kind.CUSTOMERS, _customer, "GET */v3/customers/attribute-values", NONE, _price_lists, ("vip",), ()
    ),
    "lines": Case(Kind.ORDERS, _order, "GET */v2/orders/*/products", GONE, _shape, [(60, "T1")], [(50, "T1")]),
    "shipments": Case(Kind.ORDERS, _order, "GET */v2/orders/*/shipments", GONE, _shape, [(60, "T1")], [(60, None)]),
    "inventory": Case(Kind.PRODUCTS, _stocked, "GET */v3/inventory/items", NONE, _levels, [23, 23, 23], [3, 3, 3]),
    "inventory of a whole": Case(Kind.PRODUCTS, _pooled, "GET */v3/inventory/items", NONE, _levels, [21], [1]),
}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_case
async def test_a_short_answer_is_tried_again(harness: AdapterHarness, case: Case) -> None:
    made = case.make(harness)
    await harness.walk(case.kind)
    harness.api.faults.add(case.path, case.short, times=1)
    with pytest.raises(Retry, match="are listed") as failed:
        await harness.read(case.kind, made)
    assert failed.value.reason == "page_miscounted"
    assert case.show((await harness.read(case.kind, made))[str(made)].value) == case.whole


@every_case
async def test_a_list_that_goes_on_being_short_is_believed_at_last(harness: AdapterHarness, case: Case) -> None:
    made = case.make(harness)
    harness.api.faults.add(case.path, case.short)
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry):
            await harness.read(case.kind, made)
    for _ in range(2):
        assert case.show((await harness.read(case.kind, made))[str(made)].value) == case.believed


async def test_one_short_list_does_not_keep_neighbours_from_being_read(harness: AdapterHarness) -> None:
    made = _customer(harness)
    other = harness.store.customers.add("y@example.com", group_id=WHOLESALE, silent=True)
    harness.api.faults.add("GET */v3/customers/addresses", NONE)
    page = await harness.shop.page(Kind.CUSTOMERS, None)
    assert [one.external_id for one in page.entities] == [ExternalId(str(made)), ExternalId(str(other))]
    assert (await harness.read(Kind.CUSTOMERS, other))[str(other)].value is not None


def _doubt_addresses(harness: AdapterHarness, why: str) -> None:
    """Have some addresses of a customer be missing: they are said to be another's, or are not listed."""

    def estrange(body: Any) -> None:
        body["data"][0]["customer_id"] = 9999

    if why == "stray rows":
        harness.rewrite("GET */v3/customers/addresses", estrange)
    else:
        harness.api.faults.add("GET */v3/customers/addresses", NONE)


@pytest.mark.parametrize("why", ["stray rows", "short list"])
async def test_refused_attributes_are_told_before_a_doubt_about_addresses(harness: AdapterHarness, why: str) -> None:
    made = _customer(harness)
    await harness.walk(Kind.CUSTOMERS)
    _doubt_addresses(harness, why)
    refusal = answer(400, '{"status":400,"title":"Bad"}', {"content-type": "application/json"})
    harness.api.faults.add("GET */v3/customers/attribute-values", refusal)
    with pytest.raises(Rejected, match="Bad"):
        await harness.read(Kind.CUSTOMERS, made)


@pytest.mark.parametrize("why", ["stray rows", "short list"])
async def test_an_odd_attribute_is_told_before_a_doubt_about_addresses(harness: AdapterHarness, why: str) -> None:
    made = _customer(harness)
    await harness.walk(Kind.CUSTOMERS)
    _doubt_addresses(harness, why)

    def spoil(body: Any) -> None:
        body["data"][0]["attribute_value"] = [1]

    harness.rewrite("GET */v3/customers/attribute-values", spoil)
    told = (await harness.read(Kind.CUSTOMERS, made))[str(made)]
    assert (told.value, [issue.code for issue in told.issues]) == (None, ["field_unreadable"])


async def test_the_inventory_may_leave_out_what_has_no_sku(harness: AdapterHarness) -> None:
    made = _stocked(harness)
    small = harness.store.by_sku("J-S").id
    harness.store.set_sku(small, "", silent=True)

    def leave_out(body: Any) -> None:
        body["data"] = [row for row in body["data"] if row["identity"]["variant_id"] != small]
        body["meta"]["pagination"]["total"] = len(body["data"])

    harness.rewrite("GET */v3/inventory/items", leave_out)
    assert _levels((await harness.read(Kind.PRODUCTS, made))[str(made)].value) == [23, 23]


async def test_a_list_without_any_stock_location_is_tried_again_too(harness: AdapterHarness) -> None:
    made = _stocked(harness)
    harness.api.faults.add("GET */v3/inventory/locations", NONE, times=1)
    with pytest.raises(Retry) as failed:
        await harness.shop.facts()
    assert failed.value.reason == "page_miscounted"
    assert (await harness.shop.facts()).locations == 2
    assert _levels((await harness.read(Kind.PRODUCTS, made))[str(made)].value) == [23, 23, 23]
    harness.api.faults.add("GET */v3/inventory/locations", NONE)
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry):
            await harness.shop.facts()
    assert (await harness.shop.facts()).locations == 1


def test_what_says_something_else_is_doubted_anew() -> None:
    short_answers = ShortAnswers()
    for listed in (0, 1):
        for _ in range(BELIEVED - 1):
            assert short_answers.about(7, "addresses", 12, listed)
    assert short_answers.about(7, "addresses", 12, 1) is None
    assert short_answers.about(7, "addresses", 12, 12) is None
    assert short_answers.about(7, "addresses", 12, 1), "it was whole in between"
    assert short_answers.about(8, "addresses", 12, 13) is None


@pytest.mark.holds("C7")
@pytest.mark.parametrize("number", [100, 101, 300])
def test_however_many_are_doubted_each_is_believed_in_the_end(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("daemon.platforms.shared.short_answers.MOST", 100)
    short_answers = ShortAnswers()
    for turn in range(1, 4 * BELIEVED):
        believed = [short_answers.about(owner, "stock levels", 3, 2) is None for owner in range(number)]
        assert turn >= BELIEVED or not any(believed)
    assert all(believed)
    assert short_answers.about(0, "stock levels", 4, 2), "it says something else"


def test_only_so_many_doubts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("MOST", 3), ("STALE", 20), ("MOST_BELIEVED", 4)):
        monkeypatch.setattr(f"daemon.platforms.shared.short_answers.{name}", number)
    short_answers = ShortAnswers()

    def read_all() -> list[bool]:
        return [short_answers.about(owner, "addresses", 12, 0) is None for owner in range(6)]

    for _ in range(2 * BELIEVED):
        read_all()
    believed = [read_all() for _ in range(3 * BELIEVED)]
    often = [sum(of_one) for of_one in zip(*believed, strict=True)]
    assert often[:4] == [3 * BELIEVED] * 4, "none loses its place to another"
    assert often[4:] == [3, 3], "they are believed at each eighth reading"
    for owner in range(100, 103):
        assert short_answers.about(owner, "addresses", 12, 0)
    late = [short_answers.about(200, "addresses", 12, 0) for _ in range(100)]
    assert None in late, "those that nobody asks for any more keep no place"


@pytest.mark.holds("A4")
async def test_that_there_are_no_groups_takes_two_answers(harness: AdapterHarness, autojump_clock: MockClock) -> None:
    made = _customer(harness)
    harness.api.faults.add("GET */v2/customer_groups", GONE, times=1)
    assert (await harness.read(Kind.CUSTOMERS, made))[str(made)].value is not None


@pytest.mark.holds("A4")
async def test_a_list_without_groups_is_never_believed_against_a_customer(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    """The groups are read once after a start: an empty list would make every customer a retail customer."""
    made = _customer(harness)
    harness.api.faults.add("GET */v2/customer_groups", GONE, times=4 * BELIEVED)
    for _ in range(2 * BELIEVED):
        with pytest.raises(Retry) as failed:
            await harness.read(Kind.CUSTOMERS, made)
        assert failed.value.reason == "page_miscounted"
    assert (await harness.read(Kind.CUSTOMERS, made))[str(made)].value is not None


async def test_a_list_with_fewer_rows_than_it_counts_is_tried_again_until_it_is_believed(
    harness: AdapterHarness,
) -> None:
    cut = answer(200, json.dumps({"data": [], "meta": {"pagination": PAGES | {"total": 1, "total_pages": 1}}}))
    order = harness.order(CARTS[0])
    harness.api.faults.add(f"GET */v3/orders/{order}/metafields", cut)
    for _ in range(BELIEVED - 1):
        with pytest.raises(Retry, match="lists fewer rows at /v3/orders/"):
            await harness.read(Kind.ORDERS, order)
    assert (await harness.read(Kind.ORDERS, order))[str(order)].value is None


async def test_a_count_that_is_wrong_whatever_is_asked_for_is_believed_at_last(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    """Customers are retried together with different others each time."""
    made = [_customer(harness)]
    pages = PAGES | {"total": 99, "total_pages": 1}

    def miscount(body: Any) -> None:
        body["meta"]["pagination"] |= {"total": pages["total"]}

    harness.rewrite("GET */v3/customers/addresses", miscount)
    refused = 0
    for number in range(BELIEVED):
        try:
            found = await harness.read(Kind.CUSTOMERS, *made)
        except Retry:
            refused += 1
        places = [HOME | {"address2": f"Pause {gate}"} for gate in range(11)]
        email = f"y{number}@example.com"
        made.append(harness.store.customers.add(email, group_id=WHOLESALE, addresses=places, silent=True))
    assert 0 < refused < BELIEVED, "a read is tried more than once"
    assert all(found[str(one)].value is not None for one in made[:-1])
