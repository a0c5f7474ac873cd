"""Networks, proxies and tired APIs on either side: what fails for now arrives later, and needs nobody.

Rule 10 of the design. What is worth another try is tried again; what is refused becomes an issue and holds up nobody
else; what blocks a connection is shown, costs no attempts, and heals by itself.
"""

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec
import pytest
import trio
from attrs import frozen

from daemon.sandbox import BigCommerceOptions, SparkLayerOptions, answer, call, garbage, html, reset, synthetic, truncate
from daemon.sandbox.faults import Act
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.stock import Location
from tests.e2e.harness import House, OpenHouse

JUMPER = 1
Side = Literal["shop", "site"]


def _faults(h: House, side: Side) -> Any:
    return h.shop.faults if side == "shop" else h.site.faults


def _retried(metrics: Mapping[str, float]) -> float:
    """Return how often an entity was given back to be tried again."""
    return sum(number for name, number in metrics.items() if "entities_total" in name and '"retried"' in name)


async def _assert_nothing_lost(h: House) -> None:
    """Fail unless all has arrived, with nothing parked and nothing for the merchant to do."""
    await h.settle()
    h.assert_equal()
    status = await h.process.status()
    assert (status["outbox"]["parked"], status["issues"]) == (0, 0)


# Passing trouble in a full sync


@frozen
class Trouble:
    """A fault, `times` in all at `pattern`."""

    side: Side
    pattern: str
    act: Act
    times: int = 3
    after_effect: bool = False


TROUBLES = {
    "SparkLayer: a burst of 503": Trouble("site", "*", answer(503), times=6),
    "SparkLayer: a proxy's HTML": Trouble("site", "*", html(502), times=6),
    "SparkLayer: resets": Trouble("site", "*", reset(), times=6),
    "SparkLayer: resets after the effect": Trouble("site", "P* */*s*", reset(), times=6, after_effect=True),
    "SparkLayer: bodies cut off": Trouble("site", "*", truncate(), times=6, after_effect=True),
    "SparkLayer: garbage instead of locations": Trouble("site", "GET */stock-locations", garbage()),
    "SparkLayer: garbage instead of a token": Trouble("site", "POST */token", garbage()),
    "BigCommerce: a burst of 503": Trouble("shop", "*", answer(503), times=6),
    "BigCommerce: a proxy's HTML": Trouble("shop", "*", html(502), times=6),
    "BigCommerce: a proxy's HTML that says 200": Trouble("shop", "*", html(200)),
    "BigCommerce: a proxy's 404": Trouble("shop", "GET *", html(404)),
    "BigCommerce: resets": Trouble("shop", "*", reset(), times=6),
    "BigCommerce: a page cut off": Trouble("shop", "GET */catalog/products", truncate(), after_effect=True),
    "BigCommerce: garbage instead of a page": Trouble("shop", "GET */catalog/products", garbage()),
    "BigCommerce: an empty page": Trouble("shop", "GET */catalog/products", answer(200, '{"data": []}'), times=1),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_a_full_sync_succeeds_after_passing_trouble(house: OpenHouse, trouble: Trouble) -> None:
    async with house(start=False) as h:
        rule = _faults(h, trouble.side).add(
            trouble.pattern, trouble.act, times=trouble.times, after_effect=trouble.after_effect
        )
        await h.process.start()
        run = await h.process.run_over(1)
        assert rule.used == trouble.times, "there was trouble"
        assert (run["done"], run["failed"], run["succeeded"]) == (2, 0, True)
        assert h.state.sync_log.logs["bigcommerce", "products"].last_full_sync_succeeded is True
        await h.hooked()
        await _assert_nothing_lost(h)
