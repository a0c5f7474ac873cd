"""Settings that change between two lives of the daemon: all is read once more, but not for other credentials."""

from daemon.sandbox import SparkLayerOptions
from daemon.sandbox.company import WHOLESALE
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.trade import trade_store
from tests.prove.process.watch import Barrier

KINDS = ("store", "products", "customers", "orders")


def _groups(h: ProcessHarness) -> dict[int, str]:
    """Return the group of each customer that SparkLayer has."""
    return {int(key): one["group"] for key, one in h.state.comparable()["customers"].items()}


async def _read_again(h: ProcessHarness) -> None:
    """Wait until every kind was read whole once more, and the last of it has arrived."""
    for kind in KINDS:
        assert (await h.process.second_run(kind))["succeeded"]
    await h.settle()


async def _runs(h: ProcessHarness) -> list[int]:
    return [(await h.process.status(kind))["full_sync"]["id"] for kind in KINDS]


async def test_another_stock_location_gets_every_level_with_the_restart(harness: OpenHarness) -> None:
    places = SparkLayerOptions(locations=(("main", "Main"), ("annex", "Annex")))
    async with harness(trade_store(), sparklayer=places, more='stock_location = "main"') as h:
        await h.first_sync()
        main, annex = (place.id for place in h.state.stock.locations)
        text = h.process.config.read_text("utf-8")
        h.process.config.write_text(text.replace('stock_location = "main"', 'stock_location = "annex"'), "utf-8")
        await h.process.restart()
        await _read_again(h)
        levels = h.state.stock.levels
        assert {sku: at[annex].stock_level for sku, at in levels.items()} == {"J-S": 3, "J-M": 4, "MUG": 9}
        assert all(main in at for at in levels.values()), "what lies there may be somebody else's by now"


async def test_a_daemon_that_dies_before_the_runs_are_through_goes_on_with_them(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        reading = Barrier().stand(h.shop.faults, "GET */v3/customers*")
        h.process.append(f'customer_group_mapping = {{{WHOLESALE} = "vip"}}')
        await h.process.restart()
        runs = await _runs(h)
        await h.process.restart()
        await reading.reached()
        await h.process.kill()
        reading.drop()
        await h.process.start()
        await _read_again(h)
        assert set(_groups(h).values()) == {"vip"}
        assert await _runs(h) == runs
