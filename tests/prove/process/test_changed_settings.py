"""Settings that change between two lives of the daemon: all is read once more, but not for other credentials."""

from daemon.sandbox import SparkLayerOptions
from daemon.sandbox.company import RETAIL, WHOLESALE
from daemon.sandbox.sparklayer.stock import location
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import WEBHOOK_SECRET
from tests.e2e.trade import BRANCH, BUYER, FIRST, HEAD, SHOP, cart, trade_store, writes
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


async def test_groups_that_are_called_otherwise_arrive_with_the_restart(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        assert _groups(h) == dict.fromkeys((BRANCH, HEAD, SHOP), "base")
        told = writes(h)
        h.process.append(f'customer_group_mapping = {{{WHOLESALE} = "vip"}}')
        await h.process.restart()
        await _read_again(h)
        assert _groups(h) == dict.fromkeys((BRANCH, HEAD, SHOP), "vip")
        assert writes(h) - told == {"PUT /api/v2/customers/{lookup}/{identifier}": 3}, (
            "what has not changed is not written"
        )
        runs = await _runs(h)
        await h.process.restart()
        assert await _runs(h) == runs, "it was read once"


async def test_other_groups_that_count_arrive_with_the_restart(harness: OpenHarness) -> None:
    store = trade_store()
    store.customers.set_group(BUYER, RETAIL)
    async with harness(store, more="", start=False) as h:
        h.process.append(f"b2b_customer_groups = [{WHOLESALE}]")
        await h.process.start()
        for kind in KINDS:
            await h.process.first_run(kind)
        assert set(_groups(h)) == {BRANCH, HEAD, SHOP}
        h.process.config.write_text(h.process.config.read_text("utf-8").replace(f"[{WHOLESALE}]", f"[{RETAIL}]"))
        await h.process.restart()
        await _read_again(h)
        assert set(_groups(h)) == {BUYER}


async def test_a_cart_in_the_staff_notes_is_found_once_the_pattern_is_set(harness: OpenHarness) -> None:
    store = trade_store()
    noted = store.orders.place(SHOP, [{"sku": "MUG"}])
    store.orders.get(noted).staff_notes = f"cart {cart(noted)}"
    async with harness(store) as h:
        await h.first_sync()
        h.process.append("order_staff_notes_pattern = 'cart ([0-9a-f-]{36})'")
        await h.process.restart()
        await _read_again(h)
        assert set(h.state.comparable()["purchases"]) == {cart(FIRST), cart(noted)}


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


async def test_a_stock_location_that_the_merchant_adds_draws_nothing_away(harness: OpenHarness) -> None:
    async with harness(trade_store(), sparklayer=SparkLayerOptions(locations=(("main", "Main"),))) as h:
        await h.first_sync()
        before = await _runs(h)
        h.state.stock.locations.append(location("sl_annex", "Annex"))
        await h.process.restart()
        h.store.set_stock(h.store.by_sku("J-S").id, 77)
        await h.settle()
        levels = {
            sku: {place: at.stock_level for place, at in held.items()} for sku, held in h.state.stock.levels.items()
        }
        main = h.state.stock.locations[0].id
        assert levels == {"J-S": {main: 77}, "J-M": {main: 4}, "MUG": {main: 9}}
        assert len(h.state.stock.locations) == 2, "none is made"
        assert await _runs(h) == before


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


async def test_other_credentials_have_nothing_read(harness: OpenHarness) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        runs = await _runs(h)
        text = h.process.config.read_text("utf-8")
        h.process.config.write_text(text.replace(WEBHOOK_SECRET, "another-secret"), "utf-8")
        await h.process.restart()
        await h.hooked()
        assert await _runs(h) == runs
