"""A harness on storage without threads."""

import sqlite3
from collections.abc import AsyncIterator

import pytest

from daemon.storage import lock, tables
from daemon.storage.database import InlineDatabase
from tests.storage.harness import StorageHarness

SQLITE_LIMIT = 32_766
"""SQLite's default limit of parameters (SQLITE_MAX_VARIABLE_NUMBER)."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat another process that holds the database as a daemon, without waiting."""
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.0)


@pytest.fixture
async def harness() -> AsyncIterator[StorageHarness]:
    database = InlineDatabase()
    yield await StorageHarness.build(database)
    database.close()


@pytest.fixture
def few_parameters(harness: StorageHarness, monkeypatch: pytest.MonkeyPatch) -> int:
    """Limit a statement to few parameters, and return their number."""
    assert isinstance(harness.storage, InlineDatabase)
    assert SQLITE_LIMIT - 100 > tables.PARAMETERS
    monkeypatch.setattr(tables, "PARAMETERS", 200)
    driver = harness.storage._engine.raw_connection().driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 300)
    return 200
