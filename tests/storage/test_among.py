"""The condition that a column has one of many values, on both engines, with every text that a store can have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from daemon.model import Change, ExternalId, Kind
from daemon.storage.outbox import Record, record
from daemon.storage.prepared import PreparedAmong, among
from daemon.storage.tables import outbox
from tests.databases import new_database
from tests.storage.harness import StorageHarness

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["", "\0", "a\0b", "a", "\\u0000", '"', "\\", "\u2028", "\U0001f600", "a' OR 1=1 --", "1", "01"]
)
PREPARED = PreparedAmong(select(outbox.c.external_id).where(outbox.c.kind == Kind.PRODUCTS.value), outbox.c.external_id)


@pytest.mark.usefixtures("both_engines")
async def test_a_column_among_values_is_found_by_exactly_those() -> None:
    database = new_database()
    harness = await StorageHarness.build(database)

    @settings(max_examples=60, deadline=None)
    @given(st.sets(TEXTS, max_size=8), st.sets(TEXTS, max_size=8))
    def check(stored: set[str], asked: set[str]) -> None:
        changes = [Change(Kind.PRODUCTS, ExternalId(text)) for text in stored]
        query = select(outbox.c.external_id)
        with database._engine.begin() as conn:
            conn.execute(outbox.delete())
            record(conn, [Record(connection_id=harness.connection_id, changes=changes, now=1.0)])
            condition = among(conn, outbox.c.external_id, asked)
            assert set(conn.execute(query.where(condition)).scalars()) == stored & asked
            assert set(conn.execute(query.where(~condition)).scalars()) == stored - asked
            assert set(PREPARED(conn, asked).scalars()) == stored & asked

    check()
    database.close()
