"""A refused bulk call is split; stock and prices may follow even if their product was not written."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from attrs import frozen

from daemon.engine.writers.products.bulk_calls import BulkCalls, RowList
from daemon.engine.writers.products.outcome import BulkResult
from daemon.engine.writers.products.push import allowed
from daemon.errors import Missing, Rejected, Retry
from daemon.model import ExternalId, Sku
from tests.engine.fakes import product
from tests.engine.writers.products.test_diff import A, job, only, planned

RETRY, REJECTED = Retry("later", reason="x"), Rejected("odd", reason="x")


@frozen
class StockLine:
    sku: Sku


ROWS = [StockLine(Sku(sku)) for sku in "ABCDEFGH"]
ONE_PRODUCT = dict.fromkeys((row.sku for row in ROWS), ExternalId("1"))


async def _send(send: Callable[[Sequence[StockLine]], Awaitable[None]]) -> RowList[StockLine]:
    rows = RowList(
        rows=ROWS,
        effect="set",
        call=send,
        products=ONE_PRODUCT,
        alone=False,
        confirmed=set(),
        bulk=BulkResult(),
    )
    await BulkCalls(in_turn=True).send(rows)
    return rows


@pytest.mark.parametrize("first_line", [None, 0, 1])
@pytest.mark.parametrize("bad", ["", "A", "D", "H", "AH", "CDE", "ABCDEFGH"])
async def test_a_bad_row_stands_alone_and_the_rest_goes_through(bad: str, first_line: int | None) -> None:
    calls: list[str] = []
    done: list[str] = []

    async def send(rows: Sequence[StockLine]) -> None:
        calls.append("".join(row.sku for row in rows))
        wrong = [place for place, row in enumerate(rows) if row.sku in bad]
        if wrong:
            lines = None if first_line is None else {place + first_line: "bad" for place in wrong}
            raise Rejected("bad", reason="x", lines=lines)
        done.extend(row.sku for row in rows)

    rows = await _send(send)
    bulk = rows.bulk
    assert bulk.refused.keys() == set(bad)
    assert sorted(done) == sorted(rows.confirmed) == [row.sku for row in ROWS if row.sku not in bad]
    assert len(calls) <= 2 * len(ROWS)
    assert bulk.undone == {}


@pytest.mark.parametrize("error", [RETRY, Missing("x", reason="x"), ZeroDivisionError()])
async def test_a_call_that_fails_for_another_reason_is_not_split(error: Exception) -> None:
    calls = 0

    async def send(_rows: Sequence[StockLine]) -> None:
        nonlocal calls
        calls += 1
        raise error

    bulk = (await _send(send)).bulk
    assert (calls, bulk.refused) == (1, {})
    assert bulk.undone == dict.fromkeys((row.sku for row in ROWS), error)


def test_stock_and_prices_that_may_follow_a_product_that_was_not_written() -> None:
    plan = only(planned(job(product("1", {"11": "A", "12": "B", "13": "C"}, stock=7), A)))
    assert allowed(plan, None) is plan
    assert allowed(plan, RETRY) is None
    had = allowed(plan, REJECTED)
    assert had is not None
    assert had.stock == {"A", "B"}, "of SKUs that it had"
    assert allowed(only(planned(job(A))), REJECTED) is None
    shrunk = allowed(only(planned(job(product("1", {"11": "A"}), A))), REJECTED)
    assert shrunk is not None
    assert not shrunk.removed_stock | shrunk.removed_prices
