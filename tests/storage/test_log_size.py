"""SQLite's log shrinks again after a long read."""

# ruff: noqa: ASYNC240  small files

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio
from sqlalchemy import Connection, text

from daemon.storage import sqlite
from daemon.storage.database import Database, open_database
from daemon.storage.sqlite import LOG_BYTES

PATIENCE = 60.0
LARGE = 64 * 1024


def grow(conn: Connection, calls: Sequence[str]) -> list[None]:
    """Write many pages by changing a single row."""
    for call in calls:
        conn.execute(text("INSERT OR REPLACE INTO meta VALUES ('x', randomblob(:size))"), {"size": LARGE})
        assert call == "x"
    return [None] * len(calls)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Hold a read transaction, as a backup or a shell does."""
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
    yield
    reader.execute("ROLLBACK")
    reader.close()


async def _until_large(database: Database, log: Path) -> None:
    with trio.fail_after(PATIENCE):
        while log.stat().st_size < 2 * LOG_BYTES:
            await database.write(grow, "x")


@pytest.mark.holds("E14")
async def test_the_next_commits_cut_it_back(tmp_path: Path) -> None:
    path, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    async with open_database(path) as database:
        with reading(path):
            await _until_large(database, log)
        for _ in range(3):
            await database.write(grow, "x")
        assert log.stat().st_size <= LOG_BYTES


@pytest.mark.holds("E14")
async def test_without_any_commit_it_is_cut_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOG_SECONDS", 0.05)
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    path, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    async with open_database(tmp_path / "link.db") as database:
        with reading(path):
            await _until_large(database, log)
            with trio.fail_after(PATIENCE):  # It waits for no reader, and no commit waits for it.
                for _ in range(20):
                    await database.write(grow, "x")
                    await trio.sleep(0.02)
        with trio.fail_after(PATIENCE):
            while log.stat().st_size > LOG_BYTES:  # noqa: ASYNC110  nothing tells
                await trio.sleep(0.02)
        await database.write(grow, "x")
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT length(encrypted) FROM meta WHERE name = 'x'").fetchone() == (LARGE,)
        other.close()
