"""Webhooks that somebody removed, switched off or led astray are mended at the next start, and what was missed comes.

That the same happens hourly is shown in tests/engine/test_supervisor.py, where time is the test's.
"""

from urllib.parse import urlsplit

from msgspec.structs import replace

from daemon.sandbox import BigCommerceOptions
from daemon.sandbox.bigcommerce.hooks import Hook
from tests.e2e.harness import OpenHarness, ProcessHarness
from tests.e2e.process import SITE
from tests.e2e.trade import BUYER, FIRST, HEAD, HOME, trade_store, writes

JUMPER = 1
ASTRAY = f"http://127.0.0.2:1/webhooks/{SITE}"
BLOCKED = "blocked our domain"
CANCELLED = 5
CHANGES = ("created", "updated", "deleted")


def _picture(h: ProcessHarness) -> dict[str, Hook]:
    """Return the registered hooks by scope, as they are and without the names the store gives them."""
    hooks = h.shop.hooks.registered.values()
    return {hook.scope: replace(hook, id=0, created_at=0, updated_at=0) for hook in hooks}


def _damage(h: ProcessHarness) -> None:
    """Remove, switch off and lead astray: what tells of products, of customers and of orders."""
    hooks = {hook.scope: hook for hook in h.shop.hooks.registered.values()}
    for change in CHANGES:
        del h.shop.hooks.registered[hooks[f"store/product/{change}"].id]
        hooks[f"store/customer/{change}"].is_active = False
    hooks["store/customer/updated"].deactivated = True
    for scope in ("store/order/updated", "store/order/statusUpdated"):
        hooks[scope].destination = ASTRAY


def _edit(h: ProcessHarness) -> None:
    """Change something of each kind. Nobody is told: the hooks that would tell are not right."""
    h.store.set_title(JUMPER, "Renamed", silent=True)
    h.store.customers.update(HEAD, first_name="Renamed", silent=True)
    h.store.orders.set_status(FIRST, CANCELLED, silent=True)


async def test_what_is_wrong_with_webhooks_is_mended_at_the_start_and_what_was_missed_comes(
    harness: OpenHarness,
) -> None:
    async with harness(trade_store()) as h:
        await h.first_sync()
        right = _picture(h)
        assert await h.process.terminate() == 0
        _damage(h)
        _edit(h)
        assert _picture(h) != right
        assert len(h.unequal) >= 3
        await h.process.start()
        await h.until(lambda: _picture(h) == right)
        await h.until(lambda: h.unequal == [])
        h.store.set_title(JUMPER, "Told again")
        h.store.customers.add_address(HEAD, **HOME)
        await h.settle()
        h.assert_equal()


async def test_where_nothing_had_to_be_mended_nothing_is_swept(harness: OpenHarness) -> None:
    """Otherwise the test above would show nothing."""
    async with harness(trade_store()) as h:
        await h.first_sync()
        assert await h.process.terminate() == 0
        _edit(h)
        before = h.unequal
        health = h.shop.statistics.calls["GET /v3/hooks/admin"]
        await h.process.start()
        await h.until(lambda: h.shop.statistics.calls["GET /v3/hooks/admin"] > health)
        h.store.customers.update(BUYER, first_name="Somebody")
        await h.settle()
        assert h.unequal == before


async def test_a_blocked_domain_is_reported_and_nothing_else(harness: OpenHarness) -> None:
    async with harness(bigcommerce=BigCommerceOptions(time_scale=1.0)) as h:
        await h.first_sync()
        assert await h.process.terminate() == 0
        right, told = dict(h.shop.hooks.registered), writes(h)
        h.shop.blocklist.block(urlsplit(next(iter(right.values())).destination).hostname or "")
        assert BLOCKED not in h.process.output
        await h.process.start()
        await h.until(lambda: h.process.output.count(BLOCKED) == 1)
        assert h.shop.hooks.registered == right
        assert await h.process.blocked() is None
        assert writes(h) == told
        h.store.set_title(JUMPER, "Quietly", silent=True)
        assert (await h.process.full_sync())["succeeded"]
        h.assert_equal()
