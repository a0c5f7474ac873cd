"""Statements that go to PostgreSQL together, and commits of intake that are made beside each other."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import trio
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DataError, IntegrityError
from trio.testing import wait_all_tasks_blocked

from daemon.model import Change, ConnectionId, ExternalId, Kind, Secret
from daemon.storage import outbox, postgres, prepared
from daemon.storage.database import OVERLAPPING, in_order, open_database
from daemon.storage.group_commit import GroupCommit, Operation
from daemon.storage.leases import Lease
from daemon.storage.outbox import Record
from daemon.storage.postgres_session import TogetherCursor
from daemon.storage.settle import Settlement
from tests.storage.harness import StorageHarness

UNREAD = dict(prepared.UNREAD)


@pytest.fixture
def engine(postgres_url: Secret) -> Iterator[Engine]:
    made = postgres.engine(postgres_url, postgres.WRITE, together=True)
    with made.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE names (name text PRIMARY KEY)")
    yield made
    made.dispose()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of statements of each round trip; a COMMIT alone does not count."""
    made, send = list[int](), TogetherCursor._send

    def counted(cursor: TogetherCursor, statements: list[str]) -> None:
        made.append(len(cursor._session.held) + len(statements))
        send(cursor, statements)

    monkeypatch.setattr(TogetherCursor, "_send", counted)
    return made


def put(conn: Connection, name: str) -> None:
    conn.exec_driver_sql("INSERT INTO names VALUES (%s)", (name,), UNREAD)


def names(engine: Engine) -> set[str]:
    with engine.begin() as conn:
        return set(conn.exec_driver_sql("SELECT name FROM names").scalars())


def test_statements_that_need_no_answer_go_with_the_commit_in_their_order(engine: Engine, trips: list[int]) -> None:
    with engine.begin() as conn:
        put(conn, "a'; DROP TABLE names; --")
        put(conn, "100 % {\\}")
        conn.exec_driver_sql("UPDATE names SET name = name || '!'", execution_options=UNREAD)
    assert trips == [5], "BEGIN with its limits, three statements, COMMIT"
    assert names(engine) == {"a'; DROP TABLE names; --!", "100 % {\\}!"}


def test_a_query_sees_the_statements_before_it(engine: Engine, trips: list[int]) -> None:
    with engine.begin() as conn:
        put(conn, "a")
        assert conn.exec_driver_sql("SELECT name FROM names WHERE name = %s", ("a",)).scalars().all() == ["a"]
        put(conn, "b")
    assert trips == [3, 2]
    assert names(engine) == {"a", "b"}


@pytest.mark.parametrize("last", [None, "SELECT 1", "SELECT 'x'::integer"], ids=["commit", "query", "wrong query"])
def test_an_error_of_a_statement_that_was_held_back_undoes_all(engine: Engine, last: str | None) -> None:
    with pytest.raises(IntegrityError):
        work(engine, ["a", "a"], last)
    with pytest.raises(DataError):
        work(engine, ["a"], "SELECT 'x'::integer")
    assert names(engine) == set()


def work(engine: Engine, words: Sequence[str], last: str | None) -> None:
    with engine.begin() as conn:
        for name in words:
            put(conn, name)
        if last is not None:
            conn.exec_driver_sql(last)


def test_what_was_held_back_is_dropped_with_its_transaction(engine: Engine, trips: list[int]) -> None:
    with engine.connect() as conn:
        transaction = conn.begin()
        put(conn, "a")
        transaction.rollback()
        with conn.begin():
            pass
    assert trips == [], "nothing was to be done"
    assert names(engine) == set()


def test_a_statement_for_several_rows_is_one_round_trip_and_counts_them_all(engine: Engine, trips: list[int]) -> None:
    with engine.begin() as conn:
        many = conn.execute(text("INSERT INTO names VALUES (:name)"), [{"name": name} for name in "abc"])
        assert many.rowcount == 3
        many = conn.execute(text("UPDATE names SET name = name || '1' WHERE name > :than"), [{"than": n} for n in "bz"])
        assert many.rowcount == 1
    assert trips == [4, 2]
    assert names(engine) == {"a", "b", "c1"}


async def test_a_group_of_webhooks_takes_one_round_trip(postgres_url: Secret, trips: list[int]) -> None:
    async with open_database(postgres_url) as database:
        harness = await StorageHarness.build(database)
        trips.clear()
        await harness.record("1", "2")
        # BEGIN with its limits, the lock on the connection, the INSERT, COMMIT
        assert trips == [4]
        changes = [Change(Kind.PRODUCTS, ExternalId("3"))]
        await database.write(outbox.record, Record(connection_id=ConnectionId(999), changes=changes, now=0.0))
        assert {claim.external_id for claim in await harness.claim(now=1.0)} == {"1", "2"}, "no other connection's"


class SlowConnection:
    """A connection whose transactions wait until they are let go."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.go_on = trio.Event()

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        self.log.append("begun")
        await self.go_on.wait()
        self.go_on = trio.Event()
        self.log.append("ended")
        return fn(*args)

    def transact(self, fn: Callable[..., Any], *args: Any) -> Any:
        return fn(None, *args)


def intake(_conn: object, calls: Sequence[int]) -> list[int]:
    return list(calls)


def other(_conn: object, calls: Sequence[int]) -> list[int]:
    return list(calls)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [(intake, intake, True), (intake, other, False), (other, intake, False), (other, other, False)],
    ids=["intake-intake", "intake-other", "other-intake", "other-other"],
)
async def test_only_commits_of_intake_are_made_beside_each_other(
    first: Operation[int, int],
    second: Operation[int, int],
    both: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    log: list[str] = []
    connections = [SlowConnection(log) for _ in range(2)]
    writer = GroupCommit(connections, lambda *_: None, {intake})
    results: list[int] = []

    async def write(fn: Operation[int, int], call: int) -> None:
        results.append(await writer.write(fn, call))

    async with trio.open_nursery() as nursery, trio.open_nursery() as callers:
        nursery.start_soon(writer.run)
        for call, fn in enumerate((first, second)):
            callers.start_soon(write, fn, call)
            await wait_all_tasks_blocked()
        assert log == ["begun"] * (2 if both else 1)
        while len(results) < 2:
            for connection in connections:
                connection.go_on.set()
            await wait_all_tasks_blocked()
        callers.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    assert sorted(results) == [0, 1]
    assert log.count("ended") == 2
    assert both == (log[:2] == ["begun", "begun"])


def test_intake_alone_is_committed_beside_other_commits() -> None:
    assert {outbox.record} == OVERLAPPING


class LoggingConnection:
    """A connection that logs the calls of each of its transactions."""

    def __init__(self, log: list[list[Any]]) -> None:
        self.log = log

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    def transact(self, fn: Callable[..., Any], *args: Any) -> Any:
        self.log.append([])
        return fn(self.log[-1], *args)


def logged(log: Any, calls: Sequence[Any]) -> list[None]:
    log += calls
    return [None] * len(calls)


def logged_intake(log: Any, calls: Sequence[Any]) -> list[None]:
    return logged(log, calls)


async def test_intake_has_its_own_commit_and_owners_calls_come_in_the_order_of_its_locks() -> None:
    """Two nodes that each held rows of a connection, and wanted those of an earlier one, would wait for each other."""
    log: list[list[Any]] = []
    writer = GroupCommit([LoggingConnection(log) for _ in range(2)], lambda *_: None, {logged_intake}, in_order)

    def call(number: int, kind: Kind, node: str = "a") -> tuple[Lease, Settlement]:
        lease = Lease(ConnectionId(number), node, 1)
        return lease, Settlement(connection_id=lease.connection_id, kind=kind, now=0.0)

    later, first, second = call(7, Kind.CUSTOMERS), call(3, Kind.CUSTOMERS), call(3, Kind.PRODUCTS)
    again = call(3, Kind.CUSTOMERS, "again")
    async with trio.open_nursery() as nursery, trio.open_nursery() as callers:
        for fn, waiting in [(logged, later), (logged_intake, 1), (logged, second), (logged, first), (logged, again)]:
            callers.start_soon(writer.write, fn, waiting)
            await wait_all_tasks_blocked()
        nursery.start_soon(writer.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert log == [[1], [first, again, second, later]]
