"""Networks, proxies and tired APIs on either side: what fails for now arrives later, and needs nobody.

What is worth another try is tried again; what is refused becomes an issue and holds up nobody
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

from daemon.sandbox import (
    BigCommerceOptions,
    SparkLayerOptions,
    answer,
    call,
    garbage,
    html,
    reset,
    synthetic,
    truncate,
)
from daemon.sandbox.faults import Act
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.stock import location
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import TIMEOUT

JUMPER = 1
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


# Passing trouble in a full sync


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
    "SparkLayer: a burst of 503": PassingTrouble("site", "*", answer(503), times=4),
    "SparkLayer: a proxy's HTML": PassingTrouble("site", "*", html(502), times=4),
    "SparkLayer: resets": PassingTrouble("site", "*", reset(), times=4),
    "SparkLayer: resets after the effect": PassingTrouble("site", "P* */*s*", reset(), times=4, after_effect=True),
    "SparkLayer: bodies cut off": PassingTrouble("site", "*", truncate(), times=4, after_effect=True),
    "SparkLayer: garbage instead of locations": PassingTrouble("site", "GET */stock-locations", garbage(), times=1),
    "BigCommerce: a proxy's HTML": PassingTrouble("shop", CATALOGUE, html(502), times=4),
    "BigCommerce: a proxy's HTML that says 200": PassingTrouble("shop", CATALOGUE, html(200)),
    "BigCommerce: resets": PassingTrouble("shop", CATALOGUE, reset(), times=4),
    "BigCommerce: a page cut off": PassingTrouble("shop", CATALOGUE, truncate(), after_effect=True),
    "BigCommerce: garbage instead of a page": PassingTrouble("shop", CATALOGUE, garbage()),
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


async def test_pages_are_halved_until_the_store_bears_them(harness: OpenHarness) -> None:
    limits: list[int] = []

    async def overloaded(request: Request, _: Response | None) -> Response | None:
        limits.append(int(parse_qs(request.query)["limit"][0]))
        return Response(status=500) if limits[-1] > 80 else None

    async with harness(synthetic(130, 1), start=False) as h:
        h.shop.faults.add(CATALOGUE, overloaded)
        await h.process.start()
        assert (await h.process.first_run())["succeeded"]
        assert limits[:3] == [250, 125, 62]
        await _assert_nothing_lost(h)


# Being asked to slow down


LEFT = {"x-rate-limit-requests-left": "0", "x-rate-limit-requests-quota": "150", "x-rate-limit-time-window-ms": "30000"}
PAUSES: Mapping[str, tuple[Side, Callable[[], Mapping[str, str]], float]] = {
    "SparkLayer, for a second": ("site", lambda: {"retry-after": "1"}, 1.0),
    "SparkLayer, until a date": ("site", lambda: {"retry-after": formatdate(time.time() + 2, usegmt=True)}, 0.9),
    "SparkLayer, for a while": ("site", dict, 0.2),
    "BigCommerce, to the window's end": ("shop", lambda: {**LEFT, "x-rate-limit-time-reset-ms": "1000"}, 1.0),
    "BigCommerce, for a while": ("shop", dict, 0.2),
}


@pytest.mark.parametrize(("side", "headers", "pause"), PAUSES.values(), ids=PAUSES)
async def test_a_429_is_heeded_and_costs_no_attempt(
    harness: OpenHarness, side: Side, headers: Callable[[], Mapping[str, str]], pause: float
) -> None:
    refused: list[float] = []
    passed: list[float] = []

    async def refuse(_: Request, __: Response | None) -> Response:
        refused.append(trio.current_time())
        return Response(status=429, headers=dict(headers()))

    async with harness() as h:
        await h.first_sync()
        _faults(h, side).add("*", refuse, times=1)
        _faults(h, side).add("*", call(lambda _: passed.append(trio.current_time())))
        h.store.set_title(JUMPER, "In good time")
        await _assert_nothing_lost(h)
        assert passed[0] - refused[0] > pause
        assert _retried(await h.process.metrics()) == 0


async def test_a_limit_told_by_nothing_but_429s_is_found_out(harness: OpenHarness) -> None:
    options = SparkLayerOptions(rate=20, burst=5, retry_after="none")
    async with harness(synthetic(20, 1), sparklayer=options) as h:
        assert (await h.process.first_run())["succeeded"]
        assert h.site.bucket.refused
        await _assert_nothing_lost(h)


async def test_a_published_quota_is_kept_without_being_refused(harness: OpenHarness) -> None:
    options = BigCommerceOptions(quota=12, window_seconds=1.0)
    async with harness(bigcommerce=options) as h:
        await h.first_sync()
        assert h.shop.statistics.total > 12, "it took more than one window"
        assert h.shop.quota.refused == 0


# Credentials, and what else blocks a connection


async def test_a_token_that_stops_working_is_renewed_exactly_once(harness: OpenHarness) -> None:
    async with harness(synthetic(20, 1)) as h:
        await h.first_sync()
        assert h.site.tokens.issued == 1
        async with h.site.faults.hold("PATCH */products/*") as held:
            for product_id in h.store.ids:
                h.store.set_title(product_id, f"Renewed {product_id}", silent=True)
            run = await h.process.sync()
            with trio.fail_after(TIMEOUT):
                await held.arrived(4)
            h.site.tokens.revoke()
        assert (await h.process.run_over(run))["succeeded"]
        await _assert_nothing_lost(h)
        assert h.site.tokens.issued == 2
        assert _retried(await h.process.metrics()) == 0


def _revoke_key(h: ProcessHarness) -> Callable[[], None]:
    h.site.tokens.revoke()
    h.site.tokens.key_revoked = True
    return lambda: setattr(h.site.tokens, "key_revoked", False)


def _change_token(h: ProcessHarness) -> Callable[[], None]:
    valid, h.shop.access_token = h.shop.access_token, "another"
    return lambda: setattr(h.shop, "access_token", valid)


def _forbid(side: Side, status: int = 403) -> Callable[[ProcessHarness], Callable[[], None]]:
    def spoil(h: ProcessHarness) -> Callable[[], None]:
        rule = _faults(h, side).add("*", answer(status, f'{{"status": {status}, "title": "No"}}'))
        return lambda: _faults(h, side).remove(rule)

    return spoil


BLOCKS = {
    "SparkLayer's key is deleted": (_revoke_key, "sparklayer: credentials", 0),
    "SparkLayer suspends the site": (_forbid("site", 402), "sparklayer: forbidden", 0),
    "SparkLayer's key lacks a right": (_forbid("site"), "sparklayer: forbidden", 2),
    "BigCommerce's token is another one": (_change_token, "platform: credentials", 0),
    "BigCommerce's account lacks a scope": (_forbid("shop"), "platform: scope_missing", 2),
}
"""What blocks: how, as what it is shown, and how many entities are tried in vain until that is known."""


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


@pytest.mark.parametrize(("side", "cause"), [("shop", "platform"), ("site", "sparklayer")])
async def test_an_outage_amid_live_changes_and_a_full_sync_loses_nothing(
    harness: OpenHarness, side: Side, cause: str
) -> None:
    async with harness(synthetic(12, 1)) as h:
        await h.first_sync()
        _faults(h, side).down = True
        for product_id in h.store.ids:
            h.store.set_title(product_id, f"Sent in the outage {product_id}")
        run = await h.process.sync()
        await h.process.until_blocked(f"{cause}: breaker_open")
        for variant in h.store.variants():
            h.store.set_stock(variant.id, 77)
        await h.shop.webhooks.settled()
        _faults(h, side).down = False
        assert (await h.process.run_over(run))["succeeded"]
        assert await h.process.blocked() is None
        await _assert_nothing_lost(h)


# What is refused, and what cannot be understood


WORDS = "Not in this catalogue."


def _refusing(word: bytes, refusal: Any) -> Act:
    """Answer 400 with `refusal`, made of the request's rows if it is callable, to requests that have `word` in them."""

    async def act(request: Request, _: Response | None) -> Response | None:
        if word not in request.body:
            return None
        body = refusal(msgspec.json.decode(request.body)) if callable(refusal) else refusal
        return Response(
            status=400, headers={"content-type": "application/problem+json"}, body=msgspec.json.encode(body)
        )

    return act


PROBLEM = {"title": "Bad Request", "status": 400, "detail": WORDS}


def _lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"line": line, "field": "price", "message": WORDS} for line, row in enumerate(rows) if row["sku"] == "J-M"]


async def test_a_product_that_sparklayer_refuses_is_an_issue_and_the_others_go_through(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        variant, mug = h.store.by_sku("MUG").id, h.store.by_sku("MUG").product_id
        rule = h.site.faults.add("POST */products", _refusing(b'"Mug"', PROBLEM))
        await h.process.start()
        run = await h.process.first_run()
        assert (run["done"], run["failed"], run["succeeded"]) == (2, 0, True)
        assert (await h.process.status())["issues"] == 1
        (error,) = h.errors.values()
        assert (error.external_id, error.visible_id, WORDS in error.message) == (str(mug), "Mug", True)
        assert h.unequal[0].startswith(f"products {mug}:")
        assert all(f"products {mug}:" in line or "MUG" in line or f"variant {variant}" in line for line in h.unequal)
        await h.hooked()
        h.site.faults.remove(rule)
        h.store.set_title(mug, "Cup")
        await h.until(lambda: not h.errors)
        await _assert_nothing_lost(h)


BAD_ROWS = {
    "a price, by its line": ("PATCH */pricing", _refusing(b'"J-M"', _lines)),
    "a price, not saying which": ("PATCH */pricing", _refusing(b'"J-M"', PROBLEM)),
    "a stock level": ("POST */batch-update-stock", _refusing(b'"J-M"', PROBLEM)),
}


@pytest.mark.parametrize(("pattern", "refusing"), BAD_ROWS.values(), ids=BAD_ROWS)
async def test_one_bad_row_of_a_bulk_call_does_not_stop_the_others(
    harness: OpenHarness, pattern: str, refusing: Act
) -> None:
    async with harness(start=False) as h:
        rule = h.site.faults.add(pattern, refusing)
        await h.process.start()
        assert (await h.process.first_run())["succeeded"]
        assert h.unequal
        assert all("J-M" in line for line in h.unequal)
        (error,) = h.errors.values()
        assert error.external_id == str(JUMPER)
        assert "SKU J-M: " in error.message
        assert WORDS in error.message
        assert "J-S" not in error.message
        await h.hooked()
        h.site.faults.remove(rule)
        h.store.set_title(JUMPER, "Pullover")
        await h.until(lambda: not h.errors)
        await _assert_nothing_lost(h)


async def test_a_product_that_cannot_be_read_holds_up_nobody_else(harness: OpenHarness) -> None:
    async def without_variants(_: Request, response: Response | None) -> Response | None:
        assert response is not None
        content = msgspec.json.decode(response.body)
        for product in content["data"]:
            if product["id"] == JUMPER:
                del product["variants"]
        return Response(status=200, headers=response.headers, body=msgspec.json.encode(content))

    async with harness() as h:
        await h.first_sync()
        rule = h.shop.faults.add(CATALOGUE, without_variants, after_effect=True)
        for product_id in h.store.ids:
            h.store.set_title(product_id, "Renamed", silent=True)
        run = await h.process.sync()
        await h.until(lambda: len(h.unequal) == 1 and "unexpected_shape" in h.process.output)
        assert h.unequal[0].startswith(f"products {JUMPER}:")
        h.shop.faults.remove(rule)
        assert (await h.process.run_over(run))["succeeded"]
        await _assert_nothing_lost(h)


# What somebody deletes at SparkLayer


def _no_location(h: ProcessHarness) -> None:
    h.state.stock.locations.clear()
    h.state.stock.levels.clear()


def _other_location(h: ProcessHarness) -> None:
    h.state.stock.locations[:] = [location("sl_other", "Other")]
    h.state.stock.levels.clear()


@pytest.mark.parametrize("lose", [_no_location, _other_location])
async def test_a_stock_location_that_is_gone_is_found_or_made_again(
    harness: OpenHarness, lose: Callable[[ProcessHarness], None]
) -> None:
    async with harness() as h:
        await h.first_sync()
        lose(h)
        h.store.set_stock(h.store.by_sku("J-S").id, 77)
        run = await h.process.second_run()
        assert (run["mode"], run["succeeded"]) == ("normal", True), "nobody had to ask for it"
        await _assert_nothing_lost(h)


async def test_a_price_list_that_is_gone_is_made_and_filled_again(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        h.state.price_lists.lists.clear()
        h.state.prices.prices.clear()
        h.store.set_price(JUMPER, 11, h.store.by_sku("J-S").id)
        run = await h.process.second_run()
        assert (run["mode"], run["succeeded"]) == ("refresh", True), "nobody had to ask for it"
        await _assert_nothing_lost(h)


@pytest.mark.holds("C8")
async def test_two_poisoned_titles_among_600_block_nothing(harness: OpenHarness) -> None:
    """SparkLayer fails on two titles: every other product arrives, edits too, and nothing is ever blocked."""
    poisoned = {1, 2}

    async def poison(request: Request, _response: Response | None) -> Response | None:
        return Response(status=500) if b"Poison" in request.body else None

    async with harness(synthetic(600, 1), start=False) as h:
        for number in poisoned:
            h.store.set_title(number, f"Poison {number}", silent=True)
        h.site.faults.add("* */products*", poison)
        await h.process.start()
        await h.until(lambda: len(h.state.comparable()["products"]) == 600 - len(poisoned))
        await h.until(lambda: h.process.output.count("entity is tried again") >= 6)
        edited = {str(number): f"Edited {number}" for number in range(3, 601)}
        for product_id, title in edited.items():
            h.store.set_title(int(product_id), title)

        def arrived() -> bool:
            products = h.state.comparable()["products"]
            return all(products[product_id]["title"] == title for product_id, title in edited.items())

        await h.until(arrived)
        assert "blocked" not in h.process.output
        h.site.faults.clear()
        await h.settle()
        h.assert_equal()
