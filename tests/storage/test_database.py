"""Transactions for callers on trio: durable and grouped; a failed call harms no other.

These tests use the real threads, a real file and the real clock.
"""

# ruff: noqa: ASYNC240  small files

import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from trio.testing import wait_all_tasks_blocked

from daemon.errors import StorageTrouble
from daemon.storage import lock, sqlite
from daemon.storage.database import Database, open_database
from daemon.storage.group_commit import GroupCommit
from daemon.storage.sqlite import connected
from tests.databases import new_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ignite-sync.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with open_database(path) as opened:
        yield opened


async def test_only_its_user_can_read_the_database(path: Path) -> None:
    umask = os.umask(0o022)
    try:
        async with open_database(path) as database:
            await database.write(put, "one")
            rights = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(umask)
    rights.pop(f"{path.name}.lock")  # The database is empty.
    assert rights == dict.fromkeys((path.name, f"{path.name}-wal", f"{path.name}-shm"), 0o600)


def put(conn: Connection, calls: Sequence[str]) -> list[int]:
    """Insert names into `meta` in one statement; each name is unique."""
    conn.execute(text("INSERT INTO meta (name, encrypted) VALUES (:name, 'x')"), [{"name": name} for name in calls])
    return [len(calls)] * len(calls)


def names(conn: Connection) -> set[str]:
    return {row.name for row in conn.execute(text("SELECT name FROM meta"))}


async def together(database: Database | GroupCommit, *calls: tuple[Callable[..., Any], Any]) -> list[Any]:
    """Commit calls together; their exceptions are results."""
    results: list[Any] = [None] * len(calls)

    async def one(place: int, fn: Callable[..., Any], call: Any) -> None:
        try:
            results[place] = await database.write(fn, call)
        except Exception as error:  # noqa: BLE001  the test looks at it
            results[place] = error

    async with trio.open_nursery() as nursery:
        for place, (fn, call) in enumerate(calls):
            nursery.start_soon(one, place, fn, call)
    return results


async def test_what_is_written_is_committed_and_seen_by_the_next_read(database: Database, path: Path) -> None:
    assert await database.write(put, "one") == 1
    assert await database.read(names) == {"one"}
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM meta").fetchall() == [("one",)]
    other.close()


async def test_neighbours_of_one_function_become_one_call(path: Path) -> None:
    commits = []
    async with open_database(path, lambda *commit: commits.append(commit)) as database:
        assert await together(database, *[(put, str(number)) for number in range(20)]) == [20] * 20
    (outcome, calls, seconds) = commits[-1]
    assert (len(commits), outcome, calls) == (1, "committed", 20)
    assert seconds > 0


async def test_what_waits_for_the_next_commit_is_counted(database: Database) -> None:
    go_on = threading.Event()

    def slow(_conn: Connection, calls: Sequence[None]) -> list[None]:
        go_on.wait(10)
        return [None] * len(calls)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.write, slow, None)
        await wait_all_tasks_blocked()
        for number in range(3):
            nursery.start_soon(database.write, put, str(number))
        await wait_all_tasks_blocked()
        assert database.waiting == 3
        go_on.set()
    assert database.waiting == 0


async def test_one_bad_call_among_good_ones_fails_alone(database: Database) -> None:
    await database.write(put, "taken")
    results = await together(database, (put, "a"), (put, "taken"), (put, "b"), (put, "b"))
    assert results[0] == 1
    assert isinstance(results[1], IntegrityError)
    assert sum(isinstance(result, IntegrityError) for result in results) == 2
    assert await database.read(names) == {"taken", "a", "b"}


async def test_an_error_of_a_call_goes_to_its_caller(database: Database) -> None:
    def broken(_conn: Connection, _calls: Sequence[str]) -> list[None]:
        raise ZeroDivisionError

    results = await together(database, (put, "a"), (broken, "x"), (put, "b"))
    assert [type(result) for result in results] == [int, ZeroDivisionError, int]


async def test_a_locked_database_is_trouble_for_every_caller_and_passes(database: Database, path: Path) -> None:
    await database.write(short_patience, "")
    intruder = sqlite3.connect(path, isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    results = await together(database, (put, "a"), (put, "b"))
    assert [type(result) for result in results] == [StorageTrouble, StorageTrouble]
    assert "locked" in str(results[0])
    assert await database.read(names) == set(), "reading goes on"
    intruder.execute("COMMIT")
    intruder.close()
    assert await database.write(put, "a") == 1


def short_patience(conn: Connection, calls: Sequence[str]) -> list[None]:
    """Shorten the wait for other writers."""
    conn.exec_driver_sql("PRAGMA busy_timeout=10")
    return [None] * len(calls)


def full(conn: Connection, calls: Sequence[int]) -> list[None]:
    """Limit the free space to a number of pages."""
    pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    conn.exec_driver_sql(f"PRAGMA max_page_count={pages + calls[0]}")
    return [None] * len(calls)


async def test_a_full_disk_is_trouble_and_passes(database: Database) -> None:
    await database.write(full, 0)
    with pytest.raises(StorageTrouble, match="full") as caught:
        await database.write(put, "x" * 100_000)
    assert caught.value.reason == "storage"
    assert await database.read(names) == set()
    await database.write(full, 1_000)
    assert await database.write(put, "x" * 100_000) == 1


def refused_at_commit(conn: Connection, calls: Sequence[str]) -> list[None]:
    """Leave a row whose parent is missing, which SQLite finds at COMMIT; it refuses that, and keeps the transaction."""
    conn.exec_driver_sql("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
    conn.exec_driver_sql("CREATE TABLE children (id INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
    conn.exec_driver_sql("INSERT INTO children VALUES (7)")
    return [None] * len(calls)


async def test_a_commit_that_is_refused_holds_up_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = sqlite.prepare
    monkeypatch.setattr(sqlite, "prepare", lambda engine, *words: prepare(engine, *words, "foreign_keys=ON"))
    async with open_database(path) as database:
        for name in ("a", "b"):
            with pytest.raises(IntegrityError):
                await database.write(refused_at_commit, "")
            assert await database.write(put, name) == 1
        assert await database.read(names) == {"a", "b"}


def read_only(conn: Connection, calls: Sequence[str]) -> list[None]:
    """Make the file refuse writes, as on a disk that was mounted read-only."""
    conn.exec_driver_sql("PRAGMA query_only=ON")
    return [None] * len(calls)


async def test_a_read_only_database_is_trouble_for_every_caller(database: Database) -> None:
    await database.write(read_only, "")
    results = await together(database, (put, "a"), (put, "b"))
    assert [type(result) for result in results] == [StorageTrouble, StorageTrouble]
    assert "readonly" in str(results[0])
    assert await database.read(names) == set(), "reading goes on"


async def test_damage_while_it_runs_is_trouble_that_names_the_remedy(path: Path) -> None:
    async with open_database(path) as database:
        await database.write(put, "before")
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        path.write_bytes(b"\xa5" * path.stat().st_size)
        for result in [*await together(database, (put, "a"), (put, "b")), await _read(database)]:
            assert isinstance(result, StorageTrouble)
            assert (result.reason, "the next start reads everything again" in str(result)) == ("storage_damaged", True)


async def _read(database: Database) -> object:
    try:
        return await database.read(names)
    except StorageTrouble as trouble:
        return trouble


async def test_a_cancelled_caller_does_not_tear_a_transaction(database: Database) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        assert await database.write(put, "a") == 1
        assert await database.write(put, "b") == 1, "cancellation is delivered at the next checkpoint, not here"
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert await database.read(names) == {"a", "b"}
    assert await database.write(put, "c") == 1, "nothing was left locked"


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageTrouble, match="readonly"):
        await database.read(put, ["a"])


async def test_every_waiting_caller_is_told_when_the_writer_ends(path: Path) -> None:
    async with connected(path) as ((connection,), _, _), trio.open_nursery() as nursery:
        writer = GroupCommit([connection], lambda *_: None)
        results: list[Any] = []

        async def ask() -> None:
            results.extend(await together(writer, (put, "a"), (put, "b")))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await writer.run()
    assert [type(result) for result in results] == [StorageTrouble, StorageTrouble]
    with pytest.raises(StorageTrouble, match="closed"):
        await writer.write(put, "c")
    with pytest.raises(StorageTrouble, match="closed"):
        await connection.run(list)


async def test_a_database_that_is_in_use_for_a_moment_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command may read a crashed daemon's database just as the daemon starts again."""
    monkeypatch.setattr(lock, "LOCK_SECONDS", 10.0)
    taken, over = threading.Event(), threading.Event()

    def look() -> None:
        with lock.only_one(path):
            taken.set()
            over.wait(10)

    looking = threading.Thread(target=look)
    looking.start()
    taken.wait(10)
    threading.Timer(0.2, over.set).start()
    async with open_database(path) as database:
        assert await database.read(names) == set()
    looking.join()


async def test_a_commit_survives_a_loss_of_power(database: Database) -> None:
    def pragmas(conn: Connection, calls: Sequence[str]) -> list[object]:
        return [conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in calls]

    assert await database.write(pragmas, "journal_mode") == "wal"
    assert await database.write(pragmas, "synchronous") == 2, "FULL"


async def test_the_inline_storage_keeps_the_same_promises() -> None:
    database = new_database()
    assert await database.write(put, "a") == 1
    with pytest.raises(IntegrityError):
        await database.write(put, "a")
    assert await database.read(names) == {"a"}
    database.close()
