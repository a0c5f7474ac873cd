"""Scrapes of /metrics: fresh while there is little to count, and cheap while there is much."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from daemon.admin.gauges import LONGEST, Gauges
from daemon.engine.supervisor import Supervisor
from daemon.model import ConnectionId, Kind, Secret
from daemon.observability.metrics import Metrics
from daemon.storage.counts import Counts
from daemon.storage.database import Database
from daemon.storage.vault import Vault


class CountedReads:
    """A storage whose counts are `rows` issues, and the number of times that they were read."""

    waiting = 0

    def __init__(self, rows: int) -> None:
        self.reads = 0
        self._rows = rows

    async def read(self, _fn: Callable[..., Any], *_args: Any) -> Counts:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        return Counts(issues={(ConnectionId(1), Kind.PRODUCTS): self._rows})


@pytest.mark.parametrize(
    ("rows", "seconds", "reads"),
    [
        pytest.param(1_000, 0.0, 3, id="few are counted at each scrape"),
        pytest.param(100_000, 15.0, 2, id="many at every other one"),
        pytest.param(100_000, 20.0, 3, id="many after their time"),
        pytest.param(10_000_000, LONGEST, 3, id="very many once a minute"),
        pytest.param(10_000_000, LONGEST / 3, 1, id="very many not before"),
    ],
)
async def test_the_database_is_counted_as_often_as_its_size_allows(
    rows: int, seconds: float, reads: int, mock_clock: MockClock
) -> None:
    storage = CountedReads(rows)
    gauges = Gauges(
        storage=cast("Database", storage),
        vault=Vault([Secret("0123456789abcdef")]),
        supervisor=Supervisor(),
        paused=list,
        metrics=Metrics(),
    )
    for _ in range(3):
        await gauges.refresh(now=0.0)
        mock_clock.jump(seconds)
    assert storage.reads == reads
