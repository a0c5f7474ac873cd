"""The migrations create a database, never run backwards, and never reuse an id."""

import sqlite3
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from daemon.storage.database import open_database
from daemon.storage.migrate import HERE, upgrade
from daemon.storage.tables import metadata
from tests.databases import new_database
from tests.storage.harness import StorageHarness


def test_the_migrations_make_every_table() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        upgrade(conn)
        assert set(inspect(conn).get_table_names()) - {"alembic_version"} == metadata.tables.keys()
    engine.dispose()


def test_no_step_goes_back() -> None:
    steps = list(ScriptDirectory(str(HERE)).walk_revisions())
    assert steps
    assert not any(hasattr(step.module, "downgrade") for step in steps)


async def test_ids_of_connections_and_runs_are_never_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_database(path) as database:
        harness = await StorageHarness.build(database)
        run = await harness.started()
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM full_syncs")
        other.execute("DELETE FROM connections")
    other.close()
    async with open_database(path) as database:
        again = await StorageHarness.build(database)
        assert again.connection_id > harness.connection_id
        assert await again.started() > run


@pytest.mark.usefixtures("both_engines")
def test_a_database_of_the_first_release_comes_forward() -> None:
    database = new_database()
    with database._engine.begin() as conn:
        for table in ("leases", "nodes", "audit", "last_webhooks", "notifications", "second_looks"):
            conn.execute(text(f"DROP TABLE {table}"))
        for table, column in (("outbox", "doubted"), ("sync_log", "puts_owed")):
            conn.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        upgrade(conn)
        for name, known in metadata.tables.items():
            assert {column["name"] for column in inspect(conn).get_columns(name)} == set(known.columns.keys())
        # What an earlier release writes, which works on beside this one.
        conn.execute(text("INSERT INTO sync_log (connection_id, kind, ever_put) VALUES (1, 'products', true)"))
        assert conn.execute(text("SELECT puts_owed FROM sync_log")).scalar_one() == 0
    database.close()
