"""Several nodes on one database: one works on a connection at a time, and a lost node is replaced in seconds.

The clock is trio's, and the database has no threads.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio
import trio.lowlevel
from sqlalchemy import select
from trio.testing import MockClock

from daemon.connections.cluster import SECOND_LOOK_SECONDS
from daemon.connections.tenure import Ownership
from daemon.errors import LeaseLost, Retry
from daemon.model import ConnectionId, ExternalId, Kind, Site
from daemon.storage import connections, leases, ledger, sync_log, tables
from daemon.storage.connections import Leave
from daemon.storage.ledger import Mark
from daemon.storage.sweeps import touch
from daemon.transport.permission import refuse_if_forbidden
from tests.connections.machines import Cells, Machine, until
from tests.databases import InlineDatabase, new_database
from tests.storage.harness import row

pytestmark = pytest.mark.usefixtures("both_engines")


@pytest.fixture
def database() -> Iterator[InlineDatabase]:
    with contextlib.closing(new_database()) as database:
        yield database


@pytest.fixture
def cells(database: InlineDatabase, nursery: trio.Nursery) -> Cells:
    return Cells(database, nursery)


async def test_nodes_share_the_connections_and_no_one_is_worked_on_twice(
    autojump_clock: MockClock, cells: Cells
) -> None:
    ids = await cells.adopt(5)
    a = await cells.start("a")
    assert await until(lambda: len(a.working) == 5, 1) < 1, "a sole node works at once"
    b = await cells.start("b")
    most = 0
    for _ in range(400):
        assert not a.working.keys() & b.working.keys()
        most = max(most, len(a.working) + len(b.working))
        await trio.sleep(0.05)
    assert (len(a.working), len(b.working)) == (3, 2)
    assert sorted(a.working.keys() | b.working.keys()) == ids


async def test_a_killed_node_is_replaced_within_15_seconds(autojump_clock: MockClock, cells: Cells) -> None:
    await cells.adopt(2)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 2, 1)
    b = await cells.start("b")
    await trio.sleep(15)
    a.kill()
    assert 8 < await until(lambda: len(b.working) == 2, 15) < 15


async def test_a_node_that_stops_hands_over_once_its_batches_are_settled(
    autojump_clock: MockClock, cells: Cells
) -> None:
    [id_] = await cells.adopt(1)
    settled = trio.Event()

    async def finish_slowly(_machine: Machine, ownership: Ownership, finishing: trio.Event) -> None:
        await finishing.wait()
        await trio.sleep(3)
        await ownership.storage.write(touch, id_)
        settled.set()

    a = await cells.start("a", finish_slowly)
    await until(lambda: len(a.working) == 1, 1)
    b = await cells.start("b")
    await trio.sleep(5)
    a.cluster.finish()
    await settled.wait()
    assert not b.working
    await a.ended.wait()
    b.cluster.wake()  # as a notification does
    assert await until(lambda: len(b.working) == 1, 1) < 1
    assert await cells.database.read(_nodes) == {"b"}


def _node_ids(conn: Any) -> set[str]:
    return set(conn.execute(tables.nodes.select().with_only_columns(tables.nodes.c.id)).scalars())


def _nodes(conn: Any) -> set[str]:
    return set(conn.execute(tables.nodes.select().with_only_columns(tables.nodes.c.name)).scalars())


async def test_a_node_without_the_database_stops_by_itself_before_others_take_over(
    autojump_clock: MockClock, cells: Cells
) -> None:
    await cells.adopt(1)
    may: list[tuple[float, bool]] = []

    async def ask(_machine: Machine, _ownership: Ownership, _finishing: trio.Event) -> None:
        while True:
            try:
                refuse_if_forbidden()
            except Retry:
                may.append((trio.current_time(), False))
            else:
                may.append((trio.current_time(), True))
            await trio.sleep(0.1)

    a = await cells.start("a", ask)
    await until(lambda: len(a.working) == 1, 1)
    b = await cells.start("b")
    await trio.sleep(15)
    a.net.cut, cut = True, trio.current_time()
    await until(lambda: not a.working, 9)
    stopped = trio.current_time()
    assert cut + 4.5 < stopped < cut + 8.2
    assert [sent for _, sent in may] == [True] * len(may), "the task ended before it was refused"
    await until(lambda: len(b.working) == 1, 15)
    assert trio.current_time() > stopped + 1
    a.net.cut = False
    await trio.sleep(5)
    assert len(b.working) == 1
    assert not a.working, "it has entered again, and works on nothing while there is one connection"
    assert await cells.database.read(_nodes) == {"a", "b"}


async def test_a_suspended_node_sends_nothing_when_it_wakes(autojump_clock: MockClock, cells: Cells) -> None:
    """The clock that counts suspension says so at once, before any task of the node could see it."""
    await cells.adopt(1)
    suspended = [0.0]
    refused = []

    async def ask(_machine: Machine, _ownership: Ownership, _finishing: trio.Event) -> None:
        try:
            refuse_if_forbidden()
            suspended[0] = 60.0
            refuse_if_forbidden()
        except Retry as error:
            refused.append(error.reason)
        await trio.sleep_forever()

    a = await cells.start("a", ask, boottime=lambda: trio.current_time() + suspended[0])
    await until(lambda: bool(refused), 3)
    assert refused == ["lease_lost"]
    await until(lambda: not a.working, 2)


async def test_after_an_outage_for_all_no_node_accuses_another(autojump_clock: MockClock, cells: Cells) -> None:
    await cells.adopt(4)
    a, b = await cells.start("a"), await cells.start("b")
    await until(lambda: len(a.working) == len(b.working) == 2, 20)
    await trio.sleep(15)
    before, nodes = (set(a.working), set(b.working)), await cells.database.read(_node_ids)
    for machine in (a, b):
        machine.net.cut = True
    await trio.sleep(15)
    assert not a.working
    assert not b.working
    a.net.cut = False
    await trio.sleep(4)
    b.net.cut = False
    await until(lambda: (set(a.working), set(b.working)) == before, 10)
    assert await cells.database.read(_node_ids) == nodes, "no node was expelled"


async def test_a_connection_that_crashes_rests_and_takes_no_node_down(autojump_clock: MockClock, cells: Cells) -> None:
    ids = await cells.adopt(2)
    crashes = []

    async def crash(machine: Machine, ownership: Ownership, _finishing: trio.Event) -> None:
        if ownership is machine.working.get(ids[0]):
            crashes.append((machine.name, trio.current_time()))
            raise RuntimeError("poison")
        await trio.sleep_forever()

    a = await cells.start("a", crash)
    await until(lambda: len(crashes) == 1, 1)
    await cells.start("b", crash)
    await until(lambda: len(crashes) == 3, 300)
    waits = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(crashes)]
    assert 60 <= waits[0] < 65
    assert 120 <= waits[1] < 125
    assert any(ids[1] in machine.working for machine in cells.machines)
    assert not a.ended.is_set()


async def test_a_write_of_a_node_that_was_replaced_is_refused_and_it_says_its_last_word(
    autojump_clock: MockClock, cells: Cells
) -> None:
    """The node stands still past its deadline, as a stopped process does, and wakes when another one has taken over."""
    [id_] = await cells.adopt(1)
    await cells.database.write(_started, id_)
    results: list[object] = []
    woken = trio.Event()

    async def stand_still(machine: Machine, ownership: Ownership, _finishing: trio.Event) -> None:
        if machine.name == "b":
            await trio.sleep_forever()
        mark = Mark[Any](connection_id=id_, kind=Kind.PRODUCTS, rows=[row("7", None)])
        await ownership.storage.write(ledger.mark, mark)
        assert await ownership.storage.write(sync_log.take, (id_, Kind.PRODUCTS)) is not None
        with trio.CancelScope(shield=True):
            await woken.wait()
            try:
                await ownership.storage.write(touch, id_)
            except LeaseLost as error:
                results.append(error.reason)

    a = await cells.start("a", stand_still)
    await until(lambda: len(a.working) == 1, 1)
    b = await cells.start("b", stand_still)
    await trio.sleep(15)
    await cells.database.apart(_expelled, "a")
    await until(lambda: len(b.working) == 1, 5)
    assert await cells.claims(id_) == []
    a.words.clear()
    woken.set()
    await until(lambda: bool(results), 1)
    assert results == ["lease_lost"]
    await trio.sleep(1)
    [claim] = await cells.claims(id_)
    assert (claim.external_id, claim.doubted) == ("7", True)
    assert await cells.database.read(_puts_owed) == [1]
    assert a.words == [id_], "the node that works on the connection is woken"


def _started(conn: Any, calls: Sequence[ConnectionId]) -> list[None]:
    for call in calls:
        conn.execute(tables.sync_log.insert().values(connection_id=call, kind="products", put_for=1, ever_put=False))
    return [None for _ in calls]


def _puts_owed(conn: Any) -> list[int]:
    return list(conn.execute(select(tables.sync_log.c.puts_owed)).scalars())


def _expelled(conn: Any, name: str) -> None:
    conn.execute(tables.nodes.delete().where(tables.nodes.c.name == name))


@pytest.mark.parametrize("graceful", [True, False])
async def test_entities_that_the_last_owner_was_sending_are_looked_at_twice(
    autojump_clock: MockClock, cells: Cells, *, graceful: bool
) -> None:
    [id_] = await cells.adopt(1)
    mark = Mark[Any](connection_id=id_, kind=Kind.PRODUCTS, rows=[row("7", None)])
    await cells.database.write(ledger.mark, mark)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 1, 1)
    b = await cells.start("b")
    await trio.sleep(15)
    assert await cells.claims(id_) == [], "its lease was new"
    if graceful:
        a.cluster.finish()
    else:
        a.kill()
    took = await until(lambda: len(b.working) == 1, 15)
    assert (took < 5) is graceful
    await trio.sleep(SECOND_LOOK_SECONDS - 1)
    assert await cells.claims(id_) == []
    await trio.sleep(2)
    assert [(claim.external_id, claim.doubted) for claim in await cells.claims(id_)] == (
        [] if graceful else [(ExternalId("7"), True)]
    )


@pytest.mark.parametrize("graceful", [True, False])
async def test_the_second_look_outlives_the_node_that_has_taken_over(
    autojump_clock: MockClock, cells: Cells, *, graceful: bool
) -> None:
    """A request of the first owner may arrive after the second one has settled a newer state, and has gone."""
    [id_] = await cells.adopt(1)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 1, 1)
    await cells.database.write(ledger.mark, Mark[Any](connection_id=id_, kind=Kind.PRODUCTS, rows=[row("7", None)]))
    a.kill()
    b = await cells.start("b")
    await until(lambda: len(b.working) == 1, 25)
    took_over = trio.current_time()
    await cells.database.write(ledger.mark, Mark[Any](connection_id=id_, kind=Kind.PRODUCTS, rows=[row("7")]))
    c = await cells.start("c")
    await trio.sleep(1)
    if graceful:
        b.cluster.finish()
    else:
        b.kill()
    await until(lambda: len(c.working) == 1, 25)
    await trio.sleep_until(took_over + SECOND_LOOK_SECONDS - 1)
    assert await cells.claims(id_) == [], "a look now could come before the request"
    await trio.sleep(2)
    assert [(claim.external_id, claim.doubted) for claim in await cells.claims(id_)] == [(ExternalId("7"), True)]


async def test_the_owner_learns_of_changes_that_other_nodes_make(autojump_clock: MockClock, cells: Cells) -> None:
    [id_] = await cells.adopt(1)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 1, 1)
    assert a.began == [(id_, "active")]
    await trio.sleep(5)
    assert a.began == [(id_, "active")], "nothing has changed"
    await cells.database.write(connections.leave, Leave(site=Site("test", "s0"), now=1.0))
    await trio.sleep(2.5)
    assert a.began == [(id_, "active"), (id_, "leaving")]
    [new] = await cells.adopt(1)
    a.cluster.wake()
    await until(lambda: new in a.working, 1)


async def test_the_time_is_the_databases(autojump_clock: MockClock, cells: Cells) -> None:
    await cells.adopt(1)
    a = await cells.start("a", wall=lambda: trio.current_time() - 3600)
    await until(lambda: len(a.working) == 1, 1)
    assert a.cluster.now() == pytest.approx(trio.current_time(), abs=0.01)


async def test_a_change_of_hands_that_was_refused_by_the_database_is_tried_again(
    autojump_clock: MockClock, cells: Cells
) -> None:
    [id_] = await cells.adopt(1)
    a = await cells.start("a")
    await until(lambda: len(a.working) == 1, 1)
    a.cluster.finish()
    await trio.lowlevel.checkpoint()
    a.net.cut = True
    await trio.sleep(3)
    assert not a.ended.is_set()
    a.net.cut = False
    await a.ended.wait()
    assert await cells.database.read(leases.owned, "") == {}
    assert [taken.given for taken in await _taken(cells, id_)] == [True]


async def _taken(cells: Cells, _id: ConnectionId) -> list[leases.Taken]:
    await cells.database.apart(leases.enter, leases.Node(id="z", name="z", release="1", config=""), 0.0)
    return await cells.database.apart(leases.take, "z", [], 1e9)
