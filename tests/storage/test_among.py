"""The condition that a column has one of many values, on both engines, with every text that a store can have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, select, text, update

from daemon.model import Change, ExternalId, Kind
from daemon.storage.outbox import Record, record
from daemon.storage.prepared import PreparedAmong, among
from daemon.storage.tables import outbox
from tests.databases import new_database
from tests.storage.harness import StorageHarness

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["", "\0", "a\0b", "a", "\\u0000", '"', "\\", "\u2028", "\U0001f600", "a' OR 1=1 --", "1", "01"]
)
ID = outbox.c.external_id
OF_KIND = outbox.c.kind == bindparam("of_kind")
SELECT = PreparedAmong(select(ID).where(OF_KIND), ID)
UPDATE = PreparedAmong(update(outbox).where(OF_KIND).values(attempts=bindparam("tries")), ID)
DELETE = PreparedAmong(delete(outbox).where(OF_KIND), ID)


@pytest.mark.usefixtures("both_engines")
async def test_a_column_among_values_is_found_by_exactly_those() -> None:
    database = new_database()
    harness = await StorageHarness.build(database)

    @settings(max_examples=60, deadline=None)
    @given(st.sets(TEXTS, max_size=8), st.sets(TEXTS, max_size=8))
    def check(stored: set[str], asked: set[str]) -> None:
        changes = [Change(Kind.PRODUCTS, ExternalId(each)) for each in stored]
        query, both = select(ID), stored & asked
        with database._engine.begin() as conn:
            conn.execute(outbox.delete())
            record(conn, [Record(connection_id=harness.connection_id, changes=changes, now=1.0)])
            condition = among(conn, ID, asked)
            assert set(conn.execute(query.where(condition)).scalars()) == both
            assert set(conn.execute(query.where(~condition)).scalars()) == stored - asked
            assert set(SELECT(conn, asked, of_kind="products").scalars()) == both
            UPDATE(conn, asked, of_kind="products", tries=7)
            assert set(conn.execute(query.where(outbox.c.attempts == 7)).scalars()) == both
            DELETE(conn, asked, of_kind="products")
            assert set(conn.execute(query).scalars()) == stored - asked

    check()
    database.close()


@pytest.mark.parametrize("asked", [["a", "b"], ["a", "b\0"]])
async def test_sqlite_looks_each_value_up_in_the_index(asked: list[str]) -> None:
    database = new_database()
    with database._engine.begin() as conn:
        mine = (outbox.c.connection_id == 1, outbox.c.kind == "products")
        query = select(ID).where(*mine, among(conn, ID, asked))
        sql = str(query.compile(conn, compile_kwargs={"literal_binds": True})).replace("\0", "")
        plan = " ".join(str(row) for row in conn.execute(text(f"EXPLAIN QUERY PLAN {sql}".replace(":", "\\:"))))
    database.close()
    assert "external_id=?" in plan
