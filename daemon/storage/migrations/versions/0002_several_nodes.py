"""Several nodes on one database: nodes, leases, and the last words of a node that has lost a lease."""

from typing import Any

from alembic import op
from sqlalchemy import Boolean, Column, Integer, false, inspect, text

from daemon.storage.tables import leases, metadata, nodes

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what is not there: the first step makes today's tables, and an earlier database has none of this."""
    conn = op.get_bind()
    metadata.create_all(conn, tables=[nodes, leases])
    # With a default of the database: an earlier release that works beside this one knows nothing of these columns.
    added: dict[str, Column[Any]] = {
        "outbox": Column("doubted", Boolean, nullable=False, server_default=false()),
        "sync_log": Column("puts_owed", Integer, nullable=False, server_default=text("0")),
    }
    for table, column in added.items():
        if column.name not in {present["name"] for present in inspect(conn).get_columns(table)}:
            op.add_column(table, column)
