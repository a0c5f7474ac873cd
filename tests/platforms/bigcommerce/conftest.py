"""The adapter, connected to a small BigCommerce."""

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from daemon.model import Secret
from daemon.platforms.bigcommerce.adapter import BigCommerce
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from tests.platforms.bigcommerce.fakes import FakeStore
from tests.platforms.bigcommerce.stand_in import AdapterHarness

TOKEN = "very-secret-token"


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def shop(store: FakeStore) -> AsyncIterator[BigCommerce]:
    """Connect the adapter to `store`."""
    settings = BigCommerceSettings(store_hash="abc", access_token=Secret(TOKEN), webhook_secret=Secret("our-secret"))
    adapter = BigCommerce(settings, httpx.MockTransport(store.answer))
    yield adapter
    await adapter.aclose()


@pytest.fixture
async def harness() -> AsyncIterator[AdapterHarness]:
    async with trio.open_nursery() as nursery:
        opened = AdapterHarness(nursery)
        yield opened
        await opened.shop.aclose()
        nursery.cancel_scope.cancel()
