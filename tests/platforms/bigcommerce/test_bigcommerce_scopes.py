"""A 403 for one entity is distinguished from a missing scope, for every type of call."""

from functools import partial

import msgspec
import pytest
import trio
from trio.testing import MockClock

from daemon.entities import StoreFacts
from daemon.errors import Blocked, Forbidden, Rejected
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.shared.client import entities_of, operation_of
from daemon.sandbox.bigcommerce.founding import add_groups
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.faults import Act
from daemon.sandbox.message import Request, Response
from tests.platforms.bigcommerce.stand_in import AdapterHarness

pytestmark = pytest.mark.holds("C3")

FACTS = StoreFacts(currency="USD", weight_unit="LBS")
NO = {"status": 403, "title": "Forbidden"}


def _refuse(number: int) -> Act:
    """Refuse calls with this id in the path or the query."""

    async def act(request: Request, _: Response | None) -> Response | None:
        asked = {*request.path.split("/"), *request.query.replace("%2C", ",").replace(",", "&").split("&")}
        asked |= {part.rpartition("=")[2] for part in asked}
        if str(number) not in asked:
            return None
        return Response(status=403, headers={"content-type": "application/json"}, body=msgspec.json.encode(NO))

    return act


def _carts(count: int) -> list[str]:
    return [f"4217ba4f-7618-4e3b-b1af-{number:012}" for number in range(count)]


async def _made(harness: AdapterHarness, kind: Kind, *, ours: bool = True) -> list[ExternalId]:
    if kind is Kind.PRODUCTS:
        made = [
            harness.store.add_product(f"P{number}", price=1, variants=[{"sku": f"S{number}"}]) for number in range(5)
        ]
        return [ExternalId(str(getattr(one, "id", one))) for one in made]
    if kind is Kind.CUSTOMERS:
        add_groups(harness.store)
        added = [harness.store.customers.add(f"c{number}@example.com", group_id=WHOLESALE) for number in range(5)]
        return [ExternalId(str(one)) for one in added]
    return [ExternalId(str(harness.order(cart))) for cart in (_carts(5) if ours else [None] * 5)]


READS = {
    "products": (Kind.PRODUCTS, "read", True),
    "product": (Kind.PRODUCTS, "read_one", True),
    "customers": (Kind.CUSTOMERS, "read", True),
    "orders": (Kind.ORDERS, "read", True),
    "orders of others": (Kind.ORDERS, "read", False),
    "order": (Kind.ORDERS, "read_one", True),
}
"""Reads: the kind, the way, and if it is SparkLayer's."""


async def _read(harness: AdapterHarness, method: str, kind: Kind, external_id: ExternalId) -> type[Exception] | None:
    try:
        if method == "read":
            entity = (await harness.shop.read(kind, [external_id], Lane.LIVE)).get(external_id)
        else:
            entity = await harness.shop.read_one(kind, external_id, Lane.LIVE)
        if entity is not None:
            harness.shop.map(kind, entity, FACTS)
    except (Blocked, Rejected) as failure:
        return type(failure)
    return None


@pytest.mark.parametrize(("kind", "method", "ours"), READS.values(), ids=READS)
async def test_one_entity_that_is_refused_blocks_nothing(
    autojump_clock: MockClock, harness: AdapterHarness, kind: Kind, method: str, *, ours: bool
) -> None:
    bad, *others = await _made(harness, kind, ours=ours)
    harness.api.faults.add("GET */products*", _refuse(int(bad)))
    harness.api.faults.add("GET */customers", _refuse(int(bad)))
    harness.api.faults.add("GET */orders/*", _refuse(int(bad)))
    assert await _read(harness, method, kind, bad) is Forbidden
    for other in others:
        assert await _read(harness, method, kind, other) is None
    assert await _read(harness, method, kind, bad) is Rejected


@pytest.mark.parametrize(("kind", "method", "ours"), READS.values(), ids=READS)
async def test_a_missing_right_costs_three_calls(
    autojump_clock: MockClock, harness: AdapterHarness, kind: Kind, method: str, *, ours: bool
) -> None:
    made, asked = await _made(harness, kind, ours=ours), []

    async def refuse(request: Request, _: Response | None) -> Response:
        asked.append(request.path)
        return Response(status=403, headers={"content-type": "application/json"}, body=msgspec.json.encode(NO))

    harness.api.faults.add("GET */v[23]/[!s]*", refuse)
    found = [await _read(harness, method, kind, one) for one in made]
    assert found == [Forbidden, Forbidden, *[Blocked] * 3]
    assert len(asked) == 3
    harness.api.faults.clear()
    await trio.sleep(2)
    assert [await _read(harness, method, kind, one) for one in made] == [None] * 5


def test_calls_are_told_apart_by_what_they_are_about() -> None:
    assert operation_of("/v2/orders/7/shipments") == operation_of("/v2/orders/8/shipments") == "/v2/orders/{}/shipments"
    about = partial(entities_of, narrowing=Client.narrowing)
    page, other = about("/v2/orders/7/shipments", {"page": "1"}), about("/v2/orders/7/shipments", None)
    assert page == other == frozenset({"/7"})
    assert about("/v3/customers", {"id:in": "7,8", "limit": "9"}) == frozenset({"/7", "/8"})
    assert about("/v3/customers", {"customer_group_id:in": "1,2", "after": "x"}) == frozenset()
    assert about("/v2/store", None) == frozenset()
