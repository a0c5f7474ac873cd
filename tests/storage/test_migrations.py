"""The migrations create a database, never run backwards, and never reuse an id."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Enum, create_engine, inspect, select, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from daemon.errors import ConfigError
from daemon.storage import migrate
from daemon.storage.database import open_database
from daemon.storage.migrate import HERE, lowest_release, newest_step, present_step, run_steps, seen, steps, upgrade
from daemon.storage.tables import floor, metadata
from tests.databases import new_database
from tests.storage.harness import StorageHarness


def test_the_migrations_make_every_table() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        upgrade(conn)
        assert set(inspect(conn).get_table_names()) - {"alembic_version"} == metadata.tables.keys()
    engine.dispose()


def test_the_checks_of_enums_have_the_names_that_databases_know() -> None:
    """A later step finds a CHECK by its name, in new databases and in old ones."""
    columns = [column for table in metadata.tables.values() for column in table.columns]
    assert sorted(column.type.name or "" for column in columns if isinstance(column.type, Enum)) == [
        "AuditOutcome",
        "Reason",
        "RemovalCause",
        "RemovalState",
        "RowState",
        "RunMode",
        "RunState",
        "Standing",
    ]


def test_a_database_of_an_early_trial_is_refused_as_such() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        upgrade(conn)
        conn.execute(seen.update().values(version_num="0005"))
        for roll_out in (False, True):
            with pytest.raises(ConfigError, match="by a trial before the first release; start with a new one"):
                upgrade(conn, roll_out=roll_out)
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


LATER = """
from alembic import op
from sqlalchemy import Column, Integer

revision, down_revision = "9001", "{down}"


def upgrade() -> None:
    op.add_column("sync_log", Column("later", Integer, nullable=False, server_default="0"))
"""


@pytest.mark.usefixtures("both_engines")
def test_a_step_adds_to_what_an_earlier_release_works_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = new_database()
    folder = shutil.copytree(HERE, tmp_path / "later", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9001_later.py").write_text(LATER.format(down=newest_step()), "utf-8")
    monkeypatch.setattr(migrate, "HERE", folder)
    with database._engine.connect() as conn:
        upgrade(conn)
        assert present_step(conn) == "9001"
        # The earlier release works on beside this one, and knows nothing of the column.
        conn.execute(text("INSERT INTO sync_log (connection_id, kind, ever_put) VALUES (1, 'products', true)"))
        assert conn.execute(text("SELECT later FROM sync_log")).scalar_one() == 0
        conn.rollback()  # tests share the server's database
    database.close()


@pytest.mark.usefixtures("both_engines")
def test_a_new_database_is_what_all_steps_lead_to() -> None:
    """A new one is made without Alembic."""
    database = new_database()
    with database._engine.begin() as conn:
        made = []
        for bring_forward in (upgrade, _upgrade_by_steps):
            metadata.drop_all(conn)
            seen.drop(conn)
            bring_forward(conn)
            made.append(_schema(conn))
    database.close()
    assert made[0] == made[1]
    assert "where" in made[0]["outbox"]


def _upgrade_by_steps(conn: Connection) -> None:
    run_steps(conn)
    conn.execute(floor.insert().values(step=lowest_release()))


def _schema(conn: Connection) -> dict[str, str]:
    found = inspect(conn)
    shown = {
        name: str(
            [
                [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
                found.get_pk_constraint(name),
                sorted(map(_plain, found.get_indexes(name))),
                sorted(map(str, found.get_check_constraints(name))),
                sorted(map(str, found.get_foreign_keys(name))),
            ]
        )
        for name in found.get_table_names()
    }
    return shown | {f"{table} rows": str(conn.execute(select(table)).all()) for table in (floor, seen)}


def _plain(index: ReflectedIndex) -> str:
    """Return an index as text; its condition is an object of SQLAlchemy."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


def test_the_names_of_the_files_are_the_steps() -> None:
    known = list(ScriptDirectory(str(HERE)).walk_revisions())
    assert steps().keys() == {step.revision for step in known}
    assert newest_step() == ScriptDirectory(str(HERE)).get_current_head()
    assert lowest_release() == max(getattr(step.module, "floor", "") for step in known)
