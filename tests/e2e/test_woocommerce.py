"""A WooCommerce shop through the real process: every edit that it announces arrives by its webhook.

That each arrives by itself, and what happens when it does not, is tried in `tests/platforms/woocommerce`.
"""

from pathlib import Path

from tests.e2e.woocommerce import open_shop
from tests.platforms.woocommerce.edits import CUSTOMER_EDITS, ORDER_EDITS, PRODUCT_EDITS, SILENT, trading_shop


async def test_every_announced_edit_arrives(tmp_path: Path) -> None:
    """One kind after the other, in one shop."""
    async with open_shop(tmp_path, trading_shop()) as h:
        await h.first_sync()
        for edits in (PRODUCT_EDITS, CUSTOMER_EDITS, ORDER_EDITS):
            for name in [name for name in edits if name not in SILENT]:
                edits[name](h.shop)
            await h.settle()
            assert h.unequal == []
        assert {delivery.status for delivery in h.woocommerce.webhooks.attempts} == {200}
        assert {status for _, status in h.woocommerce.webhooks.pings} == {200}
        found = await h.process.metrics()
        assert not found['ignite_sync_webhooks_missed_total{kind="products",site="test/sandbox"}']
