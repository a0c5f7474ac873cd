"""A bench that works on customers, whatever SparkLayer makes of addresses that a PATCH leaves out."""

from collections.abc import AsyncIterator

import pytest

from daemon.model import Kind
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.sandbox.sparklayer.customers import Mode
from tests.engine.fakes import Bench, open_bench

MODES: tuple[Mode, ...] = ("merge", "replace")


@pytest.fixture(params=MODES)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with open_bench(SparkLayerOptions(addresses=request.param), kind=Kind.CUSTOMERS) as opened:
        yield opened
