"""Facts of a node that a person must know: its leases, late beats, other settings, and a failover of the server."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.model import Kind, Site
from daemon.observability.metrics import Metrics
from daemon.storage import connections, failover, full_syncs, gaps
from daemon.storage.connections import Leave
from daemon.storage.full_syncs import Start
from daemon.storage.states import RunMode
from tests.connections.harness import Elsewhere, link, open_harness
from tests.connections.machines import Cells, Machine, until
from tests.databases import InlineDatabase, new_database

pytestmark = pytest.mark.usefixtures("both_engines")


@pytest.fixture
def database() -> Iterator[InlineDatabase]:
    with contextlib.closing(new_database()) as database:
        yield database


@pytest.fixture
def cells(database: InlineDatabase, nursery: trio.Nursery) -> Cells:
    return Cells(database, nursery)


def shown(metrics: Metrics) -> dict[str, float]:
    """Return the metrics of a node: {"leases": 1.0, "lease_changes_total lost": 0.0, ...}."""
    return {
        " ".join([sample.name.removeprefix("ignite_sync_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if family.name.removeprefix("ignite_sync_") in {"leases", "lease_changes", "beats_late", "nodes_differing"}
    }


def changes(machine: Machine) -> dict[str, float]:
    counted = shown(machine.cluster.metrics).items()
    return {name.split()[1]: number for name, number in counted if " " in name and number}


async def test_leases_are_counted_by_the_cause_of_their_change(autojump_clock: MockClock, cells: Cells) -> None:
    await cells.adopt(2)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 2, 1)
    b = await cells.start("b")
    await until(lambda: len(b.working) == 1, 10)
    assert (changes(a), changes(b)) == ({"given": 2, "handed_over": 1}, {"given": 1})
    b.kill()
    await until(lambda: len(a.working) == 2, 30)
    assert changes(a) == {"given": 2, "handed_over": 1, "taken_over": 1}
    await trio.sleep(3)
    assert shown(a.cluster.metrics)["leases"] == 2
    assert shown(a.cluster.metrics)["beats_late_total"] == 0


async def test_a_node_that_was_cut_off_has_lost_its_leases_and_was_late(
    autojump_clock: MockClock, cells: Cells
) -> None:
    await cells.adopt(1)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 1, 1)
    assert a.cluster.beat_age < 3
    a.net.cut = True
    await until(lambda: not a.working, 10)
    assert a.cluster.beat_age >= 7
    a.net.cut = False
    await until(lambda: len(a.working) == 1, 10)
    assert a.cluster.beat_age < 3
    assert changes(a)["lost"] == 1
    assert shown(a.cluster.metrics)["beats_late_total"] == 1


@pytest.mark.parametrize(("age", "ready"), [(None, True), (6.9, True), (7.1, False), (float("inf"), False)])
async def test_a_node_whose_beat_is_late_is_not_ready(*, age: float | None, ready: bool) -> None:
    tenure = Elsewhere()
    async with open_harness(link("a", "s1"), tenure=tenure) as harness:
        tenure.beat_age = age
        assert (await harness.admin.why_not_ready() == []) == ready


async def test_a_crash_of_the_work_is_counted(autojump_clock: MockClock, cells: Cells) -> None:
    async def crash(*_: Any) -> None:
        await trio.sleep(1)
        raise ZeroDivisionError

    await cells.adopt(1)
    a = await cells.start("a", crash)
    await until(lambda: "rested" in changes(a), 10)


async def test_nodes_with_other_settings_are_named_once(autojump_clock: MockClock, cells: Cells) -> None:
    with capture_logs() as logs:
        nodes = [await cells.start(name, config=config) for name, config in (("a", "1"), ("b", "1"), ("c", "2"))]
        await trio.sleep(10)
    assert [shown(node.cluster.metrics)["nodes_differing"] for node in nodes] == [1, 1, 2]
    said = [line["nodes"] for line in logs if line["event"].startswith("other nodes have different settings")]
    assert sorted(said) == ["a, b", "c", "c"]
    nodes[2].cluster.finish()
    await trio.sleep(10)
    assert shown(nodes[0].cluster.metrics)["nodes_differing"] == 0


@pytest.mark.parametrize("runs", [True, False], ids=["of a running node", "before a start"])
async def test_after_a_failover_all_that_was_synced_is_read_once(
    autojump_clock: MockClock, cells: Cells, monkeypatch: pytest.MonkeyPatch, *, runs: bool
) -> None:
    timelines = [1]
    monkeypatch.setattr(failover, "timeline", lambda _conn: timelines[-1])
    ids = await cells.adopt(3)
    for id_ in ids:
        for kind in (Kind.PRODUCTS, Kind.CUSTOMERS):
            call = Start(connection_id=id_, kind=kind, mode=RunMode.NORMAL, now=0.0)
            await cells.database.write(full_syncs.start, call)
    await cells.database.write(connections.leave, Leave(site=Site("test", "s2"), now=0.0))

    async def open_gaps() -> list[tuple[int, Kind]]:
        return [
            (id_, kind)
            for id_ in ids
            for kind in Kind
            if await cells.database.read(gaps.open_gap, id_, kind) is not None
        ]

    with capture_logs() as logs:
        a = await cells.start("a")
        await trio.sleep(10)
        assert await open_gaps() == []
        if not runs:
            a.kill()
        timelines.append(2)
        if not runs:
            await cells.start("b")
        await trio.sleep(10)
        again = await cells.start("c")
        await trio.sleep(10)
    assert again.cluster._timeline == 2
    assert await open_gaps() == [
        (id_, kind) for id_ in ids[:2] for kind in Kind if kind in {Kind.PRODUCTS, Kind.CUSTOMERS}
    ]
    assert [line["now"] for line in logs if line["event"].startswith("the server has failed over")] == [2]
