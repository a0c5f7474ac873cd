"""A bench with both ends of a line, under a clock that jumps."""

from collections.abc import AsyncIterator

import pytest
from trio.testing import MockClock

from tests.engine.fakes import Bench, open_bench


@pytest.fixture
async def bench(autojump_clock: MockClock) -> AsyncIterator[Bench]:
    assert autojump_clock.rate == 0
    async with open_bench() as opened:
        yield opened
