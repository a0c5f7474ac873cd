"""Changed metafields: a sweep returns all their parents, and each recorded parent only once."""

import json
from datetime import datetime
from urllib.parse import parse_qs

import pytest
from trio.testing import MockClock

from daemon.errors import Retry
from daemon.model import Kind
from daemon.sandbox import answer
from daemon.sandbox.message import Request, Response
from tests.platforms.bigcommerce.stand_in import CARTS, AdapterHarness

LISTS = {
    "GET /v3/catalog/products/metafields": 1,
    "GET /v3/catalog/variants/metafields": 1,
    "GET /v3/catalog/products": 1,
}


async def test_a_sweep_looks_at_products_whose_metafields_changed(harness: AdapterHarness) -> None:
    await harness.walk(Kind.PRODUCTS)
    harness.store.metafields.set("variant", harness.store.by_sku("MUG").id, "rrp", "9", silent=True)
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == [str(harness.mug)]


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_a_sweep_finds_all_metafields_that_changed_however_many(harness: AdapterHarness, kind: Kind) -> None:
    ids = await touch(harness, kind, 260)
    assert set(ids) <= set(await harness.walk(kind, since=harness.store.clock() - 60))


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_a_sweep_that_a_restart_breaks_off_finds_also_what_changed_behind_it(
    harness: AdapterHarness, kind: Kind
) -> None:
    ids, since = await touch(harness, kind, 260), harness.store.clock() - 60
    first = await harness.shop.changed_since(kind, since, None)
    change(harness, kind, ids[1], seconds=600)
    harness.connect()
    assert ids[1] in await harness.walk(kind, since, first.cursor)
    change(harness, kind, ids[1], seconds=1200)
    assert ids[1] in await harness.walk(kind, since=3e9), "and the next one finds what is changed then"


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_what_changes_while_the_walk_fails_is_found_by_the_next_sweep(
    harness: AdapterHarness, autojump_clock: MockClock, kind: Kind
) -> None:
    """The failing page of the walk follows the last changed parent."""
    ids, since = await touch(harness, kind, 3), harness.store.clock() - 60
    page = await harness.shop.changed_since(kind, since, None)
    assert set(ids[1:]) <= {one.external_id for one in page.entities}
    harness.api.faults.add(WALKED[kind], answer(500))
    with pytest.raises(Retry):
        await harness.walk(kind, since, page.cursor)
    harness.api.faults.clear()
    change(harness, kind, ids[1], seconds=600)
    change(harness, kind, ids[2], seconds=660)
    found = await harness.walk(kind, 3e9, page.cursor)
    assert ids[1] in found + await harness.walk(kind, since=3e9)


@pytest.mark.parametrize("kind", [Kind.PRODUCTS, Kind.ORDERS])
async def test_a_sweep_that_fails_finds_the_same_the_next_time(
    harness: AdapterHarness, autojump_clock: MockClock, kind: Kind
) -> None:
    ids, since = await touch(harness, kind, 3), harness.store.clock() - 60
    harness.api.faults.add(WALKED[kind], answer(404, "<h1>Not Found</h1>"), times=3)
    with pytest.raises(Retry):
        await harness.shop.changed_since(kind, since, None)
    assert set(ids) <= set(await harness.walk(kind, since=since))


async def test_a_sweep_finds_a_cart_that_another_order_was_asked_about_with(harness: AdapterHarness) -> None:
    ids, since = await touch(harness, Kind.ORDERS, 3), harness.store.clock() - 60
    await harness.read(Kind.ORDERS, ids[-1])
    assert set(ids) <= set(await harness.walk(Kind.ORDERS, since=since))


async def test_a_sweep_does_not_pay_again_for_what_was_handed_out(harness: AdapterHarness) -> None:
    harness.store.clock = lambda: 1.79e9
    many = [harness.store.add_product(f"Cup {n}", variants=[{"sku": f"C-{n}"}], silent=True) for n in range(40)]
    for one in many:
        harness.store.metafields.set("variant", harness.store.entry(one).variants[0].id, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.calls()
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == []
    assert harness.calls() == LISTS
    harness.connect()
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == [str(one) for one in many], "after a restart once more"
    harness.calls()
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == []
    assert harness.calls() == LISTS


@pytest.mark.parametrize("bound", ["inclusive", "exclusive"])
async def test_what_changes_in_the_second_of_the_last_sweep_is_found(harness: AdapterHarness, bound: str) -> None:
    """It is not documented if the filter includes its own second."""

    async def leave_out(request: Request, response: Response | None) -> Response | None:
        least = parse_qs(request.query).get("date_modified:min")
        if least is None or bound == "inclusive":
            return None
        assert response is not None
        body = json.loads(response.body)
        after = datetime.fromisoformat(least[0])
        body["data"] = [row for row in body["data"] if datetime.fromisoformat(row["date_modified"]) > after]
        body["meta"]["cursor_pagination"]["count"] = len(body["data"])
        return Response(status=200, headers=response.headers, body=json.dumps(body).encode())

    harness.api.faults.add("GET *metafields", leave_out, after_effect=True)
    harness.store.clock = lambda: 1.79e9
    harness.store.metafields.set("product", harness.jumper, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == [str(harness.mug)]
    harness.store.metafields.set("product", harness.jumper, "rrp", "9.99", silent=True)
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == [str(harness.jumper)], "with the date that it had before"
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == []


async def test_what_was_found_but_not_handed_out_is_found_again(
    harness: AdapterHarness, autojump_clock: MockClock
) -> None:
    """By then it is in the adapter's state, as it is in the store."""
    harness.store.clock = lambda: 1.79e9
    harness.store.metafields.set("product", harness.jumper, "rrp", "9", silent=True)
    await harness.walk(Kind.PRODUCTS)
    harness.store.metafields.set("product", harness.mug, "rrp", "9", silent=True)
    harness.api.faults.add(WALKED[Kind.PRODUCTS], answer(500))
    with pytest.raises(Retry):
        await harness.walk(Kind.PRODUCTS, since=2e9)
    harness.api.faults.clear()
    assert await harness.walk(Kind.PRODUCTS, since=2e9) == [str(harness.mug)]


WALKED = {Kind.PRODUCTS: "GET */v3/catalog/products", Kind.ORDERS: "GET */v2/orders"}


def change(harness: AdapterHarness, kind: Kind, one: str, seconds: float) -> None:
    """Change a metafield, a number of seconds from now."""
    with harness.store.at(harness.store.clock() + seconds):
        if kind is Kind.PRODUCTS:
            harness.store.metafields.set("product", int(one), "rrp", f"{seconds}", silent=True)
        else:
            harness.store.metafields.set("order", int(one), "cart_id", CARTS[int(seconds) // 600], silent=True)


async def touch(harness: AdapterHarness, kind: Kind, count: int) -> list[str]:
    """Add old products or orders, each with a metafield, a second apart, after the lists were read."""
    product = kind is Kind.PRODUCTS
    with harness.store.at(1e9):
        made = [harness.store.add_product("Cup", silent=True) if product else harness.order() for _ in range(count)]
    field = ("product", "rrp", "9") if product else ("order", "cart_id", CARTS[0])
    await harness.walk(kind)
    for second, one in enumerate(made, start=1):
        with harness.store.at(harness.store.clock() + second):
            harness.store.metafields.set(field[0], one, *field[1:], silent=True)
    return [str(one) for one in made]
