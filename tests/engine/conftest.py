"""A bench with both ends of a connection. Tests must also request `autojump_clock`, which pytest-trio looks for."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from tests.engine.fakes import Bench, open_bench
from tests.engine.missed import GapBench, open_gap_bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench() as opened:
        yield opened


@pytest.fixture
async def wide() -> AsyncIterator[GapBench]:
    async with open_gap_bench() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep tracebacks off the terminal: formatting them takes longer than the tests."""
    with structlog.testing.capture_logs():
        yield
