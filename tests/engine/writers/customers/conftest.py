"""A bench that works on customers."""

from collections.abc import AsyncIterator

import pytest

from daemon.model import Kind
from tests.engine.fakes import Bench, open_bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench(kind=Kind.CUSTOMERS) as opened:
        yield opened
