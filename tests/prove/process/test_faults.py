"""Trouble that only a real connection has: resets, bodies cut off, an outage, revoked credentials.

A failure that passes is retried and needs no person. A blocked connection is shown, costs no attempts and heals
without a person.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest
from attrs import frozen

from daemon.sandbox import (
    answer,
    reset,
    synthetic,
    truncate,
)
from daemon.sandbox.faults import Act
from tests.e2e.harness import OpenHarness, ProcessHarness

Side = Literal["shop", "site"]


def _faults(h: ProcessHarness, side: Side) -> Any:
    return h.shop.faults if side == "shop" else h.site.faults


def _retried(metrics: Mapping[str, float]) -> float:
    """Return how often an entity was given back to be tried again."""
    return sum(number for name, number in metrics.items() if "entities_total" in name and '"retried"' in name)


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


def _revoke_key(h: ProcessHarness) -> Callable[[], None]:
    h.site.tokens.revoke()
    h.site.tokens.key_revoked = True
    return lambda: setattr(h.site.tokens, "key_revoked", False)


def _forbid(side: Side, status: int = 403) -> Callable[[ProcessHarness], Callable[[], None]]:
    def spoil(h: ProcessHarness) -> Callable[[], None]:
        rule = _faults(h, side).add("*", answer(status, f'{{"status": {status}, "title": "No"}}'))
        return lambda: _faults(h, side).remove(rule)

    return spoil


BLOCKS = {
    "SparkLayer's key is deleted": (_revoke_key, "sparklayer: credentials", 0),
    "BigCommerce's account lacks a scope": (_forbid("shop"), "platform: scope_missing", 2),
}
"""Blocking faults: the fault, the cause that is shown, and the most entities that are tried before it is known."""


@pytest.mark.parametrize(("spoil", "cause", "tried"), BLOCKS.values(), ids=BLOCKS)
async def test_what_blocks_is_shown_costs_no_attempt_and_heals_by_itself(
    harness: OpenHarness, spoil: Callable[[ProcessHarness], Callable[[], None]], cause: str, tried: int
) -> None:
    async with harness(synthetic(6, 1)) as h:
        await h.first_sync()
        mend = spoil(h)
        for product in h.store.ids[1:]:
            h.store.set_title(product, "Waiting")
        await h.process.until_blocked(cause)
        h.store.set_title(h.store.ids[0], "Waiting")
        await h.shop.webhooks.settled()
        assert (await h.process.status())["outbox"]["live"] == 6, "webhooks are taken all the same"
        mend()
        await h.process.until_blocked(None)
        await _assert_nothing_lost(h)
        assert _retried(await h.process.metrics()) <= tried


async def test_an_outage_amid_live_changes_and_a_full_sync_loses_nothing(harness: OpenHarness) -> None:
    async with harness(synthetic(12, 1)) as h:
        await h.first_sync()
        h.site.faults.down = True
        for product_id in h.store.ids:
            h.store.set_title(product_id, f"Sent in the outage {product_id}")
        run = await h.process.sync()
        await h.process.until_blocked("sparklayer: breaker_open")
        for variant in h.store.variants():
            h.store.set_stock(variant.id, 77)
        await h.shop.webhooks.settled()
        h.site.faults.down = False
        assert (await h.process.run_over(run))["succeeded"]
        assert await h.process.blocked() is None
        await _assert_nothing_lost(h)
