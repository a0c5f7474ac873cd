"""The store's settings through the real process: the base currency, and what every product depends on.

That a new currency or unit of weight starts the full sync that it needs is in test_arrival.
"""

import pytest

from daemon.sandbox import SparkLayerOptions, answer
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.trade import trade_store, writes

JUMPER = 1
PRICE_LIST = "bigcommerce-price"
ONE_TRY = 3
"""Calls that one try of an entity makes."""


DASHBOARD_KEYS = SparkLayerOptions(settings_writable=False)
"""They may set the store currency, once, and no global setting."""


async def _settings(h: ProcessHarness) -> tuple[str | None, str, bool]:
    prices = h.state.price_lists.existing(PRICE_LIST)
    return h.state.settings.currency, prices.currency_code, prices.tax_inclusive_display is True


async def test_the_base_currency_arrives_whatever_the_key_may_write(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        assert await _settings(h) == ("USD", "USD", False)
        h.store.set_currency("GBP")
        await h.until(lambda: h.state.settings.currency == "GBP")
        assert (await h.process.second_run())["succeeded"]
        assert await _settings(h) == ("GBP", "GBP", False)
        assert h.site.statistics.calls["PUT /api/v1/store-currency"] == 0


@pytest.mark.parametrize("status", [400, 403])
async def test_a_key_that_may_not_write_settings_sets_the_store_currency(harness: OpenHarness, status: int) -> None:
    async with harness(sparklayer=SparkLayerOptions(settings_refusal=status)) as h:
        await h.first_sync()
        assert (await _settings(h))[0] == "USD"
        assert (await h.process.status("store"))["issues"] == 0


async def test_prices_with_tax_are_shown_as_such(harness: OpenHarness) -> None:
    store = trade_store()
    store.set_tax_inclusive(inclusive=True)
    async with harness(store) as h:
        await h.first_sync()
        assert await _settings(h) == ("USD", "USD", True)
        h.store.set_tax_inclusive(inclusive=False)
        await h.until(lambda: not h.state.price_lists.existing(PRICE_LIST).tax_inclusive_display)
        assert (await h.process.second_run())["succeeded"], "what every product maps to may have changed"
        await h.settle()
        h.assert_equal()


async def test_another_base_currency_is_an_issue_of_the_store_and_holds_up_nothing(harness: OpenHarness) -> None:
    async with harness(trade_store(), sparklayer=DASHBOARD_KEYS, start=False) as h:
        h.state.settings.currency = "EUR"
        await h.process.start()
        await h.first_sync()
        assert await _settings(h) == ("EUR", "USD", False)
        assert (await h.process.status("store"))["issues"] == 1
        code, told, _ = await h.process.command("status")
        assert (code, "store: 1 in SparkLayer, 1 with issues" in told) == (0, True)
        h.store.set_title(JUMPER, "Arrives all the same")
        await h.settle()
        h.assert_equal()
        h.state.settings.currency = "USD"  # SparkLayer's support has changed it
        assert (await h.process.full_sync("store"))["succeeded"]
        assert (await h.process.status("store"))["issues"] == 0


async def test_a_refresh_repairs_what_was_changed_behind_our_back(harness: OpenHarness) -> None:
    async with harness(sparklayer=DASHBOARD_KEYS) as h:
        await h.first_sync()
        told = writes(h)
        assert (await h.process.full_sync("store"))["succeeded"]
        assert writes(h) == told, "a normal run trusts the ledger"
        h.state.settings.currency = None
        h.state.price_lists.existing(PRICE_LIST).currency_code = "EUR"
        assert (await h.process.full_sync("store", refresh=True))["succeeded"]
        assert await _settings(h) == ("USD", "USD", False)


async def test_a_change_that_sparklayer_does_not_take_yet_has_products_read_again_once(harness: OpenHarness) -> None:
    async with harness(sparklayer=DASHBOARD_KEYS) as h:
        await h.first_sync()
        h.state.settings.currency = None
        outage = h.site.faults.add("PUT */store-currency", answer(503))
        h.store.set_currency("GBP")
        again = await h.process.second_run()
        await h.until(lambda: outage.used > ONE_TRY)
        await h.process.restart()
        tried = outage.used
        await h.until(lambda: outage.used >= tried + ONE_TRY)
        h.site.faults.remove(outage)
        await h.settle()
        assert (await _settings(h))[0] == "GBP"
        assert (await h.process.status())["full_sync"]["id"] == again["id"]
