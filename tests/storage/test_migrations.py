"""The migrations make what `tables` says, and bring the databases of every release forward with their rows."""

import sqlite3
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, create_engine, inspect, text

from daemon.model import Lane
from daemon.storage.database import open_database
from daemon.storage.migrate import HERE, upgrade
from daemon.storage.tables import metadata
from tests.storage.house import House, id_

ROWS_OF_0001 = """
INSERT INTO connections VALUES (7, 'test', 'shop', 'fake', 'active', x'00', 1.0);
INSERT INTO outbox VALUES (7, 'products', '1', 3, 0, NULL, 5.0, 0, 4.0, 'pending', NULL);
INSERT INTO outbox VALUES (7, 'products', '2', 1, 1, NULL, 5.0, 400, 4.0, 'parked', x'01');
INSERT INTO ledger VALUES (7, 'products', '1', x'02', x'03', 1, 1);
INSERT INTO sku_owners VALUES (7, 'SHIRT', '1');
INSERT INTO sku_waiters VALUES (7, 'SHIRT', '2');
INSERT INTO full_syncs VALUES (1, 7, 'products', 'normal', 'draining', 'next', 1.0, 2.0, NULL, NULL, 2, 1, 1, 0, 0, 0);
INSERT INTO issues VALUES (7, 'products', '2', x'04', x'05', 1, 0, 3.0);
INSERT INTO synced VALUES (7, 'products', '1', 2);
INSERT INTO sync_log VALUES (7, 'products', 1, 0, 1.0, NULL, NULL);
INSERT INTO meta VALUES ('fingerprint_key', x'06')
"""
ROWS_OF_0003 = """
INSERT INTO connections VALUES (7, 'test', 'shop', 'fake', 'active', x'00', 1.0);
INSERT INTO outbox VALUES (7, 'products', '1', 3, 0, NULL, 5.0, 0, 4.0, 'pending', NULL);
INSERT INTO outbox VALUES (7, 'products', '2', 1, 1, NULL, 5.0, 400, 4.0, 'parked', x'01');
INSERT INTO ledger VALUES (7, 'products', '1', x'02', x'03', 1, 1);
INSERT INTO owners VALUES (7, 'products', 'SHIRT', '1');
INSERT INTO waiters VALUES (7, 'products', 'SHIRT', '2');
INSERT INTO shelf VALUES (7, 'product', '1', 'rrp', '9.50', 1);
INSERT INTO full_syncs VALUES (1, 7, 'products', 'normal', 'draining', 'next', 1.0, 2.0, NULL, NULL, 2, 1, 1, 0, 0, 0);
INSERT INTO issues VALUES (7, 'products', '2', x'04', x'05', 1, 0, 3.0);
INSERT INTO synced VALUES (7, 'products', '1', 2);
INSERT INTO sync_log VALUES (7, 'products', 1, 0, 1.0, NULL, NULL);
INSERT INTO meta VALUES ('fingerprint_key', x'06')
"""
ROWS_OF_0004 = (
    ROWS_OF_0003.replace("'active', x'00', 1.0)", "'active', x'00', 1.0, 1, NULL)")
    + """;
INSERT INTO connections VALUES (6, 'test', 'shop', 'fake', 'leaving', x'00', 1.0, 1, 2.0);
INSERT INTO installs VALUES ('fake', 'store', x'07', 1.0);
INSERT INTO wishes VALUES ('test', 'other', 'store', x'08', 1.0)
"""
)
ROWS_OF_0005 = (
    ROWS_OF_0004
    + """;
INSERT INTO places VALUES (7, 'sl_1', NULL)
"""
)
ROWS_OF_0006 = (
    ROWS_OF_0005
    + """;
INSERT INTO removals VALUES (7, 'products', '9', '', 'deleted', 'held', NULL, 1.0, NULL)
"""
)
ROWS_OF_0007 = (
    ROWS_OF_0006
    + """;
INSERT INTO gaps VALUES (7, 'products', 5.0, 0);
INSERT INTO registrations VALUES (7, 40, 1, 1.0, x'09')
"""
)
ROWS = {
    "0001": ROWS_OF_0001,
    "0003": ROWS_OF_0003,
    "0004": ROWS_OF_0004,
    "0005": ROWS_OF_0005,
    "0006": ROWS_OF_0006,
    "0007": ROWS_OF_0007,
}
"""By revision, rows as a release that ended there wrote them. A new revision adds its own."""


def _migrated(path: Path, revision: str) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        upgrade(conn, revision)
        for statement in ROWS[revision].split(";"):
            conn.execute(text(statement))
    engine.dispose()


def _shape(table: Table) -> dict[str, object]:
    """Return what two tables must agree in: columns, key, indexes and the words of the checks' names."""
    return {
        "columns": {c.name: (c.type._type_affinity, c.nullable and not c.primary_key) for c in table.columns},
        "key": [c.name for c in table.primary_key.columns],
        "indexes": {(i.name, i.unique, tuple(c.name for c in i.columns)) for i in table.indexes},
    }


def test_the_migrations_make_what_the_tables_say() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        upgrade(conn)
        made = MetaData()
        made.reflect(conn)
        checks = {
            name: {_bare(c["sqltext"]) for c in inspect(conn).get_check_constraints(name)} for name in made.tables
        }
        words = {row.name: row.sql for row in conn.execute(text("SELECT name, sql FROM sqlite_master"))}
    engine.dispose()
    assert made.tables.keys() - {"alembic_version"} == metadata.tables.keys()
    for name, table in metadata.tables.items():
        assert _shape(made.tables[name]) == _shape(table), name
        said = {_bare(str(c.sqltext)) for c in table.constraints if hasattr(c, "sqltext")}
        assert checks[name] == said, name
        assert ("WITHOUT ROWID" in words[name]) == (table.dialect_options["sqlite"]["with_rowid"] is False), name
        assert ("AUTOINCREMENT" in words[name]) == bool(table.dialect_options["sqlite"]["autoincrement"]), name


def _bare(words: str) -> str:
    return " ".join(words.casefold().split())


def test_every_revision_has_rows_here_and_none_goes_back() -> None:
    revisions = list(ScriptDirectory(str(HERE)).walk_revisions())
    assert {revision.revision for revision in revisions} == ROWS.keys()
    assert not any(hasattr(revision.module, "downgrade") for revision in revisions)


@pytest.mark.parametrize("revision", ROWS)
async def test_a_database_of_each_release_goes_on_where_it_was(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "old.db"
    _migrated(path, revision)
    async with open_database(path) as database:
        house = await House.build(database)
        assert house.connection_id == 7
        [claim] = await house.claim(now=5.0)
        assert (claim.external_id, claim.revision) == ("1", 3)
        assert (await house.row("2"))["state"] == "parked"
        assert await house.owners() == {"SHIRT": "1"}
        assert (await house.newest()).state == "draining"
        put = await house.taken()
        assert (put.full, [one for one, _, _ in put.errors], put.resolved) == (True, ["2"], [(id_("1"), 2)])
        await house.record("2", now=6.0)
        assert len(await house.claim(now=6.0, lane=Lane.LIVE)) == 2


async def test_ids_of_connections_and_runs_are_never_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_database(path) as database:
        house = await House.build(database)
        run = await house.started()
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM full_syncs")
        other.execute("DELETE FROM connections")
    other.close()
    async with open_database(path) as database:
        again = await House.build(database)
        assert again.connection_id > house.connection_id
        assert await again.started() > run
