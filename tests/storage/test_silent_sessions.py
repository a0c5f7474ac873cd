"""A session that falls silent, wherever it is in a transaction: its locks are released, so its lease can be taken.

A suspended node is silent between two bytes of any statement. PostgreSQL ends a transaction that waits for its next
statement. It never ends one that waits for the rest of a series of messages, as psycopg's pipelines are.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy import Connection

from daemon.errors import StorageTrouble
from daemon.model import ConnectionId, ExternalId, Kind, Secret, Site
from daemon.storage import connections, leases, postgres, sync_log, tables
from daemon.storage.connections import Adopt
from daemon.storage.group_commit import apply
from daemon.storage.leases import Lease, fenced
from daemon.storage.ledger import Mark, mark
from daemon.storage.postgres import PostgresConnection
from daemon.storage.sync_log import Report
from tests.postgres import Server
from tests.silent_proxy import SilentProxy
from tests.storage.harness import row

pytestmark = pytest.mark.postgres

SHORT = ("idle_in_transaction_session_timeout = '100ms'", "lock_timeout = '5s'")
PLACES = 16
"""Places in the bytes of a transaction at which a session falls silent."""


def _adopt(conn: Connection) -> ConnectionId:
    adopt = Adopt(site=Site("test", "shop"), platform="fake", encrypted=b"", now=0.0)
    [stored] = connections.adopt(conn, [adopt])
    leases.fair_share(conn)
    conn.execute(tables.sync_log.insert().values(connection_id=stored.id, kind="products", ever_put=True))
    return stored.id


def _have(conn: Connection, lease: Lease) -> None:
    conn.execute(tables.leases.update().values(node_id=lease.node_id, token=lease.token))


def _work(conn: Connection, lease: Lease) -> None:
    """Commit as an owner does: one statement for some rows, and one for each of others."""
    ids, kind = [ExternalId(str(number)) for number in range(5)], Kind.PRODUCTS
    batch = Mark[Any](connection_id=lease.connection_id, kind=kind, rows=[row(external_id) for external_id in ids])
    report = Report(
        connection_id=lease.connection_id,
        kind=kind,
        full=False,
        run=None,
        started_at=None,
        last_full_sync=None,
        succeeded=None,
        errors=(),
        resolved=[(external_id, 1) for external_id in ids],
    )
    apply(conn, [(fenced(mark), [(lease, batch)]), (fenced(sync_log.confirm), [(lease, report)])])


@pytest.fixture
async def direct(postgres_url: Secret) -> AsyncIterator[PostgresConnection]:
    """Lend a session of a node that goes on."""
    connection = PostgresConnection(postgres_url, postgres.WRITE)
    await connection.run(connection.transact, postgres.prepare, "test")
    yield connection
    await connection.aclose()


async def test_a_lease_can_be_taken_wherever_its_owner_fell_silent(
    direct: PostgresConnection, postgres_url: Secret, server: Server
) -> None:
    lease = Lease(await direct.run(direct.transact, _adopt), "a", 1)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        proxy = SilentProxy(folder=Path(folder), server=server.folder)
        url = Secret(postgres_url.reveal().replace(str(server.folder), folder))
        with proxy.running():
            for place in range(1, PLACES + 1):
                await direct.run(direct.transact, _have, lease)
                frozen, size = await _session(url, lease, proxy)
                proxy.fall_silent_after(size * place // PLACES)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_try, frozen, lease)
                    await trio.to_thread.run_sync(proxy.silent.wait)
                    try:
                        with trio.fail_after(30):
                            await _taken(direct)
                    finally:
                        proxy.passing.set()
                await frozen.aclose()


async def _session(url: Secret, lease: Lease, proxy: SilentProxy) -> tuple[PostgresConnection, int]:
    """Return a session that has prepared its statements, and the bytes of its next transaction."""
    while True:
        frozen = PostgresConnection(url, postgres.WRITE, SHORT)
        try:
            await frozen.run(frozen.transact, _work, lease)
            before = proxy.passed
            await frozen.run(frozen.transact, _work, lease)
        except StorageTrouble:  # a busy machine took longer than the server waits between two statements
            await frozen.aclose()
        else:
            return frozen, proxy.passed - before


async def _try(frozen: PostgresConnection, lease: Lease) -> None:
    with contextlib.suppress(StorageTrouble):  # the server has ended it
        await frozen.run(frozen.transact, _work, lease)


async def _taken(direct: PostgresConnection) -> None:
    """Wait until another node has taken the lease."""
    while not await direct.run(direct.transact, leases.take, "b", [], 1.0):  # noqa: ASYNC110  a foreign session tells nobody
        await trio.sleep(0.02)
