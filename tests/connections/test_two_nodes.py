"""Two nodes with one database: what one of them takes, the other one works on.

Everything that a node can be asked for is asked of the node that does not work on the connection. It is answered there,
and the node that works on the connection learns of it: by a message, or behind a pooler by a look at the database.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
from attrs import define, evolve
from trio.testing import MockClock

from daemon.admin.service import TELL_EVERY
from daemon.connections.events import LOOK_EVERY
from daemon.connections.wakeups import Way
from daemon.engine.deliveries import LONGEST_OUTAGE
from daemon.engine.signal import Signal
from daemon.errors import Blocked, Conflict, Side, StorageTrouble
from daemon.model import Change, ConnectionId, ExternalId, Kind, Lane
from daemon.platforms.base import WebhookTimes
from daemon.storage import connections
from daemon.storage.gaps import open_gap
from daemon.storage.last_word import LastWord, say
from daemon.storage.states import RemovalCause, RemovalState
from daemon.storage.tables import leases as leases_table
from daemon.storage.tables import nodes as nodes_table
from daemon.storage.tables import outbox as outbox_table
from daemon.storage.tables import removals as removals_table
from daemon.storage.tables import sync_log as sync_log_table
from tests.connections.harness import LifecycleHarness, api_key, link, open_harness, site
from tests.connections.two_nodes import open_nodes, woken_again

pytestmark = pytest.mark.usefixtures("both_engines")

WAYS = pytest.mark.parametrize("way", [Way.NOTIFY, Way.POLL])
PRODUCTS = {"site": "test/a", "kind": "products"}
CHANGE = Change(Kind.PRODUCTS, ExternalId("1"))
SOON = 2.5
"""Seconds in which a message or a look has arrived."""


async def _webhook(guest: LifecycleHarness) -> None:
    endpoint = guest.intake.find(site("a"))
    assert endpoint is not None
    await guest.intake.record(evolve(endpoint, debounce=0.0), [CHANGE])


async def _sync(guest: LifecycleHarness) -> None:
    assert await guest.admin.sync(PRODUCTS) == {"run": 1}


async def _trigger(guest: LifecycleHarness) -> None:
    await guest.intake.trigger(site("a"), Kind.PRODUCTS)


async def _parked(guest: LifecycleHarness) -> None:
    assert await guest.admin.change_parked({"site": "test/a", "action": "retry"}) == {"changed": 1}


async def _removal(guest: LifecycleHarness) -> None:
    assert await guest.admin.allow_removals({**PRODUCTS, "ids": ["8"]}) == {"allowed": 1}


async def _too_large(guest: LifecycleHarness) -> None:
    endpoint = guest.intake.find(site("a"))
    assert endpoint is not None
    guest.intake.lost(endpoint, for_good=True)


def _prepare(conn: Any, calls: Sequence[ConnectionId]) -> list[None]:
    for call in calls:
        row = {"connection_id": call, "kind": "products", "external_id": "9", "lane": 0, "due_at": 0.0}
        more = {"revision": 1, "attempts": 1, "first_queued_at": 0.0, "state": "parked"}
        conn.execute(outbox_table.insert().values(**row, **more))
        held = {"connection_id": call, "kind": "products", "external_id": "8", "variant": "", "decided_at": 0.0}
        conn.execute(removals_table.insert().values(**held, cause=RemovalCause.DELETED, state=RemovalState.HELD))
    return [None for _ in calls]


def _reported(conn: Any, calls: Sequence[ConnectionId]) -> list[None]:
    for call in calls:
        conn.execute(sync_log_table.insert().values(connection_id=call, kind="products", ever_put=True))
    return [None for _ in calls]


async def _word(guest: LifecycleHarness) -> None:
    [stored] = await guest.rows("a")
    word = LastWord(connection_id=stored.id, now=0.0, doubted={Kind.PRODUCTS: {CHANGE.external_id: ()}})
    await guest.database.write(_reported, stored.id)
    await guest.database.write(say, evolve(word, reported=[Kind.PRODUCTS]))
    guest.lifecycle.said(stored.id)


@WAYS
@pytest.mark.parametrize(
    ("ask", "signal"),
    [
        (_webhook, lambda state: state.work[Lane.LIVE]),
        (_parked, lambda state: state.work[Lane.LIVE]),
        (_removal, lambda state: state.work[Lane.LIVE]),
        (_sync, lambda state: state.runs),
        (_trigger, lambda state: state.runs),
        (_too_large, lambda state: state.gap),
        (_word, lambda state: state.work[Lane.LIVE]),
        (_word, lambda state: state.report),
    ],
    ids=["webhook", "parked", "removal", "sync", "trigger", "too large", "last word", "owed report"],
)
async def test_what_another_node_took_wakes_the_task_that_does_it(
    autojump_clock: MockClock,
    way: Way,
    ask: Callable[[LifecycleHarness], Awaitable[None]],
    signal: Callable[[Any], Signal],
) -> None:
    async with open_nodes(way) as nodes:
        [stored] = await nodes.owner.rows("a")
        await nodes.owner.database.write(_prepare, stored.id)
        woken = signal(nodes.runner.context.kind_states[Kind.PRODUCTS])
        async with trio.open_nursery() as nursery:
            await nursery.start(woken_again, woken)
            await ask(nodes.guest)
            nursery.cancel_scope.deadline = trio.current_time() + SOON
        assert not nursery.cancel_scope.cancelled_caught


@WAYS
async def test_a_run_that_another_node_cancels_is_let_go(autojump_clock: MockClock, way: Way) -> None:
    """Also while it waits for the platform."""
    async with open_nodes(way) as nodes, trio.open_nursery() as nursery:
        reading = trio.Event()

        async def page(*_args: object) -> None:
            reading.set()
            await trio.sleep_forever()

        nodes.owner.shop.page = page  # type: ignore[method-assign,assignment]
        syncs = nodes.runner.full_syncs[Kind.PRODUCTS]
        await nodes.guest.admin.sync(PRODUCTS)
        nursery.start_soon(syncs.run)
        await reading.wait()
        await trio.sleep(SOON)
        assert syncs._present == 1, "a look alone ends no run"
        assert await nodes.guest.admin.cancel_sync(PRODUCTS) == {"run": 1}
        await trio.sleep(SOON)
        assert syncs._present != 1
        with pytest.raises(Conflict, match=r"^no full sync of products is running$"):
            await nodes.guest.admin.cancel_sync(PRODUCTS)
        nursery.cancel_scope.cancel()


@WAYS
async def test_a_connection_that_another_node_makes_changes_or_ends_is_followed(
    autojump_clock: MockClock, way: Way
) -> None:
    async with open_nodes(way) as nodes:
        await nodes.guest.install("s2", "token-2")
        assert await nodes.guest.connect("b", "s2") is None
        assert nodes.guest.intake.find(site("b")) is not None
        await trio.sleep(SOON)
        assert nodes.owner.runner("b").context.connection.api_key.client_secret.reveal() == "key-1"
        await nodes.guest.connect("b", "s2", "key-2")
        await trio.sleep(SOON)
        assert (await nodes.owner.present("b")).api_key.client_secret.reveal() == "key-2"
        assert len(nodes.owner.supervisor.contexts) == 2
        untouched = nodes.runner
        await nodes.guest.lifecycle.disconnect(site("b"))
        await trio.sleep(SOON)
        assert nodes.owner.intake.find(site("b")) is None
        assert nodes.owner.supervisor.contexts == [untouched.context]
        assert nodes.guest.supervisor.contexts == []


async def test_a_site_that_no_message_told_of_is_looked_up_every_five_seconds(autojump_clock: MockClock) -> None:
    """The same row decides about a delivery whose signature fails."""
    async with open_nodes(Way.NOTIFY) as nodes:
        intake = nodes.owner.intake
        reads = 0
        read = nodes.owner.database.read

        async def counted(*args: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(*args)

        nodes.owner.database.read = counted  # type: ignore[method-assign,assignment]
        for _ in range(3):
            assert await intake.look_again(site("b")) is None
        assert reads == 1
        await nodes.owner.database.write(_moved, None)
        assert await intake.look_again(site("b")) is None, "not before its time"
        await trio.sleep(LOOK_EVERY)
        endpoint = await intake.look_again(site("b"))
        assert endpoint is not None
        assert endpoint == intake.find(site("b"))


def _moved(conn: Any, calls: Sequence[None]) -> list[None]:
    """Give site "b" the connection of site "a", which needs no message."""
    conn.exec_driver_sql("UPDATE connections SET site_id = 'b', by_ignite = true WHERE site_id = 'a'")
    return list(calls)


async def test_a_daemon_alone_asks_the_database_nothing_more(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "s1")) as harness:
        harness.database.read = None  # type: ignore[assignment,method-assign]
        assert await harness.intake.look_again(site("b")) is None
        assert await harness.intake.look_again(site("a")) == harness.intake.find(site("a"))


async def test_deliveries_at_another_node_count_as_the_connections_own(autojump_clock: MockClock) -> None:
    """Else an hour of them would look like silence, and a change of theirs like one without a webhook."""
    async with open_nodes(Way.NOTIFY) as nodes:
        deliveries = nodes.runner.context.deliveries
        deliveries._times = WebhookTimes(delivered_within=60.0)
        endpoint = nodes.guest.intake.find(site("a"))
        assert endpoint is not None
        await trio.sleep(100)
        before = deliveries._heard_at
        await nodes.guest.intake.record(evolve(endpoint, times=deliveries._times), [CHANGE])
        nodes.guest.intake.taken(endpoint)
        await trio.sleep(1)
        assert deliveries._heard_at > before + 99
        assert set(deliveries._arrived) == {CHANGE}


async def test_behind_a_pooler_a_fresh_live_row_is_the_sign_of_a_delivery(autojump_clock: MockClock) -> None:
    async with open_nodes(Way.POLL) as nodes:
        await trio.sleep(100)
        before = nodes.runner.context.deliveries._heard_at
        await _webhook(nodes.guest)
        await trio.sleep(SOON)
        assert nodes.runner.context.deliveries._heard_at > before + 99


@pytest.mark.parametrize("repeats", [True, False])
async def test_deliveries_that_fail_at_another_node_become_a_gap(autojump_clock: MockClock, *, repeats: bool) -> None:
    """At once where the platform sends nothing again, else after the longest outage that its repeats make up for."""
    async with open_nodes(Way.NOTIFY) as nodes:
        found = nodes.guest.intake.find(site("a"))
        assert found is not None
        endpoint = evolve(found, times=WebhookTimes(retried_for=3600.0 if repeats else 0.0))

        async def is_open() -> bool:
            await trio.sleep(SOON)
            gap = await nodes.owner.database.read(open_gap, endpoint.connection_id, Kind.PRODUCTS)
            return gap is not None

        nodes.guest.intake.failed(endpoint, [Kind.ORDERS])
        assert not await is_open(), "of a kind that is not synced"
        nodes.guest.intake.taken(endpoint)
        nodes.guest.intake.failed(endpoint, [Kind.PRODUCTS])
        assert await is_open() is not repeats
        await trio.sleep(10)
        nodes.guest.intake.failed(endpoint, ())
        assert await is_open()


@pytest.mark.parametrize("taken", [True, False])
async def test_an_outage_that_ends_the_lease_is_one_outage(autojump_clock: MockClock, *, taken: bool) -> None:
    """Deliveries fail for longer than the longest outage, but neither before nor after the lease ends."""
    async with open_nodes(Way.NOTIFY) as nodes:
        intake, found = nodes.owner.intake, nodes.owner.intake.find(site("a"))
        assert found is not None
        endpoint = evolve(found, times=WebhookTimes(retried_for=3600.0))
        intake.failed(endpoint, [Kind.PRODUCTS])
        await trio.sleep(LONGEST_OUTAGE - 2)
        if taken:
            intake.taken(endpoint)
        await nodes.owner.supervisor.stop(endpoint.connection_id)
        intake.failed(endpoint, [Kind.PRODUCTS])
        await trio.sleep(4)
        intake.failed(endpoint, [Kind.PRODUCTS])
        await trio.sleep(SOON)
        gap = await nodes.owner.database.read(open_gap, endpoint.connection_id, Kind.PRODUCTS)
        assert (gap is None) is taken


async def test_requests_turned_away_at_another_node_become_a_gap(autojump_clock: MockClock) -> None:
    async with open_nodes(Way.NOTIFY) as nodes:
        for _ in range(3):
            nodes.guest.intake.overrun()
            await trio.sleep(LONGEST_OUTAGE)
        [stored] = await nodes.owner.rows("a")
        assert await nodes.owner.database.read(open_gap, stored.id, Kind.PRODUCTS) is not None


async def test_a_gap_is_noted_as_soon_as_the_database_works(autojump_clock: MockClock) -> None:
    async with open_nodes(Way.NOTIFY) as nodes:
        write, broken = nodes.guest.database.write, True

        async def failing(*args: Any) -> Any:
            if broken:
                raise StorageTrouble("database is locked", reason="locked")
            return await write(*args)

        nodes.guest.database.write = failing  # type: ignore[method-assign,assignment]
        await _too_large(nodes.guest)
        await trio.sleep(30)
        [stored] = await nodes.owner.rows("a")
        assert await nodes.owner.database.read(open_gap, stored.id, Kind.PRODUCTS) is None
        broken = False
        await trio.sleep(SOON)
        assert await nodes.owner.database.read(open_gap, stored.id, Kind.PRODUCTS) is not None


async def test_status_says_by_which_way_a_node_learns_of_others(autojump_clock: MockClock) -> None:
    for way in Way:
        async with open_nodes(way) as nodes:
            assert (await nodes.guest.admin.status({}))["wakeups"] == way.value
            nodes.guest.database.waiting = 0  # type: ignore[attr-defined]
            await nodes.guest.admin.refresh()
            shown = nodes.guest.lifecycle.factory.metrics.render().decode()
            assert f'ignite_sync_wakeups{{way="{way.value}"}} 1.0' in shown
    async with open_harness(link("a", "s1")) as harness:
        assert "wakeups" not in await harness.admin.status({})


def _leased(conn: Any, calls: Sequence[ConnectionId]) -> list[None]:
    for call in calls:
        node = {"id": "x", "name": "dyno-1", "release": "1", "config": "", "seen_at": 0.0, "draining": False}
        conn.execute(nodes_table.insert().values(**node))
        lease = {"connection_id": call, "node_id": "x", "token": 1, "not_before": 0.0, "crashes": 0}
        conn.execute(leases_table.insert().values(**lease))
    return [None for _ in calls]


async def test_status_shows_at_every_node_what_the_one_knows_that_works_on_a_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_nodes(Way.NOTIFY) as nodes, trio.open_nursery() as nursery:
        [stored] = await nodes.owner.rows("a")
        await nodes.owner.database.write(_leased, stored.id)
        nursery.start_soon(nodes.owner.admin.tell_others)
        context = nodes.runner.context
        context.pause.start(Blocked("the key is revoked", reason="credentials", side=Side.SPARKLAYER))
        await trio.sleep(2 * TELL_EVERY)
        [at_owner], [at_guest] = [
            (await harness.admin.status({}))["connections"] for harness in (nodes.owner, nodes.guest)
        ]
        for name in ("blocked", "throttles", "node"):
            assert at_guest[name] == at_owner[name]
        assert at_guest["kinds"]["products"] == at_owner["kinds"]["products"]
        assert (at_guest["node"], at_guest["blocked"]) == ("dyno-1", "sparklayer: credentials")
        assert len(at_guest["throttles"]) == 2
        nursery.cancel_scope.cancel()


async def test_messages_of_other_releases_are_passed_over(autojump_clock: MockClock) -> None:
    async with open_nodes(Way.NOTIFY) as nodes:
        for message in ("", "work", "work x products", "work 1", "work 1 teapots", "cancelled 1 products", "new 1"):
            nodes.wakeups[1].tell(*message.split(" "))
        await trio.sleep(1)
        await _webhook(nodes.guest)
        with trio.fail_after(SOON):
            await nodes.runner.context.kind_states[Kind.PRODUCTS].work[Lane.LIVE].wait()


async def test_what_two_nodes_change_of_one_connection_at_once_is_kept(autojump_clock: MockClock) -> None:
    """A merchant installs the app again at one node while Ignite brings another key to the other one."""
    async with open_nodes(Way.NOTIFY) as nodes:
        await nodes.owner.install("s2", "token-2")
        await nodes.owner.connect("b", "s2")
        await trio.sleep(SOON)
        write, meanwhile = nodes.guest.database.write, [nodes.owner]

        async def interrupted(operation: Any, call: Any) -> Any:
            if operation is connections.renew and meanwhile:
                await meanwhile.pop().install("s2", "token-3")
            return await write(operation, call)

        beside = StorageBeside(interrupted, nodes.guest.database.read)
        lifecycle = evolve(nodes.guest.lifecycle, storage=beside)
        await lifecycle.connect(site("b"), "s2", api_key("key-2"))
        await trio.sleep(SOON)
        present = await nodes.owner.present("b")
        assert (present.api_key.client_secret.reveal(), present.store.token.reveal()) == ("key-2", "token-3")


@define
class StorageBeside:
    """The database as one node has it: nodes share it here."""

    write: Any
    read: Any
