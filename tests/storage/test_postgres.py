"""PostgreSQL: the storage's promises on a real server, with real threads and the real clock."""

import contextlib
import math
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio
from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.model.identifiers import without_password
from daemon.storage import connections, postgres, postgres_server
from daemon.storage.database import Database, open_database
from daemon.storage.glance import glance
from daemon.storage.tables import floor
from tests.each import each
from tests.postgres import PASSWORD, Server, running
from tests.silent_proxy import SilentProxy
from tests.storage.harness import StorageHarness, row, settled
from tests.storage.test_database import names, put, together

pytestmark = pytest.mark.postgres


@pytest.fixture
async def database(postgres_url: Secret) -> AsyncIterator[Database]:
    async with open_database(postgres_url) as opened:
        yield opened


async def test_calls_that_wait_are_committed_together(database: Database) -> None:
    results = await together(database, (put, "a"), (put, "b"))
    assert results == [2, 2]
    assert await database.read(names) == {"a", "b"}


async def test_a_call_that_fails_harms_no_other(database: Database) -> None:
    await database.write(put, "a")
    results = await together(database, (put, "b"), (put, "a"), (put, "c"))
    assert [type(result) for result in results] == [int, IntegrityError, int]
    assert await database.read(names) == {"a", "b", "c"}


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageTrouble, match="read-only") as caught:
        await database.read(put, ["a"])
    assert caught.value.reason == "storage_readonly"


async def test_limits_and_durability_are_set_in_every_transaction(database: Database) -> None:
    def limits(conn: Connection, calls: Sequence[str]) -> list[object]:
        return [conn.exec_driver_sql(f"SHOW {name}").scalar_one() for name in calls]

    asked = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")
    assert [await database.write(limits, name) for name in asked] == ["5s", "20s", "5s", "on"]
    assert await database.read(limits, ["lock_timeout", "transaction_isolation"]) == ["5s", "repeatable read"]


async def test_after_a_restart_of_the_server_the_next_call_connects_again() -> None:
    """A session that ended while it was idle costs no caller anything; only an absent server does."""
    with running() as server, server.database() as url:
        async with open_database(url) as database:
            await database.write(put, "before")
            server.stop(at_once=True)
            for refused in (database.write(put, "lost"), database.read(names)):
                with pytest.raises(StorageTrouble) as caught:
                    await refused
                assert caught.value.reason == "storage_unreachable"
            server.start()
            assert await database.write(put, "after") == 1
            server.stop()
            server.start()
            assert await database.write(put, "later") == 1, "nobody noticed"
            assert await database.read(names) == {"before", "after", "later"}


async def test_a_silent_server_is_trouble_and_passes(postgres_url: Secret, server: Server) -> None:
    """The peer's kernel acknowledges what is sent, so neither keepalives nor a TCP timeout notice anything."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "SILENT_SECONDS", 0.5)
        proxy = SilentProxy(folder=Path(folder), server=server.folder)
        with proxy.running():
            async with open_database(Secret(postgres_url.reveal().replace(str(server.folder), folder))) as database:
                await database.write(put, "before")
                proxy.passing.clear()
                with pytest.raises(StorageTrouble) as caught:
                    await database.write(put, "lost")
                assert caught.value.reason == "storage_unreachable"
                proxy.passing.set()
                await database.write(put, "after")
                assert {"before", "after"} <= await database.read(names)


async def test_a_transaction_that_meets_another_in_a_circle_is_tried_again(postgres_url: Secret) -> None:
    async with open_database(postgres_url) as one, open_database(postgres_url) as other:
        await one.write(put, "a")
        await one.write(put, "b")
        met = threading.Barrier(2)

        def lock(first: str, second: str) -> Callable[[Connection, Sequence[None]], list[None]]:
            waited: list[bool] = []

            def locking(conn: Connection, calls: Sequence[None]) -> list[None]:
                update = text("UPDATE meta SET encrypted = 'y' WHERE name = :name")
                conn.execute(update, {"name": first})
                if not waited:
                    waited.append(True)
                    met.wait(10)
                conn.execute(update, {"name": second})
                return [None] * len(calls)

            return locking

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.write, lock("a", "b"), None)
                nursery.start_soon(other.write, lock("b", "a"), None)


async def test_a_row_that_another_holds_is_trouble_in_the_end(
    postgres_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LIMITS", ("lock_timeout = '100ms'",))
    async with open_database(postgres_url) as one, open_database(postgres_url) as other:
        await one.write(put, "a")
        locked, over = threading.Event(), threading.Event()

        def hold(conn: Connection, calls: Sequence[None]) -> list[None]:
            conn.execute(text("UPDATE meta SET encrypted = 'y'"))
            locked.set()
            over.wait(30)
            return [None] * len(calls)

        def touch(conn: Connection, calls: Sequence[None]) -> list[None]:
            conn.execute(text("UPDATE meta SET encrypted = 'z'"))
            return [None] * len(calls)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.write, hold, None)
            await trio.to_thread.run_sync(locked.wait, 10)
            with pytest.raises(StorageTrouble) as caught:
                await other.write(touch, None)
            over.set()
        assert caught.value.reason == "storage_busy"


async def test_two_nodes_may_start_on_an_empty_database_at_once(postgres_url: Secret) -> None:
    opened: list[Database] = []

    async def start() -> None:
        async with open_database(postgres_url) as database:
            opened.append(database)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(start)
    assert len(opened) == 3


async def test_ids_are_sorted_by_code_point(database: Database) -> None:
    harness = await StorageHarness.build(database)
    await harness.record("b", "A", "a", "Z", "ä", "10", "9")
    assert [claim.external_id for claim in await harness.claim()] == sorted(["b", "A", "a", "Z", "ä", "10", "9"])


ODD = [
    *("a\0b", "\0", "\ud800", "\udfff!", "\ufdd0", "\ufdd00000", "\N{PILE OF POO}", "%s %(a)s", "e\u0301", "\x7f"),
    *('"', "\\", '\\"', "'", "a,b", "{}", "NULL", "", " ", "\n"),
]


async def test_every_text_is_an_id(database: Database) -> None:
    """PostgreSQL refuses NUL, and UTF-8 half of a surrogate pair; a platform's JSON may have both."""
    harness = await StorageHarness.build(database)
    await harness.record(*ODD, "plain")
    claims = await harness.claim()
    assert {claim.external_id for claim in claims} == {*ODD, "plain"}
    await harness.mark(*map(row, ODD), claims={odd: odd for odd in ODD})
    assert await harness.owners() == {odd: odd for odd in ODD}
    await harness.settle(done=[settled(claim) for claim in claims])
    assert (await harness.rows(), set(await harness.ledger())) == ({}, set(ODD))


@each(
    "column",
    [
        *([], [1], [-1, 2**62], [True, False], [0.1, -1e300, 1e-300], [math.inf, -math.inf], [1, None]),
        *(["plain", "too ~!#$&()*+-./:;<=>?@[]^_`|"], ["a", None, ""], ["NULL", "{", '"', "\\"], [b"\0\xff"]),
    ],
)
async def test_every_array_arrives_as_it_is(database: Database, column: list[Any]) -> None:
    types = {bool: "boolean", int: "bigint", float: "float8", str: "text", bytes: "bytea"}
    kind = types[type(column[0])] if column else "text"

    def echo(conn: Connection, calls: Sequence[list[Any]]) -> list[Any]:
        return [conn.exec_driver_sql(f"SELECT %(column)s::{kind}[]", {"column": call}).scalar() for call in calls]

    assert await database.write(echo, column) == column


async def test_an_earlier_release_works_on_until_the_floor_is_above_it(postgres_url: Secret) -> None:
    def newer(conn: Connection, calls: Sequence[str]) -> list[None]:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        for step in filter(None, calls):
            conn.execute(floor.insert().values(step=step))
        return [None] * len(calls)

    async with open_database(postgres_url) as database:
        await database.write(newer, "")
    async with open_database(postgres_url) as database:
        await database.write(newer, "9998")
    with pytest.raises(ConfigError, match="newer release"):
        await _open(postgres_url)


def _other_encoding(server: Server) -> None:
    statement = "CREATE DATABASE latin OWNER daemon ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    with contextlib.suppress(Exception):
        server.administer(sql.SQL("DROP DATABASE latin").format())
    server.administer(sql.SQL(statement).format())


BAD: dict[str, tuple[Callable[[str], str], str]] = {
    "wrong password": (lambda url: url.replace("Fword", "Fsword"), "authentication failed for user"),
    "no password": (lambda url: url.replace(url.split("daemon")[1].split("@")[0], "", 1), "put the password into"),
    "no such database": (lambda url: url.replace("/test_", "/none_"), "does not exist; create it"),
    "no such user": (lambda url: url.replace("//daemon", "//mallory"), "correct user and password"),
    "unknown parameter": (lambda url: url + "&colour=red", "colour is no parameter of PostgreSQL"),
    "no such sslmode": (lambda url: url + "&sslmode=some", "correct sslmode"),
    "no such port": (lambda url: url.replace("@/", "@:abc/"), "correct the URL"),
    "port out of range": (lambda url: url.replace("@/", "@:99999/"), "correct the port"),
    "a standby wanted": (lambda url: url + "&target_session_attrs=standby", "remove target_session_attrs"),
    "a reader wanted": (lambda url: url + "&target_session_attrs=read-only", "remove target_session_attrs"),
    "no such session": (lambda url: url + "&target_session_attrs=some", "correct target_session_attrs"),
    "password not encoded": (lambda url: url.replace("a%20pass%2Fword%3A", "a/hidden?pass"), "percent-encode"),
    "no rights": (lambda url: url.replace(url.split("@/")[1].split("?")[0], "postgres"), "may not create tables"),
    "other encoding": (lambda url: url.replace(url.split("@/")[1].split("?")[0], "latin"), "its encoding is LATIN1"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_explained_in_one_line_without_the_password(
    postgres_url: Secret, server: Server, name: str
) -> None:
    spoil, words = BAD[name]
    if name == "other encoding":
        _other_encoding(server)
    with pytest.raises(ConfigError) as error:
        await _open(Secret(spoil(postgres_url.reveal())))
    line = str(error.value)
    assert words in line
    assert "\n" not in line
    assert "hidden" not in line
    assert PASSWORD not in line


@pytest.mark.parametrize("table", ["alembic_version", "connections", "ledger"])
async def test_tables_of_another_application_are_left_alone(postgres_url: Secret, table: str) -> None:
    with psycopg.connect(postgres_url.reveal(), autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE TABLE {} (version_num text)").format(sql.Identifier(table)))
    with pytest.raises(ConfigError, match="give the daemon a database of its own"):
        await _open(postgres_url)


@pytest.mark.parametrize(
    ("version", "standby", "words"),
    [(120022, False, "is PostgreSQL 12; use release 13 or later"), (150018, True, "is a standby")],
)
def test_a_server_that_the_daemon_cannot_use_is_named(version: int, standby: bool, words: str) -> None:  # noqa: FBT001
    class Answering:
        def exec_driver_sql(self, _statement: str) -> "Answering":
            return self

        def one(self) -> tuple[object, ...]:
            return version, "UTF8", standby, True, True, ["alembic_version", "meta"]

    with pytest.raises(ConfigError, match=words):
        postgres_server.refuse_server(Answering(), "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        *[("08006", "storage_unreachable"), ("57P01", "storage_unreachable"), ("28P01", "storage_unreachable")],
        *[("53100", "storage_full"), ("53300", "storage"), ("58030", "storage"), ("XX001", "storage_damaged")],
        *[("25006", "storage_readonly"), ("42501", "storage_readonly"), ("40001", "storage_busy")],
        *[("55P03", "storage_busy"), ("57014", "storage_busy"), ("25P03", "storage_busy")],
        *[("23505", None), ("22021", None), ("42P01", None), ("25P02", None)],
    ],
)
def test_errors_of_the_server_are_trouble_and_those_of_a_statement_pass(code: str, reason: str | None) -> None:
    error = DBAPIError("SELECT", {}, psycopg.errors.lookup(code)("why"))
    with pytest.raises(StorageTrouble if reason else DBAPIError) as caught:
        postgres.raise_trouble(error)
    assert getattr(caught.value, "reason", None) == reason


async def test_an_absent_server_is_waited_for_and_then_trouble(
    postgres_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "START_SECONDS", 0.0)
    with pytest.raises(StorageTrouble) as caught:
        await _open(Secret(postgres_url.reveal().partition("?")[0] + "?host=/nowhere"))
    assert caught.value.reason == "storage_unreachable"


async def test_a_database_without_writes_is_trouble_that_names_the_remedy(
    postgres_url: Secret, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host takes this back once its disk has room, so it is no wrong setting."""
    monkeypatch.setattr(postgres, "START_SECONDS", 0.0)
    name = sql.Identifier(postgres_url.reveal().split("@/")[1].split("?")[0])
    server.administer(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    for opened in ("empty", "with tables"):
        with pytest.raises(StorageTrouble, match=r"make room, and set default_transaction_read_only = off") as caught:
            await _open(postgres_url)
        assert caught.value.reason == "storage_readonly", opened
        with pytest.raises(StorageTrouble, match="read-only by default"):
            glance(postgres_url, None)
        if opened == "with tables":
            async with open_database(postgres_url, make=False) as database:
                assert await database.read(connections.everyone) == []
        server.administer(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))
        async with open_database(postgres_url):
            pass
        server.administer(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))


@pytest.mark.parametrize(("limited", "few"), [("ROLE daemon", 6), ("DATABASE {}", 6), ("ROLE daemon", 7)])
async def test_a_limit_of_sessions_that_is_too_low_is_found(
    postgres_url: Secret, server: Server, limited: str, few: int
) -> None:
    name = sql.Identifier(postgres_url.reveal().split("@/")[1].split("?")[0])
    async with open_database(postgres_url):
        pass

    def limit(number: int) -> None:
        server.administer(sql.SQL(f"ALTER {limited} CONNECTION LIMIT {number}").format(name))

    limit(few)
    try:
        warnings = glance(postgres_url, None).warnings
    finally:
        limit(-1)
    words = f"its user may have {few} sessions, and each node takes 7; raise CONNECTION LIMIT"
    assert (words in warnings) == (few < postgres_server.SESSIONS)


async def test_a_command_makes_no_tables(postgres_url: Secret) -> None:
    with pytest.raises(ConfigError, match="there is nothing in it yet"):
        async with open_database(postgres_url, make=False):
            pytest.fail("it was opened")


async def test_without_the_driver_its_extra_is_named(postgres_url: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'ignite-sync\[postgres\]'"):
        await _open(postgres_url)


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgres://u:hidden@h:1/d?sslmode=require&password=hidden", "postgres://u@h:1/d"),
        ("postgresql://u:hid/den?x@y@h/d", "postgresql://u@h/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://u:hidden@/d?host=/run/postgresql", "postgresql://u@/run/postgresql/d"),
    ],
)
def test_a_url_is_printed_without_its_password(url: str, printed: str) -> None:
    assert without_password(url) == printed


async def _open(url: Secret) -> None:
    async with open_database(url):
        pytest.fail("it was opened")
