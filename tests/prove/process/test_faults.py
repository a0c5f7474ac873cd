"""Trouble that only a real connection has, resets and bodies cut off: it is retried and needs no person."""

from typing import Any, Literal

import pytest
from attrs import frozen

from daemon.sandbox import (
    reset,
    truncate,
)
from daemon.sandbox.faults import Act
from tests.e2e.harness import OpenHarness, ProcessHarness

Side = Literal["shop", "site"]


def _faults(h: ProcessHarness, side: Side) -> Any:
    return h.shop.faults if side == "shop" else h.site.faults


async def _assert_nothing_lost(h: ProcessHarness) -> None:
    """Fail unless all has arrived, with nothing parked and nothing for the merchant to do."""
    await h.settle()
    h.assert_equal()
    status = await h.process.status()
    assert (status["outbox"]["parked"], status["issues"]) == (0, 0)


@frozen
class PassingTrouble:
    """A fault, `times` in all at `pattern`."""

    side: Side
    pattern: str
    act: Act
    times: int = 3
    after_effect: bool = False


CATALOGUE = "GET */catalog/products"
TROUBLES = {
    "SparkLayer: resets after the effect": PassingTrouble("site", "P* */*s*", reset(), times=4, after_effect=True),
    "SparkLayer: bodies cut off": PassingTrouble("site", "*", truncate(), times=4, after_effect=True),
    "BigCommerce: resets": PassingTrouble("shop", CATALOGUE, reset(), times=4),
    "BigCommerce: a page cut off": PassingTrouble("shop", CATALOGUE, truncate(), after_effect=True),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_a_full_sync_succeeds_after_passing_trouble(harness: OpenHarness, trouble: PassingTrouble) -> None:
    async with harness(start=False) as h:
        rule = _faults(h, trouble.side).add(
            trouble.pattern, trouble.act, times=trouble.times, after_effect=trouble.after_effect
        )
        await h.process.start()
        run = await h.process.first_run()
        assert rule.used == trouble.times, "there was trouble"
        assert (run["done"], run["failed"], run["succeeded"]) == (2, 0, True)
        assert h.state.sync_log.logs["bigcommerce", "products"].last_full_sync_succeeded is True
        await _assert_nothing_lost(h)
