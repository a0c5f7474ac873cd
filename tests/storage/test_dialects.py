"""One set of statements and one schema for SQLite and PostgreSQL.

No server is needed: SQLAlchemy refuses to compile a construct that a dialect does not have.
"""

import importlib
import pkgutil
from pathlib import Path

import pytest
from sqlalchemy import Dialect, make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from daemon import storage
from daemon.storage.prepared import Prepared, PreparedAmong
from daemon.storage.tables import metadata, outbox
from daemon.storage.upsert import ROWS, Upsert

FOLDER = Path(storage.__file__).parent
SQLITE, POSTGRES = (make_url(url).get_dialect()() for url in ("sqlite://", "postgresql+psycopg://"))
MODULES = [importlib.import_module(module.name) for module in pkgutil.iter_modules(storage.__path__, "daemon.storage.")]
PREPARED = {
    f"{module.__name__}.{name}": statement
    for module in MODULES
    for name, statement in vars(module).items()
    if isinstance(statement, Prepared | PreparedAmong | Upsert)
}


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("name", PREPARED)
def test_every_prepared_statement_compiles(name: str, dialect: Dialect) -> None:
    statement = PREPARED[name]
    if isinstance(statement, Upsert):
        sql, _, _ = statement.compile_for(dialect)
        assert sql(ROWS)
        return
    prepared = statement.by_dialect[dialect.name] if isinstance(statement, PreparedAmong) else statement
    assert prepared.compile_for(dialect)[0]


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=lambda dialect: dialect.name)
def test_the_schema_compiles_with_its_partial_indexes(dialect: Dialect) -> None:
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            partial = {"connections_active": "state = 'active'", "outbox_run": "full_sync_id IS NOT NULL"}
            sql = str(CreateIndex(index).compile(dialect=dialect))
            assert sql.partition(" WHERE ")[2] == partial.get(str(index.name), "")


def test_ids_are_sorted_by_code_point() -> None:
    sql = str(CreateTable(outbox).compile(dialect=POSTGRES))
    assert 'external_id VARCHAR COLLATE "C" NOT NULL' in sql


def test_one_module_names_a_dialect() -> None:
    naming = {path.name for path in FOLDER.glob("*.py") if "sqlalchemy.dialects" in path.read_text("utf-8")}
    assert naming == {"upsert.py"}
