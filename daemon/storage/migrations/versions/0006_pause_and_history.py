"""Connections that an operator has paused, and the history of entities."""

from alembic import op
from sqlalchemy import Column, Float, inspect

from daemon.storage.tables import metadata, settlements

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column and the table, unless the first step has made them."""
    conn = op.get_bind()
    metadata.create_all(conn, tables=[settlements])
    if "paused_at" not in {present["name"] for present in inspect(conn).get_columns("connections")}:
        op.add_column("connections", Column("paused_at", Float))
