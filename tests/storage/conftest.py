"""A harness on storage without threads."""

import sqlite3

import pytest

from daemon.storage import lock
from tests.databases import InlineDatabase
from tests.storage.harness import StorageHarness


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat another process that holds the database as a daemon, without waiting."""
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.0)


@pytest.fixture
async def harness(inline: InlineDatabase) -> StorageHarness:
    return await StorageHarness.build(inline)


@pytest.fixture
def few_parameters(harness: StorageHarness) -> int:
    """Limit a statement to few parameters, and return their number."""
    assert isinstance(harness.storage, InlineDatabase)
    raw = harness.storage._engine.raw_connection()
    if isinstance(raw.driver_connection, sqlite3.Connection):  # PostgreSQL's limit is higher, and part of its protocol
        raw.driver_connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2600)
    raw.close()
    return 2600
