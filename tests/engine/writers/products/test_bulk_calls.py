"""A bulk call that SparkLayer did not answer may still take effect."""

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from daemon.engine.writers.products.bulk_calls import LATEST_EFFECT, BulkCalls, RowList
from daemon.engine.writers.products.outcome import BulkResult
from daemon.errors import Retry
from daemon.model import ExternalId, Sku

SKU = Sku("A")


@frozen
class Level:
    """A row of the test."""

    sku: Sku
    level: int


async def sent(calls: BulkCalls, level: int, *, answered: bool) -> BulkResult:
    async def call(_rows: object) -> None:
        if not answered:
            raise Retry("no answer", reason="timeout", effect_unknown=True)

    bulk = BulkResult()
    await calls.send(
        RowList(
            rows=[Level(SKU, level)],
            effect="set",
            call=call,
            products={SKU: ExternalId("1")},
            alone=False,
            confirmed=bulk.stock,
            bulk=bulk,
        )
    )
    return bulk


@pytest.mark.parametrize("unanswered", [[5], [5, 6], [6, 5], [5, 6, 5], [6, 6, 5]])
async def test_a_value_is_confirmed_only_when_no_other_may_follow(
    autojump_clock: MockClock, unanswered: list[int]
) -> None:
    calls = BulkCalls(in_turn=False)
    last = 0.0
    for level in unanswered:
        assert (await sent(calls, level, answered=False)).undone
        last = trio.current_time() if level == 5 else last
        await trio.sleep(1.0)
    result = await sent(calls, 6, answered=True)
    assert not result.stock
    assert result.overtaken[SKU] == pytest.approx(last + LATEST_EFFECT - trio.current_time())
    await trio.sleep(result.overtaken[SKU])
    assert (await sent(calls, 6, answered=True)).stock == {SKU}


async def test_the_value_itself_may_follow(autojump_clock: MockClock) -> None:
    calls = BulkCalls(in_turn=False)
    await sent(calls, 6, answered=False)
    assert (await sent(calls, 6, answered=True)).stock == {SKU}
