"""A failing secondary call fails its entity only: pages, batches and sweeps go on without it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from daemon.errors import Blocked, Failure, Rejected, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.shared.secondary import MOST_SPLITS, of_each, of_lists
from daemon.sandbox import answer, html
from daemon.sandbox.bigcommerce.catalogue import Location
from daemon.sandbox.bigcommerce.founding import add_groups
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.message import Request, Response
from tests.platforms.bigcommerce.stand_in import CARTS, FACTS, AdapterHarness, walk

pytestmark = pytest.mark.holds("C1")

HOME = {"address1": "1 High Street", "city": "Bath", "postal_code": "BA1 1AA", "country_code": "GB"}


@frozen(kw_only=True)
class Case:
    """Two entities of a kind; a secondary call of the first one will fail.

    `path` is the path of that call. With `listed` it is a list for many entities, which fails if that filter names the
    first one. If `row` is true, a row of the answer can be changed; if `paged` is true, pages make the call too.
    """

    kind: Kind
    make: Callable[[AdapterHarness], tuple[int, int]]
    path: str
    listed: str | None = None
    row: bool = True
    paged: bool = True
    named: str = "{}"
    """The id to read, if not the entity's own."""


def _orders(harness: AdapterHarness) -> tuple[int, int]:
    lines = [{"name": f"Part {number}", "sku": f"P-{number}", "quantity": 2, "price": 1} for number in range(60)]
    made = harness.order(CARTS[0], lines=lines), harness.order(CARTS[1], lines=lines)
    for one in made:
        harness.store.orders.ship(one, tracking_number="T1", silent=True)
    return made


def _retail(harness: AdapterHarness) -> tuple[int, int]:
    return harness.order(), harness.order(CARTS[1])


def _customers(harness: AdapterHarness) -> tuple[int, int]:
    add_groups(harness.store)
    made = []
    for number in range(2):
        places = [HOME | {"address2": f"Pause {gate}"} for gate in range(12)]
        made.append(
            harness.store.customers.add(f"x{number}@example.com", group_id=WHOLESALE, addresses=places, silent=True)
        )
        for name in range(12):
            harness.store.customers.set_attribute(made[-1], f"other {name}", "v")
    return made[0], made[1]


def _products(harness: AdapterHarness) -> tuple[int, int]:
    harness.store.locations.append(Location(2, "york", "York"))
    for variant in harness.store.entry(harness.jumper).variants:
        harness.store.set_stock(variant.id, 20, location_id=2, silent=True)
    return harness.jumper, harness.mug


def _described(harness: AdapterHarness) -> tuple[int, int]:
    for product in (harness.jumper, harness.mug):
        harness.store.metafields.set("product", product, "rrp", "9", silent=True)
    return harness.jumper, harness.mug


CASES = {
    "lines": Case(kind=Kind.ORDERS, make=_orders, path="GET */v2/orders/{}/products"),
    "shipments": Case(kind=Kind.ORDERS, make=_orders, path="GET */v2/orders/{}/shipments"),
    "cart of a retail order": Case(
        kind=Kind.ORDERS, make=_retail, path="GET */v3/orders/{}/metafields", row=False, paged=False
    ),
    "cart that a webhook names": Case(
        kind=Kind.ORDERS,
        make=_orders,
        path="GET */v3/orders/{}/metafields",
        paged=False,
        row=False,
        named="metafields:order:{}",
    ),
    "addresses": Case(
        kind=Kind.CUSTOMERS, make=_customers, path="GET */v3/customers/addresses", listed="customer_id:in"
    ),
    "attribute values": Case(
        kind=Kind.CUSTOMERS, make=_customers, path="GET */v3/customers/attribute-values", listed="customer_id:in"
    ),
    "inventory": Case(kind=Kind.PRODUCTS, make=_products, path="GET */v3/inventory/items", listed="product_id:in"),
    "metafields that a webhook names": Case(
        kind=Kind.PRODUCTS,
        make=_described,
        path="GET */v3/catalog/products/{}/metafields",
        paged=False,
        row=False,
        named="metafields:product:{}",
    ),
}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
paged_cases = pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.paged], ids=[name for name, case in CASES.items() if case.paged]
)
JSON = {"content-type": "application/json"}
FAILURES: dict[str, tuple[Any, type[Failure] | tuple[type[Failure], ...]]] = {
    "500": (answer(500), Retry),
    "a gateway's page": (html(502), Retry),
    "a page of HTML": (html(200), Retry),
    "no JSON": (answer(200, "{", JSON), Retry),
    "another shape": (answer(200, '"x"', JSON), Retry),
    "an own 403": (answer(403, '{"status":403,"title":"Forbidden"}', JSON), (Blocked, Rejected)),
    "an own 400": (answer(400, '{"status":400,"title":"Bad"}', JSON), Rejected),
}
"""Answers and their failures, by name. A 403 belongs to the entity once the same call succeeds for another."""

every_failure = pytest.mark.parametrize(("fault", "failure"), FAILURES.values(), ids=FAILURES)


def _fail(harness: AdapterHarness, case: Case, bad: int, fault: Any) -> None:
    """Have the secondary call of `bad` fail, and no other."""

    async def act(request: Request, response: Response | None) -> Response | None:
        if case.listed is None or str(bad) in _asked(request, case.listed):
            told: Response | None = await fault(request, response)
            return told
        return None

    harness.api.faults.add(case.path.format(bad), act)


async def hang(_request: Request, _response: Response | None) -> None:
    await trio.sleep_forever()


def _asked(request: Request, name: str) -> list[str]:
    return parse_qs(request.query).get(name, [""])[0].split(",")


def _failure_of(harness: AdapterHarness, kind: Kind, entity: Any) -> Failure:
    with pytest.raises(Failure) as failed:
        harness.shop.map(kind, entity, FACTS)
    return failed.value


@every_case
@every_failure
async def test_a_failing_secondary_call_fails_its_entity_only(
    harness: AdapterHarness, case: Case, fault: Any, failure: Any, autojump_clock: MockClock
) -> None:
    bad, good = case.make(harness)
    await harness.walk(case.kind)
    _fail(harness, case, bad, fault)
    named = ExternalId(case.named.format(bad))
    for lane in Lane:
        found = await harness.shop.read(case.kind, [named, ExternalId(str(good))], lane)
        assert isinstance(_failure_of(harness, case.kind, found[named]), failure)
        assert harness.shop.map(case.kind, found[ExternalId(str(good))], FACTS).value is not None
    harness.api.faults.clear()
    found = await harness.shop.read(case.kind, [named], Lane.LIVE)
    assert not found or not isinstance(found[named].content, Failure)


@paged_cases
@pytest.mark.parametrize("since", [None, 0.0], ids=["page", "sweep"])
@every_failure
async def test_pages_and_sweeps_go_on_beside_a_failing_secondary_call(
    harness: AdapterHarness, case: Case, fault: Any, failure: Any, since: float | None, autojump_clock: MockClock
) -> None:
    bad, good = case.make(harness)
    await harness.walk(case.kind)
    _fail(harness, case, bad, fault)
    entities = {entity.external_id: entity for entity in await walk(harness.shop, case.kind, since)}
    assert isinstance(_failure_of(harness, case.kind, entities[ExternalId(str(bad))]), failure)
    assert harness.shop.map(case.kind, entities[ExternalId(str(good))], FACTS).value is not None


@pytest.mark.parametrize("case", [case for case in CASES.values() if case.listed is None])
async def test_a_secondary_call_that_hangs_delays_no_live_neighbour_for_long(
    harness: AdapterHarness, case: Case, autojump_clock: MockClock
) -> None:
    bad, good = case.make(harness)
    await harness.walk(case.kind)

    _fail(harness, case, bad, hang)
    named = ExternalId(case.named.format(bad))
    with trio.fail_after(8):
        found = await harness.shop.read(case.kind, [named, ExternalId(str(good))], Lane.LIVE)
    assert _failure_of(harness, case.kind, found[named]).reason == "timeout"
    assert harness.shop.map(case.kind, found[ExternalId(str(good))], FACTS).value is not None


@pytest.mark.parametrize("path", ["addresses", "attribute-values"])
async def test_a_list_that_hangs_delays_no_live_customer_who_is_not_in_it(
    harness: AdapterHarness, path: str, autojump_clock: MockClock
) -> None:
    bad, _ = _customers(harness)
    plain = harness.store.customers.add("plain@example.com", group_id=WHOLESALE, silent=True)
    await harness.walk(Kind.CUSTOMERS)
    harness.api.faults.add(f"GET */v3/customers/{path}", hang)
    with trio.fail_after(8):
        found = await harness.shop.read(Kind.CUSTOMERS, [ExternalId(str(bad)), ExternalId(str(plain))], Lane.LIVE)
    assert _failure_of(harness, Kind.CUSTOMERS, found[ExternalId(str(bad))]).reason == "timeout"
    assert harness.shop.map(Kind.CUSTOMERS, found[ExternalId(str(plain))], FACTS).value is not None


ODD_ROWS: dict[str, Callable[[dict[str, Any], str], object]] = {
    "a field of another type": lambda row, _: row.update({_field_of(row): [1]}),
    "a key that lacks": lambda row, _: row.pop(_field_of(row)),
    "another's": lambda row, name: row.update({name: 9999}),
    "nobody's": lambda row, name: row.update({name: None}),
}


def _field_of(row: dict[str, Any]) -> str:
    """Return a required field of a row, of one type."""
    return next(name for name in ("items", "quantity", "address1", "attribute_id", "locations") if name in row)


@paged_cases
@pytest.mark.parametrize("spoil", ODD_ROWS.values(), ids=ODD_ROWS)
async def test_an_odd_row_of_a_secondary_call_concerns_its_entity_only(
    harness: AdapterHarness, case: Case, spoil: Callable[[dict[str, Any], str], object], autojump_clock: MockClock
) -> None:
    """The row is reported by its field, or the entity is retried; the row removes nothing."""
    bad, good = case.make(harness)
    await harness.walk(case.kind)
    name = {"GET */v3/inventory/items": "product_id", "GET */v2/orders/{}/products": "order_id"}.get(
        case.path, "order_id" if case.kind is Kind.ORDERS else "customer_id"
    )

    def change(body: Any) -> None:
        rows = body["data"] if isinstance(body, dict) else body
        row = next(row for row in rows if case.listed is None or _owner(row, name) == bad)
        if name == "product_id" and spoil in (ODD_ROWS["another's"], ODD_ROWS["nobody's"]):
            spoil(row["identity"], name)
        else:
            spoil(row, name)

    harness.rewrite(case.path.format(bad), change)
    for _ in range(12):
        found = await harness.shop.read(case.kind, [ExternalId(str(bad)), ExternalId(str(good))], Lane.LIVE)
        assert harness.shop.map(case.kind, found[ExternalId(str(good))], FACTS).value is not None
        try:
            told = harness.shop.map(case.kind, found[ExternalId(str(bad))], FACTS)
        except Retry:
            continue
        if spoil is ODD_ROWS["nobody's"] and case.kind is Kind.ORDERS:
            assert told.value is not None, "an order's own lists need not say whose they are"
            continue
        assert (told.value, [issue.code for issue in told.issues]) == (None, ["field_unreadable"])


def _owner(row: dict[str, Any], name: str) -> object:
    return row["identity"][name] if "identity" in row else row[name]


async def test_a_variant_whose_product_is_not_told_stops_no_sweep(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    await harness.walk(Kind.PRODUCTS)
    small = harness.store.by_sku("J-S").id
    harness.store.metafields.set("variant", small, "rrp", "9", silent=True)
    harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    harness.api.faults.add("GET */v3/catalog/variants", answer(500))
    seen = await harness.walk(Kind.PRODUCTS, since=0.0)
    later = ExternalId(f"metafields:variant:{small}")
    assert {later, str(harness.mug)} <= set(seen)
    found = await harness.shop.read(Kind.PRODUCTS, [later, ExternalId(str(harness.mug))], Lane.BACKFILL)
    assert isinstance(_failure_of(harness, Kind.PRODUCTS, found[later]), Retry)
    harness.api.faults.clear()
    found = await harness.shop.read(Kind.PRODUCTS, [later], Lane.BACKFILL)
    assert found[later].external_id == str(harness.jumper)


async def test_metafields_that_cannot_be_read_by_themselves_stop_no_run_and_stay(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    for product in (harness.jumper, harness.mug):
        harness.store.metafields.set("product", product, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    for field in list(harness.store.metafields.fields):
        harness.store.metafields.delete(field, silent=True)
    harness.api.faults.add(f"GET */v3/catalog/products/{harness.jumper}/metafields", answer(500))
    await harness.walk(Kind.PRODUCTS)
    found = await harness.read(Kind.PRODUCTS, harness.jumper, harness.mug)
    rrp = {one: mapped.value.variants[0].rrp is not None for one, mapped in found.items()}
    assert rrp == {str(harness.jumper): True, str(harness.mug): False}


async def test_what_fails_for_everybody_is_raised() -> None:
    async def refuse(_owner: int) -> None:
        raise Blocked("no", reason="credentials", side="platform")  # type: ignore[arg-type]

    with pytest.raises(Blocked):
        await of_each([1, 2], refuse, Lane.LIVE, beside=False)

    async def refuse_all(_owners: Any) -> list[int]:
        raise Blocked("no", reason="breaker_open", side="platform")  # type: ignore[arg-type]

    with pytest.raises(Blocked):
        await of_lists([1, 2], refuse_all, Lane.LIVE, beside=True)


@pytest.mark.parametrize("bad", [{7}, {0, 249}, set(range(250))], ids=["one", "two", "all"])
async def test_whose_part_of_a_list_fails_is_found_in_few_calls(bad: set[int]) -> None:
    calls = 0

    async def ask(owners: Any) -> list[int]:
        nonlocal calls
        calls += 1
        if bad & set(owners):
            raise Retry("no", reason="http_500")
        return list(owners)

    found = await of_lists(range(250), ask, Lane.BACKFILL, beside=False)
    failed = {owner for owners, told in found for owner in owners if isinstance(told, Failure)}
    assert bad <= failed
    assert calls <= 2 * MOST_SPLITS
    assert sorted(owner for owners, _ in found for owner in owners) == list(range(250))
    assert len(bad) > 1 or failed == bad
