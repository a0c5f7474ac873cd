"""Two products exchange their SKUs, and the writes fail between the claim and the end."""

import pytest
import trio
from trio.testing import MockClock

from daemon.sandbox.faults import html
from daemon.sandbox.message import Request, Response, encode
from tests.engine.fakes import Bench, product


async def fail_halfway(bench: Bench) -> None:
    """Let two products claim each other's SKU, and fail to write both."""
    bench.shop.put(product("1", {"11": "A"}), product("2", {"21": "B"}))
    await bench.change("1", "2")
    await bench.work()
    bench.shop.put(product("1", {"11": "B"}), product("2", {"21": "A"}))
    bench.site.faults.add("PATCH */products/*", html(404))
    await bench.change("1", "2")
    await bench.once()
    bench.site.faults.clear()


@pytest.mark.parametrize("size", [1, 2], ids=["tried apart", "tried together"])
async def test_an_exchange_that_failed_halfway_ends(autojump_clock: MockClock, bench: Bench, size: int) -> None:
    await fail_halfway(bench)
    bench.shop.batch_size = size
    await bench.work()
    assert bench.skus() == {"A": "2", "B": "1"}
    assert await bench.issues() == {}


async def test_an_exchange_ends_though_sparklayer_lost_one_of_the_products(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await fail_halfway(bench)
    bench.shop.batch_size = 1
    await trio.sleep(60)
    await bench.once()
    [waiting] = await bench.issues()
    bench.site.state.products.remove("2" if waiting == "1" else "1")
    await bench.work()
    assert bench.skus() == {"A": "2", "B": "1"}
    assert await bench.issues() == {}


@pytest.mark.parametrize("sku", ["A", "B"])
@pytest.mark.parametrize("call", ["POST */batch-update-stock", "PATCH */pricing"])
async def test_an_exchange_ends_though_the_stock_or_price_of_one_that_gives_way_fails(
    autojump_clock: MockClock, bench: Bench, call: str, sku: str
) -> None:
    await fail_halfway(bench)

    async def fail(request: Request, _response: Response | None) -> Response | None:
        return refusal if f'"{sku}"'.encode() in request.body else None

    refusal = Response(status=503, headers={}, body=b"")
    bench.shop.batch_size = 1
    bench.site.faults.add(call, fail, after_effect=True, times=30)
    await bench.work()
    assert bench.skus() == {"A": "2", "B": "1"}
    assert await bench.issues() == {}


async def test_a_refused_product_that_nobody_waits_for_keeps_its_sku(autojump_clock: MockClock, bench: Bench) -> None:
    """A product made by hand has the SKU that ours claims."""
    variant = {"external_id": "h", "sku": "C", "status": "live", "position": 1, "options": []}
    made = {"external_id": "hand", "title": "By hand", "slug": "hand", "variants": [variant]}
    headers = {"content-type": "application/json"}
    bench.site.state.products.create(Request(method="POST", path="", headers=headers, body=encode(made)))
    bench.shop.put(product("1", {"11": "A"}))
    await bench.change("1")
    await bench.work()
    bench.shop.put(product("1", {"11": "C"}))
    await bench.change("1")
    await bench.work()
    assert bench.skus() == {"A": "1", "C": "hand"}
    assert len(await bench.issues()) == 1
