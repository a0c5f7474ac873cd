"""The migrations create a database, never run backwards, and never reuse an id."""

import sqlite3
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from daemon.storage.database import open_database
from daemon.storage.migrate import HERE, upgrade
from daemon.storage.tables import metadata
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
