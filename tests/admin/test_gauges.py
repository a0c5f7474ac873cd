"""Scrapes of /metrics: fresh while there is little to count, and cheap while there is much."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
import trio
from sqlalchemy import Connection, delete
from trio.testing import MockClock

from daemon.admin.gauges import LONGEST, Gauges
from daemon.engine.supervisor import Supervisor
from daemon.errors import Blocked, Side
from daemon.model import Change, ConnectionId, ExternalId, Kind, Secret
from daemon.observability.metrics import Metrics
from daemon.storage.counts import Counts
from daemon.storage.database import Database
from daemon.storage.tables import outbox
from daemon.storage.vault import Vault
from tests.connections.harness import LifecycleHarness, link, open_harness, site
from tests.databases import InlineDatabase


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


def empty_outbox(conn: Connection, calls: Sequence[None]) -> list[None]:
    conn.execute(delete(outbox))
    return list(calls)


async def scrape(harness: LifecycleHarness) -> dict[str, float]:
    """Return the series of a scrape by their names with labels."""
    await harness.admin.refresh()
    lines = harness.lifecycle.factory.metrics.render().decode().splitlines()
    numbers = (line.removeprefix("ignite_sync_").rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(number) for name, _, number in numbers}


async def test_what_is_over_is_no_longer_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InlineDatabase, "waiting", 0, raising=False)
    async with open_harness(link("a", "store-1")) as harness:
        [context] = harness.supervisor.contexts
        pause = context.kind_states[Kind.PRODUCTS].pause
        endpoint = harness.intake.find(site("a"))
        assert endpoint is not None
        await harness.intake.record(endpoint, [Change(Kind.PRODUCTS, ExternalId("1"))])
        pause.start(Blocked("no", reason="scope_missing", side=Side.PLATFORM))
        shown = await scrape(harness)
        assert shown['blocked{kind="products",side="platform",site="test/a"}'] == 1
        assert shown['blocked{kind="products",side="sparklayer",site="test/a"}'] == 0
        assert shown['blocked_since_timestamp_seconds{kind="products",site="test/a"}'] == pause.began_at
        assert shown['outbox_depth{kind="products",lane="live",site="test/a",state="pending"}'] == 1
        assert shown['connections{state="blocked"}'] == 1
        pause._turn(None)
        await harness.database.write(empty_outbox, None)
        shown = await scrape(harness)
        assert shown['blocked{kind="products",side="platform",site="test/a"}'] == 0
        assert not [name for name in shown if name.startswith(("blocked_since", "outbox_"))]
        assert [number for name, number in shown.items() if name.startswith("throttle_turns_total{")] == [0, 0]
