"""A deletion is over when SparkLayer no longer shows what was deleted: its answer has no body, as a proxy's may."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from daemon.model import Kind
from daemon.sandbox.faults import answer
from daemon.sandbox.message import Request, Response
from tests.engine.fakes import Bench, open_bench, product
from tests.engine.writers.customers.people import customer, held, put

pytestmark = pytest.mark.holds("A1", "A3")

TIMES = [1, 3]


@pytest.mark.parametrize("times", TIMES)
async def test_a_deleted_customer_is_gone_from_sparklayer(autojump_clock: MockClock, times: int) -> None:
    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        await put(bench, customer("1"), customer("2"))
        bench.site.faults.add("DELETE */customers/*", answer(204), times=times)
        await _remove(bench)
        assert held(bench).keys() == {"2"}
        assert (await bench.harness.ledger()).keys() == {"2"}


@pytest.mark.parametrize("times", TIMES)
async def test_removed_stock_is_gone_from_sparklayer(autojump_clock: MockClock, times: int) -> None:
    async with open_bench() as bench:
        bench.shop.put(product("1", {"11": "A"}, stock=3), product("2", {"21": "B"}))
        await bench.change("1", "2")
        await bench.work()
        bench.site.faults.add("POST */batch-delete-stock", answer(204), times=times)
        bench.shop.put(evolve(product("1", {"11": "A"}), stock={}))
        await bench.change("1")
        await bench.work()
        assert bench.stock() == {"B": 1}


@pytest.mark.parametrize("times", TIMES)
async def test_the_stock_of_a_deleted_product_is_gone_from_sparklayer(autojump_clock: MockClock, times: int) -> None:
    async with open_bench() as bench:
        bench.shop.put(product("1", {"11": "A", "12": "C"}, stock=3), product("2", {"21": "B"}))
        await bench.change("1", "2")
        await bench.work()
        bench.site.faults.add("POST */batch-delete-stock", answer(204), times=times)
        await _remove(bench)
        assert (bench.skus(), bench.stock(), bench.prices()) == ({"B": "2"}, {"B": 1}, {"B": 9.5})
        assert (await bench.harness.ledger()).keys() == {"2"}


async def test_a_customer_that_is_archived_and_still_shown_is_let_go_at_last(autojump_clock: MockClock) -> None:
    """SparkLayer archives a company's primary customer; that it no longer shows it is not documented."""

    async def shown(_request: Request, response: Response | None) -> Response | None:
        return archived if response is not None and response.status == 404 else None

    async with open_bench(kind=Kind.CUSTOMERS) as bench:
        await put(bench, customer("1"), customer("2"))
        body = b'{"id": "cu_1", "external_id": "1", "email": "buyer1@example.com", "addresses": []}'
        archived = Response(status=200, headers={}, body=body)
        bench.site.faults.add("GET */customers/platform/1", shown, after_effect=True)
        bench.site.faults.add("DELETE */customers/platform/1", answer(204), after_effect=True)
        began = trio.current_time()
        await _remove(bench)
        assert 600 < trio.current_time() - began < 3600
        assert (await bench.harness.ledger()).keys() == {"2"}


async def _remove(bench: Bench) -> None:
    del bench.shop.products["1"]
    await bench.change("1")
    await bench.work()
