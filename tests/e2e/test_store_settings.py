"""The store through the real process: its currency, tax display and unit of weight arrive by their webhook.

Each may change how every product is mapped, so each starts a full sync of products.
"""

from tests.e2e.harness import OpenHarness, ProcessHarness

PRICE_LIST = "bigcommerce-price"


async def _settings(h: ProcessHarness) -> tuple[str | None, str, bool]:
    prices = h.state.price_lists.existing(PRICE_LIST)
    return h.state.settings.currency, prices.currency_code, prices.tax_inclusive_display is True


async def test_every_setting_arrives(harness: OpenHarness) -> None:
    async with harness() as h:
        await h.first_sync()
        assert await _settings(h) == ("USD", "USD", False)
        writes = h.writes
        h.store.update_settings(currency="GBP")
        await h.until(lambda: h.state.price_lists.existing(PRICE_LIST).currency_code == "GBP")
        assert (await h.process.second_run())["succeeded"]
        assert await _settings(h) == ("GBP", "GBP", False)
        assert h.writes == writes, "the numbers stay"
        assert h.site.statistics.calls["PUT /api/v1/store-currency"] == 0
        h.store.update_settings(tax_inclusive=True)
        await h.until(lambda: h.state.price_lists.existing(PRICE_LIST).tax_inclusive_display)
        h.store.update_settings(weight_unit="KGS")
        assert h.unequal
        await h.until(lambda: not h.unequal)
